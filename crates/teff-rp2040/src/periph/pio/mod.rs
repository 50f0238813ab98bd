//! A PIO block: four state machines, their instruction memory, FIFOs and interrupts (datasheet chapter 3).
//!
//! A state machine is looked at only in the cycles in which it does something. One that stalls sleeps until what
//! it waits for may have changed, and then goes on at the next tick of its own clock divider, so that the result
//! is that of stepping it in every cycle. All machines due in a cycle see the pins and interrupt flags as they
//! were at its start.

mod execute;
mod machine;
mod outlook;
mod receiver;
#[cfg(test)]
mod tests;

use super::Interrupts;
use crate::pins::{self, func};
use crate::sched::Event;
use crate::wires::{Wires, dreq, irq};
pub(crate) use machine::Machine;
use machine::{NOT_DUE, Stall};
use outlook::Outlook;
pub(crate) use receiver::{Posture, Receiver};

/// Every machine of a block, as bits.
const ALL: u32 = 15;

#[derive(Clone, Debug, Default)]
pub(crate) struct Pio {
    id: usize,
    program: [u16; 32],
    sm: [Machine; 4],
    /// The eight interrupt flags.
    flags: u8,
    interrupts: [Interrupts; 2],
    debug: u32,
    bypass: u32,
    out: u32,
    dirs: u32,
    /// Pins that sleeping machines wait for; a machine that woke otherwise may have left its pin here.
    awaited: u32,
    /// For each machine, made when needed after a register was written.
    outlook: [Option<Box<Outlook>>; 4],
}

/// What the machines of one cycle share: the state at its start, and what they change.
struct Cycle {
    now: u64,
    pins: u32,
    flags: u8,
    set_flags: u8,
    clear_flags: u8,
}

impl Pio {
    pub(crate) fn new(id: usize) -> Pio {
        Pio { id, sm: std::array::from_fn(|_| Machine::new()), ..Pio::default() }
    }

    /// The first cycle in which a machine may move a FIFO or a flag, if no pin changes before `next`.
    pub(crate) fn next_seen(&mut self, next: u64) -> u64 {
        let mut seen = NOT_DUE;
        for (machine, outlook) in self.sm.iter().zip(&mut self.outlook) {
            if machine.enabled {
                if outlook.is_none() {
                    *outlook = Some(Box::new(Outlook::new(&self.program, machine)));
                }
                seen = outlook.as_ref().map_or(0, |outlook| outlook.next_seen(machine, next)).min(seen);
            }
        }
        seen
    }

    fn begin(&self, now: u64, wires: &Wires) -> Cycle {
        let seen = wires.pins.synchronised(now);
        let pins =
            if self.bypass == 0 { seen } else { seen & !self.bypass | wires.pins.input() & self.bypass };
        Cycle { now, pins, flags: self.flags, set_flags: 0, clear_flags: 0 }
    }

    /// Runs every machine due at `now`.
    pub(crate) fn event(&mut self, now: u64, wires: &mut Wires) {
        let mut cycle = self.begin(now, wires);
        let mut filled = 0;
        for i in 0..4 {
            if self.sm[i].due <= now {
                let before = self.sm[i].levels();
                self.step(i, &mut cycle, wires);
                filled |= u32::from(self.sm[i].levels() != before) << i;
            }
        }
        self.finish(&cycle, filled, wires);
    }

    /// Carries out what the machines changed in this cycle; those in `filled` have other FIFO levels than before.
    fn finish(&mut self, cycle: &Cycle, filled: u32, wires: &mut Wires) {
        let flags = self.flags & !cycle.clear_flags | cycle.set_flags;
        let flagged = flags != self.flags;
        if flagged {
            self.flags = flags;
            self.wake(cycle.now + 1, |machine| machine.stall == Stall::Flag);
        }
        wires.pins.drive(func::PIO0 + self.id, self.out, self.dirs, cycle.now);
        if flagged || filled != 0 {
            self.update(filled, cycle.now, wires);
        } else {
            self.plan(wires);
        }
    }

    /// Wakes the sleeping machines that `who` names, at their first tick from `from` on.
    fn wake(&mut self, from: u64, who: impl Fn(&Machine) -> bool) {
        for machine in &mut self.sm {
            if machine.enabled && machine.due == NOT_DUE && who(machine) {
                machine.wake(from);
            }
        }
    }

    /// The pins in `changed` have a new level since cycle `now`.
    pub(crate) fn inputs_changed(&mut self, changed: u32, now: u64, wires: &mut Wires) {
        if changed & self.awaited == 0 {
            return;
        }
        self.awaited &= !changed;
        let mut woke = false;
        for machine in &mut self.sm {
            let Some(pin) = machine.waits_for_pin() else { continue };
            if machine.enabled && changed >> pin & 1 != 0 {
                let delay = if self.bypass >> pin & 1 != 0 { 0 } else { 2 };
                if machine.due == NOT_DUE {
                    machine.wake(now + delay);
                    woke = true;
                }
            }
        }
        if woke {
            self.plan(wires);
        }
    }

    fn plan(&self, wires: &mut Wires) {
        let due = self.sm.iter().map(|m| m.due).min().unwrap_or(NOT_DUE);
        wires.sched.set(Event::Pio0.of(self.id), (due != NOT_DUE).then_some(due));
    }

    /// Sets interrupts and data requests of the machines in `which`, and plans the next cycle.
    pub(crate) fn update(&mut self, which: u32, now: u64, wires: &mut Wires) {
        // With no interrupt enabled the lines are low since that was written, when all machines were looked at.
        if which == ALL || self.interrupts.iter().any(|line| line.enable | line.force != 0) {
            let raw = self.raw();
            for (i, line) in self.interrupts.iter().enumerate() {
                wires.set_irq(irq::PIO0_0 + (2 * self.id + i) as u32, line.status(raw) != 0);
            }
        }
        let base = 8 * self.id as u32;
        for i in (0..4).filter(|i| which >> i & 1 != 0) {
            let machine = &self.sm[i];
            wires.set_dreq(dreq::PIO0_TX0 + base + i as u32, !machine.tx_full(), now);
            wires.set_dreq(dreq::PIO0_RX0 + base + i as u32, !machine.rx.is_empty(), now);
        }
        self.plan(wires);
    }

    /// INTR: RX not empty, TX not full, flags 0 to 3.
    fn raw(&self) -> u32 {
        let mut raw = u32::from(self.flags & 15) << 8;
        for (i, machine) in self.sm.iter().enumerate() {
            raw |= u32::from(!machine.rx.is_empty()) << i | u32::from(!machine.tx_full()) << (4 + i);
        }
        raw
    }

    fn collect(&self, bit: impl Fn(&Machine) -> bool) -> u32 {
        self.sm.iter().enumerate().fold(0, |word, (i, m)| word | u32::from(bit(m)) << i)
    }

    pub(crate) fn read(&mut self, reg: u32, now: u64, wires: &mut Wires) -> u32 {
        match reg {
            0x00 => self.collect(|m| m.enabled),
            0x04 => {
                self.collect(Machine::rx_full)
                    | self.collect(|m| m.rx.is_empty()) << 8
                    | self.collect(Machine::tx_full) << 16
                    | self.collect(|m| m.tx.is_empty()) << 24
            }
            0x08 => self.debug,
            0x0c => (0..4).fold(0, |word, i| {
                word | ((self.sm[i].tx.len() | self.sm[i].rx.len() << 4) as u32) << (8 * i)
            }),
            0x20..0x30 => {
                let i = (reg >> 2 & 3) as usize;
                let word = self.sm[i].rx.pop();
                if word.is_none() {
                    self.debug |= 1 << (8 + i); // RXUNDER
                }
                if self.sm[i].enabled && self.sm[i].due == NOT_DUE && self.sm[i].stall == Stall::Room {
                    self.sm[i].wake(now + 1);
                }
                self.update(1 << i, now, wires);
                word.unwrap_or(0)
            }
            0x30 => u32::from(self.flags),
            0x38 => self.bypass,
            0x3c => self.out,
            0x40 => self.dirs,
            0x44 => 32 << 16 | 4 << 8 | 4, // 32 instructions, 4 machines, FIFOs of 4
            0xc8..0x128 => {
                let i = ((reg - 0xc8) / 0x18) as usize;
                match (reg - 0xc8) % 0x18 {
                    0x0c => u32::from(self.sm[i].pc),
                    0x10 => u32::from(self.sm[i].pending.unwrap_or(self.program[self.sm[i].pc as usize])),
                    field => self.sm[i].read(field),
                }
            }
            0x128 => self.raw(),
            0x12c..=0x134 => self.interrupts[0].read(reg - 0x12c, self.raw()),
            0x138..=0x140 => self.interrupts[1].read(reg - 0x138, self.raw()),
            _ => 0,
        }
    }

    pub(crate) fn write(&mut self, reg: u32, value: u32, now: u64, wires: &mut Wires) {
        if (0x48..0x128).contains(&reg) {
            self.outlook = Default::default();
        }
        match reg {
            0x00 => self.control(value, now),
            0x08 => self.debug &= !value,
            0x10..0x20 => self.push((reg >> 2 & 3) as usize, value, now),
            0x30 | 0x34 => {
                let flags = value as u8;
                self.flags = if reg == 0x30 { self.flags & !flags } else { self.flags | flags };
                self.wake(now + 1, |machine| machine.stall == Stall::Flag);
            }
            0x38 => self.bypass = value & pins::MASK,
            0x48..0xc8 => self.program[((reg - 0x48) / 4) as usize] = value as u16,
            0xc8..0x128 => self.write_machine(reg - 0xc8, value, now, wires),
            0x12c..=0x134 => self.interrupts[0].write(reg - 0x12c, value, 0xfff),
            0x138..=0x140 => self.interrupts[1].write(reg - 0x138, value, 0xfff),
            _ => {} // read-only
        }
        self.update(ALL, now, wires);
    }

    /// CTRL: enables, then restarts (3.7).
    fn control(&mut self, value: u32, now: u64) {
        for (i, machine) in self.sm.iter_mut().enumerate() {
            if value >> (4 + i) & 1 != 0 {
                machine.restart();
            }
            if value >> (8 + i) & 1 != 0 {
                machine.restart_clock(now);
            }
            machine.set_enabled(value >> i & 1 != 0, now);
        }
    }

    fn push(&mut self, i: usize, value: u32, now: u64) {
        let machine = &mut self.sm[i];
        if machine.tx_full() {
            self.debug |= 1 << (16 + i); // TXOVER
            return;
        }
        machine.tx.push(value);
        if machine.enabled && machine.due == NOT_DUE {
            machine.wake(now + 1);
        }
    }

    fn write_machine(&mut self, offset: u32, value: u32, now: u64, wires: &mut Wires) {
        let i = (offset / 0x18) as usize;
        match offset % 0x18 {
            0x0c => {} // ADDR is read-only
            0x10 => {
                // SMx_INSTR runs at once, whether or not the machine is enabled (3.5.6.2).
                let mut cycle = self.begin(now, wires);
                self.execute_forced(i, value as u16, &mut cycle);
                self.finish(&cycle, 1 << i, wires);
            }
            field => self.sm[i].write(field, value, now),
        }
    }
}
