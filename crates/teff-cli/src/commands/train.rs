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
use crate::tensors::classified;
use crate::ui::{Ui, duration, grouped, path_text};
use clap::ArgMatches;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;
use teff::checkpoint::Checkpoint;
use teff::data::Split;
use teff::folded::Folded;
use teff::model::Model;
use teff::train::{Progress, Settings, Trainable, Trainer};
use teff::{Graph, Value, predict};

/// What training begins with.
enum Start {
    Model(Model),
    Folded(Box<Folded>),
}

impl Start {
    fn trainable(&self) -> &dyn Trainable {
        match self {
            Start::Model(m) => m,
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
    /// The share of the test samples that a network is right about.
    fn accuracy(&self, graph: &Graph) -> Result<f64> {
        let predictions = predict(graph, &self.data.test, self.settings.threads)?;
        Ok(predictions.confusion(&self.data.test).accuracy())
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
    let data = classified(args)?;
    let start = match given(args, "from") {
        Some(file) => Start::Folded(Box::new(Folded::new(&read_model_with(file, &Default::default(), ui)?)?)),
        None => {
            let spec = settings::spec(path_of(args, "model"))?;
            Start::Model(spec.build(data.train.shape(), data.train.classes().len(), settings.seed)?)
        }
    };
    // A batch that the data do not fill has an error of its own.
    let batch = settings.batch.min(data.train.len());
    check_memory(&start.graph(batch)?, "give a smaller --batch, or a smaller network").during("--batch")?;
    ui.note(format!(
        "{}: {} parameters; {} training samples of {:?}, {} classes (read in {})",
        start.trainable().name(),
        grouped(start.size()),
        grouped(data.train.len()),
        data.train.shape(),
        data.train.classes().len(),
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
    let made = shrink.run(&session, start, resumed.filter(|_| later))?;
    let trained = training.elapsed();
    write_onnx(&made.graph, made.narrow, out)?;
    let text = format!(
        "{}{:.2} % of {} test samples are right, after {} of training; wrote {}",
        made.report,
        made.accuracy * 100.0,
        grouped(data.test.len()),
        duration(trained),
        out.display()
    );
    let mut json = json!({
        "model": made.graph.name, "parameters": made.parameters, "epochs": settings.epochs, "loss": last.map(|p| p.loss),
        "train_accuracy": last.map(|p| p.accuracy), "test_accuracy": made.accuracy,
        "train_seconds": trained.as_secs_f64(), "seconds": started.elapsed().as_secs_f64(), "out": path_text(out),
    });
    if let Json::Object(json) = &mut json {
        json.extend(made.json);
    }
    ui.result(&text, &json);
    Ok(())
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
    session.shown("epoch", session.settings.epochs, BTreeMap::new(), &nothing).run(&mut trainer)
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
                bar.at(p.step as u64, || format!("loss {:.4} accuracy {:.2} %", p.loss, p.accuracy * 100.0));
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
                "{label} {}/{epochs}: loss {:.4}, accuracy {:.2} %{}, {}",
                p.epoch + 1,
                p.loss,
                p.accuracy * 100.0,
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
