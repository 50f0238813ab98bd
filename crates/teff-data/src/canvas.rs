//! An RGB picture to draw on, and its PNG.

use crate::dataset::Sample;
use crate::font;

/// Red, green, blue.
pub(crate) type Colour = [u8; 3];

/// A picture of `width x height` RGB pixels. What is drawn outside it is cut off.
pub(crate) struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    pub(crate) fn new(width: usize, height: usize, background: Colour) -> Self {
        Self { width, height, pixels: background.repeat(width * height) }
    }

    pub(crate) fn rectangle(&mut self, x: usize, y: usize, width: usize, height: usize, colour: Colour) {
        for row in y.min(self.height)..(y + height).min(self.height) {
            for column in x.min(self.width)..(x + width).min(self.width) {
                let at = (row * self.width + column) * 3;
                self.pixels[at..at + 3].copy_from_slice(&colour);
            }
        }
    }

    /// Draws a line of text with its upper left corner at (`x`, `y`), each pixel of the font `scale` pixels wide.
    pub(crate) fn text(&mut self, x: usize, y: usize, scale: usize, colour: Colour, text: &str) {
        for (i, character) in text.chars().enumerate() {
            for row in 0..font::ROWS {
                for column in 0..font::COLUMNS {
                    if font::is_set(character, column, row) {
                        let left = x + (i * font::ADVANCE + column) * scale;
                        // One pixel wider than high: strokes of the bare font look thin.
                        self.rectangle(left, y + row * scale, scale + 1, scale, colour);
                    }
                }
            }
        }
    }

    /// Draws an image of 1 or 3 channels, each of its pixels `scale` pixels wide; floats of 0 to 1 are black to white.
    pub(crate) fn image(&mut self, x: usize, y: usize, scale: usize, sample: Sample<'_>, shape: [usize; 3]) {
        let [channels, height, width] = shape;
        let value = |channel: usize, pixel: usize| {
            let at = channel.min(channels - 1) * height * width + pixel;
            // Casting to u8 keeps within its range.
            (sample.value(at) * 255.0).round() as u8
        };
        for row in 0..height {
            for column in 0..width {
                let pixel = row * width + column;
                let colour = [value(0, pixel), value(1, pixel), value(2, pixel)];
                self.rectangle(x + column * scale, y + row * scale, scale, scale, colour);
            }
        }
    }

    /// The picture as a PNG file.
    pub(crate) fn to_png(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::High);
        encoder
            .write_header()
            .and_then(|mut writer| writer.write_image_data(&self.pixels))
            .expect("writing a picture of at least one pixel to memory cannot fail");
        bytes
    }
}

/// The size of a line of text, without the space after its last character.
pub(crate) fn text_width(text: &str, scale: usize) -> usize {
    (text.chars().count() * font::ADVANCE).saturating_sub(font::ADVANCE - font::COLUMNS) * scale
}
