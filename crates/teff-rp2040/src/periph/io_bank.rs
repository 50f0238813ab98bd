//! IO_BANK0: function select and pin interrupts (datasheet 2.19.6.1).

use crate::pins::COUNT;
use crate::wires::{Wires, irq};

/// Enable and force words of one destination: core 0, core 1, or waking from dormant (kept, without effect).
#[derive(Clone, Copy, Debug, Default)]
struct Destination {
    enable: [u32; 4],
    force: [u32; 4],
}

#[derive(Clone, Debug, Default)]
pub(crate) struct IoBank {
    /// Latched edges: for each pin four bits, low level, high level, falling, rising; levels are not latched.
    edges: [u32; 4],
    to: [Destination; 3],
    /// Whether either core has any pin interrupt enabled or forced.
    used: bool,
}

const LEVELS: u32 = 0x3333_3333;

impl IoBank {
    pub(crate) fn new() -> IoBank {
        IoBank::default()
    }

    /// Whether any pin can interrupt a core.
    pub(crate) fn interrupts(&self) -> bool {
        self.used
    }

    fn raw(&self, word: usize, wires: &Wires) -> u32 {
        let level = wires.pins.input() >> (8 * word) & 0xff;
        let mut raw = self.edges[word];
        for pin in 0..8 {
            if word * 8 + pin < COUNT {
                raw |= (1 + (level >> pin & 1)) << (4 * pin);
            }
        }
        raw
    }

    fn status(&self, dest: usize, word: usize, wires: &Wires) -> u32 {
        self.raw(word, wires) & self.to[dest].enable[word] | self.to[dest].force[word]
    }

    /// Latches the edges of inputs that changed.
    pub(crate) fn inputs_changed(&mut self, changed: u32, wires: &mut Wires) {
        let level = wires.pins.input();
        let mut left = changed;
        while left != 0 {
            let pin = left.trailing_zeros() as usize;
            let edge = if level >> pin & 1 != 0 { 8 } else { 4 };
            self.edges[pin / 8] |= edge << (4 * (pin % 8));
            left &= left - 1;
        }
        if self.used {
            self.update(wires);
        }
    }

    /// Latches edges of inputs that interrupt nobody.
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
            let high = (0..4).any(|word| self.status(core, word, wires) != 0);
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
                let dest = ((reg - 0x100) / 0x30) as usize;
                match (reg - 0x100) % 0x30 / 0x10 {
                    0 => self.to[dest].enable[word],
                    1 => self.to[dest].force[word],
                    _ => self.status(dest, word, wires),
                }
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
                let dest = &mut self.to[((reg - 0x100) / 0x30) as usize];
                match (reg - 0x100) % 0x30 / 0x10 {
                    0 => dest.enable[word] = value,
                    1 => dest.force[word] = value,
                    _ => {} // status is read-only
                }
            }
            _ => {} // GPIOx_STATUS is read-only
        }
        let any = |d: &Destination| d.enable.iter().chain(&d.force).any(|&word| word != 0);
        self.used = any(&self.to[0]) || any(&self.to[1]);
        self.update(wires);
    }
}
