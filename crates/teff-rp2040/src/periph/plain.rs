//! Registers that only keep what is written: SYSINFO (datasheet 2.20), SYSCFG (2.21), BUSCTRL (2.1.5), the
//! flash pins' IO and pads (2.19.6), VREG (2.10), and the pad registers of bank 0, which the pins read.

use crate::wires::Wires;

#[derive(Clone, Debug)]
pub(crate) struct Plain {
    syscfg: [u32; 8],
    io_qspi: [u32; 22],
    pads_qspi: [u32; 7],
    /// BUS_PRIORITY, then PERFCTR and PERFSEL; the counters stay at zero.
    busctrl: [u32; 10],
    vreg: [u32; 3],
    pads_voltage: u32,
}

/// CHIP_ID of an RP2040 B2 (2.20.2).
const CHIP_ID: u32 = 0x2000_2927;

impl Plain {
    pub(crate) fn new() -> Plain {
        Plain {
            syscfg: [0; 8],
            io_qspi: [0; 22],
            pads_qspi: [0, 0x56, 0x52, 0x52, 0x52, 0x52, 0x5a],
            busctrl: [0, 0, 0, 0x1f, 0, 0x1f, 0, 0x1f, 0, 0x1f],
            vreg: [0x10b1, 0x91, 0x100],
            pads_voltage: 0,
        }
    }

    pub(crate) fn read_sysinfo(&self, reg: u32) -> u32 {
        match reg {
            0 => CHIP_ID,
            4 => 2, // ASIC
            _ => 0,
        }
    }

    pub(crate) fn syscfg(&self, reg: u32) -> u32 {
        get(&self.syscfg, reg)
    }
    pub(crate) fn write_syscfg(&mut self, reg: u32, value: u32) {
        put(&mut self.syscfg, reg, value);
    }
    pub(crate) fn io_qspi(&self, reg: u32) -> u32 {
        // The status of an idle chip select: high from the pad (the BOOTSEL button is not pressed).
        if reg == 8 { 1 << 17 } else { get(&self.io_qspi, reg) }
    }
    pub(crate) fn write_io_qspi(&mut self, reg: u32, value: u32) {
        put(&mut self.io_qspi, reg, value);
    }
    pub(crate) fn pads_qspi(&self, reg: u32) -> u32 {
        get(&self.pads_qspi, reg)
    }
    pub(crate) fn write_pads_qspi(&mut self, reg: u32, value: u32) {
        put(&mut self.pads_qspi, reg, value);
    }
    pub(crate) fn busctrl(&self, reg: u32) -> u32 {
        if reg == 4 { 1 } else { get(&self.busctrl, reg) }
    }
    pub(crate) fn write_busctrl(&mut self, reg: u32, value: u32) {
        put(&mut self.busctrl, reg, value);
    }
    pub(crate) fn vreg(&self, reg: u32) -> u32 {
        get(&self.vreg, reg)
    }
    pub(crate) fn write_vreg(&mut self, reg: u32, value: u32) {
        // VREG.ROK stays up: the voltage settles at once.
        put(&mut self.vreg, reg, if reg == 0 { value | 0x1000 } else { value });
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

fn get(regs: &[u32], reg: u32) -> u32 {
    regs.get((reg / 4) as usize).copied().unwrap_or(0)
}

fn put(regs: &mut [u32], reg: u32, value: u32) {
    if let Some(slot) = regs.get_mut((reg / 4) as usize) {
        *slot = value;
    }
}
