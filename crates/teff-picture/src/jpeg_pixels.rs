//! JPEG's way from coefficients to pixels: the inverse transform, components of fewer samples made larger,
//! colours.
//!
//! The standard leaves the arithmetic open. This is libjpeg's, as a function of integers: its 'slow'
//! transform, its 'fancy' upsampling and its fixed-point colours.

use super::job::Job;
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

/// The block's coefficients become its samples (A.3.3, A.3.4).
fn transform(job: &mut Job, c: &Component, block: usize) {
    let mut square = [0; 64];
    for k in 0..64 {
        let step = if c.wide { job.big16(c.quant + 2 * k) } else { job.byte(c.quant + k) };
        square[ZIGZAG[k] as usize] = (coefficient(job, block, k) * step as i32).clamp(-0x8000, 0x7fff);
    }
    let mut line = [0; 8];
    for x in 0..8 {
        for y in 0..8 {
            line[y] = square[8 * y + x];
        }
        let out = inverse(&line);
        for y in 0..8 {
            square[8 * y + x] = ((out[y] + (1 << 10)) >> 11).clamp(-0x8000, 0x7fff);
        }
    }
    for y in 0..8 {
        for x in 0..8 {
            line[x] = square[8 * y + x];
        }
        let out = inverse(&line);
        for x in 0..8 {
            let value = ((out[x] + (1 << 17)) >> 18) + 128;
            job.bytes[block + 8 * y + x] = value.clamp(0, 255) as u8;
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

/// A sample, in the row number `row` of units or just above it.
fn sample(job: &Job, c: &Component, row: usize, y: usize, x: usize) -> u32 {
    let top = 8 * c.v * row;
    if y < top {
        return job.bytes[c.above + x] as u32;
    }
    let block = c.at + BLOCK * ((y - top) / 8 * c.slots + x / 8);
    job.bytes[block + y % 8 * 8 + x % 8] as u32
}

/// The sample behind `at` or the one before it, but at an edge itself.
fn neighbour(at: usize, behind: bool, size: usize) -> usize {
    if behind { (at + 1).min(size - 1) } else { at.saturating_sub(1) }
}

/// The component's value of a pixel. Of two pixels that a sample stands for each has 3/4 of it and 1/4 of the
/// sample on its side, in either direction, rounded up and down in turns. Not so in very narrow components,
/// nor where a sample stands for more pixels.
fn value(job: &Job, c: &Component, row: usize, y: usize, x: usize) -> u32 {
    let v = y / c.down;
    let h = x / c.across;
    let own = sample(job, c, row, v, h);
    let plain = c.across > 2 || c.down > 2 || (c.across == 2 && c.width <= 2);
    if plain || (c.across == 1 && c.down == 1) {
        return own;
    }
    let odd_y = y as u32 % 2;
    let odd_x = x as u32 % 2;
    let next_v = neighbour(v, odd_y == 1, c.height);
    let next_h = neighbour(h, odd_x == 1, c.width);
    if c.down == 1 {
        return (3 * own + sample(job, c, row, v, next_h) + 1 + odd_x) >> 2;
    }
    let here = 3 * own + sample(job, c, row, next_v, h);
    if c.across == 1 {
        return (here + 1 + odd_y) >> 2;
    }
    let beside = sample(job, c, row, v, next_h);
    let beside = 3 * beside + sample(job, c, row, next_v, next_h);
    (3 * here + beside + 8 - odd_x) >> 4
}

/// Sets a pixel by the values of its components; the factors are those of JFIF, times 2^16.
fn set_pixel(job: &mut Job, frame: &Frame, y: usize, x: usize, of: [u32; 3]) {
    if frame.count == 1 {
        job.set(y, x, of[0], of[0], of[0]);
        return;
    }
    if frame.rgb {
        job.set(y, x, of[0], of[1], of[2]);
        return;
    }
    let luma = of[0] as i32;
    let cb = of[1] as i32 - 128;
    let cr = of[2] as i32 - 128;
    let red = (luma + ((91881 * cr + 32768) >> 16)).clamp(0, 255);
    let green = (luma + ((-22554 * cb - 46802 * cr + 32768) >> 16)).clamp(0, 255);
    let blue = (luma + ((116130 * cb + 32768) >> 16)).clamp(0, 255);
    job.set(y, x, red as u32, green as u32, blue as u32);
}

/// Sets the pixels that can be when the row number `row` of units is there: its last row of pixels may need
/// the next row of units, so it is set with that one. Then keeps the last row of samples.
pub(super) fn set_row(job: &mut Job, frame: &Frame, row: usize) {
    let from = (row * frame.rows).saturating_sub(1);
    let to = if row + 1 == frame.units_down { job.height } else { (row + 1) * frame.rows - 1 };
    for y in from..to {
        for x in 0..job.width {
            let mut of = [0; 3];
            for i in 0..frame.count {
                of[i] = value(job, &frame.components[i], row, y, x);
            }
            set_pixel(job, frame, y, x, of);
        }
    }
    if row + 1 == frame.units_down {
        return;
    }
    for i in 0..frame.count {
        let c = &frame.components[i];
        for x in 0..c.width {
            job.bytes[c.above + x] = sample(job, c, row, 8 * c.v * (row + 1) - 1, x) as u8;
        }
    }
}
