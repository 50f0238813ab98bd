//! A PL022 SPI master with 8-deep FIFOs (datasheet 4.4). Frames go to the board whole, at the cycle in which
//! their last bit is sampled.

use super::primecell;
use crate::sched::Event;
use crate::wires::{Wires, dreq, irq};
use std::collections::VecDeque;

const FIFO: usize = 8;
/// Overrun, time-out, receive half full, transmit half empty.
const ROR: u32 = 1;
const RT: u32 = 2;
const RX: u32 = 4;
const TX: u32 = 8;

#[derive(Clone, Debug, Default)]
pub(crate) struct Spi {
    id: u32,
    cr0: u32,
    cr1: u32,
    prescale: u32,
    mask: u32,
    sticky: u32,
    dmacr: u32,
    tx: VecDeque<u16>,
    rx: VecDeque<u16>,
    shifting: Option<(u16, u64)>,
    /// The end of the frame before, when the next may start at once.
    free_at: u64,
}

impl Spi {
    pub(crate) fn new(id: u32) -> Spi {
        Spi { id, ..Spi::default() }
    }

    /// Bits of a frame.
    pub(crate) fn bits(&self) -> u32 {
        (self.cr0 & 15) + 1
    }

    /// Cycles of clk_sys for one frame. Between frames with SPH = 0 the select line pulses high, which the PL022
    /// manual draws as one and a half clock periods; with SPH = 1 frames follow each other without a gap.
    fn frame(&self, wires: &Wires) -> u64 {
        let halves = 2 * self.bits() + if self.cr0 & 0x80 == 0 { 3 } else { 0 };
        let clock = u64::from(self.prescale.max(2)) * u64::from((self.cr0 >> 8 & 0xff) + 1);
        wires.clocks.in_sys(u64::from(halves) * clock / 2, wires.clocks.peri_hz)
    }

    fn start(&mut self, now: u64, wires: &mut Wires) {
        if self.shifting.is_none()
            && self.cr1 & 2 != 0
            && let Some(word) = self.tx.pop_front()
        {
            let done = now.max(self.free_at) + self.frame(wires);
            self.shifting = Some((word, done));
            wires.sched.set(Event::Spi0.of(self.id as usize), Some(done));
        }
    }

    /// The frame that ends now. The board answers it with [`Spi::finish`].
    pub(crate) fn event(&mut self, now: u64) -> Option<u16> {
        match self.shifting {
            Some((word, at)) if at <= now => Some(word),
            _ => None,
        }
    }

    /// Ends the frame with what came back on MISO.
    pub(crate) fn finish(&mut self, answer: u16, now: u64, wires: &mut Wires) {
        let looped = self.shifting.map_or(answer, |(word, _)| if self.cr1 & 1 != 0 { word } else { answer });
        if self.rx.len() < FIFO {
            self.rx.push_back(looped);
        } else {
            self.sticky |= ROR;
        }
        self.shifting = None;
        self.free_at = now;
        self.start(now, wires);
        self.update(now, wires);
    }

    fn raw(&self) -> u32 {
        self.sticky
            | if self.rx.len() >= FIFO / 2 { RX } else { 0 }
            | if self.tx.len() <= FIFO / 2 { TX } else { 0 }
            | if !self.rx.is_empty() && self.shifting.is_none() { RT } else { 0 }
    }

    fn update(&self, now: u64, wires: &mut Wires) {
        wires.set_irq(irq::SPI0 + self.id, self.raw() & self.mask != 0);
        let base = dreq::SPI0_TX + 2 * self.id;
        wires.set_dreq(base, self.dmacr & 2 != 0 && self.tx.len() < FIFO, now);
        wires.set_dreq(base + 1, self.dmacr & 1 != 0 && !self.rx.is_empty(), now);
    }

    pub(crate) fn read(&mut self, reg: u32, now: u64, wires: &mut Wires) -> u32 {
        match reg {
            0x00 => self.cr0,
            0x04 => self.cr1,
            0x08 => {
                let word = self.rx.pop_front().unwrap_or(0);
                self.update(now, wires);
                u32::from(word)
            }
            0x0c => {
                u32::from(self.tx.is_empty())
                    | u32::from(self.tx.len() < FIFO) << 1
                    | u32::from(!self.rx.is_empty()) << 2
                    | u32::from(self.rx.len() == FIFO) << 3
                    | u32::from(self.shifting.is_some() || !self.tx.is_empty()) << 4
            }
            0x10 => self.prescale,
            0x14 => self.mask,
            0x18 => self.raw(),
            0x1c => self.raw() & self.mask,
            0x24 => self.dmacr,
            _ => primecell(0x22, reg),
        }
    }

    pub(crate) fn write(&mut self, reg: u32, value: u32, now: u64, wires: &mut Wires) {
        match reg {
            0x00 => self.cr0 = value & 0xffff,
            0x04 => self.cr1 = value & 15,
            0x08 if self.tx.len() < FIFO => {
                self.tx.push_back((value & (0xffff >> (16 - self.bits()))) as u16);
            }
            0x10 => self.prescale = value & 0xfe,
            0x14 => self.mask = value & 15,
            0x20 => self.sticky &= !(value & 3),
            0x24 => self.dmacr = value & 3,
            _ => {} // status registers
        }
        self.start(now, wires);
        self.update(now, wires);
    }
}
