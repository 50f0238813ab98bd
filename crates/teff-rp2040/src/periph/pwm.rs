//! Eight PWM slices (datasheet 4.5), free-running.
//!
//! Counters are computed from the cycle when somebody looks. A slice's pins toggle as events only while its
//! period is at least [`SLOW`] cycles, or a device of the board wants its edges; other fast ones are clocks for
//! something outside that asks for their frequency instead. Counting edges of the B pin (DIVMODE 1 to 3) is not modelled.

use super::Interrupts;
use crate::pins::func;
use crate::sched::Event;
use crate::wires::{Wires, dreq, irq};

const SLICES: usize = 8;
/// Shortest period in cycles whose edges become events.
const SLOW: u64 = 256;

#[derive(Clone, Copy, Debug, Default)]
struct Slice {
    csr: u32,
    /// 8.4 fixed point.
    div: u32,
    cc: u32,
    top: u32,
    /// Count and, in sixteenths of a cycle, the part of a step done, at cycle `since`.
    count: u64,
    phase: u64,
    since: u64,
}

impl Slice {
    fn divider(&self) -> u64 {
        let div = u64::from(self.div & 0xfff);
        if div < 16 { 256 * 16 + div } else { div }
    }

    fn correct(&self) -> bool {
        self.csr & 2 != 0
    }

    /// Steps in one period: up to TOP and around, or up and down.
    fn steps(&self) -> u64 {
        let top = u64::from(self.top & 0xffff);
        if self.correct() { (2 * top).max(1) } else { top + 1 }
    }

    /// Whether it counts by itself.
    fn running(&self) -> bool {
        self.csr & 1 != 0 && self.csr >> 4 & 3 == 0
    }

    /// Moves the count to `now`; returns how often it wrapped.
    fn advance(&mut self, now: u64) -> u64 {
        let elapsed = now.saturating_sub(self.since);
        self.since = self.since.max(now);
        if !self.running() {
            return 0;
        }
        let sixteenths = elapsed * 16 + self.phase;
        let count = self.count + sixteenths / self.divider();
        self.phase = sixteenths % self.divider();
        self.count = count % self.steps();
        count / self.steps()
    }

    /// The counter register: in phase-correct mode it comes back down.
    fn value(&self) -> u64 {
        let top = u64::from(self.top & 0xffff);
        if self.correct() && self.count > top { 2 * top - self.count } else { self.count }
    }

    /// Cycles until the position in the period is `step`.
    fn until(&self, step: u64) -> u64 {
        let steps = self.steps();
        let ahead = (step + steps - self.count - 1) % steps + 1;
        (ahead * self.divider() - self.phase).div_ceil(16)
    }

    fn outputs(&self) -> u32 {
        let v = self.value();
        let level = |compare: u32, invert: u32| u32::from(v < u64::from(compare)) ^ (self.csr >> invert & 1);
        level(self.cc & 0xffff, 2) | level(self.cc >> 16, 3) << 1
    }

    fn period(&self) -> u64 {
        self.steps() * self.divider() / 16
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Pwm {
    slices: [Slice; SLICES],
    raised: u32,
    interrupts: Interrupts,
}

impl Pwm {
    pub(crate) fn new() -> Pwm {
        let slice = Slice { div: 16, top: 0xffff, ..Slice::default() };
        Pwm { slices: [slice; SLICES], raised: 0, interrupts: Interrupts::default() }
    }

    /// The frequency that pin `pin` carries, as cycles of clk_sys in 1/16 for one period; `None` while it stands.
    pub(crate) fn period_of_pin(&self, pin: usize) -> Option<u64> {
        let slice = &self.slices[pin / 2 % SLICES];
        let compare = if pin.is_multiple_of(2) { slice.cc & 0xffff } else { slice.cc >> 16 };
        let toggles = slice.running() && compare > 0 && u64::from(compare) < slice.steps();
        toggles.then(|| slice.steps() * slice.divider())
    }

    pub(crate) fn event(&mut self, now: u64, wires: &mut Wires) {
        let wrapped = self.advance(now);
        for i in (0..SLICES as u32).filter(|i| wrapped >> i & 1 != 0) {
            wires.set_dreq(dreq::PWM_WRAP0 + i, true, now);
        }
        self.update(now, wires);
    }

    /// Moves all slices to `now`, and raises the interrupts of those that wrapped, which it returns as bits.
    fn advance(&mut self, now: u64) -> u32 {
        let slices = self.slices.iter_mut().enumerate();
        let wrapped = slices.fold(0, |bits, (i, slice)| bits | u32::from(slice.advance(now) > 0) << i);
        self.raised |= wrapped;
        wrapped
    }

    /// Sets pins and interrupt, and plans the next wrap or edge that somebody can see.
    fn update(&mut self, now: u64, wires: &mut Wires) {
        wires.set_irq(irq::PWM_WRAP, self.interrupts.status(self.raised) != 0);
        let mut due = u64::MAX;
        let mut out = 0;
        for (i, slice) in self.slices.iter().enumerate() {
            let pair = slice.outputs();
            out |= pair << (2 * i) | pair << (2 * i + 16);
            if !slice.running() {
                continue;
            }
            let wanted = wires.dreq_wanted >> (dreq::PWM_WRAP0 + i as u32) & 1 != 0;
            if self.interrupts.enable >> i & 1 != 0 || wanted {
                due = due.min(now + slice.until(0));
            }
            let pair_of_pins = 0x0003_0003 << (2 * i);
            if slice.period() >= SLOW || wires.pins.clocks_by(func::PWM, pair_of_pins) {
                let steps = slice.steps();
                for compare in [slice.cc & 0xffff, slice.cc >> 16].map(u64::from) {
                    for step in [compare, (steps + 1).saturating_sub(compare), 0] {
                        if step < steps && (slice.correct() || step == compare || step == 0) {
                            due = due.min(now + slice.until(step));
                        }
                    }
                }
            }
        }
        wires.pins.drive(func::PWM, out, u32::MAX, now);
        wires.sched.set(Event::Pwm, (due != u64::MAX).then_some(due));
    }

    pub(crate) fn read(&mut self, reg: u32, now: u64) -> u32 {
        if reg >= 0xa0 {
            return match reg {
                0xa0 => (0..SLICES).fold(0, |word, i| word | (self.slices[i].csr & 1) << i),
                0xa4 => self.raised,
                0xa8..=0xb0 => self.interrupts.read(reg - 0xa8, self.raised),
                _ => 0,
            };
        }
        let slice = &mut self.slices[(reg / 20) as usize];
        match reg % 20 {
            0 => slice.csr & 0x3f,
            4 => slice.div,
            8 => {
                if slice.advance(now) > 0 {
                    self.raised |= 1 << (reg / 20);
                }
                self.slices[(reg / 20) as usize].value() as u32
            }
            12 => slice.cc,
            _ => slice.top,
        }
    }

    pub(crate) fn write(&mut self, reg: u32, value: u32, now: u64, wires: &mut Wires) {
        self.advance(now);
        match reg {
            0xa0 => {
                for (i, slice) in self.slices.iter_mut().enumerate() {
                    slice.csr = slice.csr & !1 | value >> i & 1;
                }
            }
            0xa4 => self.raised &= !value,
            0xa8..=0xb0 => self.interrupts.write(reg - 0xa8, value, 0xff),
            0..0xa0 => {
                let slice = &mut self.slices[(reg / 20) as usize];
                match reg % 20 {
                    0 => {
                        slice.csr = value & 0x3f;
                        // PH_RET and PH_ADV move the phase by one count.
                        match value >> 6 & 3 {
                            1 => slice.count = (slice.count + slice.steps() - 1) % slice.steps(),
                            2 => slice.count = (slice.count + 1) % slice.steps(),
                            _ => {} // both at once cancel out
                        }
                    }
                    4 => slice.div = value & 0xfff,
                    8 => slice.count = u64::from(value & 0xffff),
                    12 => slice.cc = value,
                    _ => slice.top = value & 0xffff,
                }
            }
            _ => {} // there is no more
        }
        self.update(now, wires);
    }
}
