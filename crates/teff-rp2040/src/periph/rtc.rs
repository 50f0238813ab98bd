//! The real-time clock (datasheet 4.8).

use super::Interrupts;
use crate::clocks::Domain;
use crate::sched::Event;
use crate::wires::{Wires, irq};

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Date {
    year: u32,
    month: u32,
    day: u32,
    /// 0 is Sunday.
    weekday: u32,
    hour: u32,
    minute: u32,
    second: u32,
}

impl Date {
    fn month_days(&self, force_no_leap: bool) -> u32 {
        match self.month {
            4 | 6 | 9 | 11 => 30,
            // The hardware knows only the rule of four (4.8.1).
            2 if self.year.is_multiple_of(4) && !force_no_leap => 29,
            2 => 28,
            _ => 31,
        }
    }

    /// A second passes.
    fn advance(&mut self, force_no_leap: bool) {
        for (field, end) in [(&mut self.second, 60), (&mut self.minute, 60), (&mut self.hour, 24)] {
            *field += 1;
            if *field < end {
                return;
            }
            *field = 0;
        }
        self.weekday = (self.weekday + 1) % 7;
        self.day += 1;
        if self.day > self.month_days(force_no_leap) {
            self.day = 1;
            self.month += 1;
        }
        if self.month > 12 {
            self.month = 1;
            self.year += 1;
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Rtc {
    div_minus_one: u32,
    setup: [u32; 2],
    ctrl: u32,
    alarm: [u32; 2],
    date: Date,
    /// Tick of clk_rtc of the second that runs.
    base: u64,
    latched: u32,
    interrupts: Interrupts,
    /// INTR: 1 once an alarm has come.
    raised: u32,
}

impl Rtc {
    fn active(&self) -> bool {
        self.ctrl & 1 != 0
    }

    fn second(&self) -> u64 {
        u64::from(self.div_minus_one) + 1
    }

    /// The next full second, while an alarm waits.
    pub(crate) fn plan(&self, wires: &mut Wires) {
        let wanted = self.active() && self.alarm[0] >> 28 & 1 != 0;
        let due = wanted.then(|| wires.clocks.cycle_of(Domain::Rtc, self.base + self.second())).flatten();
        wires.sched.set(Event::Rtc, due);
    }

    fn advance(&mut self, now: u64, wires: &mut Wires) {
        if !self.active() {
            return;
        }
        let tick = wires.clocks.ticks(Domain::Rtc, now);
        while tick - self.base >= self.second() {
            self.base += self.second();
            self.date.advance(self.ctrl & 0x100 != 0);
            self.raised |= u32::from(self.matches());
        }
        wires.set_irq(irq::RTC, self.interrupts.status(self.raised) != 0);
    }

    /// IRQ_SETUP: the fields whose enable bits are set must agree.
    fn matches(&self) -> bool {
        let [a, b] = self.alarm;
        let d = &self.date;
        a >> 28 & 1 != 0
            && (a >> 26 & 1 == 0 || a >> 12 & 0xfff == d.year)
            && (a >> 25 & 1 == 0 || a >> 8 & 15 == d.month)
            && (a >> 24 & 1 == 0 || a & 31 == d.day)
            && (b >> 31 == 0 || b >> 24 & 7 == d.weekday)
            && (b >> 30 & 1 == 0 || b >> 16 & 31 == d.hour)
            && (b >> 29 & 1 == 0 || b >> 8 & 63 == d.minute)
            && (b >> 28 & 1 == 0 || b & 63 == d.second)
    }

    pub(crate) fn event(&mut self, now: u64, wires: &mut Wires) {
        self.advance(now, wires);
        self.plan(wires);
    }

    pub(crate) fn read(&mut self, reg: u32, now: u64, wires: &mut Wires) -> u32 {
        self.advance(now, wires);
        let d = &self.date;
        match reg {
            0x00 => self.div_minus_one,
            0x04 | 0x08 => self.setup[(reg / 4 - 1) as usize],
            0x0c => self.ctrl & 0x101 | u32::from(self.active()) << 1,
            0x10 => self.alarm[0] | (self.alarm[0] >> 28 & 1) << 29,
            0x14 => self.alarm[1],
            0x18 => self.latched,
            0x1c => {
                // Reading RTC_0 latches RTC_1 (4.8.3).
                self.latched = d.year << 12 | d.month << 8 | d.day;
                d.weekday << 24 | d.hour << 16 | d.minute << 8 | d.second
            }
            0x20 => self.raised,
            0x24..=0x2c => self.interrupts.read(reg - 0x24, self.raised),
            _ => 0,
        }
    }

    pub(crate) fn write(&mut self, reg: u32, value: u32, now: u64, wires: &mut Wires) {
        self.advance(now, wires);
        match reg {
            0x00 => self.div_minus_one = value & 0xffff,
            0x04 | 0x08 => self.setup[(reg / 4 - 1) as usize] = value,
            0x0c => {
                let was = self.active();
                self.ctrl = value & 0x101;
                if value & 0x10 != 0 {
                    self.load();
                }
                if value & 0x10 != 0 || !was {
                    self.base = wires.clocks.ticks(Domain::Rtc, now);
                }
            }
            0x10 => {
                self.alarm[0] = value & 0x1fff_ffff;
                self.raised &= value >> 28 & 1;
            }
            0x14 => self.alarm[1] = value,
            0x24..=0x2c => self.interrupts.write(reg - 0x24, value, 1),
            _ => {} // read-only
        }
        self.advance(now, wires);
        wires.set_irq(irq::RTC, self.interrupts.status(self.raised) != 0);
        self.plan(wires);
    }

    fn load(&mut self) {
        let [a, b] = self.setup;
        self.date = Date {
            year: a >> 12 & 0xfff,
            month: a >> 8 & 15,
            day: a & 31,
            weekday: b >> 24 & 7,
            hour: b >> 16 & 31,
            minute: b >> 8 & 63,
            second: b & 63,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_carries_and_knows_leap_years() {
        let mut d = Date { year: 2024, month: 2, day: 28, weekday: 3, hour: 23, minute: 59, second: 59 };
        d.advance(false);
        assert_eq!((d.month, d.day, d.weekday, d.hour), (2, 29, 4, 0));
        let mut end = Date { year: 2023, month: 12, day: 31, weekday: 0, hour: 23, minute: 59, second: 59 };
        end.advance(false);
        assert_eq!((end.year, end.month, end.day, end.weekday), (2024, 1, 1, 1));
    }
}
