//! The code-blocks of JPEG 2000 (ITU T.800, annex D): passes over bit-planes, which give the coefficients.
//!
//! Where passes are missing, half of the last bit-plane is added to what is not 0 (E.1.1.2, r = 1/2).

use super::job::Job;
use super::jpeg2000_mq::{self as mq, Mq};
use super::jpeg2000_tile::{
    Block, Part, Resolution, Tile, block, half, part, passes_to_end, place, resolution, set_half,
};

/// Flags of a coefficient.
const SIGNIFICANT: u8 = 1;
const NEGATIVE: u8 = 2;
const REFINED: u8 = 4;
/// The significance pass has had it.
const VISITED: u8 = 8;

/// A code-block that is being decoded.
struct Coder {
    mq: Mq,
    width: usize,
    height: usize,
    /// Where its first coefficient lies, and how far from it are those to the right and below.
    at: usize,
    right: usize,
    down: usize,
    band: usize,
    style: u32,
    raw: bool,
    plane: usize,
}

fn flag(z: &Coder, x: usize, y: usize) -> usize {
    (y + 1) * (z.width + 2) + x + 1
}

/// True when the row below counts as 0: vertically causal context, last row of a stripe (D.7).
fn hidden(z: &Coder, y: usize) -> bool {
    z.style & 8 != 0 && y % 4 == 3
}

fn bit(job: &Job, z: &mut Coder, context: usize) -> u32 {
    if z.raw { mq::raw(job, &mut z.mq) } else { mq::decode(job, &mut z.mq, context) }
}

/// The context of a coefficient's significance (table D.1); 0 when no neighbour is significant.
fn context(job: &Job, z: &Coder, x: usize, y: usize) -> usize {
    let row = z.width + 2;
    let at = flag(z, x, y);
    let is = |at: usize| (job.bytes[at] & SIGNIFICANT) as usize;
    let mut h = is(at - 1) + is(at + 1);
    let mut v = is(at - row);
    let mut d = is(at - row - 1) + is(at - row + 1);
    if !hidden(z, y) {
        v += is(at + row);
        d += is(at + row - 1) + is(at + row + 1);
    }
    if z.band == 3 {
        return match d {
            0 => (h + v).min(2),
            1 => 3 + (h + v).min(2),
            2 => 6 + (h + v).min(1),
            _ => 8,
        };
    }
    if z.band == 1 {
        (h, v) = (v, h);
    }
    match h {
        0 if v > 0 => 2 + v,
        0 => d.min(2),
        1 if v > 0 => 7,
        1 => 5 + d.min(1),
        _ => 8,
    }
}

/// 1 for a neighbour that is positive, -1 for a negative one, 0 for one that is not significant.
fn sign(job: &Job, at: usize) -> i32 {
    match job.bytes[at] & (SIGNIFICANT | NEGATIVE) {
        SIGNIFICANT => 1,
        0 => 0,
        _ => -1,
    }
}

/// The sign of a coefficient that has become significant (tables D.2 and D.3), and its value so far.
fn significant(job: &mut Job, z: &mut Coder, x: usize, y: usize) {
    let row = z.width + 2;
    let at = flag(z, x, y);
    let mut h = (sign(job, at - 1) + sign(job, at + 1)).clamp(-1, 1);
    let below = if hidden(z, y) { 0 } else { sign(job, at + row) };
    let mut v = (sign(job, at - row) + below).clamp(-1, 1);
    let inverted = h < 0 || h == 0 && v < 0;
    if inverted {
        h = -h;
        v = -v;
    }
    let mut negative = bit(job, z, (9 + 3 * h + v) as usize) == 1;
    if !z.raw {
        negative ^= inverted;
    }
    let value = (1 << z.plane) | (1 << z.plane) >> 1;
    job.bytes[at] |= if negative { SIGNIFICANT | NEGATIVE } else { SIGNIFICANT };
    set_half(job, z.at + y * z.down + x * z.right, if negative { -value } else { value });
}

/// D.3.1.
fn significance(job: &mut Job, z: &mut Coder, x: usize, y: usize) {
    let at = flag(z, x, y);
    if job.bytes[at] & SIGNIFICANT != 0 {
        return;
    }
    let context = context(job, z, x, y);
    if context != 0 {
        job.bytes[at] |= VISITED;
        if bit(job, z, context) == 1 {
            significant(job, z, x, y);
        }
    }
}

/// D.3.3.
fn refinement(job: &mut Job, z: &mut Coder, x: usize, y: usize) {
    let at = flag(z, x, y);
    if job.bytes[at] & (SIGNIFICANT | VISITED) != SIGNIFICANT {
        return;
    }
    let mut which = 16;
    if job.bytes[at] & REFINED == 0 {
        which = if context(job, z, x, y) > 0 { 15 } else { 14 };
    }
    job.bytes[at] |= REFINED;
    let coefficient = z.at + y * z.down + x * z.right;
    let value = half(job, coefficient);
    let mut size = value.abs();
    if bit(job, z, which) == 0 {
        size -= 1 << z.plane;
    }
    size |= (1 << z.plane) >> 1;
    set_half(job, coefficient, if value < 0 { -size } else { size });
}

/// In the clean-up pass (D.3.4) four coefficients with nothing around them: how many are 0 is coded. Gives
/// the row to go on with.
fn run(job: &mut Job, z: &mut Coder, x: usize, top: usize, bottom: usize) -> usize {
    if bottom - top < 4 {
        return top;
    }
    for y in top..bottom {
        if job.bytes[flag(z, x, y)] & (SIGNIFICANT | VISITED) != 0 || context(job, z, x, y) != 0 {
            return top;
        }
    }
    if mq::decode(job, &mut z.mq, 17) == 0 {
        return bottom;
    }
    let mut y = top + 2 * mq::decode(job, &mut z.mq, 18) as usize;
    y += mq::decode(job, &mut z.mq, 18) as usize;
    significant(job, z, x, y);
    y + 1
}

fn clean_up(job: &mut Job, z: &mut Coder, x: usize, y: usize) {
    let at = flag(z, x, y);
    if job.bytes[at] & (SIGNIFICANT | VISITED) == 0 {
        let context = context(job, z, x, y);
        if bit(job, z, context) == 1 {
            significant(job, z, x, y);
        }
    }
    job.bytes[at] &= !VISITED;
}

/// A pass, in stripes of four rows, column by column (figure D.1).
fn scan(job: &mut Job, z: &mut Coder, kind: usize) {
    for top in (0..z.height).step_by(4) {
        let bottom = (top + 4).min(z.height);
        for x in 0..z.width {
            let first = if kind == 2 { run(job, z, x, top, bottom) } else { top };
            for y in first..bottom {
                match kind {
                    0 => significance(job, z, x, y),
                    1 => refinement(job, z, x, y),
                    _ => clean_up(job, z, x, y),
                }
            }
        }
    }
}

fn passes(job: &mut Job, z: &mut Coder, b: &Block) {
    job.bytes[..(z.width + 2) * (z.height + 2)].fill(0);
    // OpenJPEG may write more passes than there are bit-planes; they are ignored.
    let most = (3 * b.planes).saturating_sub(2);
    let mut end = 0;
    for pass in 0..b.passes.min(most) {
        // 0 is the significance pass, 1 the refinement pass, 2 the clean-up pass, which is the first one's
        // kind.
        let kind = (pass + 2) % 3;
        if pass == end {
            let count = passes_to_end(z.style, pass).min(b.passes - pass);
            end = pass + count;
            z.raw = z.style & 1 != 0 && pass >= 10 && kind < 2;
            mq::start(job, &mut z.mq, count, z.raw);
        }
        z.plane = b.planes - 1 - pass.div_ceil(3);
        scan(job, z, kind);
        if kind == 2 && z.style & 32 != 0 {
            // Segmentation symbol.
            for _ in 0..4 {
                mq::decode(job, &mut z.mq, 18);
            }
        }
        if z.style & 2 != 0 {
            mq::reset(&mut z.mq);
        }
    }
}

/// Code-block `k` of a part.
fn coder(
    t: &Tile,
    c: usize,
    r: usize,
    res: &Resolution,
    p: &Part,
    band: usize,
    k: usize,
    last: usize,
) -> Coder {
    let column = (p.area.x0 >> p.block_x) + k % p.wide;
    let row = (p.area.y0 >> p.block_y) + k / p.wide;
    let x0 = p.area.x0.max(column << p.block_x);
    let y0 = p.area.y0.max(row << p.block_y);
    let x1 = p.area.x1.min((column + 1) << p.block_x);
    let y1 = p.area.y1.min((row + 1) << p.block_y);
    let tile_width = t.area.x1 - t.area.x0;
    let n = t.coding[c].levels - r;
    let step = n + res.first;
    let x = (x0 << step) + ((band & 1) << n) - t.area.x0;
    let y = (y0 << step) + ((band >> 1) << n) - t.area.y0;
    Coder {
        mq: mq::new(t.pieces, last),
        width: x1 - x0,
        height: y1 - y0,
        at: (c * (t.area.y1 - t.area.y0) + y) * tile_width + x,
        right: 1 << step,
        down: tile_width << step,
        band,
        style: t.coding[c].style,
        raw: false,
        plane: 0,
    }
}

/// Decodes all code-blocks of a component.
pub(super) fn blocks(job: &mut Job, t: &Tile, c: usize) {
    for r in 0..=t.coding[c].levels {
        let res = resolution(t, c, r);
        for i in 0..res.wide * res.high {
            for band in res.first..=res.last {
                let p = part(t, c, &res, i, band);
                let at = place(job, t, c, r, i, band);
                for k in 0..p.wide * p.high {
                    let b = block(job, at + k);
                    if b.last > 0 {
                        let mut z = coder(t, c, r, &res, &p, band, k, b.last);
                        passes(job, &mut z, &b);
                    }
                }
            }
        }
    }
}
