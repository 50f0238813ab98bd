//! The serial flash controller's registers and the XIP streaming FIFO (datasheet 4.10, 2.6.3.3).
//!
//! Execute-in-place reads are timed by [`crate::bus::xip`]. Here are the two other ways to the flash: commands
//! frame by frame, as second stages send them, and bulk reads through the FIFO (TMOD 3), as DMA does. The flash
//! answers like a W25Q: status registers, identification, reads; it is programmed only through the boot ROM.

use super::Words;
use crate::sched::Event;
use crate::wires::{Wires, dreq};
use std::collections::VecDeque;

const FIFO: usize = 16;
/// Words of the streaming FIFO (2.6.3.3).
pub(crate) const STREAM_FIFO: usize = 2;

#[derive(Clone, Debug, Default)]
pub(crate) struct Ssi {
    regs: Words<{ 0x100 / 4 }>,
    tx: VecDeque<u32>,
    rx: VecDeque<u32>,
    busy: bool,
    /// Bytes sent since chip select fell.
    command: Vec<u8>,
    /// A bulk read: the next flash address and how many words are left.
    bulk: Option<(u32, u32)>,
    pub(crate) stream_addr: u32,
    pub(crate) stream_left: u32,
    pub(crate) stream: VecDeque<u32>,
}

const CTRLR0: u32 = 0;
const CTRLR1: u32 = 4;
const SSIENR: u32 = 8;
const BAUDR: u32 = 0x14;
const DMACR: u32 = 0x4c;
const DMATDLR: u32 = 0x50;
const DMARDLR: u32 = 0x54;
const SPI_CTRLR0: u32 = 0xf4;

impl Ssi {
    pub(crate) fn new() -> Ssi {
        let mut ssi = Ssi::default();
        // As the usual second stage leaves it: clock divided by 2, quad, 24-bit address and mode bits.
        ssi.regs[CTRLR0] = 0x005f_0300;
        ssi.regs[BAUDR] = 2;
        ssi.regs[SSIENR] = 1;
        ssi.regs[SPI_CTRLR0] = 0xa000_2220;
        ssi
    }

    fn baud(&self) -> u64 {
        u64::from(self.regs[BAUDR] & 0xfffe).max(2)
    }

    /// Data lines in use: 1, 2 or 4 (CTRLR0.SPI_FRF).
    fn lines(&self) -> u64 {
        [1, 2, 4, 1][(self.regs[CTRLR0] >> 21 & 3) as usize]
    }

    fn frame_bits(&self) -> u64 {
        u64::from(self.regs[CTRLR0] >> 16 & 31) + 1
    }

    /// Cycles before the first data of a bulk read: address and mode bits, then dummy cycles.
    fn preamble(&self) -> u64 {
        let control = self.regs[SPI_CTRLR0];
        let address_bits = u64::from(control >> 2 & 15) * 4;
        let dummy = u64::from(control >> 11 & 31);
        (address_bits / self.lines() + dummy) * self.baud()
    }

    fn enabled(&self) -> bool {
        self.regs[SSIENR] & 1 != 0
    }

    fn start(&mut self, now: u64, wires: &mut Wires) {
        if self.busy || !self.enabled() {
            return;
        }
        let frame = self.frame_bits().div_ceil(self.lines()) * self.baud();
        if self.regs[CTRLR0] >> 8 & 3 == 3 && self.bulk.is_none() {
            let Some(word) = self.tx.pop_front() else { return };
            self.bulk = Some((word >> 8, (self.regs[CTRLR1] & 0xffff) + 1));
            wires.sched.set(Event::Ssi, Some(now + self.preamble() + frame));
        } else if self.bulk.is_some() && self.rx.len() < FIFO || self.bulk.is_none() && !self.tx.is_empty() {
            wires.sched.set(Event::Ssi, Some(now + frame));
        } else {
            return;
        }
        self.busy = true;
    }

    /// The frame on the wire ends. `flash` reads a word of flash, `held` tells that chip select is forced low.
    pub(crate) fn event(&mut self, now: u64, wires: &mut Wires, flash: impl Fn(u32) -> u32, held: bool) {
        self.busy = false;
        if let Some((addr, left)) = self.bulk {
            // The controller shifts the first byte into the top of the word.
            self.rx.push_back(flash(addr).swap_bytes());
            self.bulk = (left > 1).then_some((addr.wrapping_add(4), left - 1));
        } else if let Some(word) = self.tx.pop_front() {
            let answer = self.exchange(word as u8, &flash);
            if self.rx.len() < FIFO {
                self.rx.push_back(u32::from(answer));
            }
        }
        if self.tx.is_empty() && self.bulk.is_none() && !held {
            self.command.clear();
        }
        self.start(now, wires);
        self.update(now, wires);
    }

    /// One byte to the flash chip and the one it sends meanwhile (Winbond W25Q16JV, chapter 8).
    fn exchange(&mut self, byte: u8, flash: &impl Fn(u32) -> u32) -> u8 {
        let at = self.command.len();
        self.command.push(byte);
        let byte_of = |addr: u32| (flash(addr & !3) >> (8 * (addr & 3))) as u8;
        match (self.command[0], at) {
            (0x05, 1..) => 0,
            (0x35, 1..) => 2, // quad enabled
            (0x9f, 1) => 0xef,
            (0x9f, 2) => 0x40,
            (0x9f, 3) => 0x15,
            (0x4b, 5..) => 0xe6 ^ (at as u8).wrapping_mul(0x1d),
            (0x03, 4..) => {
                let c = &self.command;
                let addr = u32::from(c[1]) << 16 | u32::from(c[2]) << 8 | u32::from(c[3]);
                byte_of(addr + at as u32 - 4)
            }
            _ => 0xff,
        }
    }

    fn update(&self, now: u64, wires: &mut Wires) {
        let control = self.regs[DMACR];
        let room = self.enabled() && self.tx.len() as u32 <= self.regs[DMATDLR];
        wires.set_dreq(dreq::XIP_SSITX, control & 2 != 0 && room, now);
        wires.set_dreq(dreq::XIP_SSIRX, control & 1 != 0 && self.rx.len() as u32 > self.regs[DMARDLR], now);
        wires.set_dreq(dreq::XIP_STREAM, !self.stream.is_empty(), now);
    }

    pub(crate) fn read(&mut self, reg: u32, now: u64, wires: &mut Wires) -> u32 {
        match reg {
            0x20 => self.tx.len() as u32,
            0x24 => self.rx.len() as u32,
            0x28 => {
                u32::from(self.busy || self.bulk.is_some() || !self.tx.is_empty())
                    | u32::from(self.tx.len() < FIFO) << 1
                    | u32::from(self.tx.is_empty()) << 2
                    | u32::from(!self.rx.is_empty()) << 3
                    | u32::from(self.rx.len() >= FIFO) << 4
            }
            0x58 => 0x5153_5049,
            0x5c => 0x3430_312a,
            0x60..0xf0 => {
                let word = self.rx.pop_front().unwrap_or(0);
                self.start(now, wires);
                self.update(now, wires);
                word
            }
            _ => self.regs.read(reg),
        }
    }

    pub(crate) fn write(&mut self, reg: u32, value: u32, now: u64, wires: &mut Wires) {
        match reg {
            0x08 => {
                self.regs[SSIENR] = value & 1;
                if value & 1 == 0 {
                    self.tx.clear();
                    self.rx.clear();
                    self.command.clear();
                    self.bulk = None;
                    self.busy = false;
                    wires.sched.set(Event::Ssi, None);
                }
            }
            0x60..0xf0 if self.enabled() && self.tx.len() < FIFO => self.tx.push_back(value),
            0x60..0xf0 => {}
            _ => self.regs.write(reg, value),
        }
        self.start(now, wires);
        self.update(now, wires);
    }

    /// Takes a word of the stream; an empty FIFO reads as zero.
    pub(crate) fn pop_stream(&mut self, now: u64, wires: &mut Wires) -> u32 {
        let word = self.stream.pop_front().unwrap_or(0);
        self.update(now, wires);
        word
    }

    /// Adds a word that came from flash to the stream.
    pub(crate) fn push_stream(&mut self, word: u32, now: u64, wires: &mut Wires) {
        self.stream.push_back(word);
        self.stream_addr = self.stream_addr.wrapping_add(4);
        self.stream_left -= 1;
        self.update(now, wires);
    }
}
