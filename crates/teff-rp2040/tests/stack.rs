//! How much of its stack each core has used.

mod common;
use common::{SRAM, chip, stopping, to_bkpt};

#[test]
fn pushes_frames_and_exceptions_count() {
    // push {r0-r3}; sub sp, #40; add sp, #40; pop {r0-r3}; bkpt; push {r4, lr}; bkpt
    let code = [0xb40f, 0xb08a, 0xb00a, 0xbc0f, 0xbe00, 0xb510, 0xbe00];
    let mut sim = chip(SRAM, &code, stopping());
    to_bkpt(&mut sim);
    assert_eq!((sim.stack(0).top, sim.stack(0).bytes()), (0x2004_0000, 16 + 40));
    to_bkpt(&mut sim);
    assert_eq!(sim.stack(0).bytes(), 16 + 40, "less than before");

    // svc 0 with its handler at the BKPT: a frame of 8 words. r0 points to the vectors, r1 to VTOR.
    let mut sim = chip(SRAM, &[0x6008, 0xdf00, 0xbe00], stopping());
    sim.set_register(0, 0, 0x2000_0200);
    sim.set_register(0, 1, 0xe000_ed08);
    assert!(sim.write_bytes(0x2000_0200 + 4 * 11, &(SRAM + 8 + 4 + 1).to_le_bytes()));
    to_bkpt(&mut sim);
    assert_eq!(sim.register(0, 16) & 63, 11, "in the handler");
    assert_eq!(sim.stack(0).bytes(), 32);
}

#[test]
fn a_stack_that_is_moved_begins_anew_and_a_process_stack_is_another() {
    // push {r0-r7}; msr msp, r0; push {r0}; bkpt
    let mut sim = chip(SRAM, &[0xb4ff, 0xf380, 0x8808, 0xb401, 0xbe00], stopping());
    sim.set_register(0, 0, 0x2001_0000);
    to_bkpt(&mut sim);
    assert_eq!((sim.stack(0).top, sim.stack(0).bytes()), (0x2001_0000, 4));

    // msr psp, r0; msr control, r1; isb; push {r0-r7}; bkpt
    let code = [0xf380, 0x8809, 0xf381, 0x8814, 0xf3bf, 0x8f6f, 0xb4ff, 0xbe00];
    let mut sim = chip(SRAM, &code, stopping());
    sim.set_register(0, 0, 0x2001_0000);
    sim.set_register(0, 1, 2);
    to_bkpt(&mut sim);
    assert_eq!((sim.register(0, 13), sim.stack(0).bytes()), (0x2001_0000 - 32, 0));
}
