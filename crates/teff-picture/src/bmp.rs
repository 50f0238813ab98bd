//! BMP (Windows bitmaps, and the first of OS/2).
//!
//! Decoded: palettes of 1, 4 and 8 bits, 16, 24 and 32 bits, rows from below or from above; headers of 12,
//! 40, 52, 56, 64, 108 and 124 bytes; masks of 16 bits (5, 5, 5 or 5, 6, 5), and of 32 bits where each colour
//! is a byte of its own. The alpha is dropped. Indices behind the palette are black. Refused: runs (RLE4,
//! RLE8), pictures in JPEG or PNG, other masks.

use super::job::Job;

struct Bmp {
    /// Bits of a pixel.
    bits: u32,
    /// Where in the file the palette is, bytes of an entry, and how many.
    palette: usize,
    entry: usize,
    colours: u32,
    /// Red, green, blue: how far up in a pixel, and the largest value.
    shift: [u32; 3],
    most: [u32; 3],
}

pub(super) fn decode(job: &mut Job) -> Option<()> {
    let header = job.little32(14) as usize;
    let old = header == 12;
    if !old && ![40, 52, 56, 64, 108, 124].contains(&header) {
        return None;
    }
    let width = if old { job.little16(18) } else { job.little32(18) };
    let mut height = if old { job.little16(20) } else { job.little32(22) };
    // A negative height: from above.
    let down = !old && height >> 31 == 1;
    if down {
        height = height.wrapping_neg();
    }
    if width as usize != job.width || height as usize != job.height {
        return None;
    }
    let bits = job.little16(if old { 24 } else { 28 });
    let kind = if old { 0 } else { job.little32(30) };
    let colours = if old { 0 } else { job.little32(46) };
    let mut bmp = Bmp {
        bits,
        palette: 14 + header,
        entry: if old { 3 } else { 4 },
        colours,
        shift: [16, 8, 0],
        most: [255, 255, 255],
    };
    match bits {
        1 | 4 | 8 if kind == 0 => {
            if colours == 0 {
                bmp.colours = 1 << bits;
            }
        }
        16 | 24 | 32 if kind == 0 || kind == 3 => bmp.masks(job, kind == 3)?,
        _ => return None,
    }
    let begin = job.little32(10) as usize;
    let stride = (job.width * bits as usize).div_ceil(32) * 4;
    if begin > job.file.len() || stride * job.height > job.file.len() - begin {
        return None;
    }
    for y in 0..job.height {
        let row = begin + stride * if down { y } else { job.height - 1 - y };
        for x in 0..job.width {
            bmp.pixel(job, row, y, x);
        }
    }
    Some(())
}

impl Bmp {
    /// Where the colours are in 16, 24 and 32 bits: as usual, or by masks in or behind the header.
    fn masks(&mut self, job: &Job, given: bool) -> Option<()> {
        if self.bits == 16 {
            self.shift = [10, 5, 0];
            self.most = [31, 31, 31];
        }
        // No masks at all are the usual ones.
        if !given || self.bits == 32 && (0..12).all(|i| job.byte(54 + i) == 0) {
            return Some(());
        }
        for colour in 0..3 {
            let mask = job.little32(54 + 4 * colour);
            if mask == 0 {
                return None;
            }
            self.shift[colour] = mask.trailing_zeros();
            self.most[colour] = mask >> mask.trailing_zeros();
        }
        let known = if self.bits == 16 {
            self.shift[2] == 0
                && self.most[0] == 31
                && self.most[2] == 31
                && (self.shift == [10, 5, 0] && self.most[1] == 31
                    || self.shift == [11, 5, 0] && self.most[1] == 63)
        } else {
            self.most == [255, 255, 255]
                && self.shift.iter().all(|shift| shift % 8 == 0 && *shift < self.bits)
        };
        if known { Some(()) } else { None }
    }

    /// Sets a pixel from the row that begins at `row`.
    fn pixel(&self, job: &mut Job, row: usize, y: usize, x: usize) {
        if self.bits > 8 {
            let at = row + x * (self.bits / 8) as usize;
            let value = job.little32(at);
            let mut rgb = [0; 3];
            for colour in 0..3 {
                let most = self.most[colour];
                rgb[colour] = value >> self.shift[colour] & most;
                if most < 255 {
                    rgb[colour] = rgb[colour] * 255 / most;
                }
            }
            job.set(y, x, rgb[0], rgb[1], rgb[2]);
            return;
        }
        let bit = x * self.bits as usize;
        let byte = job.byte(row + bit / 8);
        let index = byte >> (8 - self.bits - (bit % 8) as u32) & ((1 << self.bits) - 1);
        let at = self.palette + index as usize * self.entry;
        if index >= self.colours {
            job.set(y, x, 0, 0, 0);
        } else {
            job.set(y, x, job.byte(at + 2), job.byte(at + 1), job.byte(at));
        }
    }
}
