//! `teff quantize`.

mod args;
mod report;

pub(crate) use args::command;

use crate::args::{count, one, path_of, threads_of};
use crate::failure::{Failure, Result};
use crate::files::{check_writable, write};
use crate::model::read_model;
use crate::stop::Stop;
use crate::tensors::open_data;
use crate::ui::{Bar, Ui};
use clap::ArgMatches;
use teff::data::Split;
use teff::onnx::WriteOptions;
use teff::quantize::{
    Calibration, Interface, OutputReport, Quantised, Rounding, Settings, quantize, rewrite,
};
use teff::{DType, Error, Graph, Judgement, outputs};

pub(crate) fn run(args: &ArgMatches, ui: &Ui) -> Result<()> {
    let out = path_of(args, "out");
    check_writable(out)?;
    let settings = settings(args);
    let graph = read_model(path_of(args, "model"), args, ui)?;
    let data = open_data(args)?;
    let done = with_progress(&graph, &data, &settings, &Stop::watch(), ui)?;
    let mut bar = ui.bar("measuring", 2);
    let before = outputs(&graph, &data.test, settings.threads)?;
    bar.at(1, String::new);
    let after =
        outputs(&rewrite(&done.network, &done.scheme, Interface::Float)?, &data.test, settings.threads)?;
    bar.finish();
    let narrow = done.scheme.layers.iter().flatten().any(|w| w.bits < 8);
    let bytes = teff::onnx::write(&done.graph, &WriteOptions { narrow, ..WriteOptions::default() })?;
    write(out, &bytes)?;
    let measured = report::Measured {
        before: Judgement::of(&before, &data.test),
        after: Judgement::of(&after, &data.test),
        outputs: OutputReport::of(&graph, &before, &after),
        samples: data.test.len(),
        file: out,
        file_bytes: bytes.len(),
    };
    ui.result(&report::text(&done, &measured, &settings), &report::json(&done, &measured, &settings));
    Ok(())
}

/// Quantises with a bar for each stage.
pub(super) fn with_progress(
    graph: &Graph,
    data: &Split,
    settings: &Settings,
    stop: &Stop,
    ui: &Ui,
) -> Result<Quantised> {
    let mut stage: Option<(String, Bar)> = None;
    let done = quantize(graph, &data.train, settings, &mut |what, done, of| {
        if stage.as_ref().is_none_or(|(name, _)| name != what) {
            if let Some((_, bar)) = stage.take() {
                bar.finish();
            }
            stage = Some((what.into(), ui.bar(what, of as u64)));
        }
        if let Some((_, bar)) = &mut stage {
            bar.at(done as u64, String::new);
        }
        stop.flow()
    });
    if let Some((_, bar)) = stage {
        bar.finish();
    }
    match done {
        Err(Error::Stopped) => Err(Failure::stopped("stopped; nothing was written")),
        done => Ok(done?),
    }
}

fn settings(args: &ArgMatches) -> Settings {
    let word = |name: &str| one::<String>(args, name);
    let on = |name: &str| word(name) == "on";
    let many = |name: &str| args.get_many::<String>(name).into_iter().flatten().cloned();
    Settings {
        samples: count(args, "samples"),
        seed: one(args, "seed"),
        calibration: one::<Option<Calibration>>(args, "calibration"),
        bias_correction: on("bias-correction"),
        equalise: on("equalize"),
        rounding: match &*word("rounding") {
            "nearest" => Rounding::Nearest,
            "compensated" => Rounding::Compensated,
            _ => Rounding::Learned,
        },
        bits: word("weights").parse().expect("clap allows 8, 4 and 2"),
        layers: args.get_many::<(String, u8)>("layer").into_iter().flatten().cloned().collect(),
        keep: many("keep").collect(),
        budget: args.get_one::<usize>("flash").copied(),
        tensors: match &*word("activations") {
            "uint8" => DType::U8,
            "int16" => DType::I16,
            _ => DType::I8,
        },
        widen: word("activations") == "auto",
        interface: if word("io") == "int8" { Interface::Int8 } else { Interface::Float },
        threads: threads_of(args),
    }
}
