//! Writing files so that nothing half-written has its final name, and several that belong together change together.

use crate::error::{Error, Result};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Writes `bytes` under a temporary name beside `path` and then renames, so that `path` is never half-written. What exists there and is
/// no plain file, such as a pipe or `/dev/stdout`, is written to as it is; a link stays one.
///
/// # Errors
/// What the operating system said; nothing is left behind then.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    write_together(&[(path, bytes)])
}

/// As [`write_whole`], for files that belong together: all are written before the first takes its name, and when one cannot, all that
/// were there before are as they were.
///
/// # Errors
/// What the operating system said, of the first file that could not be written.
pub fn write_together(files: &[(&Path, &[u8])]) -> Result<()> {
    let mut parts = Vec::new();
    for (path, bytes) in files {
        let fail = |e| Error::file(path, "write", e);
        if is_special(path) {
            // Opened neither to make it nor to cut it off: that is for files.
            let written = File::options().write(true).open(path).and_then(|mut file| file.write_all(bytes));
            written.map_err(fail)?;
        } else {
            parts.push((Unfinished::new(path, bytes).map_err(fail)?, fail));
        }
    }
    let mut changed: Vec<Changed> = Vec::new();
    let alone = parts.len() == 1;
    for (part, fail) in parts {
        let took = if alone { part.take_name().map(|()| None) } else { part.exchange().map(Some) };
        match took {
            Ok(change) => changed.extend(change),
            Err(e) => {
                changed.into_iter().rev().for_each(Changed::undo);
                return Err(fail(e));
            }
        }
    }
    changed.into_iter().for_each(Changed::keep);
    Ok(())
}

/// Whether something is there that is neither a file nor a folder.
pub fn is_special(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|m| !m.is_file() && !m.is_dir())
}

/// A name that nothing has, beside `path`. It is short: that of the file may be as long as the system allows.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    path.with_file_name(format!(".teff-{}-{number}.{ending}", std::process::id()))
}

/// A whole file that does not have its name yet; gone if it never takes it.
struct Unfinished {
    part: PathBuf,
    path: PathBuf,
}

impl Unfinished {
    fn new(path: &Path, bytes: &[u8]) -> std::io::Result<Unfinished> {
        // What a link points to is replaced, not the link.
        let path = path.canonicalize().unwrap_or_else(|_| path.into());
        if path.is_dir() {
            return Err(std::io::ErrorKind::IsADirectory.into());
        }
        let part = Unfinished { part: beside(&path, "part"), path };
        let mut file = File::create(&part.part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        Ok(part)
    }

    fn take_name(&self) -> std::io::Result<()> {
        std::fs::rename(&self.part, &self.path)
    }

    /// Takes the name, and keeps what had it.
    fn exchange(self) -> std::io::Result<Changed> {
        let old = beside(&self.path, "old");
        // A second name where the file system has such; without, the file is away for a moment.
        let kept = std::fs::hard_link(&self.path, &old).or_else(|_| std::fs::rename(&self.path, &old));
        let change = Changed { path: self.path.clone(), old: kept.ok().map(|()| old) };
        match self.take_name() {
            Ok(()) => Ok(change),
            Err(e) => {
                change.old.iter().for_each(|old| _ = std::fs::rename(old, &change.path));
                Err(e)
            }
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.part);
    }
}

/// A name that another file has now, and where the one before is, if there was one.
struct Changed {
    path: PathBuf,
    old: Option<PathBuf>,
}

impl Changed {
    fn keep(self) {
        self.old.iter().for_each(|old| _ = std::fs::remove_file(old));
    }

    fn undo(self) {
        let _ = match &self.old {
            Some(old) => std::fs::rename(old, &self.path),
            None => std::fs::remove_file(&self.path),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("teff-files-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            std::fs::create_dir_all(&path).unwrap();
            Folder(path)
        }

        /// Names and contents, sorted.
        fn contents(&self) -> Vec<(String, String)> {
            let read = |f: std::fs::DirEntry| {
                let text = std::fs::read_to_string(f.path()).unwrap_or("a folder".into());
                (f.file_name().into_string().unwrap(), text)
            };
            let mut all: Vec<_> = std::fs::read_dir(&self.0).unwrap().map(|f| read(f.unwrap())).collect();
            all.sort();
            all
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect()
    }

    #[test]
    fn files_that_belong_together_change_together_or_not_at_all() {
        let folder = Folder::new("together");
        let path = |name: &str| folder.0.join(name);
        std::fs::write(path("a"), "old a").unwrap();
        let (a, b) = (path("a"), path("b"));
        write_together(&[(&a, b"new a"), (&b, b"new b")]).unwrap();
        assert_eq!(folder.contents(), owned(&[("a", "new a"), ("b", "new b")]));
        // The second cannot take its name: a folder has it.
        std::fs::create_dir(path("c")).unwrap();
        let c = path("c");
        let e = write_together(&[(&a, b"newer a"), (&path("d"), b"d"), (&c, b"c")]).unwrap_err();
        assert!(e.to_string().contains("c: "), "{e}");
        assert_eq!(folder.contents(), owned(&[("a", "new a"), ("b", "new b"), ("c", "a folder")]));
    }

    /// The names are taken one after the other; the first is given back when the second fails.
    #[test]
    fn a_name_is_given_back() {
        let folder = Folder::new("back");
        let path = |name: &str| folder.0.join(name);
        std::fs::write(path("a"), "old").unwrap();
        Unfinished::new(&path("a"), b"new").unwrap().exchange().unwrap().undo();
        Unfinished::new(&path("b"), b"new").unwrap().exchange().unwrap().undo();
        assert_eq!(folder.contents(), owned(&[("a", "old")]));
        Unfinished::new(&path("a"), b"new").unwrap().exchange().unwrap().keep();
        assert_eq!(folder.contents(), owned(&[("a", "new")]));
    }

    #[cfg(unix)]
    #[test]
    fn devices_are_written_to_and_links_stay() {
        let folder = Folder::new("links");
        let path = |name: &str| folder.0.join(name);
        std::fs::write(path("a"), "old").unwrap();
        std::os::unix::fs::symlink(path("a"), path("link")).unwrap();
        write_whole(&path("link"), b"new").unwrap();
        assert_eq!(folder.contents(), owned(&[("a", "new"), ("link", "new")]));
        assert!(path("link").is_symlink());
        let long = path(&"n".repeat(255));
        write_whole(&long, b"long").unwrap();
        assert_eq!(std::fs::read(&long).unwrap(), b"long");
        write_whole(Path::new("/dev/null"), b"anything").unwrap();
        assert!(is_special(Path::new("/dev/null")));
        if Path::new("/dev/full").exists() {
            let e = write_whole(Path::new("/dev/full"), b"anything").unwrap_err();
            assert!(e.to_string().starts_with("cannot write /dev/full: "), "{e}");
            assert!(is_special(Path::new("/dev/full")));
        }
    }
}
