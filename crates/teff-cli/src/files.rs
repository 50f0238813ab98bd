//! Reading and writing files, with messages that name them.

use crate::failure::{Failure, Result};
use crate::memory;
use std::ffi::OsStr;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};
pub(crate) use teff::files::is_special;

/// The longest name of a file, in bytes, of usual file systems.
pub(crate) const LONGEST_NAME: usize = 255;

/// The bytes of a file. A pipe is read to its end.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let fail = |reason: String| Failure::new(format!("cannot read {}: {reason}", path.display()));
    // As a pipe it would be waited for without end: nobody writes to it but we.
    if ["/dev/stdout", "/dev/stderr"].iter().any(|out| path == Path::new(out)) {
        return Err(fail("it is where output goes; name a file".into()));
    }
    let about = std::fs::metadata(path).map_err(|e| fail(e.to_string()))?;
    if about.is_dir() {
        return Err(fail("it is a folder; name a file in it".into()));
    }
    if about.is_file() && about.len() > memory::left() as u64 {
        return Err(fail(format!("it has {} bytes, more than there is memory", about.len())));
    }
    if is_device(&about) {
        return Err(fail("it is a device, which has no end; name a file".into()));
    }
    std::fs::read(path).map_err(|e| fail(e.to_string()))
}

#[cfg(unix)]
fn is_device(about: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt;
    about.file_type().is_char_device() || about.file_type().is_block_device()
}

#[cfg(not(unix))]
fn is_device(_: &std::fs::Metadata) -> bool {
    false
}

/// Writes a file whole or not at all.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_together(&[(path, bytes)])
}

/// Writes files that belong together: all of them or none.
pub(crate) fn write_together(files: &[(impl AsRef<Path>, impl AsRef<[u8]>)]) -> Result<()> {
    let files: Vec<(&Path, &[u8])> =
        files.iter().map(|(path, bytes)| (path.as_ref(), bytes.as_ref())).collect();
    // The process does not end in the middle, but when somebody else takes what is written, and maybe never does.
    let plain = !files.iter().any(|(path, _)| is_special(path));
    let _no_end = plain.then(leavings);
    Ok(teff::files::write_together(&files)?)
}

/// Fails now rather than after long work if `path` could not be written later. Makes no file.
pub(crate) fn check_writable(path: &Path) -> Result<()> {
    let fail = |reason: String| Err(Failure::new(format!("cannot write {}: {reason}", path.display())));
    if path.is_dir() {
        return fail("it is a folder; name a file in it".into());
    }
    if is_special(path) {
        return Ok(());
    }
    let folder = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return fail(format!("the folder {} does not exist; make it first", folder.display()));
    }
    let name = path.file_name().unwrap_or_default();
    if name.len() > LONGEST_NAME {
        return fail(format!("its name is longer than the {LONGEST_NAME} bytes that a file's may have"));
    }
    let probe = teff::files::beside(path, "part");
    match Left::path(&probe, || File::create(&probe)) {
        Ok(_) => Ok(()),
        Err(e) => fail(format!("{e}; choose a folder you may write to")),
    }
}

/// Makes a folder and those it is in.
pub(crate) fn make_folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(|e| no_folder(path, &e))
}

fn no_folder(path: &Path, e: &std::io::Error) -> Failure {
    Failure::new(format!("cannot make the folder {}: {e}; choose a place you may write to", path.display()))
}

/// What is to be gone when the process ends, however it ends.
enum Thing {
    /// A file or folder.
    Path(PathBuf),
    /// A group of processes, by the id of its first.
    Group(u32),
}

/// All there is of that. Who holds it puts off the end of the process.
static LEAVINGS: Mutex<Vec<(usize, Thing)>> = Mutex::new(Vec::new());

fn leavings() -> MutexGuard<'static, Vec<(usize, Thing)>> {
    LEAVINGS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Thing {
    fn remove(&self) {
        match self {
            Thing::Path(path) => {
                // A compiler that was ended a moment ago may still put a file there.
                for _ in 0..20 {
                    let removed = if path.is_dir() {
                        std::fs::remove_dir_all(path)
                    } else {
                        std::fs::remove_file(path)
                    };
                    match removed {
                        Err(e) if e.kind() != ErrorKind::NotFound => {
                            std::thread::sleep(Duration::from_millis(10));
                        }
                        Ok(()) | Err(_) => return,
                    }
                }
            }
            #[cfg(unix)]
            Thing::Group(id) => {
                let group = i32::try_from(*id).ok().and_then(rustix::process::Pid::from_raw);
                let end = |group| rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
                let _ = group.map(end);
            }
            #[cfg(not(unix))]
            Thing::Group(_) => {}
        }
    }
}

/// One of what is to be gone: it goes with this.
pub(crate) struct Left(usize);

impl Left {
    /// Makes something that is to be gone at the end, without an end of the process in between.
    fn make<T>(make: impl FnOnce() -> std::io::Result<(Thing, T)>) -> std::io::Result<(Left, T)> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let mut all = leavings();
        let (thing, value) = make()?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        all.push((number, thing));
        Ok((Left(number), value))
    }

    /// A file or folder that `make` makes at `path`.
    pub(crate) fn path<T>(
        path: &Path,
        make: impl FnOnce() -> std::io::Result<T>,
    ) -> std::io::Result<(Left, T)> {
        Left::make(|| Ok((Thing::Path(path.into()), make()?)))
    }

    /// A process that `start` starts as the first of its group.
    pub(crate) fn group(start: impl FnOnce() -> std::io::Result<Child>) -> std::io::Result<(Left, Child)> {
        Left::make(|| start().map(|child| (Thing::Group(child.id()), child)))
    }

    /// Lets it stay: a file that has got its name, a process that has ended.
    pub(crate) fn keep(self) {
        leavings().retain(|(number, _)| *number != self.0);
        std::mem::forget(self);
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        let mut all = leavings();
        let at = all.iter().position(|(number, _)| *number == self.0);
        let thing = at.map(|at| all.swap_remove(at).1);
        // Still under the lock, or the process could end before it is gone.
        thing.iter().for_each(Thing::remove);
    }
}

/// Removes everything that is to be gone, and lets nothing more be made or named: the process ends now. Waits for a file that is being
/// written, though not forever.
pub(crate) fn clean_up() {
    let begin = Instant::now();
    while !try_clean_up() && begin.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The same without waiting; false when that is not possible now.
pub(crate) fn try_clean_up() -> bool {
    let all = match LEAVINGS.try_lock() {
        Ok(all) => all,
        Err(TryLockError::Poisoned(e)) => e.into_inner(),
        Err(TryLockError::WouldBlock) => return false,
    };
    // First who writes, then what was written.
    let (groups, paths): (Vec<&Thing>, Vec<&Thing>) =
        all.iter().map(|(_, thing)| thing).partition(|thing| matches!(thing, Thing::Group(_)));
    groups.into_iter().chain(paths).for_each(Thing::remove);
    std::mem::forget(all);
    true
}

/// A folder for what is needed for a while; it goes away with this, and with the process.
pub(crate) struct Scratch {
    path: PathBuf,
    _left: Left,
}

impl Scratch {
    /// A folder among the system's temporary files, for `what`.
    pub(crate) fn new(what: &str) -> Result<Scratch> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Scratch::at(std::env::temp_dir().join(format!("teff-{what}-{}-{number}", std::process::id())))
    }

    /// This folder, which is made with those it is in.
    pub(crate) fn at(path: PathBuf) -> Result<Scratch> {
        // Programs that are given it work elsewhere.
        let path = std::path::absolute(&path).unwrap_or(path);
        let (left, ()) =
            Left::path(&path, || std::fs::create_dir_all(&path)).map_err(|e| no_folder(&path, &e))?;
        Ok(Scratch { path, _left: left })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// A program that works in `folder`, and leaves nothing elsewhere.
pub(crate) fn command_in(program: impl AsRef<OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env("TMPDIR", std::path::absolute(folder).unwrap_or_else(|_| folder.into()));
    command
}

/// `path` with another ending: `m.onnx` and `checkpoint.safetensors` give `m.checkpoint.safetensors`.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    path.with_extension(ending)
}
