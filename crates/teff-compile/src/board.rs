//! Boards that networks run on, as data.

use crate::target::Target;

/// A board: its processor, and what its memories hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Board {
    /// Name used on the command line.
    pub name: &'static str,
    /// The processor of each of its cores.
    pub target: Target,
    /// Bytes of flash.
    pub flash: usize,
    /// Bytes of RAM.
    pub ram: usize,
    /// Cycles a second, as it comes.
    pub clock_hz: u64,
}

impl Board {
    /// ArduCAM Pico4ML: an RP2040 with 2 MB of flash, a camera and a display.
    pub const PICO4ML: Board = Board { name: "pico4ml", ..Board::PICO };

    /// Raspberry Pi Pico: an RP2040 (two Cortex-M0+, 264 kB of SRAM, RP2040 datasheet 1.1 and 2.6.2) with 2 MB of flash.
    pub const PICO: Board = Board {
        name: "pico",
        target: Target::CORTEX_M0PLUS,
        flash: 2 << 20,
        ram: 264 << 10,
        clock_hz: 125_000_000,
    };

    /// Raspberry Pi Pico 2: an RP2350 (two Cortex-M33 with float units, 520 kB of SRAM, RP2350 datasheet 1.1 and 4.2) with 4 MB of flash.
    pub const PICO2: Board = Board {
        name: "pico2",
        target: Target::CORTEX_M33,
        flash: 4 << 20,
        ram: 520 << 10,
        clock_hz: 150_000_000,
    };

    /// All boards.
    pub const ALL: [Board; 3] = [Board::PICO4ML, Board::PICO, Board::PICO2];

    /// The board of this name.
    pub fn from_name(name: &str) -> Option<Board> {
        Board::ALL.into_iter().find(|b| b.name == name)
    }
}
