//! A file that grows while the program runs, and has its name only once it is complete.

use crate::failure::{Failure, Result};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Written as `NAME.PID.part`, which [`PartFile::finish`] renames; gone if it is dropped before. What exists and is
/// no plain file (a pipe, a device) is written directly.
pub(crate) struct PartFile {
    out: BufWriter<File>,
    path: PathBuf,
    part: Option<PathBuf>,
}

impl PartFile {
    pub(crate) fn create(path: &Path) -> Result<PartFile> {
        if path.is_dir() {
            return Err(Failure::new(format!(
                "cannot write {}: it is a folder; name a file in it",
                path.display()
            )));
        }
        let direct = std::fs::metadata(path).is_ok_and(|m| !m.is_file());
        let part = (!direct).then(|| {
            let mut name = path.file_name().unwrap_or_default().to_os_string();
            name.push(format!(".{}.part", std::process::id()));
            path.with_file_name(name)
        });
        let open = match &part {
            Some(part) => File::create(part),
            None => File::options().write(true).open(path),
        };
        let file = open.map_err(|e| failed(path, &e))?;
        Ok(PartFile { out: BufWriter::with_capacity(1 << 16, file), path: path.into(), part })
    }

    /// Gives the complete file its name.
    pub(crate) fn finish(mut self) -> Result<()> {
        let flushed = self.out.flush();
        let part = self.part.take();
        let renamed = flushed.and_then(|()| match &part {
            Some(part) => std::fs::rename(part, &self.path),
            None => Ok(()),
        });
        renamed.map_err(|e| {
            if let Some(part) = part {
                let _ = std::fs::remove_file(part);
            }
            failed(&self.path, &e)
        })
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

impl Drop for PartFile {
    fn drop(&mut self) {
        if let Some(part) = &self.part {
            let _ = std::fs::remove_file(part);
        }
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
