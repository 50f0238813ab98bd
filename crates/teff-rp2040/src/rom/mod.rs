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
use std::ops::Range;

pub(crate) use boot::boot2_valid;

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

/// A function that runs on the host.
type Native = fn(&mut Core, &mut Bus) -> Result<(), Fault>;

/// The rest of memcpy, and of memset.
const COPY: Native = |core, bus| memory::piece(core, bus, true);
const FILL: Native = |core, bus| memory::piece(core, bus, false);

/// Host functions, in the order in which they lie in the ROM; the number of each is the immediate of its UDF. Those of the boot sequence
/// have their places; of the others each begins the function that its two characters name (2.8.3), or continues that of the row above.
const NATIVES: [(&[u8], Native); 26] = [
    (b"", boot::reset),
    (b"", boot::dead),
    (b"", boot::wait_for_vector),
    (b"", boot::handshake),
    (b"", memory::lookup),
    (b"P3", |core, _| memory::bits(core, u32::count_ones, 20)),
    (b"R3", |core, _| memory::bits(core, u32::reverse_bits, 22)),
    (b"L3", |core, _| memory::bits(core, u32::leading_zeros, 18)),
    (b"T3", |core, _| memory::bits(core, u32::trailing_zeros, 18)),
    (b"MS", memory::begin),
    (b"", FILL),
    (b"S4", memory::begin),
    (b"", FILL),
    (b"MC", memory::begin),
    (b"", COPY),
    (b"C4", memory::begin),
    (b"", COPY),
    (b"UB", boot::usb_boot),
    (b"IF", flash::leave_xip),
    (b"EX", flash::leave_xip),
    (b"RE", flash::erase),
    (b"RP", flash::program),
    (b"FC", flash::flush),
    (b"CX", flash::flush),
    (b"DT", boot::dead),
    (b"DE", boot::dead),
];

/// The ROM's 16 kB as words.
pub(crate) fn image() -> Vec<u32> {
    let mut rom = Builder { bytes: vec![0; map::ROM_SIZE as usize], at: FUNCTIONS };
    rom.word(0, BOOT2);
    for vector in 1..4 {
        rom.word(4 * vector, if vector == 1 { RESET | 1 } else { DEAD | 1 });
    }
    rom.bytes[0x10..0x14].copy_from_slice(&[b'M', b'u', 1, 3]);
    let boot = [RESET, DEAD, WAIT_FOR_VECTOR, WAIT_FOR_VECTOR + 2];
    (0..).zip(boot).for_each(|(number, at)| rom.udf(at, number));
    rom.half(HANG, 0xe7fe); // b .
    let mut number = boot.len() as u8;
    let mut functions = Vec::new();
    for rows in NATIVES[boot.len()..].chunk_by(|_, (code, _)| code.is_empty()) {
        functions.push((rows[0].0, rom.function(number..number + rows.len() as u8)));
        number += rows.len() as u8;
    }
    let (_, lookup) = functions.remove(0);
    functions.push((b"WV", WAIT_FOR_VECTOR | 1));
    let (float, double) = (rom.float_table(FLOAT), rom.float_table(DOUBLE));
    let end = rom.at;
    let name = rom.text(b"teff simulator boot ROM\0");
    let revision = rom.text(&[0; 4]);
    let data: [(&[u8], u32); 8] = [
        (b"CR", name),
        (b"GR", revision),
        (b"SF", float),
        (b"SD", double),
        (b"FS", FUNCTIONS),
        (b"FE", end),
        (b"DS", FUNCTIONS),
        (b"DE", end),
    ];
    let function_table = rom.table(&functions);
    let data_table = rom.table(&data);
    for (at, pointer) in [(0x14, function_table), (0x16, data_table), (0x18, lookup)] {
        rom.half(at, pointer as u16);
    }
    rom.bytes.as_chunks().0.iter().map(|&word| u32::from_le_bytes(word)).collect()
}

struct Builder {
    bytes: Vec<u8>,
    /// Where the next function, text or table goes.
    at: u32,
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
    fn function(&mut self, numbers: Range<u8>) -> u32 {
        let start = self.at;
        for number in numbers {
            self.udf(self.at, number);
            self.at += 2;
        }
        self.half(self.at, BX_LR);
        self.at += 2;
        start | 1
    }

    /// The functions of a floating-point table and the table itself, with its length in words before it.
    fn float_table(&mut self, first: u8) -> u32 {
        let entries: Vec<u32> =
            (first..).take(TABLE_ENTRIES).map(|number| self.function(number..number + 1)).collect();
        self.at = (self.at + 7) & !3;
        self.bytes[self.at as usize - 2] = TABLE_ENTRIES as u8;
        let start = self.at;
        for entry in entries {
            self.word(self.at, entry);
            self.at += 4;
        }
        start
    }

    fn text(&mut self, text: &[u8]) -> u32 {
        let start = self.at.next_multiple_of(4);
        self.bytes[start as usize..start as usize + text.len()].copy_from_slice(text);
        self.at = start + text.len() as u32;
        start
    }

    /// A table of two-character codes and 16-bit pointers, ended by zero.
    fn table(&mut self, rows: &[(&[u8], u32)]) -> u32 {
        let text: Vec<u8> =
            rows.iter().flat_map(|(code, pointer)| [code, &pointer.to_le_bytes()[..2]].concat()).collect();
        self.text(&[&text[..], &[0; 2]].concat())
    }
}

/// Performs host function `number` for `core`, whose PC is already behind the UDF.
#[cold]
pub(crate) fn call(core: &mut Core, bus: &mut Bus, number: u32) -> Result<(), Fault> {
    let number = number as u8;
    if let Some((_, native)) = NATIVES.get(usize::from(number)) {
        return native(core, bus);
    }
    let (first, double) = if number >= DOUBLE { (DOUBLE, true) } else { (FLOAT, false) };
    let entry = number.checked_sub(first).map(usize::from).filter(|&entry| entry < TABLE_ENTRIES);
    float::call(core, entry.ok_or(Fault::Undefined)?, double);
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
