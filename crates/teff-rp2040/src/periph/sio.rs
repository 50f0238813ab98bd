//! Single-cycle IO: GPIO, the FIFOs between the cores, spinlocks and the integer dividers (datasheet 2.3.1).

use super::interp::Interp;
use crate::pins::{self, func};
use crate::wires::{Wires, irq};
use std::collections::VecDeque;

/// Depth of each inter-core FIFO (2.3.1.4).
const FIFO_DEPTH: usize = 8;
/// Cycles of a division (2.3.1.5).
const DIVIDE: u64 = 8;

/// FIFO_ST bits beyond VLD and RDY, which are computed.
const WOF: u32 = 4;
const ROE: u32 = 8;

#[derive(Clone, PartialEq, Debug, Default)]
struct Divider {
    dividend: u32,
    divisor: u32,
    quotient: u32,
    remainder: u32,
    ready_at: u64,
    dirty: bool,
}

impl Divider {
    /// Starts a division. By zero, the quotient is all ones (signed: the sign that differs from the dividend's)
    /// and the remainder is the dividend.
    fn start(&mut self, signed: bool, now: u64) {
        let (n, d) = (self.dividend, self.divisor);
        (self.quotient, self.remainder) = match (signed, d) {
            (false, 0) => (u32::MAX, n),
            (true, 0) => (if n as i32 >= 0 { u32::MAX } else { 1 }, n),
            (false, _) => (n / d, n % d),
            (true, _) => ((n as i32).wrapping_div(d as i32) as u32, (n as i32).wrapping_rem(d as i32) as u32),
        };
        self.ready_at = now + DIVIDE;
        self.dirty = true;
    }
}

#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Sio {
    out: u32,
    enable: u32,
    /// GPIO_HI: the six flash pins as GPIO, kept but connected to nothing.
    high: [u32; 2],
    /// Words on the way to each core.
    fifo: [VecDeque<u32>; 2],
    sticky: [u32; 2],
    locks: u32,
    dividers: [Divider; 2],
    interps: [[Interp; 2]; 2],
}

/// True for registers that something else than the cores changes: GPIO_IN and GPIO_HI_IN, and DIV_CSR in time.
pub(crate) fn reads_the_outside(reg: u32) -> bool {
    matches!(reg, 0x04 | 0x08 | 0x78)
}

impl Sio {
    pub(crate) fn new() -> Sio {
        let interps = || [Interp::new(false), Interp::new(true)];
        Sio { interps: [interps(), interps()], ..Sio::default() }
    }

    /// Reads the register at `reg` (offset from 0xd0000000) as `core`; `None` past the last.
    pub(crate) fn read(&mut self, core: usize, reg: u32, now: u64, wires: &mut Wires) -> Option<u32> {
        let divider = &mut self.dividers[core];
        Some(match reg {
            0x00 => core as u32,
            0x04 => wires.pins.synchronised(now),
            0x08 => 0x3e, // the flash chip's pins, idle: chip select and data pulled high
            0x10 => self.out,
            0x20 => self.enable,
            0x30 => self.high[0],
            0x40 => self.high[1],
            0x50 => {
                u32::from(!self.fifo[core].is_empty())
                    | u32::from(self.fifo[core ^ 1].len() < FIFO_DEPTH) << 1
                    | self.sticky[core]
            }
            0x58 => self.pop(core, wires),
            0x5c => self.locks,
            0x60 | 0x68 => divider.dividend,
            0x64 | 0x6c => divider.divisor,
            0x70 => {
                divider.dirty = false;
                divider.quotient
            }
            0x74 => divider.remainder,
            0x78 => u32::from(now >= divider.ready_at) | u32::from(divider.dirty) << 1,
            0x80..0x100 => self.interps[core][(reg >> 6 & 1) as usize].read(reg & 0x3f),
            0x100..0x180 => {
                let bit = 1 << (reg >> 2 & 31);
                let was_free = self.locks & bit == 0;
                self.locks |= bit;
                if was_free { bit } else { 0 }
            }
            0x180.. => return None,
            _ => 0,
        })
    }

    /// Writes the register at `reg` as `core`.
    pub(crate) fn write(
        &mut self,
        core: usize,
        reg: u32,
        value: u32,
        now: u64,
        wires: &mut Wires,
    ) -> Option<()> {
        match reg {
            0x10..=0x1c => self.out = combine(self.out, reg, value) & pins::MASK,
            0x20..=0x2c => self.enable = combine(self.enable, reg, value) & pins::MASK,
            0x30..=0x3c => self.high[0] = combine(self.high[0], reg, value) & 0x3f,
            0x40..=0x4c => self.high[1] = combine(self.high[1], reg, value) & 0x3f,
            0x50 => {
                self.sticky[core] &= !value;
                self.update_irq(core, wires);
            }
            0x54 => self.push(core, value, wires),
            0x60..=0x74 => self.write_divider(core, reg, value, now),
            0x80..0x100 => self.interps[core][(reg >> 6 & 1) as usize].write(reg & 0x3f, value),
            0x100..0x180 => self.locks &= !(1 << (reg >> 2 & 31)),
            0x180.. => return None,
            _ => {} // read-only: ignored
        }
        if (0x10..=0x2c).contains(&reg) {
            wires.pins.drive(func::SIO, self.out, self.enable, now);
        }
        Some(())
    }

    fn write_divider(&mut self, core: usize, reg: u32, value: u32, now: u64) {
        let d = &mut self.dividers[core];
        match reg {
            0x60 | 0x68 => d.dividend = value,
            0x64 | 0x6c => d.divisor = value,
            0x70 => d.quotient = value,
            _ => d.remainder = value,
        }
        if reg < 0x70 {
            d.start(reg >= 0x68, now);
        } else {
            // Restoring a saved result (2.3.1.5): ready at once.
            d.ready_at = now;
            d.dirty = true;
        }
    }

    /// Takes a word that the other core sent; an empty FIFO sets ROE and gives zero.
    pub(crate) fn pop(&mut self, core: usize, wires: &mut Wires) -> u32 {
        let word = self.fifo[core].pop_front();
        if word.is_none() {
            self.sticky[core] |= ROE;
        }
        self.update_irq(core, wires);
        word.unwrap_or(0)
    }

    /// Sends a word to the other core; a full FIFO drops it and sets WOF.
    pub(crate) fn push(&mut self, core: usize, value: u32, wires: &mut Wires) {
        let to = core ^ 1;
        if self.fifo[to].len() < FIFO_DEPTH {
            self.fifo[to].push_back(value);
        } else {
            self.sticky[core] |= WOF;
        }
        self.update_irq(core, wires);
        self.update_irq(to, wires);
    }

    /// True when a word waits for `core`.
    pub(crate) fn has_word(&self, core: usize) -> bool {
        !self.fifo[core].is_empty()
    }

    /// SIO_IRQ_PROCn is the core's own: VLD, WOF or ROE (2.3.1.4).
    fn update_irq(&mut self, core: usize, wires: &mut Wires) {
        let high = !self.fifo[core].is_empty() || self.sticky[core] != 0;
        wires.set_core_irq(core, irq::SIO_PROC0 + core as u32, high);
    }
}

/// The four forms of an output register: plain, set, clear, toggle.
fn combine(old: u32, reg: u32, value: u32) -> u32 {
    match reg & 0xc {
        0x0 => value,
        0x4 => old | value,
        0x8 => old & !value,
        _ => old ^ value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifo_holds_eight_words_and_reports_overflow_and_underflow() {
        let (mut sio, mut w) = (Sio::new(), Wires::new(12_000_000));
        for i in 0..9 {
            sio.write(0, 0x54, i, 0, &mut w);
        }
        assert_eq!(sio.read(0, 0x50, 0, &mut w), Some(WOF), "full, nothing to read, overflowed");
        assert_eq!(w.irq_lines(1) >> 16 & 1, 1);
        assert_eq!(w.irq_lines(0) >> 16 & 1, 0, "the other core's line is its own");
        for i in 0..8 {
            assert_eq!(sio.read(1, 0x58, 0, &mut w), Some(i));
        }
        assert_eq!(sio.read(1, 0x58, 0, &mut w), Some(0));
        assert_eq!(sio.read(1, 0x50, 0, &mut w), Some(2 | ROE));
    }

    #[test]
    fn division_takes_eight_cycles_and_follows_the_sign() {
        let (mut sio, mut w) = (Sio::new(), Wires::new(12_000_000));
        let mut divide = |n: i32, d: i32| {
            sio.write(1, 0x68, n as u32, 100, &mut w);
            sio.write(1, 0x6c, d as u32, 101, &mut w);
            assert_eq!(sio.read(1, 0x78, 108, &mut w), Some(2));
            assert_eq!(sio.read(1, 0x78, 109, &mut w), Some(3));
            let r = sio.read(1, 0x74, 109, &mut w).unwrap() as i32;
            (sio.read(1, 0x70, 109, &mut w).unwrap() as i32, r)
        };
        assert_eq!(divide(-7, 2), (-3, -1));
        assert_eq!(divide(i32::MIN, -1), (i32::MIN, 0));
        assert_eq!(divide(5, 0), (-1, 5));
        assert_eq!(divide(-5, 0), (1, -5));
    }

    #[test]
    fn a_spinlock_is_given_once() {
        let (mut sio, mut w) = (Sio::new(), Wires::new(12_000_000));
        assert_eq!(sio.read(0, 0x10c, 0, &mut w), Some(8));
        assert_eq!(sio.read(1, 0x10c, 0, &mut w), Some(0));
        assert_eq!(sio.read(1, 0x5c, 0, &mut w), Some(8));
        sio.write(1, 0x10c, 1, 0, &mut w);
        assert_eq!(sio.read(1, 0x10c, 0, &mut w), Some(8));
    }
}
