//! TIFF (Revision 6.0), the first picture of a file.
//!
//! Decoded: both orders of bytes; grey (0 is white or black) and palettes of 1, 2, 4 and 8 bits, RGB of 8 and
//! 16 bits, of 16 the upper 8; samples behind these (alpha and others) are dropped; strips, uncompressed or
//! packed (PackBits), whose sizes are not looked at: rows tell where they end. Refused: tiles, samples in
//! planes, alpha that is multiplied in already, bits in reversed order, turned pictures, CMYK, YCbCr, Lab,
//! signed numbers and floats, grey of 16 bits, LZW (it needs 12 kB for its table), Deflate, JPEG and the
//! codes of fax machines.

use super::job::Job;

// Tags of fields, in the order of TIFF 6.0's appendix A.
const WIDTH: u32 = 256;
const HEIGHT: u32 = 257;
const BITS: u32 = 258;
const COMPRESSION: u32 = 259;
const PHOTOMETRIC: u32 = 262;
const FILL_ORDER: u32 = 266;
const STRIP_OFFSETS: u32 = 273;
const ORIENTATION: u32 = 274;
const SAMPLES: u32 = 277;
const ROWS_PER_STRIP: u32 = 278;
const PLANAR: u32 = 284;
const COLOUR_MAP: u32 = 320;
const EXTRA_SAMPLES: u32 = 338;
const SAMPLE_FORMAT: u32 = 339;

struct Tiff {
    /// The higher byte first.
    big: bool,
    /// Kind of colour (0 and 1 are grey, 0 being white and black; 2 is RGB, 3 a palette), bits of a sample,
    /// and how many samples make a pixel.
    kind: u32,
    bits: u32,
    samples: u32,
    /// Where in the file the palette is.
    palette: usize,
    /// The strip is packed.
    packed: bool,
    /// The next byte of the strip; the byte whose bits are read, and how many are left.
    at: usize,
    byte: u32,
    left: u32,
    /// Of packed bytes: so many more as they are, or the same `value` so often.
    literals: u32,
    repeats: u32,
    value: u32,
}

pub(super) fn decode(job: &mut Job) -> Option<()> {
    let mut tiff = Tiff {
        big: job.begins(0, b"MM"),
        kind: 0,
        bits: 0,
        samples: 0,
        palette: 0,
        packed: false,
        at: 0,
        byte: 0,
        left: 0,
        literals: 0,
        repeats: 0,
        value: 0,
    };
    if tiff.first(job, WIDTH, 0) as usize != job.width || tiff.first(job, HEIGHT, 0) as usize != job.height {
        return None;
    }
    tiff.head(job)?;
    let strips = tiff.field(job, STRIP_OFFSETS);
    let rows = tiff.first(job, ROWS_PER_STRIP, 0xffff_ffff) as usize;
    if rows == 0 {
        return None;
    }
    for y in 0..job.height {
        if y % rows == 0 {
            tiff.at = tiff.value(job, strips, y / rows)? as usize;
            tiff.literals = 0;
            tiff.repeats = 0;
        }
        tiff.left = 0;
        for x in 0..job.width {
            tiff.pixel(job, y, x)?;
        }
    }
    Some(())
}

impl Tiff {
    fn short(&self, job: &Job, at: usize) -> u32 {
        if self.big { job.big16(at) } else { job.little16(at) }
    }

    fn long(&self, job: &Job, at: usize) -> u32 {
        if self.big { job.big32(at) } else { job.little32(at) }
    }

    /// Where a field is, 0 when there is none.
    fn field(&self, job: &Job, tag: u32) -> usize {
        let directory = self.long(job, 4) as usize;
        for n in 0..self.short(job, directory) as usize {
            let at = directory.saturating_add(2 + 12 * n);
            if at >= job.file.len() {
                return 0;
            }
            if self.short(job, at) == tag {
                return at;
            }
        }
        0
    }

    /// Where the `nth` value of a field is, when there are so many. Up to 4 bytes are in the field itself.
    fn place(&self, job: &Job, field: usize, nth: usize, bytes: usize) -> Option<usize> {
        let count = self.long(job, field.saturating_add(4)) as usize;
        if field == 0 || nth >= count {
            return None;
        }
        let mut at = field.saturating_add(8);
        if count > 4 / bytes {
            at = self.long(job, at) as usize;
        }
        Some(at.saturating_add(nth.saturating_mul(bytes)))
    }

    /// The `nth` value of a field of bytes, shorts or longs.
    fn value(&self, job: &Job, field: usize, nth: usize) -> Option<u32> {
        match self.short(job, field.saturating_add(2)) {
            1 => Some(job.byte(self.place(job, field, nth, 1)?)),
            3 => Some(self.short(job, self.place(job, field, nth, 2)?)),
            4 => Some(self.long(job, self.place(job, field, nth, 4)?)),
            _ => None,
        }
    }

    /// The first value of the field, or what it is without one.
    fn first(&self, job: &Job, tag: u32, otherwise: u32) -> u32 {
        let field = self.field(job, tag);
        if field == 0 {
            return otherwise;
        }
        self.value(job, field, 0).unwrap_or(otherwise)
    }

    /// What a pixel is made of.
    fn head(&mut self, job: &Job) -> Option<()> {
        self.bits = self.first(job, BITS, 1);
        self.samples = self.first(job, SAMPLES, 1);
        let kind = self.first(job, PHOTOMETRIC, 0);
        self.kind = kind;
        let needed = if kind == 2 { 3 } else { 1 };
        let known = match self.bits {
            1 | 2 | 4 => self.samples == 1 && kind != 2,
            8 => true,
            16 => kind == 2,
            _ => false,
        };
        if !known || kind > 3 || self.samples < needed || self.samples > 8 {
            return None;
        }
        if kind == 3 {
            let map = self.field(job, COLOUR_MAP);
            self.place(job, map, (3 << self.bits) - 1, 2)?;
            self.palette = self.place(job, map, 0, 2)?;
        }
        let bits = self.field(job, BITS);
        for sample in 1..self.samples as usize {
            // One value may stand for all.
            if self.value(job, bits, sample).unwrap_or(self.bits) != self.bits {
                return None;
            }
        }
        let compression = self.first(job, COMPRESSION, 1);
        self.packed = compression == 32773;
        if !self.packed && compression != 1 {
            return None;
        }
        let usual = self.first(job, FILL_ORDER, 1) == 1
            && self.first(job, ORIENTATION, 1) == 1
            && (self.samples == 1 || self.first(job, PLANAR, 1) == 1)
            && self.first(job, EXTRA_SAMPLES, 0) != 1
            && self.first(job, SAMPLE_FORMAT, 1) == 1;
        if usual { Some(()) } else { None }
    }

    /// Reads and sets a pixel.
    fn pixel(&mut self, job: &mut Job, y: usize, x: usize) -> Option<()> {
        let mut values = [0; 3];
        for n in 0..self.samples as usize {
            let value = self.sample(job)?;
            if n < 3 {
                values[n] = value;
            }
        }
        let [mut red, mut green, mut blue] = values;
        if self.kind == 3 {
            // Numbers of 16 bits, all reds first.
            let at = self.palette.saturating_add(2 * red as usize);
            red = self.short(job, at) >> 8;
            green = self.short(job, at.saturating_add(2 << self.bits)) >> 8;
            blue = self.short(job, at.saturating_add(4 << self.bits)) >> 8;
        } else if self.kind < 2 {
            let most = (1 << self.bits) - 1;
            red = if self.kind == 0 { most - red } else { red };
            red = if most < 255 { red * 255 / most } else { red };
            green = red;
            blue = red;
        }
        job.set(y, x, red, green, blue);
        Some(())
    }

    /// The next sample, the upper byte of 16 bits.
    fn sample(&mut self, job: &Job) -> Option<u32> {
        if self.bits == 16 {
            let first = self.next(job)?;
            let second = self.next(job)?;
            return Some(if self.big { first } else { second });
        }
        if self.left == 0 {
            self.byte = self.next(job)?;
            self.left = 8;
        }
        self.left -= self.bits;
        Some(self.byte >> self.left & ((1 << self.bits) - 1))
    }

    /// The next byte of the strip. TIFF 6.0, section 9: a byte tells how many follow, or how often the next
    /// one is.
    fn next(&mut self, job: &Job) -> Option<u32> {
        while self.packed && self.literals == 0 && self.repeats == 0 {
            let count = *job.file.get(self.at)? as u32;
            self.at += 1;
            if count < 128 {
                self.literals = count + 1;
            } else if count > 128 {
                self.repeats = 257 - count;
                self.value = *job.file.get(self.at)? as u32;
                self.at += 1;
            }
        }
        if self.repeats > 0 {
            self.repeats -= 1;
            return Some(self.value);
        }
        if self.packed {
            self.literals -= 1;
        }
        let byte = *job.file.get(self.at)? as u32;
        self.at += 1;
        Some(byte)
    }
}
