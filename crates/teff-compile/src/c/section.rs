//! Where functions and tables lie: macros that name sections of the linker.

use super::Options;
use crate::printing;
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
        let (name, section) = (macro_of(program, kind), printing::section(program, kind));
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
    let mark = code(program, options);
    let in_first_column = |indent: &str| if indent.is_empty() { mark.clone() } else { String::new() };
    printing::marked(functions, &["static ", "NAKED "], in_first_column)
}

fn macro_of(program: &Program, kind: &str) -> String {
    format!("{}_SRAM_{kind}", program.name.to_uppercase())
}
