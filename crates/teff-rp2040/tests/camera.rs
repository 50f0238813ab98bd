//! The camera at full rate: a whole frame over one data line, by PIO and DMA as drivers receive it, with no bit lost; and a
//! microphone clocked by PWM.

mod common;
use common::bench::{Bench, CLOCKS};
use teff_rp2040::board::{Description, GreyImage, Sound};

const SIDE: usize = 324;
const I2C0: u32 = 0x4004_4000;
const PWM: u32 = 0x4005_0000;
const PIO0: u32 = 0x5020_0000;
const DMA: u32 = 0x5000_0000;
const BUFFER: u32 = 0x2000_8000;

/// Writes a register of the camera (address 0x24) over I2C0.
fn camera(b: &mut Bench, register: u32, value: u32) {
    for word in [register >> 8, register & 0xff, value | 0x200] {
        b.write(I2C0 + 0x10, word);
    }
    b.wait(I2C0 + 0x34, 1 << 9);
    assert_eq!(b.read(I2C0 + 0x80), 0, "acknowledged");
    b.read(I2C0 + 0x40);
}

/// clk_sys to 125 MHz, as the vendor's start-up does it.
fn fast(b: &mut Bench) {
    const PLL: u32 = 0x4002_8000;
    b.write(PLL + 8, 125);
    b.write(PLL + 12, 6 << 16 | 2 << 12);
    b.write(PLL + 4, 0);
    b.write(CLOCKS + 0x3c, 1);
    assert_eq!(b.0.clock_hz(), 125_000_000);
}

#[test]
fn a_frame_at_25_megahertz_loses_no_bit() {
    let mut b = Bench::on(Description::pico4ml());
    let noise = |i: usize| (i.wrapping_mul(2_654_435_761) >> 13) as u8;
    let pixels: Vec<u8> = (0..SIDE * SIDE).map(noise).collect();
    b.0.board().show(GreyImage { width: SIDE, height: SIDE, pixels: pixels.clone() }).unwrap();
    fast(&mut b);
    // XCLK on pin 3: slice 1 B, 125 MHz / 5.
    b.select(3, 4);
    b.write(PWM + 20 + 0x10, 4);
    b.write(PWM + 20 + 0x0c, 2 << 16);
    b.write(PWM + 20, 1);
    b.select(4, 3);
    b.select(5, 3);
    b.write(I2C0, 1 | 2 << 1 | 1 << 5 | 1 << 6);
    b.write(I2C0 + 0x04, 0x24);
    b.write(I2C0 + 0x6c, 1);
    for (register, value) in
        [(0x3059, 0x22), (0x2100, 0), (0x340, 1), (0x341, 0x7a), (0x342, 1), (0x343, 0x77)]
    {
        camera(&mut b, register, value);
    }
    // wait for VSYNC low, high; then for each bit: HREF high, PCLK high, in pins 1, PCLK low.
    let wait = |level: u32, pin: u32| 0x2000 | level << 7 | pin;
    for (i, instruction) in
        [wait(0, 16), wait(1, 16), wait(1, 15), wait(1, 14), 0x4001, wait(0, 14)].iter().enumerate()
    {
        b.write(PIO0 + 0x48 + 4 * i as u32, *instruction);
    }
    b.write(PIO0 + 0xcc, 5 << 12 | 2 << 7);
    b.write(PIO0 + 0xd0, 1 << 31 | 8 << 20 | 1 << 16);
    b.write(PIO0 + 0xdc, 6 << 15);
    b.write(PIO0, 1);
    b.write(DMA, PIO0 + 0x20);
    b.write(DMA + 4, BUFFER);
    b.write(DMA + 8, (SIDE * SIDE) as u32);
    b.write(DMA + 0xc, 1 | 1 << 5 | 4 << 15);
    let begin = b.0.nanoseconds();
    camera(&mut b, 0x100, 1);
    while b.read(DMA + 0x10) >> 24 & 1 != 0 {
        assert!(b.0.nanoseconds() - begin < 100_000_000, "{} bytes did not come", b.read(DMA + 8));
        b.pass(100_000);
    }
    assert_eq!(b.read(PIO0 + 8) & 1, 0, "RXSTALL: the FIFO was never full");
    // The camera of this board is mounted upside down.
    let seen = b.0.read_bytes(BUFFER, SIDE * SIDE).unwrap();
    let wrong = seen.iter().zip(pixels.iter().rev()).filter(|(a, b)| a != b).count();
    assert_eq!(wrong, 0);
    // 378 x 375 x 8 periods of XCLK from frame to frame (45.4 ms), of which 326 lines pass before the last byte.
    let took = (b.0.nanoseconds() - begin) as f64 / 1e6;
    assert!((38.0..42.0).contains(&took), "{took} ms");
    b.pass(10_000);
    assert_eq!(b.0.board().traffic().0, 1, "one frame was sent");
}

#[test]
fn a_microphone_on_a_fast_pwm_clock_is_heard() {
    // A PDM microphone on pins 26 and 27, at 12 MHz / 6; the density of ones over 3000 bits is the level that it hears.
    let board = "name = pdm\nmicrophone.data = 26\nmicrophone.clock = 27";
    let mut b = Bench::on(Description::parse(board).unwrap());
    b.0.board().sound(Sound { rate: 1, samples: vec![16_384; 10] }).unwrap();
    b.select(27, 4); // slice 5 B
    b.write(PWM + 5 * 20 + 0x10, 5);
    b.write(PWM + 5 * 20 + 0x0c, 3 << 16);
    b.write(PWM + 5 * 20, 1);
    b.pass(60);
    let mut ones = 0;
    for _ in 0..3000 {
        b.pass(6);
        ones += b.0.pins() >> 26 & 1;
    }
    assert!((2200..2300).contains(&ones), "{ones} of 3000, not three quarters");
}

#[test]
fn windows_binning_and_bus_widths() {
    let board = "name = wide\ncamera.i2c = 0\ncamera.scl = 5\ncamera.sda = 4\ncamera.reset = 2\ncamera.xclk = 3\n\
                 camera.data = 17\ncamera.pclk = 14\ncamera.href = 15\ncamera.vsync = 16";
    let scene = |x: usize, y: usize| ((x * 5 + y * 3) % 251) as u8;
    // QVGA, binning, bus register, its lines; width, height and first row of the window.
    let cases = [
        (0, 1, 0x02, 8, (324, 324, 0)),
        (1, 1, 0x42, 4, (324, 244, 40)),
        (1, 3, 0x02, 8, (162, 122, 40)),
        (0, 3, 0x22, 1, (162, 162, 0)),
    ];
    for (qvga, binning, bus, lines, (width, height, top)) in cases {
        let mut b = Bench::on(Description::parse(board).unwrap());
        let pixels = (0..SIDE * SIDE).map(|i| scene(i % SIDE, i / SIDE)).collect();
        b.0.board().show(GreyImage { width: SIDE, height: SIDE, pixels }).unwrap();
        b.select(3, 4); // XCLK: 12 MHz / 6
        b.write(PWM + 20 + 0x10, 5);
        b.write(PWM + 20 + 0x0c, 3 << 16);
        b.write(PWM + 20, 1);
        b.select(4, 3);
        b.select(5, 3);
        b.write(I2C0, 1 | 2 << 1 | 1 << 5 | 1 << 6);
        b.write(I2C0 + 0x04, 0x24);
        b.write(I2C0 + 0x6c, 1);
        for (register, value) in
            [(0x3010, qvga), (0x383, binning), (0x387, binning), (0x3059, bus), (0x2100, 0)]
        {
            camera(&mut b, register, value);
        }
        camera(&mut b, 0x100, 1);
        let (mut seen, mut bits, mut clock, mut begun) = (Vec::new(), (0u32, 0), false, false);
        loop {
            b.pass(1);
            let pins = b.0.pins();
            let high = |pin: u32| pins >> pin & 1 != 0;
            begun |= high(16);
            if begun && !high(16) {
                break;
            }
            if high(14) && !clock {
                assert!(high(15) && high(16), "clocked outside of a line");
                bits = (bits.0 << lines | pins >> 17 & ((1 << lines) - 1), bits.1 + lines);
                if bits.1 == 8 {
                    seen.push(bits.0 as u8);
                    bits = (0, 0);
                }
            }
            clock = high(14);
        }
        let pixel = |i: usize| {
            let (x, y) = (i % width, i / width);
            let at = |dx, dy| u32::from(scene(2 * x + dx, top + 2 * y + dy));
            match binning {
                1 => scene(x, top + y),
                _ => ((at(0, 0) + at(1, 0) + at(0, 1) + at(1, 1)) / 4) as u8,
            }
        };
        let wanted: Vec<u8> = (0..width * height).map(pixel).collect();
        assert_eq!(seen.len(), wanted.len(), "{width}x{height} over {lines} lines");
        assert!(seen == wanted, "{width}x{height} over {lines} lines");
    }
}
