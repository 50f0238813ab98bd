//! What the tests of the command share: a folder of their own, a small data set, and running `teff`.

#![allow(dead_code)] // Each test file uses a part of it.

pub(crate) mod board;
pub(crate) mod chip;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder that is gone when the test is over.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("teff-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), bytes).unwrap();
        self.text(name)
    }

    /// Names of all files, sorted.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(&self.0)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The bytes of an IDX file of unsigned bytes.
pub(crate) fn idx(shape: &[usize], bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0, 0, 8, shape.len() as u8];
    shape.iter().for_each(|&d| out.extend((d as u32).to_be_bytes()));
    out.extend(bytes);
    out
}

/// Writes a data set of images of 8x8 with a bright bar across (class 0) or down (class 1): 96 to train on, 32 to test.
pub(crate) fn bars(folder: &Folder) -> String {
    let dir = folder.path("bars");
    std::fs::create_dir_all(&dir).unwrap();
    for (name, n) in [("train", 96usize), ("t10k", 32)] {
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        for i in 0..n {
            let (class, place) = (i % 2, i / 2 % 8);
            let on = |p: usize| if class == 0 { p / 8 == place } else { p % 8 == place };
            pixels.extend((0..64).map(|p| if on(p) { 200 + (i % 50) as u8 } else { (i * p % 40) as u8 }));
            labels.push(class as u8);
        }
        std::fs::write(dir.join(format!("{name}-images-idx3-ubyte")), idx(&[n, 8, 8], &pixels)).unwrap();
        std::fs::write(dir.join(format!("{name}-labels-idx1-ubyte")), idx(&[n], &labels)).unwrap();
    }
    std::fs::write(dir.join("classes.txt"), "across\ndown\n").unwrap();
    dir.display().to_string()
}

/// A network for it that learns it in a few epochs.
pub(crate) const SMALL: &str = "name = \"small\"\n[[layer]]\nkind = \"conv\"\nout = 8\nkernel = 3\n[[layer]]\nkind = \"relu\"\n\
    [[layer]]\nkind = \"max_pool\"\nsize = 2\n[[layer]]\nkind = \"flatten\"\n[[layer]]\nkind = \"linear\"\nout = \"classes\"\n";

/// The command with these arguments, not yet run.
pub(crate) fn teff(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_teff"));
    command.args(args);
    command
}

/// Standard output of a run that must succeed.
pub(crate) fn succeed(args: &[&str]) -> String {
    let out = teff(args).output().unwrap();
    assert!(out.status.success(), "teff {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

/// The message of a run that must fail with exit status `status`: one paragraph that begins with `error: `.
pub(crate) fn fail(args: &[&str], status: i32) -> String {
    message(&teff(args).output().unwrap(), status)
}

pub(crate) fn message(out: &Output, status: i32) -> String {
    let stderr = String::from_utf8_lossy(&out.stderr).to_string();
    assert_eq!(out.status.code(), Some(status), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    let at = stderr.rfind("error: ").unwrap_or_else(|| panic!("no message: {stderr:?}"));
    stderr[at + 7..].trim_end().to_string()
}

/// A model trained on [`bars`], as ONNX.
pub(crate) fn trained(folder: &Folder) -> String {
    let (data, toml, out) = (bars(folder), folder.write("small.toml", SMALL), folder.text("m.onnx"));
    succeed(&[
        "train", &data, "-o", &out, "--model", &toml, "--epochs", "40", "--batch", "16", "--rate", "0.02",
        "-q",
    ]);
    out
}

pub(crate) fn exists(path: impl AsRef<Path>) -> bool {
    path.as_ref().exists()
}
