//! The digit's pixels, drawn as MNIST draws: strokes cleared of noise and lighting, set upright, the long side made 20 pixels
//! by averaging areas, the centre of mass put in the middle.

use crate::cells::{Cells, SIDE};
use crate::components::Region;
use crate::envelope::Envelope;
use crate::find::Polarity;
use crate::{Bounds, Grey};

/// Side of the picture, and of the box that MNIST's digits fill the long way.
const PICTURE: usize = 28;
const BOX: i64 = 20;

/// Where black ends and white begins, in 256ths of the strokes' mean difference from their ground.
const BLACK: u32 = 115;
const WHITE: u32 = 282;

/// Steepest slant that is taken out: a shift of so many 65536ths of a pixel from row to row.
const SLANT: i64 = 65536 * 6 / 10;

/// What strokes are drawn on, and whether they are darker or lighter.
pub(crate) struct Ground<'a> {
    pub(crate) envelope: &'a Envelope,
    pub(crate) polarity: Polarity,
}

/// Draws the strokes in `region` under the mask, and says which pixels they span. `None` if nothing is left of them.
///
/// The region keeps a cell off the edges of the frame.
pub(crate) fn draw(
    frame: &Grey,
    mask: &Cells,
    ground: &Ground,
    region: &Region,
    image: &mut [u8; PICTURE * PICTURE],
) -> Option<Bounds> {
    let mean = region.contrast / u32::from(region.cells);
    let black = (mean * BLACK) >> 8;
    let gain = 255 * 256 / ((mean * (WHITE - BLACK)) >> 8).max(1);
    let strokes = Strokes { frame, mask, ground, region, black: black as i32, gain };
    let mut moments = Moments::default();
    strokes.trace(&mut moments);
    let map = moments.map()?;
    let mut drawing = Drawing { map, line: [0; PICTURE], sums: [0; PICTURE * PICTURE], x: 0, y: 0 };
    strokes.trace(&mut drawing);
    for (pixel, sum) in image.iter_mut().zip(&drawing.sums) {
        *pixel = (sum >> 16).min(255) as u8;
    }
    Some(moments.bounds())
}

/// Something that strokes are drawn with, row by row from the top, from left to right.
trait Pen {
    fn begin(&mut self, y: usize);
    /// A pixel that is not black: 1 to 255.
    fn ink(&mut self, x: usize, value: u32);
    fn end(&mut self);
}

/// The strokes of the chosen regions, as white on black.
struct Strokes<'a> {
    frame: &'a Grey<'a>,
    /// 1 where a cell belongs to the digit or is next to it.
    mask: &'a Cells,
    ground: &'a Ground<'a>,
    region: &'a Region,
    /// The difference from the ground that is still black.
    black: i32,
    /// 255 over what lies between black and white, in 256ths.
    gain: u32,
}

impl Strokes<'_> {
    fn trace(&self, pen: &mut impl Pen) {
        let (size, dark) = (self.mask.size, self.ground.polarity == Polarity::Dark);
        let columns = usize::from(self.region.left) - 1..usize::from(self.region.right) + 2;
        let mut ground = [0; SIDE];
        for cy in usize::from(self.region.top) - 1..usize::from(self.region.bottom) + 2 {
            match self.ground.polarity {
                Polarity::Dark => self.ground.envelope.light(cy, &mut ground),
                Polarity::Light => self.ground.envelope.dark(cy, &mut ground),
            }
            let cells = self.mask.row(cy)[columns.clone()].iter().zip(&ground[columns.clone()]);
            for y in cy * size..(cy + 1) * size {
                pen.begin(y);
                let line = &self.frame.row(y)[columns.start * size..columns.end * size];
                for ((cx, (&mine, &ground)), pixels) in
                    columns.clone().zip(cells.clone()).zip(line.chunks_exact(size))
                {
                    if mine == 0 {
                        continue;
                    }
                    let ground = i32::from(ground);
                    for (x, &pixel) in (cx * size..).zip(pixels) {
                        let pixel = i32::from(pixel);
                        let above = if dark { ground - pixel } else { pixel - ground } - self.black;
                        if above > 0 {
                            pen.ink(x, ((above as u32 * self.gain) >> 8).clamp(1, 255));
                        }
                    }
                }
                pen.end();
            }
        }
    }
}

/// How much ink there is, and where. Sums over a row fit 32 bits, those over the digit may not.
#[derive(Default)]
struct Moments {
    y: u32,
    row: u32,
    row_x: u32,
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
    fn begin(&mut self, y: usize) {
        (self.y, self.row, self.row_x) = (y as u32, 0, 0);
    }

    #[inline(always)]
    fn ink(&mut self, x: usize, value: u32) {
        self.row += value;
        self.row_x += value * x as u32;
        if value >= 128 {
            if self.right == 0 || x < self.left {
                self.left = x;
            }
            self.right = self.right.max(x + 1);
            if self.bottom == 0 {
                self.top = self.y as usize;
            }
            self.bottom = self.y as usize + 1;
        }
    }

    fn end(&mut self) {
        let (y, row, row_x) = (u64::from(self.y), u64::from(self.row), u64::from(self.row_x));
        self.mass += row;
        self.x += row_x;
        self.y_sum += row * y;
        self.yy += row * y * y;
        self.xy += row_x * y;
    }
}

impl Moments {
    fn bounds(&self) -> Bounds {
        Bounds {
            left: self.left as u16,
            top: self.top as u16,
            width: (self.right - self.left) as u16,
            height: (self.bottom - self.top) as u16,
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
        // The centre, in 256ths of a pixel; a pixel's own is half a pixel from its edge.
        let centre_x = (((self.x as i64) << 8) / mass) + 128;
        let centre_y = (((self.y_sum as i64) << 8) / mass) + 128;
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
    /// What the present row of the frame covers of each column: 256 for a pixel's width, times values.
    line: [u32; PICTURE],
    /// 65536 for a pixel's area, times values.
    sums: [u32; PICTURE * PICTURE],
    /// Where the present row's first column begins, and the row itself.
    x: i32,
    y: i32,
}

impl Pen for Drawing {
    fn begin(&mut self, y: usize) {
        let (map, y) = (&self.map, y as i32);
        self.x = map.x0 + y * map.shift + map.shift / 2;
        self.y = map.y0 + y * map.scale;
        self.line = [0; PICTURE];
    }

    #[inline(always)]
    fn ink(&mut self, x: usize, value: u32) {
        let start = self.x + x as i32 * self.map.scale;
        cover(start, self.map.scale, |column, share| self.line[column] += share * value);
    }

    fn end(&mut self) {
        let (sums, line) = (&mut self.sums, &self.line);
        cover(self.y, self.map.scale, |row, share| {
            for (sum, value) in sums[row * PICTURE..][..PICTURE].iter_mut().zip(line) {
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
