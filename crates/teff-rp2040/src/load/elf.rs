//! ELF32 executables (System V gABI, chapters 4 and 5; Arm IHI 0044), read by the `object` crate: what is loaded, sections, symbols.

use super::{Image, Section, Symbol, half, take, word};
use crate::error::Error;
use object::LittleEndian as Little;
use object::elf::{self, FileHeader32};
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader, SectionTable, Sym};
use std::sync::Arc;

/// Bytes of a name that are kept: many names may be ends of a long one.
const LONGEST_NAME: usize = 4096;

type Header = FileHeader32<Little>;

pub(super) fn parse(bytes: &[u8]) -> Result<Image, Error> {
    let start = take(bytes, 0, 52, "the ELF header")?;
    check_target(start)?;
    let header = Header::parse(bytes).map_err(damaged)?;
    if header.e_type(Little) != elf::ET_EXEC {
        return Err(Error::BadFile(format!(
            "an ELF file that is not a linked program (type {}): link it first",
            half(start, 16)
        )));
    }
    // A file that is cut off is the usual fault, and its message says where.
    for (table, size, count, what) in
        [(28, 42, 44, "the program headers"), (32, 46, 48, "the section headers")]
    {
        let len = usize::from(half(start, size)) * usize::from(half(start, count));
        take(bytes, word(start, table) as usize, len, what)?;
    }
    let mut segments = Vec::new();
    let mut loaded = 0;
    for segment in header.program_headers(Little, bytes).map_err(damaged)? {
        let (from, len) = segment.file_range(Little);
        if segment.p_type(Little) == elf::PT_LOAD && len > 0 {
            let data = take(bytes, from as usize, len as usize, "a segment")?;
            // Any number of headers may name the same bytes.
            loaded += data.len();
            if loaded > bytes.len() {
                return Err(Error::BadFile(
                    "the segments of this ELF file overlap in it: link it again, the file is damaged".into(),
                ));
            }
            segments.push((segment.p_paddr(Little), data.to_vec()));
        }
    }
    let table = header.sections(Little, bytes).map_err(damaged)?;
    let entry = Some(header.e_entry(Little));
    Ok(Image { segments, entry, sections: sections(&table), symbols: symbols(&table, bytes)? })
}

/// What `object` says of a file that contradicts itself.
fn damaged(e: object::Error) -> Error {
    Error::BadFile(format!("a damaged ELF file: {e}; copy it again or rebuild"))
}

/// A 32-bit little-endian Arm file, or the name of what it is instead.
fn check_target(header: &[u8]) -> Result<(), Error> {
    let other = |found: String| {
        let what = format!("an ELF file for {found}, not for a 32-bit Arm: build for thumbv6m (Cortex-M0+)");
        Err(Error::BadFile(what))
    };
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
    if header[4] != 1 || machine != elf::EM_ARM.0 {
        let bits = if header[4] == 1 { 32 } else { 64 };
        return other(format!("{name} (number {machine}, {bits} bits)"));
    }
    if header[5] != 1 {
        return other("a big-endian Arm".into());
    }
    Ok(())
}

fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(&name[..name.len().min(LONGEST_NAME)]).into_owned()
}

/// The sections that take memory, in file order.
fn sections(table: &SectionTable<Header>) -> Vec<Section> {
    let taken = table.iter().filter(|s| s.sh_flags(Little).contains(elf::SHF_ALLOC) && s.sh_size(Little) > 0);
    taken
        .map(|s| Section {
            name: text(table.section_name(Little, s).unwrap_or_default()),
            addr: s.sh_addr(Little),
            size: s.sh_size(Little),
            loaded: s.sh_type(Little) != elf::SHT_NOBITS,
        })
        .collect()
}

/// Functions, objects and what has no type, by address. Local symbols follow the name of their file.
fn symbols(table: &SectionTable<Header>, bytes: &[u8]) -> Result<Vec<Symbol>, Error> {
    let entries = table.symbols(Little, bytes, elf::SHT_SYMTAB).map_err(damaged)?;
    let (mut symbols, mut file) = (Vec::new(), None::<Arc<str>>);
    for entry in entries.iter() {
        let name = text(entries.symbol_name(Little, entry).unwrap_or_default());
        let kind = entry.st_type();
        if kind == elf::STT_FILE {
            file = Some(name).filter(|name| !name.is_empty()).map(Arc::from);
        } else if [elf::STT_FUNC, elf::STT_OBJECT, elf::STT_NOTYPE].contains(&kind)
            && !name.is_empty()
            && !name.starts_with('$')
        {
            let function = kind == elf::STT_FUNC;
            symbols.push(Symbol {
                name: readable(&name),
                addr: entry.st_value(Little) & if function { !1 } else { !0 },
                size: entry.st_size(Little),
                function,
                file: file.clone().filter(|_| entry.is_local()),
            });
        }
    }
    symbols.sort_by(|a, b| (a.addr, &a.name).cmp(&(b.addr, &b.name)));
    Ok(symbols)
}

/// Names of Rust functions as they stand in the source, in both of rustc's manglings; others are left as they are:
/// `_ZN4core3fmt5write17h0123456789abcdefE` and `_RNvNtCs4dZ_4core3fmt5write` as `core::fmt::write`.
fn readable(linked: &str) -> String {
    // In the alternate form, without the hash that tells builds apart.
    let name = rustc_demangle::try_demangle(linked).map(|name| format!("{name:#}"));
    name.ok().filter(|name| !name.is_empty()).unwrap_or_else(|| linked.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_names_become_paths_and_others_stay() {
        let name = "_ZN112_$LT$usbd_serial..serial_port..SerialPort$LT$B$C$RS$C$WS$GT$$u20$as$u20$usb_device..class..UsbClass$LT$B$GT$\
                    $GT$29get_configuration_descriptors17h530b6b50f7272b43E";
        assert_eq!(
            readable(name),
            "<usbd_serial::serial_port::SerialPort<B,RS,WS> as usb_device::class::UsbClass<B>>::get_configuration_descriptors"
        );
        assert_eq!(readable("_ZN4core9panicking5panic17h0123456789abcdefE"), "core::panicking::panic");
        assert_eq!(readable("_RNvCskwGfYPst2Cb_3foo3bar"), "foo::bar");
        assert_eq!(
            readable("_RNvMsa_NtCseold96UKqg_4core3fmtNtB5_9Formatter12pad_integral"),
            "<core::fmt::Formatter>::pad_integral"
        );
        for other in ["main", "_ZN3foo3barEv", "_ZN99xE", "_ZN0E", "_ZN", "_RNvCs_4core", "_Rubbish"] {
            assert_eq!(readable(other), other);
        }
    }
}
