//! The HM01B0 of the Pico4ML: set up over its control bus, read by PIO and DMA.

mod capture;
mod sccb;
pub use capture::{Capture, on_dma, on_vsync};
pub use sccb::Sccb;

use crate::time::sleep_ms;

/// What keeps the camera from giving pictures.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Nobody answers on the bus.
    Silent,
    /// Somebody answers who is no HM01B0.
    Stranger(u16),
    /// A line of the bus is held low.
    BusHeld,
    /// It was set up, and sends nothing.
    Stopped,
}

impl Fault {
    /// In a line of the display.
    pub fn text(self) -> &'static str {
        match self {
            Fault::Silent => "no camera",
            Fault::Stranger(_) => "not HM01B0",
            Fault::BusHeld => "I2C held",
            Fault::Stopped => "stopped",
        }
    }
}

/// SCCB address of the HM01B0.
const ADDRESS: u8 = 0x24;
/// What its model registers say.
const MODEL: u16 = 0x01b0;
/// Lines and clocks a line of a frame: 25 MHz / (8 x 215 x 484) is 30.03 frames a second.
const FRAME_LINES: u16 = 484;
const LINE_CLOCKS: u16 = 215;

/// Registers that are set, in this order (Himax HM01B0 datasheet, chapter 9): the whole field of 324 x 324, two by two pixels made
/// one in both directions, one data line, both mirrors as the sensor stands on its head on this board, auto exposure.
const SETTINGS: [(u16, u8); 13] = [
    (0x3059, 0x22),
    (0x3010, 0x00),
    (0x0383, 0x03),
    (0x0387, 0x03),
    (0x0390, 0x03),
    (0x0340, (FRAME_LINES >> 8) as u8),
    (0x0341, FRAME_LINES as u8),
    (0x0342, (LINE_CLOCKS >> 8) as u8),
    (0x0343, LINE_CLOCKS as u8),
    (0x0101, 0x03),
    (0x2100, 0x01),
    // The mean that auto exposure aims at, of 255: paper is bright without being white.
    (0x2101, 0x70),
    (0x0104, 0x01),
];

/// Resets the camera, sees that it is one, sets it up and lets it stream.
pub fn start(sccb: &mut Sccb, reset: &mut impl FnMut(bool), clock_hz: u32) -> Result<(), Fault> {
    reset(false);
    sleep_ms(10);
    reset(true);
    sleep_ms(10);
    sccb.start(ADDRESS, clock_hz)?;
    let model = u16::from(sccb.read(0x0000)?) << 8 | u16::from(sccb.read(0x0001)?);
    if model != MODEL {
        return Err(Fault::Stranger(model));
    }
    sccb.write(0x0103, 0)?;
    for (register, value) in SETTINGS {
        sccb.write(register, value)?;
    }
    sccb.write(0x0100, 1)
}
