//! Arguments that several commands take, and what was given for them.

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use std::path::{Path, PathBuf};
use teff::compile::{Board, Floats, Target};

pub(crate) fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).help(help).action(ArgAction::SetTrue)
}

pub(crate) fn path(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help).value_parser(value_parser!(PathBuf))
}

pub(crate) fn number(name: &'static str, default: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .value_name("N")
        .help(help)
        .default_value(default)
        .value_parser(value_parser!(u64).range(1..=1 << 32))
}

pub(crate) fn real(name: &'static str, default: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .value_name("X")
        .help(help)
        .default_value(default)
        .allow_negative_numbers(true)
        .value_parser(finite)
}

/// A number that is one: neither infinite nor NaN.
pub(crate) fn finite(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|x: &f64| x.is_finite()).ok_or("give a number, such as 0.5 or 1e-3".into())
}

/// A number from 0 on.
pub(crate) fn not_negative(text: &str) -> Result<f64, String> {
    finite(text).ok().filter(|x| *x >= 0.0).ok_or("give a number from 0 on, such as 1e-4".into())
}

/// What becomes of floats where there is no float unit.
pub(crate) fn float() -> Arg {
    Arg::new("float")
        .long("float")
        .value_name("ERROR|exact")
        .help("Without a float unit: how far integers may take outputs off, as a share of their range (16-bit weights as far as that allows); or software floats, exact and slow")
        .default_value("1e-4")
        .value_parser(floats)
}

/// What `--float` says.
fn floats(word: &str) -> Result<Floats, String> {
    if word == "exact" {
        return Ok(Floats::Exact);
    }
    match word.parse::<f64>() {
        Ok(error) if error > 0.0 && error < 1.0 => Ok(Floats::Mantissas { error }),
        _ => Err("give a share above 0 and below 1, as 1e-4, or the word exact".into()),
    }
}

pub(crate) fn dataset() -> Arg {
    Arg::new("data")
        .value_name("DATASET")
        .help("NPZ or CSV file, folder of IDX files (MNIST), or folder of pictures for each class (docs/data.md)")
        .required(true)
        .value_parser(value_parser!(PathBuf))
}

/// What is to be found in a data set.
pub(crate) fn label() -> Arg {
    Arg::new("label")
        .long("label")
        .value_name("COLUMN")
        .help("Column of a table, or array of an NPZ file, that holds what is to be found, or several with commas between them; known by their names unless given")
}

pub(crate) fn model() -> Arg {
    Arg::new("model")
        .value_name("MODEL")
        .help("The model: an ONNX or TFLite file")
        .required(true)
        .value_parser(value_parser!(PathBuf))
}

/// `NAME:1x3x32x32`. Names may hold colons; shapes do not.
fn parse_shape(text: &str) -> Result<(String, Vec<usize>), String> {
    let wanted = "give the input's name and its sizes, such as x:1x3x32x32";
    let (name, sizes) = text.rsplit_once(':').ok_or(wanted)?;
    let sizes: Result<Vec<usize>, _> = sizes.split('x').map(str::parse).collect();
    match sizes {
        Ok(sizes) if !sizes.contains(&0) && !name.is_empty() => Ok((name.into(), sizes)),
        _ => Err(wanted.into()),
    }
}

pub(crate) fn input_shape() -> Arg {
    Arg::new("input-shape")
        .long("input-shape")
        .value_name("NAME:SIZES")
        .help("Shape of an input whose sizes the model leaves open, such as x:1x3x32x32; repeat for more")
        .action(ArgAction::Append)
        .value_parser(parse_shape)
}

pub(crate) fn inputs() -> Arg {
    Arg::new("input")
        .long("input")
        .short('i')
        .value_name("[NAME=]FILE")
        .help("Value of an input: .npy, ONNX tensor .pb, .npz with all by name, or a picture (.png, .jpg, .pgm, .ppm) of the size that the input takes, its pixels 0 to 1; in the order of the inputs unless named")
        .action(ArgAction::Append)
        .value_parser(value_parser!(std::ffi::OsString))
}

pub(crate) fn threads() -> Arg {
    Arg::new("threads")
        .long("threads")
        .value_name("N")
        .help("Threads to compute on; all cores unless given")
        .value_parser(value_parser!(u64).range(1..=256))
}

pub(crate) fn seed() -> Arg {
    Arg::new("seed")
        .long("seed")
        .value_name("N")
        .help("Determines everything random")
        .default_value("42")
        .value_parser(value_parser!(u64))
}

pub(crate) fn limit(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name("SIZE").help(help).value_parser(bytes)
}

/// A number of bytes, with K for 1024 or M for 1024 K behind it.
pub(crate) fn bytes(text: &str) -> Result<usize, String> {
    let (digits, unit) = match text.strip_suffix(['K', 'k']) {
        Some(digits) => (digits, 1 << 10),
        None => text.strip_suffix(['M', 'm']).map_or((text, 1), |digits| (digits, 1 << 20)),
    };
    let n: Option<usize> = digits.parse().ok();
    n.and_then(|n| n.checked_mul(unit))
        .filter(|n| *n > 0)
        .ok_or("give bytes, such as 120000, 128K or 1M".into())
}

/// The path given for `name`, which is required or has a default.
pub(crate) fn path_of<'a>(args: &'a ArgMatches, name: &str) -> &'a Path {
    given(args, name).expect("required, or with a default")
}

/// The path given for `name`, if one is.
pub(crate) fn given<'a>(args: &'a ArgMatches, name: &str) -> Option<&'a Path> {
    args.get_one::<PathBuf>(name).map(PathBuf::as_path)
}

/// The word given for `name`, if one is.
pub(crate) fn word<'a>(args: &'a ArgMatches, name: &str) -> Option<&'a str> {
    args.get_one::<String>(name).map(String::as_str)
}

/// What is given for `name`, which has a default.
pub(crate) fn one<T: Clone + Send + Sync + 'static>(args: &ArgMatches, name: &str) -> T {
    args.get_one::<T>(name).expect("has a default").clone()
}

/// The same of a [`number`].
pub(crate) fn count(args: &ArgMatches, name: &str) -> usize {
    one::<u64>(args, name) as usize
}

/// The machine that is asked for: a `--target` that is given, else the `--board`, else what `--target` is by default.
pub(crate) fn machine(args: &ArgMatches) -> (Option<Board>, Target) {
    let board = word(args, "board").and_then(Board::from_name);
    let board = board.filter(|_| args.value_source("target") != Some(ValueSource::CommandLine));
    let target = board.map(|b| b.target).or_else(|| word(args, "target").and_then(Target::from_name));
    (board, target.expect("clap knows boards and targets"))
}

/// The threads asked for, or all.
pub(crate) fn threads_of(args: &ArgMatches) -> usize {
    args.get_one::<u64>("threads").map_or_else(|| teff::host::Options::default().threads, |&n| n as usize)
}
