//! The pixels of lossless WebP: bits, prefix codes, and copies of what was before (WebP Lossless Bitstream,
//! sections 5 and 6).

use super::job::Job;

/// The most symbols of a code: 256 values, 24 lengths, and the cache.
const SYMBOLS: usize = 256 + 24 + 2048;

/// The bits of the file, the lowest of a byte first.
pub(super) struct Bits {
    at: usize,
    end: usize,
    /// The rest of the last byte, and how many bits it has.
    rest: u32,
    count: u32,
    /// It has read behind the end.
    pub(super) over: bool,
}

impl Bits {
    pub(super) fn new(at: usize, end: usize) -> Bits {
        Bits { at, end, rest: 0, count: 0, over: false }
    }

    pub(super) fn bit(&mut self, job: &Job) -> u32 {
        if self.count == 0 {
            self.rest = 0;
            if self.at < self.end {
                self.rest = job.byte(self.at);
                self.at += 1;
            } else {
                self.over = true;
            }
            self.count = 8;
        }
        let bit = self.rest & 1;
        self.rest >>= 1;
        self.count -= 1;
        bit
    }

    /// A number of so many bits, the lowest first.
    pub(super) fn number(&mut self, job: &Job, bits: u32) -> usize {
        let mut value = 0;
        for i in 0..bits {
            value |= self.bit(job) << i;
        }
        value as usize
    }
}

/// What pixels are decoded with. In the scratch bytes are the lengths of the symbols of the code that is
/// being read, then 16-bit entries: of every code its longest length, how many symbols there are of each
/// length, and the symbols in the order of their codes.
#[derive(Clone, Copy)]
pub(super) struct Codes {
    /// The colours that may be referred to, as a number of bits, or 0, and where they are in the scratch
    /// words.
    pub(super) cache: usize,
    pub(super) cache_bits: u32,
    /// Where the entries of each code begin, five of a group: green or length or cache, red, blue, alpha,
    /// distance. There is memory for `most` groups.
    pub(super) starts: usize,
    pub(super) most: usize,
    /// Which group it is, of squares of `1 << group_bits` pixels, `group_columns` in a row; the first always
    /// when there are 0.
    pub(super) groups: usize,
    pub(super) group_bits: u32,
    pub(super) group_columns: usize,
    /// Entries that are used, and that there are.
    pub(super) used: usize,
    pub(super) entries: usize,
}

/// Bytes of scratch memory: what a group takes at most, and of more groups as much as is used by those that
/// are worth their length.
pub(super) const fn bytes(height: usize, width: usize) -> usize {
    SYMBOLS + 2 * entries(height, width)
}

pub(super) const fn entries(height: usize, width: usize) -> usize {
    SYMBOLS + 3 * 256 + 40 + 5 * 16 + height * width / 4
}

fn entry(job: &Job, at: usize) -> usize {
    let at = SYMBOLS + 2 * at;
    job.bytes[at] as usize | (job.bytes[at + 1] as usize) << 8
}

fn set_entry(job: &mut Job, at: usize, value: usize) {
    let at = SYMBOLS + 2 * at;
    job.bytes[at] = value as u8;
    job.bytes[at + 1] = (value >> 8) as u8;
}

/// The order of the lengths of the code of lengths (section 6.2.1).
static ORDER: [u8; 19] = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// Makes the entries of the code whose lengths are in memory, behind those that are used. Gives their number.
/// The code has to be complete, or of one symbol, which then takes no bits.
fn build(job: &mut Job, codes: &Codes, symbols: usize) -> Option<usize> {
    let mut counts = [0; 16];
    for i in 0..symbols {
        counts[job.bytes[i] as usize] += 1;
    }
    let total = symbols - counts[0];
    let mut longest = 0;
    let mut left = 1;
    for length in 1..16 {
        left = 2 * left - counts[length] as i32;
        if left < 0 {
            return None;
        }
        if counts[length] > 0 {
            longest = length;
        }
    }
    if total == 0 || total > 1 && left > 0 {
        return None;
    }
    if total == 1 {
        longest = 0;
    }
    let count = 1 + longest + total;
    if count > codes.entries - codes.used {
        return None;
    }
    set_entry(job, codes.used, longest);
    let mut place = codes.used + 1 + longest;
    let mut places = [place; 16];
    for length in 1..=longest {
        set_entry(job, codes.used + length, counts[length]);
        places[length] = place;
        place += counts[length];
    }
    for i in 0..symbols {
        let length = job.bytes[i] as usize;
        if length > 0 {
            set_entry(job, places[length], i);
            places[length] += 1;
        }
    }
    Some(count)
}

/// A symbol of the code whose entries begin at `code`.
fn symbol(job: &Job, bits: &mut Bits, code: usize) -> usize {
    let longest = entry(job, code);
    let mut at = code + 1 + longest;
    if longest == 0 {
        return entry(job, at);
    }
    let (mut value, mut first) = (0, 0);
    for length in 1..=longest {
        value = 2 * value + bits.bit(job) as usize;
        let count = entry(job, code + length);
        if value < first + count {
            return entry(job, at + value - first);
        }
        at += count;
        first = 2 * (first + count);
    }
    0
}

/// The lengths of a code's symbols, into memory (section 6.2.1).
fn lengths(job: &mut Job, bits: &mut Bits, codes: &Codes, symbols: usize) -> Option<()> {
    job.bytes[..SYMBOLS].fill(0);
    if bits.bit(job) == 1 {
        let two = bits.bit(job) == 1;
        let wide = bits.bit(job);
        let first = bits.number(job, 1 + 7 * wide);
        let second = if two { bits.number(job, 8) } else { first };
        if first >= symbols || second >= symbols {
            return None;
        }
        job.bytes[first] = 1;
        job.bytes[second] = 1;
        return Some(());
    }
    let count = 4 + bits.number(job, 4);
    for i in 0..count {
        job.bytes[ORDER[i] as usize] = bits.number(job, 3) as u8;
    }
    let mut most = symbols;
    if bits.bit(job) == 1 {
        let length = 2 + 2 * bits.number(job, 3) as u32;
        most = 2 + bits.number(job, length);
    }
    build(job, codes, 19)?;
    job.bytes[..19].fill(0);
    let mut last = 8;
    let mut at = 0;
    while at < symbols && most > 0 {
        most -= 1;
        let length = symbol(job, bits, codes.used);
        if length < 16 {
            job.bytes[at] = length as u8;
            at += 1;
            last = if length > 0 { length } else { last };
            continue;
        }
        let repeated = if length == 16 { last } else { 0 };
        let count = match length {
            16 => 3 + bits.number(job, 2),
            17 => 3 + bits.number(job, 3),
            _ => 11 + bits.number(job, 7),
        };
        if count > symbols - at {
            return None;
        }
        for _ in 0..count {
            job.bytes[at] = repeated as u8;
            at += 1;
        }
    }
    Some(())
}

/// The codes of so many groups.
pub(super) fn read_codes(job: &mut Job, bits: &mut Bits, codes: &mut Codes, groups: usize) -> Option<()> {
    if groups > codes.most {
        return None;
    }
    codes.used = 0;
    for i in 0..5 * groups {
        let cached = if codes.cache_bits > 0 { 1 << codes.cache_bits } else { 0 };
        let symbols = [256 + 24 + cached, 256, 256, 256, 40][i % 5];
        lengths(job, bits, codes, symbols)?;
        let count = build(job, codes, symbols)?;
        if bits.over {
            return None;
        }
        job.words[codes.starts + i] = codes.used as i32;
        codes.used += count;
    }
    Some(())
}

/// Whether there is a cache of colours, and for how many (section 5.2.3).
pub(super) fn read_cache(job: &Job, bits: &mut Bits, codes: &mut Codes) -> Option<()> {
    codes.cache_bits = 0;
    if bits.bit(job) == 1 {
        codes.cache_bits = bits.number(job, 4) as u32;
        if codes.cache_bits < 1 || codes.cache_bits > 11 {
            return None;
        }
    }
    Some(())
}

/// The pixels at the distances that have a code of their own: 16 times the rows, and 7 more than the columns
/// (section 5.2.2).
#[rustfmt::skip]
static NEAR: [u8; 120] = [
    23, 8, 24, 22, 39, 9, 40, 38, 25, 21, 41, 37, 55, 10, 56, 54, 26, 20, 57, 53, 42, 36, 71, 11, 72, 70, 27,
    19, 58, 52, 73, 69, 43, 35, 87, 74, 68, 59, 51, 12, 88, 86, 28, 18, 89, 85, 44, 34, 75, 67, 90, 84, 60,
    50, 103, 13, 104, 102, 29, 17, 105, 101, 45, 33, 91, 83, 76, 66, 106, 100, 61, 49, 119, 14, 120, 118, 92,
    82, 30, 16, 107, 99, 77, 65, 121, 117, 46, 32, 122, 116, 62, 48, 108, 98, 93, 81, 15, 123, 115, 78, 64,
    31, 47, 109, 97, 63, 124, 114, 94, 80, 79, 125, 113, 110, 96, 95, 126, 112, 111, 127,
];

/// A length or distance, by its prefix (section 5.2.2).
fn extended(job: &Job, bits: &mut Bits, prefix: usize) -> usize {
    if prefix < 4 {
        return prefix + 1;
    }
    let extra = (prefix as u32 - 2) / 2;
    ((2 + prefix % 2) << extra) + bits.number(job, extra) + 1
}

/// How far back a distance is in a picture of this width.
fn distance(code: usize, width: usize) -> usize {
    if code > 120 {
        return code - 120;
    }
    let near = NEAR[code - 1] as usize;
    let back = near / 16 * width + near % 16;
    if back > 7 { back - 7 } else { 1 }
}

/// Sets a pixel, and remembers its colour.
fn put(job: &mut Job, codes: &Codes, at: usize, colour: u32) {
    job.words[at] = colour as i32;
    if codes.cache_bits > 0 {
        let hash = 0x1e35_a7bd_u32.wrapping_mul(colour) >> (32 - codes.cache_bits);
        job.words[codes.cache + hash as usize] = colour as i32;
    }
}

/// A picture, into the scratch words from `to` on, alpha in the highest byte, then red, green and blue
/// (section 5.2).
pub(super) fn pixels(
    job: &mut Job,
    bits: &mut Bits,
    codes: &Codes,
    to: usize,
    height: usize,
    width: usize,
) -> Option<()> {
    if codes.cache_bits > 0 {
        for i in 0..1 << codes.cache_bits {
            job.words[codes.cache + i] = 0;
        }
    }
    let count = height * width;
    let (mut i, mut y, mut x) = (0, 0, 0);
    while i < count {
        let mut start = codes.starts;
        if codes.group_columns > 0 {
            let row = codes.groups + (y >> codes.group_bits) * codes.group_columns;
            let at = row + (x >> codes.group_bits);
            start += 5 * (job.words[at] as u32 >> 8 & 0xffff) as usize;
        }
        let green = symbol(job, bits, job.words[start] as usize);
        let mut length = 1;
        if green < 256 {
            let red = symbol(job, bits, job.words[start + 1] as usize);
            let blue = symbol(job, bits, job.words[start + 2] as usize);
            let alpha = symbol(job, bits, job.words[start + 3] as usize);
            put(job, codes, to + i, (alpha << 24 | red << 16 | green << 8 | blue) as u32);
        } else if green < 280 {
            length = extended(job, bits, green - 256);
            let prefix = symbol(job, bits, job.words[start + 4] as usize);
            let back = distance(extended(job, bits, prefix), width);
            if back > i || length > count - i {
                return None;
            }
            for k in 0..length {
                let colour = job.words[to + i + k - back] as u32;
                put(job, codes, to + i + k, colour);
            }
        } else {
            let colour = job.words[codes.cache + green - 280] as u32;
            put(job, codes, to + i, colour);
        }
        if bits.over {
            return None;
        }
        i += length;
        x += length;
        while x >= width {
            x -= width;
            y += 1;
        }
    }
    Some(())
}
