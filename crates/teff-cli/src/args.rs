//! The command line.

use clap::{Arg, ArgAction, Command, value_parser};
use std::path::PathBuf;
use teff::compile::Floats;

/// The whole command line.
pub(crate) fn command() -> Command {
    Command::new("teff")
        .about("Neural networks from training to a four-dollar microcontroller")
        .long_about(
            "Neural networks from training to a four-dollar microcontroller: train one, look at it, compile it to C or Rust \
             that needs nothing but the standard library.\n\nBegin with `teff demo`. The model file is ONNX between all steps.",
        )
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .term_width(100)
        .subcommands([demo(), crate::commands::train::command(), eval(), crate::commands::quantize::command(), compile(), crate::commands::report::command(), crate::commands::firmware::command(), crate::commands::sim::command(), crate::commands::flash::command(), inspect(), run(), verify()].map(common))
}

/// What every command takes.
fn common(command: Command) -> Command {
    command
        .arg(switch("quiet", "Say nothing but errors").short('q'))
        .arg(switch("json", "Print the result as one JSON object"))
}

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
fn not_negative(text: &str) -> Result<f64, String> {
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
        .help("Folder of IDX files (MNIST), folder of images per class, or NPZ file with x and y")
        .required(true)
        .value_parser(value_parser!(PathBuf))
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

fn demo() -> Command {
    Command::new("demo")
        .about("Train on MNIST, compile to C, quantise, build firmware, run it on the simulated board; ends with a table and pictures")
        .arg(path("out", "DIR", "Where the results go").short('o').default_value("out/demo"))
        .arg(path("data", "DATASET", "The data set").default_value("data/mnist"))
        .arg(number("epochs", "5", "How often every sample is seen"))
        .arg(threads())
}

fn eval() -> Command {
    Command::new("eval")
        .about("Run a model over the test samples of a data set: accuracy, each class, confusion")
        .arg(model())
        .arg(path("data", "DATASET", "The data set").required(true))
        .arg(switch("train-part", "Use the training samples instead of the test samples"))
        .arg(path("mistakes", "OUT.png", "Write a picture of the worst mistakes"))
        .arg(input_shape())
        .arg(threads())
}

fn run() -> Command {
    Command::new("run")
        .about("Run a model once on given inputs and print its outputs")
        .after_help(
            "Examples:\n  teff run m.onnx --input x.npy\n  teff run m.onnx -i image=x.npy -i scale=s.npy -o results --json",
        )
        .arg(model())
        .arg(inputs())
        .arg(path("out", "DIR", "Write each output as NAME.npy into this folder").short('o'))
        .arg(
            Arg::new("engine")
                .long("engine")
                .help("What computes: the fast host executor, or the plain reference evaluator")
                .value_parser(["host", "reference"])
                .default_value("host"),
        )
        .arg(input_shape())
        .arg(threads())
}

fn verify() -> Command {
    Command::new("verify")
        .about("Run a model in every way there is and compare: host executor, generated C and Rust, onnxruntime")
        .long_about(
            "Run a model in every way there is and compare with the plain reference evaluator: host executor, generated C and Rust as \
             this machine's compilers build them, and onnxruntime where a Python has it. What is missing is said and left out. A quantised \
             model is computed in integers too: C and Rust are to have those to the bit, and each integer inside is to be that of its \
             layer in floats, or the next where the float is halfway. Exit status 1 when something differs: integers at all, floats \
             by more than the tolerance.",
        )
        .after_help("Examples:\n  teff verify m.onnx\n  teff verify m.onnx --input x.npy --tolerance 1e-6")
        .arg(model())
        .arg(inputs())
        .arg(number("samples", "3", "How many invented samples, when no input is given"))
        .arg(seed())
        .arg(real("tolerance", "1e-4", "Largest difference of floats, as a share of the output's range").value_parser(not_negative))
        .arg(input_shape())
        .arg(threads())
}

fn compile() -> Command {
    Command::new("compile")
        .about("Compile a model to C or Rust that needs nothing but the language's standard library")
        .arg(model())
        .arg(
            path("out", "DIR", "The folder for NAME.c, NAME.h and NAME_selftest.c, or NAME.rs and NAME_selftest.rs")
                .short('o')
                .required_unless_present("list-unsupported"),
        )
        .arg(
            Arg::new("target")
                .long("target")
                .help("The machine that the loops are laid out for")
                .value_parser(teff::compile::Target::ALL.map(|t| t.name))
                .default_value("generic"),
        )
        .arg(
            Arg::new("board")
                .long("board")
                .help("The board: its processor is the target, its flash and RAM are limits")
                .value_parser(teff::compile::Board::ALL.map(|b| b.name))
                .conflicts_with("target"),
        )
        .arg(limit("flash", "Most bytes of flash, such as 128K: a network with more is refused, with what takes the space"))
        .arg(limit("ram", "Most bytes of RAM for intermediate values, such as 20K"))
        .arg(switch("size", "Compile the C with the target's compiler (-O2) and print what code, tables and RAM take"))
        .arg(float())
        .arg(
            Arg::new("language")
                .long("language")
                .help("What to write: C99, or Rust without std")
                .value_parser(["c", "rust"])
                .default_value("c"),
        )
        .arg(
            Arg::new("name")
                .long("name")
                .value_name("NAME")
                .help("Name of the function, and what the names of files and macros begin with")
                .default_value("net"),
        )
        .arg(
            Arg::new("arena")
                .long("arena")
                .help("Who provides the working memory: the file (static, C only; its default), the caller (Rust's default), or the stack (Rust only)")
                .value_parser(["static", "caller", "stack"]),
        )
        .arg(limit("sram-tables", "Copy tables to RAM at start, this many bytes of them, such as 100K: those whose reading from slow flash (RP2040) costs most, by the inputs of --data if given"))
        .arg(switch("sram-code", "Mark the functions to be copied to RAM at start, where flash is slow (RP2040); needs no linker script"))
        .arg(switch("portable", "Rust without assembly and unsafe, for any processor; on a Cortex-M0+ half as fast"))
        .arg(path("data", "DATASET", "Take the inputs of the self-test from this data set, and for --sram-tables those that show what is needed most"))
        .arg(input_shape())
        .arg(switch(
            "list-unsupported",
            "Only list the operators of the model that teff does not have; status 1 if there are any",
        ))
}

pub(crate) fn limit(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name("SIZE").help(help).value_parser(bytes)
}

fn inspect() -> Command {
    Command::new("inspect")
        .about("Print a model as a graph of teff's operations")
        .arg(model())
        .arg(switch("full", "Print every constant whole, so that the text can be read back"))
        .arg(input_shape())
        .arg(switch("simplify", "Simplify the graph first, as the compiler does"))
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
