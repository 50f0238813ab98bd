//! Random instruction sequences against QEMU's Cortex-M0.
//!
//! A small corpus that `oracle/instructions.py` made is checked in. Where Python with unicorn is at hand
//! (`TEFF_ORACLE_PYTHON` names the interpreter, `python3` otherwise) a fresh, larger one is made and checked as well;
//! `TEFF_ORACLE_INSTRUCTIONS` sets how many instructions (default 200 000).

use std::path::Path;
use std::process::Command;
use teff_rp2040::{Image, Options, Simulator, Stop};

const CODE: u32 = 0x2000_0000;
const DATA: u32 = 0x2001_0000;
const DATA_LEN: usize = 0x1000;

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |c, _| c >> 1 ^ if c & 1 != 0 { 0xedb8_8320 } else { 0 })
    })
}

/// The data area's bytes for a seed (xorshift32).
fn data(mut seed: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(DATA_LEN);
    while bytes.len() < DATA_LEN {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        bytes.extend(seed.to_le_bytes());
    }
    bytes
}

/// Runs every case of a corpus; returns the number of half-words of code.
fn check(corpus: &[u8]) -> usize {
    let word = |i: usize| u32::from_le_bytes(corpus[i..i + 4].try_into().expect("four bytes"));
    let (count, length) = (word(0) as usize, word(4) as usize);
    let size = 17 * 4 + 2 * length + 17 * 4;
    assert_eq!(corpus.len(), 8 + count * size, "the corpus is whole");
    let mut sim = Simulator::new(Options { stop_at_bkpt: true, ..Options::default() });
    // A program that stops at once, so that the chip is out of reset.
    let image = Image {
        segments: vec![(CODE, vec![0x00, 0x20, 0x04, 0x20, 9, 0, 0, 0x20, 0, 0xbe])],
        ..Image::default()
    };
    sim.load(&image).expect("a small image");
    assert!(matches!(sim.run(10_000), Stop::Bkpt { core: 0, .. }));
    sim.write_bytes(CODE, &[0x00, 0xbf].repeat(600));
    for case in 0..count {
        let at = 8 + case * size;
        let before: Vec<u32> = (0..17).map(|i| word(at + 4 * i)).collect();
        let code = &corpus[at + 68..at + 68 + 2 * length];
        let after: Vec<u32> = (0..17).map(|i| word(at + 68 + 2 * length + 4 * i)).collect();
        sim.write_bytes(CODE, code);
        // PC-relative loads read past the program: BKPT, then NOPs, as the oracle has there.
        sim.write_bytes(CODE + 2 * length as u32, &[[0x00, 0xbe], [0x00, 0xbf]].concat());
        sim.write_bytes(DATA, &data(before[16]));
        sim.skip_bkpt(0);
        for i in 0..15 {
            sim.set_register(0, i, before[i]);
        }
        sim.set_register(0, 16, before[15]);
        sim.set_register(0, 15, CODE);
        let stop = sim.run(sim.cycles() + 10_000);
        let listing: Vec<String> =
            code.chunks(2).map(|b| format!("{:04x}", u16::from_le_bytes([b[0], b[1]]))).collect();
        let end = CODE + 2 * length as u32;
        assert_eq!(stop, Stop::Bkpt { core: 0, imm: 0, pc: end }, "case {case}: {}", listing.join(" "));
        for i in 0..15 {
            let got = sim.register(0, i);
            assert_eq!(
                got,
                after[i],
                "case {case}: R{i} {got:#x} not {:#x}: {}",
                after[i],
                listing.join(" ")
            );
        }
        assert_eq!(sim.register(0, 16) & 0xf000_0000, after[15], "case {case}: flags: {}", listing.join(" "));
        let memory = sim.read_bytes(DATA, DATA_LEN).expect("SRAM");
        assert_eq!(crc32(&memory), after[16], "case {case}: memory: {}", listing.join(" "));
    }
    count * length
}

#[test]
fn the_checked_in_corpus_agrees() {
    let corpus = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/instructions.bin"));
    assert_eq!(check(&corpus.expect("the corpus is checked in")), 400 * 24);
}

#[test]
fn a_fresh_corpus_agrees_where_unicorn_is_installed() {
    let python = std::env::var("TEFF_ORACLE_PYTHON").unwrap_or("python3".into());
    let has = Command::new(&python).args(["-c", "import unicorn"]).output();
    if !has.is_ok_and(|o| o.status.success()) {
        println!(
            "skipped: {python} cannot import unicorn (pip install unicorn; TEFF_ORACLE_PYTHON=interpreter)"
        );
        return;
    }
    let wanted: usize =
        std::env::var("TEFF_ORACLE_INSTRUCTIONS").map_or(200_000, |v| v.parse().expect("a number"));
    let dir = std::env::temp_dir().join(format!("teff-oracle-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a temporary directory");
    let mut done = 0;
    // Pieces of a million keep the files small.
    for seed in 0.. {
        if done >= wanted {
            break;
        }
        let count = (wanted - done).min(1_000_000).div_ceil(48);
        let out = dir.join("corpus.bin");
        let status = Command::new(&python)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/instructions.py"))
            .args([count.to_string(), "48".into(), (1000 + seed).to_string()])
            .arg(&out)
            .status()
            .expect("python starts");
        assert!(status.success(), "the oracle ran");
        done += check(&std::fs::read(&out).expect("the oracle wrote its corpus"));
    }
    std::fs::remove_dir_all(&dir).expect("the temporary directory can go");
    println!("{done} half-words of code agreed");
}
