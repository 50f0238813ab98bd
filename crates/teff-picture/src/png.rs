//! PNG (RFC 2083).
//!
//! Decoded: grey and palettes of 1, 2, 4 and 8 bits, grey with alpha, RGB and RGBA of 8 and 16 bits; of 16
//! bits the upper 8, alpha is dropped; interlaced (Adam7) or not. Indices behind the palette are black.
//! Refused: grey of 16 bits without alpha. Check values (CRCs, Adler-32) are not looked at, nor are chunks
//! other than IHDR, PLTE and IDAT.

use super::inflate::Inflate;
use super::job::Job;

/// RFC 2083, 2.6: each pass's first column and row, and the steps to the next ones. The last one is all of a
/// picture that is not interlaced.
const PASSES: [[u8; 4]; 8] = [
    [0, 0, 8, 8],
    [4, 0, 8, 8],
    [0, 4, 4, 8],
    [2, 0, 4, 4],
    [0, 2, 2, 4],
    [1, 0, 2, 2],
    [0, 1, 1, 2],
    [0, 0, 1, 1],
];

struct Png {
    /// Bits of a sample, its kind of colour and how many samples make a pixel.
    bits: usize,
    colour: u32,
    samples: usize,
    /// Where in the file the palette's colours are, and how many.
    palette: usize,
    colours: usize,
    /// Where in scratch memory the row is.
    row: usize,
}

/// How far back matches may reach: as far as they can, or to the first byte of a picture of 8 bytes a pixel.
/// There are less than `2 height + 8` rows in all passes, each with a byte more.
const fn window(height: usize, width: usize) -> usize {
    let all = 8 * height * width + 2 * height + 8;
    if all < 32768 { all } else { 32768 }
}

/// Bytes of scratch memory: the window, then a row.
pub(super) const fn bytes(height: usize, width: usize) -> usize {
    window(height, width) + 8 * width
}

/// Not a part of its caller, whose other formats would have this one's memory on their stack.
#[inline(never)]
pub(super) fn decode(job: &mut Job) -> Option<()> {
    if !job.begins(8, b"\0\0\0\x0dIHDR") {
        return None;
    }
    if job.big32(16) as usize != job.width || job.big32(20) as usize != job.height {
        return None;
    }
    let mut png = Png { bits: 0, colour: 0, samples: 0, palette: 0, colours: 0, row: 0 };
    png.head(job)?;
    let window = window(job.height, job.width);
    png.row = window;
    let at = png.find_data(job)?;
    let mut inflate = Inflate::new(window);
    inflate.begin(job, at)?;
    let interlaced = job.byte(28) == 1;
    for (pass, [x, y, right, down]) in PASSES.iter().enumerate() {
        if (pass < 7) == interlaced {
            png.pass(job, &mut inflate, [*x as usize, *y as usize, *right as usize, *down as usize])?;
        }
    }
    Some(())
}

impl Png {
    /// RFC 2083, 4.1.1.
    fn head(&mut self, job: &Job) -> Option<()> {
        self.bits = job.byte(24) as usize;
        self.colour = job.byte(25);
        self.samples = match self.colour {
            0 | 3 => 1,
            2 => 3,
            4 => 2,
            6 => 4,
            _ => return None,
        };
        let known = match self.bits {
            1 | 2 | 4 => self.samples == 1,
            8 => true,
            16 => self.samples > 1,
            _ => false,
        };
        if !known || job.byte(26) != 0 || job.byte(27) != 0 || job.byte(28) > 1 {
            return None;
        }
        Some(())
    }

    /// Where the first IDAT chunk is; the palette must be before it.
    fn find_data(&mut self, job: &Job) -> Option<usize> {
        let mut at = 33usize;
        while !job.begins(at.saturating_add(4), b"IDAT") {
            if at >= job.file.len() {
                return None;
            }
            let length = job.big32(at) as usize;
            if job.begins(at.saturating_add(4), b"PLTE") {
                self.palette = at.saturating_add(8);
                self.colours = length / 3;
            }
            at = at.saturating_add(12).saturating_add(length);
        }
        if self.colour == 3 && self.colours == 0 {
            return None;
        }
        Some(at)
    }

    fn pass(&self, job: &mut Job, inflate: &mut Inflate, pass: [usize; 4]) -> Option<()> {
        let [left, top, right, down] = pass;
        if left >= job.width {
            return Some(());
        }
        let columns = (job.width - left).div_ceil(right);
        let count = (columns * self.samples * self.bits).div_ceil(8);
        for at in 0..count {
            job.bytes[self.row + at] = 0;
        }
        let mut y = top;
        while y < job.height {
            self.read_row(job, inflate, count)?;
            for column in 0..columns {
                self.pixel(job, y, left + column * right, column);
            }
            y += down;
        }
        Some(())
    }

    /// RFC 2083, 6: the row's bytes are those of the file plus what is expected from those to the left and of
    /// the row above, which this one replaces.
    fn read_row(&self, job: &mut Job, inflate: &mut Inflate, count: usize) -> Option<()> {
        let filter = inflate.next(job)?;
        if filter > 4 {
            return None;
        }
        let step = (self.samples * self.bits).div_ceil(8);
        // The last pixel's bytes in this row and the one above.
        let mut left = [0u32; 8];
        let mut corner = [0u32; 8];
        let mut i = 0;
        for at in self.row..self.row + count {
            let above = job.bytes[at] as u32;
            let expected = match filter {
                0 => 0,
                1 => left[i],
                2 => above,
                3 => (left[i] + above) / 2,
                _ => paeth(left[i], above, corner[i]),
            };
            let byte = (inflate.next(job)? + expected) & 255;
            job.bytes[at] = byte as u8;
            left[i] = byte;
            corner[i] = above;
            i += 1;
            if i == step {
                i = 0;
            }
        }
        Some(())
    }

    /// Sets a pixel from the row's `column`.
    fn pixel(&self, job: &mut Job, y: usize, x: usize, column: usize) {
        let red = self.sample(job, column * self.samples);
        if self.colour == 3 {
            let at = self.palette.saturating_add(3 * red as usize);
            if red as usize >= self.colours {
                job.set(y, x, 0, 0, 0);
            } else {
                job.set(y, x, job.byte(at), job.byte(at.saturating_add(1)), job.byte(at.saturating_add(2)));
            }
        } else if self.samples > 2 {
            let green = self.sample(job, column * self.samples + 1);
            let blue = self.sample(job, column * self.samples + 2);
            job.set(y, x, red, green, blue);
        } else {
            let grey = if self.bits < 8 { red * 255 / ((1 << self.bits) - 1) } else { red };
            job.set(y, x, grey, grey, grey);
        }
    }

    /// The row's sample at `nth`, the upper byte of 16 bits.
    fn sample(&self, job: &Job, nth: usize) -> u32 {
        let bit = nth * self.bits;
        let byte = job.bytes[self.row + bit / 8] as u32;
        if self.bits < 8 { byte >> (8 - self.bits - bit % 8) & ((1 << self.bits) - 1) } else { byte }
    }
}

/// RFC 2083, 6.6: that of the three which is nearest to `left + above - corner`.
fn paeth(left: u32, above: u32, corner: u32) -> u32 {
    let of_left = above.abs_diff(corner);
    let of_above = left.abs_diff(corner);
    let of_corner = (left + above).abs_diff(2 * corner);
    if of_left <= of_above && of_left <= of_corner {
        left
    } else if of_above <= of_corner {
        above
    } else {
        corner
    }
}
