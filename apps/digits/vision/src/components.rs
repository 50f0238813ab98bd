//! Connected regions of cells, put together from the runs of each row.

/// Most runs of one polarity in a frame. A digit has at most some 200; a frame with more than this is texture.
pub(crate) const RUNS: usize = 640;

/// Cells side by side in a row, and what is known of the region they belong to.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    /// The row.
    pub(crate) y: u8,
    /// The first cell.
    pub(crate) first: u8,
    /// The last one.
    pub(crate) last: u8,
    /// Another run of the same region, or this one where it stands for the region.
    parent: u16,
    /// The region, kept in the run that stands for it.
    region: Region,
}

/// Cells connected by sides or corners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    /// Outermost columns and rows.
    pub(crate) left: u8,
    pub(crate) right: u8,
    pub(crate) top: u8,
    pub(crate) bottom: u8,
    /// How many cells.
    pub(crate) cells: u16,
    /// Sum of what they differ from the ground by.
    pub(crate) contrast: u32,
    /// The most that one of them does.
    pub(crate) peak: u8,
}

impl Region {
    /// Both together.
    pub(crate) fn with(self, other: Region) -> Region {
        Region {
            left: self.left.min(other.left),
            right: self.right.max(other.right),
            top: self.top.min(other.top),
            bottom: self.bottom.max(other.bottom),
            cells: self.cells + other.cells,
            contrast: self.contrast + other.contrast,
            peak: self.peak.max(other.peak),
        }
    }

    pub(crate) fn width(&self) -> u32 {
        u32::from(self.right) - u32::from(self.left) + 1
    }

    pub(crate) fn height(&self) -> u32 {
        u32::from(self.bottom) - u32::from(self.top) + 1
    }

    pub(crate) fn long(&self) -> u32 {
        self.width().max(self.height())
    }
}

/// The runs of one polarity, in the order they were met.
pub(crate) struct Components {
    runs: [Run; RUNS],
    len: usize,
    /// The runs of the row before, and the first that the next run of this row can touch.
    before: (usize, usize),
    /// Where this row's runs begin.
    row: usize,
    overflow: bool,
}

impl Components {
    pub(crate) const fn new() -> Components {
        let region = Region { left: 0, right: 0, top: 0, bottom: 0, cells: 0, contrast: 0, peak: 0 };
        let run = Run { y: 0, first: 0, last: 0, parent: 0, region };
        Components { runs: [run; RUNS], len: 0, before: (0, 0), row: 0, overflow: false }
    }

    pub(crate) fn clear(&mut self) {
        (self.len, self.before, self.row, self.overflow) = (0, (0, 0), 0, false);
    }

    /// Begins a row below the last.
    pub(crate) fn next_row(&mut self) {
        self.before = (self.row, self.len);
        self.row = self.len;
    }

    /// Adds a run to the right of the others of its row. When there are too many, none is kept any more.
    pub(crate) fn push(&mut self, y: u8, first: u8, last: u8, contrast: u32, peak: u8) {
        if self.len == RUNS {
            self.overflow = true;
            return;
        }
        let me = self.len;
        let cells = u16::from(last - first) + 1;
        let region = Region { left: first, right: last, top: y, bottom: y, cells, contrast, peak };
        self.runs[me] = Run { y, first, last, parent: me as u16, region };
        self.len += 1;
        let (mut at, end) = self.before;
        // Runs that end before this one begins cannot touch those to its right either.
        while at < end && self.runs[at].last + 1 < first {
            at += 1;
        }
        self.before.0 = at;
        while at < end && self.runs[at].first <= last + 1 {
            self.join(at, me);
            at += 1;
        }
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.stands_for(a), self.stands_for(b));
        // The earlier run stands for both, so that the order of the regions is that of their first cells.
        let (root, child) = (a.min(b), a.max(b));
        if root != child {
            self.runs[root].region = self.runs[root].region.with(self.runs[child].region);
            self.runs[child].parent = root as u16;
        }
    }

    /// Whether the frame had too many runs to be kept.
    pub(crate) fn is_texture(&self) -> bool {
        self.overflow
    }

    /// The runs, from the top, from left to right.
    pub(crate) fn runs(&self) -> &[Run] {
        &self.runs[..self.len]
    }

    /// The run that stands for the region of a run.
    pub(crate) fn stands_for(&self, run: usize) -> usize {
        let mut at = run;
        while usize::from(self.runs[at].parent) != at {
            at = usize::from(self.runs[at].parent);
        }
        at
    }

    /// Every region with the run that stands for it, ordered by their first cells.
    pub(crate) fn regions(&self) -> impl Iterator<Item = (usize, Region)> + '_ {
        let runs = self.runs[..self.len].iter().enumerate();
        runs.filter(|(i, run)| usize::from(run.parent) == *i).map(|(i, run)| (i, run.region))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// The regions of a drawing in which `#` is one cell with a contrast of 1.
    fn regions(drawing: &str) -> Vec<(u8, u8, u8, u8, u16)> {
        let mut components = Components::new();
        for (y, row) in drawing.lines().enumerate() {
            components.next_row();
            let row: Vec<bool> = row.trim().bytes().map(|b| b == b'#').chain([false]).collect();
            let mut first = None;
            for (x, &ink) in row.iter().enumerate() {
                match (first, ink) {
                    (None, true) => first = Some(x),
                    (Some(f), false) => {
                        components.push(y as u8, f as u8, x as u8 - 1, (x - f) as u32, 1);
                        first = None;
                    }
                    _ => (),
                }
            }
        }
        let all = components.regions();
        all.map(|(_, r)| {
            assert_eq!(u32::from(r.cells), r.contrast);
            (r.left, r.top, r.right, r.bottom, r.cells)
        })
        .collect()
    }

    #[test]
    fn corners_connect_and_gaps_do_not() {
        assert_eq!(
            regions(
                "##...
                 ..#.#
                 ....#"
            ),
            [(0, 0, 2, 1, 3), (4, 1, 4, 2, 2)]
        );
        assert_eq!(
            regions(
                "#
                 .
                 #"
            ),
            [(0, 0, 0, 0, 1), (0, 2, 0, 2, 1)]
        );
    }

    #[test]
    fn arms_that_meet_below_are_one_region() {
        assert_eq!(
            regions(
                "#.#.#
                 #.#.#
                 #####"
            ),
            [(0, 0, 4, 2, 11)]
        );
        // A spiral, whose inner end is met first from the outside.
        assert_eq!(
            regions(
                "#######
                 #.....#
                 #.###.#
                 #.#...#
                 #.#####"
            ),
            [(0, 0, 6, 4, 7 + 2 + 5 + 3 + 6)]
        );
    }

    #[test]
    fn too_many_runs_are_texture() {
        let mut components = Components::new();
        for y in 0..81 {
            components.next_row();
            for x in 0..8 {
                components.push(y, x * 10, x * 10 + 1, 2, 1);
            }
        }
        assert!(components.is_texture() && components.runs().len() == RUNS);
        components.clear();
        assert!(!components.is_texture() && components.runs().is_empty());
    }
}
