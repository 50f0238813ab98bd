//! The commands, a file each.

mod compile;
mod demo;
mod eval;
mod inspect;
pub(crate) mod sim;
mod train;

use crate::failure::{During, Result};
use crate::files::read;
use crate::ui::Ui;
use clap::ArgMatches;
use std::path::Path;
use teff::Graph;

/// Runs the command called `name`.
pub(crate) fn run(name: &str, args: &ArgMatches, ui: &Ui) -> Result<()> {
    match name {
        "demo" => demo::run(args, ui),
        "train" => train::run(args, ui),
        "compile" => compile::run(args, ui),
        "eval" => eval::run(args, ui),
        "inspect" => inspect::run(args, ui),
        "sim" => sim::run(args, ui),
        _ => unreachable!("clap knows the commands"),
    }
}

/// The path given for `name`, which is required or has a default.
fn path<'a>(args: &'a ArgMatches, name: &str) -> &'a Path {
    args.get_one::<std::path::PathBuf>(name).expect("required, or with a default")
}

/// The threads asked for, or all.
fn threads(args: &ArgMatches) -> usize {
    args.get_one::<u64>("threads").map_or_else(|| teff::host::Options::default().threads, |&n| n as usize)
}

/// Reads an ONNX or TFLite file; what the reader assumed is noted.
fn read_model(path: &Path, ui: &Ui) -> Result<Graph> {
    let bytes = read(path)?;
    // A TFLite file says what it is behind its first offset; nothing in ONNX does.
    let (graph, notes) = if bytes.get(4..8) == Some(b"TFL3") {
        let model =
            teff::tflite::read(&bytes, &teff::tflite::ReadOptions::default()).during(path.display())?;
        (model.graph, model.notes)
    } else {
        let model = teff::onnx::read(&bytes, &teff::onnx::ReadOptions::default()).during(path.display())?;
        (model.graph, model.notes)
    };
    notes.iter().for_each(|note| ui.note(format!("{}: {note}", path.display())));
    Ok(graph)
}
