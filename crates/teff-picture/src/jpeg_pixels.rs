//! JPEG's way from coefficients to pixels: the inverse transform, components of fewer samples made larger,
//! colours.
//!
//! The standard leaves the arithmetic open. This is libjpeg's, as a function of integers: its 'slow'
//! transform, its 'fancy' upsampling and its fixed-point colours.

use super::job::{Colours, Job};
use super::jpeg_scan::{BLOCK, Component, Frame, coefficient, rows};

/// Where the coefficients, in their order in the file, are in the block (figure A.6).
const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
    14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39,
    46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// What the coefficients 1, 3, 5, 7 add to the samples 0 to 3: 2^13 sqrt(2) cos((2 x + 1) u pi / 16). Each is
/// the sum of the rounded constants that a fast form of the transform multiplies with; those sums are what is
/// off by one here and there.
const ODD: [[i32; 4]; 4] = [
    [11363, 9633, 6437, 2260],
    [9633, -2259, -11362, -6436],
    [6437, -11362, 2261, 9633],
    [2260, -6436, 9633, -11363],
];

/// The inverse cosine transform of 8 numbers of 16 bits, times 2^13 sqrt(8). No sum is above 61214 * 2^15,
/// which fits.
fn inverse(x: &[i32; 8]) -> [i32; 8] {
    let a = 8192 * (x[0] + x[4]);
    let b = 8192 * (x[0] - x[4]);
    let c = 10703 * x[2] + 4433 * x[6];
    let d = 4433 * x[2] - 10704 * x[6];
    let even = [a + c, b + d, b - d, a - c];
    let mut out = [0; 8];
    for i in 0..4 {
        let odd = ODD[i][0] * x[1] + ODD[i][1] * x[3] + ODD[i][2] * x[5] + ODD[i][3] * x[7];
        out[i] = even[i] + odd;
        out[7 - i] = even[i] - odd;
    }
    out
}

/// Within 16 bits.
fn short(value: i32) -> i32 {
    if (value as u32).wrapping_add(0x8000) > 0xffff {
        return if value < 0 { -0x8000 } else { 0x7fff };
    }
    value
}

/// Within 8 bits.
fn byte(value: i32) -> u32 {
    if value as u32 > 255 {
        return if value < 0 { 0 } else { 255 };
    }
    value as u32
}

/// The block's coefficients become its samples (A.3.3, A.3.4). Most coefficients are 0: of a column or a row
/// where only the first is not, the transform is that one throughout.
fn transform(job: &mut Job, c: &Component, block: usize) {
    let mut square = [0; 64];
    for k in 0..64 {
        let value = coefficient(job, block, k);
        if value == 0 {
            continue;
        }
        let step = if c.wide { job.big16(c.quant + 2 * k) } else { job.byte(c.quant + k) };
        square[ZIGZAG[k] as usize] = short(value * step as i32);
    }
    let mut line = [0; 8];
    for x in 0..8 {
        let s = &mut square[x..];
        if (s[8] | s[16] | s[24] | s[32] | s[40] | s[48] | s[56]) == 0 {
            let value = short(4 * s[0]);
            for y in 0..8 {
                s[8 * y] = value;
            }
            continue;
        }
        for y in 0..8 {
            line[y] = s[8 * y];
        }
        let out = inverse(&line);
        for y in 0..8 {
            s[8 * y] = short((out[y] + (1 << 10)) >> 11);
        }
    }
    for y in 0..8 {
        line.copy_from_slice(&square[8 * y..8 * y + 8]);
        let to = &mut job.bytes[block + 8 * y..block + 8 * y + 8];
        if (line[1] | line[2] | line[3] | line[4] | line[5] | line[6] | line[7]) == 0 {
            to.fill(byte(((line[0] + 16) >> 5) + 128) as u8);
            continue;
        }
        let out = inverse(&line);
        for x in 0..8 {
            to[x] = byte(((out[x] + (1 << 17)) >> 18) + 128) as u8;
        }
    }
}

/// The coefficients of the row number `row` of units become samples.
pub(super) fn transform_row(job: &mut Job, frame: &Frame, row: usize) {
    for i in 0..frame.count {
        let c = &frame.components[i];
        for v in 0..rows(c, row) {
            for h in 0..c.blocks_across {
                transform(job, c, c.at + BLOCK * (v * c.slots + h));
            }
        }
    }
}

/// A row of samples: where the next one is, and how much further than 8 bytes its blocks are apart.
#[derive(Clone, Copy)]
struct Line {
    at: usize,
    gap: usize,
}

/// The row number `y` of samples, in the row number `row` of units or just above it.
fn line_of(c: &Component, row: usize, y: usize) -> Line {
    let top = 8 * c.v * row;
    if y < top {
        return Line { at: c.above, gap: 0 };
    }
    Line { at: c.at + BLOCK * ((y - top) / 8 * c.slots) + y % 8 * 8, gap: BLOCK - 8 }
}

/// The row's sample number `x`, which is the next one.
fn sample(bytes: &[u8], line: &mut Line, x: usize) -> u32 {
    let value = bytes[line.at] as u32;
    line.at += if x % 8 == 7 { 1 + line.gap } else { 1 };
    value
}

/// Sets `to` to the samples of a row, each `times` times.
fn repeat(bytes: &[u8], line: Line, times: usize, to: &mut [u8]) {
    let mut line = line;
    for (h, same) in to.chunks_mut(times).enumerate() {
        same.fill(sample(bytes, &mut line, h) as u8);
    }
}

/// 4 parts of a sample: 3 of it and 1 of that in the other row, or all of it where there are not `two` rows.
fn parts(bytes: &[u8], own: &mut Line, other: &mut Line, two: bool, x: usize) -> u32 {
    let value = sample(bytes, own, x);
    if two { 3 * value + sample(bytes, other, x) } else { value }
}

/// Sets `to` to the component's values of the row number `y` of pixels; `bytes` is what is before it in
/// `job.bytes`. Of two pixels that a sample stands for each has 3/4 of it and 1/4 of the sample on its side, but
/// at an edge of it itself; in either direction, rounded up and down in turns. Not so in very narrow components,
/// nor where a sample stands for more pixels.
fn widen(bytes: &[u8], c: &Component, row: usize, y: usize, to: &mut [u8]) {
    let width = c.width;
    let v = y / c.down;
    let mut own = line_of(c, row, v);
    let plain = c.across > 2 || c.down > 2 || (c.across == 2 && width <= 2);
    if plain || (c.across == 1 && c.down == 1) {
        repeat(bytes, own, c.across, to);
        return;
    }
    let two = c.down == 2;
    let next = if y % 2 == 1 { (v + 1).min(c.height - 1) } else { v.saturating_sub(1) };
    let mut other = if two { line_of(c, row, next) } else { own };
    if c.across == 1 {
        let round = 1 + y as u32 % 2;
        for h in 0..width {
            to[h] = ((parts(bytes, &mut own, &mut other, two, h) + round) >> 2) as u8;
        }
        return;
    }
    let (shift, even, odd) = if two { (4, 8, 7) } else { (2, 1, 2) };
    let mut here = parts(bytes, &mut own, &mut other, two, 0);
    let mut before = here;
    for h in 1..width {
        let behind = parts(bytes, &mut own, &mut other, two, h);
        to[2 * h - 2] = ((3 * here + before + even) >> shift) as u8;
        to[2 * h - 1] = ((3 * here + behind + odd) >> shift) as u8;
        before = here;
        here = behind;
    }
    to[2 * width - 2] = ((3 * here + before + even) >> shift) as u8;
    if to.len().is_multiple_of(2) {
        to[2 * width - 1] = ((4 * here + odd) >> shift) as u8;
    }
}

/// Sets a row of pixels by the values of its components, which are in `job.bytes` from `at` on, one component
/// after the other.
fn set_line(job: &mut Job, frame: &Frame, y: usize, at: usize) {
    let mixed = frame.count == 3 && !frame.rgb;
    let width = job.width;
    let apart = if frame.count == 3 { width } else { 0 };
    let mix = &frame.mix;
    if frame.count == 1 && job.colours == Colours::Grey {
        job.pixels[y * width..(y + 1) * width].copy_from_slice(&job.bytes[at..at + width]);
        return;
    }
    for x in 0..width {
        let mut red = job.bytes[at + x] as u32;
        let mut green = job.bytes[at + apart + x] as u32;
        let mut blue = job.bytes[at + 2 * apart + x] as u32;
        if mixed {
            let luma = ((red as i32) << 16) + 32768;
            let cb = green as i32 - 128;
            let cr = blue as i32 - 128;
            red = byte((luma + mix[0] * cr) >> 16);
            green = byte((luma + mix[1] * cb + mix[2] * cr) >> 16);
            blue = byte((luma + mix[3] * cb) >> 16);
        }
        job.set(y, x, red, green, blue);
    }
}

/// Sets the pixels that can be when the row number `row` of units is there: its last row of pixels may need
/// the next row of units, so it is set with that one. Then keeps the last row of samples.
pub(super) fn set_row(job: &mut Job, frame: &Frame, row: usize) {
    let from = (row * frame.rows).saturating_sub(1);
    let to = if row + 1 == frame.units_down { job.height } else { (row + 1) * frame.rows - 1 };
    for y in from..to {
        for i in 0..frame.count {
            let (bytes, line) = job.bytes.split_at_mut(frame.line + i * job.width);
            widen(bytes, &frame.components[i], row, y, &mut line[..job.width]);
        }
        set_line(job, frame, y, frame.line);
    }
    if row + 1 == frame.units_down {
        return;
    }
    for i in 0..frame.count {
        let c = &frame.components[i];
        let mut last = line_of(c, row, 8 * c.v * (row + 1) - 1);
        for x in 0..c.width {
            job.bytes[c.above + x] = sample(job.bytes, &mut last, x) as u8;
        }
    }
}
