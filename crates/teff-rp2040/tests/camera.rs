//! The camera at full rate: a whole frame over one data line, by PIO and DMA as drivers receive it, with no bit lost; and a
//! microphone clocked by PWM.

mod common;
use common::bench::Bench;
use common::camera::{self, BUFFER, DMA, PIO0, PIXELS, SIDE, noise};
use teff_rp2040::board::{Description, GreyImage, Sound};

const I2C0: u32 = 0x4004_4000;
const PWM: u32 = 0x4005_0000;

#[test]
fn a_frame_at_25_megahertz_loses_no_bit() {
    let mut b = Bench::on(Description::pico4ml());
    let pixels = noise();
    b.0.board().show(GreyImage { width: SIDE, height: SIDE, pixels: pixels.clone() }).unwrap();
    camera::set_up(&mut b);
    let begin = b.0.nanoseconds();
    camera::receive(&mut b, 1);
    while b.read(DMA + 0x10) >> 24 & 1 != 0 {
        assert!(b.0.nanoseconds() - begin < 100_000_000, "{} bytes did not come", b.read(DMA + 8));
        b.pass(100_000);
    }
    assert_eq!(b.read(PIO0 + 8) & 1, 0, "RXSTALL: the FIFO was never full");
    // The camera of this board is mounted upside down.
    let seen = b.0.read_bytes(BUFFER, PIXELS).unwrap();
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
            camera::write(&mut b, register, value);
        }
        camera::write(&mut b, 0x100, 1);
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
