//! A short cut through the inner of a camera's line: one PIO machine that waits for the pixel clock and shifts pins in
//! (datasheet 3.4.3, 3.4.4), cycle by cycle in one loop, without the schedule in between.
//!
//! It does what the events of camera, pins and machine would do, at the same cycles, and leaves all of them as these
//! would. Whatever it does not know ends it: the other instructions, a full FIFO, the end of the line, another machine.
//!
//! Where each period of PCLK finds and leaves the machine alike, whole periods are done at once ([`Beat`]), and the cycle
//! of the next push is known, so that the cores can run on to it. `Options::step_by_step` switches all of this off.

use super::Bus;
use crate::board::Line;
use crate::periph::pio::{Posture, Receiver};
use crate::sched::{Event, NEVER};

/// Cycles of the longest period that is done at once.
const LONGEST: u64 = 60;

/// What a period of PCLK does to a machine that is in this state at its beginning, the falling edge, whatever the data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Beat {
    from: State,
    input: Option<Input>,
    /// The cycles after the falling edge in which camera or machine act, as bits.
    acts: u64,
}

/// All that decides how a period goes on but the data: levels other than those of the data pins, of two cycles ago, of the
/// cycle before and of now; the machine; and the pins that move.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct State {
    /// The PIO block.
    block: usize,
    levels: [u32; 3],
    posture: Posture,
    moving: u32,
    /// Cycles of the period.
    cycles: u64,
}

/// The one IN of a period.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Input {
    /// Cycles from the falling edge.
    after: u64,
    /// Bits that it shifts in.
    count: u32,
    /// It sees the data of this many periods before.
    lag: u64,
    /// The levels of the other pins that it sees.
    rest: u32,
}

/// A line in which every period is the known beat.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steady {
    /// Cycle and period of the next IN, if periods have one.
    next: Option<(u64, u64)>,
    /// What the cores can run on to: the cycle of the push, or the one after if that is seen only by a transfer; 0 if it is
    /// not known.
    pub(super) seen: u64,
    /// A falling edge that is over, the cycles of a period, and those in which something happens.
    origin: u64,
    cycles: u64,
    acts: u64,
}

impl Steady {
    /// Whether camera or machine act after cycle `begin` and up to `end`; `None` if that is not known.
    #[inline]
    pub(super) fn acts_in(&self, begin: u64, end: u64) -> Option<bool> {
        if begin < self.origin || end >= self.seen {
            return None;
        }
        let phase = (begin - self.origin) % self.cycles;
        // Two periods in a row, from the cycle after `begin` on.
        let twice = u128::from(self.acts) | u128::from(self.acts) << self.cycles;
        let after = end - begin;
        Some(after >= self.cycles || twice >> (phase + 1) & ((1 << after) - 1) != 0)
    }
}

/// The period that is being watched, to learn its beat.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watched {
    begin: u64,
    from: State,
    input: Option<Input>,
    inputs: u32,
    acts: u64,
}

impl Bus {
    /// Something may have changed that the known course of a line rests on.
    #[inline]
    pub(super) fn unsettle(&mut self) {
        (self.steady, self.watched) = (None, None);
    }

    /// Handles the events of camera and PIO up to `now`, as far as the short cut goes.
    #[inline]
    pub(super) fn stream(&mut self, now: u64) {
        while self.shortcuts && self.stream_to_push(now) {}
    }

    /// Goes on to the next push, whose requests may plan a transfer; false when it goes no further.
    fn stream_to_push(&mut self, now: u64) -> bool {
        let sched = &self.wires.sched;
        let stop = now.min(sched.next_seen());
        let Some(first) = sched.earliest_hidden().filter(|&first| first <= stop) else { return false };
        let steady = self.steady.take();
        let sched = &self.wires.sched;
        let (block, event) = match (sched.planned(Event::Pio0), sched.planned(Event::Pio1)) {
            (false, false) if self.pios[0].awaits(u32::MAX) => (0, Event::Pio0),
            (true, false) => (0, Event::Pio0),
            (_, true) if !sched.planned(Event::Pio0) => (1, Event::Pio1),
            _ => return false,
        };
        let Some(line) = self.board.line() else { return false };
        let moving = line.moving();
        let free = self.wires.pins.follows_outside(moving) && !self.io_bank.used;
        if !free || self.pios[1 - block].awaits(moving) {
            return false;
        }
        let Some(receiver) = self.pios[block].receiver(moving, line.data_mask()) else { return false };
        let pins = &mut self.wires.pins;
        let mut course = Course {
            block,
            levels: [pins.synchronised(first), pins.synchronised(first + 1)],
            pins,
            line,
            receiver,
            beat: &mut self.beats[block],
            next: steady.and_then(|steady| steady.next),
            settled: steady.is_some(),
            origin: steady.map_or(0, |steady| steady.origin),
            watched: &mut self.watched,
            rose: 0,
            fell: 0,
        };
        let pushed = course.run(first, stop);
        let Course { receiver, line, rose, fell, next, settled, beat, origin, .. } = course;
        let beat = *beat;
        let (due, machine) = (receiver.due, receiver.index);
        let input = beat.and_then(|beat| beat.input);
        let left = receiver.inputs_to_push(input.map_or(0, |input| input.count));
        receiver.leave();
        self.wires.sched.set(Event::Board, Some(line.due()));
        let (bits, cycles) = (line.bits(), line.cycles());
        self.wires.sched.set(event, (due != NEVER).then_some(due));
        self.io_bank.latch(rose, fell);
        if let Pushed::At(cycle) = pushed {
            self.pios[block].update(1 << machine, cycle, &mut self.wires);
        }
        if settled && let Some(beat) = beat {
            let seen = match next {
                // One before it in the line only waits: the machine's own outlook is as good.
                Some((cycle, bit)) if bit.saturating_add(left) < bits => {
                    cycle + left * cycles + u64::from(!self.pios[block].interrupts_by(machine))
                }
                _ => 0,
            };
            self.steady = Some(Steady { next, seen, origin, cycles, acts: beat.acts });
        }
        matches!(pushed, Pushed::At(_))
    }
}

/// How a stretch has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pushed {
    /// In this cycle a word went into the FIFO.
    At(u64),
    /// All cycles are done.
    Not,
    /// With something that is not known here, which is left undone.
    Unknown,
}

/// A stretch of a line.
struct Course<'a> {
    block: usize,
    pins: &'a mut crate::pins::Pins,
    line: Line<'a>,
    receiver: Receiver<'a>,
    beat: &'a mut Option<Beat>,
    /// The two flip-flops of the synchronisers: what a reader sees now, and what it sees in the next cycle.
    levels: [u32; 2],
    next: Option<(u64, u64)>,
    settled: bool,
    origin: u64,
    watched: &'a mut Option<Watched>,
    rose: u32,
    fell: u32,
}

impl Course<'_> {
    /// Handles the cycles from `at` to `stop`, but none after one that pushes.
    fn run(&mut self, mut at: u64, stop: u64) -> Pushed {
        let moving = self.line.moving();
        while at <= stop {
            if at == self.line.due() {
                if let Some(bit) = self.line.falls() {
                    let skipped = self.at_falling_edge(at, bit, stop);
                    if skipped > 0 {
                        at += skipped;
                        continue;
                    }
                }
                let Some(level) = self.line.step() else { return self.unknown() };
                self.note_act(at);
                let before = self.pins.input();
                self.pins.follow(moving, level, at);
                let level = self.pins.input();
                (self.rose, self.fell) = (self.rose | level & !before, self.fell | before & !level);
                self.receiver.changed(before ^ level, at);
            }
            let mut pushed = false;
            if at == self.receiver.due {
                let levels = [self.levels[0], self.levels[1], self.pins.input()];
                let Some(step) = self.receiver.step(at, levels) else { return self.unknown() };
                self.note_act(at);
                if let Some(count) = step.input {
                    self.note_input(at, count);
                }
                pushed = step.pushed;
            }
            self.levels = [self.levels[1], self.pins.input()];
            if pushed {
                return Pushed::At(at);
            }
            at += 1;
        }
        Pushed::Not
    }

    fn unknown(&mut self) -> Pushed {
        self.settled = false;
        *self.watched = None;
        Pushed::Unknown
    }

    /// Something happens in cycle `at`.
    #[inline]
    fn note_act(&mut self, at: u64) {
        if let Some(watched) = self.watched {
            watched.acts |= 1 << ((at - watched.begin) % 64);
        }
    }

    /// An IN of `count` bits was executed in cycle `at`.
    fn note_input(&mut self, at: u64, count: u32) {
        if let Some((cycle, bit)) = self.next {
            self.settled &= cycle == at;
            self.next = Some((cycle + self.line.cycles(), bit + 1));
        } else {
            self.settled = false;
        }
        if let Some(watched) = self.watched {
            let after = at - watched.begin;
            let rest = self.levels[0] & !self.line.data_mask();
            watched.input = Some(Input { after, count, lag: u64::from(after < 2), rest });
            watched.inputs += 1;
        }
    }

    /// Before the falling edge of period `bit` in cycle `at`: learns from the period before, or does those at once that
    /// are known. The cycles it has done.
    fn at_falling_edge(&mut self, at: u64, bit: u64, stop: u64) -> u64 {
        let data = self.line.data_mask();
        let cycles = self.line.cycles();
        let from = State {
            block: self.block,
            levels: [self.levels[0], self.levels[1], self.pins.input()].map(|level| level & !data),
            posture: self.receiver.posture(at),
            moving: self.line.moving(),
            cycles,
        };
        if let Some(watched) = self.watched.take()
            && watched.from == from
            && watched.begin + cycles == at
            && watched.inputs <= 1
            && cycles <= LONGEST
        {
            *self.beat = Some(Beat { from, input: watched.input, acts: watched.acts });
        }
        let Some(beat) = self.beat.filter(|beat| beat.from == from && self.line.even()) else {
            self.settled = false;
            *self.watched = Some(Watched { begin: at, from, input: None, inputs: 0, acts: 0 });
            return 0;
        };
        self.settled = true;
        self.next = beat.input.map(|input| (at + input.after, bit));
        let whole = ((stop + 1).saturating_sub(at) / cycles).min(self.line.bits() - bit);
        let count = match beat.input {
            Some(input) => whole.min(self.receiver.inputs_to_push(input.count)),
            None => whole,
        };
        self.origin = at + count * cycles;
        if count > 0 {
            self.skip(beat, at, bit, count);
        }
        count * cycles
    }

    /// Does `count` periods from the falling edge of period `bit` in cycle `at` on.
    fn skip(&mut self, beat: Beat, at: u64, bit: u64, count: u64) {
        let (data, cycles) = (self.line.data_mask(), self.line.cycles());
        let mut before = self.line.data_of(bit - 1);
        for i in bit..bit + count {
            let value = self.line.data_of(i);
            (self.rose, self.fell) = (self.rose | value & !before, self.fell | before & !value);
            if let Some(input) = beat.input {
                let seen = if input.lag == 0 { value } else { before };
                self.receiver.shift_in(input.rest | seen, input.count);
            }
            before = value;
        }
        let clock = self.line.moving() & !data;
        (self.rose, self.fell) = (self.rose | clock, self.fell | clock);
        // Of all edges only the last two can still be in a synchroniser.
        self.line.skip(count);
        let end = at + count * cycles;
        self.pins.follow(self.line.moving(), before, end - cycles);
        self.pins.follow(self.line.moving(), before | clock, self.line.last_edge());
        self.levels = self.levels.map(|level| level & !data | before);
        self.receiver.delay(count * cycles);
        self.next = beat.input.map(|input| (end + input.after, bit + count));
    }
}
