//! The steps in order, and the memory they need.

use crate::Grey;
use crate::cells::{Cells, SIDE};
use crate::choose::{Choice, Limits, choose, stands_alone, stands_out};
use crate::components::Components;
use crate::draw::{Ground, draw};
use crate::envelope::{Envelope, Row};

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

/// The memory that [`find_digit`] works in: 30 kB, for frames of any size.
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

/// Grey levels that a cell differs from its ground by at least: four times the noise that is expected of a cell.
const LEAST: u32 = 8;
/// Share, in 256ths, of the difference between light and dark ground that a cell differs from its own by at least.
const SHARE: u32 = 77;
/// Least cells along a side of a frame.
const LEAST_SIDE: usize = 16;

/// Looks for one handwritten digit in the frame, dark on light or light on dark. If there is one, draws it as MNIST would
/// (28x28, white on black, its long side 20 pixels, the centre of mass in the middle) and returns where it is; else `image`
/// stays as it is.
///
/// A digit is found if its long side takes 17 to 90 % of the frame's shorter side and it does not touch the frame's edge.
/// Frames of any size are taken; the smaller the coarser.
pub fn find_digit(frame: &Grey, scratch: &mut Scratch, image: &mut [u8; 784]) -> Option<Bounds> {
    let Scratch { cells, envelope, components } = scratch;
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
    let (mut light, mut dark): (Row, Row) = ([0; SIDE], [0; SIDE]);
    let [dark_strokes, light_strokes] = components;
    dark_strokes.clear();
    light_strokes.clear();
    for y in 0..cells.height {
        envelope.light(y, &mut light);
        envelope.dark(y, &mut dark);
        dark_strokes.next_row();
        light_strokes.next_row();
        let (mut dark_run, mut light_run) = (Open::NONE, Open::NONE);
        let grounds = light.iter().zip(&dark);
        for (x, (&cell, (&light, &dark))) in cells.row(y).iter().zip(grounds).enumerate() {
            let (cell, light, dark) = (i32::from(cell), i32::from(light), i32::from(dark));
            let threshold = LEAST.max(((light - dark).max(0) as u32 * SHARE) >> 8) as i32;
            dark_run.follow(x, y, light - cell, threshold, dark_strokes);
            light_run.follow(x, y, cell - dark, threshold, light_strokes);
        }
        dark_run.close(cells.width, y, dark_strokes);
        light_run.close(cells.width, y, light_strokes);
    }
}

/// A run that may go on.
struct Open {
    first: usize,
    contrast: u32,
    peak: i32,
}

impl Open {
    const NONE: Open = Open { first: 0, contrast: 0, peak: 0 };

    #[inline(always)]
    fn follow(&mut self, x: usize, y: usize, difference: i32, threshold: i32, into: &mut Components) {
        if difference > threshold {
            if self.contrast == 0 {
                self.first = x;
            }
            self.contrast += difference as u32;
            self.peak = self.peak.max(difference);
        } else if self.contrast != 0 {
            self.close(x, y, into);
        }
    }

    fn close(&mut self, end: usize, y: usize, into: &mut Components) {
        if self.contrast != 0 {
            into.push(y as u8, self.first as u8, (end - 1) as u8, self.contrast, self.peak as u8);
            *self = Open::NONE;
        }
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

/// Replaces the cells, which are no longer needed, by a mask: 1 in the chosen regions and one cell around, 0 elsewhere.
fn mark(cells: &mut Cells, strokes: &Components, choice: &Choice) {
    cells.values.fill(0);
    for (i, run) in strokes.runs().iter().enumerate() {
        if !choice.has(strokes.stands_for(i)) {
            continue;
        }
        let columns = usize::from(run.first).saturating_sub(1)..(usize::from(run.last) + 2).min(cells.width);
        let rows = usize::from(run.y).saturating_sub(1)..(usize::from(run.y) + 2).min(cells.height);
        for y in rows {
            cells.values[y * cells.width..][columns.clone()].fill(1);
        }
    }
}
