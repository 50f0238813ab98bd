//! A machine that waits for pins and shifts them in, by itself: WAIT and IN PINS without a push (datasheet 3.4.3,
//! 3.4.4). It does just what [`Pio::event`] would, at the same cycles.

use super::machine::{Machine, NOT_DUE, Stall};
use super::{Pio, execute};

/// Where a machine stands in its program, apart from its data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Posture {
    index: usize,
    pc: u8,
    stall: Stall,
    /// Cycles until its next instruction; `None` while it waits for a pin.
    due: Option<u64>,
    waits: Option<u8>,
}

/// What an instruction has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Executed {
    /// The bits that were shifted in.
    pub(crate) input: Option<u32>,
    /// A word went into the FIFO.
    pub(crate) pushed: bool,
}

/// A machine of a block while it runs alone.
pub(crate) struct Receiver<'a> {
    /// Its number in the block.
    pub(crate) index: usize,
    program: &'a [u16; 32],
    machine: &'a mut Machine,
    awaited: &'a mut u32,
    /// The cycle of its next instruction, or [`NOT_DUE`].
    pub(crate) due: u64,
    /// The pin that it waits for, while it does.
    waits: Option<u8>,
    threshold: u32,
    /// Pins that must not decide when it goes on.
    data: u32,
}

impl Pio {
    /// Whether a machine may be asleep until a pin in `mask` changes.
    pub(crate) fn awaits(&self, mask: u32) -> bool {
        self.awaited & mask != 0
    }

    /// Whether a word in the FIFO of machine `index` interrupts a core.
    pub(crate) fn interrupts_by(&self, index: usize) -> bool {
        (self.interrupts[0].enable | self.interrupts[1].enable) >> index & 1 != 0
    }

    /// The one machine that acts by itself, or when pins in `moving` change, if it is one that runs alone: undivided,
    /// without side-set, and waiting for none of the pins in `data`.
    #[inline]
    pub(crate) fn receiver(&mut self, moving: u32, data: u32) -> Option<Receiver<'_>> {
        let acts =
            |m: &Machine| m.due != NOT_DUE || m.waits_for_pin().is_some_and(|pin| moving >> pin & 1 != 0);
        let mut acting = (0..4).filter(|&i| self.sm[i].enabled && acts(&self.sm[i]));
        let (index, None) = (acting.next()?, acting.next()) else { return None };
        let m = &mut self.sm[index];
        let alone =
            m.undivided() && m.pin_ctrl >> 29 == 0 && m.pending.is_none() && !m.pushing && !m.autopull();
        if !alone || self.bypass != 0 {
            return None;
        }
        let waits = m.waits_for_pin().filter(|_| m.due == NOT_DUE);
        if waits.is_some_and(|pin| data >> pin & 1 != 0) {
            return None;
        }
        let threshold = if m.autopush() { m.push_threshold() } else { u32::MAX };
        let due = m.due;
        Some(Receiver {
            index,
            program: &self.program,
            machine: m,
            awaited: &mut self.awaited,
            due,
            waits,
            threshold,
            data,
        })
    }
}

impl Receiver<'_> {
    /// Leaves the machine to its block.
    pub(crate) fn leave(self) {
        self.machine.stop_at(self.due);
        if let Stall::Pin(pin) = self.machine.stall {
            *self.awaited |= 1 << pin;
        }
    }

    /// The pins in `changed` have a new level since cycle `now`.
    #[inline(always)]
    pub(crate) fn changed(&mut self, changed: u32, now: u64) {
        if let Some(pin) = self.waits
            && changed >> pin & 1 != 0
        {
            self.waits = None;
            self.due = now + 2;
        }
    }

    /// Where it stands at the beginning of cycle `now`.
    #[inline(always)]
    pub(crate) fn posture(&self, now: u64) -> Posture {
        let (pc, stall) = (self.machine.pc, self.machine.stall);
        let due = (self.due != NOT_DUE).then(|| self.due.wrapping_sub(now));
        Posture { index: self.index, pc, stall, due, waits: self.waits }
    }

    /// How many INs of `count` bits do not push, before one that does.
    pub(crate) fn inputs_to_push(&self, count: u32) -> u64 {
        if self.threshold == u32::MAX || count == 0 {
            return u64::MAX;
        }
        u64::from((self.threshold - 1).saturating_sub(self.machine.isr_count) / count)
    }

    /// Shifts `count` bits of the pins in.
    #[inline(always)]
    pub(crate) fn shift_in(&mut self, pins: u32, count: u32) {
        self.machine.shift_in(pins.rotate_right(self.machine.in_base()), count);
    }

    /// Everything comes `cycles` later.
    pub(crate) fn delay(&mut self, cycles: u64) {
        if self.due != NOT_DUE {
            self.due += cycles;
        }
    }

    /// Executes the instruction of cycle `now`; `levels` are those of two cycles ago, of the cycle before, and of now.
    /// `None`, and nothing is done, if it is none of those that are known here.
    #[inline(always)]
    pub(crate) fn step(&mut self, now: u64, levels: [u32; 3]) -> Option<Executed> {
        let m = &mut *self.machine;
        let mut done = Executed::default();
        let [pins, next, last] = levels;
        let instruction = self.program[usize::from(m.pc & 31)];
        let low = u32::from(instruction & 31);
        match instruction >> 5 {
            field if field >> 8 == 1 && field & 2 == 0 => {
                let pin = if field & 1 == 0 { low } else { (m.in_base() + low) & 31 };
                if self.data >> pin & 1 != 0 {
                    return None;
                }
                if pins >> pin & 1 != u32::from(instruction >> 7 & 1) {
                    m.stall = Stall::Pin(pin as u8);
                    // A change that is still in the synchroniser happened before the machine began to wait.
                    (self.due, self.waits) = match () {
                        () if next != pins => (now + 1, None),
                        () if last != next => (now + 2, None),
                        () => (NOT_DUE, Some(pin as u8)),
                    };
                    return Some(done);
                }
            }
            field if field & 0x707 == 0x200 => {
                let count = if low == 0 { 32 } else { low };
                done =
                    Executed { input: Some(count), pushed: (m.isr_count + count).min(32) >= self.threshold };
                if done.pushed && m.rx_full() {
                    return None;
                }
                m.shift_in(pins.rotate_right(m.in_base()), count);
                if done.pushed {
                    m.rx.push(m.isr);
                    (m.isr, m.isr_count) = (0, 0);
                }
            }
            _ => return None,
        }
        m.stall = Stall::None;
        execute::advance(m);
        self.due = now + 1 + u64::from(instruction >> 8 & 31);
        Some(done)
    }
}
