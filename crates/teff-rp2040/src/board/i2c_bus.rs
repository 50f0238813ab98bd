//! An I2C bus toggled by hand: the bits on two pins, taken apart into the steps that devices answer
//! (NXP UM10204, chapter 3).

use super::Devices;
use crate::periph::i2c::I2cStep;
use crate::pins::func;
use crate::wires::Wires;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Idle,
    /// Bits of the address or of data come from the master.
    Receive {
        address: bool,
    },
    /// The device's acknowledge is on the bus, or will be once SCL falls.
    Acknowledge {
        yes: bool,
        reads: bool,
    },
    /// The device sends bits.
    Send,
    /// The master acknowledges.
    MasterAcknowledge,
}

pub(crate) struct BitBus {
    /// The controller that the pins belong to.
    port: usize,
    scl: u8,
    sda: u8,
    phase: Phase,
    bits: u32,
    byte: u8,
    /// The level of SDA when last looked at.
    sda_was: bool,
}

impl BitBus {
    pub(crate) fn new(port: usize, scl: u8, sda: u8) -> BitBus {
        BitBus { port, scl, sda, phase: Phase::Idle, bits: 0, byte: 0, sda_was: true }
    }

    pub(crate) fn watched(&self) -> u32 {
        1 << self.scl | 1 << self.sda
    }

    /// Looks at the bus after some of the pins in `changed` changed to `level`.
    pub(crate) fn pins_changed(
        &mut self,
        changed: u32,
        level: u32,
        now: u64,
        wires: &mut Wires,
        devices: &mut Devices,
    ) {
        // A controller's transfers go to the devices directly, and its pins do not toggle.
        if changed & self.watched() == 0 || wires.pins.function(usize::from(self.scl)) == func::I2C {
            return;
        }
        let (scl, sda) = (level >> self.scl & 1 != 0, level >> self.sda & 1 != 0);
        let scl_changed = changed >> self.scl & 1 != 0;
        if scl && !scl_changed && sda != self.sda_was {
            self.release(now, wires);
            if sda {
                devices.i2c(self.port, I2cStep::Stop, now, wires);
                self.phase = Phase::Idle;
            } else {
                self.phase = Phase::Receive { address: true };
                self.bits = 0;
            }
        } else if scl_changed && scl {
            self.rise(sda, now, wires, devices);
        } else if scl_changed {
            self.fall(now, wires, devices);
        }
        self.sda_was = wires.pins.pad_level >> self.sda & 1 != 0;
    }

    /// SCL rises: a bit is read.
    fn rise(&mut self, sda: bool, now: u64, wires: &mut Wires, devices: &mut Devices) {
        match self.phase {
            Phase::Receive { address } => {
                self.byte = self.byte << 1 | u8::from(sda);
                self.bits += 1;
                if self.bits == 8 {
                    let reads = address && self.byte & 1 != 0;
                    let step = if address {
                        I2cStep::Address { address: self.byte >> 1, read: reads }
                    } else {
                        I2cStep::Write(self.byte)
                    };
                    let (yes, _) = devices.i2c(self.port, step, now, wires);
                    self.phase = Phase::Acknowledge { yes, reads };
                    self.bits = 0;
                }
            }
            Phase::MasterAcknowledge if sda => self.phase = Phase::Idle, // the master has enough
            Phase::Idle | Phase::Acknowledge { .. } | Phase::Send | Phase::MasterAcknowledge => {}
        }
    }

    /// SCL falls: the next bit is put on the bus.
    fn fall(&mut self, now: u64, wires: &mut Wires, devices: &mut Devices) {
        match self.phase {
            Phase::Acknowledge { yes, reads } => {
                if self.bits == 0 {
                    self.bits = 1;
                    if yes {
                        self.pull(false, now, wires);
                    }
                    return;
                }
                self.release(now, wires);
                self.bits = 0;
                self.phase = match (yes, reads) {
                    (false, _) => Phase::Idle,
                    (true, false) => Phase::Receive { address: false },
                    (true, true) => self.send_byte(now, wires, devices),
                };
            }
            Phase::Send if self.bits == 8 => {
                self.release(now, wires);
                self.phase = Phase::MasterAcknowledge;
            }
            Phase::Send => self.send_bit(now, wires),
            Phase::MasterAcknowledge => self.phase = self.send_byte(now, wires, devices),
            Phase::Idle | Phase::Receive { .. } => {}
        }
    }

    fn send_byte(&mut self, now: u64, wires: &mut Wires, devices: &mut Devices) -> Phase {
        self.byte = devices.i2c(self.port, I2cStep::Read, now, wires).1;
        self.bits = 0;
        self.send_bit(now, wires);
        Phase::Send
    }

    fn send_bit(&mut self, now: u64, wires: &mut Wires) {
        self.pull(self.byte >> 7 != 0, now, wires);
        self.byte <<= 1;
        self.bits += 1;
    }

    /// Drives SDA: low actively, high through the pull-up.
    fn pull(&self, high: bool, now: u64, wires: &mut Wires) {
        let mask = 1 << self.sda;
        wires.pins.drive_outside(mask, if high { mask } else { 0 }, now);
    }

    /// Lets SDA go; the bus has pull-ups of its own.
    fn release(&self, now: u64, wires: &mut Wires) {
        self.pull(true, now, wires);
    }
}
