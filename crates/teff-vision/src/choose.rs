//! Telling a digit from what else is in the picture.

use crate::components::{Components, Region};

/// Most regions that a digit may consist of.
const PARTS: usize = 6;

/// The regions that make a digit.
pub(crate) struct Choice {
    parts: [u16; PARTS],
    len: usize,
    /// All of them together.
    pub(crate) region: Region,
}

impl Choice {
    /// Whether the region that run `root` stands for belongs to it.
    pub(crate) fn has(&self, root: usize) -> bool {
        self.parts[..self.len].contains(&(root as u16))
    }

    fn add(&mut self, root: usize, region: Region) {
        self.parts[self.len] = root as u16;
        self.len += 1;
        self.region = self.region.with(region);
    }

    /// Larger is likelier: the mean contrast times the size, so that neither a faint large region nor the ground seen
    /// through a digit's hole wins over the digit.
    pub(crate) fn score(&self) -> u32 {
        self.region.contrast * self.region.long() / u32::from(self.region.cells)
    }
}

/// What is demanded of a digit, in cells.
struct Limits {
    width: u32,
    height: u32,
    least: u32,
    most: u32,
}

impl Limits {
    /// Whether it keeps off the edges of the frame.
    fn inside(&self, r: &Region) -> bool {
        r.left > 0
            && r.top > 0
            && u32::from(r.right) + 1 < self.width
            && u32::from(r.bottom) + 1 < self.height
    }

    /// Whether it can be the larger part of a digit: of a digit's size, and neither a blob nor next to nothing.
    fn plausible(&self, r: &Region) -> bool {
        let (long, area) = (r.long(), r.width() * r.height());
        let cells = u32::from(r.cells);
        // A one fills its narrow box; every other digit leaves ground in it.
        let narrow = 5 * r.width().min(r.height()) < 2 * long;
        let blob = !narrow && 100 * cells > 70 * area;
        let thin = 100 * cells < 4 * long * long;
        self.inside(r) && (self.least..=self.most).contains(&long) && !blob && !thin
    }
}

/// The digit among the regions of one polarity, if there is exactly one thing that may be one.
pub(crate) fn choose(components: &Components, (width, height): (usize, usize)) -> Option<Choice> {
    if components.is_texture() {
        return None;
    }
    let (width, height) = (width as u32, height as u32);
    let side = width.min(height);
    let limits = Limits { width, height, least: side * 17 / 100, most: side * 9 / 10 };
    let mut best: Option<Choice> = None;
    for (root, region) in components.regions() {
        if !limits.plausible(&region) || is_frame(&region, components, &limits) {
            continue;
        }
        let mut choice = Choice { parts: [0; PARTS], len: 0, region };
        choice.parts[0] = root as u16;
        choice.len = 1;
        if best.as_ref().is_none_or(|b| choice.score() > b.score()) {
            best = Some(choice);
        }
    }
    let mut best = best?;
    gather(&mut best, components, &limits);
    stands_alone(&best, components, &limits).then_some(best)
}

/// Whether a region is drawn around another one that may be a digit.
fn is_frame(outer: &Region, components: &Components, limits: &Limits) -> bool {
    let around = |inner: &Region| {
        outer.left < inner.left
            && outer.right > inner.right
            && outer.top < inner.top
            && outer.bottom > inner.bottom
    };
    components.regions().any(|(_, inner)| around(&inner) && limits.plausible(&inner))
}

/// Adds what a pen that was lifted left beside the largest part: smaller regions, as clear, close by.
fn gather(choice: &mut Choice, components: &Components, limits: &Limits) {
    let main = choice.region;
    let near = main.long() / 5;
    for (root, region) in components.regions() {
        let large = 24 * u32::from(region.cells) >= u32::from(main.cells);
        let clear = 2 * region.contrast / u32::from(region.cells) >= main.contrast / u32::from(main.cells);
        let fits = limits.inside(&region) && main.with(region).long() <= limits.most;
        let there = choice.has(root) || choice.len == PARTS;
        if !there
            && large
            && clear
            && fits
            && distance(&main, &region) <= near
            && !is_frame(&region, components, limits)
        {
            choice.add(root, region);
        }
    }
}

/// Cells between the boxes of two regions, in the direction in which they are further apart.
fn distance(a: &Region, b: &Region) -> u32 {
    let gap = |low: u8, high: u8| u32::from(low.saturating_sub(high));
    let across = gap(a.left, b.right).max(gap(b.left, a.right));
    let down = gap(a.top, b.bottom).max(gap(b.top, a.bottom));
    across.max(down)
}

/// A digit held before the camera has nothing like it beside it; one of many strokes is not what is meant.
fn stands_alone(choice: &Choice, components: &Components, limits: &Limits) -> bool {
    let own = &choice.region;
    let mut others = 0;
    for (root, region) in components.regions() {
        let clear = 2 * region.contrast / u32::from(region.cells) >= own.contrast / u32::from(own.cells);
        if clear && !choice.has(root) && limits.inside(&region) && !is_frame(&region, components, limits) {
            others += u32::from(region.cells);
        }
    }
    2 * others <= u32::from(own.cells)
}
