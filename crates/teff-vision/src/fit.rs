//! Other networks' pictures.

use crate::Grey;

/// Draws the largest centred part of `frame` that has the sides' ratio `width : height` as a picture of that size, each
/// pixel the rounded mean of the area it covers. Where the crop is smaller than the picture, pixels repeat.
///
/// # Panics
/// When `out` has not `width * height` pixels, or a side of the frame or of the picture is 0 or above 4096.
pub fn fit(frame: &Grey, width: usize, height: usize, out: &mut [u8]) {
    assert_eq!(out.len(), width * height, "the picture has width * height pixels");
    let sides = [frame.width, frame.height, width, height];
    assert!(sides.iter().all(|s| (1..=4096).contains(s)), "sides are 1 to 4096 pixels");
    let (crop_width, crop_height) = if frame.width * height > frame.height * width {
        ((frame.height * width / height).max(1), frame.height)
    } else {
        (frame.width, (frame.width * height / width).max(1))
    };
    let (left, top) = ((frame.width - crop_width) / 2, (frame.height - crop_height) / 2);
    let mean = Mean::new((crop_width * crop_height) as u32);
    for (y, row) in out.chunks_exact_mut(width).enumerate() {
        let rows = Span::of(y, crop_height, height);
        for (x, out) in row.iter_mut().enumerate() {
            let columns = Span::of(x, crop_width, width);
            // At most 255 * 4096 * 4096, below 2^32.
            let mut sum = 0u32;
            for v in rows.first..=rows.last {
                let line = &frame.row(top + v)[left + columns.first..=left + columns.last];
                let mut across = 0u32;
                for (i, &pixel) in line.iter().enumerate() {
                    across += u32::from(pixel) * columns.weight(columns.first + i);
                }
                sum += across * rows.weight(v);
            }
            *out = mean.of(sum);
        }
    }
}

/// Division by one area, without dividing.
struct Mean {
    area: u32,
    /// 2^32 / area, rounded down.
    reciprocal: u64,
}

impl Mean {
    fn new(area: u32) -> Mean {
        Mean { area, reciprocal: (1 << 32) / u64::from(area) }
    }

    /// `sum / area`, rounded; `sum` is at most `255 * area`.
    fn of(&self, sum: u32) -> u8 {
        let sum = sum + self.area / 2;
        let quotient = ((u64::from(sum) * self.reciprocal) >> 32) as u32;
        // The reciprocal is too small by less than 1, so the quotient is too small by at most 1.
        (quotient + u32::from(sum - quotient * self.area >= self.area)) as u8
    }
}

/// What one pixel of the picture covers along a side, in parts of a source pixel that both sides share.
struct Span {
    start: u32,
    end: u32,
    /// Parts in a source pixel.
    parts: u32,
    first: usize,
    last: usize,
}

impl Span {
    /// Pixel `i` of `to` that lie over `from` source pixels: with `to` parts in each, it covers `from` of them.
    fn of(i: usize, from: usize, to: usize) -> Span {
        let (start, end) = (i * from, (i + 1) * from);
        Span {
            start: start as u32,
            end: end as u32,
            parts: to as u32,
            first: start / to,
            last: (end - 1) / to,
        }
    }

    /// How many parts of a source pixel are covered.
    fn weight(&self, pixel: usize) -> u32 {
        let begin = pixel as u32 * self.parts;
        self.end.min(begin + self.parts) - self.start.max(begin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;
    use std::vec::Vec;

    fn fitted(pixels: &[u8], from: (usize, usize), to: (usize, usize)) -> Vec<u8> {
        let mut out = vec![0; to.0 * to.1];
        fit(&Grey::new(pixels, from.0, from.1), to.0, to.1, &mut out);
        out
    }

    #[test]
    fn the_middle_is_taken_and_averaged() {
        // A row too many on each side.
        assert_eq!(fitted(&[9, 9, 0, 10, 20, 30, 9, 9], (2, 4), (1, 1)), [15]);
        assert_eq!(fitted(&[1, 2, 3, 4, 5, 6], (3, 2), (3, 2)), [1, 2, 3, 4, 5, 6]);
        // Three pixels on two: each covers one and a half.
        assert_eq!(fitted(&[0, 90, 255, 0, 90, 255, 0, 90, 255], (3, 3), (2, 2)), [30, 200, 30, 200]);
    }

    #[test]
    fn small_frames_are_enlarged() {
        assert_eq!(fitted(&[7], (1, 1), (3, 2)), [7; 6]);
        assert_eq!(fitted(&[0, 100], (2, 1), (4, 2)), [0, 0, 100, 100, 0, 0, 100, 100]);
    }

    #[test]
    fn means_stay_means_at_any_size() {
        let pixels: Vec<u8> = (0..96 * 70).map(|i| (i * 7919 % 251) as u8).collect();
        for side in [1, 5, 28, 70] {
            let out = fitted(&pixels, (96, 70), (side, side));
            let crop = (0..70).flat_map(|y| pixels[y * 96 + 13..y * 96 + 83].iter());
            let mean = crop.map(|&p| f64::from(p)).sum::<f64>() / 4900.0;
            let of_out = out.iter().map(|&p| f64::from(p)).sum::<f64>() / out.len() as f64;
            assert!((mean - of_out).abs() < 0.5, "{side}: {mean} {of_out}");
        }
    }
}
