//! What the PIO oracle does not cover: EXEC, IRQ, PINDIRS, bit reversal, MOV from pins and STATUS, dividers, joined FIFOs,
//! several machines (datasheet chapter 3).

mod common;
use common::bench::{Bench, SET};

const PIO0: u32 = 0x5020_0000;
const CTRL: u32 = PIO0;
const FSTAT: u32 = PIO0 + 0x04;
const FDEBUG: u32 = PIO0 + 0x08;
const TXF: u32 = PIO0 + 0x10;
const RXF: u32 = PIO0 + 0x20;
const IRQ: u32 = PIO0 + 0x30;

/// A register of machine `i`: 0 CLKDIV, 4 EXECCTRL, 8 SHIFTCTRL, 0xc ADDR, 0x10 INSTR, 0x14 PINCTRL.
fn machine(i: u32, register: u32) -> u32 {
    PIO0 + 0xc8 + 0x18 * i + register
}

/// A bench with `program` at address 0 of PIO0 and GPIO 0 to 15 given to it.
fn pio(program: &[u16]) -> Bench {
    let mut b = Bench::stepping();
    for (i, &instruction) in program.iter().enumerate() {
        b.write(PIO0 + 0x48 + 4 * i as u32, u32::from(instruction));
    }
    (0..16).for_each(|pin| b.select(pin, 6));
    b
}

// Encodings (datasheet 3.4).
const PULL: u16 = 0x80a0;
const PUSH: u16 = 0x8020;
const fn set(destination: u16, value: u16) -> u16 {
    0xe000 | destination << 5 | value
}
const fn mov(destination: u16, op: u16, source: u16) -> u16 {
    0xa000 | destination << 5 | op << 3 | source
}
const fn out(destination: u16, bits: u16) -> u16 {
    0x6000 | destination << 5 | bits & 31
}
const fn jmp(to: u16) -> u16 {
    to
}

#[test]
fn words_go_through_reversed_inverted_and_as_they_are() {
    for (op, wanted) in [(0, 0x1234_5678), (1, !0x1234_5678), (2, 0x1e6a_2c48)] {
        let mut b = pio(&[PULL, mov(6, op, 7), PUSH, jmp(0)]);
        b.write(CTRL, 1);
        b.write(TXF, 0x1234_5678);
        b.pass(10);
        assert_eq!(b.read(RXF), wanted, "{op}");
    }
}

#[test]
fn out_and_mov_exec_run_what_they_are_given_in_the_next_tick() {
    // out exec, 16 from the FIFO; SET PINS comes through it, and the program goes on behind.
    let mut b = pio(&[PULL, out(7, 16), out(7, 16), jmp(0)]);
    b.write(machine(0, 0x14), 5 << 26);
    b.write(machine(0, 0x10), u32::from(set(4, 31))); // directions, from SMx_INSTR
    b.write(machine(0, 8), 1 << 19);
    b.write(CTRL, 1);
    b.write(TXF, u32::from(set(0, 21)) << 16 | u32::from(set(0, 10)));
    b.pass(4);
    assert_eq!(b.0.pins() & 31, 10);
    b.pass(2);
    assert_eq!(b.0.pins() & 31, 21);
    // mov exec, x: a jump that was put into X.
    let mut b = pio(&[PULL, mov(1, 0, 7), mov(4, 0, 1), jmp(3), set(2, 9), jmp(5)]);
    b.write(CTRL, 1);
    b.write(TXF, u32::from(jmp(4)));
    b.pass(12);
    assert_eq!(b.read(machine(0, 0xc)), 5);
}

#[test]
fn flags_are_raised_waited_for_and_numbered_by_machine() {
    // irq wait 0 rel (machine 1: flag 1); then set x and stop.
    let mut b = pio(&[0xc030, set(1, 1), jmp(2)]);
    b.write(PIO0 + 0x12c, 1 << 9);
    b.write(CTRL, 2);
    b.pass(6);
    assert_eq!(b.read(IRQ), 1 << 1);
    assert_eq!(b.read(machine(1, 0xc)), 0, "it waits until somebody clears the flag");
    assert!(b.irq(7), "flag 1 is bit 9 of the interrupt");
    b.write(IRQ, 1 << 1);
    b.pass(4);
    assert_eq!((b.read(IRQ), b.read(machine(1, 0xc))), (0, 2));
    // Two machines hand over by flags 4 and 5: wait 1 irq 4 clears it.
    let mut b = pio(&[0x20c4, 0xc005, jmp(0), 0xc004, 0x20c5, set(1, 0), jmp(6)]);
    b.write(machine(1, 0x10), u32::from(jmp(3)));
    b.write(CTRL, 3);
    b.pass(20);
    assert_eq!(b.read(machine(1, 0xc)), 6, "machine 1 got its answer");
    assert_eq!((b.read(machine(0, 0xc)), b.read(IRQ)), (0, 0));
    b.write(IRQ + 4, 1 << 4); // IRQ_FORCE
    b.pass(6);
    assert_eq!(b.read(IRQ), 1 << 5);
}

#[test]
fn pin_directions_side_set_and_who_wins() {
    // set pindirs 0b101; side-set of one pin on pin 3 toggles; out pins would write pin 3 too, but side-set wins.
    let mut b = pio(&[set(4, 5) | 1 << 12, set(0, 7), mov(0, 1, 3) | 1 << 12, mov(0, 0, 3), jmp(4)]);
    b.write(machine(0, 0x14), 1 << 29 | 3 << 26 | 4 << 20 | 3 << 10);
    b.write(PIO0 + 0x38, 0);
    b.write(machine(0, 0x10), u32::from(set(4, 0)));
    b.write(machine(0, 0x14), 5 << 26);
    b.write(machine(0, 0x10), u32::from(set(4, 8)));
    b.write(machine(0, 0x14), 1 << 29 | 3 << 26 | 4 << 20 | 3 << 10);
    b.write(CTRL, 1);
    b.pass(1);
    assert_eq!(b.read(PIO0 + 0x40) & 15, 8 | 5, "pins 0 and 2, beside pin 3");
    assert_eq!(b.0.pins() & 15, 8);
    b.pass(1);
    assert_eq!(b.read(PIO0 + 0x3c) & 15, 7, "side-set 0");
    b.pass(1);
    assert_eq!(b.read(PIO0 + 0x3c) & 15, 15, "mov pins, ~null with side-set 1");
    b.pass(1);
    assert_eq!(b.read(PIO0 + 0x3c) & 15, 0);
}

#[test]
fn pins_come_in_from_the_base_two_cycles_later() {
    // mov isr, pins; push; and again.
    let mut b = pio(&[mov(6, 0, 0), PUSH]);
    b.write(machine(0, 4), 1 << 12);
    b.write(machine(0, 0x14), 4 << 15);
    b.0.drive_pins(0xffff, 0x1230);
    b.pass(4);
    b.write(CTRL, 1);
    b.pass(2);
    assert_eq!(b.read(RXF) & 0xfff, 0x123);
    // mov x, status: all ones while the TX FIFO holds less than two words.
    let mut b = pio(&[mov(1, 0, 5), mov(6, 0, 1), PUSH, jmp(3)]);
    b.write(machine(0, 4), 2 | 31 << 12);
    b.write(TXF, 1);
    b.write(CTRL, 1);
    b.pass(4);
    assert_eq!(b.read(RXF), u32::MAX);
    b.write(TXF, 2);
    b.write(machine(0, 0x10), u32::from(jmp(0)));
    b.pass(5);
    assert_eq!(b.read(RXF), 0);
}

#[test]
fn fractional_dividers_keep_their_mean() {
    // A pin that toggles each tick; divided by 2.5 it makes 400 edges in 1000 cycles, by 1 a thousand.
    for (divider, edges) in [(1 << 16, 1000), (2 << 16 | 128 << 8, 400), (7 << 16 | 1 << 8, 143), (0, 0)] {
        let mut b = pio(&[set(0, 1), set(0, 0)]);
        b.write(machine(0, 0x14), 1 << 26);
        b.write(machine(0, 0x10), u32::from(set(4, 1)));
        b.write(machine(0, 4), 1 << 12);
        b.write(machine(0, 0), divider);
        b.write(CTRL, 1);
        let (mut count, mut was) = (0, b.0.pins() & 1);
        for _ in 0..1000 {
            b.pass(1);
            let now = b.0.pins() & 1;
            count += i32::from(now != was);
            was = now;
        }
        assert!((count - edges).abs() <= 1, "{divider:#x}: {count} edges, not {edges}");
    }
}

#[test]
fn delays_are_ticks_and_joined_fifos_are_deeper() {
    let mut b = pio(&[set(1, 1) | 9 << 8, PULL, jmp(2)]);
    b.write(CTRL, 1);
    b.pass(8);
    assert_eq!(b.read(machine(0, 0xc)), 1, "the delay runs behind the instruction");
    b.pass(20);
    assert_eq!(b.read(machine(0, 0xc)), 1, "nothing to pull");
    assert_eq!(b.read(FDEBUG) >> 24 & 1, 1, "TXSTALL");
    b.write(CTRL, 0);
    b.write(machine(1, 8), 1 << 30); // FJOIN_TX
    for i in 0..9 {
        b.write(TXF + 4, i);
    }
    assert_eq!(b.read(FSTAT) >> 17 & 1, 1, "full");
    assert_eq!(b.read(FDEBUG) >> 17 & 1, 1, "TXOVER at the ninth");
    assert_eq!(b.read(PIO0 + 0x0c) >> 8 & 15, 8);
    b.write(FDEBUG, 1 << 17);
    assert_eq!(b.read(FDEBUG) >> 17 & 1, 0);
    b.read(RXF + 4);
    assert_eq!(b.read(FDEBUG) >> 9 & 1, 1, "RXUNDER");
    b.write(machine(1, 8), 0);
    assert_eq!(b.read(FSTAT) >> 25 & 1, 1, "changing the join empties it");
}

#[test]
fn machines_started_together_stay_in_step() {
    // Both toggle their pin every 3 ticks of 1.75 cycles; the dividers are restarted together.
    let mut b = pio(&[set(0, 1) | 2 << 8, set(0, 0) | 2 << 8]);
    for i in 0..2 {
        b.write(machine(i, 0x14), 1 << 26 | (i * 7) << 5);
        b.write(machine(i, 0x10), u32::from(set(4, 1)));
        b.write(machine(i, 4), 1 << 12);
        b.write(machine(i, 0), 1 << 16 | 192 << 8);
    }
    b.write(CTRL, 0x303);
    for _ in 0..500 {
        b.pass(1);
        let pins = b.0.pins();
        assert_eq!(pins & 1, pins >> 7 & 1);
    }
    // A machine that is held back a while goes on from where it was.
    b.write(CTRL + 0x3000, 1);
    let at = b.read(machine(0, 0xc));
    b.pass(50);
    assert_eq!(b.read(machine(0, 0xc)), at);
    b.write(CTRL + SET, 1);
    b.pass(6);
    assert_eq!(b.read(CTRL) & 15, 3);
    assert_ne!(b.read(machine(0, 0xc)), at);
}
