//! When each part of the chip next does something by itself.
//!
//! Nothing is ticked. Every peripheral says at which cycle of clk_sys it has to be looked at next, and the cores
//! run until the earliest of those. A peripheral that is read in between brings itself up to date first.

/// No event planned.
pub(crate) const NEVER: u64 = u64::MAX;

/// Declares the sources once: the enumeration, and all of them in its order.
macro_rules! sources {
    ($($name:ident),*) => {
        /// The sources of events, in the order in which those of the same cycle are handled.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum Event { $($name),* }

        const ALL: &[Event] = &[$(Event::$name),*];
    };
}

sources![
    Board, Pio0, Pio1, Spi0, Spi1, Uart0, Uart1, I2c0, I2c1, Adc, Pwm, Stream, Ssi, Dma, Timer, Rtc, Usb,
    Watchdog, SysTick0, SysTick1
];

const COUNT: usize = ALL.len();

/// The sources that may act in nearly every cycle, in their order.
const BUSY: [usize; 4] =
    [Event::Board as usize, Event::Pio0 as usize, Event::Pio1 as usize, Event::Dma as usize];

impl Event {
    /// Of two sources that follow each other, of which this is the first, that of number `id`.
    #[inline]
    pub(crate) fn of(self, id: usize) -> Event {
        ALL[self as usize + id]
    }
}

/// The plan: one due cycle for each source, the earliest of them, and how far the cores may run now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sched {
    due: [u64; COUNT],
    /// The earliest of `due`, and the first source that has it.
    next: u64,
    first: usize,
    /// The same among those that are not in [`BUSY`], which seldom changes.
    idle_next: u64,
    idle_first: usize,
    /// The run ends at this cycle.
    pub(crate) limit: u64,
    /// The cores stop at the first instruction boundary at or after this cycle; 0 stops them at once.
    pub(crate) horizon: u64,
    /// The horizon lies past events that no core can see; they are handled when it is reached, or when a core looks.
    pub(crate) lazy: bool,
    /// While it does: the last cycle without an event that a core sees.
    pub(crate) quiet: u64,
}

/// The sources whose events a core sees only through others: by an interrupt, a transfer, or a register it reads.
const HIDDEN: [usize; 3] = [Event::Board as usize, Event::Pio0 as usize, Event::Pio1 as usize];

/// This close to the end of a run nothing is put off, so that it ends in the same state however far it ran at once.
const NEAR_END: u64 = 1024;

impl Sched {
    pub(crate) fn new() -> Sched {
        Sched { due: [NEVER; COUNT], next: NEVER, idle_next: NEVER, limit: NEVER, ..Sched::default() }
    }

    /// The earliest event that a core sees at once.
    #[inline]
    pub(crate) fn next_seen(&self) -> u64 {
        self.idle_next.min(self.due[Event::Dma as usize])
    }

    /// The cycle of the first planned event of a hidden source, if any is planned.
    #[inline(always)]
    pub(crate) fn earliest_hidden(&self) -> Option<u64> {
        HIDDEN.map(|index| self.due[index]).into_iter().min().filter(|&due| due != NEVER)
    }

    /// Takes the first event at or before `now` if it is of a hidden source, with its cycle.
    #[inline(always)]
    pub(crate) fn take_hidden(&mut self, now: u64) -> Option<(Event, u64)> {
        let [board, pio0, pio1] = HIDDEN.map(|index| self.due[index]);
        // Of equal ones the first source comes first, and all of them come before the others.
        let (event, due) = if board <= pio0 && board <= pio1 {
            (Event::Board, board)
        } else if pio0 <= pio1 {
            (Event::Pio0, pio0)
        } else {
            (Event::Pio1, pio1)
        };
        if due > now || due > self.next_seen() {
            return None;
        }
        self.due[event as usize] = NEVER;
        Some((event, due))
    }

    /// Begins to take hidden events one after the other by [`Sched::take_hidden`]: plans are only noted.
    #[inline(always)]
    pub(crate) fn begin_hidden(&mut self) {
        (self.next, self.first) = (0, COUNT);
    }

    /// Looks for the earliest anew, after hidden events.
    #[inline(always)]
    pub(crate) fn end_hidden(&mut self) {
        self.recompute(Event::Board as usize);
    }

    /// Lets the cores run on to `seen`, before which no core sees anything happen.
    #[inline]
    pub(crate) fn run_on(&mut self, seen: u64) {
        let eager = self.next.min(self.limit);
        let put_off = seen.min(self.limit.saturating_sub(NEAR_END));
        self.lazy = put_off > eager;
        self.horizon = put_off.max(eager);
        self.quiet = self.horizon - 1;
    }

    /// Ends what [`Sched::run_on`] put off: the cores stop at the next event of any kind.
    #[inline]
    pub(crate) fn heed(&mut self) {
        if self.lazy {
            self.lazy = false;
            if self.horizon != 0 {
                self.horizon = self.next.min(self.limit);
            }
        }
    }

    /// The earliest planned cycle, or [`NEVER`].
    #[inline(always)]
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Plans `event` for cycle `due`, in place of what was planned for it; `None` cancels.
    #[inline]
    pub(crate) fn set(&mut self, event: Event, due: Option<u64>) {
        let index = event as usize;
        let new = due.unwrap_or(NEVER);
        self.due[index] = new;
        if new < self.next || new == self.next && index < self.first {
            (self.next, self.first) = (new, index);
            self.horizon = self.horizon.min(new);
        } else if index == self.first && new != self.next {
            self.recompute(index);
            return;
        }
        self.note_idle(index);
    }

    /// Plans `event` for `due` unless it is planned earlier.
    #[inline]
    pub(crate) fn no_later(&mut self, event: Event, due: u64) {
        if due < self.due[event as usize] {
            self.set(event, Some(due));
        }
    }

    /// Whether `event` is planned at all.
    pub(crate) fn planned(&self, event: Event) -> bool {
        self.due[event as usize] != NEVER
    }

    /// Takes the first event due at or before `now`, with its cycle.
    #[inline]
    pub(crate) fn take(&mut self, now: u64) -> Option<(Event, u64)> {
        if self.next > now {
            return None;
        }
        let (next, first) = (self.next, self.first);
        self.due[first] = NEVER;
        self.recompute(first);
        Some((ALL[first], next))
    }

    /// Makes the cores return to the run loop after the current instruction.
    #[inline(always)]
    pub(crate) fn interrupt_run(&mut self) {
        self.horizon = 0;
    }

    /// Looks for the earliest anew, after that of `changed` has changed.
    fn recompute(&mut self, changed: usize) {
        self.note_idle(changed);
        let mut first = (self.idle_next, self.idle_first);
        for index in BUSY {
            // Of equal ones the first source comes first.
            first = first.min((self.due[index], index));
        }
        (self.next, self.first) = first;
    }

    /// Keeps the earliest of the sources that are seldom due, after that of `changed` has changed.
    #[inline]
    fn note_idle(&mut self, changed: usize) {
        if !BUSY.contains(&changed) {
            let idle = (0..COUNT).filter(|index| !BUSY.contains(index));
            let first = idle.map(|index| (self.due[index], index)).min();
            (self.idle_next, self.idle_first) = first.unwrap_or((NEVER, 0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_one_cycle_come_in_source_order_and_a_replanned_one_once() {
        let mut s = Sched::new();
        s.set(Event::Timer, Some(10));
        s.set(Event::Pio0, Some(10));
        s.set(Event::Uart0, Some(5));
        s.set(Event::Uart0, Some(20));
        assert_eq!(s.next(), 10);
        assert_eq!(s.take(9), None);
        assert_eq!(s.take(10), Some((Event::Pio0, 10)));
        assert_eq!(s.take(10), Some((Event::Timer, 10)));
        assert_eq!(s.take(10), None);
        s.set(Event::Uart0, None);
        assert_eq!(s.next(), NEVER);
    }

    #[test]
    fn planning_an_event_pulls_the_horizon_in() {
        let mut s = Sched::new();
        s.horizon = 100;
        s.set(Event::Dma, Some(40));
        assert_eq!(s.horizon, 40);
    }
}
