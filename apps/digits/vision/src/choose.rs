//! Telling a digit from what else is in the picture.

use crate::cells::Cells;
use crate::components::{Components, Region};
use crate::envelope::Envelope;
use crate::find::Polarity;
use crate::hull::hull;

/// Most regions that a digit may consist of.
const PARTS: usize = 4;

/// Most cells in percent of the square of its longer side that a stroke without a bend has.
const NARROW: u32 = 26;
/// Most cells in percent of its convex hull that anything thicker has.
const SOLID: u32 = 85;
/// Least cells in percent of its hull that the ground around a digit has.
const FIELD: u32 = 74;

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
pub(crate) struct Limits {
    width: u32,
    height: u32,
    least: u32,
    most: u32,
}

impl Limits {
    /// For a frame of so many cells.
    pub(crate) fn new((width, height): (usize, usize)) -> Limits {
        let (width, height) = (width as u32, height as u32);
        let side = width.min(height);
        Limits { width, height, least: side * 17 / 100, most: side * 9 / 10 }
    }

    /// Whether it keeps off the edges of the frame.
    fn inside(&self, r: &Region) -> bool {
        r.left > 0
            && r.top > 0
            && u32::from(r.right) + 1 < self.width
            && u32::from(r.bottom) + 1 < self.height
    }

    /// Whether it can be the larger part of a digit: of a digit's size, and neither a blob nor next to nothing.
    fn plausible(&self, components: &Components, root: usize, r: &Region) -> bool {
        let (long, cells) = (r.long(), u32::from(r.cells));
        let size =
            self.inside(r) && (self.least..=self.most).contains(&long) && 100 * cells >= 4 * long * long;
        // Strokes leave much of their hull to the ground, but for a one, which is narrow.
        size && (100 * cells <= NARROW * long * long || 100 * cells <= SOLID * hull(components, root, r))
    }
}

/// The likeliest digit among the regions of one polarity; `others` are those of the other.
pub(crate) fn choose(components: &Components, others: &Components, limits: &Limits) -> Option<Choice> {
    if components.is_texture() {
        return None;
    }
    let mut best: Option<Choice> = None;
    for (root, region) in components.regions() {
        if !limits.plausible(components, root, &region)
            || is_frame(&region, components, limits)
            || is_field(&region, root, components, others, limits)
        {
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
    gather(&mut best, components, limits);
    Some(best)
}

/// Whether a region is what a digit of the other polarity lies on, such as a small dark screen within bright lines, and not a
/// digit around its hole: holes are solid, or narrow in a narrow ring.
fn is_field(
    outer: &Region,
    root: usize,
    components: &Components,
    others: &Components,
    limits: &Limits,
) -> bool {
    let thick = 100 * u32::from(outer.cells) > FIELD * hull(components, root, outer);
    thick
        && others.regions().any(|(root, inner)| {
            inner.peak >= outer.peak / 2 && around(outer, &inner) && limits.plausible(others, root, &inner)
        })
}

fn around(outer: &Region, inner: &Region) -> bool {
    outer.left < inner.left
        && outer.right > inner.right
        && outer.top < inner.top
        && outer.bottom > inner.bottom
}

/// Whether a region is drawn around another one that may be a digit.
fn is_frame(outer: &Region, components: &Components, limits: &Limits) -> bool {
    components
        .regions()
        .any(|(root, inner)| around(outer, &inner) && limits.plausible(components, root, &inner))
}

/// Adds what a pen that was lifted left beside the largest part: smaller regions, as clear, close by.
fn gather(choice: &mut Choice, components: &Components, limits: &Limits) {
    let main = choice.region;
    let near = main.long() / 7;
    for (root, region) in components.regions() {
        let large = 24 * u32::from(region.cells) >= u32::from(main.cells) && region.cells <= main.cells;
        let clear = region.peak >= main.peak / 2;
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
pub(crate) fn stands_alone(choice: &Choice, components: &Components, limits: &Limits) -> bool {
    let own = &choice.region;
    let mut others = 0;
    for (root, region) in components.regions() {
        let clear = region.peak >= own.peak / 2;
        if clear && !choice.has(root) && limits.inside(&region) && !is_frame(&region, components, limits) {
            others += u32::from(region.cells);
        }
    }
    4 * others <= u32::from(own.cells)
}

/// Cells between a digit's box and the ring around it that is looked at.
const RING: usize = 2;
/// Most of the ring, in percent, that may have the digit's tone: a line of a frame beside it, a stroke of another thing.
const RING_SHARE: u32 = 25;

/// Whether the ring around it is ground: what lies between lines has more of its own tone on the other side of them.
pub(crate) fn stands_out(choice: &Choice, polarity: Polarity, cells: &Cells, envelope: &Envelope) -> bool {
    let r = &choice.region;
    let (mut all, mut same) = (0, 0);
    let middle = envelope.near(usize::from(r.left / 2 + r.right / 2), usize::from(r.top / 2 + r.bottom / 2));
    let mut look = |x: usize, y: usize| {
        let (x, y) = (x.wrapping_sub(RING), y.wrapping_sub(RING));
        if x < cells.width && y < cells.height {
            let cell = i32::from(cells.row(y)[x]);
            // Beside the frame's edge the ground may be the thing itself; then the digit's own says more.
            let (cx, cy) = (x.clamp(r.left.into(), r.right.into()), y.clamp(r.top.into(), r.bottom.into()));
            let (there, here) = (envelope.near(x, y), envelope.near(cx, cy));
            let from = |ground: (u8, u8)| match polarity {
                Polarity::Dark => i32::from(ground.0) - cell,
                Polarity::Light => cell - i32::from(ground.1),
            };
            all += 1;
            let peak = i32::from(r.peak);
            same += u32::from(3 * from(here).max(from(there)) > peak || 2 * from(middle) > peak);
        }
    };
    // Coordinates of the ring plus its distance, so that they do not go below 0.
    let (left, right) = (usize::from(r.left), usize::from(r.right) + 2 * RING);
    let (top, bottom) = (usize::from(r.top), usize::from(r.bottom) + 2 * RING);
    (left..=right).for_each(|x| {
        look(x, top);
        look(x, bottom);
    });
    (top + 1..bottom).for_each(|y| {
        look(left, y);
        look(right, y);
    });
    100 * same <= RING_SHARE * all
}
