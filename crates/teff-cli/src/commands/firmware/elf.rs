//! What a linked program takes of its memories, from the sections and symbols of its ELF file (System V gABI, chapter 4).

use crate::failure::{Failure, Result};
use std::ops::Range;
use teff_rp2040::Image;

const SHT_SYMTAB: u32 = 2;
const SHT_NOBITS: u32 = 8;
const SHF_ALLOC: u32 = 2;
const STT_OBJECT: u8 = 1;
const STT_FUNC: u8 = 2;
const STT_FILE: u8 = 4;
const STB_LOCAL: u8 = 0;

/// A part of the memory of the running program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) name: String,
    /// Where it is when the program runs.
    pub(crate) address: u32,
    pub(crate) bytes: u32,
    /// Whether the file has its contents, which then are in flash, wherever it runs.
    pub(crate) loaded: bool,
}

/// A function or an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Symbol {
    /// As linked.
    pub(crate) name: String,
    pub(crate) address: u32,
    pub(crate) bytes: u32,
    pub(crate) function: bool,
    /// The source file that it is private to, where the compiler said so: C compilers do.
    pub(crate) file: Option<String>,
}

/// A linked program.
pub(crate) struct Elf {
    /// Its sections that take memory, in file order.
    pub(crate) sections: Vec<Section>,
    /// Its functions and objects.
    pub(crate) symbols: Vec<Symbol>,
    /// Load addresses and bytes, and symbols with the names that their sources have.
    pub(crate) image: Image,
}

impl Elf {
    /// Reads an executable for 32-bit Arm.
    ///
    /// # Errors
    /// When it is none, or is cut off.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Elf> {
        // Checks that it is an executable for Arm.
        let image = Image::parse(bytes)?;
        let file = File { bytes };
        let (table, size) = (file.word(32)? as usize, usize::from(file.half(46)?));
        let (count, names) = (usize::from(file.half(48)?), usize::from(file.half(50)?));
        let header = |i: usize| -> Result<[u32; 10]> {
            let mut words = [0; 10];
            for (k, word) in words.iter_mut().enumerate() {
                *word = file.word(table + i * size + 4 * k)?;
            }
            Ok(words)
        };
        let names = header(names)?[4] as usize;
        let (mut sections, mut symbols) = (Vec::new(), Vec::new());
        for i in 0..count {
            let [name, kind, flags, address, offset, bytes, link, ..] = header(i)?;
            if flags & SHF_ALLOC != 0 && bytes > 0 {
                let name = file.text(names + name as usize);
                sections.push(Section { name, address, bytes, loaded: kind != SHT_NOBITS });
            }
            if kind == SHT_SYMTAB {
                let strings = header(link as usize)?[4] as usize;
                let at = offset as usize;
                symbols.extend(file.symbols(at..at + bytes as usize, strings)?);
            }
        }
        Ok(Elf { sections, symbols, image })
    }
}

struct File<'a> {
    bytes: &'a [u8],
}

impl File<'_> {
    fn take<const N: usize>(&self, at: usize) -> Result<[u8; N]> {
        let all = self.bytes.get(at..).and_then(|rest| rest.first_chunk::<N>());
        all.copied().ok_or_else(|| {
            Failure::new(format!(
                "the ELF file is cut off: {N} bytes are wanted at {at}, it has {}",
                self.bytes.len()
            ))
        })
    }

    fn word(&self, at: usize) -> Result<u32> {
        self.take(at).map(u32::from_le_bytes)
    }

    fn half(&self, at: usize) -> Result<u16> {
        self.take(at).map(u16::from_le_bytes)
    }

    /// The text that ends with a zero.
    fn text(&self, at: usize) -> String {
        let rest = self.bytes.get(at..).unwrap_or(&[]);
        let name: Vec<u8> = rest.iter().copied().take_while(|&b| b != 0).collect();
        String::from_utf8_lossy(&name).into_owned()
    }

    /// Functions and objects of a table whose names are at `strings`. Local symbols follow the name of their file.
    fn symbols(&self, table: Range<usize>, strings: usize) -> Result<Vec<Symbol>> {
        let (mut symbols, mut file) = (Vec::new(), None);
        for at in table.step_by(16) {
            let name = self.text(strings + self.word(at)? as usize);
            let [info] = self.take(at + 12)?;
            match info & 15 {
                STT_FILE => file = Some(name).filter(|f| !f.is_empty()),
                kind @ (STT_FUNC | STT_OBJECT) => symbols.push(Symbol {
                    name,
                    address: self.word(at + 4)? & if kind == STT_FUNC { !1 } else { !0 },
                    bytes: self.word(at + 8)?,
                    function: kind == STT_FUNC,
                    file: if info >> 4 == STB_LOCAL { file.clone() } else { None },
                }),
                _ => {}
            }
        }
        Ok(symbols)
    }
}
