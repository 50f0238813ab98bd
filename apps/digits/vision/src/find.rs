//! The steps in order, and the memory they need.

use crate::Grey;
use crate::cells::{Cells, MARK, MOST, SIDE};
use crate::choose::{Choice, Limits, choose, stands_alone, stands_out};
use crate::components::Components;
use crate::draw::{Ground, draw};
use crate::envelope::{Envelope, Row, threshold};

/// A rectangle in pixels of the frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Columns to the left of it.
    pub left: u16,
    /// Rows above it.
    pub top: u16,
    /// Columns it spans.
    pub width: u16,
    /// Rows it spans.
    pub height: u16,
}

/// The memory that [`find_digit`] works in: 35 168 bytes.
pub struct Scratch {
    cells: Cells,
    envelope: Envelope,
    /// Dark strokes, and light ones.
    components: [Components; 2],
}

impl Scratch {
    /// Empty; the same for every frame.
    pub const fn new() -> Scratch {
        Scratch {
            cells: Cells::new(),
            envelope: Envelope::new(),
            components: [Components::new(), Components::new()],
        }
    }
}

impl Default for Scratch {
    fn default() -> Scratch {
        Scratch::new()
    }
}

/// Strokes darker than their ground, or lighter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Polarity {
    Dark,
    Light,
}

/// Least cells along a side of a frame.
const LEAST_SIDE: usize = 16;

/// Looks for one handwritten digit in the frame, dark on light or light on dark. If there is one, draws it as MNIST would
/// (28x28, white on black, its long side 20 pixels, the centre of mass in the middle) and returns where it is; else `image`
/// stays as it is.
///
/// A digit is found if its long side takes 17 to 90 % of the frame's shorter side and it does not touch the frame's edge.
/// Frames of 16x16 to 324x324 pixels are taken, others have no digit; below 162x162 it is seen more coarsely.
pub fn find_digit(frame: &Grey, scratch: &mut Scratch, image: &mut [u8; 784]) -> Option<Bounds> {
    let Scratch { cells, envelope, components } = scratch;
    if frame.width.max(frame.height) > MOST {
        return None;
    }
    cells.take(frame);
    if cells.width.min(cells.height) < LEAST_SIDE {
        return None;
    }
    envelope.take(cells);
    collect(cells, envelope, components);
    let (polarity, choice) = best(components, cells, envelope)?;
    let strokes = &components[polarity as usize];
    mark(cells, strokes, &choice);
    draw(frame, cells, &Ground { envelope, polarity }, &choice.region, image)
}

/// Sorts cells into dark strokes, light strokes and ground, and connects them.
fn collect(cells: &Cells, envelope: &Envelope, components: &mut [Components; 2]) {
    let (mut below, mut above): (Row, Row) = ([0; SIDE], [0; SIDE]);
    let [dark, light] = components;
    dark.clear();
    light.clear();
    for y in 0..cells.height {
        envelope.limits(y, &mut below, &mut above);
        connect(cells.row(y), y, &below, |cell, limit| limit.saturating_sub(cell), envelope, dark);
        connect(cells.row(y), y, &above, |cell, limit| cell.saturating_sub(limit), envelope, light);
    }
}

/// Adds a row's runs of cells that are beyond their limits.
#[inline(always)]
fn connect(
    row: &[u8],
    y: usize,
    limits: &Row,
    beyond: impl Fn(u8, u8) -> u8,
    envelope: &Envelope,
    into: &mut Components,
) {
    into.next_row();
    let limits = &limits[..row.len()];
    let mut x = 0;
    while x < row.len() {
        if beyond(row[x], limits[x]) == 0 {
            x += 1;
            continue;
        }
        let (first, mut sum, mut most) = (x, 0, 0);
        while x < row.len() {
            let beyond = beyond(row[x], limits[x]);
            if beyond == 0 {
                break;
            }
            sum += u32::from(beyond);
            most = most.max(beyond);
            x += 1;
        }
        // From the ground, not from the limit.
        let (light, dark) = envelope.near((first + x) / 2, y);
        let threshold = threshold(light, dark);
        let contrast = sum + (x - first) as u32 * u32::from(threshold);
        into.push(y as u8, first as u8, (x - 1) as u8, contrast, most.saturating_add(threshold));
    }
}

/// The better of what both polarities offer.
fn best(components: &[Components; 2], cells: &Cells, envelope: &Envelope) -> Option<(Polarity, Choice)> {
    let [dark, light] = components;
    let limits = Limits::new((cells.width, cells.height));
    let of = |strokes: &Components, others: &Components, polarity: Polarity| {
        let choice = choose(strokes, others, &limits)?;
        let alone = stands_alone(&choice, strokes, &limits) && stands_out(&choice, polarity, cells, envelope);
        alone.then_some((polarity, choice))
    };
    match (of(dark, light, Polarity::Dark), of(light, dark, Polarity::Light)) {
        (Some(dark), Some(light)) if light.1.score() > dark.1.score() => Some(light),
        (Some(dark), _) => Some(dark),
        (None, light) => light,
    }
}

/// Marks the cells of the chosen regions and one around them, and no others.
fn mark(cells: &mut Cells, strokes: &Components, choice: &Choice) {
    let region = &choice.region;
    // It keeps off the edges, so there is a cell around it.
    for y in usize::from(region.top) - 1..usize::from(region.bottom) + 2 {
        let columns = usize::from(region.left) - 1..usize::from(region.right) + 2;
        for cell in &mut cells.values[y * cells.width..][columns] {
            *cell &= !MARK;
        }
    }
    for (i, run) in strokes.runs().iter().enumerate() {
        if !choice.has(strokes.stands_for(i)) {
            continue;
        }
        let columns = usize::from(run.first) - 1..usize::from(run.last) + 2;
        for y in usize::from(run.y) - 1..usize::from(run.y) + 2 {
            for cell in &mut cells.values[y * cells.width..][columns.clone()] {
                *cell |= MARK;
            }
        }
    }
}
