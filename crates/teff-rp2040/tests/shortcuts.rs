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
