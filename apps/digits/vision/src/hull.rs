//! How much of its convex hull a region fills: what tells blobs, holes and fields from strokes.

use crate::cells::SIDE;
use crate::components::{Components, Region};

/// A corner of cells.
type Point = (i32, i32);

/// Cells that the convex hull of a region covers, at least as many as it has. `root` is the run that stands for it.
pub(crate) fn hull(components: &Components, root: usize, region: &Region) -> u32 {
    let mut rows = [(u8::MAX, 0u8); SIDE];
    for (i, run) in components.runs().iter().enumerate() {
        if (region.top..=region.bottom).contains(&run.y) && components.stands_for(i) == root {
            let row = &mut rows[usize::from(run.y)];
            *row = (row.0.min(run.first), row.1.max(run.last));
        }
    }
    let rows = &rows[usize::from(region.top)..=usize::from(region.bottom)];
    // Both sides of the hull, as chains of corners from the top to the bottom. A region has cells in each of its rows.
    let right = doubled(rows.iter().map(|row| i32::from(row.1) + 1));
    let left = doubled(rows.iter().map(|row| -i32::from(row.0)));
    (((right + left) / 2) as u32).max(u32::from(region.cells))
}

/// Twice the area between the axis and the hull of what lies left of it: a bar reaching to `ends` in each row.
fn doubled(ends: impl Iterator<Item = i32>) -> i32 {
    let mut chain: [Point; 2 * SIDE] = [(0, 0); 2 * SIDE];
    let mut len = 0;
    for (y, end) in ends.enumerate() {
        for corner in [(end, y as i32), (end, y as i32 + 1)] {
            // A corner that is not right of the line from the one before to this one is inside.
            while len >= 2 && turn(chain[len - 2], chain[len - 1], corner) <= 0 {
                len -= 1;
            }
            chain[len] = corner;
            len += 1;
        }
    }
    chain[..len].windows(2).map(|pair| (pair[0].0 + pair[1].0) * (pair[1].1 - pair[0].1)).sum()
}

/// Positive where `b` lies right of the way from `a` to `c`.
fn turn(a: Point, b: Point, c: Point) -> i32 {
    (b.0 - a.0) * (c.1 - a.1) - (c.0 - a.0) * (b.1 - a.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rows: &[&[(u8, u8)]]) -> (u32, u16) {
        let mut components = Components::new();
        for (y, row) in rows.iter().enumerate() {
            components.next_row();
            for &(first, last) in *row {
                components.push(y as u8, first, last, 1, 1);
            }
        }
        let (root, region) = components.regions().next().unwrap();
        (hull(&components, root, &region), region.cells)
    }

    #[test]
    fn hulls_fill_what_is_hollow() {
        // A box, one with a hole, an L, and a staircase whose hull cuts the corners.
        assert_eq!(of(&[&[(3, 5)], &[(3, 5)]]), (6, 6));
        assert_eq!(of(&[&[(1, 4)], &[(1, 1), (4, 4)], &[(1, 4)]]), (12, 10));
        assert_eq!(of(&[&[(0, 0)], &[(0, 0)], &[(0, 0)], &[(0, 3)]]), (11, 7));
        assert_eq!(of(&[&[(0, 0)], &[(1, 1)], &[(2, 2)]]), (5, 3));
    }
}
