//! How a core fetches, loads and stores: the fast path to SRAM here, everything else by address region.

use super::{Core, FetchFrom};
use crate::bus::Bus;
use crate::bus::map;
use crate::error::Fault;

/// Loads `SIZE` bytes (1, 2 or 4), zero-extended. `at` is the cycle of the data phase; stalls are added to it.
#[inline(always)]
pub(crate) fn load<const SIZE: u32>(
    core: &mut Core,
    bus: &mut Bus,
    addr: u32,
    at: &mut u64,
) -> Result<u32, Fault> {
    let offset = addr.wrapping_sub(map::SRAM);
    if offset < map::SRAM_SIZE && addr & (SIZE - 1) == 0 {
        if bus.contended {
            core.stalls.bank += bus.banks.claim(map::bank_of(offset), at);
        }
        return Ok(lane(bus.sram[(offset >> 2) as usize], offset, SIZE));
    }
    load_elsewhere(core, bus, addr, SIZE, at)
}

/// Stores the low `SIZE` bytes of `value`.
#[inline(always)]
pub(crate) fn store<const SIZE: u32>(
    core: &mut Core,
    bus: &mut Bus,
    addr: u32,
    value: u32,
    at: &mut u64,
) -> Result<(), Fault> {
    let offset = addr.wrapping_sub(map::SRAM);
    if offset < map::SRAM_SIZE && addr & (SIZE - 1) == 0 {
        if bus.contended {
            core.stalls.bank += bus.banks.claim(map::bank_of(offset), at);
        }
        bus.store_sram::<SIZE>(offset, value);
        return Ok(());
    }
    store_elsewhere(core, bus, addr, SIZE, value, at)
}

/// Before an access outside of SRAM: checks the address, and if it is a register's, handles the events that were put off.
fn begin(core: &Core, bus: &mut Bus, addr: u32, size: u32) -> Result<(), Fault> {
    if addr & (size - 1) != 0 {
        return Err(Fault::Unaligned(addr));
    }
    if addr >> 24 >= 0x30 || matches!(addr >> 24, 0x14 | 0x18) {
        bus.heed(core.cycle);
    }
    Ok(())
}

#[inline(never)]
fn load_elsewhere(core: &mut Core, bus: &mut Bus, addr: u32, size: u32, at: &mut u64) -> Result<u32, Fault> {
    begin(core, bus, addr, size)?;
    match addr >> 28 {
        0xd => {
            *at -= 1; // the single-cycle IO port (datasheet 2.3.1)
            bus.sync(*at);
            let word = bus.read_sio(core.id, addr & !3, *at).ok_or(Fault::Read(addr))?;
            Ok(lane(word, addr, size))
        }
        0xe => core.read_ppb(addr & !3, *at, bus).map(|w| lane(w, addr, size)).ok_or(Fault::Read(addr)),
        region => {
            let before = *at;
            let result = bus.read(addr, size, at);
            core.account(region, *at - before);
            result
        }
    }
}

#[inline(never)]
fn store_elsewhere(
    core: &mut Core,
    bus: &mut Bus,
    addr: u32,
    size: u32,
    value: u32,
    at: &mut u64,
) -> Result<(), Fault> {
    begin(core, bus, addr, size)?;
    match addr >> 28 {
        0xd => {
            *at -= 1;
            bus.sync(*at);
            let word = replicate(value, size);
            bus.write_sio(core.id, addr & !3, word, *at).ok_or(Fault::Write(addr))
        }
        0xe => core.write_ppb(addr & !3, value, *at, bus).ok_or(Fault::Write(addr)),
        region => {
            let before = *at;
            let result = bus.write(addr, size, value, at);
            core.account(region, *at - before);
            result
        }
    }
}

/// The bytes of `word` that a load of `size` at `addr` takes.
#[inline(always)]
pub(crate) fn lane(word: u32, addr: u32, size: u32) -> u32 {
    match size {
        4 => word,
        2 => word >> ((addr & 2) * 8) & 0xffff,
        _ => word >> ((addr & 3) * 8) & 0xff,
    }
}

/// Narrow stores put their bytes on every lane of the bus (datasheet 2.1.4); registers take the whole word.
#[inline(always)]
pub(crate) fn replicate(value: u32, size: u32) -> u32 {
    match size {
        4 => value,
        2 => (value & 0xffff) * 0x1_0001,
        _ => (value & 0xff) * 0x0101_0101,
    }
}

/// What a store of `size` bytes at `addr` leaves in `word`.
#[inline(always)]
pub(crate) fn merge(word: u32, addr: u32, size: u32, value: u32) -> u32 {
    let mask = (u32::MAX >> (32 - 8 * size)) << ((addr & 3) * 8);
    word & !mask | replicate(value, size) & mask
}

impl Core {
    /// Brings the word at `word` into the fetch buffer, adding its stall to the core's cycle.
    /// False when nothing can be fetched there; the fault has then been taken.
    #[inline(always)]
    pub(crate) fn fetch(&mut self, word: u32, bus: &mut Bus) -> bool {
        if bus.contended && self.window.from != FetchFrom::Nothing {
            let port = match self.window.from {
                FetchFrom::Sram => map::bank_of(word.wrapping_sub(map::SRAM)),
                FetchFrom::Flash => map::BANK_XIP,
                FetchFrom::Rom | FetchFrom::Nothing => map::BANK_ROM,
            };
            self.stalls.bank += bus.banks.claim(port, &mut self.cycle);
        }
        match self.window.from {
            FetchFrom::Flash => {
                let before = self.cycle;
                bus.xip.fetch(word, &mut self.cycle);
                self.stalls.flash += self.cycle - before;
            }
            FetchFrom::Sram | FetchFrom::Rom => {}
            FetchFrom::Nothing => {
                self.cycle += 1;
                let pc = self.pc;
                self.take_fault(bus, Fault::Fetch(pc), pc);
                return false;
            }
        }
        self.fetched = word;
        true
    }

    /// Books a stall under the region it came from.
    fn account(&mut self, region: u32, cycles: u64) {
        match region {
            1 => self.stalls.flash += cycles,
            4 | 5 => self.stalls.peripheral += cycles,
            _ => self.stalls.bank += cycles,
        }
    }
}
