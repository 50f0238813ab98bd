//! Camera and PIO done many cycles at once give what they give cycle by cycle: the same program, camera and machine, at random,
//! with short cuts and without, compared in registers, memory, time and stalls.

mod common;
use common::bench::Bench;
use common::camera::{self, BUFFER, DMA, PIO0};
use common::{SRAM, corpus, image};
use teff_rp2040::board::{Board, Description, GreyImage};
use teff_rp2040::{Image, Options, Simulator};

const PWM: u32 = 0x4005_0000;
const IO_BANK0: u32 = 0x4001_4000;
const I2C0: u32 = 0x4004_4000;
const SIO: u32 = 0xd000_0000;
const WIDE: &str = "camera.i2c = 0\ncamera.scl = 5\ncamera.sda = 4\ncamera.reset = 2\ncamera.xclk = 3\n\
                    camera.data = 17\ncamera.pclk = 14\ncamera.href = 15\ncamera.vsync = 16";

/// Numbers without end (xorshift64).
#[derive(Clone)]
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) % u64::from(limit)) as u32
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u32) as usize]
    }

    fn once_in(&mut self, n: u32) -> bool {
        self.below(n) == 0
    }
}

/// Both cores busy with flash and SRAM, or core 0 reading the FIFO.
fn board(random: &mut Random, step_by_step: bool) -> Bench {
    let board = if random.once_in(3) { Description::parse(WIDE).unwrap() } else { Description::pico4ml() };
    let options = Options { step_by_step, ..Options::default() };
    let mut sim = Simulator::with_board(options, Board::new(board));
    let polls = random.once_in(4);
    if polls {
        // ldr r1, [r0, #4]; ldr r2, [r0, #0x20]; adds r3, r3, r2; b to the first
        sim.load(&image(SRAM, &[0x6841, 0x6a02, 0x189b, 0xe7fb])).unwrap();
    } else {
        sim.load(&Image::parse(&corpus("busy2.elf")).unwrap()).unwrap();
        sim.run(60_000);
    }
    let mut b = Bench::set_up(sim);
    if polls {
        b.0.set_register(0, 0, PIO0);
    }
    b
}

/// A program that receives, as drivers write it, with variations, or any instructions.
fn program(random: &mut Random, data: u32) -> Vec<u32> {
    let wide = random.of(&[1, 1, 1, 4, 8]);
    let wait = |level: u32, pin: u32, delay: u32| 0x2000 | delay << 8 | level << 7 | pin;
    let mut code = Vec::new();
    if random.once_in(2) {
        code.push(wait(1, 15, 0));
    }
    let level = random.of(&[1, 1, 1, 0]);
    let delay = random.of(&[0, 0, 0, 1, 2, 7]);
    code.extend([
        wait(level, 14, delay),
        0x4000 | wide | random.of(&[0, 0, 0, 1, 3]) << 8,
        wait(1 - level, 14, 0),
    ]);
    match random.below(12) {
        0 => code.push(0x8020),                         // push block
        1 => code.push(0x8040),                         // push iffull noblock
        2 => code.push(wait(random.below(2), data, 0)), // a data pin
        3 => code.push(0x4000 | random.below(32)),      // a second IN
        4 => code.push(0xa042),                         // nop
        5 => code.push(random.of(&[1, 6]) << 5),        // jmp !x or pin
        6 => code = (0..6).map(|_| random.below(0x1_0000)).collect(),
        7 => code.insert(0, 0x4001),
        _ => {}
    }
    code
}

/// Clocks, camera, machine and transfer; a second machine or block now and then. `plain`: a program that drivers use, on an even
/// clock.
fn set_up(b: &mut Bench, random: &mut Random, plain: bool) {
    let pixels = camera::noise();
    b.0.board().show(GreyImage { width: camera::SIDE, height: camera::SIDE, pixels }).unwrap();
    camera::set_up(b);
    let data = u32::from(b.0.board().description().camera.unwrap().data);
    let top = random.of(&[4, 4, 4, 4, 1, 3, 5, 6, 7, 11]);
    b.write(PWM + 20 + 0x10, top);
    b.write(PWM + 20 + 0x04, if plain { 0x10 } else { random.of(&[0x10, 0x14, 0x19]) });
    camera::write(b, 0x3059, random.of(&[0x22, 0x22, 0x42, 0x02]));
    camera::write(b, 0x342, 0);
    for block in 0..=u32::from(random.once_in(6)) {
        let base = PIO0 + 0x10_0000 * block;
        let code = if plain { vec![0x208f, 0x208e, 0x4001, 0x200e] } else { program(random, data) };
        for (i, instruction) in code.iter().enumerate() {
            b.write(base + 0x48 + 4 * i as u32, *instruction);
        }
        for machine in 0..=u32::from(random.once_in(5)) {
            let registers = base + 0xc8 + 0x18 * machine;
            let threshold = random.of(&[8, 8, 8, 0, 1, 5, 16, 31]);
            let push = u32::from(!random.once_in(8)) << 16;
            let (join, right) = (random.below(2) << 31, random.of(&[0, 0, 1]) << 18);
            b.write(registers, if !plain && random.once_in(8) { 0x1_8000 } else { 0x1_0000 });
            b.write(registers + 4, (code.len() as u32 - 1) << 12 | 14 << 24);
            b.write(registers + 8, join | right | threshold << 20 | push);
            b.write(registers + 0x14, random.of(&[data, data, data, data, 12]) << 15);
        }
        let enabled = if plain { 1 } else { random.of(&[1, 1, 1, 3]) };
        b.write(base + 0x12c, if random.once_in(6) { 1 } else { 0 });
        b.write(base, enabled);
    }
    if !random.once_in(5) {
        b.write(DMA, PIO0 + 0x20);
        b.write(DMA + 4, BUFFER);
        b.write(DMA + 8, random.of(&[0xffff_ffff, 5_000]));
        b.write(DMA + 0xc, 1 | 1 << 5 | 12 << 6 | 1 << 10 | 4 << 15 | random.of(&[0, 0, 2]) << 2);
    }
    camera::write(b, 0x100, 1);
}

/// All that can be seen, without taking anything out of a FIFO.
fn look(b: &mut Bench) -> Vec<u64> {
    let mut seen = Vec::new();
    for core in 0..2 {
        let stalls = b.0.stalls(core);
        seen.extend([
            b.0.core_cycles(core),
            b.0.instructions(core),
            stalls.flash,
            stalls.bank,
            stalls.peripheral,
        ]);
        seen.extend((0..17).map(|i| u64::from(b.0.register(core, i))));
        seen.push(u64::from(b.0.pending_interrupts(core)));
    }
    for block in [PIO0, PIO0 + 0x10_0000] {
        let registers = [0, 4, 8, 0xc, 0x30, 0xd4, 0xd8, 0xec, 0xf0, 0x128];
        seen.extend(registers.map(|register| u64::from(b.read(block + register))));
    }
    seen.extend([0, 4, 8, 0xc, 0x400].map(|register| u64::from(b.read(DMA + register))));
    seen.extend((0..4).map(|i| u64::from(b.read(IO_BANK0 + 0xf0 + 4 * i))));
    seen.push(u64::from(b.0.pins()));
    let memory = b.0.read_bytes(BUFFER, 4096).unwrap();
    seen.push(memory.iter().fold(0, |sum: u64, &byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte))));
    seen
}

/// What is done between two looks, the same to both.
fn disturb(b: &mut Bench, random: &mut Random) {
    match random.below(48) {
        0 => b.write(PIO0 + 0xd8, 0x4001),                     // IN PINS 1, forced
        1 => b.write(PIO0, random.of(&[0, 1, 0x11, 3])),       // stopped, restarted
        2 => b.write(PIO0 + 0x48 + 4, random.below(0x1_0000)), // another instruction
        3 => drop(b.read(PIO0 + 0x20)),                        // a word out of the FIFO
        4 => b.write(PWM + 20 + 0x10, random.of(&[4, 6])),     // another XCLK
        5 => b.write(SIO + random.of(&[0x14, 0x18, 0x24, 0x28]), 1 << random.below(30)),
        6 => b.select(random.below(30), 5),
        7 => b.0.drive_pins(1 << 28, random.below(2) << 28),
        8 => {
            // The camera starts or stops when the transfer is over.
            for word in [1, 0, random.below(2) | 0x200] {
                b.write(I2C0 + 0x10, word);
            }
        }
        9 => b.write(PIO0 + 0x38, random.of(&[0, 1 << 14])), // past the synchroniser
        10 => b.write(PIO0 + 0x12c, random.below(2)),        // its interrupt
        11 => b.write(IO_BANK0 + 0xf0 + 4 * random.below(4), u32::MAX), // edges cleared
        _ => {}
    }
}

fn compare(seed: u64, looks: u32) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut benches = [false, true].map(|step_by_step| {
        let mut random = random.clone();
        let mut b = board(&mut random, step_by_step);
        set_up(&mut b, &mut random, seed.is_multiple_of(2));
        b.0.run(b.0.cycles() + 24_000); // the first line is near
        b
    });
    for at in 0..looks {
        let cycles = random.of(&[1u64, 7, 40, 3_000, 12_000, 12_000, 40_000]);
        let seen = benches.each_mut().map(|b| {
            b.0.run(b.0.cycles() + cycles);
            look(b)
        });
        assert!(seen[0] == seen[1], "seed {seed}, look {at}: {:?}", differences(&seen));
        random.below(2);
        for b in &mut benches {
            disturb(b, &mut random.clone());
        }
    }
}

/// Where two looks differ: index, with short cuts, without.
fn differences([fast, slow]: &[Vec<u64>; 2]) -> Vec<(usize, u64, u64)> {
    let all = fast.iter().zip(slow).enumerate().map(|(i, (a, b))| (i, *a, *b));
    all.filter(|(_, a, b)| a != b).collect()
}

#[test]
fn a_camera_received_at_once_is_received_as_cycle_by_cycle() {
    let cases =
        std::env::var("TEFF_SHORTCUT_CASES").map_or(40, |text| text.parse().expect("a number of cases"));
    for seed in 0..cases {
        compare(seed, 16);
    }
}

/// Core 0 executes this from SRAM on, an endless loop from `turn` on, with these registers, while a camera with this picture is
/// received as drivers do it; with short cuts and without.
fn receivers(code: &[u16], turn: usize, registers: &[u32], pixels: &[u8], top: u32) -> [Bench; 2] {
    // It waits until everything is set up.
    let mut image_code = vec![0xe7fe];
    image_code.extend(code);
    image_code.push(0xe000 | (turn as i32 - code.len() as i32 - 2) as u16 & 0x7ff);
    [false, true].map(|step_by_step| {
        let options = Options { step_by_step, ..Options::default() };
        let mut sim = Simulator::with_board(options, Board::new(Description::pico4ml()));
        sim.load(&image(SRAM, &image_code)).unwrap();
        let mut b = Bench::set_up(sim);
        let picture = GreyImage { width: camera::SIDE, height: camera::SIDE, pixels: pixels.to_vec() };
        b.0.board().show(picture).unwrap();
        camera::set_up(&mut b);
        b.write(PWM + 20 + 0x10, top);
        let data = u32::from(b.0.board().description().camera.unwrap().data);
        for (i, instruction) in [0x208f, 0x208e, 0x4001, 0x200e].iter().enumerate() {
            b.write(PIO0 + 0x48 + 4 * i as u32, *instruction);
        }
        b.write(PIO0 + 0xcc, 3 << 12);
        b.write(PIO0 + 0xd0, 1 << 31 | 8 << 20 | 1 << 16);
        b.write(PIO0 + 0xdc, data << 15);
        b.write(PIO0, 1);
        camera::write(&mut b, 0x342, 0);
        camera::write(&mut b, 0x100, 1);
        b.0.run(b.0.cycles() + 60_000); // lines come
        for (i, &register) in registers.iter().enumerate() {
            b.0.set_register(0, i, register);
        }
        b.0.set_register(0, 15, SRAM + 10); // past the vectors and the first instruction
        b
    })
}

/// A dark picture with a light pixel here and there: the only edges of its data.
fn stars() -> Vec<u8> {
    (0..camera::PIXELS).map(|i| if i % 157 == 7 { 0x10 } else { 0 }).collect()
}

/// Cycles of a run of which about `cycles` can be done with short cuts: the last thousand are not.
fn run(b: &mut Bench, cycles: u32) {
    b.0.run(b.0.cycles() + 1_024 + u64::from(cycles));
}

fn transfer_without_end(b: &mut Bench) {
    b.write(DMA, PIO0 + 0x20);
    b.write(DMA + 4, BUFFER);
    b.write(DMA + 8, u32::MAX);
    b.write(DMA + 0xc, 1 | 1 << 5 | 12 << 6 | 1 << 10 | 4 << 15);
}

/// The edges that GPIO interrupts would see, asked for after times so short that few of a line's are among them.
#[test]
fn every_edge_is_latched_and_no_other() {
    let mut benches = receivers(&[], 0, &[], &stars(), 4);
    benches.iter_mut().for_each(transfer_without_end);
    let mut random = Random(77);
    let mut edges = 0;
    for at in 0..2_000 {
        let cycles = random.below(200);
        let [fast, slow] = benches.each_mut().map(|b| {
            run(b, cycles);
            let seen = [0, 4, 8, 12].map(|i| b.read(IO_BANK0 + 0xf0 + i));
            [0, 4, 8, 12].iter().for_each(|i| b.write(IO_BANK0 + 0xf0 + i, u32::MAX));
            (seen, b.0.cycles())
        });
        assert_eq!(fast, slow, "look {at}");
        // Pin 6, the data: bits 26 and 27 of the first register.
        edges += u32::from(fast.0[0] >> 26 & 3 != 0);
    }
    assert!((200..1_200).contains(&edges), "{edges} looks of 2000 saw an edge of the data");
}

/// Levels come to a core two cycles late, also those that moved while many cycles were done at once.
#[test]
fn a_core_reads_the_levels_of_two_cycles_before() {
    let mut levels = std::collections::BTreeSet::new();
    for (pause, top) in [(0, 4), (7, 4), (19, 4), (26, 6), (45, 11), (90, 4), (123, 3)] {
        // ldr r1, [r0, #4]; nops; rors r3, r2; eors r3, r1
        let mut code = vec![0x6841];
        code.extend(vec![0xbf00; pause]);
        code.extend([0x41d3, 0x404b]);
        let mut benches = receivers(&code, 0, &[SIO, 0, 1, 0], &camera::noise(), top);
        benches.iter_mut().for_each(transfer_without_end);
        for look in 0..60 {
            let [fast, slow] = benches.each_mut().map(|b| {
                run(b, 4_001);
                [b.0.register(0, 1), b.0.register(0, 3), b.0.core_cycles(0) as u32]
            });
            assert_eq!(fast, slow, "pause of {pause}, look {look}");
            levels.insert(fast[0] >> 6 & 1 | fast[0] >> 13 & 2);
        }
    }
    assert!(levels.len() >= 3, "data and clock were read at several levels: {levels:?}");
}

/// A byte in the FIFO interrupts a core in the cycle in which it does without short cuts.
#[test]
fn an_interrupt_of_the_receiver_comes_in_its_cycle() {
    // str r6, [r4]: vectors; str r2, [r7, #4]; movs r2, #5; str r2, [r7]: SysTick counts; str r5, [r1]: enabled; movs r6, #5;
    // adds r4, #1
    let code = [0x6026, 0x607a, 0x2205, 0x603a, 0x600d, 0x2605, 0x3401];
    // ldr r1, [r7, #8]; ldr r2, [r0, #0x20]; rors r5, r6; eors r5, r1; eors r5, r2; bx lr
    let handler = [0x6a02_68b9, 0x404d_41f5, 0x4770_4055];
    let vectors = SRAM + 0x100;
    let registers = [PIO0, 0xe000_e100, 0xff_ffff, 0, 0xe000_ed08, 1 << 7, vectors, 0xe000_e010];
    for top in [4, 3, 6, 11] {
        let mut benches = receivers(&code, 6, &registers, &camera::noise(), top);
        for b in &mut benches {
            b.put(vectors + 4 * 23, &[vectors + 0x81]);
            b.put(vectors + 0x80, &handler);
            b.write(PIO0 + 0x12c, 1);
        }
        let (mut moved, mut last) = (0, 0);
        for look in 0..60 {
            let [fast, slow] = benches.each_mut().map(|b| {
                run(b, 4_001);
                [b.0.register(0, 4), b.0.register(0, 5), b.0.core_cycles(0) as u32]
            });
            assert_eq!(fast, slow, "PWM of {top}, look {look}");
            moved += u32::from(fast[1] != last);
            last = fast[1];
        }
        assert!(moved > 30, "bytes interrupted the core between {moved} of 60 looks");
    }
}
