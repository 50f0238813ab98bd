//! ELF32 executables (System V gABI, chapters 4 and 5; Arm IHI 0044).

use super::names::readable;
use super::{Image, Symbol, half, take, word};
use crate::error::Error;

const EM_ARM: u16 = 40;
const ET_EXEC: u16 = 2;
const PT_LOAD: u32 = 1;
const SHT_SYMTAB: u32 = 2;
const STT_OBJECT: u8 = 1;
const STT_FUNC: u8 = 2;
/// Bytes of a symbol's name that are kept: many names may be ends of a long one.
const LONGEST_NAME: usize = 4096;

pub(super) fn parse(bytes: &[u8]) -> Result<Image, Error> {
    let header = take(bytes, 0, 52, "the ELF header")?;
    check_target(header)?;
    let e_type = half(header, 16);
    if e_type != ET_EXEC {
        return Err(Error::NotExecutable { e_type });
    }
    let mut segments = Vec::new();
    let (offset, size, count) = (word(header, 28) as usize, half(header, 42), half(header, 44));
    let mut loaded = 0;
    for i in 0..usize::from(count) {
        let ph = take(bytes, offset + i * usize::from(size), 32, "a program header")?;
        let (kind, from, physical, len) = (word(ph, 0), word(ph, 4), word(ph, 12), word(ph, 16));
        if kind == PT_LOAD && len > 0 {
            let segment = take(bytes, from as usize, len as usize, "a segment")?;
            // Any number of headers may name the same bytes.
            loaded += segment.len();
            if loaded > bytes.len() {
                return Err(Error::Overlapping);
            }
            segments.push((physical, segment.to_vec()));
        }
    }
    let symbols = parse_symbols(bytes, header)?;
    Ok(Image { segments, entry: Some(word(header, 24)), symbols })
}

/// A 32-bit little-endian Arm file, or the name of what it is instead.
fn check_target(header: &[u8]) -> Result<(), Error> {
    let machine = half(header, 18);
    let name = match machine {
        3 => "x86",
        8 => "MIPS",
        62 => "x86-64",
        94 => "Xtensa",
        183 => "64-bit Arm",
        243 => "RISC-V",
        _ => "machine",
    };
    if header[4] != 1 || machine != EM_ARM {
        let bits = if header[4] == 1 { 32 } else { 64 };
        return Err(Error::NotArm { found: format!("{name} (number {machine}, {bits} bits)") });
    }
    if header[5] != 1 {
        return Err(Error::NotArm { found: "a big-endian Arm".into() });
    }
    Ok(())
}

fn parse_symbols(bytes: &[u8], header: &[u8]) -> Result<Vec<Symbol>, Error> {
    let (offset, size, count) = (word(header, 32) as usize, usize::from(half(header, 46)), half(header, 48));
    let section = |i: usize| take(bytes, offset + i * size, 40, "a section header");
    let mut symbols = Vec::new();
    for i in 0..usize::from(count) {
        let table = section(i)?;
        if word(table, 4) != SHT_SYMTAB {
            continue;
        }
        let strings = section(word(table, 24) as usize)?;
        let (str_at, str_len) = (word(strings, 16) as usize, word(strings, 20) as usize);
        let names = take(bytes, str_at, str_len, "the symbol names")?;
        let entries = take(bytes, word(table, 16) as usize, word(table, 20) as usize, "the symbol table")?;
        // A file has one such table; more could all be the same.
        if !symbols.is_empty() {
            break;
        }
        for entry in entries.chunks_exact(16) {
            let kind = entry[12] & 15;
            let name = names.get(word(entry, 0) as usize..).unwrap_or(&[]);
            let name: Vec<u8> = name.iter().copied().take_while(|&b| b != 0).take(LONGEST_NAME).collect();
            if (kind == STT_FUNC || kind == STT_OBJECT || kind == 0) && !name.is_empty() && name[0] != b'$' {
                symbols.push(Symbol {
                    name: readable(&String::from_utf8_lossy(&name)),
                    addr: word(entry, 4) & if kind == STT_FUNC { !1 } else { !0 },
                    size: word(entry, 8),
                    function: kind == STT_FUNC,
                });
            }
        }
    }
    symbols.sort_by(|a, b| (a.addr, &a.name).cmp(&(b.addr, &b.name)));
    Ok(symbols)
}
