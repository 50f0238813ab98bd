//! One state machine against rp2040-pio-emulator, clock by clock.
//!
//! A corpus that `tests/oracle/pio.py` made is checked in; where Python with pioemu is at hand (`TEFF_ORACLE_PYTHON`) a
//! fresh one is made as well.

use super::*;
use crate::wires::Wires;
use std::path::Path;
use std::process::Command;

/// The clock at which the first instruction runs.
const BEGIN: u64 = 100;
const OUTPUTS: u32 = 0x0fff_ff00;
const CONFIG: usize = 16;
const CASE_BYTES: usize = 4 + 32 + 4 * CONFIG + 20 + 8;

struct Case {
    length: usize,
    program: Vec<u16>,
    config: [u32; CONFIG],
    fifo: Vec<u32>,
    clocks: usize,
    crc: u32,
}

fn parse(bytes: &[u8]) -> Case {
    let word = |i: usize| u32::from_le_bytes(bytes[i..i + 4].try_into().expect("four bytes"));
    let program = (0..16).map(|i| u16::from_le_bytes([bytes[4 + 2 * i], bytes[5 + 2 * i]])).collect();
    let after = 36 + 4 * CONFIG;
    Case {
        length: word(0) as usize,
        program,
        config: std::array::from_fn(|i| word(36 + 4 * i)),
        fifo: (0..word(after + 16) as usize).map(|i| word(after + 4 * i)).collect(),
        clocks: word(after + 20) as usize,
        crc: word(after + 24),
    }
}

fn inputs(clock: u64, slow: u32) -> u32 {
    ((clock >> slow) as u32).wrapping_mul(0x9e37_79b1) >> 24
}

fn set_up(case: &Case) -> (Pio, Wires) {
    let [
        side_count,
        side_base,
        autopull,
        autopush,
        pull,
        push,
        isr_right,
        osr_right,
        out_base,
        out_count,
        set_base,
        set_count,
        jmp,
        bottom,
        top,
        _,
    ] = case.config;
    let (mut pio, mut wires) = (Pio::new(0), Wires::new(12_000_000));
    for pin in 8..28 {
        wires.pins.ctrl[pin] = func::PIO0 as u32;
    }
    wires.pins.reconfigure(0);
    let mut write = |reg, value| pio.write(reg, value, 0, &mut wires);
    for (i, &instruction) in case.program.iter().take(case.length).enumerate() {
        write(0x48 + 4 * i as u32, u32::from(instruction));
    }
    write(0x38, u32::MAX);
    write(0xcc, jmp << 24 | top << 12 | bottom << 7);
    write(
        0xd0,
        autopush << 16
            | autopull << 17
            | isr_right << 18
            | osr_right << 19
            | (push & 31) << 20
            | (pull & 31) << 25,
    );
    let pins = |sides: u32, side: u32, sets: u32, outs: u32| {
        sides << 29 | sets << 26 | outs << 20 | side << 10 | set_base << 5 | out_base
    };
    // All outputs are driven; SET writes directions through its five pins.
    for base in (8..28).step_by(5) {
        write(0xdc, 5 << 26 | base << 5);
        write(0xd8, 0xe09f);
    }
    write(0xdc, pins(side_count, side_base, set_count, out_count));
    for &word in &case.fifo {
        write(0x10, word);
    }
    pio.sm[0].osr_count = 32;
    pio.write(0x00, 1, BEGIN - 1, &mut wires);
    (pio, wires)
}

fn states(case: &Case) -> Vec<[u32; 11]> {
    let (mut pio, mut wires) = set_up(case);
    (0..case.clocks as u64)
        .map(|clock| {
            let now = BEGIN + clock;
            wires.pins.drive_outside(0xff, inputs(clock, case.config[15]), now);
            let changed = std::mem::take(&mut wires.pins.input_changed);
            pio.inputs_changed(changed, now, &mut wires);
            if pio.sm[0].due <= now {
                pio.event(now, &mut wires);
                let changed = std::mem::take(&mut wires.pins.input_changed);
                pio.inputs_changed(changed, now + 1, &mut wires);
            }
            let m = &pio.sm[0];
            let received = (0..m.rx.len()).scan(m.rx, |rx, _| rx.pop()).fold(0, u32::wrapping_add);
            let (tx, rx) = (m.tx.len() as u32, m.rx.len() as u32);
            let pins = pio.out & OUTPUTS;
            [u32::from(m.pc), m.x, m.y, m.isr, m.isr_count, m.osr, m.osr_count, pins, tx, rx, received]
        })
        .collect()
}

fn crc32(words: &[[u32; 11]]) -> u32 {
    let bytes = words.iter().flatten().flat_map(|w| w.to_le_bytes());
    !bytes.fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |c, _| c >> 1 ^ if c & 1 != 0 { 0xedb8_8320 } else { 0 })
    })
}

fn check(corpus: &[u8]) -> usize {
    let count = corpus[4..].len() / CASE_BYTES;
    assert_eq!(corpus[..4], (count as u32).to_le_bytes());
    for (i, bytes) in corpus[4..].chunks_exact(CASE_BYTES).enumerate() {
        let case = parse(bytes);
        let states = states(&case);
        assert_eq!(
            crc32(&states),
            case.crc,
            "case {i}: program {:04x?}, config {:?}, fifo {:x?}, states {:x?}",
            &case.program[..case.length],
            case.config,
            case.fifo,
            states
        );
    }
    count
}

#[test]
fn the_checked_in_corpus_agrees() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/pio.bin");
    assert_eq!(check(&std::fs::read(path).expect("the corpus is checked in")), 400);
}

#[test]
fn a_fresh_corpus_agrees_where_pioemu_is_installed() {
    let python = std::env::var("TEFF_ORACLE_PYTHON").unwrap_or("python3".into());
    let has = Command::new(&python).args(["-c", "import pioemu"]).output();
    if !has.is_ok_and(|o| o.status.success()) {
        println!(
            "skipped: {python} cannot import pioemu (pip install rp2040-pio-emulator; TEFF_ORACLE_PYTHON=interpreter)"
        );
        return;
    }
    let out = std::env::temp_dir().join(format!("teff-pio-{}.bin", std::process::id()));
    let count = std::env::var("TEFF_ORACLE_PIO").unwrap_or("300".into());
    let status = Command::new(&python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/pio.py"))
        .args([&count, "77"])
        .arg(&out)
        .status();
    assert!(status.expect("python starts").success(), "the oracle ran");
    let checked = check(&std::fs::read(&out).expect("the oracle wrote its corpus"));
    std::fs::remove_file(&out).expect("the temporary file can go");
    println!("{checked} PIO programs agreed");
}
