//! What generated C takes, by the target's own compiler.

use crate::children;
use crate::failure::{During, Failure, Result};
use crate::files::{Scratch, command_in, write};
use std::path::Path;
use teff::compile::Target;

/// Bytes as the sections of the object file have them.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) code: usize,
    pub(crate) tables: usize,
    pub(crate) ram: usize,
}

/// Compiles the C among `texts`, the files by what follows `name` in theirs, with -O2 for the target, in a folder that is gone afterwards,
/// and counts.
///
/// # Errors
/// When there is no compiler for the target, or it refuses the file.
pub(crate) fn size(texts: &[(&str, String)], name: &str, target: &Target) -> Result<Size> {
    let (compiler, counter, flags) = match target.name {
        "generic" => ("gcc", "size", vec![]),
        "rv32imc" => (
            "riscv64-unknown-elf-gcc",
            "riscv64-unknown-elf-size",
            vec!["-march=rv32imc".to_string(), "-mabi=ilp32".to_string()],
        ),
        cortex => (
            "arm-none-eabi-gcc",
            "arm-none-eabi-size",
            vec![format!("-mcpu={cortex}"), "-mthumb".to_string()],
        ),
    };
    let scratch = Scratch::new("size")?;
    let folder = scratch.path();
    let written = texts
        .iter()
        .try_for_each(|(ending, text)| write(&folder.join(format!("{name}{ending}")), text.as_bytes()));
    written?;
    count(compiler, counter, &flags, &format!("{name}.c"), folder)
}

/// Compiles a file of `folder` and counts, by the `size` of binutils that belongs to the compiler.
///
/// # Errors
/// When either is missing, or the compiler refuses the file.
pub(crate) fn count(
    compiler: &str,
    counter: &str,
    flags: &[String],
    source: &str,
    folder: &Path,
) -> Result<Size> {
    let missing =
        |tool: &str| format!("--size runs {tool}; install it (Debian: gcc-arm-none-eabi for Cortex-M)");
    let mut compile = command_in(compiler, folder);
    // As the linker of a program that calls the network and nothing that comes beside it.
    compile.args(flags).args([
        "-std=c99",
        "-O2",
        "-ffunction-sections",
        "-fdata-sections",
        "-r",
        "-nostdlib",
    ]);
    compile.args(["-Wl,--gc-sections", &format!("-Wl,--entry={}", source.trim_end_matches(".c"))]);
    compile.args([source, "-o", "counted.o"]);
    let built = children::output(&mut compile).during(missing(compiler))?;
    if !built.status.success() {
        return Err(Failure::new(format!("{compiler}: {}", String::from_utf8_lossy(&built.stderr))));
    }
    let listed = children::output(command_in(counter, folder).args(["-A", "counted.o"]));
    let _ = std::fs::remove_file(folder.join("counted.o"));
    let listed = listed.during(missing(counter))?;
    let mut size = Size { code: 0, tables: 0, ram: 0 };
    for line in String::from_utf8_lossy(&listed.stdout).lines() {
        let mut words = line.split_whitespace();
        let (Some(section), Some(Ok(bytes))) = (words.next(), words.next().map(str::parse::<usize>)) else {
            continue;
        };
        match section {
            s if s.starts_with(".text") => size.code += bytes,
            s if s.starts_with(".rodata") => size.tables += bytes,
            s if s.starts_with(".bss") => size.ram += bytes,
            // Copied to RAM at start.
            s if s.starts_with(".data") && s.ends_with("_code") => {
                size.code += bytes;
                size.ram += bytes;
            }
            s if s.starts_with(".data") => {
                size.tables += bytes;
                size.ram += bytes;
            }
            _ => {}
        }
    }
    Ok(size)
}
