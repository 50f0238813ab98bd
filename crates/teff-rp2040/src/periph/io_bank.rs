//! IO_BANK0: function select and pin interrupts (datasheet 2.19.6.1).

use super::Interrupts;
use crate::pins::COUNT;
use crate::wires::{Wires, irq};

#[derive(Clone, Debug, Default)]
pub(crate) struct IoBank {
    /// Latched edges: for each pin four bits, low level, high level, falling, rising; levels are not latched.
    edges: [u32; 4],
    /// By destination (core 0, core 1, or waking from dormant, which is kept without effect) and word.
    to: [[Interrupts; 4]; 3],
    /// Whether either core has any pin interrupt enabled or forced.
    pub(crate) used: bool,
}

const LEVELS: u32 = 0x3333_3333;

impl IoBank {
    fn raw(&self, word: usize, wires: &Wires) -> u32 {
        // A nibble a pin, 1 for a low level and 2 for a high one: 1 and the level, spread.
        let mut high = wires.pins.input() >> (8 * word) & 0xff;
        for (by, mask) in [(12, 0x000f_000f), (6, 0x0303_0303), (3, 0x1111_1111)] {
            high = (high | high << by) & mask;
        }
        let there = if word < 3 { u32::MAX } else { u32::MAX >> (4 * (32 - COUNT)) };
        self.edges[word] | (0x1111_1111 + high) & there
    }

    /// Latches the edges of inputs that changed.
    pub(crate) fn inputs_changed(&mut self, changed: u32, wires: &mut Wires) {
        let level = wires.pins.input();
        self.latch(changed & level, changed & !level);
        if self.used {
            self.update(wires);
        }
    }

    /// Latches edges, of inputs that interrupt nobody.
    pub(crate) fn latch(&mut self, rose: u32, fell: u32) {
        let mut left = rose | fell;
        while left != 0 {
            let pin = left.trailing_zeros();
            let edges = (rose >> pin & 1) << 3 | (fell >> pin & 1) << 2;
            self.edges[pin as usize / 8] |= edges << (4 * (pin % 8));
            left &= left - 1;
        }
    }

    fn update(&self, wires: &mut Wires) {
        for core in 0..2 {
            let mut lines = self.to[core].iter().enumerate();
            let high = lines.any(|(word, line)| {
                line.force != 0 || line.enable != 0 && line.status(self.raw(word, wires)) != 0
            });
            wires.set_core_irq(core, irq::IO_BANK0, high);
        }
    }

    pub(crate) fn read(&self, reg: u32, wires: &Wires) -> u32 {
        let word = (reg >> 2 & 3) as usize;
        match reg {
            0..0xf0 if reg & 4 == 0 => wires.pins.status((reg / 8) as usize),
            0..0xf0 => wires.pins.ctrl[(reg / 8) as usize],
            0xf0..0x100 => self.raw(word, wires),
            0x100..0x190 => {
                let (dest, which) = ((reg - 0x100) / 0x30, (reg - 0x100) % 0x30 / 0x10);
                self.to[dest as usize][word].read(4 * which, self.raw(word, wires))
            }
            _ => 0,
        }
    }

    pub(crate) fn write(&mut self, reg: u32, value: u32, now: u64, wires: &mut Wires) {
        let word = (reg >> 2 & 3) as usize;
        match reg {
            0..0xf0 if reg & 4 != 0 => {
                wires.pins.ctrl[(reg / 8) as usize] = value;
                wires.pins.reconfigure(now);
            }
            0xf0..0x100 => self.edges[word] &= !(value & !LEVELS),
            0x100..0x190 => {
                let (dest, which) = ((reg - 0x100) / 0x30, (reg - 0x100) % 0x30 / 0x10);
                self.to[dest as usize][word].write(4 * which, value, u32::MAX);
            }
            _ => {} // GPIOx_STATUS is read-only
        }
        self.used = self.to[..2].as_flattened().iter().any(|word| word.enable | word.force != 0);
        self.update(wires);
    }
}
