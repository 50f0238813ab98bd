//! Pixels of VP8's planes: chroma of twice the size, and colours, rounded as libwebp does.

use super::job::Job;
use super::vp8_predict::Plane;

/// Chroma at a pixel, of the nearest sample (9 parts), that beside it and that above or below it (3 parts
/// each), and the one diagonal to it (1 part). `near` and `far` are rows, `x` and `beside` columns.
fn smooth(bytes: &[u8], near: usize, far: usize, x: usize, beside: usize) -> i32 {
    let nearest = bytes[near + x] as i32;
    let sides = bytes[near + beside] as i32 + bytes[far + x] as i32;
    ((nearest + 3 * sides + bytes[far + beside] as i32 + 8) / 8 + nearest) / 2
}

/// A channel of 14 bits and its fraction, as 8 bits.
fn channel(value: i32) -> u32 {
    (value >> 6).clamp(0, 255) as u32
}

/// The sample next to `at / 2` on the side where `at` is; there are `count`.
fn neighbour(at: usize, count: usize) -> usize {
    let half = at / 2;
    if at & 1 == 0 {
        half.saturating_sub(1)
    } else if half + 1 < count {
        half + 1
    } else {
        half
    }
}

/// Sets every pixel: ITU-R BT.601 with luma from 16 to 235.
pub(super) fn show(job: &mut Job, planes: &[Plane; 3]) {
    let (rows, columns) = (job.height.div_ceil(2), job.width.div_ceil(2));
    for y in 0..job.height {
        let near = y / 2 * planes[1].stride;
        let far = neighbour(y, rows) * planes[1].stride;
        for x in 0..job.width {
            let beside = neighbour(x, columns);
            let (u, v) = (planes[1].at, planes[2].at);
            let u = smooth(job.bytes, u + near, u + far, x / 2, beside);
            let v = smooth(job.bytes, v + near, v + far, x / 2, beside);
            let luma = (job.bytes[planes[0].at + y * planes[0].stride + x] as i32 * 19077) >> 8;
            let red = luma + ((v * 26149) >> 8) - 14234;
            let green = luma - ((u * 6419) >> 8) - ((v * 13320) >> 8) + 8708;
            let blue = luma + ((u * 33050) >> 8) - 17685;
            job.set(y, x, channel(red), channel(green), channel(blue));
        }
    }
}
