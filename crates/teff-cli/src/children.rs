//! Programs of others that do a part of the work: compilers, Python, cargo. They end when this one does.

use crate::files::Left;
use std::io::Result;
use std::ops::{Deref, DerefMut};
use std::process::{Command, Output, Stdio};

/// A program that runs; it ends, with all that it has started, when this is dropped or the process is asked to end.
pub(crate) struct Child {
    child: std::process::Child,
    left: Option<Left>,
}

impl Child {
    /// Starts a program as the first of a group of its own.
    pub(crate) fn spawn(command: &mut Command) -> Result<Child> {
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(command, 0);
        let (left, child) = Left::group(|| command.spawn())?;
        Ok(Child { child, left: Some(left) })
    }

    /// Waits for its end; what it has printed to pipes.
    pub(crate) fn output(mut self) -> Result<Output> {
        // Read in the place of `std`'s own, which takes the child: from a thread, since either pipe may fill.
        let (out, err) = (self.child.stdout.take(), self.child.stderr.take());
        let (stdout, stderr) = std::thread::scope(|scope| {
            let err = std::thread::Builder::new().spawn_scoped(scope, || all(err))?;
            let out = all(out)?;
            Ok::<_, std::io::Error>((out, err.join().unwrap_or_else(|_| Ok(Vec::new()))?))
        })?;
        Ok(Output { status: self.child.wait()?, stdout, stderr })
    }
}

/// All that comes out of a pipe, if there is one.
fn all(pipe: Option<impl std::io::Read>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    pipe.map_or(Ok(0), |mut pipe| pipe.read_to_end(&mut bytes))?;
    Ok(bytes)
}

impl Deref for Child {
    type Target = std::process::Child;
    fn deref(&self) -> &std::process::Child {
        &self.child
    }
}

impl DerefMut for Child {
    fn deref_mut(&mut self) -> &mut std::process::Child {
        &mut self.child
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let ended = matches!(self.child.try_wait(), Ok(Some(_)));
        match self.left.take() {
            Some(left) if ended => left.keep(),
            // Whoever has not been waited for is not wanted any more.
            left => drop(left),
        }
        let _ = self.child.wait();
    }
}

/// Runs a program to its end, without input; what it has printed.
pub(crate) fn output(command: &mut Command) -> Result<Output> {
    Child::spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()))?.output()
}

/// Whether a program ends well, without a word.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    output(command).is_ok_and(|run| run.status.success())
}

/// Whether a program of that name is installed and answers.
pub(crate) fn answers(name: &str) -> bool {
    succeeds(Command::new(name).arg("--version"))
}
