//! A file that grows while the program runs, and has its name only once it is complete.

use crate::failure::{Failure, Result};
use crate::files::{Left, is_special};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use teff::files::beside;

/// Written under a temporary name, which [`PartFile::finish`] changes; gone if it is dropped before. What exists and is
/// no plain file (a pipe, a device) is written directly.
pub(crate) struct PartFile {
    out: BufWriter<File>,
    path: PathBuf,
    part: Option<(PathBuf, Left)>,
}

impl PartFile {
    pub(crate) fn create(path: &Path) -> Result<PartFile> {
        if path.is_dir() {
            return Err(Failure::new(format!(
                "cannot write {}: it is a folder; name a file in it",
                path.display()
            )));
        }
        let open = if is_special(path) {
            File::options().write(true).open(path).map(|file| (file, None))
        } else {
            let part = beside(path, "part");
            let made = Left::path(&part, || File::create(&part));
            made.map(|(left, file)| (file, Some((part, left))))
        };
        let (file, part) = open.map_err(|e| failed(path, &e))?;
        Ok(PartFile { out: BufWriter::with_capacity(1 << 16, file), path: path.into(), part })
    }

    /// Gives the complete file its name.
    pub(crate) fn finish(mut self) -> Result<()> {
        let flushed = self.out.flush();
        let renamed = flushed.and_then(|()| match self.part.take() {
            Some((part, left)) => std::fs::rename(part, &self.path).map(|()| left.keep()),
            None => Ok(()),
        });
        renamed.map_err(|e| failed(&self.path, &e))
    }
}

impl Write for PartFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

/// What is said when `path` cannot be written.
pub(crate) fn failed(path: &Path, e: &std::io::Error) -> Failure {
    let remedy = match e.kind() {
        std::io::ErrorKind::StorageFull => "; make room, or write less",
        _ => "",
    };
    Failure::new(format!("cannot write {}: {e}{remedy}", path.display()))
}
