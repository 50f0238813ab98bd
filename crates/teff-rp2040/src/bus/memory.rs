//! Reads and writes of any master outside the cores' fast path to SRAM.

use super::{Bus, map};
use crate::cpu::access::{lane, merge, replicate};
use crate::error::Fault;

/// Bus cycles that the APB bridge adds to a read and to a write (datasheet 2.1.3): 3 and 4 in all.
const APB_READ_EXTRA: u64 = 2;
const APB_WRITE_EXTRA: u64 = 3;

impl Bus {
    /// Stores `SIZE` bytes at `offset` of SRAM, which is aligned and inside.
    #[inline(always)]
    pub(crate) fn store_sram<const SIZE: u32>(&mut self, offset: u32, value: u32) {
        let word = &mut self.sram[(offset >> 2) as usize];
        *word = merge(*word, offset, SIZE, value);
        self.code.sram_written(offset);
    }

    fn store_sram_sized(&mut self, offset: u32, size: u32, value: u32) {
        match size {
            4 => self.store_sram::<4>(offset, value),
            2 => self.store_sram::<2>(offset, value),
            _ => self.store_sram::<1>(offset, value),
        }
    }

    /// The offset into striped SRAM that `addr` names, through either view.
    #[inline(always)]
    fn sram_offset(addr: u32) -> Option<u32> {
        let offset = addr.wrapping_sub(map::SRAM);
        if offset < map::SRAM_SIZE {
            return Some(offset);
        }
        let banked = addr.wrapping_sub(map::SRAM_BANKS);
        (banked < 0x4_0000).then(|| map::striped(banked))
    }

    fn claim(&mut self, port: usize, at: &mut u64) {
        if self.contended {
            self.banks.claim(port, at);
        }
    }

    /// Reads `size` bytes at the aligned address `addr`, for a core or the DMA. `at` is the cycle of the
    /// access and moves on by its wait states.
    pub(crate) fn read(&mut self, addr: u32, size: u32, at: &mut u64) -> Result<u32, Fault> {
        if let Some(offset) = Self::sram_offset(addr) {
            self.claim(map::bank_of(offset), at);
            return Ok(lane(self.sram[(offset >> 2) as usize], addr, size));
        }
        let word = match addr >> 24 {
            0 if addr < map::ROM_SIZE => {
                self.claim(map::BANK_ROM, at);
                self.rom[(addr >> 2) as usize]
            }
            0x10..=0x13 => {
                self.claim(map::BANK_XIP, at);
                self.xip.fetch(addr, at);
                self.flash_word(addr)
            }
            0x15 if addr - map::XIP_SRAM < map::XIP_SRAM_SIZE && self.xip.ctrl & 1 == 0 => {
                self.claim(map::BANK_XIP, at);
                self.xip_sram[((addr - map::XIP_SRAM) >> 2) as usize]
            }
            0x14 | 0x18 | 0x40 | 0x50 => {
                self.enter_bridge(addr, at, APB_READ_EXTRA);
                let now = *at;
                *at += Self::bridge_extra(addr, APB_READ_EXTRA);
                self.read_register(addr & !3, now).ok_or(Fault::Read(addr))?
            }
            _ => return Err(Fault::Read(addr)),
        };
        Ok(lane(word, addr, size))
    }

    /// Writes `size` bytes at the aligned address `addr`.
    pub(crate) fn write(&mut self, addr: u32, size: u32, value: u32, at: &mut u64) -> Result<(), Fault> {
        if let Some(offset) = Self::sram_offset(addr) {
            self.claim(map::bank_of(offset), at);
            self.store_sram_sized(offset & !3 | addr & 3, size, value);
            return Ok(());
        }
        match addr >> 24 {
            // The ROM ignores stores without a fault, and the vendor's USB stack relies on that.
            0 if addr < map::ROM_SIZE => {
                if self.rom_stores.0 == 0 {
                    self.rom_stores.1 = addr;
                }
                self.rom_stores.0 += 1;
                Ok(())
            }
            // A store to the cacheable alias drops the line, and faults unless that is switched off (2.6.3.2).
            0x10..=0x13 => {
                self.xip.invalidate(addr);
                let faults = self.xip.ctrl & super::xip::CTRL_ERR_BADWRITE != 0;
                if faults { Err(Fault::Write(addr)) } else { Ok(()) }
            }
            0x15 if addr - map::XIP_SRAM < map::XIP_SRAM_SIZE && self.xip.ctrl & 1 == 0 => {
                let offset = addr - map::XIP_SRAM;
                let word = &mut self.xip_sram[(offset >> 2) as usize];
                *word = merge(*word, addr, size, value);
                self.code.xip_sram_written(offset);
                Ok(())
            }
            0x14 | 0x18 | 0x40 | 0x50 => {
                self.enter_bridge(addr, at, APB_WRITE_EXTRA);
                *at += Self::bridge_extra(addr, APB_WRITE_EXTRA);
                let now = *at;
                let word = if addr >> 20 == 0x501 && addr & 0xf_ffff < 0x1000 {
                    // USB DPRAM is memory: it takes bytes.
                    self.usb.merge(addr & 0xfff, value, size)
                } else {
                    replicate(value, size)
                };
                self.write_register(addr & !3, word, now).ok_or(Fault::Write(addr))
            }
            _ => Err(Fault::Write(addr)),
        }
    }

    /// Waits for the bridge if another master holds it, handles the events up to the access, and takes it.
    fn enter_bridge(&mut self, addr: u32, at: &mut u64, extra: u64) {
        if Self::bridge_extra(addr, extra) != 0 {
            *at = (*at).max(self.apb_free);
            self.apb_free = *at + 1 + extra;
        }
        self.sync(*at);
    }

    /// APB peripherals and the XIP block's registers are behind a bridge; DMA, USB, PIO and XIP_AUX are not.
    fn bridge_extra(addr: u32, extra: u64) -> u64 {
        if addr >> 24 == 0x50 { 0 } else { extra }
    }

    /// The flash word at `addr`, through any alias; flash repeats over the 16 MB.
    pub(crate) fn flash_word(&self, addr: u32) -> u32 {
        self.flash[(addr & 0x00ff_ffff) as usize / 4 % self.flash.len()]
    }

    /// Memory as a debugger sees it: no timing, no side effects; registers read as `None`.
    pub(crate) fn peek_word(&self, addr: u32) -> Option<u32> {
        if let Some(offset) = Self::sram_offset(addr) {
            return Some(self.sram[(offset >> 2) as usize]);
        }
        match addr >> 24 {
            0 => self.rom.get((addr >> 2) as usize).copied(),
            0x10..=0x13 => Some(self.flash_word(addr)),
            0x15 => self.xip_sram.get(((addr - map::XIP_SRAM) >> 2) as usize).copied(),
            _ => None,
        }
    }

    /// A byte of memory as a debugger sees it.
    pub(crate) fn peek_byte(&self, addr: u32) -> Option<u8> {
        self.peek_word(addr & !3).map(|word| lane(word, addr, 1) as u8)
    }

    /// Writes one byte of SRAM or flash as a loader or debugger does; false elsewhere.
    pub(crate) fn poke_byte(&mut self, addr: u32, value: u8) -> bool {
        if let Some(offset) = Self::sram_offset(addr) {
            self.store_sram::<1>(offset, u32::from(value));
            return true;
        }
        if (0x10..=0x13).contains(&(addr >> 24)) {
            let words = self.flash.len();
            let word = &mut self.flash[(addr & 0x00ff_ffff) as usize / 4 % words];
            *word = merge(*word, addr, 1, value.into());
            return true;
        }
        false
    }
}
