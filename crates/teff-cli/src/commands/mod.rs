//! The commands, a file each: its arguments and what it does.

mod compile;
mod completions;
mod demo;
mod eval;
pub(crate) mod firmware;
mod flash;
mod inspect;
mod quantize;
mod report;
mod run;
mod sim;
mod train;
mod unsupported;
mod verify;

use crate::args::switch;
use crate::failure::Result;
use crate::kind;
use crate::ui::Ui;
use clap::{ArgMatches, Command};

/// Arguments, and what runs with them.
type Entry = (fn() -> Command, fn(&ArgMatches, &Ui) -> Result<()>);

/// All commands, in the order of the help.
const COMMANDS: &[Entry] = &[
    (demo::command, demo::run),
    (train::command, train::run),
    (eval::command, eval::run),
    (quantize::command, quantize::run),
    (compile::command, compile::run),
    (report::command, report::run),
    (firmware::command, firmware::run),
    (sim::command, sim::run),
    (flash::command, flash::run),
    (inspect::command, inspect::run),
    (run::command, run::run),
    (verify::command, verify::run),
    (completions::command, completions::run),
    #[cfg(feature = "man")]
    (completions::man::command, completions::man::run),
];

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
        .subcommands(COMMANDS.iter().map(|(command, _)| common(command())))
}

/// What every command takes.
fn common(command: Command) -> Command {
    command
        .arg(switch("quiet", "Say nothing but errors").short('q'))
        .arg(switch("json", "Print the result as one JSON object"))
}

/// Runs the command called `name`.
pub(crate) fn run(name: &str, args: &ArgMatches, ui: &Ui) -> Result<()> {
    kind::check(name, args)?;
    let (_, run) =
        COMMANDS.iter().find(|(command, _)| command().get_name() == name).expect("clap knows the commands");
    run(args, ui)
}
