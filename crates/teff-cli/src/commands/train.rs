//! `teff train`.

use super::{path, threads};
use crate::failure::{During, Failure, Result};
use crate::files::{beside, check_writable, read, write};
use crate::stop::Stop;
use crate::ui::{Ui, duration, grouped};
use clap::ArgMatches;
use serde_json::json;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;
use teff::checkpoint::Checkpoint;
use teff::data::Augment;
use teff::model::{Model, ModelSpec};
use teff::train::{Progress, Rule, Settings, Trainer};
use teff::{Schedule, predict};

pub(crate) fn run(args: &ArgMatches, ui: &Ui) -> Result<()> {
    let out = path(args, "out");
    check_writable(out)?;
    let given_checkpoint = args.get_one::<PathBuf>("checkpoint");
    let checkpoint = given_checkpoint.cloned().unwrap_or_else(|| beside(out, "checkpoint.safetensors"));
    check_writable(&checkpoint)?;
    let settings = settings(args)?;
    let spec = spec(args.get_one::<String>("model").expect("has a default"))?;

    let started = Instant::now();
    let data = teff::data::open(path(args, "data"))?;
    let model = spec.build(data.train.shape(), data.train.classes().len(), settings.seed)?;
    ui.note(format!(
        "{}: {} parameters; {} training samples of {:?}, {} classes (read in {})",
        model.name,
        grouped(model.size()),
        grouped(data.train.len()),
        data.train.shape(),
        data.train.classes().len(),
        duration(started.elapsed())
    ));
    let mut trainer = Trainer::new(&model, &data.train, settings.clone())?;
    if let Some(from) = args.get_one::<PathBuf>("resume") {
        trainer.resume(&Checkpoint::read(from)?, from)?;
        let p = trainer.progress();
        ui.note(format!("going on from epoch {}, step {} of {}", p.epoch + 1, p.step, p.steps));
    }
    let training = Instant::now();
    let save = Save { path: &checkpoint, every_epoch: given_checkpoint.is_some() };
    let last = train(&mut trainer, settings.epochs, &save, &Stop::watch(), ui)?;
    let trained = training.elapsed();

    let predictions = predict(&model.graph(100)?, &data.test, settings.threads)?;
    let accuracy = predictions.confusion(&data.test).accuracy();
    write_onnx(&model, out)?;
    let text = format!(
        "{:.2} % of {} test samples are right, after {} of training; wrote {}",
        accuracy * 100.0,
        grouped(data.test.len()),
        duration(trained),
        out.display()
    );
    ui.result(
        &text,
        &json!({
            "model": model.name, "parameters": model.size(), "epochs": settings.epochs, "loss": last.map(|p| p.loss),
            "train_accuracy": last.map(|p| p.accuracy), "test_accuracy": accuracy,
            "train_seconds": trained.as_secs_f64(), "seconds": started.elapsed().as_secs_f64(), "out": out,
        }),
    );
    Ok(())
}

/// Where checkpoints go.
pub(crate) struct Save<'a> {
    pub(crate) path: &'a Path,
    /// After each epoch, not only when stopped.
    pub(crate) every_epoch: bool,
}

/// Trains to the end with a bar an epoch. Gives what the last epoch came to, if there was one to train.
pub(crate) fn train(
    trainer: &mut Trainer,
    epochs: usize,
    save: &Save,
    stop: &Stop,
    ui: &Ui,
) -> Result<Option<Progress>> {
    let mut last = None;
    while !trainer.is_done() {
        let at = trainer.progress();
        let mut bar = ui.bar(&format!("epoch {}/{epochs}", at.epoch + 1), at.steps as u64);
        let started = Instant::now();
        let p = trainer.epoch(|p| {
            bar.at(p.step as u64, || format!("loss {:.4} accuracy {:.2} %", p.loss, p.accuracy * 100.0));
            if stop.is_asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        bar.finish();
        if stop.is_asked() {
            trainer.checkpoint().write(save.path)?;
            return Err(Failure::stopped(format!(
                "stopped in epoch {} after step {} of {}; the checkpoint {} holds everything: the same command with --resume {} goes \
                 on from there",
                p.epoch + 1,
                p.step,
                p.steps,
                save.path.display(),
                save.path.display()
            )));
        }
        ui.note(format!(
            "epoch {}/{epochs}: loss {:.4}, accuracy {:.2} %, {}",
            p.epoch + 1,
            p.loss,
            p.accuracy * 100.0,
            duration(started.elapsed())
        ));
        if save.every_epoch {
            trainer.checkpoint().write(save.path)?;
        }
        last = Some(p);
    }
    Ok(last)
}

/// Writes the network in use, for one sample.
pub(crate) fn write_onnx(model: &Model, out: &Path) -> Result<()> {
    let bytes = teff::onnx::write(&model.graph(1)?, &teff::onnx::WriteOptions::default())?;
    write(out, &bytes)
}

/// A preset by name, or a file.
fn spec(name: &str) -> Result<ModelSpec> {
    if let Some(spec) = ModelSpec::preset(name) {
        return Ok(spec);
    }
    if !name.ends_with(".toml") {
        let known: Vec<&str> = ModelSpec::presets().collect();
        return Err(Failure::new(format!(
            "no model is called {name:?}; known are {}, and files ending in .toml that list layers",
            known.join(", ")
        )));
    }
    let text = String::from_utf8(read(Path::new(name))?)
        .map_err(|_| Failure::new(format!("{name} is no text; a model file is TOML in UTF-8")))?;
    Ok(ModelSpec::parse(name, &text)?)
}

fn settings(args: &ArgMatches) -> Result<Settings> {
    let number = |name: &str| *args.get_one::<u64>(name).expect("has a default") as usize;
    let real = |name: &str| *args.get_one::<f64>(name).expect("has a default");
    let word = |name: &str| args.get_one::<String>(name).expect("has a default").as_str();
    let momentum = real("momentum");
    let seed = *args.get_one::<u64>("seed").expect("has a default");
    Ok(Settings {
        epochs: number("epochs"),
        batch: number("batch"),
        rate: real("rate"),
        schedule: match word("schedule") {
            "constant" => Schedule::Constant,
            "step" => Schedule::Step { every: 1.0 / 3.0, factor: 0.1 },
            "cosine" => Schedule::Cosine,
            "one-cycle" => Schedule::OneCycle { warmup: 0.3 },
            _ => unreachable!("clap knows the schedules"),
        },
        rule: match word("optimizer") {
            "adam" => Rule::Adam,
            "adamw" => Rule::AdamW,
            "sgd" => Rule::Sgd { momentum: 0.0, nesterov: false },
            "momentum" => Rule::Sgd { momentum, nesterov: false },
            "nesterov" => Rule::Sgd { momentum, nesterov: true },
            _ => unreachable!("clap knows the optimisers"),
        },
        label_smoothing: real("label-smoothing"),
        weight_decay: real("weight-decay"),
        clip_norm: args.get_one::<f64>("clip").copied(),
        augment: args.get_one::<String>("augment").map(|kinds| augment(kinds, seed)).transpose()?,
        seed,
        threads: threads(args),
    })
}

/// `all`, or a list such as `shift=2,rotate,elastic=24`.
fn augment(kinds: &str, seed: u64) -> Result<Augment> {
    let all = Augment { seed, ..Augment::default() };
    if kinds == "all" {
        return Ok(all);
    }
    let mut chosen = Augment { seed, ..Augment::none() };
    for kind in kinds.split(',') {
        let (name, amount) = kind.split_once('=').map_or((kind, None), |(n, a)| (n, Some(a)));
        let amount: Option<f32> = amount
            .map(str::parse)
            .transpose()
            .map_err(|_| Failure::new(format!("{kind:?} is no amount; write {name}=NUMBER")))
            .during("--augment")?;
        let (setting, default) = match name {
            "shift" => (&mut chosen.shift, all.shift),
            "rotate" => (&mut chosen.rotate, all.rotate),
            "scale" => (&mut chosen.scale, all.scale),
            "elastic" => (&mut chosen.elastic_alpha, all.elastic_alpha),
            _ => {
                return Err(Failure::new(format!(
                    "--augment: nothing is called {name:?}; known are shift (pixels), rotate (degrees), scale (share), elastic \
                     (strength), all"
                )));
            }
        };
        *setting = amount.unwrap_or(default);
    }
    Ok(chosen)
}
