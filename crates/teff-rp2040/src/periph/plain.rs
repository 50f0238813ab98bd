//! Registers that only keep what is written: SYSINFO (datasheet 2.20), SYSCFG (2.21), BUSCTRL (2.1.5), the
//! flash pins' IO and pads (2.19.6), VREG (2.10), and the pad registers of bank 0, which the pins read.

use super::Words;
use crate::wires::Wires;

#[derive(Clone, Debug)]
pub(crate) struct Plain {
    pub(crate) syscfg: Words<8>,
    pub(crate) io_qspi: Words<22>,
    pub(crate) pads_qspi: Words<7>,
    /// BUS_PRIORITY, then PERFCTR and PERFSEL; the counters stay at zero.
    pub(crate) busctrl: Words<10>,
    pub(crate) vreg: Words<3>,
    pads_voltage: u32,
}

/// CHIP_ID of an RP2040 B2, and PLATFORM: an ASIC (2.20.2).
pub(crate) const SYSINFO: Words<2> = Words([0x2000_2927, 2]);

impl Plain {
    pub(crate) fn new() -> Plain {
        Plain {
            syscfg: Words::default(),
            io_qspi: Words::default(),
            pads_qspi: Words([0, 0x56, 0x52, 0x52, 0x52, 0x52, 0x5a]),
            busctrl: Words([0, 0, 0, 0x1f, 0, 0x1f, 0, 0x1f, 0, 0x1f]),
            vreg: Words([0x10b1, 0x91, 0x100]),
            pads_voltage: 0,
        }
    }

    pub(crate) fn read_io_qspi(&self, reg: u32) -> u32 {
        // The status of an idle chip select: high from the pad (the BOOTSEL button is not pressed).
        if reg == 8 { 1 << 17 } else { self.io_qspi.read(reg) }
    }
    pub(crate) fn read_pads(&self, reg: u32, wires: &Wires) -> u32 {
        match reg {
            0 => self.pads_voltage,
            4..0x7c => wires.pins.pads[(reg / 4 - 1) as usize],
            _ => 0,
        }
    }

    pub(crate) fn write_pads(&mut self, reg: u32, value: u32, now: u64, wires: &mut Wires) {
        match reg {
            0 => self.pads_voltage = value & 1,
            4..0x7c => {
                wires.pins.pads[(reg / 4 - 1) as usize] = value & 0xff;
                wires.pins.reconfigure(now);
            }
            _ => {} // SWCLK and SWD pads
        }
    }
}
