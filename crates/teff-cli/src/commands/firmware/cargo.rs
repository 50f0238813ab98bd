//! `cargo build` in the firmware's source, with progress, and the compiler's own words when it fails.

use super::toolchain::TARGET;
use crate::children::Child;
use crate::failure::{During, Failure, Result};
use crate::files::{Scratch, read};
use crate::stop::Stop;
use crate::ui::Ui;
use serde_json::Value as Json;
use std::collections::{HashSet, VecDeque};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// Lines of the compiler's output that a message holds.
const TAIL: usize = 30;
/// How often is looked whether to stop.
const LOOK: Duration = Duration::from_millis(100);

/// What to build.
pub(crate) struct Build<'a> {
    /// The workspace, and its package with the program.
    pub(crate) source: &'a Path,
    pub(crate) package: &'a str,
    pub(crate) target_dir: &'a Path,
    /// The folder that the crate takes its network from.
    pub(crate) network: &'a Path,
    /// The feature that says in which language the network is.
    pub(crate) feature: &'a str,
    /// The program that is wanted.
    pub(crate) binary: &'a str,
}

impl Build<'_> {
    /// The bytes of the ELF file.
    ///
    /// # Errors
    /// When cargo fails, with the end of what it said; when the user stops it; when it built no such program.
    pub(crate) fn run(&self, stop: &Stop, ui: &Ui) -> Result<Vec<u8>> {
        // Compilers that are stopped leave their own temporary files.
        let scratch = Scratch::new("cargo")?;
        let mut cargo = Command::new("cargo");
        cargo
            .current_dir(self.source)
            .args(["build", "--release", "--locked", "--message-format", "json-render-diagnostics"])
            .args(["--package", self.package, "--bin", self.binary, "--target", TARGET])
            .args(["--no-default-features", "--features", self.feature])
            .arg("--target-dir")
            .arg(self.target_dir)
            .env("TEFF_NETWORK", self.network)
            .env("TMPDIR", scratch.path())
            // Those are for programs of this machine.
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
        cargo.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = Child::spawn(&mut cargo)
            .during("cargo, which builds firmware, does not start (install Rust from https://rustup.rs)")?;
        let stderr = child.stderr.take().expect("piped");
        let said = std::thread::spawn(move || tail(stderr));
        let (sender, messages) = channel();
        let stdout = child.stdout.take().expect("piped");
        std::thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(|l| l.ok()).try_for_each(|l| sender.send(l))
        });
        let packages = packages(&self.source.join("Cargo.lock"));
        let mut bar = ui.bar("building firmware", packages);
        let (mut built, mut program) = (HashSet::new(), None);
        loop {
            match messages.recv_timeout(LOOK) {
                Ok(line) => {
                    let Some(artifact) = artifact(&line) else { continue };
                    bar.at(packages.min(built.len() as u64), || artifact.name.clone());
                    built.insert(artifact.package);
                    if artifact.name == self.binary && artifact.executable.is_some() {
                        program = artifact.executable;
                    }
                }
                Err(RecvTimeoutError::Timeout) if stop.is_asked() => {
                    return Err(Failure::stopped("stopped; no firmware was written"));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let status = child.wait().during("cargo")?;
        bar.finish();
        if stop.is_asked() {
            return Err(Failure::stopped("stopped; no firmware was written"));
        }
        if !status.success() {
            return Err(self.failure(&said.join().unwrap_or_default()));
        }
        let program = program.ok_or_else(|| {
            Failure::new(format!(
                "cargo built no program {} in {}; is it the firmware of teff?",
                self.binary,
                self.source.display()
            ))
        })?;
        read(&program)
    }

    /// What went wrong, by what cargo said.
    fn failure(&self, said: &str) -> Failure {
        // rust-lld and GNU ld.
        let overflow = |l: &&str| l.contains("overflowed by") || l.contains("will not fit in region");
        if let Some(line) = said.lines().find(overflow) {
            return Failure::new(format!(
                "the firmware does not fit the board: the linker says: {}\nmake the network smaller: teff quantize --flash for weights; \
                 a smaller input or fewer channels for RAM",
                line.rsplit("error: ").next().unwrap_or(line).trim()
            ));
        }
        let remedy = if said.contains("failed to download") || said.contains("unable to update registry") {
            "\nthe crates of its Cargo.lock come from crates.io once; build again where that can be reached"
        } else {
            ""
        };
        Failure::new(format!(
            "the firmware in {} was not built (network in {}):\n{}{remedy}",
            self.source.display(),
            self.network.display(),
            said.trim_end()
        ))
    }
}

/// The last lines, without those on what is being compiled.
fn tail(from: impl Read) -> String {
    let mut last = VecDeque::new();
    for line in BufReader::new(from).split(b'\n').map_while(|l| l.ok()) {
        let line = String::from_utf8_lossy(&line).into_owned();
        let first = line.split_whitespace().next();
        if matches!(
            first,
            Some("Compiling" | "Downloading" | "Downloaded" | "Updating" | "Locking" | "Finished")
        ) {
            continue;
        }
        if last.len() == TAIL {
            last.pop_front();
        }
        last.push_back(line);
    }
    Vec::from(last).join("\n")
}

struct Artifact {
    /// Several artifacts come of a package: a library, a program that runs before it.
    package: String,
    name: String,
    executable: Option<PathBuf>,
}

/// What a line of cargo's messages says was built.
fn artifact(line: &str) -> Option<Artifact> {
    let message: Json = serde_json::from_str(line).ok()?;
    (message["reason"] == "compiler-artifact").then(|| Artifact {
        package: message["package_id"].as_str().unwrap_or("").into(),
        name: message["target"]["name"].as_str().unwrap_or("").into(),
        executable: message["executable"].as_str().map(PathBuf::from),
    })
}

/// How many packages a lock file names: about as many as are built.
fn packages(lock: &Path) -> u64 {
    let text = std::fs::read_to_string(lock).unwrap_or_default();
    text.lines().filter(|l| *l == "[[package]]").count().max(1) as u64
}
