//! Exceptions: entry and return, priorities, tail-chaining, SysTick, masks and sleep (DDI 0419 chapter B1.5).

mod common;
use common::{SRAM, stopping, to_bkpt};
use teff_rp2040::{Image, Simulator};

/// A program in SRAM with a whole vector table: `main` at 0x100, each handler where `handlers` puts it.
fn program(main: &[u16], handlers: &[(usize, &[u16])]) -> Simulator {
    let mut bytes = vec![0; 0x100];
    let mut word = |i: usize, value: u32| bytes[4 * i..4 * i + 4].copy_from_slice(&value.to_le_bytes());
    word(0, SRAM + 0x8000);
    word(1, SRAM + 0x101);
    for (i, &(number, _)) in handlers.iter().enumerate() {
        word(number, SRAM + 0x201 + 0x40 * i as u32);
    }
    let mut put = |at: usize, code: &[u16]| {
        bytes.resize(bytes.len().max(at), 0);
        bytes.truncate(at);
        bytes.extend(code.iter().flat_map(|h| h.to_le_bytes()));
    };
    put(0x100, main);
    for (i, &(_, code)) in handlers.iter().enumerate() {
        put(0x200 + 0x40 * i, code);
    }
    let mut sim = Simulator::new(stopping());
    sim.load(&Image { segments: vec![(SRAM, bytes)], ..Image::default() }).expect("a small image");
    sim
}

const SVC: usize = 11;
const PEND_SV: usize = 14;
const SYS_TICK: usize = 15;

#[test]
fn svc_stacks_a_frame_and_returns() {
    // movs r0, #7; svc #1; bkpt #2 — the handler reads the stacked R0, adds 1 and writes it back.
    let handler = [0x9800, 0x1c40, 0x9000, 0xbe01, 0x4770];
    let mut sim = program(&[0x2007, 0xdf01, 0xbe02], &[(SVC, &handler)]);
    to_bkpt(&mut sim);
    let sp = SRAM + 0x8000 - 32;
    assert_eq!(sim.register(0, 13), sp);
    assert_eq!(sim.register(0, 14), 0xffff_fff9);
    assert_eq!(sim.register(0, 16) & 0x3f, SVC as u32);
    assert_eq!(sim.read_word(sp + 24), Some(SRAM + 0x104), "the instruction after SVC");
    to_bkpt(&mut sim);
    assert_eq!(sim.register(0, 0), 8);
    assert_eq!((sim.register(0, 13), sim.register(0, 16) & 0x3f), (SRAM + 0x8000, 0));
}

#[test]
fn entry_takes_fifteen_cycles_and_stacks_aligned_to_eight_bytes() {
    // sub sp, #4; svc: the frame is moved down by a word, which bit 9 of the stacked xPSR remembers.
    let mut sim = program(&[0xb081, 0xbe00, 0xdf00, 0xbe03], &[(SVC, &[0xbe01, 0x4770])]);
    let before = to_bkpt(&mut sim) + 1;
    assert_eq!(to_bkpt(&mut sim) - before, 1 + 15);
    let sp = sim.register(0, 13);
    assert_eq!(sp % 8, 0);
    assert_eq!(sim.read_word(sp + 28).unwrap() >> 9 & 1, 1);
    to_bkpt(&mut sim);
    assert_eq!(sim.register(0, 13), SRAM + 0x8000 - 4);
}

/// Code that stores `value` (shifted left by `shift`) at R7 + `offset`.
fn store(value: u16, shift: u16, offset: u16) -> [u16; 3] {
    [0x2000 | value, shift << 6, 0x6000 | (offset / 4) << 6 | 7 << 3]
}

/// Puts 0xe000ed00 into R7: movs r7, #0xe0; lsls r7, #8; adds r7, #0; lsls r7, #16; movs r0, #0xed; lsls r0, #8;
/// orrs r7, r0.
const R7_SCB: [u16; 7] = [0x27e0, 0x023f, 0x3700, 0x043f, 0x20ed, 0x0200, 0x4307];

#[test]
fn a_pending_exception_waits_for_its_priority_and_is_tail_chained() {
    // SHPR3: PendSV 3, SysTick 0. The SVC handler (priority 0) pends both: SysTick of the same priority and
    // PendSV of a lower one run after it, the more urgent first, each without unstacking.
    let mut main = R7_SCB.to_vec();
    main.extend(store(0xc0, 16, 0x20)); // PendSV priority 3
    main.extend([0xdf00, 0xbe09]);
    let mut svc = store(5, 26, 4).to_vec(); // ICSR: PENDSVSET (bit 28) and PENDSTSET (bit 26)
    svc.extend([0x2201, 0x4770]);
    let systick = [0x0092, 0x3202, 0x4770]; // r2 = r2 * 4 + 2, as seen in order
    let pend_sv = [0x0092, 0x3203, 0xbe07, 0x4770];
    let mut sim = program(&main, &[(SVC, &svc), (SYS_TICK, &systick), (PEND_SV, &pend_sv)]);
    to_bkpt(&mut sim);
    assert_eq!(sim.register(0, 14), 0xffff_fff9);
    assert_eq!(sim.register(0, 13), SRAM + 0x8000 - 32, "one frame only");
    assert_eq!(sim.register(0, 2), (4 + 2) * 4 + 3);
    to_bkpt(&mut sim);
    assert_eq!(sim.register(0, 13), SRAM + 0x8000);
}

#[test]
fn systick_interrupts_at_its_period_and_wakes_wfi_even_when_masked() {
    // R7 = 0xe000e010; RVR = 99, CVR = 0, CSR = 7; then WFI for ever, counting in R4.
    let mut main = vec![0x27e0, 0x023f, 0x3700, 0x043f, 0x20e0, 0x0200, 0x3010, 0x4307];
    main.extend([0x2063, 0x6078, 0x2000, 0x60b8, 0x2007, 0x6038]);
    main.extend([0xbf30, 0xe7fd]);
    let mut sim = program(&main, &[(SYS_TICK, &[0x1c64, 0x4770])]);
    sim.run(100);
    sim.run(10_100);
    assert!((99..=101).contains(&sim.register(0, 4)), "one a hundred cycles: {}", sim.register(0, 4));
    // cpsid i before the sleep: WFI ends, the handler does not run, R5 counts the wake-ups.
    let mut masked = main[..main.len() - 2].to_vec();
    masked.extend([0xb672, 0xbf30, 0x1c6d, 0xe7fc]);
    let mut sim = program(&masked, &[(SYS_TICK, &[0x1c64, 0x4770])]);
    sim.run(10_000);
    assert_eq!(sim.register(0, 4), 0);
    assert!(sim.register(0, 5) > 0);
}
