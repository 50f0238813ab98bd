//! Pictures in and out.

use crate::error::Error;
use std::io::Write;

/// A grey picture, one byte a pixel, rows from the top, 255 white.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GreyImage {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// `width * height` values.
    pub pixels: Vec<u8>,
}

/// A colour picture, three bytes (red, green, blue) a pixel, rows from the top.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RgbImage {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// `3 * width * height` values.
    pub pixels: Vec<u8>,
}

/// Brightness of red, green and blue (ITU-R BT.601).
pub(super) fn luma(p: &[u8]) -> u8 {
    ((u32::from(p[0]) * 299 + u32::from(p[1]) * 587 + u32::from(p[2]) * 114 + 500) / 1000) as u8
}

impl GreyImage {
    /// The picture scaled to a square of `side` pixels: the larger dimension is cropped at both ends, each output
    /// pixel is the mean of what it covers, or the nearest pixel when it is enlarged.
    pub(crate) fn fit(&self, side: usize) -> Vec<u8> {
        let crop = self.width.min(self.height).max(1);
        let (left, top) = ((self.width - crop) / 2, (self.height - crop) / 2);
        let span = |i: usize| (i * crop / side, ((i + 1) * crop / side).max(i * crop / side + 1));
        let mut out = Vec::with_capacity(side * side);
        for y in 0..side {
            let (y0, y1) = span(y);
            for x in 0..side {
                let (x0, x1) = span(x);
                let mut sum = 0;
                for row in y0..y1 {
                    let start = (top + row) * self.width + left;
                    sum += self.pixels[start + x0..start + x1].iter().map(|&p| u32::from(p)).sum::<u32>();
                }
                out.push((sum / ((y1 - y0) * (x1 - x0)) as u32) as u8);
            }
        }
        out
    }
}

impl RgbImage {
    /// The picture in grey: luma (ITU-R BT.601).
    pub fn to_grey(&self) -> GreyImage {
        let pixels = self.pixels.chunks_exact(3).map(luma).collect();
        GreyImage { width: self.width, height: self.height, pixels }
    }

    /// Writes a PNG.
    ///
    /// # Errors
    /// When the output fails.
    pub fn write_png(&self, output: impl Write) -> Result<(), Error> {
        let mut encoder = png::Encoder::new(output, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().map_err(|e| Error::bad_input("picture", 0, e))?;
        writer.write_image_data(&self.pixels).map_err(|e| Error::bad_input("picture", 0, e))?;
        writer.finish().map_err(|e| Error::bad_input("picture", 0, e))
    }

    /// The colour at column `x` of row `y`.
    pub fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        let at = 3 * (y * self.width + x);
        [self.pixels[at], self.pixels[at + 1], self.pixels[at + 2]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn a_png_written_has_the_pixels() {
        let image = RgbImage { width: 2, height: 1, pixels: vec![255, 255, 255, 255, 0, 0] };
        let mut bytes = Vec::new();
        image.write_png(&mut bytes).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = [0; 6];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height, info.color_type), (2, 1, png::ColorType::Rgb));
        assert_eq!(pixels[..], image.pixels);
        assert_eq!(image.to_grey(), GreyImage { width: 2, height: 1, pixels: vec![255, 76] });
    }

    #[test]
    fn fitting_crops_the_middle_and_averages() {
        let wide = GreyImage { width: 4, height: 2, pixels: vec![9, 10, 20, 9, 9, 30, 40, 9] };
        assert_eq!(wide.fit(1), [25]);
        assert_eq!(wide.fit(2), [10, 20, 30, 40]);
        assert_eq!(wide.fit(4)[..4], [10, 10, 20, 20]);
    }
}
