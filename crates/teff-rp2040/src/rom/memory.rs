//! Table lookup, bit functions, and copying and filling memory (datasheet 2.8.3.1).

use crate::bus::Bus;
use crate::cpu::Core;
use crate::cpu::access::{load, store};
use crate::error::Fault;

/// Cycles around each four words of a copy or fill beside the accesses: the loop of an LDM/STM pair.
const LOOP: u64 = 4;
/// Cycles of one row of the table lookup: two loads of half-words, two compares, add, branches.
const LOOKUP_ROW: u64 = 11;

/// rom_table_lookup(table, code): the pointer of the row with `code`, or zero.
pub(super) fn lookup(core: &mut Core, bus: &mut Bus) -> Result<(), Fault> {
    let (mut row, code) = (core.regs[0], core.regs[1]);
    loop {
        let mut at = core.cycle + 1;
        let found = load::<2>(core, bus, row, &mut at)?;
        core.cycle = at + LOOKUP_ROW - 2;
        if found == 0 {
            core.regs[0] = 0;
            return Ok(());
        }
        if found == code & 0xffff {
            core.regs[0] = load::<2>(core, bus, row.wrapping_add(2), &mut at)?;
            return Ok(());
        }
        row = row.wrapping_add(4);
    }
}

/// A function of one word that takes `cycles` (estimates for routines of that many instructions).
pub(super) fn bits(core: &mut Core, f: impl Fn(u32) -> u32, cycles: u64) {
    core.regs[0] = f(core.regs[0]);
    core.cycle += cycles;
}

/// Keeps the destination for the return value: R12 holds it, R0 moves.
pub(super) fn begin(core: &mut Core) {
    core.regs[12] = core.regs[0];
    core.cycle += 8;
}

/// Ends when R2 has come to zero; otherwise stays on the same instruction.
fn again_or_done(core: &mut Core) -> bool {
    if core.regs[2] == 0 {
        core.regs[0] = core.regs[12];
        core.cycle += 2;
        return false;
    }
    core.pc -= 2;
    true
}

/// memcpy: up to four words or bytes from R1 to R0.
pub(super) fn copy(core: &mut Core, bus: &mut Bus) -> Result<(), Fault> {
    if !again_or_done(core) {
        return Ok(());
    }
    let [to, from, left] = [core.regs[0], core.regs[1], core.regs[2]];
    let words = (to | from) & 3 == 0 && left >= 4;
    let size = if words { 4 } else { 1 };
    let count = (left / size).min(4);
    let mut values = [0; 4];
    let mut at = core.cycle;
    for (i, value) in (0..count).zip(&mut values) {
        at += 1;
        let addr = from.wrapping_add(i * size);
        *value =
            if words { load::<4>(core, bus, addr, &mut at)? } else { load::<1>(core, bus, addr, &mut at)? };
    }
    at += 1;
    for (i, value) in (0..count).zip(values) {
        at += 1;
        put(core, bus, to.wrapping_add(i * size), value, words, &mut at)?;
    }
    finish(core, at, count * size, true);
    Ok(())
}

/// memset: up to four words or bytes of R1 to R0.
pub(super) fn fill(core: &mut Core, bus: &mut Bus) -> Result<(), Fault> {
    if !again_or_done(core) {
        return Ok(());
    }
    let [to, value, left] = [core.regs[0], core.regs[1] & 0xff, core.regs[2]];
    let words = to & 3 == 0 && left >= 4;
    let size = if words { 4 } else { 1 };
    let count = (left / size).min(4);
    let mut at = core.cycle;
    for i in 0..count {
        at += 1;
        put(core, bus, to.wrapping_add(i * size), value * 0x0101_0101, words, &mut at)?;
    }
    finish(core, at, count * size, false);
    Ok(())
}

fn put(core: &mut Core, bus: &mut Bus, addr: u32, value: u32, word: bool, at: &mut u64) -> Result<(), Fault> {
    if word { store::<4>(core, bus, addr, value, at) } else { store::<1>(core, bus, addr, value, at) }
}

fn finish(core: &mut Core, at: u64, bytes: u32, copied: bool) {
    core.regs[0] = core.regs[0].wrapping_add(bytes);
    if copied {
        core.regs[1] = core.regs[1].wrapping_add(bytes);
    }
    core.regs[2] -= bytes;
    core.cycle = at + 1 + LOOP;
}
