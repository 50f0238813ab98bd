//! Talking to the user: progress and messages on standard error, results on standard output.

use crate::failure::{Failure, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value as Json, json};
use std::fmt::Arguments;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How the user wants to be talked to.
pub(crate) struct Ui {
    quiet: bool,
    json: bool,
    /// What went wrong first with what was said.
    lost: Mutex<Option<Failure>>,
}

impl Ui {
    pub(crate) fn new(quiet: bool, json: bool) -> Ui {
        Ui { quiet, json, lost: Mutex::default() }
    }

    /// A line about what is going on, on standard error.
    pub(crate) fn note(&self, line: impl AsRef<str>) {
        if !self.quiet {
            self.keep(said(&mut std::io::stderr(), format_args!("{}\n", line.as_ref()), "standard error"));
        }
    }

    /// The result: `text` for people, `json` for scripts, on standard output.
    pub(crate) fn result(&self, text: &str, json: &Json) {
        match (self.json, self.quiet) {
            (true, _) => self.print(&format!("{json}\n")),
            (false, false) => self.print(&format!("{text}\n")),
            (false, true) => {}
        }
    }

    /// Text that was asked for, even when quiet.
    pub(crate) fn print(&self, text: &str) {
        self.keep(said(&mut std::io::stdout(), format_args!("{text}"), "standard output"));
    }

    fn keep(&self, said: Result<()>) {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        *lost = lost.take().or(said.err());
    }

    /// Fails when something that was said could not be written. A closed pipe is no failure: who has seen enough reads no more.
    pub(crate) fn end(&self) -> Result<()> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }

    /// The last message of a command that failed.
    pub(crate) fn fail(&self, failure: &Failure) {
        if self.json {
            let json = json!({"error": failure.message, "status": failure.status});
            let _ = said(&mut std::io::stdout(), format_args!("{json}\n"), "standard output");
        }
        complain(format_args!("{}", failure.message));
    }

    /// A bar for work of `len` parts. Where there is no terminal, a line every few seconds instead.
    pub(crate) fn bar(&self, label: &str, len: u64) -> Bar {
        let terminal = std::io::stderr().is_terminal();
        let target =
            if self.quiet || !terminal { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let style = ProgressStyle::with_template("{prefix} {bar:30} {pos:>5}/{len} {msg} {eta} left")
            .expect("a valid template")
            .progress_chars("=> ");
        let bar = ProgressBar::with_draw_target(Some(len), target).with_style(style);
        bar.set_prefix(label.to_string());
        Bar { bar, label: label.into(), lines: !self.quiet && !terminal, last: Instant::now() }
    }
}

/// Writes all of it now; `whose` names the stream.
pub(crate) fn said(to: &mut impl Write, text: Arguments, whose: &str) -> Result<()> {
    match to.write_fmt(text).and_then(|()| to.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("cannot write {whose}: {e}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The message of a failure. Where it cannot be written there is only the exit status.
pub(crate) fn complain(message: Arguments) {
    let _ = writeln!(std::io::stderr(), "error: {message}");
}

/// Progress of one piece of work.
pub(crate) struct Bar {
    bar: ProgressBar,
    label: String,
    /// Prints lines instead of drawing.
    lines: bool,
    last: Instant,
}

impl Bar {
    /// `done` parts are done. The message is made only when it is shown.
    pub(crate) fn at(&mut self, done: u64, message: impl FnOnce() -> String) {
        // More often would cost the work itself.
        let often = Duration::from_millis(if self.lines { 5000 } else { 50 });
        let len = self.bar.length().unwrap_or(0);
        if self.last.elapsed() < often {
            return;
        }
        self.last = Instant::now();
        let message = message();
        if self.lines {
            let _ = writeln!(std::io::stderr(), "{} {done}/{len} {message}", self.label);
        } else {
            self.bar.set_message(message);
            self.bar.set_position(done);
        }
    }

    /// The work is done: the bar goes.
    pub(crate) fn finish(self) {
        self.bar.finish_and_clear();
    }
}

/// A path for JSON, which is UTF-8: what is not, in the path, is replaced.
pub(crate) fn path_text(path: impl AsRef<Path>) -> Json {
    json!(path.as_ref().display().to_string())
}

/// Rows with aligned columns; the first column to the left, the others to the right.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| rows.iter().filter_map(|r| r.get(c)).map(|s| s.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    // Words begin at the left of their column, numbers end at its right.
    let begins = |s: &String| s.starts_with(|c: char| c.is_ascii_alphabetic() || c == '[');
    let is_words = |c: usize| c == 0 || rows.iter().skip(1).filter_map(|r| r.get(c)).all(begins);
    let words: Vec<bool> = (0..columns).map(is_words).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (c, cell) in row.iter().enumerate() {
            let pad = " ".repeat(widths[c] - cell.chars().count());
            let gap = if c == 0 { "" } else { "  " };
            line += &if words[c] { format!("{gap}{cell}{pad}") } else { format!("{gap}{pad}{cell}") };
        }
        out += line.trim_end();
        out.push('\n');
    }
    out
}

/// A count with its thousands set apart: 317 600.
pub(crate) fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(c);
    }
    out
}

/// A share of 1.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// A duration as people say it.
pub(crate) fn duration(d: Duration) -> String {
    match d.as_secs_f64() {
        s if s < 1e-3 => format!("{:.0} us", s * 1e6),
        s if s < 1.0 => format!("{:.0} ms", s * 1e3),
        s if s < 100.0 => format!("{s:.1} s"),
        s => format!("{:.0} min {:.0} s", (s / 60.0).floor(), s % 60.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [vec!["a".into(), "10".into()], vec!["bcd".into(), "5".into()]];
        assert_eq!(table(&rows), "a    10\nbcd   5\n");
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(
            [0, 999, 1000, 317_600, 1_234_567].map(grouped),
            ["0", "999", "1 000", "317 600", "1 234 567"]
        );
    }

    #[test]
    fn durations_are_short() {
        let text = |s: f64| duration(Duration::from_secs_f64(s));
        assert_eq!([0.000014, 0.25, 4.56, 312.0].map(text), ["14 us", "250 ms", "4.6 s", "5 min 12 s"]);
    }
}
