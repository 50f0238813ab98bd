//! `teff train`.

mod args;
mod settings;
mod shrink;

pub(crate) use args::command;

use crate::args::{given, path_of};
use crate::failure::{During, Failure, Result};
use crate::files::{beside, check_writable, write};
use crate::model::{check_memory, read_model_with};
use crate::stop::Stop;
use crate::ui::{Ui, duration, grouped, path_text};
use clap::ArgMatches;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;
use teff::checkpoint::Checkpoint;
use teff::data::{Dataset, Split};
use teff::folded::Folded;
use teff::metrics::Quality;
use teff::model::{Model, Standard};
use teff::train::{Goal, Progress, Score, Settings, Trainable, Trainer};
use teff::{Graph, Value, outputs};

/// What training begins with.
enum Start {
    Model(Box<Model>),
    Folded(Box<Folded>),
}

impl Start {
    fn trainable(&self) -> &dyn Trainable {
        match self {
            Start::Model(m) => m.as_ref(),
            Start::Folded(n) => n.as_ref(),
        }
    }

    /// The network in use, for `batch` samples.
    fn graph(&self, batch: usize) -> Result<Graph> {
        Ok(match self {
            Start::Model(m) => m.graph(batch)?,
            Start::Folded(n) => n.at_batch(batch)?,
        })
    }

    fn size(&self) -> usize {
        self.trainable().params().iter().map(|p| p.ty().len()).sum()
    }
}

/// What every part of the training needs.
struct Session<'a> {
    data: &'a Split,
    settings: &'a Settings,
    save: Save<'a>,
    stop: Stop,
    ui: &'a Ui,
}

impl Session<'_> {
    /// How good a network is at the test samples.
    fn quality(&self, graph: &Graph) -> Result<Quality> {
        let goal = Goal::new(&self.data.test, self.settings.loss, self.settings.label_smoothing)?;
        let said = outputs(graph, &self.data.test, self.settings.threads)?;
        Ok(goal.quality(&said[0]))
    }

    fn shown<'b>(
        &'b self,
        label: &'b str,
        epochs: usize,
        beside: BTreeMap<String, Value>,
        after: &'b dyn Fn() -> Result<String>,
    ) -> Loop<'b> {
        Loop { label, epochs, save: &self.save, beside, stop: &self.stop, ui: self.ui, after }
    }
}

pub(crate) fn run(args: &ArgMatches, ui: &Ui) -> Result<()> {
    let out = path_of(args, "out");
    check_writable(out)?;
    let given_checkpoint = given(args, "checkpoint");
    let checkpoint =
        given_checkpoint.map_or_else(|| beside(out, "checkpoint.safetensors"), Path::to_path_buf);
    check_writable(&checkpoint)?;
    let settings = settings::settings(args)?;
    let shrink = shrink::Plan::new(args, &settings);

    let started = Instant::now();
    let data = settings::data(args)?;
    let goal = Goal::new(&data.train, settings.loss, settings.label_smoothing)?;
    let start = match given(args, "from") {
        Some(file) => Start::Folded(Box::new(Folded::new(&read_model_with(file, &Default::default(), ui)?)?)),
        None => {
            let spec = settings::spec(path_of(args, "model"))?;
            let mut model = spec.build(data.train.shape(), goal.width(), settings.seed)?;
            measured_alike(&mut model, &goal, &data.train, ui);
            Start::Model(Box::new(model))
        }
    };
    // A batch that the data do not fill has an error of its own.
    let batch = settings.batch.min(data.train.len());
    check_memory(&start.graph(batch)?, "give a smaller --batch, or a smaller network").during("--batch")?;
    goal.check(start.trainable().output())?;
    shrink.check(&start, &data.train)?;
    ui.note(format!(
        "{}: {} parameters; {} training samples of {:?}, {} (read in {})",
        start.trainable().name(),
        grouped(start.size()),
        grouped(data.train.len()),
        data.train.shape(),
        goal.described(),
        duration(started.elapsed())
    ));
    let resumed = match given(args, "resume") {
        Some(from) => Some((Checkpoint::read(from)?, from)),
        None => None,
    };
    let training = Instant::now();
    let save = Save { path: &checkpoint, every_epoch: given_checkpoint.is_some() };
    let session = Session { data: &data, settings: &settings, save, stop: Stop::watch(), ui };
    let later = shrink.is_under_way(&start, resumed.as_ref())?;
    let last = if later || settings.epochs == 0 { None } else { float(&session, &start, resumed.as_ref())? };
    let mut made = shrink.run(&session, start, resumed.filter(|_| later))?;
    let trained = training.elapsed();
    write_onnx(&made.graph, made.narrow, out)?;
    let tested = grouped(data.test.len());
    let text = format!(
        "{}{}, after {} of training; wrote {}",
        made.report,
        match made.quality {
            Quality::Accuracy(_) => format!("{} of {tested} test samples are right", made.quality),
            Quality::Fit(_) => format!("{} of {tested} test samples", made.quality),
        },
        duration(trained),
        out.display()
    );
    let mut json = json!({
        "model": made.graph.name, "parameters": made.parameters, "epochs": settings.epochs, "loss": last.map(|p| p.loss),
        "train_seconds": trained.as_secs_f64(), "seconds": started.elapsed().as_secs_f64(), "out": path_text(out),
    });
    made.json.extend(measures("test", made.quality));
    let trained = match (last.map(|p| p.score), made.quality) {
        (Some(Score::R2(r2)), _) => ("train_r2", json!(r2)),
        (Some(Score::Accuracy(share)), _) => ("train_accuracy", json!(share)),
        (None, Quality::Accuracy(_)) => ("train_accuracy", Json::Null),
        (None, Quality::Fit(_)) => ("train_r2", Json::Null),
    };
    made.json.insert(trained.0.into(), trained.1);
    if let Json::Object(json) = &mut json {
        json.extend(made.json);
    }
    ui.result(&text, &json);
    Ok(())
}

/// Features and numbers of different magnitudes learn badly: the network brings them to one, by constants that are part of it.
fn measured_alike(model: &mut Model, goal: &Goal, train: &Dataset, ui: &Ui) {
    let standard = train.inputs().first().and_then(Standard::of_samples).filter(Standard::is_needed);
    if let Some(standard) = standard {
        ui.note(
            "the features differ in magnitude: the network takes them as they are, and first brings each to mean 0 and deviation 1, by \
             constants from the training part that are part of the network",
        );
        model.standardise(standard);
    }
    if let Some(unit) = goal.unit() {
        model.gives_numbers(unit);
    }
}

/// For scripts: how good something was.
fn measures(of: &str, quality: Quality) -> Map<String, Json> {
    let named = |name: &str, x: f64| (format!("{of}_{name}"), json!(x));
    match quality {
        Quality::Accuracy(share) => [named("accuracy", share)].into_iter().collect(),
        Quality::Fit(fit) => {
            [named("mse", fit.mse), named("mae", fit.mae), named("r2", fit.r2)].into_iter().collect()
        }
    }
}

/// Trains in float.
fn float(
    session: &Session,
    start: &Start,
    resumed: Option<&(Checkpoint, &Path)>,
) -> Result<Option<Progress>> {
    let mut trainer = Trainer::new(start.trainable(), &session.data.train, session.settings.clone())?;
    if let Some((checkpoint, from)) = resumed {
        trainer.resume(checkpoint, from)?;
        going_on(&trainer, session.ui);
    }
    let after = || match session.quality(&start.graph(100)?)? {
        // That of the training part tells enough, and MNIST has 10 000 test samples.
        Quality::Accuracy(_) => Ok(String::new()),
        fit => Ok(format!("; test samples {fit}")),
    };
    session.shown("epoch", session.settings.epochs, BTreeMap::new(), &after).run(&mut trainer)
}

fn going_on(trainer: &Trainer, ui: &Ui) {
    let p = trainer.progress();
    ui.note(format!("going on from epoch {}, step {} of {}", p.epoch + 1, p.step, p.steps));
}

/// Where checkpoints go.
pub(crate) struct Save<'a> {
    pub(crate) path: &'a Path,
    /// After each epoch, not only when stopped.
    pub(crate) every_epoch: bool,
}

/// One training and how it is shown.
pub(crate) struct Loop<'a> {
    /// What an epoch is called.
    pub(crate) label: &'a str,
    pub(crate) epochs: usize,
    pub(crate) save: &'a Save<'a>,
    /// What checkpoints hold beside the trainer's.
    pub(crate) beside: BTreeMap<String, Value>,
    pub(crate) stop: &'a Stop,
    pub(crate) ui: &'a Ui,
    /// What is said after an epoch, beside loss and accuracy in training.
    pub(crate) after: &'a dyn Fn() -> Result<String>,
}

impl Loop<'_> {
    /// Trains to the end with a bar an epoch. Gives what the last epoch came to, if there was one to train.
    pub(crate) fn run(&self, trainer: &mut Trainer) -> Result<Option<Progress>> {
        let (label, epochs, ui, stop) = (self.label, self.epochs, self.ui, self.stop);
        let mut last = None;
        // The checkpoint is what a stop is for.
        let _patience = Stop::patience();
        while !trainer.is_done() {
            let at = trainer.progress();
            let mut bar = ui.bar(&format!("{label} {}/{epochs}", at.epoch + 1), at.steps as u64);
            let started = Instant::now();
            let p = trainer.epoch(|p| {
                bar.at(p.step as u64, || format!("loss {:.4} {}", p.loss, p.score));
                stop.flow()
            })?;
            bar.finish();
            if stop.is_asked() {
                self.write(trainer)?;
                let path = self.save.path.display();
                return Err(Failure::stopped(format!(
                    "stopped in {label} {} after step {} of {}; the checkpoint {path} holds everything: the same command with \
                     --resume {path} goes on from there",
                    p.epoch + 1,
                    p.step,
                    p.steps,
                )));
            }
            ui.note(format!(
                "{label} {}/{epochs}: loss {:.4}, {}{}, {}",
                p.epoch + 1,
                p.loss,
                p.score,
                (self.after)()?,
                duration(started.elapsed())
            ));
            if self.save.every_epoch {
                self.write(trainer)?;
            }
            last = Some(p);
        }
        Ok(last)
    }

    fn write(&self, trainer: &Trainer) -> Result<()> {
        let mut checkpoint = trainer.checkpoint();
        checkpoint.tensors.extend(self.beside.clone());
        write(self.save.path, &checkpoint.to_bytes())
    }
}

/// Nothing more to say.
pub(crate) fn nothing() -> Result<String> {
    Ok(String::new())
}

/// Writes the network in use, for one sample; `narrow` weights in ONNX's types of 4 and 2 bits.
pub(crate) fn write_onnx(graph: &Graph, narrow: bool, out: &Path) -> Result<()> {
    let bytes = teff::onnx::write(graph, &teff::onnx::WriteOptions { narrow, ..Default::default() })?;
    write(out, &bytes)
}
