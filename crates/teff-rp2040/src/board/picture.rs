//! Pictures in and out.

use crate::error::Error;
use std::io::{BufRead, Read, Seek, Write};

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

/// Pixels of a picture at most: its file may be small and say anything.
const PIXELS: usize = 1 << 26;

fn failed(what: impl ToString) -> Error {
    Error::Picture { what: what.to_string() }
}

/// Brightness of red, green and blue (ITU-R BT.601).
pub(super) fn luma(p: &[u8]) -> u8 {
    ((u32::from(p[0]) * 299 + u32::from(p[1]) * 587 + u32::from(p[2]) * 114 + 500) / 1000) as u8
}

impl GreyImage {
    /// Reads a PNG of any colour type; colours become luma (ITU-R BT.601), transparency is ignored.
    ///
    /// # Errors
    /// When it is no PNG, or a damaged one.
    pub fn read_png(input: impl BufRead + Seek) -> Result<GreyImage, Error> {
        let mut decoder = png::Decoder::new(input);
        decoder.set_transformations(png::Transformations::normalize_to_color8());
        let mut reader = decoder.read_info().map_err(failed)?;
        let (width, height) = (reader.info().width, reader.info().height);
        let pixels = width as usize * height as usize;
        let size = reader.output_buffer_size().filter(|_| pixels <= PIXELS).ok_or_else(|| {
            failed(format!(
                "{width}x{height} pixels are more than the {PIXELS} that are read; make it smaller"
            ))
        })?;
        let mut bytes = vec![0; size];
        let info = reader.next_frame(&mut bytes).map_err(failed)?;
        let channels = info.color_type.samples();
        let grey = |p: &[u8]| if channels < 3 { p[0] } else { luma(p) };
        let (width, height) = (info.width as usize, info.height as usize);
        let pixels = bytes[..width * height * channels].chunks_exact(channels).map(grey).collect();
        Ok(GreyImage { width, height, pixels })
    }

    /// Reads a binary PGM (P5, maximum 255).
    ///
    /// # Errors
    /// When it is no such file.
    pub fn read_pgm(mut input: impl Read) -> Result<GreyImage, Error> {
        let mut bytes = Vec::new();
        input.read_to_end(&mut bytes).map_err(failed)?;
        let mut at = 0;
        let mut token = || {
            while bytes.get(at).is_some_and(u8::is_ascii_whitespace) {
                at += 1;
            }
            let start = at;
            while bytes.get(at).is_some_and(|b| !b.is_ascii_whitespace()) {
                at += 1;
            }
            std::str::from_utf8(&bytes[start..at]).unwrap_or("").to_string()
        };
        let (magic, width, height, max) = (token(), token(), token(), token());
        let number = |s: String| s.parse::<usize>().map_err(|_| failed("not a P5 PGM file"));
        let (width, height) = (number(width)?, number(height)?);
        if magic != "P5" || max != "255" {
            return Err(failed("not a P5 PGM file of 8 bits"));
        }
        let size = width.checked_mul(height).filter(|&size| size > 0).ok_or_else(|| failed("no PGM size"))?;
        let pixels = bytes.get(at + 1..).and_then(|rest| rest.get(..size));
        let pixels = pixels.ok_or_else(|| failed("PGM file cut short"))?;
        Ok(GreyImage { width, height, pixels: pixels.to_vec() })
    }

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
    /// Writes a PNG.
    ///
    /// # Errors
    /// When the output fails.
    pub fn write_png(&self, output: impl Write) -> Result<(), Error> {
        let mut encoder = png::Encoder::new(output, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().map_err(failed)?;
        writer.write_image_data(&self.pixels).map_err(failed)?;
        writer.finish().map_err(failed)
    }

    /// The colour at column `x` of row `y`.
    #[must_use]
    pub fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        let at = 3 * (y * self.width + x);
        [self.pixels[at], self.pixels[at + 1], self.pixels[at + 2]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn a_png_written_is_the_png_read() {
        let image = RgbImage { width: 2, height: 1, pixels: vec![255, 255, 255, 255, 0, 0] };
        let mut bytes = Vec::new();
        image.write_png(&mut bytes).unwrap();
        let grey = GreyImage::read_png(Cursor::new(bytes)).unwrap();
        assert_eq!(grey, GreyImage { width: 2, height: 1, pixels: vec![255, 76] });
    }

    #[test]
    fn fitting_crops_the_middle_and_averages() {
        let wide = GreyImage { width: 4, height: 2, pixels: vec![9, 10, 20, 9, 9, 30, 40, 9] };
        assert_eq!(wide.fit(1), [25]);
        assert_eq!(wide.fit(2), [10, 20, 30, 40]);
        assert_eq!(wide.fit(4)[..4], [10, 10, 20, 20]);
        assert!(GreyImage::read_pgm(&b"P5 2 2 255\nabc"[..]).is_err());
    }
}
