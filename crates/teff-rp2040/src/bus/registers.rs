//! Which peripheral an address belongs to, and the atomic aliases.

use super::{Bus, Reset, map};
use crate::periph::{plain, sio};

/// Bits of RESETS that hold each APB peripheral (2.14.3), from SYSINFO on, which begin every 16 kB; [`FREE`] cannot be reset.
const APB_RESETS: [u32; 28] = [
    19, 18, FREE, FREE, FREE, 5, 6, 8, 9, FREE, 12, 13, 1, 22, 23, 16, 17, 3, 4, 0, 14, 21, FREE, 15, FREE,
    FREE, FREE, 20,
];
const FREE: u32 = 32;

/// The bit of RESETS that holds the peripheral at `base`.
fn reset_bit(base: u32) -> Option<u32> {
    let bit = match base {
        0x4000_0000..0x4007_0000 => APB_RESETS[(base >> 14 & 31) as usize],
        0x5000_0000 => 2,
        0x5010_0000 | 0x5011_0000 => 24,
        0x5020_0000 => 10,
        0x5030_0000 => 11,
        _ => FREE,
    };
    (bit != FREE).then_some(bit)
}

/// Registers whose bits are cleared by writing ones: a set, clear or toggle alias clears just the bits given.
fn clears_on_write(base: u32, reg: u32) -> bool {
    matches!(
        (base, reg),
        (0x4005_4000, 0x34)
            | (0x4001_4000, 0xf0..=0xfc)
            | (0x4005_0000, 0xa4)
            | (0x5000_0000, 0x400 | 0x40c | 0x41c)
            | (0x5020_0000 | 0x5030_0000, 0x08 | 0x30)
            | (0x5011_0000, 0x50 | 0x58 | 0x64 | 0x70)
            | (0x4003_4000 | 0x4003_8000, 0x44)
            | (0x4003_c000 | 0x4004_0000, 0x20)
    )
}

impl Bus {
    /// Splits a register address into its peripheral's base and the offset in it.
    fn split(addr: u32) -> (u32, u32) {
        match addr >> 24 {
            0x40 => (addr & 0xffff_c000, addr & 0xfff),
            0x50 if addr >> 20 == 0x501 => (addr & 0xffff_0000, addr & 0xfff),
            0x50 => (addr & 0xfff0_0000, addr & 0xfff),
            _ => (addr & 0xff00_0000, addr & 0xfff),
        }
    }

    /// Reads a register at cycle `now`; `None` where there is no peripheral. One held in reset reads as zero.
    pub(crate) fn read_register(&mut self, addr: u32, now: u64) -> Option<u32> {
        self.touched += 1;
        let (base, reg) = Self::split(addr);
        if reset_bit(base).is_some_and(|bit| self.resets.held(bit)) {
            return Some(0);
        }
        let w = &mut self.wires;
        // Of two that follow each other.
        let second = |first: u32| usize::from(base != first);
        Some(match base {
            map::XIP_CTRL => self.read_xip_ctrl(reg, now),
            map::XIP_SSI => self.ssi.read(reg, now, w),
            0x4000_0000 => plain::SYSINFO.read(reg),
            0x4000_4000 => self.plain.syscfg.read(reg),
            0x4000_8000 => w.clocks.read(reg),
            0x4000_c000 => self.resets.read(reg),
            0x4001_0000 => self.resets.read_psm(reg),
            0x4001_4000 => self.io_bank.read(reg, w),
            0x4001_8000 => self.plain.read_io_qspi(reg),
            0x4001_c000 => self.plain.read_pads(reg, w),
            0x4002_0000 => self.plain.pads_qspi.read(reg),
            0x4002_4000 => w.clocks.read_xosc(reg, now),
            0x4002_8000 | 0x4002_c000 => w.clocks.read_pll(second(0x4002_8000), reg),
            0x4003_0000 if reg == 4 => 1, // PRIORITY_ACK: it is granted at once
            0x4003_0000 => self.plain.busctrl.read(reg),
            0x4003_4000 | 0x4003_8000 => self.uarts[second(0x4003_4000)].read(reg, now, w),
            0x4003_c000 | 0x4004_0000 => self.spis[second(0x4003_c000)].read(reg, now, w),
            0x4004_4000 | 0x4004_8000 => self.i2cs[second(0x4004_4000)].read(reg, now, w),
            0x4004_c000 => self.adc.read(reg, now, w),
            0x4005_0000 => self.pwm.read(reg, now),
            0x4005_4000 => self.timer.read(reg, now, w),
            0x4005_8000 => self.watchdog.read(reg, now, w),
            0x4005_c000 => self.rtc.read(reg, now, w),
            0x4006_0000 => w.clocks.read_rosc(reg),
            0x4006_4000 => self.plain.vreg.read(reg),
            0x4006_c000 => 1, // TBMAN PLATFORM: silicon
            0x5000_0000 => self.dma.read(reg),
            0x5010_0000 => self.usb.read_dpram(reg),
            0x5011_0000 => self.usb.read(reg),
            0x5020_0000 | 0x5030_0000 => self.pios[second(0x5020_0000)].read(reg, now, w),
            // XIP_AUX: the streaming FIFO again, on the fast bus.
            0x5040_0000 => {
                if reg == 0 {
                    self.pop_stream(now)
                } else {
                    0
                }
            }
            _ => return None,
        })
    }

    /// Writes a register through any of its aliases; `None` where there is no peripheral.
    pub(crate) fn write_register(&mut self, addr: u32, value: u32, now: u64) -> Option<()> {
        self.touched += 1;
        let (base, reg) = Self::split(addr);
        // USB's memory and the flash controller have one view alone.
        let one_view = matches!(base, 0x5010_0000 | map::XIP_SSI) || clears_on_write(base, reg);
        // The four views of a register (datasheet 2.1.2): plain, exclusive-or, set, clear.
        let view = if one_view { 0 } else { addr >> 12 & 3 };
        let value = match (view, if view == 0 { 0 } else { self.read_register(addr & !0x3000, now)? }) {
            (0, _) => value,
            (1, old) => old ^ value,
            (2, old) => old | value,
            (_, old) => old & !value,
        };
        if reset_bit(base).is_some_and(|bit| self.resets.held(bit)) {
            return Some(());
        }
        self.heed_write(base);
        let w = &mut self.wires;
        let second = |first: u32| usize::from(base != first);
        match base {
            map::XIP_CTRL => self.write_xip_ctrl(reg, value, now),
            map::XIP_SSI => self.ssi.write(reg, value, now, w),
            0x4000_0000 | 0x4006_c000 => {} // read-only
            0x4000_4000 => self.plain.syscfg.write(reg, value),
            0x4000_8000 => self.change_clocks(now, |w| w.clocks.write(reg, value, now)),
            0x4000_c000 => self.write_resets(reg, value, now),
            0x4001_0000 => {
                if let Some(held) = self.resets.write_psm(reg, value) {
                    self.request_reset(Reset::Core1(held));
                }
            }
            0x4001_4000 => self.io_bank.write(reg, value, now, w),
            0x4001_8000 => self.plain.io_qspi.write(reg, value),
            0x4001_c000 => self.plain.write_pads(reg, value, now, w),
            0x4002_0000 => self.plain.pads_qspi.write(reg, value),
            0x4002_4000 => self.change_clocks(now, |w| w.clocks.write_xosc(reg, value, now)),
            0x4002_8000 | 0x4002_c000 => {
                self.change_clocks(now, |w| w.clocks.write_pll(second(0x4002_8000), reg, value, now));
            }
            0x4003_0000 => self.plain.busctrl.write(reg, value),
            0x4003_4000 | 0x4003_8000 => self.uarts[second(0x4003_4000)].write(reg, value, now, w),
            0x4003_c000 | 0x4004_0000 => self.spis[second(0x4003_c000)].write(reg, value, now, w),
            0x4004_4000 | 0x4004_8000 => self.i2cs[second(0x4004_4000)].write(reg, value, now, w),
            0x4004_c000 => self.adc.write(reg, value, now, w),
            0x4005_0000 => self.pwm.write(reg, value, now, w),
            0x4005_4000 => self.timer.write(reg, value, now, w),
            0x4005_8000 => self.write_watchdog(reg, value, now),
            0x4005_c000 => self.rtc.write(reg, value, now, w),
            0x4006_0000 => w.clocks.write_rosc(reg, value),
            // VREG.ROK stays up: the voltage settles at once.
            0x4006_4000 => self.plain.vreg.write(reg, value | if reg == 0 { 0x1000 } else { 0 }),
            0x5000_0000 => self.dma.write(reg, value, now, w),
            0x5010_0000 => self.usb.write_dpram(reg, value, now, w),
            0x5011_0000 => self.usb.write(reg, value, now, w),
            0x5020_0000 | 0x5030_0000 => self.pios[second(0x5020_0000)].write(reg, value, now, w),
            0x5040_0000 => {} // the streaming FIFO, which is filled from flash
            _ => return None,
        }
        if matches!(base, 0x4005_0000 | 0x4001_4000) {
            self.clock_outputs_changed(now);
        }
        if base == 0x4001_4000 {
            self.i2c_lines_changed(now);
        }
        self.after_change(now);
        Some(())
    }

    /// Forgets what a write to the peripheral at `base` may make untrue about camera and PIO.
    #[inline]
    fn heed_write(&mut self, base: u32) {
        match base {
            0x5020_0000 | 0x5030_0000 => self.beats[(base >> 20 & 1) as usize] = None,
            0x4000_c000 => self.beats = [None; 2],
            // Clocks, reset stages, pins and pads, PWM, watchdog (its tick).
            0x4000_8000 | 0x4001_0000..=0x4002_ffff | 0x4005_0000 | 0x4005_8000 | 0x4006_0000 => {}
            _ => return,
        }
        self.unsettle();
    }

    /// SIO as one core sees it; `None` past its registers.
    pub(crate) fn read_sio(&mut self, core: usize, addr: u32, now: u64) -> Option<u32> {
        let reg = addr & 0x0fff_ffff;
        self.touched += u64::from(sio::reads_the_outside(reg));
        self.sio.read(core, reg, now, &mut self.wires)
    }

    pub(crate) fn write_sio(&mut self, core: usize, addr: u32, value: u32, now: u64) -> Option<()> {
        let done = self.sio.write(core, addr & 0x0fff_ffff, value, now, &mut self.wires);
        self.after_change(now);
        done
    }

    /// Changes a clock; whatever counts another clock plans anew.
    fn change_clocks(&mut self, now: u64, change: impl FnOnce(&mut crate::wires::Wires)) {
        change(&mut self.wires);
        self.replan(now);
    }

    fn write_watchdog(&mut self, reg: u32, value: u32, now: u64) {
        if self.watchdog.write(reg, value, now, &mut self.wires) {
            self.watchdog_fires(now);
        }
        self.replan(now);
    }

    fn replan(&mut self, now: u64) {
        self.timer.plan(now, &mut self.wires);
        self.watchdog.plan(now, &mut self.wires);
        self.rtc.plan(&mut self.wires);
        self.usb.plan(now, &mut self.wires);
        self.clock_outputs_changed(now);
    }
}
