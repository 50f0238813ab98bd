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
pub(super) fn bits(core: &mut Core, f: fn(u32) -> u32, cycles: u64) -> Result<(), Fault> {
    core.regs[0] = f(core.regs[0]);
    core.cycle += cycles;
    Ok(())
}

/// Keeps the destination for the return value: R12 holds it, R0 moves.
pub(super) fn begin(core: &mut Core, _: &mut Bus) -> Result<(), Fault> {
    core.regs[12] = core.regs[0];
    core.cycle += 8;
    Ok(())
}

/// memcpy, if it `copies`, else memset: up to four words or bytes to R0, from R1 on or of R1. Ends when R2 has come to zero; otherwise
/// stays on the same instruction.
pub(super) fn piece(core: &mut Core, bus: &mut Bus, copies: bool) -> Result<(), Fault> {
    if core.regs[2] == 0 {
        core.regs[0] = core.regs[12];
        core.cycle += 2;
        return Ok(());
    }
    core.pc -= 2;
    let [to, from, left] = [core.regs[0], core.regs[1], core.regs[2]];
    let words = (to | if copies { from } else { 0 }) & 3 == 0 && left >= 4;
    let size = if words { 4 } else { 1 };
    let count = (left / size).min(4);
    let mut values = [(from & 0xff) * 0x0101_0101; 4];
    let mut at = core.cycle;
    if copies {
        for (i, value) in (0..count).zip(&mut values) {
            at += 1;
            let addr = from.wrapping_add(i * size);
            *value = if words {
                load::<4>(core, bus, addr, &mut at)?
            } else {
                load::<1>(core, bus, addr, &mut at)?
            };
        }
        at += 1;
        core.regs[1] = from.wrapping_add(count * size);
    }
    for (i, value) in (0..count).zip(values) {
        at += 1;
        let addr = to.wrapping_add(i * size);
        if words {
            store::<4>(core, bus, addr, value, &mut at)?;
        } else {
            store::<1>(core, bus, addr, value, &mut at)?;
        }
    }
    core.regs[0] = to.wrapping_add(count * size);
    core.regs[2] -= count * size;
    core.cycle = at + 1 + LOOP;
    Ok(())
}
