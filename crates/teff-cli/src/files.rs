//! Reading and writing files, with messages that name them.

use crate::failure::{Failure, Result};
use std::path::{Path, PathBuf};
use teff::checkpoint::write_whole;

/// The bytes of a file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| Failure::new(format!("cannot read {}: {e}", path.display())))
}

/// Writes a file whole or not at all.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    Ok(write_whole(path, bytes)?)
}

/// Fails now rather than after long work if `path` could not be written later. Makes no file.
pub(crate) fn check_writable(path: &Path) -> Result<()> {
    let fail = |reason: String| Err(Failure::new(format!("cannot write {}: {reason}", path.display())));
    if path.is_dir() {
        return fail("it is a folder; name a file in it".into());
    }
    let folder = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return fail(format!("the folder {} does not exist; make it first", folder.display()));
    }
    let probe = folder.join(format!(".teff-{}", std::process::id()));
    match std::fs::File::create(&probe) {
        Ok(_) => {
            let _ = std::fs::remove_file(&probe);
            Ok(())
        }
        Err(e) => fail(format!("{e}; choose a folder you may write to")),
    }
}

/// Makes a folder and those it is in.
pub(crate) fn make_folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(|e| {
        Failure::new(format!(
            "cannot make the folder {}: {e}; choose a place you may write to",
            path.display()
        ))
    })
}

/// A folder for what is needed for a while; it goes away with this.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// A folder among the system's temporary files, for `what`.
    pub(crate) fn new(what: &str) -> Result<Scratch> {
        let folder = std::env::temp_dir().join(format!("teff-{what}-{}", std::process::id()));
        make_folder(&folder)?;
        Ok(Scratch(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// `path` with another ending: `m.onnx` and `checkpoint.safetensors` give `m.checkpoint.safetensors`.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    path.with_extension(ending)
}
