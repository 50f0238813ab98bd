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
    for (rows, out) in Spans::new(crop_height, height).zip(out.chunks_exact_mut(width)) {
        for (columns, out) in Spans::new(crop_width, width).zip(out) {
            // At most 255 * 4096 * 4096, below 2^32.
            let sum = rows.sum(|y| {
                let first = (top + rows.first + y) * frame.width + left + columns.first;
                let line = &frame.pixels[first..];
                columns.sum(|x| u32::from(line[x]))
            });
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

/// What one pixel of the picture covers along a side, in parts of a source pixel: with as many parts in each as the picture
/// has pixels, a pixel of the picture covers as many parts as there are source pixels.
#[derive(Clone, Copy)]
struct Span {
    first: usize,
    /// Parts of the first source pixel, whole source pixels behind it, parts of the one behind those.
    head: u32,
    whole: usize,
    tail: u32,
    /// Parts in a source pixel.
    parts: u32,
}

impl Span {
    /// The weighted sum of what `value` says of source pixels, counted from the first.
    #[inline(always)]
    fn sum(&self, value: impl Fn(usize) -> u32) -> u32 {
        let mut whole = 0;
        for i in 1..=self.whole {
            whole += value(i);
        }
        let tail = if self.tail > 0 { self.tail * value(self.whole + 1) } else { 0 };
        self.head * value(0) + self.parts * whole + tail
    }
}

/// All spans along a side, in order and without a division.
struct Spans {
    from: u32,
    to: u32,
    /// The source pixel that the next span begins in, and its parts that are left.
    first: usize,
    left: u32,
}

impl Spans {
    fn new(from: usize, to: usize) -> Spans {
        Spans { from: from as u32, to: to as u32, first: 0, left: to as u32 }
    }
}

impl Iterator for Spans {
    type Item = Span;

    /// One after the other for ever; there are as many as the picture has pixels.
    #[inline(always)]
    fn next(&mut self) -> Option<Span> {
        let (first, head) = (self.first, self.left.min(self.from));
        let (mut whole, mut rest) = (0, self.from - head);
        while rest >= self.to {
            whole += 1;
            rest -= self.to;
        }
        let used_up = head == self.left;
        (self.first, self.left) = match (used_up, rest) {
            (false, _) => (first, self.left - head),
            (true, rest) => (first + 1 + whole, self.to - rest),
        };
        Some(Span { first, head, whole, tail: rest, parts: self.to })
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
