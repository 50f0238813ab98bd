//! What a firmware takes of its board, in a form that adds up.

use crate::failure::{Failure, Result};
use crate::ui::{grouped, table};
use serde_json::{Value as Json, json};
use std::cmp::Reverse;
use std::collections::HashSet;
use teff::compile::Board;
use teff_rp2040::{Image, Section, Symbol};

/// Where the flash is that programs run from, and the RAM: RP2040 datasheet 2.2.
const FLASH: u32 = 0x1000_0000;
const RAM: u32 = 0x2000_0000;
/// Objects in RAM that are named have so many bytes at least.
const LARGE: usize = 2048;

/// Bytes of flash and of RAM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Code of the network's functions that the compiler kept apart.
    pub(crate) network_code: usize,
    /// Weights and other tables of the network.
    pub(crate) weights: usize,
    /// All else in flash: the application, its libraries, the boot loader, and what the compiler merged into them.
    pub(crate) application: usize,
    /// All sections that the file has contents for.
    pub(crate) flash: usize,
    /// Sections in RAM, in order of address: name and bytes.
    pub(crate) ram_sections: Vec<(String, usize)>,
    /// All of them.
    pub(crate) ram: usize,
    /// What is left of the RAM: stacks, and what alignment leaves unused.
    pub(crate) ram_left: usize,
    /// Large objects in RAM, largest first: name and bytes.
    pub(crate) large: Vec<(String, usize)>,
    flash_of_board: usize,
    ram_of_board: usize,
}

/// What the network is in the program.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Code,
    Table,
}

impl Usage {
    /// What `program` takes of `board`.
    ///
    /// # Errors
    /// When it is more than the board has, or lies elsewhere.
    pub(crate) fn of(program: &Image, board: &Board) -> Result<Usage> {
        let flash: usize = program.sections.iter().filter(|s| s.loaded).map(|s| s.size as usize).sum();
        let in_ram = |s: &&Section| s.addr >= RAM;
        let mut ram_sections: Vec<&Section> = program.sections.iter().filter(in_ram).collect();
        ram_sections.sort_by_key(|s| s.addr);
        let ram: usize = ram_sections.iter().map(|s| s.size as usize).sum();
        fits(program, board, flash, ram)?;
        let (mut network_code, mut weights) = (0, 0);
        let mut seen = HashSet::new();
        let loaded = |s: &Symbol| {
            program.sections.iter().any(|x| x.loaded && (x.addr..x.addr + x.size).contains(&s.addr))
        };
        // One place may have several names.
        for symbol in program.symbols.iter().filter(|s| s.size > 0 && loaded(s)) {
            match part(symbol) {
                Some(Part::Code) if seen.insert(symbol.addr) => network_code += symbol.size as usize,
                Some(Part::Table) if seen.insert(symbol.addr) => weights += symbol.size as usize,
                Some(_) | None => {}
            }
        }
        let objects = program.symbols.iter().filter(|s| !s.function && s.addr >= RAM);
        let large = objects.filter(|s| s.size as usize >= LARGE);
        let mut large: Vec<(String, usize)> = large.map(|s| (s.name.clone(), s.size as usize)).collect();
        large.sort_by_key(|(name, bytes)| (Reverse(*bytes), name.clone()));
        Ok(Usage {
            network_code,
            weights,
            application: flash.saturating_sub(network_code + weights),
            flash,
            ram_sections: ram_sections.iter().map(|s| (s.name.clone(), s.size as usize)).collect(),
            ram,
            ram_left: board.ram - ram,
            large,
            flash_of_board: board.flash,
            ram_of_board: board.ram,
        })
    }

    /// The table for people, with what is large below. `arena` is what the network's intermediate values take.
    pub(crate) fn text(&self, arena: usize) -> String {
        let row = |name: &str, bytes: usize, of: usize| {
            let share = if of > 0 {
                format!("{:.1} % of {}", bytes as f64 / of as f64 * 100.0, grouped(of))
            } else {
                String::new()
            };
            vec![name.to_string(), grouped(bytes), share]
        };
        let mut rows = vec![
            row("flash", self.flash, self.flash_of_board),
            row("  the application", self.application, 0),
            row("  the network's code", self.network_code, 0),
            row("  its weights", self.weights, 0),
            row("RAM", self.ram, self.ram_of_board),
        ];
        rows.extend(self.ram_sections.iter().map(|(name, bytes)| row(&format!("  {name}"), *bytes, 0)));
        rows.push(row("  left for stacks", self.ram_left, 0));
        let large: Vec<String> =
            self.large.iter().map(|(name, bytes)| format!("{name} {}", grouped(*bytes))).collect();
        let large =
            if large.is_empty() { String::new() } else { format!("large in RAM: {}\n", large.join(", ")) };
        format!(
            "{}{large}the network's intermediate values take {} bytes of RAM\n",
            table(&rows),
            grouped(arena)
        )
    }

    /// The same for scripts.
    pub(crate) fn json(&self, arena: usize) -> Json {
        let named = |list: &[(String, usize)]| -> Json {
            list.iter().map(|(name, bytes)| json!({"name": name, "bytes": bytes})).collect()
        };
        json!({
            "flash": self.flash, "application": self.application, "network_code": self.network_code, "weights": self.weights,
            "ram": self.ram, "ram_sections": named(&self.ram_sections), "ram_left": self.ram_left, "arena": arena,
            "large_in_ram": named(&self.large),
        })
    }
}

/// An error when the program is larger than the board.
fn fits(program: &Image, board: &Board, flash: usize, ram: usize) -> Result<()> {
    let larger = |what: &str, bytes: usize, has: usize, remedy: &str| {
        Err(Failure::new(format!(
            "the firmware does not fit: it takes {} bytes of {what}, {} has {}; {remedy}",
            grouped(bytes),
            board.name,
            grouped(has)
        )))
    };
    if flash > board.flash {
        return larger(
            "flash",
            flash,
            board.flash,
            "make the weights smaller: teff quantize MODEL --data DATASET --flash SIZE -o SMALLER",
        );
    }
    if ram > board.ram {
        return larger("RAM", ram, board.ram, "make the network's largest layers, or its input, smaller");
    }
    for (start, bytes) in &program.segments {
        let inside = *start >= FLASH && (*start - FLASH) as usize + bytes.len() <= board.flash;
        if !inside && !bytes.is_empty() {
            return Err(Failure::new(format!(
                "the firmware has {} bytes for address {start:#010x}, which is not in the flash of {} ({FLASH:#010x} and {} bytes on); \
                 its memory.x is for another board",
                bytes.len(),
                board.name,
                grouped(board.flash)
            )));
        }
    }
    Ok(())
}

/// Whether a symbol is of the network: of the file `net.c`, or of the module `net` with the names that generated Rust has.
fn part(symbol: &Symbol) -> Option<Part> {
    let of_rust = |module: &str| symbol.name.contains(&format!("::net::{module}"));
    let of_c = symbol.file.as_deref() == Some("net.c") || symbol.name == "net";
    match symbol.function {
        true if of_c || of_rust("layers") || of_rust("math") || of_rust("net") => Some(Part::Code),
        false if of_c || of_rust("weights") => Some(Part::Table),
        true | false => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(name: &str, addr: u32, size: u32, function: bool, file: Option<&str>) -> Symbol {
        Symbol { name: name.into(), addr, size, function, file: file.map(Into::into) }
    }

    fn section(name: &str, addr: u32, size: u32, loaded: bool) -> Section {
        Section { name: name.into(), addr, size, loaded }
    }

    /// Code, tables, functions in RAM, zeroed memory.
    fn program(symbols: Vec<Symbol>) -> Image {
        let sections = vec![
            section(".text", FLASH, 0x1000, true),
            section(".rodata", FLASH + 0x1000, 0x2000, true),
            section(".bss", RAM + 0x400, 0x3000, false),
            section(".data", RAM, 0x400, true),
        ];
        Image { sections, symbols, ..Image::default() }
    }

    #[test]
    fn what_is_of_the_network_is_told_apart_in_c_and_rust() {
        let c = vec![
            symbol("net", FLASH, 100, true, None),
            symbol("layer_0", RAM + 8, 50, true, Some("net.c")),
            // A second name of the same function, code of another file, memory without contents.
            symbol("alias", RAM + 8, 50, true, Some("net.c")),
            symbol("layer_0", FLASH + 0x200, 999, true, Some("other.c")),
            symbol("weights", FLASH + 0x1000, 0x1800, false, Some("net.c")),
            symbol("arena", RAM + 0x400, 0x2800, false, Some("net.c")),
        ];
        let rust = vec![
            symbol("network::net::net", FLASH, 100, true, None),
            symbol("network::net::layers::layer_0", RAM + 8, 50, true, None),
            symbol("network::planet::layers", FLASH + 0x200, 999, true, None),
            symbol("network::net::weights::W", FLASH + 0x1000, 0x1800, false, None),
        ];
        for symbols in [c, rust] {
            let usage = Usage::of(&program(symbols), &Board::PICO4ML).unwrap();
            assert_eq!((usage.network_code, usage.weights), (150, 0x1800));
            assert_eq!(usage.flash, 0x3400);
            assert_eq!(usage.application, 0x3400 - 0x1800 - 150);
            assert_eq!(usage.ram_sections, [(".data".into(), 0x400), (".bss".into(), 0x3000)]);
            assert_eq!(usage.ram_left, (264 << 10) - 0x3400);
        }
    }

    #[test]
    fn a_program_larger_than_the_board_or_elsewhere_is_refused() {
        let small = Board { flash: 0x3000, ..Board::PICO4ML };
        let said = |program: &Image, board: &Board| Usage::of(program, board).unwrap_err().message;
        assert!(said(&program(vec![]), &small).contains("13 312 bytes of flash, pico4ml has 12 288"));
        let small = Board { ram: 0x3000, ..Board::PICO4ML };
        assert!(said(&program(vec![]), &small).contains("13 312 bytes of RAM, pico4ml has 12 288"));
        let mut elsewhere = program(vec![]);
        elsewhere.segments = vec![(0x0800_0000, vec![1; 4])];
        assert!(said(&elsewhere, &Board::PICO4ML).contains("0x08000000, which is not in the flash"));
    }
}
