//! The ground that strokes are drawn on: what the frame would be without dark strokes, and without light ones.
//!
//! Both are found as in a top-hat transform: the frame is averaged in blocks of 4x4 cells, of which a maximum over windows
//! of 7x7 and then a minimum over the same (a closing) gives the light ground that dark strokes up to some 50 pixels of 162
//! lie on; the other way round (an opening) gives the dark ground of light strokes. A slope of the lighting passes through both
//! unchanged. Between the blocks' centres the ground is interpolated.

use crate::cells::{Cells, SIDE};

/// Cells along a side of a block.
const BLOCK: usize = 4;
/// Most blocks along a side.
const BLOCKS: usize = SIDE / BLOCK;
/// Blocks on each side of the middle one of a window.
const REACH: usize = 3;

/// Blocks beyond the edge that windows of the second step have their middle in. With none, the ground would rise towards the
/// darker edges by as much as it does over a reach; with as many as the reach, a stroke beside the edge would be ground.
const MARGIN: usize = 2;

type Plane = [u8; (BLOCKS + 2 * MARGIN) * (BLOCKS + 2 * MARGIN)];
type Pick = fn(u8, u8) -> u8;

/// Light and dark ground.
pub(crate) struct Envelope {
    light: Plane,
    dark: Plane,
    spare: Plane,
    width: usize,
    height: usize,
}

/// One row of cells' ground.
pub(crate) type Row = [u8; SIDE];

impl Envelope {
    pub(crate) const fn new() -> Envelope {
        let plane = [0; (BLOCKS + 2 * MARGIN) * (BLOCKS + 2 * MARGIN)];
        Envelope { light: plane, dark: plane, spare: plane, width: 0, height: 0 }
    }

    /// Estimates both grounds. There must be a block at least: 4x4 cells.
    pub(crate) fn take(&mut self, cells: &Cells) {
        (self.width, self.height) = (cells.width / BLOCK, cells.height / BLOCK);
        for by in 0..self.height {
            for bx in 0..self.width {
                let rows =
                    (by * BLOCK..(by + 1) * BLOCK).map(|y| &cells.row(y)[bx * BLOCK..(bx + 1) * BLOCK]);
                let sum: u32 = rows.flatten().map(|&c| u32::from(c)).sum();
                self.light[by * self.width + bx] = ((sum + 8) >> 4) as u8;
            }
        }
        self.dark = self.light;
        let size = (self.width, self.height);
        open_or_close(&mut self.light, &mut self.spare, size, u8::max, u8::min);
        open_or_close(&mut self.dark, &mut self.spare, size, u8::min, u8::max);
    }

    /// The light ground under a row of cells.
    pub(crate) fn light(&self, y: usize, out: &mut Row) {
        interpolate(&self.light, (self.width, self.height), y, out);
    }

    /// Light and dark ground in one block, which is near enough where little depends on it.
    pub(crate) fn near(&self, x: usize, y: usize) -> (u8, u8) {
        let at = (y / BLOCK).min(self.height - 1) * self.width + (x / BLOCK).min(self.width - 1);
        (self.light[at], self.dark[at])
    }

    /// The dark ground under a row of cells.
    pub(crate) fn dark(&self, y: usize, out: &mut Row) {
        interpolate(&self.dark, (self.width, self.height), y, out);
    }
}

/// Replaces each value by the extreme one of the window around it, first of one kind, then of the other. Windows of the second
/// step reach beyond the edge, or a slope would be level there; see [`MARGIN`].
fn open_or_close(
    plane: &mut Plane,
    spare: &mut Plane,
    (width, height): (usize, usize),
    first: Pick,
    second: Pick,
) {
    let grown = (width + 2 * MARGIN, height + 2 * MARGIN);
    slide(plane, spare, width, height, grown.0, first);
    slide(spare, plane, height, grown.0, grown.1, first);
    slide(plane, spare, grown.0, grown.1, width, second);
    slide(spare, plane, grown.1, width, height, second);
}

/// The extreme value of windows along rows, written as columns, so that the next call does the other direction. Rows of `width`
/// become `to_width` by windows whose middles lie beyond the edges, or lose as many.
fn slide(from: &Plane, to: &mut Plane, width: usize, height: usize, to_width: usize, pick: Pick) {
    for (y, row) in from.chunks_exact(width).take(height).enumerate() {
        for x in 0..to_width {
            // The middle is at x + width / 2 - to_width / 2, which may lie outside.
            let end = (x + width / 2 + REACH + 1).saturating_sub(to_width / 2);
            let window = &row[end.saturating_sub(2 * REACH + 1)..end.min(width)];
            to[x * height + y] = window.iter().fold(window[0], |a, &b| pick(a, b));
        }
    }
}

/// Where between two blocks' centres a cell lies: the first block, and the second one's share in eighths. The centre of cell
/// `c` is `(2c + 1) / 8` blocks from the edge, that of block `b` is `b + 1/2`.
fn place(cell: usize, blocks: usize) -> (usize, u32) {
    let eighths = (2 * cell).saturating_sub(3).min(8 * (blocks - 1));
    (eighths >> 3, (eighths & 7) as u32)
}

/// Bilinear between centres of blocks, level beyond the outermost.
fn interpolate(plane: &Plane, (width, height): (usize, usize), y: usize, out: &mut Row) {
    let (above, share) = place(y, height);
    let below = (above + 1).min(height - 1);
    let (above, below) = (&plane[above * width..][..width], &plane[below * width..][..width]);
    // One more than there are blocks, for the neighbour of the last.
    let mut blend = [0u32; BLOCKS + 1];
    for ((blend, &a), &b) in blend.iter_mut().zip(above).zip(below) {
        *blend = u32::from(a) * (8 - share) + u32::from(b) * share;
    }
    for (x, out) in out.iter_mut().enumerate() {
        let (left, share) = place(x, width);
        *out = ((blend[left] * (8 - share) + blend[left + 1] * share + 32) >> 6) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Grey;
    use std::vec::Vec;

    fn grounds(pixel: impl Fn(usize, usize) -> u8) -> (Vec<Row>, Vec<Row>) {
        let pixels: Vec<u8> = (0..162 * 162).map(|i| pixel(i % 162, i / 162)).collect();
        let (mut cells, mut envelope) = (Cells::new(), Envelope::new());
        cells.take(&Grey::new(&pixels, 162, 162));
        envelope.take(&cells);
        let rows = |take: fn(&Envelope, usize, &mut Row)| {
            let row = |y| {
                let mut row = [0; SIDE];
                take(&envelope, y, &mut row);
                row
            };
            (0..SIDE).map(row).collect()
        };
        (rows(Envelope::light), rows(Envelope::dark))
    }

    #[test]
    fn a_slope_passes_unchanged() {
        let (light, dark) = grounds(|x, y| (40 + x / 2 + y / 2) as u8);
        for y in 2..77 {
            for x in 2..77 {
                let expected = (40 + x + y) as i32;
                // A step of a block is 4, and at the edges one is lost each way.
                let edge = if (8..72).contains(&x) && (8..72).contains(&y) { 1 } else { 8 };
                assert!(
                    (0..=edge).contains(&(i32::from(light[y][x]) - expected)),
                    "{x} {y}: {}",
                    light[y][x]
                );
                assert!((0..=edge).contains(&(expected - i32::from(dark[y][x]))), "{x} {y}: {}", dark[y][x]);
            }
        }
    }

    #[test]
    fn strokes_are_taken_off_their_ground_and_stay_on_the_other() {
        // A dark bar of 20 pixels on light ground.
        let (light, dark) = grounds(|x, _| if (60..80).contains(&x) { 50 } else { 200 });
        assert!(light.iter().flatten().all(|&v| v == 200));
        assert!(dark.iter().all(|row| row[35] == 50));
    }
}
