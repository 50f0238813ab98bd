//! A boot ROM of our own making (the interface is datasheet 2.8; nothing of the vendor's code is here).
//!
//! The tables at 0x10 are laid out as programs expect them. Each function is two half-words, `UDF #n` and
//! `BX LR`: in the ROM, UDF calls the host, which does the work on the core's registers and memory and charges
//! its cycles. Functions that copy memory do so in pieces through the real bus, so that their stalls are real
//! and interrupts get in between.

mod boot;
mod flash;
mod float;
mod memory;

use crate::bus::{Bus, map};
use crate::cpu::Core;
use crate::error::Fault;

pub(crate) use boot::boot2_valid;

/// Declares the host functions once: the enumeration, and all of them in its order.
macro_rules! natives {
    ($($name:ident),*) => {
        /// Host functions, the immediate of their UDF.
        #[repr(u8)]
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        enum Native { $($name),* }

        const NATIVES: &[Native] = &[$(Native::$name),*];
    };
}

natives![
    Reset,
    WaitForVector,
    Handshake,
    Dead,
    UsbBoot,
    Lookup,
    Popcount,
    Reverse,
    Clz,
    Ctz,
    CopyBegin,
    CopyLoop,
    FillBegin,
    FillLoop,
    ConnectFlash,
    ExitXip,
    Erase,
    Program,
    FlushCache,
    EnterXip
];

/// UDF immediates from here on are the float functions by table offset / 4, then the double functions.
const FLOAT: u8 = 0x40;
const DOUBLE: u8 = 0x80;
/// Entries of each floating-point table (version 2 and later: 0x80 bytes).
const TABLE_ENTRIES: usize = 0x20;

/// Where the stack pointer starts, and where the second stage is copied to (2.8.1).
pub(crate) const BOOT2: u32 = 0x2004_1f00;
/// Addresses in the ROM.
const RESET: u32 = 0x40;
const DEAD: u32 = 0x44;
const WAIT_FOR_VECTOR: u32 = 0x48;
/// An endless loop, for a core that is made to hang.
pub(crate) const HANG: u32 = 0x50;
const FUNCTIONS: u32 = 0x60;

const BX_LR: u16 = 0x4770;

/// Functions by the two characters that name them (2.8.3), as the host functions that make them up.
const FUNCTION_TABLE: [(&[u8; 2], &[Native]); 17] = [
    (b"P3", &[Native::Popcount]),
    (b"R3", &[Native::Reverse]),
    (b"L3", &[Native::Clz]),
    (b"T3", &[Native::Ctz]),
    (b"MS", &[Native::FillBegin, Native::FillLoop]),
    (b"S4", &[Native::FillBegin, Native::FillLoop]),
    (b"MC", &[Native::CopyBegin, Native::CopyLoop]),
    (b"C4", &[Native::CopyBegin, Native::CopyLoop]),
    (b"UB", &[Native::UsbBoot]),
    (b"IF", &[Native::ConnectFlash]),
    (b"EX", &[Native::ExitXip]),
    (b"RE", &[Native::Erase]),
    (b"RP", &[Native::Program]),
    (b"FC", &[Native::FlushCache]),
    (b"CX", &[Native::EnterXip]),
    (b"DT", &[Native::Dead]),
    (b"DE", &[Native::Dead]),
];

/// The ROM's 16 kB as words.
pub(crate) fn image() -> Vec<u32> {
    let mut rom = Builder { bytes: vec![0; map::ROM_SIZE as usize] };
    rom.word(0, BOOT2);
    for vector in 1..4 {
        rom.word(4 * vector, if vector == 1 { RESET | 1 } else { DEAD | 1 });
    }
    rom.bytes[0x10..0x14].copy_from_slice(&[b'M', b'u', 1, 3]);
    rom.udf(RESET, Native::Reset as u8);
    rom.udf(DEAD, Native::Dead as u8);
    rom.udf(WAIT_FOR_VECTOR, Native::WaitForVector as u8);
    rom.udf(WAIT_FOR_VECTOR + 2, Native::Handshake as u8);
    rom.half(HANG, 0xe7fe); // b .
    let mut at = FUNCTIONS;
    let lookup = rom.function(&mut at, &[Native::Lookup as u8]);
    let mut table = Vec::new();
    for (code, natives) in FUNCTION_TABLE {
        let numbers: Vec<u8> = natives.iter().map(|&n| n as u8).collect();
        table.push((code, rom.function(&mut at, &numbers)));
    }
    table.push((b"WV", WAIT_FOR_VECTOR | 1));
    let float = rom.float_table(&mut at, FLOAT);
    let double = rom.float_table(&mut at, DOUBLE);
    let end = at;
    let name = rom.text(&mut at, b"teff simulator boot ROM\0");
    let revision = rom.text(&mut at, &[0; 4]);
    let data: [(&[u8; 2], u32); 8] = [
        (b"CR", name),
        (b"GR", revision),
        (b"SF", float),
        (b"SD", double),
        (b"FS", FUNCTIONS),
        (b"FE", end),
        (b"DS", FUNCTIONS),
        (b"DE", end),
    ];
    let function_table = rom.table(&mut at, &table);
    let data_table = rom.table(&mut at, &data);
    rom.half(0x14, function_table as u16);
    rom.half(0x16, data_table as u16);
    rom.half(0x18, lookup as u16);
    rom.bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

struct Builder {
    bytes: Vec<u8>,
}

impl Builder {
    fn half(&mut self, at: u32, value: u16) {
        self.bytes[at as usize..at as usize + 2].copy_from_slice(&value.to_le_bytes());
    }

    fn word(&mut self, at: u32, value: u32) {
        self.bytes[at as usize..at as usize + 4].copy_from_slice(&value.to_le_bytes());
    }

    fn udf(&mut self, at: u32, number: u8) {
        self.half(at, 0xde00 | u16::from(number));
    }

    /// Lays down host calls and a return; gives the Thumb address.
    fn function(&mut self, at: &mut u32, numbers: &[u8]) -> u32 {
        let start = *at;
        for &number in numbers {
            self.udf(*at, number);
            *at += 2;
        }
        self.half(*at, BX_LR);
        *at += 2;
        start | 1
    }

    /// The functions of a floating-point table and the table itself, with its length in words before it.
    fn float_table(&mut self, at: &mut u32, first: u8) -> u32 {
        let entries: Vec<u32> = (0..TABLE_ENTRIES as u8).map(|i| self.function(at, &[first + i])).collect();
        *at = (*at + 7) & !3;
        self.bytes[*at as usize - 2] = TABLE_ENTRIES as u8;
        let start = *at;
        for entry in entries {
            self.word(*at, entry);
            *at += 4;
        }
        start
    }

    fn text(&mut self, at: &mut u32, text: &[u8]) -> u32 {
        let start = (*at + 3) & !3;
        self.bytes[start as usize..start as usize + text.len()].copy_from_slice(text);
        *at = start + text.len() as u32;
        start
    }

    /// A table of two-character codes and 16-bit pointers, ended by zero.
    fn table(&mut self, at: &mut u32, rows: &[(&[u8; 2], u32)]) -> u32 {
        let start = (*at + 3) & !3;
        *at = start;
        for &(code, pointer) in rows {
            self.half(*at, u16::from_le_bytes(*code));
            self.half(*at + 2, pointer as u16);
            *at += 4;
        }
        *at += 2;
        start
    }
}

/// Performs host function `number` for `core`, whose PC is already behind the UDF.
#[cold]
pub(crate) fn call(core: &mut Core, bus: &mut Bus, number: u32) -> Result<(), Fault> {
    let number = number as u8;
    if number >= FLOAT {
        let double = number >= DOUBLE;
        let entry = usize::from(number - if double { DOUBLE } else { FLOAT });
        if entry >= TABLE_ENTRIES {
            return Err(Fault::Undefined);
        }
        float::call(core, entry, double);
        return Ok(());
    }
    let Some(&native) = NATIVES.get(usize::from(number)) else { return Err(Fault::Undefined) };
    match native {
        Native::Reset => boot::reset(core, bus),
        Native::WaitForVector => boot::wait_for_vector(core, bus),
        Native::Handshake => boot::handshake(core, bus),
        Native::Dead => boot::dead(core, bus),
        Native::UsbBoot => boot::usb_boot(core, bus),
        Native::Lookup => return memory::lookup(core, bus),
        Native::Popcount => memory::bits(core, u32::count_ones, 20),
        Native::Reverse => memory::bits(core, u32::reverse_bits, 22),
        Native::Clz => memory::bits(core, u32::leading_zeros, 18),
        Native::Ctz => memory::bits(core, u32::trailing_zeros, 18),
        Native::CopyBegin | Native::FillBegin => memory::begin(core),
        Native::CopyLoop | Native::FillLoop => {
            return memory::piece(core, bus, native == Native::CopyLoop);
        }
        Native::ConnectFlash | Native::ExitXip => flash::leave_xip(core),
        Native::Erase => flash::erase(core, bus),
        Native::Program => return flash::program(core, bus),
        Native::FlushCache | Native::EnterXip => flash::flush(core, bus),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_magic_and_the_table_of_floats_are_in_place() {
        let rom = image();
        assert_eq!(rom[4], 0x0301_754d);
        let half = |at: u32| (rom[at as usize / 4] >> (8 * (at & 3))) as u16;
        let mut row = u32::from(half(0x16));
        let mut float = None;
        while half(row) != 0 {
            if half(row) == u16::from_le_bytes(*b"SF") {
                float = Some(half(row + 2));
            }
            row += 4;
        }
        let float = u32::from(float.expect("a soft float table"));
        assert_eq!(half(float - 2) & 0xff, 0x20, "its length in words, two bytes before it");
    }
}
