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

/// Grey levels that a stroke differs from its ground by at least: four times the noise that is expected of a cell.
const LEAST: u32 = 8;
/// Share, in 256ths, of the difference between light and dark ground that it differs from its own by at least.
const SHARE: u32 = 77;

/// What a stroke differs from its ground by at least.
pub(crate) fn threshold(light: u8, dark: u8) -> u8 {
    LEAST.max((u32::from(light.saturating_sub(dark)) * SHARE) >> 8) as u8
}

/// Light and dark ground.
pub(crate) struct Envelope {
    light: Plane,
    dark: Plane,
    /// What cells of dark strokes are below, and those of light strokes above.
    below: Plane,
    above: Plane,
    spare: Plane,
    width: usize,
    height: usize,
}

/// One row of cells' ground.
pub(crate) type Row = [u8; SIDE];

impl Envelope {
    pub(crate) const fn new() -> Envelope {
        let plane = [0; (BLOCKS + 2 * MARGIN) * (BLOCKS + 2 * MARGIN)];
        Envelope { light: plane, dark: plane, below: plane, above: plane, spare: plane, width: 0, height: 0 }
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
        open_or_close(&mut self.light, &mut self.spare, size, Extreme::Most, Extreme::Least);
        open_or_close(&mut self.dark, &mut self.spare, size, Extreme::Least, Extreme::Most);
        for i in 0..self.width * self.height {
            let (light, dark) = (self.light[i], self.dark[i]);
            let threshold = threshold(light, dark);
            (self.below[i], self.above[i]) =
                (light.saturating_sub(threshold), dark.saturating_add(threshold));
        }
    }

    /// For a row of cells, what those of dark strokes are below, and what those of light strokes are above.
    pub(crate) fn limits(&self, y: usize, below: &mut Row, above: &mut Row) {
        interpolate(&self.below, (self.width, self.height), y, below);
        interpolate(&self.above, (self.width, self.height), y, above);
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
    first: Extreme,
    second: Extreme,
) {
    let grown = (width + 2 * MARGIN, height + 2 * MARGIN);
    slide(plane, spare, (width, height), grown.0, first);
    slide(spare, plane, (height, grown.0), grown.1, first);
    slide(plane, spare, grown, width, second);
    slide(spare, plane, (grown.1, width), height, second);
}

/// Which value of a window is taken.
#[derive(Clone, Copy)]
enum Extreme {
    Least,
    Most,
}

/// The extreme value of windows along rows, written as columns, so that the next call does the other direction. Rows become
/// `to_width` long by windows whose middles lie beyond the edges, or lose as many.
fn slide(from: &Plane, to: &mut Plane, size: (usize, usize), to_width: usize, which: Extreme) {
    match which {
        Extreme::Least => slide_by(from, to, size, to_width, 255, u8::min),
        Extreme::Most => slide_by(from, to, size, to_width, 0, u8::max),
    }
}

/// A row with what windows reach beyond it.
type Line = [u8; BLOCKS + 2 * MARGIN + 2 * REACH];

/// `neutral` is what `pick` never prefers.
#[inline(always)]
fn slide_by(
    from: &Plane,
    to: &mut Plane,
    (width, height): (usize, usize),
    to_width: usize,
    neutral: u8,
    pick: impl Fn(u8, u8) -> u8,
) {
    for (y, row) in from.chunks_exact(width).take(height).enumerate() {
        // The first window begins so far before the row.
        let before = REACH + to_width / 2 - width / 2;
        let mut line: Line = [neutral; BLOCKS + 2 * MARGIN + 2 * REACH];
        line[before..before + width].copy_from_slice(row);
        // Each value becomes the extreme of itself and those behind it: of 2, of 4, of 7. The length is always the same, so that
        // nothing is checked here.
        for step in [1, 2, 3] {
            for i in 0..line.len() - step {
                line[i] = pick(line[i], line[i + step]);
            }
        }
        for (x, &value) in line[..to_width].iter().enumerate() {
            to[x * height + y] = value;
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
    let blend = |a: u8, b: u8| u32::from(a) * (8 - share) + u32::from(b) * share;
    let mut left = blend(above[0], below[0]);
    let level = |value: u32| ((value * 8 + 32) >> 6) as u8;
    // Half a block before the first centre; then between centres, where the four cells lie at 1, 3, 5 and 7 eighths.
    let (first, rest) = out.split_at_mut(BLOCK / 2);
    first.fill(level(left));
    let between = BLOCK * (width - 1);
    for ((&a, &b), four) in above.iter().zip(below).skip(1).zip(rest.chunks_exact_mut(BLOCK)) {
        let right = blend(a, b);
        let (mut value, step) = (left * 7 + right + 32, (right * 2).wrapping_sub(left * 2));
        for cell in four {
            *cell = (value >> 6) as u8;
            value = value.wrapping_add(step);
        }
        left = right;
    }
    rest[between..].fill(level(left));
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
