//! The watchdog, its scratch registers and the tick divider (datasheet 4.7).

use crate::clocks::Domain;
use crate::sched::Event;
use crate::wires::Wires;

const ENABLE: u32 = 1 << 30;
const TRIGGER: u32 = 1 << 31;
const TIME: u32 = 0x00ff_ffff;

#[derive(Clone, Debug)]
pub(crate) struct Watchdog {
    ctrl: u32,
    /// Count when it was last loaded or enabled, and the tick of that moment.
    count: u32,
    since: u64,
    /// Why the chip last reset: 1 timer, 2 forced.
    pub(crate) reason: u32,
    pub(crate) scratch: [u32; 8],
}

impl Watchdog {
    pub(crate) fn new() -> Watchdog {
        Watchdog { ctrl: 0x0700_0000, count: 0, since: 0, reason: 0, scratch: [0; 8] }
    }

    /// The counter loses two for each tick (erratum RP2040-E1).
    fn remaining(&self, now: u64, wires: &Wires) -> u32 {
        if self.ctrl & ENABLE == 0 {
            return self.count;
        }
        let ticks = wires.clocks.ticks(Domain::Tick, now) - self.since;
        u64::from(self.count).saturating_sub(2 * ticks) as u32
    }

    pub(crate) fn plan(&mut self, now: u64, wires: &mut Wires) {
        let due = (self.ctrl & ENABLE != 0)
            .then(|| wires.clocks.cycle_of(Domain::Tick, self.since + u64::from(self.count.div_ceil(2))))
            .flatten()
            .map(|cycle| cycle.max(now));
        wires.sched.set(Event::Watchdog, due);
    }

    /// The counter has run out; true unless it was loaded meanwhile.
    pub(crate) fn event(&mut self, now: u64, wires: &mut Wires) -> bool {
        if self.ctrl & ENABLE != 0 && self.remaining(now, wires) == 0 {
            self.reason = 1;
            return true;
        }
        self.plan(now, wires);
        false
    }

    pub(crate) fn read(&self, reg: u32, now: u64, wires: &Wires) -> u32 {
        match reg {
            0x00 => self.ctrl & !TIME | self.remaining(now, wires) & TIME,
            0x08 => self.reason,
            0x0c..=0x28 => self.scratch[(reg / 4 - 3) as usize],
            0x2c => wires.clocks.tick_register(),
            _ => 0,
        }
    }

    /// True when the write asks for a reset at once.
    pub(crate) fn write(&mut self, reg: u32, value: u32, now: u64, wires: &mut Wires) -> bool {
        match reg {
            0x00 => {
                self.count = self.remaining(now, wires);
                self.since = wires.clocks.ticks(Domain::Tick, now);
                self.ctrl = value & (ENABLE | 0x0700_0000);
                if value & TRIGGER != 0 {
                    self.reason = 2;
                    return true;
                }
            }
            0x04 => {
                self.count = value & TIME;
                self.since = wires.clocks.ticks(Domain::Tick, now);
            }
            0x0c..=0x28 => self.scratch[(reg / 4 - 3) as usize] = value,
            0x2c => wires.clocks.set_tick(value, now),
            _ => {} // read-only
        }
        false
    }
}
