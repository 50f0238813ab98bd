//! Sleep, and what an instruction or a reset leaves.

use crate::common::SRAM;
use crate::machine::*;
use teff_rp2040::{CoreState, Stop};

#[test]
fn sleep_ends_by_what_would_preempt_and_by_events() {
    let sleeping = |m: &mut Machine| {
        m.0.run(m.0.cycles() + 100);
        m.0.core_state(0)
    };
    // B1.5.18: an event that was sent before is taken at once, the next WFE sleeps.
    let mut m = Machine::new();
    m.quietly(&[0xbf40, 0xbf20]); // sev; wfe
    m.place(&[0xbf20]);
    assert_eq!(sleeping(&mut m), CoreState::WaitEvent);
    // With SEVONPEND a pending interrupt is an event, even one that is not enabled.
    for (scr, ends) in [(0, false), (0x10, true)] {
        let mut m = Machine::new();
        m.set(SCR, scr);
        // SIO's FIFO interrupt of core 0 (15): core 0 writes nothing, so pend another by the timer: TIMER_INTF, line 0.
        m.place(&[0xbf20]);
        assert_eq!(sleeping(&mut m), CoreState::WaitEvent);
        m.0.store_register(0x4000_c000, 0); // out of reset
        m.0.store_register(0x4005_403c, 1);
        m.0.store_register(0x4005_4038, 1);
        let woke = matches!(m.0.run(m.0.cycles() + 1000), Stop::Bkpt { imm: END, .. });
        assert_eq!(woke, ends, "SEVONPEND {scr:#x}");
    }
}

#[test]
fn sleep_that_does_not_last_takes_two_cycles() {
    let mut m = Machine::new();
    m.quietly(&[0xb672]);
    m.set(ISER, 1);
    m.set(ISPR, 1);
    for sleep in [0xbf20, 0xbf30] {
        m.place(&[sleep, 0xbf00]); // wfe or wfi; nop
        let start = m.0.core_cycles(0);
        assert_eq!(m.go(), END);
        assert_eq!(m.0.core_cycles(0) - start, 2 + 1 + 1, "{sleep:#x}, NOP, BKPT");
    }
}

#[test]
fn shifts_by_a_register_go_beyond_all_bits() {
    // A2.2.1: by the low byte; the last bit shifted out is the carry, which a shift by nothing keeps.
    let (lsl, lsr, asr, ror) = (0x4088, 0x40c8, 0x4108, 0x41c8); // of r0 by r1
    let carry = 0x2000_0000;
    for (op, by, from, to, flags) in [
        (lsl, 32, 2, 0, 0),
        (lsl, 32, 3, 0, carry),
        (lsl, 33, 3, 0, 0),
        (lsl, 0x100, 3, 3, carry),
        (lsr, 32, 0x8000_0000, 0, carry),
        (lsr, 32, 0x7fff_ffff, 0, 0),
        (lsr, 33, 0xffff_ffff, 0, 0),
        (lsr, 0, 3, 3, carry),
        (asr, 32, 0x8000_0000, 0xffff_ffff, carry),
        (asr, 200, 0x8000_0000, 0xffff_ffff, carry),
        (asr, 32, 0x7fff_ffff, 0, 0),
        (ror, 32, 0x8000_0001, 0x8000_0001, carry),
        (ror, 33, 3, 0x8000_0001, carry),
        (ror, 0x200, 3, 3, carry),
        (ror, 1, 2, 1, 0),
    ] {
        let mut m = Machine::new();
        m.0.set_register(0, 0, from);
        m.0.set_register(0, 1, by);
        m.0.set_register(0, 16, carry);
        m.quietly(&[op]);
        assert_eq!((m.r(0), m.r(16) & carry), (to, flags), "{op:#x} of {from:#x} by {by}");
    }
}

#[test]
fn a_reset_keeps_the_counts_of_the_run() {
    let mut m = Machine::new();
    m.0.set_register(0, 1, 0x3000_0000);
    assert_eq!(m.run(&[0x6808]), HARD_FAULT);
    m.0.set_register(0, 1, 0x4005_4028);
    m.set(ISER, 1);
    m.load(0x4006_c000); // wait states of the APB bridge
    let (cycles, instructions, stalls) = (m.0.cycles(), m.0.instructions(0), m.0.stalls(0));
    assert!(stalls.peripheral > 0 && instructions > 4 && cycles > instructions);
    m.0.reset();
    assert_eq!((m.0.core_cycles(0), m.0.instructions(0), m.0.stalls(0)), (cycles, instructions, stalls));
    assert_eq!(m.0.faults(0).len(), 1);
    assert_eq!((m.r(13), m.r(14), m.r(15), m.r(16)), (SP, 0xffff_ffff, CODE, 0x0100_0000));
    assert_eq!(m.go(), END);
    assert_eq!(m.load(ISER), 0);
    // Asked for by software with its key (B3.2.6), and not without.
    m.set(ISER, 1);
    m.set(AIRCR, 0x0000_0004);
    m.set(AIRCR, 0x05fa_0000);
    assert_eq!(m.load(ISER), 1);
    m.0.write_bytes(SRAM + 0x600, &[0x08, 0x60, 0x01, 0xbe]); // str r0, [r1]; bkpt #1
    m.0.write_bytes(CODE, &[END, 0xbe]);
    m.0.set_register(0, 0, 0x05fa_0004);
    m.0.set_register(0, 1, AIRCR);
    m.0.set_register(0, 15, SRAM + 0x600);
    assert_eq!(m.go(), END, "from the entry, not on to BKPT 1");
    assert_eq!(m.load(ISER), 0);
}
