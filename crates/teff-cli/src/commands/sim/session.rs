//! A run: the simulator and all that watches it, a stretch of simulated time after the other.

use super::console::Console;
use super::faults::Faults;
use super::part_file::{PartFile, failed};
use super::pictures::Screen;
use super::progress::Progress;
use crate::failure::{Failure, Result};
use crate::files::write_together;
use crate::stop;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;
use teff_rp2040::{FaultRecord, Image, Profile, Simulator, Stop, Trace, gdb};

/// Parts of a simulated second after which everybody looks up.
const SLICES: u64 = 1000;
/// Nanoseconds between two attempts to prove that nothing can happen any more, and the instructions each looks at.
const PROOF_STEP: u64 = 100_000_000;
const PROOF_LENGTH: u32 = 2_000;

/// Why a run is over.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Ending {
    /// The program has ended by semihosting.
    Exit(u32),
    /// The text of --until was printed.
    Printed,
    /// The time of --seconds is over.
    Time,
    /// Nothing can happen any more.
    Stuck,
    /// A hard fault; `locked` when it left the core dead.
    Fault { core: usize, record: FaultRecord, locked: bool },
    /// The program went to the USB boot loader.
    BootLoader,
    /// Ctrl-C, or nobody reads what is printed.
    Stopped,
    /// GDB has killed the program.
    Killed,
}

/// Who watches every instruction.
enum Watcher<'a> {
    Nobody,
    Profile(Profile),
    Trace(Trace<'a, PartFile>, &'a Path),
}

/// What ends a run, in time and text.
pub(crate) struct Limits {
    /// Simulated nanoseconds.
    pub(crate) nanoseconds: Option<u64>,
    pub(crate) stop: stop::Stop,
}

/// Everything around the simulator.
pub(crate) struct Session<'a> {
    pub(crate) console: Console,
    pub(crate) screen: Option<Screen>,
    pub(crate) progress: Progress,
    faults: Faults,
    limits: Limits,
    watcher: Watcher<'a>,
    next_proof: u64,
}

impl<'a> Session<'a> {
    pub(crate) fn new(
        console: Console,
        screen: Option<Screen>,
        faults: Faults,
        progress: Progress,
        limits: Limits,
    ) -> Session<'a> {
        let watcher = Watcher::Nobody;
        Session { console, screen, progress, faults, limits, watcher, next_proof: PROOF_STEP }
    }

    /// Books every cycle from now on.
    pub(crate) fn profile(&mut self, symbols: &Image) {
        self.watcher = Watcher::Profile(Profile::new(symbols));
    }

    /// Writes at most `lines` instructions from now on into `path`.
    pub(crate) fn trace(&mut self, path: &'a Path, lines: u64, symbols: &'a Image) -> Result<()> {
        self.watcher = Watcher::Trace(Trace::new(PartFile::create(path)?, symbols, lines), path);
        Ok(())
    }

    /// Runs until something ends it.
    pub(crate) fn run(&mut self, sim: &mut Simulator) -> Result<Ending> {
        loop {
            let hz = sim.clock_hz();
            let end = self.limits.nanoseconds.into_iter().chain(self.faults.next()).min();
            let left = end.map_or(u64::MAX, |end| end.saturating_sub(sim.nanoseconds()));
            let rest = u128::from(left) * u128::from(hz) / 1_000_000_000;
            let slice = (hz / SLICES).min(u64::try_from(rest).unwrap_or(u64::MAX)).max(1);
            let stop = run(&mut self.watcher, sim, sim.cycles() + slice);
            let printed = self.look(sim)?;
            let over = if stop == Stop::Deadlock && self.input_comes(sim) { None } else { ending(&stop) };
            let over = over.or_else(|| self.asked_to_end(sim));
            match over {
                Some(ending) => return Ok(ending),
                None if self.console.feed(sim) || printed => {}
                None => {
                    if let Some(ending) = self.prove(sim)? {
                        return Ok(ending);
                    }
                }
            }
        }
    }

    /// The cores sleep for good, unless input wakes them: true if some was sent, or may still be typed.
    fn input_comes(&mut self, sim: &mut Simulator) -> bool {
        if self.console.feed(sim) {
            return true;
        }
        if self.console.listens() {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.console.listens()
    }

    /// Now and then looks whether anything can still happen.
    fn prove(&mut self, sim: &mut Simulator) -> Result<Option<Ending>> {
        if sim.nanoseconds() < self.next_proof || self.console.listens() {
            return Ok(None);
        }
        self.next_proof = sim.nanoseconds() + PROOF_STEP;
        match sim.stuck(PROOF_LENGTH, |sim, until| run(&mut self.watcher, sim, until)) {
            Ok(stuck) => Ok(stuck.then_some(Ending::Stuck)),
            Err(stop) => {
                self.look(sim)?;
                Ok(ending(&stop))
            }
        }
    }

    /// Looks at what the stretch has brought; true when the program has printed something.
    fn look(&mut self, sim: &mut Simulator) -> Result<bool> {
        let progress = &mut self.progress;
        let printed = self.console.drain(sim, |bytes| progress.print(bytes))?;
        self.faults.inject(sim)?;
        let now = sim.nanoseconds();
        if let Some(screen) = self.screen.as_mut().filter(|screen| screen.wants(now)) {
            screen.take(sim.board().screen()?, now);
        }
        if let Watcher::Trace(trace, _) = &self.watcher
            && (trace.failed() || trace.full())
        {
            // What is left of the run goes at full speed, or not at all.
            self.end_watching(None)?;
        }
        self.progress.at(sim);
        Ok(printed)
    }

    /// Shows what the program printed without an end of line.
    pub(crate) fn flush(&mut self) -> Result<()> {
        let progress = &mut self.progress;
        self.console.flush(|bytes| progress.print(bytes))
    }

    fn asked_to_end(&self, sim: &Simulator) -> Option<Ending> {
        if self.console.seen {
            Some(Ending::Printed)
        } else if self.limits.stop.is_asked() || self.console.closed {
            Some(Ending::Stopped)
        } else if self.limits.nanoseconds.is_some_and(|limit| sim.nanoseconds() >= limit) {
            Some(Ending::Time)
        } else {
            None
        }
    }

    /// Serves GDB on `port` until it leaves, and then goes on without it.
    pub(crate) fn debug(&mut self, sim: &mut Simulator, port: u16) -> Result<Ending> {
        let Some(stream) = self.wait_for_gdb(port)? else { return Ok(Ending::Stopped) };
        let mut failure = None;
        let ended = gdb::serve(sim, stream, &mut |sim| match self.look(sim) {
            Ok(_) => {
                self.console.feed(sim);
                self.asked_to_end(sim).is_none()
            }
            Err(e) => {
                failure = Some(e);
                false
            }
        });
        if let Some(failure) = failure {
            return Err(failure);
        }
        match ended? {
            gdb::Ended::Detached => self.run(sim),
            gdb::Ended::Killed => Ok(Ending::Killed),
            gdb::Ended::Left => Ok(self.asked_to_end(sim).unwrap_or(Ending::Stopped)),
            gdb::Ended::Program(stop) => {
                self.look(sim)?;
                Ok(ending(&stop).unwrap_or(Ending::Stopped))
            }
        }
    }

    /// The connection of a GDB; `None` when the user has had enough of waiting.
    fn wait_for_gdb(&mut self, port: u16) -> Result<Option<TcpStream>> {
        let failed = |e: std::io::Error| Failure::new(format!("--gdb {port}: {e}; choose another port"));
        let listener = TcpListener::bind(("127.0.0.1", port)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        while !self.limits.stop.is_asked() {
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).map_err(failed)?;
                    return Ok(Some(stream));
                }
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(e) => return Err(failed(e)),
            }
        }
        Ok(None)
    }

    /// Writes what the watcher has, for a profile into files that begin with `profile`; the names of the files.
    pub(crate) fn end_watching(&mut self, profile: Option<&Path>) -> Result<Vec<PathBuf>> {
        match (std::mem::replace(&mut self.watcher, Watcher::Nobody), profile) {
            (Watcher::Nobody, _) | (Watcher::Profile(_), None) => Ok(Vec::new()),
            (Watcher::Profile(profile), Some(path)) => write_profile(&profile, path),
            (Watcher::Trace(trace, path), _) => {
                let file = trace.finish().map_err(|e| failed(path, &e))?;
                file.finish()?;
                Ok(Vec::new())
            }
        }
    }
}

/// Runs until cycle `until` under the eyes of `watcher`.
fn run(watcher: &mut Watcher, sim: &mut Simulator, until: u64) -> Stop {
    match watcher {
        Watcher::Nobody => sim.run(until),
        Watcher::Profile(profile) => sim.run_profiled(until, profile),
        Watcher::Trace(trace, _) => sim.run_traced(until, trace),
    }
}

/// The end that a stop of the simulator means, if it is one.
fn ending(stop: &Stop) -> Option<Ending> {
    match *stop {
        Stop::Deadline => None,
        Stop::Exit { status } => Some(Ending::Exit(status)),
        Stop::Fault { core, record } => Some(Ending::Fault { core, record, locked: false }),
        Stop::Lockup { core, record } => Some(Ending::Fault { core, record, locked: true }),
        Stop::Deadlock => Some(Ending::Stuck),
        Stop::UsbBoot => Some(Ending::BootLoader),
        // GDB leaves its breakpoints behind when its connection breaks.
        Stop::Bkpt { .. } | Stop::Breakpoint { .. } => Some(Ending::Killed),
    }
}

/// Writes a profile as table, folded stacks and flame graph, or as one of them if `path` has its ending.
fn write_profile(profile: &Profile, path: &Path) -> Result<Vec<PathBuf>> {
    let forms = [("txt", profile.table()), ("folded", profile.folded()), ("svg", profile.flame_graph())];
    let ending = path.extension().unwrap_or_default().to_string_lossy().into_owned();
    let one = forms.iter().any(|(e, _)| *e == ending);
    let named = |e: &str| {
        let mut name = path.as_os_str().to_os_string();
        if !one {
            name.push(format!(".{e}"));
        }
        PathBuf::from(name)
    };
    let chosen = forms.into_iter().filter(|(e, _)| !one || *e == ending);
    let (files, texts): (Vec<PathBuf>, Vec<String>) = chosen.map(|(e, text)| (named(e), text)).unzip();
    write_together(&files.iter().zip(texts).collect::<Vec<_>>())?;
    Ok(files)
}
