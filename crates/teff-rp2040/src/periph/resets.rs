//! RESETS (datasheet 2.14) and the power-on state machine's registers (2.13).

/// Subsystems in RESETS.
const ALL: u32 = 0x01ff_ffff;
/// Stages of the power-on state machine; the last is core 1.
const PSM_ALL: u32 = 0x0001_ffff;
const PSM_CORE1: u32 = 1 << 16;

#[derive(Clone, Debug)]
pub(crate) struct Resets {
    reset: u32,
    watchdog_select: u32,
    force_on: u32,
    force_off: u32,
    psm_watchdog_select: u32,
}

impl Resets {
    /// As the boot ROM leaves it: everything in reset but what it needs to read flash, and the pads.
    pub(crate) fn new() -> Resets {
        let out = 1 << 6 | 1 << 9 | 1 << 5 | 1 << 8 | 1 << 18 | 1 << 19 | 1 << 1 | 1 << 20;
        Resets { reset: ALL & !out, watchdog_select: 0, force_on: 0, force_off: 0, psm_watchdog_select: 0 }
    }

    /// True while the subsystem of `bit` is held in reset.
    #[inline]
    pub(crate) fn held(&self, bit: u32) -> bool {
        self.reset >> bit & 1 != 0
    }

    pub(crate) fn read(&self, reg: u32) -> u32 {
        match reg {
            0 => self.reset,
            4 => self.watchdog_select,
            8 => !self.reset & ALL, // RESET_DONE follows at once
            _ => 0,
        }
    }

    /// Returns the subsystems that have just been put into reset.
    pub(crate) fn write(&mut self, reg: u32, value: u32) -> u32 {
        match reg {
            0 => {
                let entered = value & ALL & !self.reset;
                self.reset = value & ALL;
                entered
            }
            4 => {
                self.watchdog_select = value & ALL;
                0
            }
            _ => 0,
        }
    }

    /// What WDSEL of both selects: subsystems as bits, while the cores go on, or `None`, the whole chip. The stages of the power-on state machine come up one after the other (2.13.2), so any
    /// of them but the last restarts core 0 and, with the stage RESETS, everything else; sets of stages that would
    /// leave out RESETS are taken for the whole.
    pub(crate) fn watchdog_resets(&self) -> Option<u32> {
        (self.psm_watchdog_select & !PSM_CORE1 == 0).then_some(self.watchdog_select)
    }

    pub(crate) fn read_psm(&self, reg: u32) -> u32 {
        match reg {
            0 => self.force_on,
            4 => self.force_off,
            8 => self.psm_watchdog_select,
            12 => PSM_ALL & !self.force_off,
            _ => 0,
        }
    }

    /// Returns whether core 1 is to be held in reset, when that changed.
    pub(crate) fn write_psm(&mut self, reg: u32, value: u32) -> Option<bool> {
        match reg {
            0 => self.force_on = value & PSM_ALL,
            4 => {
                let changed = (self.force_off ^ value) & PSM_CORE1;
                self.force_off = value & PSM_ALL;
                return (changed != 0).then_some(value & PSM_CORE1 != 0);
            }
            8 => self.psm_watchdog_select = value & PSM_ALL,
            _ => {} // DONE is read-only
        }
        None
    }
}
