//! From the coefficients of a JPEG 2000 tile to pixels: the reversible wavelet (ITU T.800, annex F) and
//! colour transform (annex G).

use super::job::Job;
use super::jpeg2000_tile::{Tile, half, resolution, set_half};

/// A line of samples from coordinate `from` to before `to` (F.3.6): the even ones are low, the odd ones high.
fn line(job: &mut Job, at: usize, step: usize, from: usize, to: usize) {
    let count = to - from;
    let odd = from & 1;
    if count == 1 && odd == 1 {
        set_half(job, at, half(job, at) / 2);
    }
    if count < 2 {
        return;
    }
    // Behind its ends the line is mirrored.
    for i in (odd..count).step_by(2) {
        let before = half(job, at + step * if i > 0 { i - 1 } else { 1 });
        let after = half(job, at + step * if i + 1 < count { i + 1 } else { i - 1 });
        let value = half(job, at + step * i) - ((before + after + 2) >> 2);
        set_half(job, at + step * i, value);
    }
    for i in (1 - odd..count).step_by(2) {
        let before = half(job, at + step * if i > 0 { i - 1 } else { 1 });
        let after = half(job, at + step * if i + 1 < count { i + 1 } else { i - 1 });
        let value = half(job, at + step * i) + ((before + after) >> 1);
        set_half(job, at + step * i, value);
    }
}

/// The inverse wavelet of a component, in place: each level has twice the samples of the one before (F.3).
pub(super) fn synthesise(job: &mut Job, t: &Tile, c: usize) {
    let (width, height) = (t.area.x1 - t.area.x0, t.area.y1 - t.area.y0);
    for r in 1..=t.coding[c].levels {
        let area = resolution(t, c, r).area;
        let n = t.coding[c].levels - r;
        let (left, top) = ((area.x0 << n) - t.area.x0, (area.y0 << n) - t.area.y0);
        let first = (c * height + top) * width + left;
        for y in 0..area.y1 - area.y0 {
            line(job, first + y * (width << n), 1 << n, area.x0, area.x1);
        }
        for x in 0..area.x1 - area.x0 {
            line(job, first + (x << n), width << n, area.y0, area.y1);
        }
    }
}

/// Sets the tile's pixels; the picture begins at `(left, top)`.
pub(super) fn show(job: &mut Job, t: &Tile, left: usize, top: usize) {
    let (width, height) = (t.area.x1 - t.area.x0, t.area.y1 - t.area.y0);
    for y in 0..height {
        for x in 0..width {
            let at = y * width + x;
            let mut red = half(job, at);
            let (mut green, mut blue) = (red, red);
            if t.components > 2 {
                green = half(job, at + width * height);
                blue = half(job, at + 2 * width * height);
                if t.colour_transform {
                    // Equations G-6 to G-8.
                    let (luma, cb, cr) = (red, green, blue);
                    green = luma - ((cb + cr) >> 2);
                    red = cr + green;
                    blue = cb + green;
                }
            }
            let red = (red + 128).clamp(0, 255) as u32;
            let green = (green + 128).clamp(0, 255) as u32;
            let blue = (blue + 128).clamp(0, 255) as u32;
            job.set(t.area.y0 + y - top, t.area.x0 + x - left, red, green, blue);
        }
    }
}
