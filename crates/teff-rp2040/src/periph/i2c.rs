//! A DW_apb_i2c controller as master (datasheet 4.3); its slave side is not modelled.
//!
//! Commands wait in a 16-deep FIFO. Each start, byte and stop takes its bits on the bus; the board answers a
//! byte at the cycle in which its acknowledge bit ends.
//!
//! Lines that something outside holds low stop it as they stop the chip (NXP UM10204, 3.1.4, 3.1.8, 3.1.9): with SCL low
//! nothing moves, which is a stretched clock; with SDA low no START and no STOP can be made, and the master waits; one
//! that sends a 1 while SDA is low has lost the arbitration. SDA is looked at where a step ends, not at each bit.

use super::Words;
use crate::sched::Event;
use crate::wires::{Wires, dreq, irq};
use std::collections::VecDeque;

const FIFO: usize = 16;

/// IC_RAW_INTR_STAT bits.
const RX_UNDER: u32 = 1;
const RX_OVER: u32 = 2;
const RX_FULL: u32 = 4;
const TX_OVER: u32 = 8;
const TX_EMPTY: u32 = 0x10;
const TX_ABRT: u32 = 0x40;
const ACTIVITY: u32 = 0x100;
const STOP_DET: u32 = 0x200;
const START_DET: u32 = 0x400;

/// What travels on the bus and ends with an answer of the board.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum I2cStep {
    /// Start or repeated start, with the address byte.
    Address {
        address: u8,
        read: bool,
    },
    Write(u8),
    Read,
    Stop,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct I2c {
    id: u32,
    con: u32,
    tar: u32,
    regs: Words<64>,
    mask: u32,
    sticky: u32,
    abort: u32,
    enabled: bool,
    commands: VecDeque<u16>,
    rx: VecDeque<u8>,
    /// What is on the bus, until when.
    step: Option<(I2cStep, u64)>,
    /// SCL is held low: the cycles that were left of the step.
    stretched: Option<u64>,
    /// Switched off in the middle of a transfer that cannot end: it stays active until the bus is free (4.3.10.3).
    lingers: bool,
    /// Direction of the open transaction.
    open: Option<bool>,
    /// The command being carried out asks for a stop after it.
    stop_after: bool,
}

const SS_HCNT: u32 = 0x14;
const FS_HCNT: u32 = 0x1c;
const RX_TL: u32 = 0x38;
const TX_TL: u32 = 0x3c;
const DMA_CR: u32 = 0x88;
const DMA_TDLR: u32 = 0x8c;
const DMA_RDLR: u32 = 0x90;
const SPKLEN: u32 = 0xa0;

impl I2c {
    pub(crate) fn new(id: u32) -> I2c {
        let mut i2c = I2c { id, con: 0x65, tar: 0x55, mask: 0x8ff, ..I2c::default() };
        let resets = [0x55, 0x28, 0x2f, 0x06, 0x0d, 1, 0x64, 1, 7];
        for (reg, value) in [0x08, 0x14, 0x18, 0x1c, 0x20, 0x7c, 0x94, 0x98, 0xa0].into_iter().zip(resets) {
            i2c.regs[reg] = value;
        }
        i2c
    }

    /// Cycles of one SCL period: high for HCNT + SPKLEN + 7, low for LCNT + 1 (4.3.14.1).
    fn bit(&self) -> u64 {
        let pair = if self.con >> 1 & 3 == 1 { SS_HCNT } else { FS_HCNT };
        u64::from(self.regs[pair] + self.regs[SPKLEN] + 7 + self.regs[pair + 4] + 1)
    }

    /// Puts the next thing on the bus, if it is free.
    fn start(&mut self, now: u64, wires: &mut Wires) {
        if self.step.is_some() || !self.enabled || self.con & 1 == 0 {
            return;
        }
        let (scl_low, sda_low) = wires.pins.i2c_held(self.id);
        if scl_low {
            return;
        }
        let (step, bits) = if self.stop_after {
            if sda_low {
                return;
            }
            (I2cStep::Stop, 1)
        } else {
            let Some(&command) = self.commands.front() else { return };
            let read = command & 0x100 != 0;
            let starts = self.open != Some(read) || command & 0x400 != 0 && self.open.is_some();
            if starts && sda_low {
                return;
            }
            if starts {
                self.commands[0] &= !0x400; // the restart happens once
                (I2cStep::Address { address: (self.tar & 0x7f) as u8, read }, 10)
            } else if read && self.rx.len() >= FIFO {
                return; // holds the bus until there is room (IC_CON.RX_FIFO_FULL_HLD_CTRL aside)
            } else {
                self.commands.pop_front();
                self.stop_after = command & 0x200 != 0;
                (if read { I2cStep::Read } else { I2cStep::Write(command as u8) }, 9)
            }
        };
        let done = now + bits * self.bit();
        self.step = Some((step, done));
        wires.sched.set(Event::I2c0.of(self.id as usize), Some(done));
    }

    /// What has just crossed the bus; the board answers with [`I2c::answer`].
    pub(crate) fn event(&mut self, now: u64, wires: &mut Wires) -> Option<I2cStep> {
        let (step, _) = self.step.filter(|&(_, at)| at <= now && self.stretched.is_none())?;
        let sends_ones = match step {
            I2cStep::Address { address, read } => address != 0 || read,
            I2cStep::Write(byte) => byte != 0,
            I2cStep::Read | I2cStep::Stop => false,
        };
        if sends_ones && wires.pins.i2c_held(self.id).1 {
            self.lose(now, wires);
            return None;
        }
        Some(step)
    }

    /// The arbitration is lost: the bus is somebody else's, and no stop follows.
    fn lose(&mut self, now: u64, wires: &mut Wires) {
        self.abort_with(1 << 12); // ARB_LOST
        (self.step, self.open, self.stop_after) = (None, None, false);
        self.sticky |= ACTIVITY;
        self.update(now, wires);
    }

    /// Something outside may have pulled a line low or let go of it.
    pub(crate) fn lines_changed(&mut self, now: u64, wires: &mut Wires) {
        let (scl_low, sda_low) = wires.pins.i2c_held(self.id);
        if !scl_low && !sda_low {
            self.lingers = false;
        }
        match (self.step, self.stretched) {
            (Some((_, due)), None) if scl_low => {
                self.stretched = Some(due.saturating_sub(now));
                wires.sched.set(Event::I2c0.of(self.id as usize), None);
            }
            (Some((step, _)), Some(left)) if !scl_low => {
                self.stretched = None;
                self.step = Some((step, now + left));
                wires.sched.set(Event::I2c0.of(self.id as usize), Some(now + left));
            }
            _ => {
                self.start(now, wires);
                self.update(now, wires);
            }
        }
    }

    /// Ends the step: `acknowledged` by the device, with the byte it sent for a read.
    pub(crate) fn answer(&mut self, acknowledged: bool, byte: u8, now: u64, wires: &mut Wires) {
        let sda_low = wires.pins.i2c_held(self.id).1;
        let (acknowledged, byte) = (acknowledged || sda_low, if sda_low { 0 } else { byte });
        match self.step.take() {
            Some((I2cStep::Address { read, .. }, _)) => {
                self.sticky |= START_DET | ACTIVITY;
                if acknowledged {
                    self.open = Some(read);
                } else {
                    self.abort_with(1); // ABRT_7B_ADDR_NOACK
                }
            }
            Some((I2cStep::Write(_), _)) if !acknowledged => self.abort_with(8), // ABRT_TXDATA_NOACK
            Some((I2cStep::Write(_), _)) | None => {}
            Some((I2cStep::Read, _)) => self.rx.push_back(byte),
            Some((I2cStep::Stop, _)) => {
                self.stop_after = false;
                self.open = None;
                self.sticky |= STOP_DET;
            }
        }
        self.start(now, wires);
        self.update(now, wires);
    }

    /// The transfer failed: the FIFO is flushed and a stop follows (4.3.15).
    fn abort_with(&mut self, source: u32) {
        self.abort |= source | (self.commands.len() as u32) << 23;
        self.commands.clear();
        self.sticky |= TX_ABRT;
        self.stop_after = true;
    }

    fn raw(&self) -> u32 {
        // With TX_EMPTY_CTRL the shift register counts too.
        let idle = self.con & 0x100 == 0 || self.step.is_none_or(|(s, _)| s == I2cStep::Stop);
        let empty = self.enabled && self.commands.len() as u32 <= self.regs[TX_TL] && idle;
        let full = self.rx.len() as u32 > self.regs[RX_TL];
        self.sticky | if empty { TX_EMPTY } else { 0 } | if full { RX_FULL } else { 0 }
    }

    fn update(&self, now: u64, wires: &mut Wires) {
        wires.set_irq(irq::I2C0 + self.id, self.raw() & self.mask != 0);
        let base = dreq::I2C0_TX + 2 * self.id;
        let room = self.commands.len() as u32 <= self.regs[DMA_TDLR] && self.enabled;
        let data = self.rx.len() as u32 > self.regs[DMA_RDLR];
        wires.set_dreq(base, self.regs[DMA_CR] & 2 != 0 && room, now);
        wires.set_dreq(base + 1, self.regs[DMA_CR] & 1 != 0 && data, now);
    }

    pub(crate) fn read(&mut self, reg: u32, now: u64, wires: &mut Wires) -> u32 {
        let clear = |sticky: &mut u32, bits: u32| {
            let was = *sticky & bits != 0;
            *sticky &= !bits;
            u32::from(was)
        };
        let value = match reg {
            0x00 => self.con,
            0x04 => self.tar,
            0x10 => match self.rx.pop_front() {
                Some(byte) => u32::from(byte),
                None => {
                    self.sticky |= RX_UNDER;
                    0
                }
            },
            0x2c => self.raw() & self.mask,
            0x30 => self.mask,
            0x34 => self.raw(),
            0x40 => {
                self.abort = 0;
                clear(&mut self.sticky, u32::MAX)
            }
            0x44 => clear(&mut self.sticky, RX_UNDER),
            0x48 => clear(&mut self.sticky, RX_OVER),
            0x4c => clear(&mut self.sticky, TX_OVER),
            0x54 => {
                self.abort = 0;
                clear(&mut self.sticky, TX_ABRT)
            }
            0x5c => clear(&mut self.sticky, ACTIVITY),
            0x60 => clear(&mut self.sticky, STOP_DET),
            0x64 => clear(&mut self.sticky, START_DET),
            0x6c => u32::from(self.enabled),
            0x9c => u32::from(self.enabled || self.lingers),
            0x70 => self.status(),
            0x74 => self.commands.len() as u32,
            0x78 => self.rx.len() as u32,
            0x80 => self.abort,
            0xf8 => 0x3230_312a,
            0xfc => 0x4457_0140,
            _ => self.regs.read(reg),
        };
        self.start(now, wires);
        self.update(now, wires);
        value
    }

    fn status(&self) -> u32 {
        let active = self.step.is_some() || self.open.is_some() || !self.commands.is_empty();
        (u32::from(active) * 0x21)
            | (u32::from(self.commands.len() < FIFO) << 1)
            | u32::from(self.commands.is_empty()) << 2
            | u32::from(!self.rx.is_empty()) << 3
            | u32::from(self.rx.len() == FIFO) << 4
    }

    pub(crate) fn write(&mut self, reg: u32, value: u32, now: u64, wires: &mut Wires) {
        match reg {
            0x00 => self.con = value & 0x7ff,
            0x04 => self.tar = value & 0xfff,
            0x10 => {
                if self.commands.len() < FIFO {
                    self.commands.push_back((value & 0x7ff) as u16);
                } else {
                    self.sticky |= TX_OVER;
                }
            }
            0x30 => self.mask = value & 0x1fff,
            0x6c => self.enable(value, wires),
            _ => self.regs.write(reg, value),
        }
        self.start(now, wires);
        self.update(now, wires);
    }

    fn enable(&mut self, value: u32, wires: &mut Wires) {
        self.enabled = value & 1 != 0;
        if !self.enabled {
            let busy = self.step.is_some() || self.open.is_some();
            self.lingers |= busy && wires.pins.i2c_held(self.id) != (false, false);
            self.commands.clear();
            self.rx.clear();
            (self.stretched, self.step, self.open) = (None, None, None);
            (self.stop_after, self.sticky) = (false, 0);
            wires.sched.set(Event::I2c0.of(self.id as usize), None);
        }
    }
}
