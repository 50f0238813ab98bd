//! System registers and special registers.

use crate::common::SRAM;
use crate::machine::*;

#[test]
fn registers_keep_the_bits_they_have() {
    // B3.2 to B3.4; two bits of priority (RP2040 datasheet 2.4.5). SYST_CSR without its enable.
    let mut m = Machine::new();
    m.quietly(&[0xb672]); // cpsid i
    for (addr, written, read) in [
        (SYST_CSR, 0xffff_fffe, 6),
        (SYST_CSR + 4, 0xffff_ffff, 0x00ff_ffff),
        (SYST_CSR + 8, 0xffff_ffff, 0),
        (ISER, 0x8000_0005, 0x8000_0005),
        (ICER, 0x0000_0001, 0x8000_0004),
        (ISPR, 0x8000_0030, 0x8000_0030),
        (ICPR, 0x8000_0010, 0x0000_0020),
        (0xe000_ed00, 0, 0x410c_c601),
        (VTOR, 0xffff_ffff, 0xffff_ff00),
        (AIRCR, 0, 0xfa05_0000),
        (SCR, 0xffff_ffff, 0x16),
        (SCR, 0, 0),
        (0xe000_ed14, 0, 0x208),
        (SHPR2, 0xffff_ffff, 0xc000_0000),
        (SHPR3, 0xffff_ffff, 0xc0c0_0000),
        (0xe000_ed28, 0xffff_ffff, 0),
    ] {
        m.set(addr, written);
        assert_eq!(m.load(addr), read, "{addr:#x}");
    }
    assert_eq!((m.load(ISER), m.load(ICER)), (0x8000_0004, 0x8000_0004));
    assert_eq!((m.load(ISPR), m.load(ICPR)), (0x20, 0x20));
    // Each priority register has its own four interrupts.
    let words: Vec<u32> = (0..8).map(|i| 0xc080_4000u32.rotate_right(8 * i) ^ (i << 30)).collect();
    words.iter().enumerate().for_each(|(i, &w)| m.set(IPR + 4 * i as u32, w | 0x3f3f_3f3f));
    for (i, &w) in words.iter().enumerate() {
        assert_eq!(m.load(IPR + 4 * i as u32), w, "IPR{i}");
    }
    assert_eq!((m.load(SHPR2), m.load(SHPR3)), (0xc000_0000, 0xc0c0_0000));
}

#[test]
fn narrow_accesses_take_their_lanes() {
    let mut m = Machine::new();
    let read = |m: &mut Machine, op: u16, addr: u32| {
        m.0.set_register(0, 1, addr);
        m.quietly(&[op]);
        m.r(0)
    };
    let (ldrb, ldrh) = (0x7808, 0x8808);
    assert_eq!([0, 1, 2, 3].map(|i| read(&mut m, ldrb, 0xe000_ed00 + i)), [0x01, 0xc6, 0x0c, 0x41]);
    assert_eq!([0, 2].map(|i| read(&mut m, ldrh, 0xe000_ed00 + i)), [0xc601, 0x410c]);
    // SIO: registers take the whole word, every lane of which has the bytes of a narrow store (datasheet 2.1.4).
    let output = 0xd000_0010;
    for (op, written) in [(0x7008, 0x2e2e_2e2e), (0x8008, 0x1d2e_1d2e), (0x6008, 0x0c1d_1d2e)] {
        m.0.set_register(0, 0, 0x0c1d_1d2e);
        m.0.set_register(0, 1, output);
        m.quietly(&[op]);
        assert_eq!(m.load(output), written & 0x3fff_ffff);
        let byte = read(&mut m, ldrb, output + 1);
        assert_eq!(byte, written >> 8 & 0xff);
    }
}

#[test]
fn accesses_that_nothing_answers_are_hard_faults() {
    for (code, addr) in [
        (0x6808, 0xe000_1000), // ldr r0, [r1]
        (0x6008, 0xe000_1000),
        (0x6808, 0xe000_ed02),
        (0x6008, 0xe000_ed01),
        (0x8808, 0xd000_0001),
        (0x6808, SRAM + 2),
        (0x6008, SRAM + 1),
        (0x8008, SRAM + 1),
        (0x6808, SRAM + 0x4_2000),
        (0x6008, SRAM + 0x4_2000),
        (0x6808, 0x3000_0000),
        (0x6808, 0xd000_0ffc),
    ] {
        let mut m = Machine::new();
        m.0.set_register(0, 1, addr);
        let cycle = m.0.core_cycles(0);
        assert_eq!(m.run(&[code]), HARD_FAULT, "{code:#x} at {addr:#x}");
        assert_eq!(m.0.core_cycles(0) - cycle, 1 + 15 + 1, "the access, the entry, BKPT");
        assert_eq!(m.0.read_word(SP - 32 + 24), Some(CODE), "the frame holds the instruction");
        let fault = m.0.faults(0).last().expect("a fault");
        assert_eq!(fault.pc, CODE);
        assert!(fault.cycle >= cycle, "{fault:?}");
    }
}

#[test]
fn icsr_shows_what_is_pending() {
    // B3.2.4. With PRIMASK set nothing is taken.
    let mut m = Machine::new();
    m.quietly(&[0xb672]);
    let (isr_pending, pend_st, pend_sv) = (1 << 22, 1 << 26, 1 << 28);
    assert_eq!(m.load(ICSR), 0);
    m.set(ISPR, 1 << 3);
    assert_eq!(m.load(ICSR), isr_pending, "pending, not enabled: no VECTPENDING");
    m.set(ISER, 1 << 3 | 1 << 7);
    assert_eq!(m.load(ICSR), isr_pending | (16 + 3) << 12);
    m.set(ISPR, 1 << 7);
    assert_eq!(m.load(ICSR), isr_pending | (16 + 3) << 12, "the lower number of equal priorities");
    m.set(IPR, 0x8000_0000); // interrupt 3 is the least urgent
    assert_eq!(m.load(ICSR), isr_pending | (16 + 7) << 12);
    m.set(ICPR, 1 << 3 | 1 << 7);
    for _ in 0..2 {
        m.set(ICSR, pend_sv);
        assert_eq!(m.load(ICSR), pend_sv | 14 << 12);
    }
    m.set(ICSR, pend_st);
    assert_eq!(m.load(ICSR), pend_sv | pend_st | 14 << 12);
    m.set(ICSR, 1 << 27);
    assert_eq!(m.load(ICSR), pend_st | 15 << 12, "PENDSVCLR");
    m.set(ICSR, 1 << 25);
    assert_eq!(m.load(ICSR), 0, "PENDSTCLR");
    // NMI is taken at once. Its handler is what is active; SVCall pending shows in SHCSR alone, and cannot be set.
    assert_eq!(m.store(ICSR, 1 << 31), NMI);
    assert_eq!(m.load(ICSR), u32::from(NMI));
    m.set(ICSR, 1 << 31);
    assert_eq!(m.load(ICSR), 1 << 31 | 2 << 12 | u32::from(NMI), "pending again");
    m.set(ISPR, 1 << 7);
    assert_eq!(
        m.load(ICSR),
        1 << 31 | isr_pending | 2 << 12 | u32::from(NMI),
        "before all that is configured"
    );
    assert_eq!(m.load(SHCSR), 0);
}

#[test]
fn special_registers_by_number() {
    // B4.2 (MRS, MSR); the T bit and the rest of EPSR read as zero.
    let mut m = Machine::new();
    for sysm in [0, 1, 2, 3] {
        assert_eq!(m.msr(sysm, 0xa000_0000 | 0x3f), END);
        assert_eq!(
            [0, 1, 2, 3, 5, 6, 7].map(|s| m.mrs(s)),
            [0xa000_0000; 4].iter().copied().chain([0; 3]).collect::<Vec<_>>()[..]
        );
        assert_eq!(m.msr(0, 0x5000_0000), END);
        assert_eq!(m.mrs(0), 0x5000_0000);
    }
    assert_eq!(m.msr(16, 0xffff_ffff), END);
    assert_eq!(m.mrs(16), 1);
    assert_eq!(m.msr(16, 2), END);
    assert_eq!(m.mrs(16), 0);
    assert_eq!(m.msr(9, SP - 0x1001), END);
    assert_eq!((m.mrs(8), m.mrs(9), m.r(13)), (SP, SP - 0x1004, SP));
    assert_eq!(m.msr(8, SP - 0x101), END);
    assert_eq!((m.mrs(8), m.r(13)), (SP - 0x104, SP - 0x104));
    // On the process stack.
    assert_eq!(m.msr(20, 3), END);
    assert_eq!((m.mrs(20), m.r(13)), (3, SP - 0x1004));
    assert_eq!(m.msr(8, SP - 0x201), END);
    assert_eq!((m.mrs(8), m.mrs(9), m.r(13)), (SP - 0x204, SP - 0x1004, SP - 0x1004));
    assert_eq!(m.msr(9, SP - 0x1801), END);
    assert_eq!((m.mrs(8), m.mrs(9), m.r(13)), (SP - 0x204, SP - 0x1804, SP - 0x1804));
    assert_eq!(m.msr(20, 2), END);
    assert_eq!((m.mrs(20), m.r(13)), (2, SP - 0x1804), "already there");
    // A handler runs on the main stack, returns to the process stack, and cannot change CONTROL.
    assert_eq!(m.run(&[0xdf00]), SVC);
    assert_eq!((m.r(13), m.r(14)), (SP - 0x204, 0xffff_fffd));
    assert_eq!((m.mrs(9), m.mrs(8)), (SP - 0x1804 - 36, SP - 0x204));
    assert_eq!(
        m.0.read_word(SP - 0x1804 - 36 + 24),
        Some(CODE + 2),
        "the frame is on the process stack, aligned"
    );
    assert_eq!((m.mrs(1), m.mrs(3), m.mrs(5), m.mrs(7)), (0x5000_000b, 0x5000_000b, 11, 11));
    assert_eq!(m.mrs(0), 0x5000_0000);
    assert_eq!(m.msr(20, 1), END);
    assert_eq!(m.mrs(20), 0);
}
