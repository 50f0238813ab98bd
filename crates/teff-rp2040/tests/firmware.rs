//! Whole programs: two cores, determinism, and what is reported when a program goes wrong.

mod common;
use common::{FLASH, SRAM, chip, corpus, reports, stopping};
use teff_rp2040::{CoreState, Error, Fault, Image, Options, Profile, Simulator, Stop, Trace};

fn load(name: &str, options: Options) -> Simulator {
    let mut sim = Simulator::new(options);
    sim.load(&Image::parse(&corpus(name)).expect("an ELF file")).expect("it fits");
    sim
}

#[test]
fn two_cores_launch_talk_lock_and_interrupt_each_other() {
    let mut sim = load("two_cores.elf", stopping());
    assert_eq!(reports(&mut sim, 1_000_000), [42, 1000, 2000, 1000 * 10_000 + 1000, 42]);
}

#[test]
fn two_runs_agree_to_the_cycle() {
    let trace = || {
        let mut sim = load("busy2.elf", stopping());
        let mut seen = Vec::new();
        for until in (0..400_000).step_by(777) {
            sim.run(until);
            seen.push((sim.core_cycles(0), sim.register(0, 15), sim.core_cycles(1), sim.register(1, 15)));
        }
        (seen, sim.stalls(0), sim.stalls(1), sim.xip_counters())
    };
    assert_eq!(trace(), trace());
    let image = Image::parse(&corpus("busy2.elf")).expect("an ELF file");
    let text = || {
        let (mut sim, mut out) = (load("busy2.elf", stopping()), Vec::new());
        let mut trace = Trace::new(&mut out, &image, 5_000);
        sim.run_traced(40_000, &mut trace);
        assert!(trace.full(), "the limit holds");
        trace.finish().expect("a vector takes it");
        String::from_utf8(out).expect("text")
    };
    let first = text();
    assert_eq!(first.lines().count(), 5_000);
    assert!(first.contains("core1") && first.contains("main+0x"));
    assert_eq!(first, text());
}

#[test]
fn both_cores_at_one_cache_collide() {
    let mut sim = load("busy2.elf", stopping());
    sim.run(2_000_000);
    let stalls = [sim.stalls(0), sim.stalls(1)];
    assert!(stalls.iter().all(|s| s.bank > 100_000), "{stalls:?}");
}

#[test]
fn a_fault_is_reported_and_a_second_one_locks_up() {
    // UDF with no handler: the HardFault vector is not code.
    let mut sim = chip(FLASH, &[0xde00], Options::default());
    let Stop::Lockup { core: 0, record } = sim.run(100_000) else { panic!("no lock-up") };
    // The HardFault vector is erased flash: the core goes to 0xfffffffe, and that fault locks it up.
    assert_eq!(record.fault, Fault::Fetch(0xffff_fffe));
    assert_eq!(sim.faults(0)[0].fault, Fault::Undefined);
    assert_eq!(sim.core_state(0), CoreState::Lockup);
}

#[test]
fn faults_name_what_went_wrong() {
    let fault = |code: &[u16]| {
        let mut sim = chip(SRAM, code, Options { stop_at_fault: true, ..Options::default() });
        match sim.run(100_000) {
            Stop::Fault { core: 0, .. } | Stop::Lockup { core: 0, .. } => sim.faults(0)[0].fault,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(fault(&[0x2001, 0x6800]), Fault::Unaligned(1));
    assert_eq!(fault(&[0x2003, 0x0700, 0x6800]), Fault::Read(0x3000_0000));
    assert_eq!(fault(&[0x2003, 0x0700, 0x6000]), Fault::Write(0x3000_0000));
    assert_eq!(fault(&[0x2003, 0x0700, 0x3001, 0x4700]), Fault::Fetch(0x3000_0000));
    assert_eq!(fault(&[0x2002, 0x0700, 0x4700]), Fault::NotThumb(0x2000_0000));
    assert_eq!(fault(&[0xbe2a]), Fault::Breakpoint(42));
    assert_eq!(fault(&[0xbf08]), Fault::Undefined, "IT is not of ARMv6-M");
    assert_eq!(fault(&[0xb100]), Fault::Undefined, "nor is CBZ");
    assert_eq!(fault(&[0xe840, 0x0000]), Fault::Undefined);
}

#[test]
fn sleeping_for_ever_is_a_dead_lock() {
    let mut sim = chip(FLASH, &[0xbf30, 0xe7fd], Options::default());
    assert_eq!(sim.run(u64::MAX), Stop::Deadlock);
    assert_eq!([sim.core_state(0), sim.core_state(1)], [CoreState::WaitInterrupt, CoreState::WaitEvent]);
}

#[test]
fn semihosting_prints_and_exits() {
    // R0 = SYS_WRITEC, R1 = SP with 'A' there; then SYS_EXIT with ADP_Stopped_ApplicationExit.
    let code = [
        0x2041, 0xb401, 0x4669, 0x2003, 0xbeab, // print 'A'
        0x2018, 0x4900, 0xbeab, 0x0026, 0x0002, // exit; the literal follows
    ];
    let mut sim = chip(FLASH, &code, Options::default());
    assert_eq!(sim.run(100_000), Stop::Exit { status: 0 });
    assert_eq!(sim.take_semihosting(), b"A");
}

fn uf2(family: u32, blocks: u32, addr: u32) -> Vec<u8> {
    let mut block = Vec::new();
    for word in [0x0a32_4655, 0x9e5d_5157, 0x2000, addr, 256, 0, blocks, family] {
        block.extend(u32::to_le_bytes(word));
    }
    block.resize(508, 0);
    block.extend(0x0ab1_6f30u32.to_le_bytes());
    block
}

#[test]
fn files_that_cannot_be_loaded_say_why() {
    let good = uf2(0xe48b_ff56, 1, FLASH);
    assert_eq!(Image::parse(&good).expect("one block").segments[0].1.len(), 256);
    let bad = |bytes: &[u8], what: &str| {
        let Err(Error::BadFile(message)) = Image::parse(bytes) else {
            panic!("taken, or another error than {what}")
        };
        assert!(message.contains(what), "{message}, not {what}");
    };
    bad(&good[..300], "ends inside a UF2 block at offset 0x0: 512 bytes needed, 300 left");
    let other = Image::parse(&uf2(0xe48b_ff59, 1, FLASH));
    assert_eq!(other, Err(Error::WrongFamily { block: 0, family: 0xe48b_ff59 }));
    assert!(other.unwrap_err().to_string().contains("RP2350"));
    bad(&uf2(0xe48b_ff56, 3, FLASH), "announces 3 blocks but holds 1");
    let elf = corpus("two_cores.elf");
    bad(&elf[..40], "the file ends inside the ELF header");
    bad(&elf[..elf.len() / 2], "the file ends inside");
    let mut riscv = elf.clone();
    riscv[18] = 243;
    bad(&riscv, "RISC-V");
    let mut object = elf;
    object[16] = 1;
    bad(&object, "not a linked program (type 1)");
    assert_eq!(Image::parse(b""), Err(Error::Empty));
    assert!(matches!(Image::parse(b"hello, this is no image\n"), Err(Error::UnknownFormat(_))));
    bad(b":0400000001020304F3\n", "Intel HEX line 1: its checksum is wrong");
    let mut sim = Simulator::new(Options::default());
    let far = Image::parse(&uf2(0xe48b_ff56, 1, 0x1100_0000)).expect("a good file");
    assert_eq!(sim.load(&far), Err(Error::NoMemory { addr: 0x1100_0000, len: 256, flash: 2 << 20 }));
    assert!(matches!(sim.load(&Image::parse(&good).expect("good")), Err(Error::NoEntry { .. })));
}

#[test]
fn hex_files_load() {
    let hex = b":020000041000EA\n:0400000001020304F2\n:0400040005060708DE\n:00000001FF\n";
    let image = Image::parse(hex).expect("a small file");
    assert_eq!(image.segments, [(FLASH, vec![1, 2, 3, 4, 5, 6, 7, 8])]);
}

#[test]
fn a_profile_books_every_cycle_to_a_function() {
    let image = Image::parse(&corpus("two_cores.elf")).expect("an ELF file");
    let mut sim = Simulator::new(stopping());
    sim.load(&image).expect("it fits");
    let mut profile = Profile::new(&image);
    for _ in 0..3 {
        match sim.run_profiled(20_000, &mut profile) {
            Stop::Bkpt { core, .. } => sim.skip_bkpt(core),
            Stop::Deadline => break,
            other => panic!("{other:?}"),
        }
    }
    let total: u64 = profile.by_function(0).iter().map(|(_, cost)| cost.cycles).sum();
    assert!(total <= sim.core_cycles(0) && total > 5_000, "{total} of {}", sim.core_cycles(0));
    let folded = profile.folded();
    assert!(folded.contains("core 1;boot ROM") && folded.contains(";core1;count"), "{folded}");
    assert!(profile.flame_graph().contains("flash stall"));
}

#[test]
fn flash_streams_slower_than_it_is_read_in_bulk_and_both_deliver() {
    const WORDS: f64 = 256.0;
    let mut sim = load("flash.elf", stopping());
    let r = reports(&mut sim, 1_000_000);
    let [misses, first, _, again, stream, stream_right, bulk, bulk_right] = r[..] else { panic!("{r:?}") };
    assert!((256..270).contains(&misses), "each word misses once, and some code: {misses}");
    assert_eq!(again, 2050, "8 cycles a turn of the loop from the cache");
    assert!(first > again + 256 * 40 && first < again + 264 * 40 + 100, "{first}");
    assert_eq!((stream_right, bulk_right), (1, 1));
    // 20 SCK of two cycles a word against 8 (quad, continuous).
    let (stream, bulk) = (f64::from(stream) / WORDS, f64::from(bulk) / WORDS);
    assert!((40.0..43.5).contains(&stream), "{stream} cycles a word");
    assert!((16.0..17.0).contains(&bulk), "{bulk} cycles a word");
    assert!((2.3..2.7).contains(&(stream / bulk)));
}

/// What `arm-none-eabi-readelf -SsW hello.elf` lists: one section that takes memory, functions without the Thumb bit. There a symbol of
/// type FILE precedes the local ones of its file (System V gABI, chapter 4); one is made of a mapping symbol here.
#[test]
fn sections_and_symbols_are_those_of_the_file() {
    let mut elf = corpus("hello.elf");
    let image = Image::parse(&elf).expect("an ELF file");
    let sections: Vec<_> =
        image.sections.iter().map(|s| (s.name.as_str(), s.addr, s.size, s.loaded)).collect();
    assert_eq!(sections, [(".text", 0x1000_0000, 0x220, true)]);
    let symbol = |image: &Image, name: &str| {
        let s = image.symbols.iter().find(|s| s.name == name).expect("it is listed").clone();
        (s.addr, s.size, s.function, s.file.as_deref().map(String::from))
    };
    assert_eq!(symbol(&image, "put"), (0x1000_00c0, 24, true, None));
    assert_eq!(symbol(&image, "vectors"), (0x1000_0000, 192, false, None));
    assert_eq!(symbol(&image, "main"), (0x1000_0118, 240, true, None));
    let (table, main) = (0x2054, 0x2054 + 21 * 16);
    elf.copy_within(main..main + 4, table + 16);
    elf[table + 16 + 12] = 4;
    let image = Image::parse(&elf).expect("an ELF file");
    assert_eq!(symbol(&image, "put").3.as_deref(), Some("main"), "a local symbol is its file's");
    assert_eq!(symbol(&image, "reset").3, None, "a global one is nobody's");
}
