//! Other programs that reach a board: picotool by USB, probe-rs by a debug probe.

use crate::children;
use crate::failure::{Failure, Result};
use crate::ui::Ui;
use std::path::Path;
use std::process::Command;

/// Puts the file onto the board by the first program that is installed and does it, and gives its name.
///
/// # Errors
/// When none is or does: how to make the board ready, and what they said.
pub(super) fn load(file: &Path, ui: &Ui) -> Result<&'static str> {
    let elf = file.extension().is_some_and(|e| e == "elf");
    let mut tools: Vec<(&'static str, Vec<&str>)> = vec![("picotool", vec!["load", "-x"])];
    if elf {
        tools.push(("probe-rs", vec!["download", "--chip", "RP2040"]));
    }
    let mut said = String::new();
    for (tool, args) in tools {
        match run(tool, &args, file) {
            Ran::Done => {
                if tool == "probe-rs" {
                    // It leaves the cores halted.
                    children::succeeds(Command::new(tool).args(["reset", "--chip", "RP2040"]));
                }
                return Ok(tool);
            }
            Ran::Absent => {}
            Ran::Failed(words) => {
                ui.note(format!("{tool} found no board"));
                said += &format!("\n{tool} says: {words}");
            }
        }
    }
    Err(Failure::new(format!("no board is found: {}{said}", super::READY)))
}

enum Ran {
    Done,
    Absent,
    Failed(String),
}

fn run(tool: &str, args: &[&str], file: &Path) -> Ran {
    match children::output(Command::new(tool).args(args).arg(file)) {
        Err(_) => Ran::Absent,
        Ok(out) if out.status.success() => Ran::Done,
        Ok(out) => {
            let words = [out.stdout, out.stderr].concat();
            Ran::Failed(String::from_utf8_lossy(&words).trim().to_string())
        }
    }
}
