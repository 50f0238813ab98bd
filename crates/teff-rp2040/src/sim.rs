//! The simulator as a library: load, run, look, inject.

mod outside;
mod run;
mod stuck;
mod unwind;

use crate::board::{Board, Description};
use crate::bus::{Bus, map};
use crate::clocks::Domain;
use crate::cpu::{Core, CoreState, FaultRecord, Stack, Stalls};
use crate::error::Error;
use crate::load::Image;
use crate::rom;
use std::path::Path;

/// What can be chosen about a run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Cycles of clk_sys that a miss of the XIP cache stalls. The usual second stage takes 20 SCK of two cycles
    /// each, 40; published measurements range to 50.
    pub flash_miss: u64,
    /// Return from [`Simulator::run`] at a BKPT that is not semihosting. Otherwise it faults, as on a chip
    /// without a debugger.
    pub stop_at_bkpt: bool,
    /// Return from [`Simulator::run`] when a core takes a hard fault.
    pub stop_at_fault: bool,
    /// Whether a computer is at the other end of the USB cable; otherwise it is a charger.
    pub usb_host: bool,
    /// Handle every event of camera and PIO in its own cycle, without short cuts: much slower, with the same result, which
    /// the tests compare.
    pub step_by_step: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            flash_miss: 40,
            stop_at_bkpt: false,
            stop_at_fault: false,
            usb_host: true,
            step_by_step: false,
        }
    }
}

/// Why a run came to an end.
#[derive(Clone, PartialEq, Debug)]
pub enum Stop {
    /// The cycle that was asked for is reached.
    Deadline,
    /// The program ended by semihosting, with this status.
    Exit {
        /// 0 for success.
        status: u32,
    },
    /// A BKPT, with the PC on it; [`Simulator::skip_bkpt`] goes past it.
    Bkpt {
        /// The core.
        core: usize,
        /// Its immediate.
        imm: u8,
        /// Its address.
        pc: u32,
    },
    /// A breakpoint of [`Simulator::set_breakpoint`]; the instruction has not run.
    Breakpoint {
        /// The core.
        core: usize,
        /// Its address.
        pc: u32,
    },
    /// A core took a hard fault and [`Options::stop_at_fault`] is set.
    Fault {
        /// The core.
        core: usize,
        /// What happened.
        record: FaultRecord,
    },
    /// A core faulted where it cannot take a fault, and is dead until reset.
    Lockup {
        /// The core.
        core: usize,
        /// The last fault.
        record: FaultRecord,
    },
    /// Every core sleeps and nothing is left that could wake one.
    Deadlock,
    /// The program asked for the USB boot loader, or there is nothing to boot.
    UsbBoot,
}

/// An RP2040 on a board, with a program in it.
pub struct Simulator {
    cores: [Core; 2],
    bus: Box<Bus>,
    pub(crate) options: Options,
    /// Where the cores start when the boot ROM is passed over.
    direct: Option<(u32, [u32; 2])>,
    semihosting: Vec<u8>,
    faults_seen: u64,
}

impl Simulator {
    /// A chip on its own.
    pub fn new(options: Options) -> Simulator {
        Simulator::with_board(options, Board::new(Description::default()))
    }

    /// A chip on `board`.
    ///
    /// # Panics
    /// If [`Description::flash_bytes`] is not a power of two between 4 kB and 16 MB.
    pub fn with_board(options: Options, board: Board) -> Simulator {
        let size = board.description().flash_bytes;
        assert!(size.is_power_of_two() && (4096..=16 << 20).contains(&size), "flash of {size} bytes");
        let mut bus = Box::new(Bus::new(options.flash_miss, board));
        bus.usb.host.present = options.usb_host;
        bus.shortcuts = !options.step_by_step;
        let cores = [Core::new(0), Core::new(1)];
        Simulator { cores, bus, options, direct: None, semihosting: Vec::new(), faults_seen: 0 }
    }

    /// Puts an image into memory and resets the chip. A flash image with a valid second stage starts in the boot
    /// ROM; one with a bare vector table at its start, or at 0x10000100, starts there; a program for SRAM starts
    /// at its entry.
    ///
    /// # Errors
    /// When bytes lie outside of flash and SRAM, or there is nothing to start.
    pub fn load(&mut self, image: &Image) -> Result<(), Error> {
        for (addr, data) in &image.segments {
            self.load_segment(*addr, data)?;
        }
        self.bus.code.flash_written();
        let in_flash = image.segments.iter().any(|(addr, _)| (0x10..=0x13).contains(&(addr >> 24)));
        self.direct = if in_flash && rom::boot2_valid(&self.bus) {
            None
        } else {
            Some(self.find_vectors(image, in_flash)?)
        };
        self.reset();
        Ok(())
    }

    fn load_segment(&mut self, addr: u32, data: &[u8]) -> Result<(), Error> {
        let flash = self.bus.board.description().flash_bytes;
        let fits =
            |base: u32, size: usize| addr.checked_sub(base).is_some_and(|o| o as usize + data.len() <= size);
        let known = fits(map::FLASH, flash)
            || fits(map::SRAM, map::SRAM_SIZE as usize)
            || fits(map::XIP_SRAM, map::XIP_SRAM_SIZE as usize);
        if !known {
            return Err(Error::NoMemory { addr, len: data.len(), flash });
        }
        for (i, &byte) in data.iter().enumerate() {
            self.bus.poke_byte(addr + i as u32, byte);
        }
        Ok(())
    }

    /// A vector table to start at: its address, stack pointer and reset handler.
    fn find_vectors(&self, image: &Image, in_flash: bool) -> Result<(u32, [u32; 2]), Error> {
        let words = |addr: u32| [addr, addr + 4].map(|a| self.bus.peek_word(a).unwrap_or(0));
        let in_sram = |a: u32| a.wrapping_sub(map::SRAM) <= map::SRAM_SIZE;
        let plausible = |[sp, pc]: [u32; 2]| {
            sp & 3 == 0 && in_sram(sp) && pc & 1 == 1 && (in_sram(pc) || (0x10..0x11).contains(&(pc >> 24)))
        };
        let lowest = image.segments.iter().map(|(addr, _)| *addr).min().unwrap_or(map::SRAM);
        let candidates = if in_flash { [map::FLASH, map::FLASH + 0x100] } else { [lowest, map::SRAM] };
        for addr in candidates {
            if plausible(words(addr)) {
                return Ok((addr, words(addr)));
            }
        }
        match image.entry {
            Some(entry) if !in_flash && in_sram(entry) => {
                Ok((map::SRAM, [map::SRAM + map::SRAM_SIZE, entry | 1]))
            }
            _ => Err(Error::NoEntry { addr: candidates[0], words: words(candidates[0]) }),
        }
    }

    /// Resets the chip, as power-on does; memory keeps its contents.
    pub fn reset(&mut self) {
        let now = self.cycles();
        match self.direct {
            None => self.cores[0].reset(now, self.bus.rom[1], self.bus.rom[0]),
            Some((vectors, [sp, pc])) => {
                self.cores[0].reset(now, pc, sp);
                self.cores[0].nvic.vtor = vectors & 0xffff_ff00;
            }
        }
        self.cores[1].reset(now, self.bus.rom[1], self.bus.rom[0]);
    }

    /// Cycles of clk_sys since power-on: those of the core that is ahead.
    pub fn cycles(&self) -> u64 {
        self.cores[0].cycle.max(self.cores[1].cycle)
    }

    /// Cycles that `core` has reached.
    pub fn core_cycles(&self, core: usize) -> u64 {
        self.cores[core].cycle
    }

    /// Instructions that `core` has executed.
    pub fn instructions(&self, core: usize) -> u64 {
        self.cores[core].instructions
    }

    /// Cycles that `core` has lost to stalls.
    pub fn stalls(&self, core: usize) -> Stalls {
        self.cores[core].stalls
    }

    /// The main stack of `core`, and how much of it was in use at most: what to leave for it.
    pub fn stack(&self, core: usize) -> Stack {
        self.cores[core].stack
    }

    /// Simulated time in nanoseconds.
    pub fn nanoseconds(&self) -> u64 {
        self.bus.wires.clocks.ticks(Domain::Nanosecond, self.cycles())
    }

    /// The present frequency of clk_sys in hertz.
    pub fn clock_hz(&self) -> u64 {
        self.bus.wires.clocks.sys_hz
    }

    /// R0 to R12, SP, LR, PC (13 to 15) or xPSR (16) of `core`.
    pub fn register(&self, core: usize, index: usize) -> u32 {
        let core = &self.cores[core];
        match index {
            15 => core.pc,
            16 => core.xpsr(),
            _ => core.regs[index],
        }
    }

    /// Sets a register, numbered as for [`Simulator::register`].
    pub fn set_register(&mut self, core: usize, index: usize, value: u32) {
        let core = &mut self.cores[core];
        match index {
            15 => core.jump(value & !1),
            16 => core.set_flags(value),
            _ => core.regs[index] = value,
        }
    }

    /// What `core` is doing.
    pub fn core_state(&self, core: usize) -> CoreState {
        self.cores[core].state
    }

    /// The latest hard faults of `core`, oldest first, at most eight.
    pub fn faults(&self, core: usize) -> &[FaultRecord] {
        &self.cores[core].faults
    }

    /// Reads and parses an image file.
    ///
    /// # Errors
    /// When the file cannot be read or is none that the chip can load.
    pub fn read_image(path: &Path) -> Result<Image, Error> {
        let bytes = std::fs::read(path)
            .map_err(|e| Error::Io { what: format!("read {}", path.display()), why: e.to_string() })?;
        Image::parse(&bytes)
    }
}
