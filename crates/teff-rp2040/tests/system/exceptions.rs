//! Priorities, preemption, returns, lockup.

use crate::common::SRAM;
use crate::machine::*;
use teff_rp2040::CoreState;

/// Returns from the handler that LR was given by.
fn back(m: &mut Machine) -> u8 {
    m.run(&[0x4770])
}

#[test]
fn more_urgent_exceptions_preempt_and_others_wait() {
    // B1.5.4. Interrupts 0 to 3 at priorities 3, 2, 1, 1; all enabled.
    let mut m = Machine::new();
    m.set(IPR, 0x4040_80c0);
    m.set(ISER, 0xf);
    assert_eq!(m.store(ISPR, 1 << 0), 16);
    assert_eq!((m.r(14), m.r(16) & 0x3f, m.r(13)), (0xffff_fff9, 16, SP - 32));
    assert_eq!(m.store(ISPR, 1 << 1), 17);
    assert_eq!((m.r(14), m.r(16) & 0x3f, m.r(13)), (0xffff_fff1, 17, SP - 64));
    assert_eq!(m.store(ISPR, 1 << 2), 18);
    let nested = m.r(13);
    assert_eq!(m.store(ISPR, 1 << 3), END, "the same priority does not preempt");
    assert_eq!(m.load(ISPR), 1 << 3);
    m.quietly(&[0xb672]);
    assert_eq!(m.store(ICSR, 1 << 31), NMI, "PRIMASK does not hold NMI off");
    assert_eq!(m.r(13), nested - 32);
    m.0.set_register(0, 14, 0xffff_fff1);
    assert_eq!(back(&mut m), END, "back in the handler of 18, behind what was interrupted");
    assert_eq!((m.r(16) & 0x3f, m.r(13)), (18, nested));
    m.quietly(&[0xb662]);
    // Out of 18 straight into 19, without unstacking.
    m.0.set_register(0, 14, 0xffff_fff1);
    assert_eq!(back(&mut m), 19);
    assert_eq!((m.r(14), m.r(13)), (0xffff_fff1, nested));
    assert_eq!(back(&mut m), END);
    assert_eq!((m.r(16) & 0x3f, m.r(13)), (17, SP - 64));
    m.0.set_register(0, 14, 0xffff_fff1);
    assert_eq!(back(&mut m), END);
    assert_eq!(m.r(16) & 0x3f, 16);
    m.0.set_register(0, 14, 0xffff_fff9);
    assert_eq!(back(&mut m), END);
    assert_eq!((m.r(16) & 0x3f, m.r(13)), (0, SP));
}

#[test]
fn primask_holds_back_what_can_be_configured() {
    let mut m = Machine::new();
    m.set(ISER, 1);
    m.quietly(&[0xb672]);
    m.set(ISPR, 1);
    assert_eq!(m.run(&[0xb662, 0xbf00]), 16, "taken when PRIMASK is cleared");
    m.0.set_register(0, 14, 0xffff_fff9);
    assert_eq!(back(&mut m), END);
    // PRIMASK raises the priority to 0: SVC then is a hard fault (B1.5.4, B1.5.6).
    m.quietly(&[0xb672]);
    assert_eq!(m.run(&[0xdf00]), HARD_FAULT);
    assert_eq!(m.0.read_word(SP - 32 + 24), Some(CODE), "the SVC itself");
    // Pended behind a mask, PendSV follows at once when the hard fault returns with PRIMASK clear.
    let mut m = Machine::new();
    m.0.set_register(0, 1, 0x3000_0000);
    assert_eq!(m.run(&[0x6808]), HARD_FAULT);
    m.set(ICSR, 1 << 28);
    m.quietly(&[0xb672]);
    m.0.write_bytes(SP - 32 + 24, &(CODE + 0x40).to_le_bytes());
    m.0.write_bytes(CODE + 0x40, &[END, 0xbe]);
    m.0.set_register(0, 14, 0xffff_fff9);
    assert_eq!(back(&mut m), END, "PRIMASK holds for a tail-chain too");
    assert_eq!(m.run(&[0xb662, 0xbf00]), PEND_SV);
}

#[test]
fn svc_in_a_handler_of_its_priority_is_a_hard_fault() {
    let mut m = Machine::new();
    assert_eq!(m.run(&[0xdf00]), SVC);
    assert_eq!(m.run(&[0xdf00]), HARD_FAULT);
    // At a more urgent priority it nests.
    let mut m = Machine::new();
    m.set(SHPR2, 0x4000_0000);
    m.set(SHPR3, 0xc000_0000);
    assert_eq!(m.store(ICSR, 1 << 28), PEND_SV);
    assert_eq!(m.run(&[0xdf00]), HARD_FAULT, "PendSV is at 0");
    let mut m = Machine::new();
    m.set(SHPR2, 0x4000_0000);
    m.set(SHPR3, 0xc080_0000);
    assert_eq!(m.store(ICSR, 1 << 28), PEND_SV);
    assert_eq!(m.run(&[0xdf00]), SVC);
    assert_eq!(m.store(ICSR, 1 << 26), END, "SysTick, at 3, waits");
    m.0.set_register(0, 14, 0xffff_fff1);
    assert_eq!(back(&mut m), END, "and waits for PendSV, at 2, as well");
    m.0.set_register(0, 14, 0xffff_fff9);
    assert_eq!(back(&mut m), SYS_TICK);
}

#[test]
fn a_fault_where_none_can_be_taken_locks_up() {
    // B1.5.6: in HardFault and in NMI.
    for first in [HARD_FAULT, NMI] {
        let mut m = Machine::new();
        let entered = if first == NMI { m.store(ICSR, 1 << 31) } else { m.run(&[0xde00]) };
        assert_eq!(entered, first);
        let faults = m.0.faults(0).len();
        m.0.set_register(0, 1, 0x3000_0000);
        m.place(&[0x6808]);
        m.0.run(m.0.cycles() + 1000);
        assert_eq!(m.0.core_state(0), CoreState::Lockup);
        assert_eq!(m.0.faults(0).len(), faults + 1);
        assert_eq!(m.r(15), CODE);
    }
    // No frame fits where there is no memory.
    let mut m = Machine::new();
    m.0.set_register(0, 13, 0x3000_0100);
    m.place(&[0xdf00]);
    m.0.run(m.0.cycles() + 1000);
    assert_eq!(m.0.core_state(0), CoreState::Lockup);
    assert_eq!(m.r(15), CODE + 2);
    // A vector without the Thumb bit.
    let mut m = Machine::new();
    m.0.write_bytes(SRAM + 4 * u32::from(SVC), &(CODE + 0x40).to_le_bytes());
    m.place(&[0xdf00]);
    m.0.run(m.0.cycles() + 1000);
    assert_eq!(m.0.core_state(0), CoreState::Lockup);
}

#[test]
fn returns_that_do_not_fit_are_faults() {
    // B1.5.8: to a handler where none is left, to a thread while one is active, by an unknown code, to a frame whose IPSR
    // says otherwise, to ARM state.
    let bad = |lr: u32, xpsr: Option<u32>| {
        let mut m = Machine::new();
        assert_eq!(m.run(&[0xdf00]), SVC);
        if let Some(xpsr) = xpsr {
            m.0.write_bytes(SP - 32 + 28, &xpsr.to_le_bytes());
        }
        m.0.set_register(0, 14, lr);
        back(&mut m)
    };
    assert_eq!(bad(0xffff_fff9, None), END);
    assert_eq!(bad(0xffff_fff9, Some(1 << 24)), END);
    for (lr, xpsr) in
        [(0xffff_fff1, None), (0xffff_fff0, None), (0xffff_fff9, Some(0)), (0xffff_fff9, Some(1 << 24 | 11))]
    {
        assert_eq!(bad(lr, xpsr), HARD_FAULT, "{lr:#x}, {xpsr:x?}");
    }
    let mut m = Machine::new();
    m.set(ISER, 1);
    m.set(IPR, 0xc0);
    assert_eq!(m.store(ISPR, 1), 16);
    assert_eq!(m.run(&[0xdf00]), SVC);
    m.0.set_register(0, 14, 0xffff_fff9);
    assert_eq!(back(&mut m), HARD_FAULT, "interrupt 0 is still active");
}

#[test]
fn a_return_restores_what_was_stacked() {
    // B1.5.7: R0 to R3, R12, LR, the flags; by POP as by BX.
    for pop in [false, true] {
        let mut m = Machine::new();
        for i in 0..13 {
            m.0.set_register(0, i, 0x100 + i as u32);
        }
        m.0.set_register(0, 14, 0x1234_5679);
        m.0.set_register(0, 16, 0xb000_0000);
        assert_eq!(m.run(&[0xdf00]), SVC);
        let frame: Vec<u32> = (0..8).map(|i| m.0.read_word(SP - 32 + 4 * i).unwrap()).collect();
        assert_eq!(frame, [0x100, 0x101, 0x102, 0x103, 0x10c, 0x1234_5679, CODE + 2, 0xb100_0000]);
        (0..13).for_each(|i| m.0.set_register(0, i, 0));
        m.0.set_register(0, 16, 0x4000_0000);
        let code: &[u16] = if pop { &[0xb500, 0xbd00] } else { &[0x4770] }; // push {lr}; pop {pc}
        m.0.write_bytes(SRAM + 0x600, &code.iter().flat_map(|h| h.to_le_bytes()).collect::<Vec<u8>>());
        m.0.set_register(0, 15, SRAM + 0x600);
        assert_eq!(m.go(), END);
        let found: Vec<u32> = [0, 1, 2, 3, 4, 12, 14, 13].map(|i| m.r(i)).to_vec();
        assert_eq!(found, [0x100, 0x101, 0x102, 0x103, 0, 0x10c, 0x1234_5679, SP]);
        assert_eq!((m.r(16), m.r(15)), (0xb100_0000, CODE + 4));
    }
}

#[test]
fn returns_and_tail_chains_take_the_cycles_of_the_model() {
    // Not documented by Arm: what exception.rs assumes, of a BX of 2 cycles; the same on either stack.
    for process in [false, true] {
        let mut m = Machine::new();
        assert_eq!(m.msr(9, SP - 0x1000), END);
        assert_eq!(m.msr(20, if process { 2 } else { 0 }), END);
        assert_eq!(m.run(&[0xdf00]), SVC);
        let start = m.0.core_cycles(0);
        assert_eq!(m.go(), END);
        assert_eq!(m.0.core_cycles(0) - start, 1 + 2 + 10, "BKPT, BX, the return");
        assert_eq!(m.run(&[0xdf00]), SVC);
        m.set(ICSR, 1 << 28);
        m.0.set_register(0, 14, if process { 0xffff_fffd } else { 0xffff_fff9 });
        m.place(&[0x4770]);
        let start = m.0.core_cycles(0);
        assert_eq!(m.go(), PEND_SV);
        assert_eq!(m.0.core_cycles(0) - start, 1 + 2 + 7, "BKPT, BX, the tail-chain");
    }
}
