//! What can go wrong: with a file that is loaded, and with the program that runs.

use std::fmt;

/// Why an image could not be loaded. Offsets are in bytes from the start of the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Error {
    /// None of ELF, UF2 and Intel HEX by its first bytes, and too long or short, with so many bytes, for a raw flash image.
    UnknownFormat(usize),
    /// The file ends inside a structure.
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Where it starts.
        offset: usize,
        /// How many bytes it needs.
        needs: usize,
        /// How many bytes the file has from there.
        has: usize,
    },
    /// An ELF file for this instead of a 32-bit little-endian Arm.
    NotArm(String),
    /// An ELF file that is not linked (relocatable or shared), with its `e_type`.
    NotExecutable(u16),
    /// An ELF file that contradicts itself, and where.
    DamagedElf(String),
    /// A UF2 block that does not have its three magic numbers.
    BadUf2Block {
        /// Number of the block in the file.
        block: usize,
        /// Which check it failed.
        what: &'static str,
    },
    /// A UF2 file for another chip, or with a block that names none.
    WrongFamily {
        /// Number of the block in the file.
        block: usize,
        /// The family that it names; 0 when it names none.
        family: u32,
    },
    /// A UF2 file that does not hold all the blocks that it announces.
    MissingBlocks {
        /// Blocks found.
        found: usize,
        /// Blocks announced.
        announced: usize,
    },
    /// A line of Intel HEX that does not parse.
    BadHexLine {
        /// Line number from 1.
        line: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Bytes for an address where the board has no memory to load.
    NoMemory {
        /// The address.
        addr: u32,
        /// How many bytes were to go there.
        len: usize,
        /// Flash of this board, in bytes.
        flash: usize,
    },
    /// An ELF file whose segments are more bytes than the file has.
    Overlapping,
    /// A file with nothing to load.
    Empty,
    /// No vector table and no second stage that could start it.
    NoEntry {
        /// Where a vector table was looked for.
        addr: u32,
        /// The words found there: stack pointer and reset handler.
        words: [u32; 2],
    },
    /// A board description with a mistake.
    BadBoard {
        /// Its line from 1; 0 when something is missing.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// A fault that cannot be injected, and what is wrong with it.
    BadFault(String),
    /// This board has none of these devices.
    NoDevice(&'static str),
    /// A recording for a sensor that cannot be read.
    Recording {
        /// Its line from 1; 0 when it is no text or all of it is meant.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// A picture that cannot be written or read, and what failed.
    Picture(String),
    /// A socket, file or terminal that failed.
    Io {
        /// What was attempted.
        what: String,
        /// What the system said.
        why: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::UnknownFormat(len) => write!(
                f,
                "not an ELF, UF2, Intel HEX or raw flash image ({len} bytes): give the file that the build made"
            ),
            Error::Truncated { what, offset, needs, has } => write!(
                f,
                "the file ends inside {what} at offset {offset:#x}: {needs} bytes needed, {has} left; \
                 copy it again or rebuild"
            ),
            Error::NotArm(found) => {
                write!(f, "an ELF file for {found}, not for a 32-bit Arm: build for thumbv6m (Cortex-M0+)")
            }
            Error::NotExecutable(e_type) => {
                write!(f, "an ELF file that is not a linked program (type {e_type}): link it first")
            }
            Error::DamagedElf(what) => write!(f, "a damaged ELF file: {what}; copy it again or rebuild"),
            Error::BadUf2Block { block, what } => write!(f, "UF2 block {block}: {what}"),
            Error::WrongFamily { block, family } => write!(
                f,
                "UF2 block {block} is for family {family:#010x}{}, not for the RP2040 (0xe48bff56)",
                family_name(*family)
            ),
            Error::MissingBlocks { found, announced } => {
                write!(f, "UF2 file announces {announced} blocks but holds {found}: copy it again")
            }
            Error::BadHexLine { line, what } => write!(f, "Intel HEX line {line}: {what}"),
            Error::NoMemory { addr, len, flash } => write!(
                f,
                "{len} bytes for address {addr:#010x}, where this board has no memory \
                 (flash 0x10000000 of {flash} bytes, SRAM 0x20000000 of 270336)"
            ),
            Error::Overlapping => {
                write!(f, "the segments of this ELF file overlap in it: link it again, the file is damaged")
            }
            Error::Empty => write!(f, "nothing to load in this file"),
            Error::NoEntry { addr, words } => write!(
                f,
                "no program to start: at {addr:#010x} a vector table would be, but stack pointer {:#010x} and \
                 reset handler {:#010x} cannot be one",
                words[0], words[1]
            ),
            Error::BadBoard { line: 0, what } => write!(f, "board description: {what}"),
            Error::BadBoard { line, what } => write!(f, "board description, line {line}: {what}"),
            Error::Recording { line: 0, what } => write!(f, "recording: {what}"),
            Error::Recording { line, what } => write!(f, "recording, line {line}: {what}"),
            Error::NoDevice(device) => write!(f, "this board has no {device}"),
            Error::BadFault(what) => write!(f, "fault: {what}"),
            Error::Picture(what) => write!(f, "picture: {what}"),
            Error::Io { what, why } => write!(f, "{what}: {why}"),
        }
    }
}

impl std::error::Error for Error {}

/// The families that people mix up with the RP2040's.
fn family_name(family: u32) -> &'static str {
    match family {
        0 => " (none is named)",
        0xe48b_ff57 => " (RP2xxx absolute)",
        0xe48b_ff58 => " (RP2xxx data)",
        0xe48b_ff59 => " (RP2350 Arm)",
        0xe48b_ff5a => " (RP2350 RISC-V)",
        0xe48b_ff5b => " (RP2350 Arm non-secure)",
        0x57755a57 => " (STM32F4)",
        0x68ed2b88 => " (SAMD21)",
        0x1b57745f => " (nRF52)",
        0xada52840 => " (nRF52840)",
        0x1c5f21b0 => " (ESP32)",
        _ => "",
    }
}

/// What made a core take a hard fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// An encoding that ARMv6-M leaves undefined, or UDF.
    Undefined,
    /// An access of a half-word or word at this address, which is not aligned.
    Unaligned(u32),
    /// A load from this address, where nothing answers.
    Read(u32),
    /// A store to this address, where nothing can be written.
    Write(u32),
    /// Instructions fetched from this address, where there are none.
    Fetch(u32),
    /// A branch to this even address, which would leave Thumb state.
    NotThumb(u32),
    /// A BKPT with this immediate that nobody handles.
    Breakpoint(u8),
    /// An SVC at a priority that cannot take it.
    SupervisorCall,
    /// An exception return by this value, which is none, or does not fit the active exceptions.
    BadReturn(u32),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Undefined => write!(f, "undefined instruction"),
            Fault::Unaligned(addr) => write!(f, "unaligned access to {addr:#010x}"),
            Fault::Read(addr) => write!(f, "load from {addr:#010x}, where nothing answers"),
            Fault::Write(addr) => write!(f, "store to {addr:#010x}, which cannot be written"),
            Fault::Fetch(addr) => write!(f, "instruction fetch from {addr:#010x}, where there is no code"),
            Fault::NotThumb(target) => write!(f, "branch to even address {target:#010x}"),
            Fault::Breakpoint(imm) => write!(f, "BKPT #{imm} without a debugger"),
            Fault::SupervisorCall => write!(f, "SVC while its priority is masked"),
            Fault::BadReturn(code) => write!(f, "bad exception return {code:#010x}"),
        }
    }
}
