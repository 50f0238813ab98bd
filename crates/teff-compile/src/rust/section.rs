//! Where functions and tables lie: attributes that name sections of the linker.

use super::Options;
use crate::printing;
use crate::program::Program;

/// The attribute of a function, with `indent` before it, on a line; nothing where the linker chooses.
pub(super) fn code(program: &Program, options: &Options, indent: &str) -> String {
    if options.sram_code { attribute(program, "CODE", indent) } else { String::new() }
}

/// The attribute of a table in SRAM, on a line.
pub(super) fn table(program: &Program, indent: &str) -> String {
    attribute(program, "TABLE", indent)
}

/// Rust calls the choice of a section unsafe, as some have a meaning; those that begin with `.data.` are initialised memory.
fn attribute(program: &Program, kind: &str, indent: &str) -> String {
    let section = printing::section(program, kind);
    format!("{indent}#[cfg_attr(target_os = \"none\", unsafe(link_section = \"{section}\"))]\n")
}

/// Lets crates that deny `unsafe` have a module with such attributes; nothing when it has none.
pub(super) fn allowed(any: bool) -> &'static str {
    if any { "#[allow(unsafe_code)]\n" } else { "" }
}

/// Functions with the attribute before each.
pub(super) fn placed(functions: &str, program: &Program, options: &Options) -> String {
    let begins = ["fn ", "pub(super) fn ", "pub(super) unsafe extern "];
    printing::marked(functions, &begins, |indent| code(program, options, indent))
}
