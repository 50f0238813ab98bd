//! What can go wrong: with a file that is loaded, and with the program that runs.

use std::fmt;

/// Why an image could not be loaded. Offsets are in bytes from the start of the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Error {
    /// None of ELF, UF2 and Intel HEX by its first bytes, and too long or short, with so many bytes, for a raw flash image.
    UnknownFormat(usize),
    /// A file of one of these formats that is cut short, damaged, or no linked program for a 32-bit Arm: what, where, and what to do.
    BadFile(String),
    /// A UF2 file for another chip, or with a block that names none.
    WrongFamily {
        /// Number of the block in the file.
        block: usize,
        /// The family that it names; 0 when it names none.
        family: u32,
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
    /// A file with nothing to load.
    Empty,
    /// No vector table and no second stage that could start it.
    NoEntry {
        /// Where a vector table was looked for.
        addr: u32,
        /// The words found there: stack pointer and reset handler.
        words: [u32; 2],
    },
    /// A board description, a fault, a recording for a sensor or a picture that is not as it must be.
    BadInput {
        /// Which of these it is.
        of: &'static str,
        /// Its line from 1; 0 when something is missing, or all of it is meant.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// This board has none of these devices.
    NoDevice(&'static str),
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
            Error::BadFile(what) => f.write_str(what),
            Error::WrongFamily { block, family } => write!(
                f,
                "UF2 block {block} is for family {family:#010x}{}, not for the RP2040 (0xe48bff56)",
                family_name(*family)
            ),
            Error::NoMemory { addr, len, flash } => write!(
                f,
                "{len} bytes for address {addr:#010x}, where this board has no memory \
                 (flash 0x10000000 of {flash} bytes, SRAM 0x20000000 of 270336)"
            ),
            Error::Empty => write!(f, "nothing to load in this file"),
            Error::NoEntry { addr, words } => write!(
                f,
                "no program to start: at {addr:#010x} a vector table would be, but stack pointer {:#010x} and \
                 reset handler {:#010x} cannot be one",
                words[0], words[1]
            ),
            Error::BadInput { of, line: 0, what } => write!(f, "{of}: {what}"),
            Error::BadInput { of, line, what } => write!(f, "{of}, line {line}: {what}"),
            Error::NoDevice(device) => write!(f, "this board has no {device}"),
            Error::Io { what, why } => write!(f, "{what}: {why}"),
        }
    }
}

impl std::error::Error for Error {}

impl Error {
    /// About `line`, or 0, of something that was given to the simulator.
    pub(crate) fn bad_input(of: &'static str, line: usize, what: impl ToString) -> Error {
        Error::BadInput { of, line, what: what.to_string() }
    }
}

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
