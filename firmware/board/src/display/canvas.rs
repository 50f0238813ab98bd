//! The picture of the display in memory, in the bytes that go over the wire.

use core::convert::Infallible;
use embedded_graphics::Pixel;
use embedded_graphics::pixelcolor::{Rgb565, raw::RawU16};
use embedded_graphics::prelude::{DrawTarget, OriginDimensions, RawData, Size};

/// Columns of the display.
pub const WIDTH: usize = 80;
/// Rows of it.
pub const HEIGHT: usize = 160;

/// A picture of 80 x 160 pixels of 16 bits, high byte first.
pub struct Canvas {
    pixels: [u16; WIDTH * HEIGHT],
}

impl Canvas {
    /// A black one.
    #[expect(clippy::new_without_default, reason = "it is made as a constant")]
    pub const fn new() -> Canvas {
        Canvas { pixels: [0; WIDTH * HEIGHT] }
    }

    /// What goes over the wire.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: any u16 is two bytes.
        unsafe { core::slice::from_raw_parts(self.pixels.as_ptr().cast(), self.pixels.len() * 2) }
    }

    /// A row, each pixel in the order of the wire: [`wire`].
    pub fn row_mut(&mut self, y: usize) -> &mut [u16] {
        &mut self.pixels[y * WIDTH..(y + 1) * WIDTH]
    }
}

/// A colour in the order of the wire.
pub fn wire(color: Rgb565) -> u16 {
    RawU16::from(color).into_inner().to_be()
}

/// A brightness in the order of the wire.
pub const fn grey(level: u8) -> u16 {
    ((level as u16 >> 3) << 11 | (level as u16 >> 2) << 5 | level as u16 >> 3).to_be()
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(WIDTH as u32, HEIGHT as u32)
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb565;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb565>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(at, color) in pixels {
            if let (Ok(x @ 0..WIDTH), Ok(y @ 0..HEIGHT)) = (usize::try_from(at.x), usize::try_from(at.y)) {
                self.pixels[y * WIDTH + x] = wire(color);
            }
        }
        Ok(())
    }
}
