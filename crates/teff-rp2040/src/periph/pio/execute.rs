//! The nine instructions of a PIO state machine (datasheet 3.4) with side-set and delay.

use super::machine::{Machine, NOT_DUE, Stall};
use super::{Cycle, Pio};
use crate::wires::Wires;

/// How an instruction ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Go on with the next instruction, after the delay.
    Advance,
    /// The instruction wrote the PC.
    Jumped,
    /// The instruction left another to execute; its own delay is ignored (3.4.5.2).
    Execute,
    /// Try again when what it waits for has changed.
    Wait(Stall),
    /// Try again at the next tick.
    Retry,
}

impl Pio {
    /// One tick of machine `i`.
    pub(super) fn step(&mut self, i: usize, cycle: &mut Cycle, wires: &Wires) {
        let machine = &self.sm[i];
        let forced = machine.pending;
        let instruction = forced.unwrap_or(self.program[machine.pc as usize & 31]);
        let (next, delay) = self.execute(i, instruction, cycle);
        let machine = &mut self.sm[i];
        machine.stall = Stall::None;
        if let Next::Wait(stall) = next {
            self.sleep(i, stall);
            // A change that is still in the synchroniser happened before the machine began to wait.
            if let Stall::Pin(pin) = stall
                && self.bypass >> pin & 1 == 0
                && let Some(arrives) = wires.pins.next_arrival(cycle.now)
            {
                self.sm[i].wake(arrives);
            }
            self.note_stall(i, stall);
            return;
        }
        match (forced, next) {
            (Some(_), Next::Advance | Next::Jumped) => machine.pending = None,
            (None, Next::Advance | Next::Execute) => advance(machine),
            _ => {} // the PC is written, or stays
        }
        machine.due_after(1 + delay);
    }

    /// Machine `i` does not go on until what it waits for has changed.
    fn sleep(&mut self, i: usize, stall: Stall) {
        (self.sm[i].stall, self.sm[i].due) = (stall, NOT_DUE);
        if let Stall::Pin(pin) = stall {
            self.awaited |= 1 << pin;
        }
    }

    /// Runs `instruction` now on machine `i`, from SMx_INSTR. If it stalls it stays pending.
    pub(super) fn execute_forced(&mut self, i: usize, instruction: u16, cycle: &mut Cycle) {
        let (next, delay) = self.execute(i, instruction, cycle);
        let machine = &mut self.sm[i];
        machine.stall = Stall::None;
        match next {
            Next::Advance | Next::Jumped => machine.pending = None,
            Next::Retry | Next::Wait(_) => machine.pending = Some(instruction),
            Next::Execute => {}
        }
        if let Next::Wait(stall) = next {
            self.sleep(i, stall);
        } else if machine.enabled {
            machine.wake(cycle.now + 1 + delay);
        }
    }

    /// FDEBUG's stall bits.
    fn note_stall(&mut self, i: usize, stall: Stall) {
        match stall {
            Stall::Data => self.debug |= 1 << (24 + i),
            Stall::Room => self.debug |= 1 << i,
            Stall::None | Stall::Pin(_) | Stall::Flag => {}
        }
    }

    /// Executes one instruction; returns how it ended, and the ticks before what follows.
    fn execute(&mut self, i: usize, instruction: u16, cycle: &mut Cycle) -> (Next, u64) {
        let opcode = instruction >> 13;
        // Autopull refills an exhausted OSR in every cycle that is not an OUT (3.5.4.2).
        if opcode != 3 {
            refill(&mut self.sm[i]);
        }
        let field = instruction >> 5 & 7;
        let low = u32::from(instruction & 31);
        let next = match opcode {
            0 => self.jump(i, field, low, cycle),
            1 => self.wait(i, instruction, low, cycle),
            2 => self.input(i, field, low, cycle),
            3 => self.output(i, field, low),
            4 if instruction & 0x80 == 0 => push(&mut self.sm[i], instruction),
            4 => pull(&mut self.sm[i], instruction),
            5 => self.mov(i, field, low, cycle),
            6 => self.irq(i, instruction, cycle),
            _ => {
                self.set(i, field, low);
                Next::Advance
            }
        };
        // Side-set comes last: it wins where OUT or SET write the same pin (3.5.6).
        let delay = self.side_set(i, u32::from(instruction >> 8 & 31));
        let at_once = matches!(next, Next::Execute | Next::Retry);
        (next, if at_once { 0 } else { u64::from(delay) })
    }

    /// Applies the side-set bits of the delay field and returns the delay (3.5.1).
    fn side_set(&mut self, i: usize, field: u32) -> u32 {
        let machine = &self.sm[i];
        let count = machine.pin_ctrl >> 29;
        if count == 0 {
            return field;
        }
        let delay_bits = 5 - count.min(5);
        let optional = machine.exec_ctrl >> 30 & 1 != 0;
        let bits = field >> delay_bits;
        let pins = count - u32::from(optional);
        if !optional || bits >> (count - 1) & 1 != 0 {
            let base = machine.pin_ctrl >> 10 & 31;
            let to_dirs = machine.exec_ctrl >> 29 & 1 != 0;
            self.write_pins(base, pins, bits, to_dirs);
        }
        field & ((1 << delay_bits) - 1)
    }

    /// Writes `count` pins from `base` on, wrapping at 32, as levels or directions.
    fn write_pins(&mut self, base: u32, count: u32, bits: u32, dirs: bool) {
        if count == 0 {
            return;
        }
        let mask = (u32::MAX >> (32 - count.min(32))).rotate_left(base);
        let word = if dirs { &mut self.dirs } else { &mut self.out };
        *word = *word & !mask | bits.rotate_left(base) & mask;
    }

    fn jump(&mut self, i: usize, condition: u16, target: u32, cycle: &Cycle) -> Next {
        let m = &mut self.sm[i];
        let count_down = |register: &mut u32| {
            let before = *register;
            *register = before.wrapping_sub(1);
            before != 0
        };
        let taken = match condition {
            0 => true,
            1 => m.x == 0,
            2 => count_down(&mut m.x),
            3 => m.y == 0,
            4 => count_down(&mut m.y),
            5 => m.x != m.y,
            6 => cycle.pins >> (m.exec_ctrl >> 24 & 31) & 1 != 0,
            _ => m.osr_count < m.pull_threshold(),
        };
        if !taken {
            return Next::Advance;
        }
        m.pc = target as u8;
        Next::Jumped
    }

    fn wait(&mut self, i: usize, instruction: u16, index: u32, cycle: &mut Cycle) -> Next {
        let polarity = u32::from(instruction >> 7 & 1);
        let m = &mut self.sm[i];
        let pin = match instruction >> 5 & 3 {
            0 => index,
            1 => (m.in_base() + index) & 31,
            _ => {
                let flag = flag_index(index, i);
                if u32::from(cycle.flags >> flag & 1) != polarity {
                    return Next::Wait(Stall::Flag);
                }
                if polarity == 1 {
                    cycle.clear_flags |= 1 << flag;
                }
                return Next::Advance;
            }
        };
        if cycle.pins >> pin & 1 == polarity { Next::Advance } else { Next::Wait(Stall::Pin(pin as u8)) }
    }

    fn input(&mut self, i: usize, source: u16, count: u32, cycle: &Cycle) -> Next {
        let m = &mut self.sm[i];
        let count = if count == 0 { 32 } else { count };
        if !m.pushing {
            m.shift_in(read(m, source, cycle), count);
        }
        if !m.autopush() || m.isr_count < m.push_threshold() {
            return Next::Advance;
        }
        m.pushing = m.rx_full();
        if m.pushing {
            return Next::Wait(Stall::Room);
        }
        m.rx.push(m.isr);
        (m.isr, m.isr_count) = (0, 0);
        Next::Advance
    }

    fn output(&mut self, i: usize, destination: u16, count: u32) -> Next {
        let m = &mut self.sm[i];
        let count = if count == 0 { 32 } else { count };
        if m.autopull() && m.osr_count >= m.pull_threshold() {
            return if refill(m) { Next::Retry } else { Next::Wait(Stall::Data) };
        }
        let right = m.shift_ctrl >> 19 & 1 != 0;
        let mask = u32::MAX >> (32 - count);
        let value = if right { m.osr & mask } else { m.osr.rotate_left(count) & mask };
        m.osr = match (count, right) {
            (32, _) => 0,
            (_, true) => m.osr >> count,
            (_, false) => m.osr << count,
        };
        m.osr_count = (m.osr_count + count).min(32);
        refill(m);
        let (base, width) = (m.pin_ctrl & 31, m.pin_ctrl >> 20 & 63);
        match destination {
            0 => self.write_pins(base, width, value, false),
            1 => m.x = value,
            2 => m.y = value,
            4 => self.write_pins(base, width, value, true),
            5 => {
                m.pc = (value & 31) as u8;
                return Next::Jumped;
            }
            6 => (m.isr, m.isr_count) = (value, count),
            7 => {
                m.pending = Some(value as u16);
                return Next::Execute;
            }
            _ => {} // NULL
        }
        Next::Advance
    }

    fn mov(&mut self, i: usize, destination: u16, low: u32, cycle: &Cycle) -> Next {
        let m = &mut self.sm[i];
        let source = match low & 7 {
            5 => {
                let level = if m.exec_ctrl >> 4 & 1 == 0 { m.tx.len() } else { m.rx.len() };
                if (level as u32) < m.exec_ctrl & 15 { u32::MAX } else { 0 }
            }
            source => read(m, source as u16, cycle),
        };
        let value = match low >> 3 {
            1 => !source,
            2 => source.reverse_bits(),
            _ => source,
        };
        let (base, width) = (m.pin_ctrl & 31, m.pin_ctrl >> 20 & 63);
        match destination {
            0 => self.write_pins(base, width, value, false),
            1 => m.x = value,
            2 => m.y = value,
            4 => {
                m.pending = Some(value as u16);
                return Next::Execute;
            }
            5 => {
                m.pc = (value & 31) as u8;
                return Next::Jumped;
            }
            6 => (m.isr, m.isr_count) = (value, 0),
            7 => (m.osr, m.osr_count) = (value, 0),
            _ => {} // reserved
        }
        Next::Advance
    }

    fn irq(&mut self, i: usize, instruction: u16, cycle: &mut Cycle) -> Next {
        let flag = flag_index(u32::from(instruction & 31), i);
        let (clear, wait) = (instruction & 0x40 != 0, instruction & 0x20 != 0);
        if clear {
            cycle.clear_flags |= 1 << flag;
            return Next::Advance;
        }
        let m = &mut self.sm[i];
        if m.flag_set {
            if cycle.flags >> flag & 1 != 0 {
                return Next::Wait(Stall::Flag);
            }
            m.flag_set = false;
            return Next::Advance;
        }
        cycle.set_flags |= 1 << flag;
        if wait {
            m.flag_set = true;
            return Next::Wait(Stall::Flag);
        }
        Next::Advance
    }

    fn set(&mut self, i: usize, destination: u16, value: u32) {
        let m = &mut self.sm[i];
        let (base, count) = (m.pin_ctrl >> 5 & 31, m.pin_ctrl >> 26 & 7);
        match destination {
            0 => self.write_pins(base, count, value, false),
            1 => m.x = value,
            2 => m.y = value,
            4 => self.write_pins(base, count, value, true),
            _ => {} // reserved
        }
    }
}

/// What IN and MOV read from a source.
fn read(m: &Machine, source: u16, cycle: &Cycle) -> u32 {
    match source {
        0 => cycle.pins.rotate_right(m.in_base()),
        1 => m.x,
        2 => m.y,
        6 => m.isr,
        7 => m.osr,
        _ => 0, // NULL, or reserved
    }
}

/// The next program address, around the wrap.
pub(super) fn advance(m: &mut Machine) {
    let (bottom, top) = (m.exec_ctrl >> 7 & 31, m.exec_ctrl >> 12 & 31);
    m.pc = if u32::from(m.pc) == top { bottom as u8 } else { (m.pc + 1) & 31 };
}

/// Bit 4 of an index adds the machine's number to the low two bits.
fn flag_index(index: u32, machine: usize) -> u32 {
    if index & 0x10 == 0 { index & 7 } else { index & 4 | (index + machine as u32) & 3 }
}

/// Refills an exhausted OSR from the FIFO if autopull is on; true if it did.
fn refill(m: &mut Machine) -> bool {
    if !m.autopull() || m.osr_count < m.pull_threshold() {
        return false;
    }
    match m.tx.pop() {
        Some(word) => {
            (m.osr, m.osr_count) = (word, 0);
            true
        }
        None => false,
    }
}

fn push(m: &mut Machine, instruction: u16) -> Next {
    let (if_full, block) = (instruction & 0x40 != 0, instruction & 0x20 != 0);
    if if_full && m.isr_count < m.push_threshold() {
        return Next::Advance;
    }
    if m.rx_full() {
        if block {
            return Next::Wait(Stall::Room);
        }
    } else {
        m.rx.push(m.isr);
    }
    (m.isr, m.isr_count) = (0, 0);
    Next::Advance
}

fn pull(m: &mut Machine, instruction: u16) -> Next {
    let (if_empty, block) = (instruction & 0x40 != 0, instruction & 0x20 != 0);
    // With autopull, a PULL of a full OSR does nothing (3.4.7.2).
    if if_empty && m.osr_count < m.pull_threshold() || m.autopull() && m.osr_count == 0 {
        return Next::Advance;
    }
    match m.tx.pop() {
        Some(word) => m.osr = word,
        None if block => return Next::Wait(Stall::Data),
        None => m.osr = m.x,
    }
    m.osr_count = 0;
    Next::Advance
}
