//! The display's pictures, large enough to be looked at.

use crate::Shown;
use teff_rp2040::board::{GifWriter, RgbImage};

/// How much larger they are than the display.
const SCALE: usize = 3;
/// White pixels between two of them.
const GAP: usize = 4;

impl Shown {
    /// The display with each digit, beside each other, as a PNG.
    ///
    /// # Errors
    /// When the encoder takes no picture of this size.
    pub fn strip(&self) -> Result<Vec<u8>, teff_rp2040::Error> {
        let large: Vec<RgbImage> = self.screens.iter().map(enlarged).collect();
        let height = large.iter().map(|s| s.height).max().unwrap_or(0);
        let width = large.iter().map(|s| s.width + GAP).sum::<usize>().saturating_sub(GAP);
        let mut pixels = Vec::with_capacity(3 * width * height);
        for y in 0..height {
            for (k, screen) in large.iter().enumerate() {
                if k > 0 {
                    pixels.extend([0xff; 3 * GAP]);
                }
                pixels.extend(&screen.pixels[3 * y * screen.width..3 * (y + 1) * screen.width]);
            }
        }
        let mut bytes = Vec::new();
        RgbImage { width, height, pixels }.write_png(&mut bytes)?;
        Ok(bytes)
    }

    /// The same one after the other, a second each, as a GIF.
    pub fn film(&self) -> Vec<u8> {
        let large: Vec<RgbImage> = self.screens.iter().map(enlarged).collect();
        let size = large.first().map_or((1, 1), |s| (s.width as u16, s.height as u16));
        let mut film = GifWriter::new(size.0, size.1);
        large.iter().for_each(|screen| film.frame(screen, 100));
        film.finish()
    }
}

/// Each pixel as a square.
fn enlarged(image: &RgbImage) -> RgbImage {
    let (width, height) = (image.width * SCALE, image.height * SCALE);
    let pixels =
        (0..width * height).flat_map(|i| image.pixel(i % width / SCALE, i / width / SCALE)).collect();
    RgbImage { width, height, pixels }
}
