//! How far the simulation is, on standard error, between the lines that the program prints.

use crate::failure::{During, Result};
use std::io::{ErrorKind, IsTerminal, Write};
use std::time::{Duration, Instant};
use teff_rp2040::Simulator;

pub(crate) struct Progress {
    quiet: bool,
    terminal: bool,
    /// Simulated nanoseconds to go to, if that is known.
    goal: Option<u64>,
    begin: Instant,
    last: Instant,
    /// Cycles at the last look.
    cycles: u64,
    /// The line is on the screen.
    drawn: bool,
    /// The program's last line is complete, so that ours does not break it.
    at_line_start: bool,
}

impl Progress {
    pub(crate) fn new(quiet: bool, goal: Option<u64>) -> Progress {
        let now = Instant::now();
        Progress {
            quiet,
            terminal: std::io::stderr().is_terminal(),
            goal,
            begin: now,
            last: now,
            cycles: 0,
            drawn: false,
            at_line_start: true,
        }
    }

    /// Time since the beginning, on this machine.
    pub(crate) fn elapsed(&self) -> Duration {
        self.begin.elapsed()
    }

    /// Shows the line, if it is time for it. Where there is no terminal, a line every few seconds.
    pub(crate) fn at(&mut self, sim: &Simulator) {
        let often = Duration::from_millis(if self.terminal { 100 } else { 5000 });
        let passed = self.last.elapsed();
        if self.quiet || passed < often || !self.at_line_start {
            return;
        }
        let cycles = sim.cycles();
        let rate = (cycles - self.cycles) as f64 / passed.as_secs_f64() / 1e6;
        (self.last, self.cycles) = (Instant::now(), cycles);
        let goal = self.goal.map_or(String::new(), |goal| format!(" of {:.1}", goal as f64 / 1e9));
        let line = format!("simulated {:.1}{goal} s, {rate:.0} M cycles/s", sim.nanoseconds() as f64 / 1e9);
        if self.terminal {
            let _ = write!(std::io::stderr(), "\r\x1b[K{line}");
            self.drawn = true;
        } else {
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }

    /// Takes the line away.
    pub(crate) fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }

    /// Prints what the program has printed; false when nobody reads it any more.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn print(&mut self, bytes: &[u8]) -> Result<bool> {
        self.clear();
        self.at_line_start = bytes.last() == Some(&b'\n');
        let mut out = std::io::stdout().lock();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(false),
            written => written.map(|()| true).during("cannot write standard output"),
        }
    }

    /// Ends the program's last line, if it has not, so that what follows begins a new one.
    pub(crate) fn end_line(&mut self) {
        self.clear();
        if !std::mem::replace(&mut self.at_line_start, true) && self.terminal {
            let _ = writeln!(std::io::stderr());
        }
    }
}
