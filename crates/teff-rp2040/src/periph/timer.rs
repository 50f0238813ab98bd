//! The 64-bit microsecond timer and its four alarms (datasheet 4.6).

use super::Interrupts;
use crate::clocks::Domain;
use crate::sched::Event;
use crate::wires::{Wires, irq};

#[derive(Clone, Debug, Default)]
pub(crate) struct Timer {
    /// Time at tick `base_tick`; writes of TIMEHW move it.
    base: u64,
    base_tick: u64,
    paused: bool,
    latched_high: u32,
    pending_low: u32,
    alarms: [u32; 4],
    armed: u32,
    raised: u32,
    interrupts: Interrupts,
}

impl Timer {
    /// Microseconds (ticks of the watchdog's divider) at cycle `now`.
    fn time(&self, now: u64, wires: &Wires) -> u64 {
        if self.paused {
            return self.base;
        }
        self.base + (wires.clocks.ticks(Domain::Tick, now) - self.base_tick)
    }

    fn set_time(&mut self, time: u64, now: u64, wires: &Wires) {
        self.base = time;
        self.base_tick = wires.clocks.ticks(Domain::Tick, now);
    }

    /// An alarm fires when the low word of the time equals it; this plans the next one.
    pub(crate) fn plan(&mut self, now: u64, wires: &mut Wires) {
        let time = self.time(now, wires);
        let due = (0..4)
            .filter(|&i| self.armed >> i & 1 != 0 && !self.paused)
            .map(|i| u64::from(self.alarms[i].wrapping_sub(time as u32)))
            .min()
            .and_then(|ticks| {
                wires.clocks.cycle_of(Domain::Tick, self.base_tick + (time - self.base) + ticks)
            })
            .map(|cycle| cycle.max(now));
        wires.sched.set(Event::Timer, due);
    }

    pub(crate) fn event(&mut self, now: u64, wires: &mut Wires) {
        let low = self.time(now, wires) as u32;
        for i in 0..4 {
            if self.armed >> i & 1 != 0 && self.alarms[i] == low {
                self.armed &= !(1 << i);
                self.raised |= 1 << i;
            }
        }
        self.update(wires);
        self.plan(now, wires);
    }

    fn update(&self, wires: &mut Wires) {
        let status = self.interrupts.status(self.raised);
        for i in 0..4 {
            wires.set_irq(irq::TIMER_0 + i, status >> i & 1 != 0);
        }
    }

    pub(crate) fn read(&mut self, reg: u32, now: u64, wires: &Wires) -> u32 {
        let time = self.time(now, wires);
        match reg {
            0x08 => self.latched_high,
            0x0c => {
                self.latched_high = (time >> 32) as u32;
                time as u32
            }
            0x10..=0x1c => self.alarms[(reg / 4 - 4) as usize],
            0x20 => self.armed,
            0x24 => (time >> 32) as u32,
            0x28 => time as u32,
            0x2c => 7,
            0x30 => u32::from(self.paused),
            0x34 => self.raised,
            0x38..=0x40 => self.interrupts.read(reg - 0x38, self.raised),
            _ => 0,
        }
    }

    pub(crate) fn write(&mut self, reg: u32, value: u32, now: u64, wires: &mut Wires) {
        match reg {
            0x00 => self.set_time(u64::from(value) << 32 | u64::from(self.pending_low), now, wires),
            0x04 => self.pending_low = value,
            0x10..=0x1c => {
                let i = reg / 4 - 4;
                self.alarms[i as usize] = value;
                self.armed |= 1 << i;
            }
            0x20 => self.armed &= !value,
            0x30 => {
                let time = self.time(now, wires);
                self.set_time(time, now, wires);
                self.paused = value & 1 != 0;
            }
            0x34 => self.raised &= !value,
            0x38..=0x40 => self.interrupts.write(reg - 0x38, value, 15),
            _ => {} // read-only
        }
        self.update(wires);
        self.plan(now, wires);
    }
}
