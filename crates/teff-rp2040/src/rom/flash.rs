//! The flash functions (datasheet 2.8.3.1.3). They work at once and take the typical times of the board's flash
//! chip (Winbond W25Q16JV, chapter 9.6), during which the other core can run from RAM and waits on flash.

use crate::bus::Bus;
use crate::clocks::Domain;
use crate::cpu::Core;
use crate::cpu::access::load;
use crate::error::Fault;

const SECTOR: u32 = 4096;
const BLOCK: u32 = 65536;
const PAGE: u32 = 256;
/// Microseconds: sector erase 45 ms, block erase 150 ms, page program 0.4 ms, all typical.
const SECTOR_ERASE: u64 = 45_000;
const BLOCK_ERASE: u64 = 150_000;
const PAGE_PROGRAM: u64 = 400;
/// Cycles to switch between command mode and execute-in-place (an estimate: a few SPI commands).
const MODE: u64 = 1_000;

/// connect_internal_flash and flash_exit_xip.
pub(super) fn leave_xip(core: &mut Core, _: &mut Bus) -> Result<(), Fault> {
    core.cycle += MODE;
    Ok(())
}

/// flash_enter_cmd_xip and flash_flush_cache.
pub(super) fn flush(core: &mut Core, bus: &mut Bus) -> Result<(), Fault> {
    bus.xip.flush();
    leave_xip(core, bus)
}

/// Occupies core and flash for `micros`.
fn take(core: &mut Core, bus: &mut Bus, micros: u64) {
    bus.touched += 1;
    let nanos = bus.wires.clocks.ticks(Domain::Nanosecond, core.cycle) + micros * 1000;
    if let Some(cycle) = bus.wires.clocks.cycle_of(Domain::Nanosecond, nanos) {
        core.cycle = core.cycle.max(cycle);
    }
    bus.xip.flash_busy = bus.xip.flash_busy.max(core.cycle);
}

/// flash_range_erase(offset, count, block size, block command): whole sectors become ones.
pub(super) fn erase(core: &mut Core, bus: &mut Bus) -> Result<(), Fault> {
    let [mut at, count, block_size, _] = [core.regs[0], core.regs[1], core.regs[2], core.regs[3]];
    let end = at.saturating_add(count);
    let mut micros = 0;
    at &= !(SECTOR - 1);
    while at < end {
        let whole_block = block_size == BLOCK && at % BLOCK == 0 && end - at >= BLOCK;
        let (step, time) = if whole_block { (BLOCK, BLOCK_ERASE) } else { (SECTOR, SECTOR_ERASE) };
        micros += time;
        let words = bus.flash.len();
        for word in (at..at + step).step_by(4) {
            bus.flash[(word / 4) as usize % words] = u32::MAX;
        }
        at += step;
    }
    bus.code.flash_written();
    take(core, bus, micros);
    Ok(())
}

/// flash_range_program(offset, data, count): bits can only be cleared.
pub(super) fn program(core: &mut Core, bus: &mut Bus) -> Result<(), Fault> {
    let [offset, data, count] = [core.regs[0], core.regs[1], core.regs[2]];
    let words = bus.flash.len();
    for i in 0..count {
        let mut at = core.cycle;
        let byte = load::<1>(core, bus, data.wrapping_add(i), &mut at)?;
        let addr = offset.wrapping_add(i) & 0x00ff_ffff;
        let shift = (addr & 3) * 8;
        bus.flash[(addr / 4) as usize % words] &= !(0xff << shift) | byte << shift;
    }
    bus.code.flash_written();
    take(core, bus, u64::from(count.div_ceil(PAGE)) * PAGE_PROGRAM);
    Ok(())
}
