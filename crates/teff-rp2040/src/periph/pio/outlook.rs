//! How long a state machine cannot be noticed: the least number of instructions before one that moves a FIFO or a
//! flag (datasheet 3.4). Until then it can be run later, all at once, with the same result.

use super::machine::{Machine, NOT_DUE, Stall};

/// More instructions than any path without a repetition.
const FAR: u8 = u8::MAX;

/// What lies ahead of each address of a program, for one machine.
#[derive(Clone, Debug)]
pub(super) struct Outlook {
    /// Instructions before the first that shows at once.
    shows: [u8; 32],
    /// Instructions before the first IN that may push by itself, and between two of them.
    inputs: [u8; 32],
    between: u8,
    /// The most bits that one of them shifts.
    bits: u32,
}

impl Outlook {
    #[cold]
    #[inline(never)]
    pub(super) fn new(program: &[u16; 32], machine: &Machine) -> Outlook {
        let counts = |&instruction: &u16| machine.autopush() && instruction >> 13 == 2;
        let shows = distances(program, machine, shows_at_once);
        let inputs = distances(program, machine, |instruction| counts(&instruction));
        let after =
            |pc: usize| successors(program, machine, pc).map(|next| inputs[next]).min().unwrap_or(FAR);
        let chosen = || (0..32).filter(|&pc| counts(&program[pc]));
        Outlook {
            shows,
            between: chosen().map(|pc| after(pc).saturating_add(1)).min().unwrap_or(FAR),
            bits: chosen().map(|pc| (u32::from(program[pc] & 31) + 31) % 32 + 1).max().unwrap_or(32),
            inputs,
        }
    }

    /// The first cycle in which `machine` may show something, if nothing changes its pins before `next`.
    pub(super) fn next_seen(&self, machine: &Machine, next: u64) -> u64 {
        let begin = match machine.stall {
            _ if machine.due != NOT_DUE => machine.due,
            Stall::Pin(_) if machine.enabled => next,
            // A FIFO or a flag wakes it, and that is seen itself.
            Stall::None | Stall::Pin(_) | Stall::Flag | Stall::Data | Stall::Room => return NOT_DUE,
        };
        if machine.pending.is_some() || machine.autopull() || machine.pushing {
            return begin;
        }
        let pc = usize::from(machine.pc & 31);
        let missing = machine.push_threshold().saturating_sub(machine.isr_count).max(1);
        let inputs = u64::from(if self.bits == 1 { missing } else { missing.div_ceil(self.bits) });
        let pushes = u64::from(self.inputs[pc]) + (inputs - 1) * u64::from(self.between);
        // An instruction takes a tick, and a tick at least a cycle.
        begin.saturating_add(u64::from(self.shows[pc]).min(pushes))
    }
}

/// Instructions that touch a FIFO or a flag, or whose successor is only known when they run.
fn shows_at_once(instruction: u16) -> bool {
    let field = instruction >> 5 & 7;
    match instruction >> 13 {
        0 | 2 | 7 => false,
        1 => field & 3 >= 2,
        3 => matches!(field, 5..=7),
        5 => matches!(field, 4 | 5),
        _ => true,
    }
}

/// Where a machine may go from `pc`.
fn successors(program: &[u16; 32], machine: &Machine, pc: usize) -> impl Iterator<Item = usize> {
    let (bottom, top) = (machine.exec_ctrl >> 7 & 31, machine.exec_ctrl >> 12 & 31);
    let following = if pc == top as usize { bottom as usize } else { (pc + 1) & 31 };
    let jumps = program[pc] >> 13 == 0;
    let target = jumps.then_some(usize::from(program[pc] & 31));
    let always = jumps && program[pc] >> 5 & 7 == 0;
    target.into_iter().chain((!always).then_some(following))
}

/// For each address, the fewest instructions executed before one that `ends` names.
fn distances(program: &[u16; 32], machine: &Machine, ends: impl Fn(u16) -> bool) -> [u8; 32] {
    let mut far: [u8; 32] = std::array::from_fn(|pc| if ends(program[pc]) { 0 } else { FAR });
    loop {
        let before = far;
        for pc in 0..32 {
            let next = successors(program, machine, pc).map(|next| far[next]).min().unwrap_or(FAR);
            far[pc] = far[pc].min(next.saturating_add(1));
        }
        if far == before {
            return far;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The camera's program: wait for HREF, for PCLK up, IN PINS 1, wait for PCLK down.
    #[test]
    fn a_byte_of_eight_inputs_shows_after_four_instructions_for_each_bit() {
        let mut program = [0; 32];
        program[..6].copy_from_slice(&[0x2010, 0x2090, 0x208f, 0x208e, 0x4001, 0x200e]);
        let mut machine = Machine::new();
        (machine.exec_ctrl, machine.shift_ctrl) = (5 << 12 | 2 << 7, 8 << 20 | 1 << 16);
        (machine.enabled, machine.pc, machine.due) = (true, 2, 1000);
        let outlook = Outlook::new(&program, &machine);
        assert_eq!(outlook.next_seen(&machine, 990), 1000 + 2 + 7 * 4);
        machine.isr_count = 7;
        assert_eq!(outlook.next_seen(&machine, 990), 1002);
        (machine.stall, machine.due) = (Stall::Pin(14), NOT_DUE);
        assert_eq!(outlook.next_seen(&machine, 1234), 1236, "asleep until a pin changes");
        machine.stall = Stall::Room;
        assert_eq!(outlook.next_seen(&machine, 1234), NOT_DUE);
    }

    #[test]
    fn pushes_flags_and_computed_jumps_show_at_once() {
        for instruction in [0x8020, 0x80a0, 0xc000, 0x20c1, 0x60e8, 0x60a5, 0xa085, 0xa0a1] {
            let program = [instruction; 32];
            let mut machine = Machine::new();
            (machine.due, machine.enabled) = (50, true);
            assert_eq!(Outlook::new(&program, &machine).next_seen(&machine, 40), 50, "{instruction:#x}");
        }
    }
}
