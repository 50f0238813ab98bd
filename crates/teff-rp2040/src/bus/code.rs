//! Decoded instructions of all executable memory, and breakpoints planted among them.

use super::Bus;
use super::map;
use crate::cpu::FetchFrom;
use crate::cpu::op::{Op, Opcode, decode, is_wide};
use std::collections::BTreeSet;

/// Where the decoded half-words of each memory begin.
const ROM_INDEX: usize = 0;
const SRAM_INDEX: usize = (map::ROM_SIZE / 2) as usize;
const XIP_SRAM_INDEX: usize = SRAM_INDEX + (map::SRAM_SIZE / 2) as usize;
const FLASH_INDEX: usize = XIP_SRAM_INDEX + (map::XIP_SRAM_SIZE / 2) as usize;

/// Writes are checked against code in pages of this many bytes (as a shift).
const PAGE_SHIFT: u32 = 8;

#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub(crate) ops: Vec<Op>,
    /// For each page of SRAM, whether any half-word of it is decoded.
    sram_pages: Vec<bool>,
    /// Indices into `ops` where the cores stop.
    breakpoints: BTreeSet<usize>,
}

/// A stretch of memory that code can run in.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct Window {
    pub(crate) base: u32,
    pub(crate) len: u32,
    /// Of its first decoded half-word.
    pub(crate) index: usize,
    pub(crate) from: FetchFrom,
}

impl Code {
    pub(crate) fn new(flash_bytes: usize) -> Code {
        Code {
            ops: vec![Op::UNKNOWN; FLASH_INDEX + flash_bytes / 2],
            sram_pages: vec![false; (map::SRAM_SIZE >> PAGE_SHIFT) as usize + 1],
            breakpoints: BTreeSet::new(),
        }
    }

    /// Forgets the instructions that overlap `len` bytes at `offset` of SRAM.
    #[inline(always)]
    pub(crate) fn sram_written(&mut self, offset: u32) {
        if self.sram_pages[(offset >> PAGE_SHIFT) as usize] {
            self.forget(SRAM_INDEX + (offset >> 1) as usize);
        }
    }

    /// Forgets the word at `index`, and the half-word before it, whose 32-bit instruction may reach into it.
    #[cold]
    fn forget(&mut self, index: usize) {
        let first = index & !1;
        for i in first.saturating_sub(1)..first + 2 {
            self.ops[i] = Op::UNKNOWN;
        }
    }

    pub(crate) fn xip_sram_written(&mut self, offset: u32) {
        self.forget(XIP_SRAM_INDEX + (offset >> 1) as usize);
    }

    /// Forgets all decoded flash, after it was programmed.
    pub(crate) fn flash_written(&mut self) {
        self.ops[FLASH_INDEX..].fill(Op::UNKNOWN);
    }

    pub(crate) fn is_breakpoint(&self, index: usize) -> bool {
        self.breakpoints.contains(&index)
    }
}

impl Bus {
    /// The memory that holds `pc`; empty where nothing can be executed. The contiguous alias of the SRAM banks
    /// (0x21000000) holds data only here.
    #[inline(never)]
    pub(crate) fn fetch_window(&self, pc: u32) -> Window {
        let flash_len = (self.flash.len() * 4) as u32;
        let at = |base, len, index, from| Window { base, len, index, from };
        if pc < map::ROM_SIZE {
            at(0, map::ROM_SIZE, ROM_INDEX, FetchFrom::Rom)
        } else if pc.wrapping_sub(map::SRAM) < map::SRAM_SIZE {
            at(map::SRAM, map::SRAM_SIZE, SRAM_INDEX, FetchFrom::Sram)
        } else if (0x10..=0x13).contains(&(pc >> 24)) {
            let alias = pc & 0xff00_0000;
            let mirror = (pc & 0x00ff_ffff) / flash_len * flash_len;
            at(alias + mirror, flash_len, FLASH_INDEX, FetchFrom::Flash)
        } else if pc.wrapping_sub(map::XIP_SRAM) < map::XIP_SRAM_SIZE && self.xip.ctrl & 1 == 0 {
            at(map::XIP_SRAM, map::XIP_SRAM_SIZE, XIP_SRAM_INDEX, FetchFrom::Sram)
        } else {
            at(pc, 2, 0, FetchFrom::Nothing)
        }
    }

    /// The half-word that decoded instruction `index` stands for.
    fn code_halfword(&self, index: usize) -> u16 {
        let (memory, half): (&[u32], usize) = if index < SRAM_INDEX {
            (&self.rom[..], index)
        } else if index < XIP_SRAM_INDEX {
            (&self.sram[..], index - SRAM_INDEX)
        } else if index < FLASH_INDEX {
            (&self.xip_sram, index - XIP_SRAM_INDEX)
        } else {
            (&self.flash, index - FLASH_INDEX)
        };
        memory.get(half / 2).map_or(0, |word| (word >> (16 * (half & 1))) as u16)
    }

    /// Decodes half-word `index`, remembers it and returns it.
    #[cold]
    pub(crate) fn decode_at(&mut self, index: usize, pc: u32) -> Op {
        let mut op = self.decode_fresh(index);
        if self.code.is_breakpoint(index) {
            op = Op::new(Opcode::Stop, 0, 0, 0, 0);
        }
        if let Some(offset) = pc.checked_sub(map::SRAM).filter(|&o| o < map::SRAM_SIZE) {
            self.code.sram_pages[(offset >> PAGE_SHIFT) as usize] = true;
            self.code.sram_pages[((offset + 2) >> PAGE_SHIFT) as usize] = true;
        }
        self.code.ops[index] = op;
        op
    }

    /// The instruction at `index`, whatever is planted there.
    pub(crate) fn decode_fresh(&self, index: usize) -> Op {
        let first = self.code_halfword(index);
        if index < SRAM_INDEX && first >> 8 == 0xde {
            // In the boot ROM, UDF is a call of the host (see crate::rom).
            return Op::new(Opcode::Native, 0, 0, 0, i32::from(first & 0xff));
        }
        let second = if is_wide(first) { self.code_halfword(index + 1) } else { 0 };
        decode(first, second)
    }

    /// The half-word at `pc` as instruction, if code can stand there.
    pub(crate) fn code_index(&self, pc: u32) -> Option<usize> {
        let window = self.fetch_window(pc);
        (window.from != FetchFrom::Nothing)
            .then(|| window.index + (pc.wrapping_sub(window.base) >> 1) as usize)
    }

    /// Plants or removes a breakpoint; false where no code can be.
    pub(crate) fn set_breakpoint(&mut self, pc: u32, on: bool) -> bool {
        let Some(index) = self.code_index(pc) else { return false };
        if on {
            self.code.breakpoints.insert(index);
        } else {
            self.code.breakpoints.remove(&index);
        }
        self.code.ops[index] = Op::UNKNOWN;
        true
    }
}
