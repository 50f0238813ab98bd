//! Lossless WebP (WebP Lossless Bitstream Specification): all transforms, the cache of colours, and groups of
//! codes, as long as their tables fit into `bytes`. Alpha is dropped.

use super::job::Job;
use super::webp_codes;
use super::webp_codes::{Bits, Codes, pixels, read_cache, read_codes};

/// A transform of the pixels (section 4).
#[derive(Clone, Copy)]
struct Transform {
    /// 0 prediction, 1 of red and blue by other channels, 2 of them by the addition of green, 3 a palette.
    kind: usize,
    /// Squares of `1 << bits` pixels have a parameter each; of a palette `1 << bits` pixels are one.
    bits: u32,
    /// Where the parameters are.
    at: usize,
    /// Pixels of a row, when it is done.
    width: usize,
}

/// The squares of 4 pixels: of no smaller ones are there parameters.
const fn squares(height: usize, width: usize) -> usize {
    height.div_ceil(4) * width.div_ceil(4)
}

/// Numbers of scratch memory: the pixels, parameters of two transforms, the groups, the starts of five codes
/// per group, a palette, and a cache.
pub(super) const fn words(height: usize, width: usize) -> usize {
    height * width + 8 * squares(height, width) + 256 + 2048
}

/// Bytes of scratch memory.
pub(super) const fn bytes(height: usize, width: usize) -> usize {
    webp_codes::bytes(height, width)
}

/// A picture of parameters, with codes of its own.
fn picture(
    job: &mut Job,
    bits: &mut Bits,
    codes: &Codes,
    to: usize,
    height: usize,
    width: usize,
) -> Option<()> {
    let mut own = *codes;
    own.group_columns = 0;
    read_cache(job, bits, &mut own)?;
    read_codes(job, bits, &mut own, 1)?;
    pixels(job, bits, &own, to, height, width)
}

/// A transform of rows of `width` pixels, its parameters to be at `at`.
fn transform(
    job: &mut Job,
    bits: &mut Bits,
    codes: &Codes,
    kind: usize,
    at: usize,
    width: usize,
) -> Option<Transform> {
    let mut transform = Transform { kind, bits: 0, at, width };
    if kind < 2 {
        transform.bits = 2 + bits.number(job, 3) as u32;
        let side = 1 << transform.bits;
        picture(job, bits, codes, at, job.height.div_ceil(side), width.div_ceil(side))?;
    } else if kind == 3 {
        let colours = bits.number(job, 8) + 1;
        transform.bits = match colours {
            1..=2 => 3,
            3..=4 => 2,
            5..=16 => 1,
            _ => 0,
        };
        job.words[at..at + 256].fill(0);
        picture(job, bits, codes, at, 1, colours)?;
        // Each is the difference from the one before.
        for i in 1..colours {
            job.words[at + i] = sum(job.words[at + i] as u32, job.words[at + i - 1] as u32) as i32;
        }
    }
    Some(transform)
}

/// Which group of codes each square has (section 6.2.2). Gives how many there are.
fn read_groups(job: &mut Job, bits: &mut Bits, codes: &mut Codes, width: usize) -> Option<usize> {
    codes.group_bits = 2 + bits.number(job, 3) as u32;
    let side = 1 << codes.group_bits;
    let (rows, columns) = (job.height.div_ceil(side), width.div_ceil(side));
    picture(job, bits, codes, codes.groups, rows, columns)?;
    codes.group_columns = columns;
    let mut most = 0;
    for i in 0..rows * columns {
        let group = (job.words[codes.groups + i] as u32 >> 8 & 0xffff) as usize;
        if group > most {
            most = group;
        }
    }
    Some(most + 1)
}

/// The sums of two colours' channels.
fn sum(a: u32, b: u32) -> u32 {
    let odd = (a & 0xff00_ff00).wrapping_add(b & 0xff00_ff00) & 0xff00_ff00;
    let even = ((a & 0x00ff_00ff) + (b & 0x00ff_00ff)) & 0x00ff_00ff;
    odd | even
}

/// The means of two colours' channels.
fn mean(a: u32, b: u32) -> u32 {
    (a & b) + (((a ^ b) & 0xfefe_fefe) >> 1)
}

fn channel(colour: u32, shift: usize) -> i32 {
    (colour >> shift & 0xff) as i32
}

/// The one of `left` and `above` that is nearer to their sum without `corner`.
fn select(left: u32, above: u32, corner: u32) -> u32 {
    let mut nearer = 0;
    for shift in [0, 8, 16, 24] {
        let corner = channel(corner, shift);
        nearer += (channel(above, shift) - corner).abs() - (channel(left, shift) - corner).abs();
    }
    if nearer < 0 { left } else { above }
}

/// The sum of two colours without a third, in their range; or their mean and half its difference from the
/// third.
fn clamped(a: u32, b: u32, c: u32, half: bool) -> u32 {
    let mut out = 0;
    for shift in [0, 8, 16, 24] {
        let (a, b, c) = (channel(a, shift), channel(b, shift), channel(c, shift));
        let value = if half { (a + b) / 2 + ((a + b) / 2 - c) / 2 } else { a + b - c };
        out |= (value.clamp(0, 255) as u32) << shift;
    }
    out
}

/// What is predicted for the pixel at `at`, neither in the first row nor in the first column (section 4.1).
fn predicted(words: &[i32], at: usize, width: usize, mode: u32) -> u32 {
    let left = words[at - 1] as u32;
    let corner = words[at - width - 1] as u32;
    let above = words[at - width] as u32;
    let right = words[at - width + 1] as u32;
    match mode {
        1 => left,
        2 => above,
        3 => right,
        4 => corner,
        5 => mean(mean(left, right), above),
        6 => mean(left, corner),
        7 => mean(left, above),
        8 => mean(corner, above),
        9 => mean(above, right),
        10 => mean(mean(left, corner), mean(above, right)),
        11 => select(left, above, corner),
        12 => clamped(left, above, corner, false),
        13 => clamped(left, above, corner, true),
        _ => 0xff00_0000,
    }
}

/// A factor of 8 bits and a channel, both with a sign (section 4.2).
fn product(factor: i32, channel: i32) -> i32 {
    (factor as i8 as i32 * channel as i8 as i32) >> 5
}

/// Red and blue by the factors of a square.
fn recoloured(colour: u32, factors: u32) -> u32 {
    let green = channel(colour, 8);
    let red = (channel(colour, 16) + product(channel(factors, 0), green)) & 0xff;
    let blue = channel(colour, 0) + product(channel(factors, 8), green) + product(channel(factors, 16), red);
    colour & 0xff00_ff00 | (red as u32) << 16 | (blue & 0xff) as u32
}

/// Undoes a transform.
fn undo(job: &mut Job, transform: &Transform) {
    let width = transform.width;
    if transform.kind == 3 {
        unpack(job, transform);
        return;
    }
    let squares = width.div_ceil(1 << transform.bits);
    for y in 0..job.height {
        for x in 0..width {
            let at = y * width + x;
            let colour = job.words[at] as u32;
            if transform.kind == 2 {
                let green = colour >> 8 & 0xff;
                job.words[at] = sum(colour, green << 16 | green) as i32;
                continue;
            }
            let square = transform.at + (y >> transform.bits) * squares + (x >> transform.bits);
            let parameter = job.words[square] as u32;
            if transform.kind == 1 {
                job.words[at] = recoloured(colour, parameter) as i32;
                continue;
            }
            let before = if x == 0 && y == 0 {
                0xff00_0000
            } else if y == 0 {
                job.words[at - 1] as u32
            } else if x == 0 {
                job.words[at - width] as u32
            } else {
                predicted(job.words, at, width, parameter >> 8 & 15)
            };
            job.words[at] = sum(colour, before) as i32;
        }
    }
}

/// Pixels of a palette, of which several may be in one, from the last on (section 4.4).
fn unpack(job: &mut Job, transform: &Transform) {
    let columns = transform.width.div_ceil(1 << transform.bits);
    let depth = 8 >> transform.bits;
    for y in (0..job.height).rev() {
        for x in (0..transform.width).rev() {
            let packed = job.words[y * columns + (x >> transform.bits)] as u32 >> 8 & 0xff;
            let shift = (x & ((1 << transform.bits) - 1)) * depth;
            let index = packed >> shift & ((1 << depth) - 1);
            job.words[y * transform.width + x] = job.words[transform.at + index as usize];
        }
    }
}

fn show(job: &mut Job) {
    for y in 0..job.height {
        for x in 0..job.width {
            let colour = job.words[y * job.width + x] as u32;
            job.set(y, x, colour >> 16 & 0xff, colour >> 8 & 0xff, colour & 0xff);
        }
    }
}

/// Decodes what is in the file from `at` to `end`.
pub(super) fn decode(job: &mut Job, at: usize, end: usize) -> Option<()> {
    let mut bits = Bits::new(at, end);
    let signature = bits.number(job, 8);
    let width = bits.number(job, 14) + 1;
    let height = bits.number(job, 14) + 1;
    if signature != 0x2f || height != job.height || width != job.width {
        return None;
    }
    // Whether alpha is used, and the version.
    bits.bit(job);
    if bits.number(job, 3) != 0 {
        return None;
    }
    let squares = squares(height, width);
    let parameters = height * width;
    let mut codes = Codes {
        cache: parameters + 8 * squares + 256,
        cache_bits: 0,
        starts: parameters + 3 * squares,
        most: squares,
        groups: parameters + 2 * squares,
        group_bits: 0,
        group_columns: 0,
        used: 0,
        entries: webp_codes::entries(height, width),
    };
    let mut transforms = [Transform { kind: 0, bits: 0, at: 0, width }; 4];
    let mut count = 0;
    let mut seen = 0;
    let mut columns = width;
    while bits.bit(job) == 1 {
        let kind = bits.number(job, 2);
        if seen >> kind & 1 == 1 {
            return None;
        }
        seen |= 1 << kind;
        let at = parameters + [0, squares, 0, 8 * squares][kind];
        transforms[count] = transform(job, &mut bits, &codes, kind, at, columns)?;
        if kind == 3 {
            columns = columns.div_ceil(1 << transforms[count].bits);
        }
        count += 1;
    }
    read_cache(job, &mut bits, &mut codes)?;
    let mut groups = 1;
    if bits.bit(job) == 1 {
        groups = read_groups(job, &mut bits, &mut codes, columns)?;
    }
    read_codes(job, &mut bits, &mut codes, groups)?;
    pixels(job, &mut bits, &codes, 0, height, columns)?;
    while count > 0 {
        count -= 1;
        undo(job, &transforms[count]);
    }
    show(job);
    Some(())
}
