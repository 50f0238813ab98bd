//! DMA by its registers: sizes, rings, chains, pacing, byte swap, the sniffer, errors (datasheet 2.5).

mod common;
use common::bench::Bench;

const DMA: u32 = 0x5000_0000;
const FROM: u32 = 0x2000_1000;
const TO: u32 = 0x2000_2000;
/// CTRL: enable, word size, both addresses move, unpaced, chained to itself.
const COPY: u32 = 1 | 2 << 2 | 1 << 4 | 1 << 5 | 0x3f << 15;

fn channel(i: u32) -> u32 {
    DMA + 0x40 * i
}

/// CTRL of channel `i` that starts no other.
fn alone(i: u32, ctrl: u32) -> u32 {
    ctrl & !(15 << 11) | i << 11
}

fn start(b: &mut Bench, i: u32, from: u32, to: u32, count: u32, ctrl: u32) {
    b.write(channel(i), from);
    b.write(channel(i) + 4, to);
    b.write(channel(i) + 8, count);
    b.write(channel(i) + 0xc, alone(i, ctrl));
}

fn busy(b: &mut Bench, i: u32) -> bool {
    b.read(channel(i) + 0x10) >> 24 & 1 != 0
}

#[test]
fn a_copy_moves_a_word_a_cycle_and_raises_its_interrupt() {
    let mut b = Bench::new();
    let words: Vec<u32> = (0..64).map(|i| i * 0x0101_0101).collect();
    b.put(FROM, &words);
    b.write(DMA + 0x404, 1 << 3);
    start(&mut b, 3, FROM, TO, 64, COPY);
    b.pass(40);
    let left = b.read(channel(3) + 8);
    assert!((20..40).contains(&left), "{left} left after 40 cycles");
    assert!(busy(&mut b, 3) && !b.irq(11));
    b.pass(64);
    assert!(!busy(&mut b, 3) && b.irq(11));
    assert_eq!(b.words(TO, 64), words);
    assert_eq!([b.read(channel(3)), b.read(channel(3) + 4)], [FROM + 256, TO + 256]);
    b.write(DMA + 0x40c, 1 << 3);
    assert_eq!(b.read(DMA + 0x400), 0);
}

#[test]
fn sizes_and_byte_swap() {
    let mut b = Bench::new();
    b.put(FROM, &[0x4433_2211, 0x8877_6655]);
    start(&mut b, 0, FROM, TO, 5, COPY & !(3 << 2));
    b.pass(20);
    assert_eq!(b.words(TO, 2), [0x4433_2211, 0x55], "five bytes");
    start(&mut b, 0, FROM, TO, 2, COPY & !(3 << 2) | 1 << 2 | 1 << 22);
    b.pass(20);
    assert_eq!(b.words(TO, 1), [0x3344_1122], "half-words, each swapped");
    start(&mut b, 0, FROM, TO, 2, COPY | 1 << 22);
    b.pass(20);
    assert_eq!(b.words(TO, 2), [0x1122_3344, 0x5566_7788]);
    // Without INCR_READ one word fills a stretch.
    start(&mut b, 0, FROM + 4, TO, 4, COPY & !(1 << 4));
    b.pass(20);
    assert_eq!(b.words(TO, 4), [0x8877_6655; 4]);
}

#[test]
fn rings_wrap_reads_or_writes() {
    let mut b = Bench::new();
    b.put(FROM, &[1, 2, 3, 4, 5, 6, 7, 8]);
    start(&mut b, 1, FROM, TO, 10, COPY | 4 << 6); // 16 bytes of reads
    b.pass(40);
    assert_eq!(b.words(TO, 10), [1, 2, 3, 4, 1, 2, 3, 4, 1, 2]);
    b.put(TO, &[0; 16]);
    start(&mut b, 1, FROM, TO, 8, COPY | 3 << 6 | 1 << 10); // 8 bytes of writes
    b.pass(40);
    assert_eq!(b.words(TO, 4), [7, 8, 0, 0]);
}

#[test]
fn chains_follow_each_other_and_a_control_block_reprograms_a_channel() {
    let mut b = Bench::new();
    b.put(FROM, &[10, 20, 30, 40]);
    // Channel 5 is prepared, not triggered (alias 1 ends with the write address's register not being a trigger).
    b.write(channel(5), FROM + 8);
    b.write(channel(5) + 4, TO + 8);
    b.write(channel(5) + 8, 2);
    b.write(channel(5) + 0x10, alone(5, COPY));
    b.write(channel(4), FROM);
    b.write(channel(4) + 4, TO);
    b.write(channel(4) + 8, 2);
    b.write(channel(4) + 0xc, COPY & !(15 << 11) | 5 << 11);
    b.pass(40);
    assert_eq!(b.words(TO, 4), [10, 20, 30, 40]);
    assert_eq!(b.read(DMA + 0x400), 1 << 4 | 1 << 5);
    // Control blocks: channel 0 writes count and read address of channel 1 by its alias 3, whose last register triggers;
    // channel 1 chains back to channel 0 after each block; a null trigger ends it, and in quiet mode raises the interrupt.
    b.write(DMA + 0x400, 0xfff);
    let blocks = [2, FROM, 1, FROM + 12, 0, 0];
    b.put(FROM + 0x100, &blocks);
    b.write(channel(1) + 4, TO + 0x100);
    b.write(channel(1) + 0x10, COPY & !(15 << 11) | 1 << 21);
    start(&mut b, 0, FROM + 0x100, channel(1) + 0x38, 2, COPY | 3 << 6 | 1 << 10);
    b.pass(60);
    assert_eq!(b.words(TO + 0x100, 3), [10, 20, 40]);
    assert_eq!(b.read(DMA + 0x400) & 2, 2, "the null trigger");
}

#[test]
fn multi_channel_trigger_abort_and_reload() {
    let mut b = Bench::new();
    b.put(FROM, &[7; 8]);
    for i in [6, 7] {
        b.write(channel(i), FROM);
        b.write(channel(i) + 4, TO + 0x40 * i);
        b.write(channel(i) + 8, 4);
        b.write(channel(i) + 0x10, alone(i, COPY));
    }
    b.write(DMA + 0x430, 1 << 6 | 1 << 7);
    b.pass(40);
    assert_eq!([b.words(TO + 0x180, 4), b.words(TO + 0x1c0, 4)], [[7; 4], [7; 4]]);
    assert_eq!((b.read(channel(6) + 8), b.read(DMA + 0x800 + 0x40 * 6 + 4)), (0, 4), "count, and its reload");
    b.write(DMA + 0x430, 1 << 6);
    b.pass(20);
    assert_eq!(b.words(TO + 0x190, 1), [7], "it goes on where it stood");
    // Paced by a request that never comes, then aborted.
    start(&mut b, 8, FROM, TO, 4, COPY & !(0x3f << 15) | 20 << 15);
    b.pass(50);
    assert!(busy(&mut b, 8));
    b.write(DMA + 0x444, 1 << 8);
    assert!(!busy(&mut b, 8));
    assert_eq!(b.read(DMA + 0x444), 0);
}

#[test]
fn pacing_timers_and_requests_of_peripherals() {
    let mut b = Bench::new();
    b.write(DMA + 0x420 + 4, 3 << 16 | 100); // timer 1: three transfers in a hundred cycles
    start(&mut b, 2, FROM, TO, 60, COPY & !(0x3f << 15) | 0x3c << 15);
    let begin = b.0.cycles();
    while busy(&mut b, 2) {
        b.pass(1);
    }
    let took = b.0.cycles() - begin;
    // Two requests may have gathered before.
    assert!((1_920..=2_040).contains(&took), "60 transfers in {took} cycles");
    // To a UART, whose FIFO of 32 takes what fits; the rest goes at the line's pace.
    const UART0: u32 = 0x4003_4000;
    b.write(UART0 + 0x24, 1);
    b.write(UART0 + 0x2c, 0x70);
    b.write(UART0 + 0x48, 2);
    b.write(UART0 + 0x30, 0x301);
    let text = b"a line of text that is longer than the FIFO of the UART is deep";
    assert!(b.0.write_bytes(FROM, text));
    start(&mut b, 9, FROM, UART0, text.len() as u32, 1 | 1 << 4 | 20 << 15);
    b.pass(160 * text.len() as u64 + 1000);
    assert_eq!(b.0.take_uart(0), text);
}

#[test]
fn the_sniffer_sums_and_checks() {
    let mut b = Bench::new();
    assert!(b.0.write_bytes(FROM, b"123456789"));
    let mut sniff = |mode: u32, seed: u32, extra: u32| {
        b.write(DMA + 0x434, 1 | 4 << 1 | mode << 5 | extra);
        b.write(DMA + 0x438, seed);
        start(&mut b, 4, FROM, TO, 9, COPY & !(3 << 2) | 1 << 23);
        b.pass(40);
        b.read(DMA + 0x438)
    };
    // Check values of the catalogue of parametrised CRC algorithms; output inverted (bit 11) or reversed (bit 10).
    assert_eq!(sniff(0, u32::MAX, 1 << 11), 0xfc89_1918, "CRC-32/BZIP2");
    assert_eq!(sniff(1, u32::MAX, 1 << 11 | 1 << 10), 0xcbf4_3926, "CRC-32");
    assert_eq!(sniff(2, 0xffff, 0), 0x29b1, "CRC-16/IBM-3740");
    assert_eq!(sniff(15, 5, 0), 5 + 477, "sum");
    assert_eq!(sniff(14, 0, 0) & 1, 1, "parity of 33 ones");
}

#[test]
fn errors_of_the_bus_stop_a_channel() {
    let mut b = Bench::new();
    start(&mut b, 0, 0x3000_0000, TO, 4, COPY);
    b.pass(20);
    let ctrl = b.read(channel(0) + 0x10);
    assert_eq!(ctrl >> 29, 0b110, "AHB_ERROR and READ_ERROR");
    assert_eq!(ctrl >> 24 & 1, 0);
    b.write(channel(0) + 0x10, alone(0, COPY) | 1 << 30);
    assert_eq!(b.read(channel(0) + 0x10) >> 29, 0, "cleared by a one");
    start(&mut b, 0, FROM, 0x3000_0000, 4, COPY);
    b.pass(20);
    assert_eq!(b.read(channel(0) + 0x10) >> 29, 0b101, "AHB_ERROR and WRITE_ERROR");
}
