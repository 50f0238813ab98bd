//! The `teff` command.
//!
//! Here are arguments, progress, tables and files; what is done is done by the libraries. `args` defines the command line, `commands`
//! has a file for each command, `ui` talks to the user, `files` reads and writes.
//!
//! Exit status: 0 done, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C.

mod args;
mod commands;
mod failure;
mod files;
mod native;
mod stop;
mod tensors;
mod ui;

use std::process::ExitCode;

fn main() -> ExitCode {
    let matches = args::command().get_matches();
    let (name, matches) = matches.subcommand().expect("clap requires a command");
    let ui = ui::Ui::new(matches.get_flag("quiet"), matches.get_flag("json"));
    match commands::run(name, matches, &ui) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            ui.fail(&failure);
            ExitCode::from(failure.status)
        }
    }
}
