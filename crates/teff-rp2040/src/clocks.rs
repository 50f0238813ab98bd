//! Clock generators, oscillators and PLLs (datasheet 2.15 to 2.18), and time in cycles of clk_sys.
//!
//! clk_sys is the simulator's clock. Whatever counts another clock asks [`Clocks::ticks`], which knows the ratio
//! exactly and keeps the fraction when frequencies change. PLLs lock at once; the crystal takes the delay that
//! STARTUP asks for; the ring oscillator runs at its nominal frequency.

use crate::periph::Words;

/// Nominal frequency of the ring oscillator after reset (2.17.1).
pub(crate) const ROSC_HZ: u64 = 6_500_000;

/// Clocks that peripherals count, other than clk_sys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Domain {
    /// Ticks of the watchdog's divider of clk_ref, which clock the timer.
    Tick,
    Usb,
    Adc,
    Rtc,
    /// Nanoseconds of real time.
    Nanosecond,
}

const DOMAINS: usize = 5;

/// A count that runs at `num / den` hertz since the last change of frequency.
#[derive(Clone, Copy, Debug)]
struct Count {
    /// Whole ticks at the last change, and the fraction of a tick in 1/2^32.
    whole: u64,
    fraction: u64,
    num: u64,
    den: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Clocks {
    /// The board's crystal, in hertz.
    crystal: u64,
    regs: [u32; 0xc8 / 4],
    xosc: Words<8>,
    xosc_stable: u64,
    rosc: Words<16>,
    random: u32,
    /// CS, PWR, FBDIV, PRIM of pll_sys and pll_usb.
    pub(crate) pll: [[u32; 4]; 2],
    /// WATCHDOG_TICK (2.14.3).
    tick: u32,
    /// clk_sys in hertz.
    pub(crate) sys_hz: u64,
    /// clk_peri, the clock of UART and SPI, in hertz; 0 while it is disabled.
    pub(crate) peri_hz: u64,
    since: u64,
    counts: [Count; DOMAINS],
}

const REF_CTRL: usize = 0x30 / 4;
const SYS_CTRL: usize = 0x3c / 4;
const PERI_CTRL: usize = 0x48 / 4;
const USB_CTRL: usize = 0x54 / 4;
const ADC_CTRL: usize = 0x60 / 4;
const RTC_CTRL: usize = 0x6c / 4;
const ENABLE: u32 = 1 << 11;

impl Clocks {
    pub(crate) fn new(crystal: u64) -> Clocks {
        let mut regs = [0; 0xc8 / 4];
        for div in [0x04, 0x10, 0x1c, 0x28, 0x34, 0x40, 0x58, 0x64, 0x70] {
            regs[div / 4] = 0x100;
        }
        let still = Count { whole: 0, fraction: 0, num: 0, den: 1 };
        let mut clocks = Clocks {
            crystal,
            regs,
            xosc: Words::default(),
            xosc_stable: 0,
            rosc: Words::default(),
            random: 0x2545_f491,
            pll: [[1, 0x2d, 0, 0x7_7000]; 2],
            tick: 0x200,
            sys_hz: ROSC_HZ,
            peri_hz: 0,
            since: 0,
            counts: [still; DOMAINS],
        };
        clocks.changed(0);
        clocks
    }

    /// Back to the ring oscillator; time goes on.
    pub(crate) fn power_on(&mut self, now: u64) {
        let mut fresh = Clocks::new(self.crystal);
        self.changed(now);
        fresh.counts = self.counts;
        fresh.since = now;
        fresh.sys_hz = self.sys_hz;
        fresh.changed(now);
        *self = fresh;
    }

    /// Whole ticks of `domain` up to cycle `now`.
    pub(crate) fn ticks(&self, domain: Domain, now: u64) -> u64 {
        let c = &self.counts[domain as usize];
        (self.scaled(c, now) >> 32) as u64 + c.whole
    }

    /// Ticks since the last change, in 1/2^32, the old fraction included.
    fn scaled(&self, c: &Count, now: u64) -> u128 {
        let elapsed = u128::from(now.saturating_sub(self.since));
        ((elapsed * u128::from(c.num)) << 32) / (u128::from(c.den) * u128::from(self.sys_hz))
            + u128::from(c.fraction)
    }

    /// The first cycle at which [`Clocks::ticks`] is at least `ticks`; `None` if that clock stands still.
    pub(crate) fn cycle_of(&self, domain: Domain, ticks: u64) -> Option<u64> {
        let c = &self.counts[domain as usize];
        if ticks <= c.whole {
            return Some(self.since);
        }
        if c.num == 0 {
            return None;
        }
        let wanted = (u128::from(ticks - c.whole) << 32) - u128::from(c.fraction);
        let unit = u128::from(c.num) << 32;
        let cycles = (wanted * u128::from(c.den) * u128::from(self.sys_hz)).div_ceil(unit);
        let mut cycle = self.since.saturating_add(u64::try_from(cycles).unwrap_or(u64::MAX));
        // The division above and the one in `scaled` round differently by at most one unit.
        while self.ticks(domain, cycle) < ticks {
            cycle += 1;
        }
        Some(cycle)
    }

    /// `cycles` of a clock of `hz`, in cycles of clk_sys, rounded to nearest, at least one.
    pub(crate) fn in_sys(&self, cycles: u64, hz: u64) -> u64 {
        if hz == self.sys_hz || hz == 0 {
            return cycles.max(1);
        }
        let scaled = u128::from(cycles) * u128::from(self.sys_hz) + u128::from(hz / 2);
        ((scaled / u128::from(hz)) as u64).max(1)
    }

    /// Recomputes every frequency after a register changed at cycle `now`.
    fn changed(&mut self, now: u64) {
        for i in 0..DOMAINS {
            let scaled = self.scaled(&self.counts[i], now);
            let c = &mut self.counts[i];
            c.whole += (scaled >> 32) as u64;
            c.fraction = scaled as u64 & 0xffff_ffff;
        }
        self.since = now;
        let (reference, sys) = (self.ref_hz(), self.sys_now());
        self.sys_hz = sys.max(1);
        self.peri_hz = if self.regs[PERI_CTRL] & ENABLE != 0 { self.aux(PERI_CTRL) } else { 0 };
        let cycles = u64::from(self.tick & 0x1ff);
        let tick = if self.tick & 0x200 != 0 && cycles > 0 { (reference, cycles) } else { (0, 1) };
        self.set_rate(Domain::Tick, tick);
        self.set_rate(Domain::Usb, self.divided(USB_CTRL));
        self.set_rate(Domain::Adc, self.divided(ADC_CTRL));
        self.set_rate(Domain::Rtc, self.divided(RTC_CTRL));
        self.set_rate(Domain::Nanosecond, (1_000_000_000, 1));
    }

    fn set_rate(&mut self, domain: Domain, (num, den): (u64, u64)) {
        self.counts[domain as usize].num = num;
        self.counts[domain as usize].den = den;
    }

    /// A generator's frequency as a fraction: source times 256 over its 24.8 divider.
    fn divided(&self, ctrl: usize) -> (u64, u64) {
        if self.regs[ctrl] & ENABLE == 0 {
            return (0, 1);
        }
        (self.aux(ctrl) * 256, divider(self.regs[ctrl + 1]))
    }

    fn ref_hz(&self) -> u64 {
        let source = match self.regs[REF_CTRL] & 3 {
            0 => ROSC_HZ,
            1 if self.regs[REF_CTRL] >> 5 & 3 == 0 => self.pll_hz(1),
            1 => 0,
            _ => self.xosc_hz(),
        };
        source * 256 / divider(self.regs[REF_CTRL + 1] & 0x300)
    }

    fn sys_now(&self) -> u64 {
        let source = if self.regs[SYS_CTRL] & 1 == 0 { self.ref_hz() } else { self.aux(SYS_CTRL) };
        source * 256 / divider(self.regs[SYS_CTRL + 1])
    }

    /// The auxiliary source of a clock (2.15.7: AUXSRC of each); the inputs on pins, the last ones, are connected to nothing.
    fn aux(&self, ctrl: usize) -> u64 {
        let source = self.regs[ctrl] >> 5 & 7;
        let sys_first = |source| match source {
            0 => self.pll_hz(0),
            1 => self.pll_hz(1),
            2 => ROSC_HZ,
            3 => self.xosc_hz(),
            _ => 0,
        };
        match (ctrl, source) {
            (PERI_CTRL, 0) => self.sys_hz,
            (PERI_CTRL, s) => sys_first(s - 1),
            (SYS_CTRL, s) => sys_first(s),
            // clk_usb, clk_adc and clk_rtc have the PLL of USB first.
            (_, s @ 0..=1) => sys_first(1 - s),
            (_, s) => sys_first(s),
        }
    }

    fn xosc_hz(&self) -> u64 {
        if self.xosc[0] >> 12 & 0xfff == 0xfab { self.crystal } else { 0 }
    }

    /// FREF / REFDIV * FBDIV / (POSTDIV1 * POSTDIV2) (2.18.2.1), 0 while powered down.
    fn pll_hz(&self, which: usize) -> u64 {
        let [cs, power, feedback, post] = self.pll[which];
        let reference = self.xosc_hz() / u64::from(cs & 63).max(1);
        if cs & 0x100 != 0 {
            return reference;
        }
        if power & 0x21 != 0 || feedback == 0 {
            return 0;
        }
        let dividers = u64::from(post >> 16 & 7).max(1) * u64::from(post >> 12 & 7).max(1);
        reference * u64::from(feedback & 0xfff) / dividers
    }

    pub(crate) fn set_tick(&mut self, value: u32, now: u64) {
        self.tick = value & 0x3ff;
        self.changed(now);
    }

    /// WATCHDOG_TICK, with RUNNING following ENABLE.
    pub(crate) fn tick_register(&self) -> u32 {
        self.tick | (self.tick & 0x200) << 1
    }

    pub(crate) fn read(&self, reg: u32) -> u32 {
        match reg {
            0x38 => 1 << (self.regs[REF_CTRL] & 3),
            0x44 => 1 << (self.regs[SYS_CTRL] & 1),
            0x08 | 0x14 | 0x20 | 0x2c | 0x50 | 0x5c | 0x68 | 0x74 => 1,
            0x98 => 0x10, // FC0 done
            0x9c => self.measured_khz() << 5,
            0xb0 | 0xb4 => u32::MAX,
            0..0xc8 => self.regs[reg as usize / 4],
            _ => 0,
        }
    }

    /// The frequency counter's answer for FC0_SRC (2.15.6.2), in kHz.
    fn measured_khz(&self) -> u32 {
        let rate = |(num, den): (u64, u64)| num / den;
        let hz = match self.regs[0x94 / 4] & 0xff {
            1 => self.pll_hz(0),
            2 => self.pll_hz(1),
            3 | 4 => ROSC_HZ,
            5 => self.xosc_hz(),
            8 => self.ref_hz(),
            9 => self.sys_hz,
            10 => self.peri_hz,
            11 => rate(self.divided(USB_CTRL)),
            12 => rate(self.divided(ADC_CTRL)),
            13 => rate(self.divided(RTC_CTRL)),
            _ => 0,
        };
        (hz / 1000) as u32
    }

    pub(crate) fn write(&mut self, reg: u32, value: u32, now: u64) {
        if let Some(slot) = self.regs.get_mut(reg as usize / 4) {
            *slot = value;
            self.changed(now);
        }
    }

    pub(crate) fn read_xosc(&self, reg: u32, now: u64) -> u32 {
        let enabled = self.xosc_hz() != 0;
        match reg {
            4 => u32::from(enabled && now >= self.xosc_stable) << 31 | u32::from(enabled) << 12,
            _ => self.xosc.read(reg),
        }
    }

    pub(crate) fn write_xosc(&mut self, reg: u32, value: u32, now: u64) {
        let was_on = self.xosc_hz() != 0;
        self.xosc.write(reg, value);
        self.changed(now);
        if !was_on && self.xosc_hz() != 0 {
            // STARTUP.DELAY counts 256 periods of the crystal (2.16.3).
            let periods = u64::from(self.xosc[0x0c] & 0x3fff) * 256;
            self.xosc_stable = now + self.in_sys(periods, self.crystal);
        }
    }

    pub(crate) fn read_rosc(&mut self, reg: u32) -> u32 {
        match reg {
            0x18 => 1 << 31 | 1 << 12,
            0x1c => {
                // A repeatable stand-in for the oscillator's jitter: xorshift32.
                self.random ^= self.random << 13;
                self.random ^= self.random >> 17;
                self.random ^= self.random << 5;
                self.random & 1
            }
            _ => self.rosc.read(reg),
        }
    }

    pub(crate) fn write_rosc(&mut self, reg: u32, value: u32) {
        self.rosc.write(reg, value);
    }

    pub(crate) fn read_pll(&self, which: usize, reg: u32) -> u32 {
        match reg {
            0 => self.pll[which][0] & 0x13f | u32::from(self.pll_hz(which) != 0) << 31,
            4 | 8 | 12 => self.pll[which][reg as usize / 4],
            _ => 0,
        }
    }

    pub(crate) fn write_pll(&mut self, which: usize, reg: u32, value: u32, now: u64) {
        if let Some(slot) = self.pll[which].get_mut(reg as usize / 4) {
            *slot = value;
            self.changed(now);
        }
    }

    /// Puts a PLL back to its reset state.
    pub(crate) fn reset_pll(&mut self, which: usize, now: u64) {
        self.pll[which] = [1, 0x2d, 0, 0x7_7000];
        self.changed(now);
    }
}

/// A 24.8 fixed-point divider; an integer part of zero means 65536 (2.15.7).
fn divider(register: u32) -> u64 {
    if register >> 8 == 0 { (1 << 24) | u64::from(register & 0xff) } else { u64::from(register) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_125_mhz() -> Clocks {
        let mut c = Clocks::new(12_000_000);
        c.write_xosc(0, 0xfab_aa0, 100);
        c.write_pll(0, 8, 125, 100);
        c.write_pll(0, 12, 6 << 16 | 2 << 12, 100);
        c.write_pll(0, 4, 0, 100);
        c.write(0x30, 2, 100);
        c.write(0x3c, 1, 100);
        c.set_tick(0x200 | 12, 100);
        c
    }

    #[test]
    fn the_vendor_start_up_gives_125_mhz_and_a_microsecond_tick() {
        let c = at_125_mhz();
        assert_eq!(c.sys_hz, 125_000_000);
        assert_eq!(c.read(0x44), 2);
        let before = c.ticks(Domain::Tick, 100);
        assert_eq!(c.ticks(Domain::Tick, 100 + 125_000_000) - before, 1_000_000);
        for ticks in [before + 1, before + 7, before + 1_000_003] {
            let cycle = c.cycle_of(Domain::Tick, ticks).unwrap();
            assert_eq!(c.ticks(Domain::Tick, cycle), ticks);
            assert_eq!(c.ticks(Domain::Tick, cycle - 1), ticks - 1);
        }
    }

    #[test]
    fn counts_go_on_across_a_change_of_clk_sys() {
        let mut c = at_125_mhz();
        let start = c.ticks(Domain::Nanosecond, 1000);
        c.write_pll(0, 12, 3 << 16 | 2 << 12, 1000);
        assert_eq!(c.sys_hz, 250_000_000);
        assert_eq!(c.ticks(Domain::Nanosecond, 1000), start);
        assert_eq!(c.ticks(Domain::Nanosecond, 1250) - start, 1000);
    }
}
