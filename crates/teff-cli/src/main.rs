//! The `teff` command.
//!
//! Here are arguments, progress, tables and files; what is done is done by the libraries. `commands` has a file for each
//! command, `args` what they share of the command line, `model` reads models, `generate` compiles them, `ui` talks to the user, `files` reads and writes.
//!
//! Exit status: 0 done, 1 failed, 2 wrong usage, 130, 143 and 129 stopped by SIGINT (Ctrl-C), SIGTERM and SIGHUP.

mod args;
mod children;
mod commands;
mod failure;
mod files;
mod generate;
mod kind;
mod memory;
mod model;
mod native;
mod stop;
mod tensors;
mod ui;

use std::process::ExitCode;

fn main() -> ExitCode {
    memory::limit();
    stop::install();
    let matches = match commands::command().try_get_matches() {
        Ok(matches) => matches,
        Err(asked) => return explain(&asked),
    };
    let (name, matches) = matches.subcommand().expect("clap requires a command");
    let ui = ui::Ui::new(matches.get_flag("quiet"), matches.get_flag("json"));
    match commands::run(name, matches, &ui).and_then(|()| ui.end()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            ui.fail(&failure);
            ExitCode::from(failure.status)
        }
    }
}

/// Prints help that was asked for, or what is wrong with the arguments.
fn explain(asked: &clap::Error) -> ExitCode {
    let status = u8::try_from(asked.exit_code()).unwrap_or(2);
    match asked.print() {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            ui::complain(format_args!("cannot write standard output: {e}"));
            ExitCode::from(status.max(1))
        }
        Ok(()) | Err(_) => ExitCode::from(status),
    }
}
