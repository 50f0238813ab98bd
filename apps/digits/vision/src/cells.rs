//! The frame in coarse: means of square cells, at most 81x81 of them.

use crate::Grey;

/// Most cells in a row and in a column: a frame of 162x162 in cells of 2x2 pixels.
pub(crate) const SIDE: usize = 81;

/// Longest side of a frame: the full field of the HM01B0, in cells of 4x4 pixels.
pub(crate) const MOST: usize = 4 * SIDE;

/// The bit of a cell that says, once strokes have been chosen, that it belongs to them. A grey level is no loss by then.
pub(crate) const MARK: u8 = 1;

/// Means of square cells of the frame, row by row, without gaps between rows.
pub(crate) struct Cells {
    pub(crate) values: [u8; SIDE * SIDE],
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Pixels along a side of a cell.
    pub(crate) size: usize,
}

impl Cells {
    pub(crate) const fn new() -> Cells {
        // All zero, so that a static one takes no flash.
        Cells { values: [0; SIDE * SIDE], width: 0, height: 0, size: 0 }
    }

    /// Averages the frame in the smallest cells that it takes no more than 81x81 of. Pixels on the right and below that do
    /// not fill a cell are left out.
    pub(crate) fn take(&mut self, frame: &Grey) {
        self.size = frame.width.max(frame.height).div_ceil(SIDE).max(1);
        (self.width, self.height) = (frame.width / self.size, frame.height / self.size);
        if self.width == 0 {
            return;
        }
        let rows = self.values.chunks_exact_mut(self.width).take(self.height);
        for (y, out) in rows.enumerate() {
            match self.size {
                1 => out.copy_from_slice(&frame.row(y)[..out.len()]),
                2 => halve(frame.row(2 * y), frame.row(2 * y + 1), out),
                size => average(frame, y * size, size, out),
            }
        }
    }

    /// The cells as a picture of its own.
    pub(crate) fn as_frame(&self) -> Grey<'_> {
        Grey::new(&self.values[..self.width * self.height], self.width, self.height)
    }

    /// A row of cells.
    pub(crate) fn row(&self, y: usize) -> &[u8] {
        &self.values[y * self.width..(y + 1) * self.width]
    }
}

/// Means of 2x2 pixels, halves upwards.
fn halve(above: &[u8], below: &[u8], out: &mut [u8]) {
    let pairs = above.chunks_exact(2).zip(below.chunks_exact(2));
    for (out, (a, b)) in out.iter_mut().zip(pairs) {
        *out = ((u32::from(a[0]) + u32::from(a[1]) + u32::from(b[0]) + u32::from(b[1]) + 2) >> 2) as u8;
    }
}

/// Means of `size` x `size` pixels from row `top` on, rounded.
fn average(frame: &Grey, top: usize, size: usize, out: &mut [u8]) {
    for (x, out) in out.iter_mut().enumerate() {
        let columns = x * size..(x + 1) * size;
        let rows = (top..top + size).map(|y| &frame.row(y)[columns.clone()]);
        let sum: u32 = rows.flatten().map(|&p| u32::from(p)).sum();
        let area = (size * size) as u32;
        *out = ((sum + area / 2) / area) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn taken(width: usize, height: usize, pixel: impl Fn(usize, usize) -> u8) -> Cells {
        let pixels: Vec<u8> = (0..width * height).map(|i| pixel(i % width, i / width)).collect();
        let mut cells = Cells::new();
        cells.take(&Grey::new(&pixels, width, height));
        cells
    }

    #[test]
    fn cells_are_rounded_means() {
        let cells = taken(162, 162, |x, y| (x + 3 * y) as u8 % 100);
        assert_eq!((cells.width, cells.height, cells.size), (81, 81, 2));
        // 0, 1, 3, 4 and 8, 9, 11, 12.
        assert_eq!((cells.row(0)[0], cells.row(1)[1]), (2, 10));
        let cells = taken(324, 200, |x, y| if x < 4 && y < 4 { (x + 4 * y) as u8 } else { 9 });
        assert_eq!((cells.width, cells.height, cells.size), (81, 50, 4));
        assert_eq!((cells.row(0)[0], cells.row(0)[1]), (8, 9));
        let cells = taken(325, 200, |_, _| 5);
        assert_eq!((cells.width, cells.height, cells.size), (65, 40, 5));
        let cells = taken(30, 7, |x, _| x as u8);
        assert_eq!((cells.width, cells.height, cells.size), (30, 7, 1));
        assert_eq!(cells.row(6)[29], 29);
    }

    #[test]
    fn frames_without_pixels_have_no_cells() {
        assert_eq!(taken(0, 0, |_, _| 0).width, 0);
        assert_eq!(taken(0, 300, |_, _| 0).width, 0);
        let thin = taken(1, 300, |_, _| 0);
        assert_eq!((thin.width, thin.height), (0, 75));
    }
}
