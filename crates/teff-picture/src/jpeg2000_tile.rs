//! A tile of a JPEG 2000 picture (ITU T.800, annex B): its resolutions, bands, precincts and code-blocks, and
//! where they lie in scratch memory.
//!
//! In the words lie first the coefficients, 16 bits each, component by component. Each lies where the sample
//! lies that the inverse wavelet makes of it, in place: when `n` resolutions follow, `(x, y)` of a resolution
//! is at `(x << n, y << n)` of the tile. Behind them lie the code-blocks, which are mostly few: what has more
//! than fit is refused.

use super::job::Job;

/// Steps of the wavelet at most; more are refused.
pub(super) const LEVELS: usize = 16;

/// The first number behind the coefficients.
const fn first_free(height: usize, width: usize) -> usize {
    (3 * height * width).div_ceil(2)
}

/// Numbers of scratch memory: coefficients of three components, and code-blocks with their tag trees and
/// data.
pub(super) const fn words(height: usize, width: usize) -> usize {
    first_free(height, width) + 2048 + height * width / 4
}

/// Bytes of scratch memory: a code-block with a border of one, which has 4096 coefficients and 1024 in a line
/// at most.
pub(super) const fn bytes(height: usize, width: usize) -> usize {
    let inside = if height * width < 4096 { height * width } else { 4096 };
    let around = if height + width < 1028 { height + width } else { 1028 };
    inside + 2 * around + 4
}

/// Half of a number: the lower one when `at` is even.
pub(super) fn half(job: &Job, at: usize) -> i32 {
    let word = job.words[at >> 1] as u32;
    (word >> (16 * (at & 1))) as u16 as i16 as i32
}

/// Sets half of a number to the lower 16 bits of `value`.
pub(super) fn set_half(job: &mut Job, at: usize, value: i32) {
    let shift = 16 * (at & 1);
    let word = job.words[at >> 1] as u32;
    let kept = word & (0xffff_0000 >> shift);
    job.words[at >> 1] = (kept | (value as u32 & 0xffff) << shift) as i32;
}

/// A rectangle without the line `x1` and the line `y1`.
#[derive(Clone, Copy)]
pub(super) struct Area {
    pub(super) x0: usize,
    pub(super) y0: usize,
    pub(super) x1: usize,
    pub(super) y1: usize,
}

/// How a component is coded: what COD or COC and QCD or QCC say (A.6).
#[derive(Clone, Copy)]
pub(super) struct Coding {
    /// Which marker said it: 0 is none, a higher one counts more. First of COD and COC, then of QCD and QCC.
    pub(super) rank: [u32; 2],
    pub(super) levels: usize,
    /// Width and height of a code-block, as powers of 2.
    pub(super) block_x: usize,
    pub(super) block_y: usize,
    pub(super) style: u32,
    /// For each resolution width (lower four bits) and height of a precinct, as powers of 2.
    pub(super) precincts: [u8; LEVELS + 1],
    /// For each band the bit-planes at most.
    pub(super) planes: [u8; 3 * LEVELS + 1],
}

/// Nothing said yet.
pub(super) const NO_CODING: Coding = Coding {
    rank: [0; 2],
    levels: 0,
    block_x: 0,
    block_y: 0,
    style: 0,
    precincts: [0; LEVELS + 1],
    planes: [0; 3 * LEVELS + 1],
};

pub(super) struct Tile {
    pub(super) area: Area,
    pub(super) components: usize,
    /// Scod: 2 is that packets may begin with SOP, 4 that their headers end with EPH.
    pub(super) marks: u32,
    pub(super) order: usize,
    pub(super) layers: usize,
    pub(super) colour_transform: bool,
    pub(super) coding: [Coding; 4],
    /// Where the places of a resolution's parts lie: for each precinct and band one.
    pub(super) places: [[usize; LEVELS + 1]; 4],
    /// Where the pieces of code-blocks' data lie.
    pub(super) pieces: usize,
    /// The first free number.
    pub(super) free: usize,
}

/// A resolution of a component, 0 the smallest (B.5), and its precincts (B.6).
pub(super) struct Resolution {
    pub(super) area: Area,
    /// Width and height of a precinct, as powers of 2.
    pub(super) precinct_x: usize,
    pub(super) precinct_y: usize,
    /// Precincts.
    pub(super) wide: usize,
    pub(super) high: usize,
    /// The first and the last band: 0 is LL, 1 HL, 2 LH, 3 HH.
    pub(super) first: usize,
    pub(super) last: usize,
}

pub(super) fn cells(from: usize, to: usize, size: usize) -> usize {
    if to > from { ((to - 1) >> size) - (from >> size) + 1 } else { 0 }
}

fn halved(at: usize, times: usize) -> usize {
    (at + (1 << times) - 1) >> times
}

pub(super) fn resolution(t: &Tile, c: usize, r: usize) -> Resolution {
    let n = t.coding[c].levels - r;
    let (x0, y0) = (halved(t.area.x0, n), halved(t.area.y0, n));
    let (x1, y1) = (halved(t.area.x1, n), halved(t.area.y1, n));
    let precinct_x = (t.coding[c].precincts[r] & 15) as usize;
    let precinct_y = (t.coding[c].precincts[r] >> 4) as usize;
    Resolution {
        area: Area { x0, y0, x1, y1 },
        precinct_x,
        precinct_y,
        wide: cells(x0, x1, precinct_x),
        high: cells(y0, y1, precinct_y),
        first: if r > 0 { 1 } else { 0 },
        last: if r > 0 { 3 } else { 0 },
    }
}

/// What of a band is in a precinct, in coordinates of the band, and its code-blocks (B.7).
pub(super) struct Part {
    pub(super) area: Area,
    /// Width and height of a code-block, as powers of 2.
    pub(super) block_x: usize,
    pub(super) block_y: usize,
    /// Code-blocks.
    pub(super) wide: usize,
    pub(super) high: usize,
}

pub(super) fn part(t: &Tile, c: usize, res: &Resolution, precinct: usize, band: usize) -> Part {
    let shift = res.first;
    let (px, py) = (res.precinct_x - shift, res.precinct_y - shift);
    let x = (res.area.x0 >> res.precinct_x) + precinct % res.wide;
    let y = (res.area.y0 >> res.precinct_y) + precinct / res.wide;
    // Equation B-15; odd samples are those of the high bands.
    let (odd_x, odd_y) = (band & 1, band >> 1);
    let x0 = ((res.area.x0 + shift - odd_x) >> shift).max(x << px);
    let y0 = ((res.area.y0 + shift - odd_y) >> shift).max(y << py);
    let x1 = ((res.area.x1 + shift - odd_x) >> shift).min((x + 1) << px);
    let y1 = ((res.area.y1 + shift - odd_y) >> shift).min((y + 1) << py);
    let (block_x, block_y) = (t.coding[c].block_x.min(px), t.coding[c].block_y.min(py));
    let (wide, high) = (cells(x0, x1, block_x), cells(y0, y1, block_y));
    Part { area: Area { x0, y0, x1, y1 }, block_x, block_y, wide, high }
}

/// Where the code-blocks of a part lie; its tag trees lie behind them.
pub(super) fn place(job: &Job, t: &Tile, c: usize, r: usize, precinct: usize, band: usize) -> usize {
    let at = if r > 0 { 3 * precinct + band - 1 } else { precinct };
    job.words[t.places[c][r] + at] as usize
}

/// Takes numbers of scratch memory.
pub(super) fn take(job: &Job, t: &mut Tile, count: usize) -> Option<usize> {
    let at = t.free;
    if count > words(job.height, job.width) - at {
        return None;
    }
    t.free += count;
    Some(at)
}

/// Nodes of the lowest levels of a tag tree (B.10.2).
pub(super) fn nodes(p: &Part, levels: usize) -> usize {
    let mut count = 0;
    for level in 0..levels {
        count += (((p.wide - 1) >> level) + 1) * (((p.high - 1) >> level) + 1);
    }
    count
}

/// Levels of a tag tree.
pub(super) fn tree_levels(p: &Part) -> usize {
    let mut levels = 1;
    while (p.wide - 1) >> (levels - 1) > 0 || (p.high - 1) >> (levels - 1) > 0 {
        levels += 1;
    }
    levels
}

/// A code-block of which nothing has come yet.
const NO_BLOCK: i32 = 3 << 4;

/// Gives every part of the tile its place, with nothing known of its code-blocks.
pub(super) fn lay_out(job: &mut Job, t: &mut Tile) -> Option<()> {
    t.free = first_free(job.height, job.width);
    for c in 0..t.components {
        for r in 0..=t.coding[c].levels {
            let res = resolution(t, c, r);
            let bands = 1 + res.last - res.first;
            let places = take(job, t, res.wide * res.high * bands)?;
            t.places[c][r] = places;
            for i in 0..res.wide * res.high * bands {
                let p = part(t, c, &res, i / bands, res.first + i % bands);
                job.words[places + i] = t.free as i32;
                if p.wide * p.high > 0 {
                    let blocks = p.wide * p.high;
                    let count = blocks + nodes(&p, tree_levels(&p));
                    let at = take(job, t, count)?;
                    for k in 0..count {
                        job.words[at + k] = if k < blocks { NO_BLOCK } else { -1 };
                    }
                }
            }
        }
    }
    t.pieces = t.free;
    Some(())
}

/// What is known of a code-block.
pub(super) struct Block {
    pub(super) planes: usize,
    /// Lblock (B.10.7.1).
    pub(super) length_bits: usize,
    pub(super) passes: usize,
    /// The last piece of its data, counted from 1; 0 when there is none.
    pub(super) last: usize,
}

pub(super) fn block(job: &Job, at: usize) -> Block {
    let word = job.words[at] as u32 as usize;
    Block {
        planes: word & 15,
        length_bits: word >> 4 & 63,
        passes: word >> 10 & 63,
        last: word >> 16 & 0xffff,
    }
}

pub(super) fn set_block(job: &mut Job, at: usize, b: &Block) {
    job.words[at] = (b.planes | b.length_bits << 4 | b.passes << 10 | b.last << 16) as u32 as i32;
}

/// How many passes of a code-block come until its codeword ends, `done` being done (D.4, D.6).
pub(super) fn passes_to_end(style: u32, done: usize) -> usize {
    if style & 4 != 0 {
        return 1;
    }
    if style & 1 == 0 {
        return 64;
    }
    if done < 10 {
        return 10 - done;
    }
    // Significance and refinement without the arithmetic coder, then clean-up with it.
    [2, 1, 1][(done - 10) % 3]
}
