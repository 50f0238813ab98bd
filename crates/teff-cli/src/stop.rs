//! Signals that ask for an end: SIGINT (Ctrl-C), SIGTERM and SIGHUP. They are taken at the next safe place where one is near, and
//! otherwise at once; asked for twice, at once. Nothing of ours is left behind: no temporary file, no compiler that goes on.

use crate::files;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The signal that has asked for an end; 0 if none has.
static ASKED: AtomicI32 = AtomicI32::new(0);
/// How many look at [`ASKED`] now, and how many of them are given as much time as they need.
static WATCHED: AtomicUsize = AtomicUsize::new(0);
static AWAITED: AtomicUsize = AtomicUsize::new(0);

/// How long those who look are given.
const GRACE: Duration = Duration::from_millis(700);

/// Looks at whether the user has asked to stop; while there is one, the first signal does not end the process at once.
pub(crate) struct Stop(bool);

/// While there is one, the process waits for its own end after the first signal, as long as that takes.
pub(crate) struct Patience(());

impl Stop {
    /// Looks from now on.
    pub(crate) fn watch() -> Stop {
        WATCHED.fetch_add(1, Ordering::SeqCst);
        Stop(true)
    }

    /// What is never asked to stop.
    pub(crate) fn never() -> Stop {
        Stop(false)
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.0 && ASKED.load(Ordering::SeqCst) != 0
    }

    /// To go on, or not, for who asks so.
    pub(crate) fn flow(&self) -> ControlFlow<()> {
        if self.is_asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// For work that must not be broken off once it looked.
    pub(crate) fn patience() -> Patience {
        AWAITED.fetch_add(1, Ordering::SeqCst);
        Patience(())
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        WATCHED.fetch_sub(usize::from(self.0), Ordering::SeqCst);
    }
}

impl Drop for Patience {
    fn drop(&mut self) {
        AWAITED.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The exit status of who was asked to stop: 128 and the signal, as shells have it.
pub(crate) fn status() -> u8 {
    match ASKED.load(Ordering::SeqCst) {
        0 => 130,
        signal => (128 + signal) as u8,
    }
}

/// Watches for signals from now on.
#[cfg(unix)]
pub(crate) fn install() {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
    // A file that grows over a limit of the shell (ulimit -f) is then a write that fails, with an error of its own.
    let _ = signal_hook::flag::register(SIGXFSZ, std::sync::Arc::default());
    // What runs under nohup is to outlive its terminal.
    let wanted = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| !is_ignored(*signal));
    let Ok(mut signals) = signal_hook::iterator::Signals::new(wanted) else { return };
    let watch = move || {
        for signal in signals.forever() {
            let first = ASKED.swap(signal, Ordering::SeqCst) == 0;
            if !first || WATCHED.load(Ordering::SeqCst) == 0 {
                leave(status());
            }
            let _ = std::thread::Builder::new().spawn(wait);
        }
    };
    // Without the thread, signals do what they do to any program.
    let _ = std::thread::Builder::new().name("signals".into()).spawn(watch);
}

#[cfg(not(unix))]
pub(crate) fn install() {}

/// Gives those who look their time.
#[cfg(unix)]
fn wait() {
    let begin = Instant::now();
    while begin.elapsed() < GRACE || AWAITED.load(Ordering::SeqCst) > 0 {
        std::thread::sleep(Duration::from_millis(20));
    }
    leave(status());
}

/// Whether the process was started with this signal ignored.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = text.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|m| u64::from_str_radix(m.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}

/// Ends the process, with nothing left behind: waits for files that are being written.
#[cfg(unix)]
fn leave(status: u8) -> ! {
    files::clean_up();
    std::process::exit(status.into())
}

/// The same from wherever it may be, a file half-written included: it is left then.
pub(crate) fn leave_at_once(status: u8) -> ! {
    files::try_clean_up();
    std::process::exit(status.into())
}
