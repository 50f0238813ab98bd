//! A trace of every instruction as text, up to a limit.

use crate::bus::Bus;
use crate::cpu::Core;
use crate::cpu::op::Op;
use crate::load::Image;
use crate::probe::Probe;
use std::io::Write;

/// Writes a line for each instruction: cycle, core, address, half-word as executed, function, and R0 to R3 after it.
pub struct Trace<'a, W: Write> {
    out: W,
    image: &'a Image,
    /// Lines that may still be written.
    left: u64,
    failed: Option<std::io::Error>,
}

impl<'a, W: Write> Trace<'a, W> {
    /// A trace into `out` of at most `lines` lines; functions are named by the symbols of `image`.
    pub fn new(out: W, image: &'a Image, lines: u64) -> Trace<'a, W> {
        Trace { out, image, left: lines, failed: None }
    }

    /// True when the limit was reached and instructions have gone unwritten.
    pub fn full(&self) -> bool {
        self.left == 0
    }

    /// True when writing has failed; nothing more is written, and [`Trace::finish`] says why.
    pub fn failed(&self) -> bool {
        self.failed.is_some()
    }

    /// Ends the trace, and gives back what it was written into.
    ///
    /// # Errors
    /// The first failure to write, after which nothing more was written.
    pub fn finish(mut self) -> std::io::Result<W> {
        match self.failed.take() {
            Some(e) => Err(e),
            None => self.out.flush().map(|()| self.out),
        }
    }
}

impl<W: Write> Probe for Trace<'_, W> {
    const ON: bool = true;

    fn retired(&mut self, core: &Core, bus: &Bus, pc: u32, _op: Op, begin: u64) {
        if self.left == 0 || self.failed.is_some() {
            return;
        }
        self.left -= 1;
        let half = bus.peek_word(pc & !3).map_or(0, |w| w >> (8 * (pc & 2)) & 0xffff);
        let place =
            self.image.function_at(pc).map_or(String::new(), |(s, offset)| format!("{}+{offset:#x}", s.name));
        let [r0, r1, r2, r3, ..] = core.regs;
        let id = core.id;
        let line = writeln!(
            self.out,
            "{begin} core{id} {pc:08x} {half:04x} {r0:08x} {r1:08x} {r2:08x} {r3:08x} {place}"
        );
        self.failed = line.err();
    }

    fn stalled(&mut self, _core: &Core, _pc: u32, _begin: u64) {}
}
