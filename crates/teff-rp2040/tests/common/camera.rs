//! The Pico4ML's camera at full rate, received over one data line by PIO and DMA, as drivers do it.

use super::bench::{Bench, CLOCKS};

pub(crate) const SIDE: usize = 324;
pub(crate) const PIXELS: usize = SIDE * SIDE;
pub(crate) const BUFFER: u32 = 0x2000_8000;
pub(crate) const DMA: u32 = 0x5000_0000;
pub(crate) const PIO0: u32 = 0x5020_0000;
const I2C0: u32 = 0x4004_4000;
const PWM: u32 = 0x4005_0000;

/// A picture of the sensor's size in which every byte matters.
pub(crate) fn noise() -> Vec<u8> {
    (0..PIXELS).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// Writes a register of the camera (address 0x24) over I2C0.
pub(crate) fn write(b: &mut Bench, register: u32, value: u32) {
    for word in [register >> 8, register & 0xff, value | 0x200] {
        b.write(I2C0 + 0x10, word);
    }
    b.wait(I2C0 + 0x34, 1 << 9);
    assert_eq!(b.read(I2C0 + 0x80), 0, "acknowledged");
    b.read(I2C0 + 0x40);
}

/// clk_sys to 125 MHz, as the vendor's start-up does it.
pub(crate) fn fast(b: &mut Bench) {
    const PLL: u32 = 0x4002_8000;
    b.write(PLL + 8, 125);
    b.write(PLL + 12, 6 << 16 | 2 << 12);
    b.write(PLL + 4, 0);
    b.write(CLOCKS + 0x3c, 1);
    assert_eq!(b.0.clock_hz(), 125_000_000);
}

/// One data line, no auto exposure, and frames of 378 lines of 375 periods: 45.36 ms.
pub(crate) fn configure(b: &mut Bench) {
    for (register, value) in
        [(0x3059, 0x22), (0x2100, 0), (0x340, 1), (0x341, 0x7a), (0x342, 1), (0x343, 0x77)]
    {
        write(b, register, value);
    }
}

/// 125 MHz, XCLK of 25 MHz from slice 1 B on pin 3, I2C0 on pins 4 and 5, and the camera configured.
pub(crate) fn set_up(b: &mut Bench) {
    fast(b);
    b.select(3, 4);
    b.write(PWM + 20 + 0x10, 4);
    b.write(PWM + 20 + 0x0c, 2 << 16);
    b.write(PWM + 20, 1);
    b.select(4, 3);
    b.select(5, 3);
    b.write(I2C0, 1 | 2 << 1 | 1 << 5 | 1 << 6);
    b.write(I2C0 + 0x04, 0x24);
    b.write(I2C0 + 0x6c, 1);
    configure(b);
}

/// Lets the camera stream, and as many bytes as `frames` frames have come into the buffer.
pub(crate) fn receive(b: &mut Bench, frames: usize) {
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
    b.write(DMA + 8, (frames * PIXELS) as u32);
    b.write(DMA + 0xc, 1 | 1 << 5 | 4 << 15);
    write(b, 0x100, 1);
}
