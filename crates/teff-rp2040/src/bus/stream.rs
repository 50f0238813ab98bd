//! A short cut through the inner of a camera's line: one PIO machine that waits for the pixel clock and shifts pins in
//! (datasheet 3.4.3, 3.4.4), cycle by cycle in one loop, without the schedule in between.
//!
//! It does what the events of camera, pins and machine would do, at the same cycles, and leaves all of them as these
//! would. Whatever it does not know ends it: the other instructions, a push, the end of the line, another machine.

use super::Bus;
use crate::sched::{Event, NEVER};

impl Bus {
    /// Handles the events of camera and PIO up to `now`, as far as the short cut goes.
    #[inline]
    pub(super) fn stream(&mut self, now: u64) {
        let sched = &self.wires.sched;
        let stop = now.min(sched.next_seen());
        let Some(first) = sched.earliest_hidden().filter(|&first| first <= stop) else { return };
        let (block, event) = match (sched.planned(Event::Pio0), sched.planned(Event::Pio1)) {
            (false, false) if self.pios[0].listens() => (0, Event::Pio0),
            (true, false) => (0, Event::Pio0),
            (_, true) if !sched.planned(Event::Pio0) => (1, Event::Pio1),
            _ => return,
        };
        let Some(mut line) = self.board.line() else { return };
        let moving = line.moving();
        let free = self.wires.pins.follows_outside(moving) && !self.io_bank.interrupts();
        if !free || self.pios[1 - block].awaits(moving) {
            return;
        }
        let Some(mut receiver) = self.pios[block].receiver(moving) else { return };
        let pins = &mut self.wires.pins;
        // The two flip-flops of the synchronisers: what a reader sees now, and what it sees in the next cycle.
        let (mut seen, mut coming) = (pins.synchronised(first), pins.synchronised(first + 1));
        let (mut rose, mut fell) = (0, 0);
        let mut at = first;
        while at <= stop {
            if at == line.due() {
                let Some(level) = line.step() else { break };
                let before = pins.input();
                pins.follow(moving, level, at);
                let level = pins.input();
                (rose, fell) = (rose | level & !before, fell | before & !level);
                receiver.changed(before ^ level, at);
            }
            if at == receiver.due && !receiver.step(at, [seen, coming, pins.input()]) {
                break;
            }
            (seen, coming) = (coming, pins.input());
            at += 1;
        }
        let due = receiver.due;
        receiver.leave();
        self.wires.sched.set(Event::Board, Some(line.due()));
        self.wires.sched.set(event, (due != NEVER).then_some(due));
        self.io_bank.latch(rose, fell);
    }
}
