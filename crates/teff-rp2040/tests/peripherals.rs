//! Peripherals by their registers: ADC, RTC, watchdog, PWM, timer, I2C, SPI, UART. Figures are the datasheet's, at 12 MHz.

mod common;
use common::bench::{Bench, CLEAR, IO_BANK0, PSM_WDSEL, RESETS, SET, WATCHDOG};
use teff_rp2040::Stop;
use teff_rp2040::board::{Description, Motion};

const ADC: u32 = 0x4004_c000;
const RTC: u32 = 0x4005_c000;
const PWM: u32 = 0x4005_0000;
const TIMER: u32 = 0x4005_4000;
const I2C0: u32 = 0x4004_4000;
const SPI0: u32 = 0x4003_c000;
const UART0: u32 = 0x4003_4000;

#[test]
fn the_adc_converts_in_96_clocks_and_goes_round_its_inputs() {
    let mut b = Bench::new();
    for (input, code) in [(0, 100), (1, 0xfff), (4, 876)] {
        b.0.set_adc(input, code);
    }
    b.write(ADC, 1 | 1 << 12); // EN, AINSEL 1
    assert_eq!(b.read(ADC) >> 8 & 1, 1, "ready");
    b.write(ADC + SET, 4); // START_ONCE
    assert!((96..=98).contains(&b.wait(ADC, 1 << 8)), "one conversion");
    assert_eq!(b.read(ADC + 4), 0xfff);
    // Round robin over inputs 0, 1 and 4 into the FIFO, free-running, one sample in 480 clocks.
    b.write(ADC + 0x08, 1 | 3 << 24);
    b.write(ADC + 0x10, 479 << 8);
    b.write(ADC + 0x18, 1);
    b.write(ADC, 1 | 0b1_0011 << 16 | 8);
    b.pass(96 + 480 + 20);
    assert_eq!(b.read(ADC + 8) >> 16 & 15, 2);
    assert!(!b.irq(22), "below the threshold");
    b.pass(480);
    assert!(b.irq(22));
    assert_eq!([0; 3].map(|_| b.read(ADC + 0x0c)), [100, 0xfff, 876]);
    b.pass(480 * 6);
    assert_eq!(b.read(ADC + 8) & (1 << 11 | 1 << 10), 1 << 11, "overflowed at four");
    for _ in 0..5 {
        b.read(ADC + 0x0c);
    }
    assert_eq!(b.read(ADC + 8) >> 10 & 1, 1, "underflowed");
    b.write(ADC + 8 + SET, 1 << 10 | 1 << 11);
    assert_eq!(b.read(ADC + 8) >> 10 & 3, 0, "cleared by ones");
    // Eight bits only, for byte-wide DMA.
    b.write(ADC, 1);
    b.pass(600);
    while b.read(ADC + 8) >> 16 & 15 > 0 {
        b.read(ADC + 0x0c);
    }
    b.write(ADC + 0x08, 3);
    b.0.set_adc(0, 0xabc);
    b.write(ADC, 1 | 4);
    b.pass(100);
    assert_eq!(b.read(ADC + 0x0c), 0xab);
}

#[test]
fn the_rtc_counts_seconds_and_alarms_on_the_fields_that_are_enabled() {
    let mut b = Bench::new();
    b.write(RTC, 11_999); // clk_rtc is 12 MHz here; a thousandth of a second stands for a second
    b.write(RTC + 0x04, 2023 << 12 | 12 << 8 | 31);
    b.write(RTC + 0x08, 23 << 16 | 59 << 8 | 58); // Sunday
    b.write(RTC + 0x0c, 0x10);
    b.write(RTC + 0x0c, 1);
    assert_eq!(b.read(RTC + 0x0c) & 3, 3, "active");
    b.pass(12_500);
    assert_eq!(b.read(RTC + 0x1c), 23 << 16 | 59 << 8 | 59);
    b.pass(12_000);
    assert_eq!(b.read(RTC + 0x1c), 1 << 24, "midnight of Monday");
    b.pass(24_000);
    assert_eq!(b.read(RTC + 0x18), 2024 << 12 | 1 << 8 | 1, "latched with the time");
    assert_eq!(b.read(RTC + 0x1c), 1 << 24 | 2);
    // At second 4 of any minute.
    b.write(RTC + 0x14, 1 << 28 | 4);
    b.write(RTC + 0x10, 1 << 28);
    b.write(RTC + 0x24, 1);
    assert_eq!(b.read(RTC + 0x10) >> 29 & 1, 1, "MATCH_ACTIVE");
    assert!(!b.irq(25));
    b.pass(24_000);
    assert!(b.irq(25));
    b.write(RTC + 0x10 + CLEAR, 1 << 28);
    assert_eq!(b.read(RTC + 0x20), 0, "clearing MATCH_ENA clears it");
}

#[test]
fn the_watchdog_counts_twice_a_tick_and_resets_all_but_its_scratch() {
    let mut b = Bench::new();
    b.write(WATCHDOG + 0x10, 0xcafe);
    b.write(PSM_WDSEL, 0x1fffc); // all but the oscillators
    b.write(WATCHDOG + 4, 2_000); // 1000 ticks, as erratum E1 says
    b.write(WATCHDOG + SET, 1 << 30);
    b.pass(12 * 400);
    let left = b.read(WATCHDOG) & 0xff_ffff;
    assert!((1_190..=1_202).contains(&left), "{left}");
    b.write(WATCHDOG + 4, 2_000); // fed
    b.pass(12 * 900);
    assert_eq!(b.read(RESETS), 0, "not yet");
    assert_eq!(b.read(WATCHDOG + 8), 0);
    b.pass(12 * 110);
    assert_ne!(b.read(RESETS), 0, "the peripherals are in reset again");
    assert_eq!((b.read(WATCHDOG + 8), b.read(WATCHDOG + 0x10)), (1, 0xcafe));
    b.write(PSM_WDSEL, 0x1fffc);
    b.write(WATCHDOG, 1 << 31);
    b.pass(100);
    assert_eq!(b.read(WATCHDOG + 8), 2, "forced");
}

#[test]
fn pwm_edges_come_at_their_counts() {
    let mut b = Bench::new();
    b.select(4, 4); // slice 2, A and B
    b.select(5, 4);
    let slice = PWM + 20 * 2;
    b.write(slice + 0x04, 3 << 4 | 8); // divided by 3.5
    b.write(slice + 0x0c, 600 << 16 | 200);
    b.write(slice + 0x10, 999);
    b.write(slice, 1);
    let begin = b.0.cycles();
    let edges = |b: &mut Bench, pin: u32, count: usize| {
        let mut at = Vec::new();
        let mut was = b.0.pins() >> pin & 1;
        while at.len() < count {
            b.pass(1);
            let now = b.0.pins() >> pin & 1;
            if now != was {
                at.push(b.0.cycles() - begin);
            }
            was = now;
        }
        at
    };
    let at = edges(&mut b, 4, 3);
    for (edge, wanted) in at.iter().zip([700.0, 3500.0, 4200.0]) {
        assert!((*edge as f64 - wanted).abs() <= 4.0, "{at:?}");
    }
    let at = edges(&mut b, 5, 1)[0] as f64;
    assert!((at - (3500.0 + 2100.0)).abs() <= 4.0, "B falls at 600: {at}");
    // Wrap interrupt, counter, phase-correct mode of twice the period, and both inversions.
    b.write(PWM + 0xa8, 1 << 2);
    b.write(PWM + 0xa4, 0xff);
    assert!(!b.irq(4));
    b.pass(3600);
    assert!(b.irq(4) && b.read(PWM + 0xb0) == 1 << 2);
    b.write(PWM + 0xa4, 1 << 2);
    assert_eq!(b.read(PWM + 0xb0), 0);
    b.write(slice, 0);
    b.write(slice + 4, 1 << 4);
    b.write(slice + 8, 0);
    b.write(slice, 1 | 2 | 4);
    b.pass(900);
    let up = b.read(slice + 8);
    b.pass(300);
    let down = b.read(slice + 8);
    assert!((898..=902).contains(&up) && (796..=802).contains(&down), "{up} {down}");
    assert_eq!(b.0.pins() >> 4 & 3, 0b01, "A is inverted, B is not: the count is above both");
    b.write(PWM + 0xa0, 0);
    b.pass(100);
    assert_eq!(b.read(slice + 8), down - 1 + u32::from(b.read(slice + 8) == down), "stands still");
}

#[test]
fn timer_alarms_fire_on_their_microsecond_and_time_latches() {
    let mut b = Bench::new();
    b.write(TIMER + 4, 0xffff_fff0);
    b.write(TIMER, 7); // TIMEHW takes both words over
    assert_eq!(b.read(TIMER + 0x0c) >> 4, 0xfff_ffff);
    b.write(TIMER + 0x38, 1 << 2);
    b.write(TIMER + 0x18, 4); // alarm 2, past the carry
    assert_eq!(b.read(TIMER + 0x20), 1 << 2);
    b.pass(12 * 19);
    assert!(!b.irq(2));
    b.pass(12 * 2);
    assert!(b.irq(2));
    assert_eq!((b.read(TIMER + 0x20), b.read(TIMER + 0x34)), (0, 1 << 2), "disarmed and raised");
    let low = b.read(TIMER + 0x0c);
    assert_eq!((b.read(TIMER + 0x08), low < 100), (8, true));
    b.write(TIMER + 0x34, 1 << 2);
    b.write(TIMER + 0x10, low + 10);
    b.write(TIMER + 0x20, 1);
    b.pass(12 * 20);
    assert_eq!(b.read(TIMER + 0x34), 0, "disarmed");
    b.write(TIMER + 0x30, 1);
    let stands = b.read(TIMER + 0x28);
    b.pass(1000);
    assert_eq!(b.read(TIMER + 0x28), stands, "paused");
}

/// Sets I2C0 up for 400 kHz with `address` as its target.
fn i2c(b: &mut Bench, address: u32) {
    b.write(I2C0 + 0x6c, 0);
    b.write(I2C0, 1 | 2 << 1 | 1 << 5 | 1 << 6 | 1 << 8);
    b.write(I2C0 + 0x04, address);
    b.write(I2C0 + 0x1c, 12);
    b.write(I2C0 + 0x20, 17);
    b.write(I2C0 + 0xa0, 1);
    b.write(I2C0 + 0x6c, 1);
}

#[test]
fn i2c_reads_the_motion_sensor_and_reports_who_is_not_there() {
    let mut b = Bench::on(Description::pico4ml());
    b.0.board().shake(Motion::parse("0,0.5,0,-0.5").unwrap()).unwrap();
    i2c(&mut b, 0x68);
    for word in [0x06, 0x201] {
        b.write(I2C0 + 0x10, word); // PWR_MGMT_1 = 1, then stop
    }
    b.wait(I2C0 + 0x34, 1 << 9);
    b.read(I2C0 + 0x40);
    b.write(I2C0 + 0x10, 0x2d);
    b.write(I2C0 + 0x10, 0x100 | 0x400); // repeated start, then five bytes more
    (0..4).for_each(|_| b.write(I2C0 + 0x10, 0x100));
    b.write(I2C0 + 0x10, 0x100 | 0x200);
    let took = b.wait(I2C0 + 0x34, 1 << 9);
    // Two starts with addresses (10 bits), 7 bytes of 9, a stop, of 38 clocks each (12 + 1 + 7 + 17 + 1).
    assert_eq!(took, (20 + 63 + 1) * 38, "at 316 kHz");
    assert_eq!(b.read(I2C0 + 0x78), 6);
    assert_eq!([0; 6].map(|_| b.read(I2C0 + 0x10)), [0x20, 0, 0, 0, 0xe0, 0]);
    assert_eq!(b.read(I2C0 + 0x34) & 1, 0);
    b.read(I2C0 + 0x10);
    assert_eq!(b.read(I2C0 + 0x34) & 1, 1, "RX_UNDER");
    // Nobody at 0x33: abort, interrupt, stop, and the FIFO is flushed until it is cleared.
    i2c(&mut b, 0x33);
    b.write(I2C0 + 0x30, 1 << 6);
    b.write(I2C0 + 0x10, 0x200);
    b.wait(I2C0 + 0x34, 1 << 9);
    assert_eq!(b.read(I2C0 + 0x80) & 0x1ff, 1, "ABRT_7B_ADDR_NOACK");
    assert!(b.irq(23));
    assert_eq!(b.read(I2C0 + 0x54), 1);
    assert_eq!(b.read(I2C0 + 0x80), 0);
}

#[test]
fn spi_takes_its_time_and_loops_back() {
    let mut b = Bench::new();
    b.write(SPI0 + 0x10, 4);
    b.write(SPI0, 2 << 8 | 7); // 8 bits, 12 MHz / (4 * 3): 1 MHz
    b.write(SPI0 + 4, 1 | 2); // loop back, on
    for byte in 1..=9 {
        b.write(SPI0 + 8, byte);
    }
    assert_eq!(b.read(SPI0 + 0x0c) & 2, 0, "full: one is on the line, eight wait");
    let begin = b.0.cycles();
    while b.read(SPI0 + 0x0c) >> 4 & 1 != 0 {
        b.pass(1);
    }
    // Nine frames of 8 bits, and between them the pulse of the select line, one and a half bits.
    let took = b.0.cycles() - begin;
    assert!((9 * 114 - 2..=9 * 114 + 2).contains(&took), "{took}");
    assert_eq!(b.read(SPI0 + 0x18) & 1, 1, "the ninth did not fit: overrun");
    assert_eq!([0; 8].map(|_| b.read(SPI0 + 8)), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(b.read(SPI0 + 0x0c) & 0x14, 0);
}

#[test]
fn the_uart_sends_receives_and_times_out() {
    let mut b = Bench::new();
    b.write(UART0 + 0x24, 6);
    b.write(UART0 + 0x28, 33); // 115 176 baud
    b.write(UART0 + 0x2c, 0x70);
    b.write(UART0 + 0x30, 0x301);
    b.write(UART0 + 0x38, 1 << 6 | 1 << 4);
    for byte in *b"hi" {
        b.write(UART0, u32::from(byte));
    }
    b.pass(1041);
    assert_eq!(b.0.take_uart(0), b"", "a frame is 10 bits of 104.17 clocks");
    b.pass(4);
    assert_eq!(b.0.take_uart(0), b"h");
    b.pass(1042);
    assert_eq!(b.0.take_uart(0), b"i");
    b.0.send_uart(0, b"abc");
    b.pass(3 * 1042 + 10);
    assert!(!b.irq(20), "three bytes are below the level of sixteen");
    b.pass(3 * 1100);
    assert!(b.irq(20) && b.read(UART0 + 0x40) == 1 << 6, "they have waited for 32 bits");
    assert_eq!([0; 3].map(|_| b.read(UART0)), [97, 98, 99]);
    assert_eq!(b.read(UART0 + 0x3c) & 1 << 6, 0);
    b.0.send_uart(0, &[7; 40]);
    b.pass(41 * 1042);
    assert_eq!(b.read(UART0 + 0x18) >> 6 & 1, 1, "full at 32");
    assert_eq!(b.read(UART0 + 0x3c) >> 4 & 1, 1, "above the level");
}

#[test]
fn pins_interrupt_on_edges_and_levels() {
    let mut b = Bench::new();
    b.0.drive_pins(1 << 9, 0);
    b.write(IO_BANK0 + 0x104, 8 << 4); // core 0: rising edge of pin 9
    b.0.drive_pins(1 << 9, 1 << 9);
    assert!(b.irq(13));
    b.write(IO_BANK0 + 0xf4, 8 << 4);
    assert_eq!(b.read(IO_BANK0 + 0x124), 0, "edges are cleared by ones");
    b.write(IO_BANK0 + 0x104, 1 << 4);
    assert_eq!(b.read(IO_BANK0 + 0x124), 0, "not low");
    b.0.drive_pins(1 << 9, 0);
    assert_eq!(b.read(IO_BANK0 + 0x124), 1 << 4, "low");
    b.write(IO_BANK0 + 0xf4, 0xffff_ffff);
    assert_eq!(b.read(IO_BANK0 + 0x124), 1 << 4, "levels are not latched");
    b.0.release_pins(1 << 9);
    b.write(0x4001_c000 + 4 + 4 * 9, 0x48); // pulled up
    assert_eq!(b.0.pins() >> 9 & 1, 1);
}

#[test]
fn a_register_of_a_peripheral_in_reset_reads_as_zero() {
    let mut b = Bench::new();
    b.write(TIMER + 0x38, 5);
    b.write(RESETS + SET, 1 << 21);
    assert_eq!(b.read(TIMER + 0x38), 0);
    b.write(TIMER + 0x38, 5);
    b.write(RESETS + CLEAR, 1 << 21);
    assert_eq!(b.read(RESETS + 8) >> 21 & 1, 1);
    assert_eq!(b.read(TIMER + 0x38), 0, "it has forgotten, and heard nothing");
    assert_eq!(b.0.load_register(0x4007_0000), None);
    assert_eq!(b.0.run(b.0.cycles() + 10), Stop::Deadline);
}
