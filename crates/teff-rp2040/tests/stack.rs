//! How much of its stack each core has used.

mod common;
use common::{SRAM, chip, stopping, to_bkpt};
use teff_rp2040::{Image, Profile, Stop, Symbol};

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

/// The symbols of functions that begin at these offsets from the start of SRAM.
fn functions(starts: &[(&str, u32)], end: u32) -> Image {
    let ends = starts.iter().skip(1).map(|(_, at)| *at).chain([end]);
    let symbol = |((name, at), end): (&(&str, u32), u32)| Symbol {
        name: name.to_string(),
        addr: SRAM + at,
        size: end - at,
        function: true,
        file: None,
    };
    Image { symbols: starts.iter().zip(ends).map(symbol).collect(), ..Image::default() }
}

/// The paths of core 0 on which a profile has cycles.
fn paths(profile: &Profile) -> Vec<String> {
    let folded = profile.folded();
    let paths = folded.lines().filter_map(|line| line.rsplit_once(' ')).map(|(path, _)| path.to_string());
    paths.filter(|path| path.starts_with("core 0")).collect()
}

/// A function whose stack holds old return addresses, which jumps far within itself by BL, and calls one that returns behind a table.
const JUMPS: [u16; 26] = [
    0xb510, 0xf000, 0xf802, 0xbe00, 0xbd10, // main: push {r4, lr}; bl f; bkpt; pop {r4, pc}
    0xb5f0, 0xb084, 0x4670, 0x9000,
    0x9002, // f: push {r4-r7, lr}; sub sp, #16; mov r0, lr; str r0, [sp]; str r0, [sp, #8]
    0xf000, 0xf801, 0x46c0, 0xf000, 0xf801, 0x46c0, // bl 1f; nop; 1: bl 2f; nop
    0xf000, 0xf804, 0x0000, 0xe7ff, 0xb004,
    0xbdf0, // 2: bl g; .short 0; b 3f; 3: add sp, #16; pop {r4-r7, pc}
    0x4671, 0x3102, 0xbe00, 0x4708, // g: mov r1, lr; adds r1, #2; bkpt; bx r1
];

#[test]
fn a_backtrace_has_the_callers_and_nothing_that_only_looks_like_one() {
    let image = functions(&[("main", 8), ("f", 0x12), ("g", 0x34)], 0x3c);
    let mut sim = chip(SRAM, &JUMPS, stopping());
    assert!(matches!(sim.run(1_000_000), Stop::Bkpt { .. }));
    assert_eq!(sim.backtrace(0, &image), [0x38, 0x2c, 0x0e].map(|at| SRAM + at));
    assert_eq!(sim.backtrace(0, &Image::default()), [0x38, 0x2c].map(|at| SRAM + at), "only what LR says");

    // main: str r0, [r1]; bl f; bkpt. f: push {r4, lr}; ldr r4, =-1024; add sp, r4; cmp r4, #0; beq 2f; svc 0; b 2f;
    // 2: ldr r4, =1024; add sp, r4; pop {r4, pc}. handler: push {r4, lr}; bkpt; pop {r4, pc}
    let code = [
        0x6008, 0xf000, 0xf801, 0xbe00, 0xb510, 0x4c06, 0x44a5, 0x2c00, 0xd001, 0xdf00, 0xe7ff, 0x4c04,
        0x44a5, 0xbd10, 0xb510, 0xbe00, 0xbd10, 0x46c0, 0xfc00, 0xffff, 0x0400, 0x0000,
    ];
    let image = functions(&[("main", 8), ("f", 0x10), ("handler", 0x24)], 0x2a);
    let mut sim = chip(SRAM, &code, stopping());
    sim.set_register(0, 0, 0x2000_0200);
    sim.set_register(0, 1, 0xe000_ed08);
    assert!(sim.write_bytes(0x2000_0200 + 4 * 11, &(SRAM + 0x25).to_le_bytes()));
    assert!(matches!(sim.run(1_000_000), Stop::Bkpt { .. }));
    assert_eq!(sim.backtrace(0, &image), [0x26, 0x1c, 0x0e].map(|at| SRAM + at), "through the exception");

    let mut sim = chip(SRAM, &code, stopping());
    let mut profile = Profile::new(&image);
    sim.set_register(0, 0, 0x2000_0200);
    sim.set_register(0, 1, 0xe000_ed08);
    assert!(sim.write_bytes(0x2000_0200 + 4 * 11, &(SRAM + 0x25).to_le_bytes()));
    while let Stop::Bkpt { .. } = sim.run_profiled(1_000_000, &mut profile) {
        sim.skip_bkpt(0);
        if sim.register(0, 15) == SRAM + 0x10 {
            break;
        }
    }
    assert_eq!(paths(&profile), ["core 0;main", "core 0;main;f", "core 0;main;f;handler"]);
}

#[test]
fn a_profile_has_each_call_once() {
    let image = functions(&[("main", 8), ("f", 0x12), ("g", 0x34)], 0x3c);
    let mut sim = chip(SRAM, &JUMPS, stopping());
    let mut profile = Profile::new(&image);
    while let Stop::Bkpt { .. } = sim.run_profiled(1_000_000, &mut profile) {
        sim.skip_bkpt(0);
        if sim.register(0, 15) == SRAM + 0x10 {
            break;
        }
    }
    assert_eq!(paths(&profile), ["core 0;main", "core 0;main;f", "core 0;main;f;g"]);
    let count = |name: &str| {
        profile.by_function(0).iter().find(|(of, _)| of == name).map(|(_, cost)| cost.instructions)
    };
    assert_eq!((count("f"), count("g")), (Some(11), Some(4)));
}
