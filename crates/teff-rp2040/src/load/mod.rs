//! Program images: ELF, UF2, Intel HEX and raw flash, each into the same [`Image`].

mod elf;
pub(crate) mod hex;
pub mod uf2;

use crate::error::Error;
use std::sync::Arc;

/// A function or object of an ELF file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Symbol {
    /// Its name as linked, or the path that a mangled Rust name stands for.
    pub name: String,
    /// Its address, without the Thumb bit.
    pub addr: u32,
    /// Its size in bytes; 0 when the file does not say.
    pub size: u32,
    /// True for a function.
    pub function: bool,
    /// The source file that it is private to, where the compiler said so: C compilers do.
    pub file: Option<Arc<str>>,
}

/// A part of the memory of the running program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Section {
    /// Its name, as `.text`.
    pub name: String,
    /// Where it is when the program runs.
    pub addr: u32,
    /// Its size in bytes.
    pub size: u32,
    /// Whether the file has its contents, which then are in flash, wherever it runs.
    pub loaded: bool,
}

/// What a file puts into memory.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Image {
    /// Load addresses and bytes, in file order.
    pub segments: Vec<(u32, Vec<u8>)>,
    /// The entry point that the file names, if it does.
    pub entry: Option<u32>,
    /// Sections that take memory, in file order (ELF only).
    pub sections: Vec<Section>,
    /// Symbols sorted by address (ELF only).
    pub symbols: Vec<Symbol>,
}

/// Largest raw image: all of a 16 MB flash.
const MAX_RAW: usize = 16 << 20;

impl Image {
    /// Reads a file of any supported format, told apart by its first bytes. What is none of them is taken as raw
    /// flash contents.
    ///
    /// # Errors
    /// Says which structure of the file is wrong, where, and what to do.
    pub fn parse(bytes: &[u8]) -> Result<Image, Error> {
        let image = if bytes.starts_with(b"\x7fELF") {
            elf::parse(bytes)?
        } else if uf2::is_uf2(bytes) {
            uf2::parse(bytes)?
        } else if bytes.first() == Some(&b':') {
            hex::parse(bytes)?
        } else if bytes.is_empty() {
            return Err(Error::Empty);
        } else if bytes.len() < 8 || bytes.len() > MAX_RAW || looks_like_text(bytes) {
            return Err(Error::UnknownFormat(bytes.len()));
        } else {
            Image { segments: vec![(0x1000_0000, bytes.to_vec())], ..Image::default() }
        };
        if image.segments.iter().all(|(_, data)| data.is_empty()) {
            return Err(Error::Empty);
        }
        Ok(image)
    }

    /// The function that holds `addr`, with the offset in it.
    pub fn function_at(&self, addr: u32) -> Option<(&Symbol, u32)> {
        let after = self.symbols.partition_point(|s| s.addr <= addr);
        let symbol = self.symbols[..after].iter().rev().find(|s| s.function)?;
        let offset = addr - symbol.addr;
        (offset < symbol.size.max(if symbol.size == 0 { u32::MAX } else { 0 })).then_some((symbol, offset))
    }

    /// The address of the symbol called `name`.
    pub fn address_of(&self, name: &str) -> Option<u32> {
        self.symbols.iter().find(|s| s.name == name).map(|s| s.addr)
    }
}

/// A raw image begins with code or a vector table, never with only printable characters.
fn looks_like_text(bytes: &[u8]) -> bool {
    bytes.iter().take(256).all(|b| matches!(b, b'\t' | b'\n' | b'\r' | b' '..=b'~'))
}

/// Adds bytes to the last segment, if they follow it, or as a new one.
fn append(segments: &mut Vec<(u32, Vec<u8>)>, addr: u32, bytes: &[u8]) {
    match segments.last_mut() {
        Some((start, data)) if start.wrapping_add(data.len() as u32) == addr => data.extend(bytes),
        _ => segments.push((addr, bytes.to_vec())),
    }
}

/// `len` bytes at `offset`, or an error that names what they are.
fn take<'a>(bytes: &'a [u8], offset: usize, len: usize, what: &str) -> Result<&'a [u8], Error> {
    bytes.get(offset..).and_then(|rest| rest.get(..len)).ok_or_else(|| {
        let has = bytes.len().saturating_sub(offset);
        Error::BadFile(format!(
            "the file ends inside {what} at offset {offset:#x}: {len} bytes needed, {has} left; copy it again or rebuild"
        ))
    })
}

/// The little-endian word at `offset` of a structure that was already taken whole.
fn word(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes([bytes[offset], bytes[offset + 1], bytes[offset + 2], bytes[offset + 3]])
}

fn half(bytes: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes([bytes[offset], bytes[offset + 1]])
}
