//! Small programs for the tests: half-words at the start of flash or SRAM, ended by BKPT.

#![allow(dead_code)] // each test file uses some of this

pub(crate) mod bench;
pub(crate) mod camera;

use teff_rp2040::{Image, Options, Simulator, Stop};

pub(crate) const FLASH: u32 = 0x1000_0000;
pub(crate) const SRAM: u32 = 0x2000_0000;

/// A vector table at `base` and `code` after it, entered at its first half-word.
pub(crate) fn image(base: u32, code: &[u16]) -> Image {
    let mut bytes = [0x2004_0000u32, base + 9].map(u32::to_le_bytes).concat();
    bytes.extend(code.iter().flat_map(|h| h.to_le_bytes()));
    Image { segments: vec![(base, bytes)], ..Image::default() }
}

/// A chip with `code` at `base`, about to run it.
pub(crate) fn chip(base: u32, code: &[u16], options: Options) -> Simulator {
    let mut sim = Simulator::new(options);
    sim.load(&image(base, code)).expect("a small image loads");
    sim
}

/// Options that stop at BKPT.
pub(crate) fn stopping() -> Options {
    Options { stop_at_bkpt: true, ..Options::default() }
}

/// Runs to the next BKPT of core 0 and goes past it; returns the cycle it stands at.
pub(crate) fn to_bkpt(sim: &mut Simulator) -> u64 {
    match sim.run(sim.cycles() + 10_000_000) {
        Stop::Bkpt { core: 0, .. } => {}
        other => panic!("no BKPT: {other:?}, fault {:?}", sim.faults(0).last()),
    }
    let at = sim.core_cycles(0);
    sim.skip_bkpt(0);
    at
}

/// A program of the corpus.
pub(crate) fn corpus(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name);
    std::fs::read(path).expect("the corpus is checked in")
}

/// Runs a program that reports numbers by BKPT #7 with R0 = 3; returns them when it ends with R0 = 9.
pub(crate) fn reports(sim: &mut Simulator, limit: u64) -> Vec<u32> {
    let mut numbers = Vec::new();
    loop {
        match sim.run(limit) {
            Stop::Bkpt { core, imm: 7, .. } => {
                match sim.register(core, 0) {
                    3 => numbers.push(sim.register(core, 1)),
                    9 => return numbers,
                    _ => {}
                }
                sim.skip_bkpt(core);
            }
            other => {
                panic!(
                    "{other:?} after {numbers:?}, faults {:?}",
                    [sim.faults(0).last(), sim.faults(1).last()]
                )
            }
        }
    }
}
