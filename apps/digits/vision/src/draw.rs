//! The digit's pixels, drawn as MNIST draws: strokes cleared of noise and lighting, set upright, the long side made 20 pixels
//! by averaging areas, the centre of mass put in the middle.

use crate::cells::{Cells, MARK, MOST, SIDE};
use crate::components::Region;
use crate::envelope::Envelope;
use crate::find::Polarity;
use crate::{Bounds, Grey};

/// Side of the picture, and of the box that MNIST's digits fill the long way.
const PICTURE: usize = 28;
const BOX: i64 = 20;

/// Where black ends and white begins, in 256ths of the strokes' mean difference from their ground.
const BLACK: u32 = 102;
const WHITE: u32 = 218;

/// Steepest slant that is taken out: a shift of so many 65536ths of a pixel from row to row.
const SLANT: i64 = 65536 * 6 / 10;

/// A digit this many cells long is drawn from cells, not from pixels: each pixel of the picture still covers 1.8 of them
/// each way, as it covers 1.7 pixels of the smallest digit.
const LARGE: u32 = 36;

/// Rows of cells at each end of a digit in which its first and last row of pixels are looked for.
const ENDS: usize = 4;

/// What strokes are drawn on, and whether they are darker or lighter.
pub(crate) struct Ground<'a> {
    pub(crate) envelope: &'a Envelope,
    pub(crate) polarity: Polarity,
}

/// Draws the strokes in `region` that are marked, and says which pixels they span. `None` if nothing is left of them.
///
/// The region keeps a cell off the edges of the frame.
pub(crate) fn draw(
    frame: &Grey,
    cells: &Cells,
    ground: &Ground,
    region: &Region,
    image: &mut [u8; PICTURE * PICTURE],
) -> Option<Bounds> {
    let mean = region.contrast / u32::from(region.cells);
    let black = (mean * BLACK) >> 8;
    let gain = 255 * 256 / ((mean * (WHITE - BLACK)) >> 8).max(1);
    let mut tones = [0; 256];
    for (difference, tone) in (0u32..).zip(&mut tones) {
        *tone = ((difference.saturating_sub(black) * gain) >> 8).min(255) as u8;
    }
    let coarse = region.long() >= LARGE;
    let (frame, size) = if coarse { (cells.as_frame(), 1) } else { (*frame, cells.size) };
    let strokes = Strokes { frame, size, cells, ground, region, tones };
    let mut moments = Moments::default();
    strokes.trace(&mut moments);
    let map = moments.map()?;
    let mut drawing = Drawing { map, sums: [0; PICTURE * PICTURE] };
    strokes.trace(&mut drawing);
    for (pixel, sum) in image.iter_mut().zip(&drawing.sums) {
        *pixel = (sum >> 16).min(255) as u8;
    }
    Some(moments.bounds(if coarse { cells.size } else { 1 }))
}

/// Something that strokes are drawn with, row by row from the top.
trait Pen {
    /// Whether it wants row `y`; the outermost ones are at the upper or lower end of the digit.
    fn wants(&self, y: usize, outermost: bool) -> bool;

    /// Draws row `y`, whose first pixel is in column `start`; 255 is white.
    fn row(&mut self, y: usize, start: usize, values: &[u8]);
}

/// Calls `ink` with first column, length and value of each span of white, and of each pixel between black and white, from left
/// to right.
#[inline(always)]
fn spans(start: usize, values: &[u8], mut ink: impl FnMut(usize, usize, u32)) {
    let mut at = 0;
    while at < values.len() {
        let (first, value) = (at, values[at]);
        at += 1;
        if value == 255 {
            while at < values.len() && values[at] == 255 {
                at += 1;
            }
        }
        if value > 0 {
            ink(start + first, at - first, u32::from(value));
        }
    }
}

/// Looks the tones of a row's pixels up: of marked cells, by what they differ from their ground.
#[inline(always)]
fn tone(
    cells: &[u8],
    ground: &[u8],
    pixels: &[u8],
    tones: &[u8; 256],
    difference: impl Fn(u8, u8) -> u8,
    size: usize,
    out: &mut [u8],
) {
    let cells = cells.iter().zip(ground).zip(pixels.chunks_exact(size).zip(out.chunks_exact_mut(size)));
    for ((&mine, &ground), (pixels, out)) in cells {
        if mine & MARK == 0 {
            out.fill(0);
            continue;
        }
        for (out, &pixel) in out.iter_mut().zip(pixels) {
            *out = tones[usize::from(difference(ground, pixel))];
        }
    }
}

/// The strokes of the chosen regions, as white on black.
struct Strokes<'a> {
    /// The picture that the digit is taken from, so many pixels to a side of a cell.
    frame: Grey<'a>,
    size: usize,
    /// Marked where they belong to the digit or are next to it.
    cells: &'a Cells,
    ground: &'a Ground<'a>,
    region: &'a Region,
    /// What each difference from the ground is drawn as.
    tones: [u8; 256],
}

impl Strokes<'_> {
    fn trace(&self, pen: &mut impl Pen) {
        let size = self.size;
        let columns = usize::from(self.region.left) - 1..usize::from(self.region.right) + 2;
        let (mut ground, mut line) = ([0; SIDE], [0; MOST]);
        let line = &mut line[..columns.len() * size];
        let rows = usize::from(self.region.top) - 1..usize::from(self.region.bottom) + 2;
        for cy in rows.clone() {
            let outermost = cy < rows.start + ENDS || cy + ENDS >= rows.end;
            match self.ground.polarity {
                Polarity::Dark => self.ground.envelope.light(cy, &mut ground),
                Polarity::Light => self.ground.envelope.dark(cy, &mut ground),
            }
            for y in cy * size..(cy + 1) * size {
                if !pen.wants(y, outermost) {
                    continue;
                }
                let pixels = &self.frame.row(y)[columns.start * size..columns.end * size];
                self.line(&self.cells.row(cy)[columns.clone()], &ground[columns.clone()], pixels, line);
                pen.row(y, columns.start * size, line);
            }
        }
    }

    /// A row's tones. The usual sizes of cells are spelled out, so that there is no inner loop.
    fn line(&self, cells: &[u8], ground: &[u8], pixels: &[u8], out: &mut [u8]) {
        let tones = &self.tones;
        let below = |ground: u8, pixel: u8| ground.saturating_sub(pixel);
        let above = |ground: u8, pixel: u8| pixel.saturating_sub(ground);
        match (self.ground.polarity, self.size) {
            (Polarity::Dark, 1) => tone(cells, ground, pixels, tones, below, 1, out),
            (Polarity::Light, 1) => tone(cells, ground, pixels, tones, above, 1, out),
            (Polarity::Dark, 2) => tone(cells, ground, pixels, tones, below, 2, out),
            (Polarity::Light, 2) => tone(cells, ground, pixels, tones, above, 2, out),
            (Polarity::Dark, size) => tone(cells, ground, pixels, tones, below, size, out),
            (Polarity::Light, size) => tone(cells, ground, pixels, tones, above, size, out),
        }
    }
}

/// How much ink there is, and where. Sums over a row fit 32 bits, those over the digit may not.
#[derive(Default)]
struct Moments {
    mass: u64,
    x: u64,
    yy: u64,
    xy: u64,
    y_sum: u64,
    /// The first and last columns and rows where a pixel is at least half white, the last ones plus one; nothing yet if 0.
    left: usize,
    right: usize,
    top: usize,
    bottom: usize,
}

impl Pen for Moments {
    /// Every second row tells enough of where the ink is, but not where it ends.
    fn wants(&self, y: usize, outermost: bool) -> bool {
        outermost || y.is_multiple_of(2)
    }

    fn row(&mut self, y: usize, start: usize, values: &[u8]) {
        let (mut mass, mut x_sum) = (0, 0);
        // The first column where a pixel is at least half white, and the last plus one; 0 if there is none.
        let (mut first, mut end) = (0, 0);
        spans(start, values, |x, length, value| {
            mass += length as u32 * value;
            // The sum of the columns x, x + 1, ...; twice it is even.
            x_sum += (((2 * x + length - 1) * length) as u32 / 2) * value;
            if value >= 128 {
                if end == 0 {
                    first = x;
                }
                end = x + length;
            }
        });
        if end != 0 {
            if self.right == 0 {
                (self.left, self.top) = (first, y);
            }
            self.left = self.left.min(first);
            self.right = self.right.max(end);
            self.bottom = y + 1;
        }
        if y % 2 == 1 {
            return;
        }
        let (y, mass, x_sum) = (y as u64, u64::from(mass), u64::from(x_sum));
        self.mass += mass;
        self.x += x_sum;
        self.y_sum += mass * y;
        self.yy += mass * y * y;
        self.xy += x_sum * y;
    }
}

impl Moments {
    /// In pixels of the frame, so many to one that was looked at.
    fn bounds(&self, size: usize) -> Bounds {
        Bounds {
            left: (self.left * size) as u16,
            top: (self.top * size) as u16,
            width: ((self.right - self.left) * size) as u16,
            height: ((self.bottom - self.top) * size) as u16,
        }
    }

    /// The map that sets the digit upright, makes its long side 20 and puts its centre of mass in the middle.
    fn map(&self) -> Option<Map> {
        if self.right == 0 {
            return None;
        }
        let long = (self.right - self.left).max(self.bottom - self.top) as i64;
        let scale = (BOX << 16) / long;
        let mass = self.mass as i64;
        // The centre, in 256ths of a pixel; a pixel's own is half a pixel from its edge, that of two rows a whole one.
        let centre_x = (((self.x as i64) << 8) / mass) + 128;
        let centre_y = (((self.y_sum as i64) << 8) / mass) + 256;
        let (mean_x, mean_y) = (self.x as i64 / mass, self.y_sum as i64 / mass);
        // Second moments about a whole pixel, then about the centre.
        let (dx, dy) = (self.x as i64 - mean_x * mass, self.y_sum as i64 - mean_y * mass);
        let xy =
            self.xy as i64 - mean_x * self.y_sum as i64 - mean_y * self.x as i64 + mean_x * mean_y * mass;
        let yy = self.yy as i64 - 2 * mean_y * self.y_sum as i64 + mean_y * mean_y * mass;
        let (xy, yy) = (xy - dx * dy / mass, yy - dy * dy / mass);
        let slant = if yy > 0 { ((xy << 16) / yy).clamp(-SLANT, SLANT) } else { 0 };
        Some(Map {
            scale: scale as i32,
            shift: -((slant * scale) >> 16) as i32,
            x0: ((14 << 16) - ((centre_x * scale) >> 8) + ((slant * ((centre_y * scale) >> 8)) >> 16)) as i32,
            y0: ((14 << 16) - ((centre_y * scale) >> 8)) as i32,
        })
    }
}

/// From pixels of the frame to the picture, in 65536ths of its pixels: column x of row y begins at
/// `x0 + x scale + (y + 1/2) shift`, row y at `y0 + y scale`.
struct Map {
    scale: i32,
    shift: i32,
    x0: i32,
    y0: i32,
}

/// The picture, being filled: each pixel of the frame adds its value to what it covers.
struct Drawing {
    map: Map,
    /// 65536 for a pixel's area, times values.
    sums: [u32; PICTURE * PICTURE],
}

impl Pen for Drawing {
    fn wants(&self, _: usize, _: bool) -> bool {
        true
    }

    fn row(&mut self, y: usize, start: usize, values: &[u8]) {
        let (map, y) = (&self.map, y as i32);
        let (scale, left) = (map.scale, map.x0 + y * map.shift + map.shift / 2);
        // What this row covers of each column: 256 for a pixel's width, times values.
        let mut across = [0u32; PICTURE];
        spans(start, values, |x, length, value| {
            let (begin, length) = (left + x as i32 * scale, length as i32 * scale);
            let (from, to) = (begin >> 8, (begin + length) >> 8);
            let column = from >> 8;
            // Single pixels lie mostly within one column.
            if to <= (column + 1) << 8 {
                if let Some(sum) = across.get_mut(column as usize) {
                    *sum += (to - from) as u32 * value;
                }
            } else {
                cover(begin, length, |column, share| across[column] += share * value);
            }
        });
        cover(map.y0 + y * scale, scale, |row, share| {
            for (sum, value) in self.sums[row * PICTURE..][..PICTURE].iter_mut().zip(&across) {
                *sum += share * value;
            }
        });
    }
}

/// Calls `add` with each pixel of the picture that `start..start + length`, in 65536ths, covers, and with how many 256ths of
/// it. Neighbours share their rounded edge, so that together they cover everything once.
#[inline(always)]
fn cover(start: i32, length: i32, mut add: impl FnMut(usize, u32)) {
    let (mut from, to) = (start >> 8, (start + length) >> 8);
    while from < to {
        let pixel = from >> 8;
        let end = to.min((pixel + 1) << 8);
        if (pixel as u32) < PICTURE as u32 {
            add(pixel as usize, (end - from) as u32);
        }
        from = end;
    }
}
