//! A PL011 UART with its 32-deep FIFOs (datasheet 4.2). Bytes take their time on the line; errors, parity and
//! flow control are not modelled.

use super::primecell;
use crate::sched::Event;
use crate::wires::{Wires, dreq, irq};
use std::collections::VecDeque;

const FIFO: usize = 32;
const RX: u32 = 1 << 4;
const TX: u32 = 1 << 5;
/// Receive time-out: data has waited for 32 bit periods.
const RT: u32 = 1 << 6;

#[derive(Clone, Debug, Default)]
pub(crate) struct Uart {
    id: u32,
    ibrd: u32,
    fbrd: u32,
    lcr: u32,
    cr: u32,
    ifls: u32,
    mask: u32,
    raised: u32,
    dmacr: u32,
    tx: VecDeque<u8>,
    /// The byte on the line, until when.
    shifting: Option<(u8, u64)>,
    rx: VecDeque<u8>,
    /// Bytes that the outside still has to send, and when the next is complete.
    incoming: VecDeque<u8>,
    arrives: u64,
    timeout: Option<u64>,
}

impl Uart {
    pub(crate) fn new(id: u32) -> Uart {
        Uart { id, cr: 0x300, ifls: 0x12, ..Uart::default() }
    }

    /// Back to the reset state; what the outside still sends goes on coming.
    pub(crate) fn reset(&mut self) {
        *self = Uart { incoming: std::mem::take(&mut self.incoming), ..Uart::new(self.id) };
    }

    /// Cycles of clk_sys that one frame takes: start, data, parity, stop bits of 16 * (IBRD + FBRD/64) each.
    fn frame(&self, wires: &Wires) -> u64 {
        let bits = 1 + 5 + (self.lcr >> 5 & 3) + (self.lcr >> 1 & 1) + 1 + (self.lcr >> 3 & 1);
        let divisor = u64::from(self.ibrd * 64 + self.fbrd).max(64);
        wires.clocks.in_sys(u64::from(bits) * divisor / 4, wires.clocks.peri_hz)
    }

    fn depth(&self) -> usize {
        if self.lcr & 0x10 != 0 { FIFO } else { 1 }
    }

    /// FIFO level that IFLS selects, in eighths 1, 2, 4, 6, 7.
    fn level(&self, shift: u32) -> usize {
        let eighths = [1, 2, 4, 6, 7, 7, 7, 7][(self.ifls >> shift & 7) as usize];
        if self.depth() == 1 { 1 } else { FIFO * eighths / 8 }
    }

    /// UARTEN and RXE are set (4.2.8, UARTCR).
    pub(crate) fn listens(&self) -> bool {
        self.cr & 0x201 == 0x201
    }

    /// Bytes from outside, sent back to back.
    pub(crate) fn inject(&mut self, bytes: &[u8], now: u64, wires: &mut Wires) {
        if self.incoming.is_empty() && !bytes.is_empty() {
            self.arrives = now + self.frame(wires);
        }
        self.incoming.extend(bytes);
        self.plan(wires);
    }

    fn plan(&mut self, wires: &mut Wires) {
        let sent = self.shifting.map(|(_, at)| at);
        let received = (!self.incoming.is_empty()).then_some(self.arrives);
        let due = [sent, received, self.timeout].into_iter().flatten().min();
        wires.sched.set(Event::Uart0.of(self.id as usize), due);
    }

    /// Handles what is due; returns a byte that has left.
    pub(crate) fn event(&mut self, now: u64, wires: &mut Wires) -> Option<u8> {
        let mut left = None;
        if let Some((byte, at)) = self.shifting
            && at <= now
        {
            left = Some(byte);
            self.shifting = None;
            self.start(now, wires);
        }
        if !self.incoming.is_empty() && self.arrives <= now {
            self.receive(now, wires);
        }
        if self.timeout.is_some_and(|at| at <= now) {
            self.timeout = None;
            if !self.rx.is_empty() {
                self.raised |= RT;
            }
        }
        self.update(now, wires);
        self.plan(wires);
        left
    }

    fn receive(&mut self, now: u64, wires: &Wires) {
        let frame = self.frame(wires);
        let listens = self.listens();
        if let Some(byte) = self.incoming.pop_front()
            && listens
            && self.rx.len() < self.depth()
        {
            self.rx.push_back(byte);
            if self.rx.len() >= self.level(3) {
                self.raised |= RX;
            }
            self.timeout = Some(now + frame * 3);
        }
        self.arrives = now + frame;
    }

    /// Puts the next byte on the line.
    fn start(&mut self, now: u64, wires: &Wires) {
        if self.shifting.is_none()
            && self.cr & 0x101 == 0x101
            && let Some(byte) = self.tx.pop_front()
        {
            self.shifting = Some((byte, now + self.frame(wires)));
            if self.tx.len() <= self.level(0) {
                self.raised |= TX;
            }
        }
    }

    fn update(&mut self, now: u64, wires: &mut Wires) {
        wires.set_irq(irq::UART0 + self.id, self.raised & self.mask != 0);
        let base = dreq::UART0_TX + 2 * self.id;
        wires.set_dreq(base, self.dmacr & 2 != 0 && self.tx.len() < self.depth(), now);
        wires.set_dreq(base + 1, self.dmacr & 1 != 0 && !self.rx.is_empty(), now);
    }

    pub(crate) fn read(&mut self, reg: u32, now: u64, wires: &mut Wires) -> u32 {
        match reg {
            0x00 => {
                let byte = self.rx.pop_front().unwrap_or(0);
                if self.rx.len() < self.level(3) {
                    self.raised &= !RX;
                }
                if self.rx.is_empty() {
                    self.raised &= !RT;
                }
                self.update(now, wires);
                u32::from(byte)
            }
            0x18 => self.flags(),
            0x24 => self.ibrd,
            0x28 => self.fbrd,
            0x2c => self.lcr,
            0x30 => self.cr,
            0x34 => self.ifls,
            0x38 => self.mask,
            0x3c => self.raised,
            0x40 => self.raised & self.mask,
            0x48 => self.dmacr,
            _ => primecell(0x11, reg),
        }
    }

    fn flags(&self) -> u32 {
        let busy = self.shifting.is_some() || !self.tx.is_empty();
        u32::from(busy) << 3
            | u32::from(self.rx.is_empty()) << 4
            | u32::from(self.tx.len() >= self.depth()) << 5
            | u32::from(self.rx.len() >= self.depth()) << 6
            | u32::from(self.tx.is_empty()) << 7
    }

    pub(crate) fn write(&mut self, reg: u32, value: u32, now: u64, wires: &mut Wires) {
        match reg {
            0x00 => {
                if self.tx.len() < self.depth() {
                    self.tx.push_back(value as u8);
                }
                if self.tx.len() > self.level(0) {
                    self.raised &= !TX;
                }
                self.start(now, wires);
            }
            0x24 => self.ibrd = value & 0xffff,
            0x28 => self.fbrd = value & 0x3f,
            0x2c => self.lcr = value & 0xff,
            0x30 => {
                self.cr = value & 0xff87;
                self.start(now, wires);
            }
            0x34 => self.ifls = value & 0x3f,
            0x38 => self.mask = value & 0x7ff,
            0x44 => self.raised &= !value,
            0x48 => self.dmacr = value & 7,
            _ => {} // status registers
        }
        self.update(now, wires);
        self.plan(wires);
    }
}
