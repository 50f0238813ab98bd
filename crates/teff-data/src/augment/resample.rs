//! The one sampling pass: an affine map plus displacements, laid out per pixel, then applied to each channel.

use super::Outside;
use crate::dataset::Sample;

/// A place in the original for each pixel `(x, y)` of the result: `x' = xx x + xy y + x0`, `y' = yx x + yy y + y0`, in
/// pixels, x to the right and y downwards.
#[derive(Clone, Copy, Debug)]
pub(super) struct Affine {
    xx: f32,
    xy: f32,
    x0: f32,
    yx: f32,
    yy: f32,
    y0: f32,
}

impl Affine {
    /// The inverse of: scale about the centre, turn by `angle` radians (clockwise as seen), shift by `(dx, dy)` pixels.
    pub(super) fn about_centre(size: (usize, usize), shift: (f32, f32), angle: f32, scale: f32) -> Self {
        let (centre_x, centre_y) = ((size.1 - 1) as f32 / 2.0, (size.0 - 1) as f32 / 2.0);
        let (sin, cos) = angle.sin_cos();
        let (a, b) = (cos / scale, sin / scale);
        // From the result back: take the shift off, then turn and scale back about the centre.
        let (x, y) = (centre_x + shift.0, centre_y + shift.1);
        Self { xx: a, xy: b, x0: centre_x - a * x - b * y, yx: -b, yy: a, y0: centre_y + b * x - a * y }
    }
}

/// Columns and rows added before an image, so that a place just outside needs no test.
const MARGIN: usize = 1;

/// One channel as floats, with a margin of one pixel before and two after: the far corner of a place on the outermost
/// clamped coordinate is still inside.
#[derive(Clone, Debug)]
pub(super) struct Padded {
    values: Vec<f32>,
    width: usize,
}

impl Padded {
    pub(super) fn new(height: usize, width: usize) -> Self {
        let stride = stride(width);
        Self { values: vec![0.0; (height + 3) * stride], width }
    }

    /// Loads an image as a network sees it.
    pub(super) fn load(&mut self, image: Sample<'_>) {
        let width = self.width;
        for (y, row) in self.rows().take(image.len() / width.max(1)).enumerate() {
            image.part(y * width..(y + 1) * width).write_to(row);
        }
    }

    /// The rows inside the margin. The margin itself stays zero, and is weighed with zero where the edge counts.
    fn rows(&mut self) -> impl Iterator<Item = &mut [f32]> {
        let width = self.width;
        let rows = self.values.chunks_exact_mut(stride(width)).skip(MARGIN);
        rows.map(move |row| &mut row[MARGIN..MARGIN + width])
    }
}

fn stride(width: usize) -> usize {
    width + 3
}

/// 2^23: between this and 2^24 the floats are the whole numbers, and their low 23 bits count up from it.
const WHOLE: f32 = 8_388_608.0;

/// `f32::clamp` without its check, and such that NaN becomes `least`. One instruction each way on a vector.
#[inline(always)]
fn within(value: f32, least: f32, most: f32) -> f32 {
    let value = if value > least { value } else { least };
    if value < most { value } else { most }
}

/// The whole part of a number of 0 to 2^22. The library's function is a call without SSE 4.1, and a cast checks for
/// overflow; neither is done four at a time.
#[inline(always)]
fn floor(value: f32) -> f32 {
    let rounded = (value + WHOLE) - WHOLE;
    if rounded > value { rounded - 1.0 } else { rounded }
}

/// A whole number of 0 to 2^23 - 1 as an index.
#[inline(always)]
fn to_index(value: f32) -> u32 {
    (value + WHOLE).to_bits() - WHOLE.to_bits()
}

/// For each pixel of the result, where in a [`Padded`] it comes from.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The upper left of the four pixels that are blended.
    corner: Vec<u32>,
    /// The weights of the right and of the lower ones.
    right: Vec<f32>,
    lower: Vec<f32>,
}

/// The coordinates a place is kept within, in those of a [`Padded`].
struct Limits {
    least: f32,
    most_x: f32,
    most_y: f32,
    stride: f32,
}

impl Limits {
    fn new((height, width): (usize, usize), outside: Outside) -> Self {
        // One pixel beyond the edge everything is zero already, so going further changes nothing.
        let (least, beyond) = match outside {
            Outside::Zero => (0, MARGIN),
            Outside::Edge => (MARGIN, 0),
        };
        let most = |len: usize| (MARGIN + len - 1 + beyond) as f32;
        Self { least: least as f32, most_x: most(width), most_y: most(height), stride: stride(width) as f32 }
    }
}

impl Plan {
    pub(super) fn new(pixels: usize) -> Self {
        Self { corner: vec![0; pixels], right: vec![0.0; pixels], lower: vec![0.0; pixels] }
    }

    /// Lays out the affine map, if there is a field with a displacement, in pixels, for each pixel of the result.
    pub(super) fn lay(
        &mut self,
        affine: &Affine,
        size: (usize, usize),
        outside: Outside,
        field: Option<(&[f32], &[f32])>,
    ) {
        let limits = Limits::new(size, outside);
        for y in 0..size.0 {
            let row = y * size.1..(y + 1) * size.1;
            let Some((dx, dy)) = field else {
                self.lay_row(affine, &limits, y, row, |_| (0.0, 0.0));
                continue;
            };
            let start = y * (dx.len() / size.0);
            let (dx, dy) = (&dx[start..][..size.1], &dy[start..][..size.1]);
            self.lay_row(affine, &limits, y, row, |x| (dx[x], dy[x]));
        }
    }

    #[inline(always)]
    fn lay_row(
        &mut self,
        affine: &Affine,
        limits: &Limits,
        y: usize,
        row: std::ops::Range<usize>,
        displacement: impl Fn(usize) -> (f32, f32),
    ) {
        let width = row.len();
        let (corner, right) = (&mut self.corner[row.clone()], &mut self.right[row.clone()]);
        let lower = &mut self.lower[row];
        let y = y as f32;
        let start_x = affine.xy * y + affine.x0 + MARGIN as f32;
        let start_y = affine.yy * y + affine.y0 + MARGIN as f32;
        for i in 0..width {
            let (dx, dy) = displacement(i);
            let x = i as f32;
            let from_x = within(affine.xx * x + start_x + dx, limits.least, limits.most_x);
            let from_y = within(affine.yx * x + start_y + dy, limits.least, limits.most_y);
            let (left, top) = (floor(from_x), floor(from_y));
            corner[i] = to_index(top * limits.stride + left);
            right[i] = from_x - left;
            lower[i] = from_y - top;
        }
    }

    /// Blends one channel.
    pub(super) fn sample(&self, from: &Padded, out: &mut [f32]) {
        let stride = stride(from.width);
        let places = self.corner.iter().zip(&self.right).zip(&self.lower);
        for (out, ((&corner, &right), &lower)) in out.iter_mut().zip(places) {
            let corner = corner as usize;
            let four = &from.values[corner..corner + stride + 2];
            let above = four[0] + right * (four[1] - four[0]);
            let below = four[stride] + right * (four[stride + 1] - four[stride]);
            *out = above + lower * (below - above);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    /// Bilinear sampling as the formula says, one pixel at a time.
    fn plain(image: &[f32], (height, width): (usize, usize), x: f32, y: f32, outside: Outside) -> f32 {
        let (mut x, mut y) = (x, y);
        if outside == Outside::Edge {
            x = x.clamp(0.0, (width - 1) as f32);
            y = y.clamp(0.0, (height - 1) as f32);
        }
        let at = |row: f32, column: f32| {
            let inside = row >= 0.0 && column >= 0.0 && row < height as f32 && column < width as f32;
            if inside { image[row as usize * width + column as usize] } else { 0.0 }
        };
        let (left, top) = (x.floor(), y.floor());
        let (right, lower) = (x - left, y - top);
        at(top, left) * (1.0 - right) * (1.0 - lower)
            + at(top, left + 1.0) * right * (1.0 - lower)
            + at(top + 1.0, left) * (1.0 - right) * lower
            + at(top + 1.0, left + 1.0) * right * lower
    }

    #[test]
    fn sampling_agrees_with_the_formula() {
        let mut rng = Rng::new(3);
        for size in [(28, 28), (1, 1), (5, 17), (16, 3)] {
            let (height, width) = size;
            let image: Vec<f32> = (0..height * width).map(|_| rng.unit()).collect();
            let mut padded = Padded::new(height, width);
            padded.load(Sample::F32(&image));
            let mut plan = Plan::new(height * width);
            let mut out = vec![0.0; height * width];
            for round in 0..50 {
                let outside = if round % 2 == 0 { Outside::Zero } else { Outside::Edge };
                let shift = (rng.within(9.0), rng.within(9.0));
                let affine = Affine::about_centre(size, shift, rng.within(3.2), 1.0 + rng.within(0.9));
                let field =
                    |rng: &mut Rng| (0..height * width).map(|_| rng.within(4.0)).collect::<Vec<f32>>();
                let (dx, dy) = (field(&mut rng), field(&mut rng));
                plan.lay(&affine, size, outside, Some((&dx, &dy)));
                plan.sample(&padded, &mut out);
                for (i, &value) in out.iter().enumerate() {
                    let (px, py) = ((i % width) as f32, (i / width) as f32);
                    let x = affine.xx * px + affine.xy * py + affine.x0 + dx[i];
                    let y = affine.yx * px + affine.yy * py + affine.y0 + dy[i];
                    let expected = plain(&image, size, x, y, outside);
                    assert!((value - expected).abs() < 1e-4, "{size:?} {i}: {value}, expected {expected}");
                }
            }
        }
    }

    #[test]
    fn the_map_undoes_scale_turn_and_shift_in_that_order() {
        // The point (20, 10) of an image of 21 x 31 (centre 15, 10), doubled about the centre, turned a quarter
        // clockwise (right becomes down), shifted by (3, -1), is found at (18, 19).
        let affine = Affine::about_centre((21, 31), (3.0, -1.0), std::f32::consts::FRAC_PI_2, 2.0);
        let (x, y) = (18.0, 19.0);
        assert!((affine.xx * x + affine.xy * y + affine.x0 - 20.0).abs() < 1e-5);
        assert!((affine.yx * x + affine.yy * y + affine.y0 - 10.0).abs() < 1e-5);
    }

    #[test]
    fn the_largest_image_is_addressed_exactly() {
        let size = (2048, 2048);
        let mut plan = Plan::new(2048 * 2048);
        let nothing = Affine::about_centre(size, (0.0, 0.0), 0.0, 1.0);
        plan.lay(&nothing, size, Outside::Zero, None);
        for (x, y) in [(0, 0), (2047, 0), (0, 2047), (2046, 2047), (2047, 2047)] {
            assert_eq!(plan.corner[y * 2048 + x] as usize, (y + MARGIN) * stride(2048) + x + MARGIN);
        }
    }
}
