//! Generated code, built by the compilers of this machine and run.

use crate::children::{self, Child};
use crate::failure::{During, Failure, Result};
use crate::files::{command_in, write};
use crate::generate::Language;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use teff::compile::{Program, c, rust};

/// A network as a program of this machine.
pub(crate) struct Native {
    binary: PathBuf,
    output_bytes: usize,
}

/// The compiler to use: for C what `CC` says, or the first of the usual names that answers; for Rust `RUSTC` or rustc.
pub(crate) fn compiler(language: Language) -> Result<String> {
    let (variable, known, remedy): (_, &[&str], _) = match language {
        Language::C => (
            "CC",
            &["cc", "gcc", "clang"],
            "no C compiler answers: install gcc or clang (Debian: apt-get install gcc), or name one in CC",
        ),
        Language::Rust => {
            ("RUSTC", &["rustc"], "no Rust compiler answers: install one by rustup, or name one in RUSTC")
        }
    };
    let given = std::env::var(variable).ok();
    let known = known.iter().map(|s| s.to_string());
    given.into_iter().chain(known).find(|c| children::answers(c)).ok_or_else(|| Failure::new(remedy))
}

impl Native {
    /// Writes the code and a program that runs it into `folder`, and builds them.
    pub(crate) fn build(
        program: &Program,
        language: Language,
        compiler: &str,
        folder: &Path,
    ) -> Result<Native> {
        let name = &program.name;
        let file = |ending: &str| folder.join(format!("{name}{ending}"));
        let binary = file(if language == Language::C { "_c" } else { "_rust" });
        let mut command = command_in(compiler, folder);
        command.arg("-o").arg(binary.file_name().expect("has a name"));
        match language {
            Language::C => {
                let options = c::Options::default();
                let files = c::print(program, &options);
                write(&file(".h"), files.header.as_bytes())?;
                write(&file(".c"), files.source.as_bytes())?;
                write(&file("_run.c"), c::runner(program, &options).as_bytes())?;
                command
                    .args(["-std=c99", "-O3"])
                    .args([format!("{name}_run.c"), format!("{name}.c")])
                    .arg("-lm");
            }
            Language::Rust => {
                let options = rust::Options::default();
                write(&file(".rs"), rust::print(program, &options).as_bytes())?;
                write(&file("_run.rs"), rust::runner(program, &options).as_bytes())?;
                command
                    .args(["--edition", "2021", "-O", "--crate-name", "run"])
                    .arg(format!("{name}_run.rs"));
            }
        }
        let built = children::output(&mut command).during(compiler)?;
        if !built.status.success() {
            let said = String::from_utf8_lossy(&built.stderr);
            return Err(Failure::new(format!(
                "{compiler} could not build the generated code in {}: {}",
                folder.display(),
                said.trim()
            )));
        }
        let binary = binary.canonicalize().during(binary.display())?;
        Ok(Native { binary, output_bytes: program.outputs.iter().map(|p| p.ty.bytes()).sum() })
    }

    /// The outputs of `times` runs, one behind the other, and the mean time of one. `inputs` gives the bytes of all inputs of a run.
    pub(crate) fn run(
        &self,
        times: usize,
        mut inputs: impl FnMut(usize) -> Vec<u8> + Send,
    ) -> Result<(Vec<u8>, Duration)> {
        let name = self.binary.display();
        let mut command = Command::new(&self.binary);
        command.arg(times.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = Child::spawn(&mut command).during(&name)?;
        let mut to = child.stdin.take().expect("piped");
        // From a thread of its own: a pipe holds less than all the outputs.
        let out = std::thread::scope(|scope| {
            // A program that ended early is noticed by what it gave.
            let feed = move || (0..times).try_for_each(|i| to.write_all(&inputs(i)));
            std::thread::Builder::new().spawn_scoped(scope, feed)?;
            child.output()
        });
        let mut out = out.during(&name)?;
        let expected = times * self.output_bytes;
        if !out.status.success() || out.stdout.len() != expected + 8 {
            return Err(Failure::new(format!("{name} ended with {} before it was done", out.status)));
        }
        let seconds = out.stdout.split_off(expected);
        let seconds = f64::from_ne_bytes(seconds.try_into().expect("8 bytes"));
        Ok((out.stdout, Duration::from_secs_f64(seconds / times.max(1) as f64)))
    }
}
