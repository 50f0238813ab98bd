//! Where functions and tables lie: attributes that name sections of the linker.

use super::Options;
use crate::program::Program;

/// The attribute of a function, with `indent` before it, on a line; nothing where the linker chooses.
pub(super) fn code(program: &Program, options: &Options, indent: &str) -> String {
    if !options.sram_code {
        return String::new();
    }
    attribute(&format!(".data.{}_code", program.name), indent)
}

/// The attribute of a table in SRAM, on a line. Functions and tables have sections of their own.
pub(super) fn table(program: &Program, indent: &str) -> String {
    attribute(&format!(".data.{}_tables", program.name), indent)
}

/// Rust calls the choice of a section unsafe, as some have a meaning; those that begin with `.data.` are initialised memory.
fn attribute(section: &str, indent: &str) -> String {
    format!("{indent}#[cfg_attr(target_os = \"none\", unsafe(link_section = \"{section}\"))]\n")
}

/// Lets crates that deny `unsafe` have a module with such attributes; nothing when it has none.
pub(super) fn allowed(any: bool) -> &'static str {
    if any { "#[allow(unsafe_code)]\n" } else { "" }
}

/// Functions with the attribute before each.
pub(super) fn placed(functions: &str, program: &Program, options: &Options) -> String {
    if !options.sram_code {
        return functions.into();
    }
    let mut out = String::new();
    for line in functions.split_inclusive('\n') {
        let text = line.trim_start();
        if ["fn ", "pub(super) fn ", "pub(super) unsafe extern "].iter().any(|begin| text.starts_with(begin))
        {
            out += &code(program, options, &line[..line.len() - text.len()]);
        }
        out += line;
    }
    out
}
