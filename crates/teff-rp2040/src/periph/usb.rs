//! The USB controller as a full-speed device (datasheet 4.1). Its host side is not modelled; the host at the
//! other end of the cable is [`super::usb_host`].

use super::usb_host::Host;
use super::{Interrupts, Words};
use crate::clocks::Domain;
use crate::cpu::access::merge;
use crate::sched::Event;
use crate::wires::{Wires, irq};

const WORDS: usize = 0x1000 / 4;

const SIE_CTRL: u32 = 0x4c;
const SIE_STATUS: u32 = 0x50;
const BUFF_STATUS: u32 = 0x58;
const MAIN_CTRL: u32 = 0x40;
const SOF_RD: u32 = 0x48;

/// SIE_STATUS bits.
const VBUS_DETECTED: u32 = 1;
const CONNECTED: u32 = 1 << 16;
const SETUP_REC: u32 = 1 << 17;
const TRANS_COMPLETE: u32 = 1 << 18;
const BUS_RESET: u32 = 1 << 19;
/// SIE_CTRL bits.
const PULLUP_EN: u32 = 1 << 16;
const EP0_INT_1BUF: u32 = 1 << 29;
/// Buffer control bits (4.1.2.5.4).
const FULL: u32 = 1 << 15;
const AVAILABLE: u32 = 1 << 10;
const STALL: u32 = 1 << 11;

/// Microseconds between two looks of the host: full-speed bulk moves 19 packets of 64 bytes in a millisecond.
const POLL_US: u64 = 50;

#[derive(Clone, Debug, Default)]
pub(crate) struct Usb {
    dpram: Vec<u32>,
    regs: Words<{ 0x100 / 4 }>,
    interrupts: Interrupts,
    /// At the other end of the cable; without one that is a charger.
    pub(crate) host: Host,
    /// Microseconds since attach, for start-of-frame numbers.
    micros: u64,
}

impl Usb {
    pub(crate) fn new() -> Usb {
        Usb { dpram: vec![0; WORDS], host: Host::new(), ..Usb::default() }
    }

    /// Puts the controller back to its reset state; the host sees the device go.
    pub(crate) fn reset(&mut self) {
        self.host.unplug();
        *self = Usb { host: std::mem::take(&mut self.host), ..Usb::new() };
    }

    fn attached(&self) -> bool {
        self.host.present && self.regs[MAIN_CTRL] & 1 != 0 && self.regs[SIE_CTRL] & PULLUP_EN != 0
    }

    pub(crate) fn plan(&mut self, now: u64, wires: &mut Wires) {
        if !self.attached() {
            wires.sched.set(Event::Usb, None);
            return;
        }
        let tick = wires.clocks.ticks(Domain::Nanosecond, now) + POLL_US * 1000;
        let due = wires.clocks.cycle_of(Domain::Nanosecond, tick);
        wires.sched.set(Event::Usb, due);
    }

    /// The host looks at the device.
    pub(crate) fn event(&mut self, now: u64, wires: &mut Wires) {
        if self.attached() {
            self.micros += POLL_US;
            self.regs[SOF_RD] = ((self.micros / 1000) & 0x7ff) as u32;
            self.regs[SIE_STATUS] |= CONNECTED | VBUS_DETECTED;
            let mut host = std::mem::take(&mut self.host);
            host.poll(self, POLL_US);
            self.host = host;
        }
        self.update(wires);
        self.plan(now, wires);
    }

    /// INTR (4.1.4): buffer status, bus reset, setup request, start of frame.
    fn raw(&self) -> u32 {
        let status = self.regs[SIE_STATUS];
        u32::from(self.regs[BUFF_STATUS] != 0) << 4
            | u32::from(status & BUS_RESET != 0) << 12
            | u32::from(status & SETUP_REC != 0) << 16
            | u32::from(status & TRANS_COMPLETE != 0) << 3
            | u32::from(self.attached() && self.micros.is_multiple_of(1000)) << 17
    }

    fn update(&self, wires: &mut Wires) {
        wires.set_irq(irq::USBCTRL, self.interrupts.status(self.raw()) != 0);
    }

    pub(crate) fn read_dpram(&self, reg: u32) -> u32 {
        self.dpram[(reg / 4) as usize % WORDS]
    }

    /// The word that a store of `size` bytes at `offset` leaves in the DPRAM.
    pub(crate) fn merge(&self, offset: u32, value: u32, size: u32) -> u32 {
        merge(self.dpram[(offset / 4) as usize % WORDS], offset, size, value)
    }

    pub(crate) fn write_dpram(&mut self, reg: u32, value: u32, _now: u64, wires: &mut Wires) {
        self.dpram[(reg / 4) as usize % WORDS] = value;
        self.update(wires);
    }

    pub(crate) fn read(&self, reg: u32) -> u32 {
        match reg {
            0x5c => 0,
            0x8c => self.raw(),
            0x90..=0x98 => self.interrupts.read(reg - 0x90, self.raw()),
            _ => self.regs.read(reg),
        }
    }

    pub(crate) fn write(&mut self, reg: u32, value: u32, now: u64, wires: &mut Wires) {
        let was = self.attached();
        match reg {
            0x50 => self.regs[SIE_STATUS] &= !(value & 0xff0f_0000 & !CONNECTED),
            0x58 | 0x64 | 0x70 => self.regs[reg] &= !value,
            0x60 => {
                self.regs[0x60] = value;
                self.regs[0x64] |= value; // aborts are done at once
            }
            0x48 | 0x5c | 0x8c => {} // read-only
            0x90..=0x98 => self.interrupts.write(reg - 0x90, value, u32::MAX),
            _ => self.regs.write(reg, value),
        }
        if self.attached() != was {
            self.host.unplug();
            self.micros = 0;
            self.plan(now, wires);
        }
        self.update(wires);
    }

    /// Word offsets of the buffer control, and the byte offset of the buffer, of one direction of an endpoint.
    fn endpoint(&self, endpoint: u32, input: bool) -> (usize, u32) {
        let control = (0x80 / 4 + 2 * endpoint + u32::from(!input)) as usize;
        let buffer = if endpoint == 0 {
            0x100
        } else {
            self.dpram[(2 * endpoint + u32::from(!input)) as usize] & 0xffc0
        };
        (control, buffer & 0xfff)
    }

    /// Books a finished buffer, and raises its status bit if the endpoint wants that.
    fn finished(&mut self, endpoint: u32, input: bool) {
        let wants = if endpoint == 0 {
            self.regs[SIE_CTRL] & EP0_INT_1BUF != 0
        } else {
            self.dpram[(2 * endpoint + u32::from(!input)) as usize] >> 29 & 1 != 0
        };
        if wants {
            self.regs[BUFF_STATUS] |= 1 << (2 * endpoint + u32::from(!input));
        }
        self.regs[SIE_STATUS] |= TRANS_COMPLETE;
    }

    // What a host can do to the controller.

    pub(super) fn bus_reset(&mut self) {
        self.regs[SIE_STATUS] |= BUS_RESET;
        self.regs[0] = 0;
    }

    pub(super) fn setup(&mut self, packet: [u8; 8]) {
        let word = |i: usize| u32::from_le_bytes([packet[i], packet[i + 1], packet[i + 2], packet[i + 3]]);
        self.dpram[0] = word(0);
        self.dpram[1] = word(4);
        self.regs[SIE_STATUS] |= SETUP_REC;
        // A setup packet cancels what was armed on endpoint 0 (4.1.2.6.1).
        for control in [0x80 / 4, 0x84 / 4] {
            self.dpram[control] &= !AVAILABLE;
        }
    }

    /// Takes a packet that the device has ready: `Ok(None)` is a NAK, `Err` a stall.
    pub(super) fn take_in(&mut self, endpoint: u32) -> Result<Option<Vec<u8>>, ()> {
        let (control, buffer) = self.endpoint(endpoint, true);
        let word = self.dpram[control];
        if word & STALL != 0 {
            return Err(());
        }
        if word & (AVAILABLE | FULL) != AVAILABLE | FULL {
            return Ok(None);
        }
        let len = word & 0x3ff;
        let data = (0..len)
            .map(|i| (self.dpram[((buffer + i) / 4) as usize % WORDS] >> (8 * ((buffer + i) & 3))) as u8)
            .collect();
        self.dpram[control] = word & !(AVAILABLE | FULL);
        self.finished(endpoint, true);
        Ok(Some(data))
    }

    /// Offers a packet: `Ok(false)` is a NAK.
    pub(super) fn give_out(&mut self, endpoint: u32, data: &[u8]) -> Result<bool, ()> {
        let (control, buffer) = self.endpoint(endpoint, false);
        let word = self.dpram[control];
        if word & STALL != 0 {
            return Err(());
        }
        if word & (AVAILABLE | FULL) != AVAILABLE {
            return Ok(false);
        }
        for (i, &byte) in data.iter().enumerate() {
            let at = buffer + i as u32;
            let merged = self.merge(at, u32::from(byte), 1);
            self.dpram[(at / 4) as usize % WORDS] = merged;
        }
        self.dpram[control] = word & !(AVAILABLE | 0x3ff) | FULL | data.len() as u32;
        self.finished(endpoint, false);
        Ok(true)
    }
}
