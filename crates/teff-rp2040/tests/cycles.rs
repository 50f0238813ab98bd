//! Cycles of every instruction form, in SRAM without a second master (Arm DDI 0484C table 3-1; RP2040 datasheet
//! 2.1.3 for the APB bridge and 2.3.1 for the IO port).

mod common;
use common::{SRAM, chip, stopping, to_bkpt};
use teff_rp2040::{Simulator, Stalls};

/// Registers that the measured instruction finds: R5 data in SRAM, R6 SIO, R7 a timer register (APB), R3 ROM.
fn measure(code: &[u16]) -> u64 {
    run(code).0
}

/// The cycles of the measured code, and the chip after it.
fn run(code: &[u16]) -> (u64, Simulator) {
    // BKPT #1, the code, NOPs that a branch may land in, BKPT #2.
    let mut program = vec![0xbe01];
    program.extend(code);
    program.extend([0xbe02]);
    let mut sim = chip(SRAM, &program, stopping());
    let start = to_bkpt(&mut sim) + 1;
    for (register, value) in [
        (0, 0x11),
        (1, 0x22),
        (2, SRAM + 0x1000),
        (3, 0x10),
        (4, 0),
        (5, SRAM + 0x1000),
        (6, 0xd000_0000),
        (7, 0x4006_c000),
        (13, SRAM + 0x2000),
    ] {
        sim.set_register(0, register, value);
    }
    sim.set_register(0, 14, SRAM + 8 + 2 * (1 + code.len() as u32) + 1);
    sim.set_register(0, 8, SRAM + 8 + 2 * (1 + code.len() as u32) + 1);
    (to_bkpt(&mut sim) - start, sim)
}

#[test]
fn stalls_are_booked_where_they_come_from() {
    for (name, op, peripheral) in [
        ("ldr r0, [r7] (APB)", 0x6838, 2),
        ("str r0, [r7] (APB)", 0x6038, 3),
        ("ldr r0, [r6] (SIO)", 0x6830, 0),
        ("ldr r0, [r5] (SRAM)", 0x6828, 0),
        ("ldr r0, [r3] (ROM)", 0x6818, 0),
    ] {
        assert_eq!(run(&[op]).1.stalls(0), Stalls { peripheral, ..Stalls::default() }, "{name}");
    }
}

#[test]
fn data_processing_takes_one_cycle() {
    let forms: [(&str, u16); 33] = [
        ("movs r0, r1", 0x0008),
        ("lsls r0, r1, #3", 0x00c8),
        ("lsrs r0, r1, #3", 0x08c8),
        ("asrs r0, r1, #3", 0x10c8),
        ("adds r0, r1, r2", 0x1888),
        ("subs r0, r1, r2", 0x1a88),
        ("adds r0, r1, #7", 0x1dc8),
        ("subs r0, r1, #7", 0x1fc8),
        ("movs r0, #255", 0x20ff),
        ("cmp r0, #255", 0x28ff),
        ("adds r0, #255", 0x30ff),
        ("subs r0, #255", 0x38ff),
        ("ands r0, r1", 0x4008),
        ("eors r0, r1", 0x4048),
        ("lsls r0, r1", 0x4088),
        ("lsrs r0, r1", 0x40c8),
        ("asrs r0, r1", 0x4108),
        ("adcs r0, r1", 0x4148),
        ("sbcs r0, r1", 0x4188),
        ("rors r0, r1", 0x41c8),
        ("tst r0, r1", 0x4208),
        ("rsbs r0, r1, #0", 0x4248),
        ("cmp r0, r1", 0x4288),
        ("cmn r0, r1", 0x42c8),
        ("orrs r0, r1", 0x4308),
        ("muls r0, r1", 0x4348),
        ("bics r0, r1", 0x4388),
        ("mvns r0, r1", 0x43c8),
        ("add r0, r9", 0x4448),
        ("cmp r0, r9", 0x4548),
        ("mov r0, r9", 0x4648),
        ("add r0, pc", 0x4478),
        ("mov r0, pc", 0x4678),
    ];
    for (name, op) in forms {
        assert_eq!(measure(&[op]), 1, "{name}");
    }
    for (name, op) in [
        ("adr r0, label", 0xa001),
        ("add r0, sp, #4", 0xa801),
        ("add sp, #4", 0xb001),
        ("sub sp, #4", 0xb081),
        ("sxth r0, r1", 0xb208),
        ("sxtb r0, r1", 0xb248),
        ("uxth r0, r1", 0xb288),
        ("uxtb r0, r1", 0xb2c8),
        ("rev r0, r1", 0xba08),
        ("rev16 r0, r1", 0xba48),
        ("revsh r0, r1", 0xbac8),
        ("nop", 0xbf00),
        ("yield", 0xbf10),
        ("sev", 0xbf40),
        ("cpsie i", 0xb662),
        ("cpsid i", 0xb672),
    ] {
        assert_eq!(measure(&[op]), 1, "{name}");
    }
}

#[test]
fn loads_and_stores_depend_on_where() {
    for (name, op, cycles) in [
        ("ldr r0, [r5]", 0x6828, 2),
        ("ldr r0, [r5, r4]", 0x5928, 2),
        ("ldrh r0, [r5]", 0x8828, 2),
        ("ldrb r0, [r5]", 0x7828, 2),
        ("ldrsh r0, [r5, r4]", 0x5f28, 2),
        ("ldrsb r0, [r5, r4]", 0x5728, 2),
        ("ldr r0, [pc, #4]", 0x4801, 2),
        ("ldr r0, [sp, #4]", 0x9801, 2),
        ("str r0, [r5]", 0x6028, 2),
        ("str r0, [r5, r4]", 0x5128, 2),
        ("strh r0, [r5]", 0x8028, 2),
        ("strb r0, [r5]", 0x7028, 2),
        ("str r0, [sp, #4]", 0x9001, 2),
        ("ldr r0, [r3] (ROM)", 0x6818, 2),
        ("ldr r0, [r6] (SIO)", 0x6830, 1),
        ("str r0, [r6, #0x14] (SIO)", 0x6170, 1),
        ("ldr r0, [r7] (APB)", 0x6838, 4),
        ("str r0, [r7] (APB)", 0x6038, 5),
    ] {
        assert_eq!(measure(&[op]), cycles, "{name}");
    }
}

#[test]
fn lists_take_one_cycle_each_and_one_more() {
    for n in 1..=7u16 {
        let list: u16 = ((1 << n) - 1) & 0xdf; // not R5, the base
        let count = u64::from(list.count_ones());
        assert_eq!(measure(&[0xc800 | 5 << 8 | list]), 1 + count, "ldm of {count}");
        assert_eq!(measure(&[0xc000 | 5 << 8 | list]), 1 + count, "stm of {count}");
        assert_eq!(measure(&[0xb400 | list]), 1 + count, "push of {count}");
        assert_eq!(measure(&[0xbc00 | list]), 1 + count, "pop of {count}");
        assert_eq!(measure(&[0xb500 | list]), 2 + count, "push of {count} and LR");
    }
    // PUSH {r4, lr}; POP {r4, pc}: LR points behind them.
    assert_eq!(measure(&[0xb510, 0xbd10]), 3 + 5);
}

#[test]
fn branches_and_system_instructions() {
    // CMP R0, R0 sets Z, clears N and V, and sets C.
    for (name, code, cycles) in [
        ("beq taken", vec![0x4280, 0xd0ff], 1 + 2),
        ("bne not taken", vec![0x4280, 0xd1ff], 1 + 1),
        ("b", vec![0xe7ff], 2),
        ("bl", vec![0xf000, 0xf800], 3),
        ("bx lr", vec![0x4770], 2),
        ("blx r8", vec![0x47c0], 2),
        ("mov pc, r8", vec![0x46c7], 2),
        ("mrs r0, primask", vec![0xf3ef, 0x8010], 3),
        ("msr primask, r4", vec![0xf384, 0x8810], 3),
        ("dsb", vec![0xf3bf, 0x8f4f], 3),
        ("dmb", vec![0xf3bf, 0x8f5f], 3),
        ("isb", vec![0xf3bf, 0x8f6f], 3),
        ("sev; wfe", vec![0xbf40, 0xbf20], 1 + 2),
    ] {
        assert_eq!(measure(&code), cycles, "{name}");
    }
}

#[test]
fn a_miss_of_the_flash_cache_costs_its_parameter() {
    // Two words of NOPs in flash: the first run misses both, and the word of the BKPT.
    let code = [0xbe01, 0xbf00, 0xbf00, 0xbf00, 0xbf00, 0xbe02, 0xe7f8];
    for miss in [0, 40, 50] {
        let mut options = stopping();
        options.flash_miss = miss;
        let mut sim = chip(common::FLASH, &code, options);
        let start = to_bkpt(&mut sim) + 1;
        // The first half-word after BKPT shares its word.
        let before = sim.stalls(0).flash;
        assert_eq!(to_bkpt(&mut sim) - start, 4 + 2 * miss, "first time, miss {miss}");
        assert_eq!(sim.stalls(0), Stalls { flash: before + 2 * miss, ..Stalls::default() });
        to_bkpt(&mut sim);
        let again = sim.core_cycles(0);
        assert_eq!(to_bkpt(&mut sim) - again, 4, "from the cache");
    }
}

#[test]
fn a_call_fetches_the_word_of_its_second_half() {
    // The word of the first BKPT is in the cache. Without NOPs, BL lies across it and the next; its target is in the one after, or
    // further on: no word between is fetched.
    for (between, nops, words) in
        [(1, 0, 2), (1, 1, 2), (1, 2, 3), (1, 3, 3), (3, 0, 2), (3, 1, 2), (3, 2, 3), (3, 3, 3)]
    {
        let mut code = vec![0xbe01];
        code.resize(1 + nops, 0xbf00);
        code.extend([0xf000, 0xf800 + between]); // bl over so many NOPs
        code.extend(vec![0xbf00; usize::from(between)]);
        code.push(0xbe02);
        let mut options = stopping();
        options.flash_miss = 40;
        let mut sim = chip(common::FLASH, &code, options);
        to_bkpt(&mut sim);
        let before = sim.stalls(0).flash;
        to_bkpt(&mut sim);
        assert_eq!((sim.stalls(0).flash - before) / 40, words, "over {between}, {nops} NOPs before it");
        if between == 1 {
            // What it fetched is in the cache: the NOP behind it.
            let before = sim.stalls(0).flash;
            sim.set_register(0, 15, common::FLASH + 8 + 2 * (3 + nops as u32));
            to_bkpt(&mut sim);
            assert_eq!(sim.stalls(0).flash, before, "{nops} NOPs before it");
        }
    }
}
