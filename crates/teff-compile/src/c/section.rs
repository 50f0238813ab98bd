//! Where functions and tables lie: macros that name sections of the linker.

use super::Options;
use crate::program::Program;
use std::fmt::Write;

/// The macros that mark what lies in RAM; nothing when nothing does.
pub(super) fn macros(program: &Program, options: &Options) -> String {
    let kinds = [("CODE", options.sram_code, "Functions"), ("TABLE", program.sram_bytes() > 0, "Tables")];
    let mut out = String::new();
    for (kind, wanted, what) in kinds {
        if !wanted {
            continue;
        }
        let (name, section) = (macro_of(program, kind), section(program, kind));
        let _ = write!(
            out,
            "/* {what} that lie in RAM, copied there at start: where no system loads the program, in a section of initialised data. */
#ifndef {name}
#if defined(__ELF__) && !defined(__unix__)
#define {name} __attribute__((section(\"{section}\")))
#else
#define {name}
#endif
#endif

"
        );
    }
    out
}

/// What stands before a function, a space behind it.
pub(super) fn code(program: &Program, options: &Options) -> String {
    if options.sram_code { macro_of(program, "CODE") + " " } else { String::new() }
}

/// What stands before a table in RAM, a space behind it.
pub(super) fn table(program: &Program) -> String {
    macro_of(program, "TABLE") + " "
}

/// Functions with the mark before each. Every one begins in the first column, by `static` or the macro for those in assembly.
pub(super) fn placed(functions: &str, program: &Program, options: &Options) -> String {
    if !options.sram_code {
        return functions.into();
    }
    let mark = code(program, options);
    let mut out = String::new();
    for line in functions.split_inclusive('\n') {
        if line.starts_with("static ") || line.starts_with("NAKED ") {
            out += &mark;
        }
        out += line;
    }
    out
}

fn macro_of(program: &Program, kind: &str) -> String {
    format!("{}_SRAM_{kind}", program.name.to_uppercase())
}

/// Functions and tables have sections of their own: compilers do not mix them in one.
fn section(program: &Program, kind: &str) -> String {
    let plural = if kind == "CODE" { "code" } else { "tables" };
    format!(".data.{}_{plural}", program.name)
}
