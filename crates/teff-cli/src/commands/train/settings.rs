//! What the options of `teff train` ask for.

use crate::args::{count, one, path_of, threads_of, word};
use crate::failure::{During, Failure, Result};
use crate::files::read;
use crate::tensors::open_data;
use clap::ArgMatches;
use clap::parser::ValueSource;
use std::path::Path;
use teff::Schedule;
use teff::data::{Augment, Split, Targets};
use teff::model::ModelSpec;
use teff::prune::Criterion;
use teff::qat::{Bits, Widths};
use teff::quantize::Interface;
use teff::train::{Loss, Rule, Settings};

/// A preset by name, or a file.
pub(super) fn spec(path: &Path) -> Result<ModelSpec> {
    let name = &path.display().to_string();
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
    let text = String::from_utf8(read(path)?)
        .map_err(|_| Failure::new(format!("{name} is no text; a model file is TOML in UTF-8")))?;
    Ok(ModelSpec::parse(name, &text)?)
}

/// The data set, with what is to be found as the options say.
pub(super) fn data(args: &ArgMatches) -> Result<Split> {
    let data = open_data(args)?;
    if *data.train.targets() == Targets::Missing {
        let what = "does not say what is to be found for its samples; add an array or column y (whole numbers for classes, other numbers to \
            be found), name the one that holds it (--label), or put pictures into a folder for each class";
        return Err(Failure::new(format!("{} {what}", path_of(args, "data").display())));
    }
    Ok(data)
}

fn loss(args: &ArgMatches) -> Loss {
    let name = one::<String>(args, "loss");
    *Loss::ALL.iter().find(|loss| loss.name() == name).expect("clap knows the losses")
}

pub(super) fn settings(args: &ArgMatches) -> Result<Settings> {
    let number = |name: &str| count(args, name);
    let real = |name: &str| one::<f64>(args, name);
    let given = |name: &str| args.value_source(name) == Some(ValueSource::CommandLine);
    let from_file = args.contains_id("from");
    let momentum = real("momentum");
    let seed = one::<u64>(args, "seed");
    Ok(Settings {
        epochs: if from_file && !given("epochs") { 0 } else { number("epochs") },
        batch: number("batch"),
        rate: real("rate"),
        schedule: match one::<String>(args, "schedule").as_str() {
            "constant" => Schedule::Constant,
            "step" => Schedule::Step { every: 1.0 / 3.0, factor: 0.1 },
            "cosine" => Schedule::Cosine,
            "one-cycle" => Schedule::OneCycle { warmup: 0.3 },
            _ => unreachable!("clap knows the schedules"),
        },
        rule: match one::<String>(args, "optimizer").as_str() {
            "adam" => Rule::Adam,
            "adamw" => Rule::AdamW,
            "sgd" => Rule::Sgd { momentum: 0.0, nesterov: false },
            "momentum" => Rule::Sgd { momentum, nesterov: false },
            "nesterov" => Rule::Sgd { momentum, nesterov: true },
            _ => unreachable!("clap knows the optimisers"),
        },
        loss: loss(args),
        label_smoothing: real("label-smoothing"),
        weight_decay: real("weight-decay"),
        clip_norm: args.get_one::<f64>("clip").copied(),
        augment: word(args, "augment").map(|kinds| augment(kinds, seed)).transpose()?,
        seed,
        threads: threads_of(args),
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
            .map(|a| a.parse().ok().filter(|x: &f32| x.is_finite()).ok_or(()))
            .transpose()
            .map_err(|()| Failure::new(format!("{kind:?} is no amount; write {name}=NUMBER")))
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

/// Quantised training: the bits, and how to train.
pub(super) fn quantised(args: &ArgMatches, float: &Settings) -> Option<(Widths, Settings)> {
    let default = *args.get_one::<Bits>("qat")?;
    let layers = args.get_many::<(String, Bits)>("qat-layer").into_iter().flatten().cloned().collect();
    let settings = Settings {
        epochs: count(args, "qat-epochs"),
        rate: one::<f64>(args, "qat-rate"),
        schedule: Schedule::Cosine,
        ..float.clone()
    };
    Some((Widths { default, layers }, settings))
}

/// What a quantised network takes and gives.
pub(super) fn interface(args: &ArgMatches) -> Interface {
    match one::<String>(args, "io").as_str() {
        "float" => Interface::Float,
        "int8" => Interface::Int8,
        _ => unreachable!("clap knows both"),
    }
}

/// What is pruned, and how to train while it is.
pub(super) struct Pruning {
    pub(super) share: f64,
    pub(super) criterion: Criterion,
    pub(super) settings: Settings,
}

/// Pruning, if it is asked for.
pub(super) fn pruning(args: &ArgMatches, float: &Settings) -> Option<Pruning> {
    let share = *args.get_one::<f64>("prune")?;
    let settings = Settings {
        epochs: count(args, "prune-epochs"),
        rate: one::<f64>(args, "prune-rate"),
        ..float.clone()
    };
    let criterion = match one::<String>(args, "prune-by").as_str() {
        "taylor" => Criterion::Taylor(float.loss),
        "magnitude" => Criterion::Magnitude,
        _ => unreachable!("clap knows the criteria"),
    };
    Some(Pruning { share, criterion, settings })
}
