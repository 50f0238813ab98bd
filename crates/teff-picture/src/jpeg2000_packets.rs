//! The packets of a JPEG 2000 tile (ITU T.800, B.9 to B.12): what each says of its code-blocks, and where
//! their data are.
//!
//! A code-block's data are a chain of pieces, of two numbers each: place in the file and passes, length and
//! the next piece. The piece behind the last is the first.

use super::job::Job;
use super::jpeg2000_headers::{Data, LIMIT, next_part};
use super::jpeg2000_tile::{
    Block, Part, Tile, block, cells, half, nodes, part, passes_to_end, place, resolution, set_block,
    set_half, take, tree_levels,
};

/// The loops of the progression orders from the outermost (B.12.1): 0 is layers, 1 resolutions, 2 components,
/// 3 places.
const ORDERS: [[usize; 4]; 5] = [[0, 1, 2, 3], [1, 0, 2, 3], [1, 3, 2, 0], [3, 2, 1, 0], [2, 3, 1, 0]];

/// The places where a precinct of any resolution may begin.
struct Grid {
    resolutions: usize,
    /// Powers of 2.
    step_x: usize,
    step_y: usize,
    wide: usize,
    high: usize,
}

fn grid(t: &Tile) -> Grid {
    let mut g = Grid { resolutions: 0, step_x: 31, step_y: 31, wide: 0, high: 0 };
    for c in 0..t.components {
        let levels = t.coding[c].levels;
        g.resolutions = g.resolutions.max(levels + 1);
        for r in 0..=levels {
            let res = resolution(t, c, r);
            g.step_x = g.step_x.min(res.precinct_x + levels - r);
            g.step_y = g.step_y.min(res.precinct_y + levels - r);
        }
    }
    g.wide = cells(t.area.x0, t.area.x1, g.step_x);
    g.high = cells(t.area.y0, t.area.y1, g.step_y);
    g
}

/// The precinct of a resolution at a place.
fn precinct(t: &Tile, g: &Grid, c: usize, r: usize, at: usize) -> Option<usize> {
    if r > t.coding[c].levels {
        return None;
    }
    let res = resolution(t, c, r);
    if t.order < 2 {
        return if at < res.wide * res.high { Some(at) } else { None };
    }
    let n = t.coding[c].levels - r;
    let x = (((t.area.x0 >> g.step_x) + at % g.wide) << g.step_x).max(t.area.x0);
    let y = (((t.area.y0 >> g.step_y) + at / g.wide) << g.step_y).max(t.area.y0);
    let (left, top) = (res.area.x0 << n, res.area.y0 << n);
    let (size_x, size_y) = (res.precinct_x + n, res.precinct_y + n);
    // B.12.1.3: a precinct begins at a multiple of its size, or with the tile.
    let (mask_x, mask_y) = ((1 << size_x) - 1, (1 << size_y) - 1);
    let begins_x = x & mask_x == 0 || x == t.area.x0 && left & mask_x != 0;
    let begins_y = y & mask_y == 0 || y == t.area.y0 && top & mask_y != 0;
    if !begins_x || !begins_y || res.wide * res.high == 0 {
        return None;
    }
    let column = (x.max(left) >> size_x) - (res.area.x0 >> res.precinct_x);
    let row = (y.max(top) >> size_y) - (res.area.y0 >> res.precinct_y);
    Some(row * res.wide + column)
}

/// The bits of a packet header (B.10.1). Behind the end they are 0.
struct Bits {
    at: usize,
    end: usize,
    last: u32,
    left: u32,
    ended: bool,
}

fn bit(job: &Job, bits: &mut Bits) -> u32 {
    if bits.left == 0 {
        if bits.at >= bits.end {
            bits.ended = true;
            return 0;
        }
        // A bit 0 follows 8 ones.
        bits.left = if bits.last == 0xff { 7 } else { 8 };
        bits.last = job.byte(bits.at);
        bits.at += 1;
    }
    bits.left -= 1;
    bits.last >> bits.left & 1
}

fn number(job: &Job, bits: &mut Bits, count: usize) -> usize {
    let mut value = 0;
    for _ in 0..count {
        value = value << 1 | bit(job, bits) as usize;
    }
    value
}

/// Reads on in a tag tree (B.10.2): true when the value of leaf `i` is below `limit`. `kind` is 0 for the
/// layer in which a code-block comes first, 1 for its bit-planes that are 0. A node is -1 - n as long as it
/// is only known to be n or more.
fn below(job: &mut Job, bits: &mut Bits, p: &Part, at: usize, i: usize, kind: usize, limit: i32) -> bool {
    let tree = at + p.wide * p.high;
    let mut low = 0;
    let mut known = false;
    let mut level = tree_levels(p);
    while level > 0 {
        level -= 1;
        let (x, y) = ((i % p.wide) >> level, (i / p.wide) >> level);
        let node = 2 * (tree + nodes(p, level) + y * (((p.wide - 1) >> level) + 1) + x) + kind;
        let value = half(job, node);
        known = value >= 0;
        low = low.max(if known { value } else { -1 - value });
        while !known && low < limit {
            if bit(job, bits) == 1 {
                known = true;
            } else {
                low += 1;
            }
        }
        set_half(job, node, if known { low } else { -1 - low });
    }
    known && low < limit
}

/// True when the packet has data of code-block `i` (B.10.4).
fn included(job: &mut Job, bits: &mut Bits, p: &Part, at: usize, i: usize, layer: usize) -> bool {
    if block(job, at + i).last > 0 {
        return bit(job, bits) == 1;
    }
    below(job, bits, p, at, i, 0, layer as i32 + 1)
}

/// How many passes of a code-block come (table B.4).
fn passes_here(job: &Job, bits: &mut Bits) -> usize {
    if bit(job, bits) == 0 {
        return 1;
    }
    if bit(job, bits) == 0 {
        return 2;
    }
    let few = number(job, bits, 2);
    if few < 3 {
        return 3 + few;
    }
    let more = number(job, bits, 5);
    if more < 31 {
        return 6 + more;
    }
    37 + number(job, bits, 7)
}

/// Adds a piece to a code-block's data; its place in the file comes later.
fn add_piece(job: &mut Job, t: &mut Tile, b: &mut Block, passes: usize, length: usize) -> Option<()> {
    let piece = take(job, t, 2)?;
    let index = 1 + (piece - t.pieces) / 2;
    if length > 0xffff || index > 0xffff {
        return None;
    }
    let mut next = index;
    if b.last > 0 {
        let last = t.pieces + 2 * (b.last - 1) + 1;
        let word = job.words[last] as u32;
        next = (word & 0xffff) as usize;
        job.words[last] = (word & 0xffff_0000 | index as u32) as i32;
    }
    job.words[piece] = ((passes as u32) << 24) as i32;
    job.words[piece + 1] = ((length as u32) << 16 | next as u32) as i32;
    b.last = index;
    b.passes += passes;
    Some(())
}

/// What a packet header says of a code-block that has data in it (B.10.5 to B.10.7). `planes` are the band's.
fn contribution(
    job: &mut Job,
    t: &mut Tile,
    bits: &mut Bits,
    p: &Part,
    at: usize,
    i: usize,
    planes: usize,
    style: u32,
) -> Option<()> {
    let mut b = block(job, at + i);
    if b.last == 0 {
        let mut zero = 0;
        while !below(job, bits, p, at, i, 1, zero as i32 + 1) {
            zero += 1;
            if zero > planes {
                return None;
            }
        }
        b.planes = planes - zero;
    }
    let mut passes = passes_here(job, bits);
    while bit(job, bits) == 1 {
        b.length_bits += 1;
    }
    if b.planes > 15 || b.passes + passes > 63 || b.length_bits > 24 {
        return None;
    }
    while passes > 0 {
        let count = passes.min(passes_to_end(style, b.passes));
        let mut length_bits = b.length_bits;
        while count >> (length_bits - b.length_bits) > 1 {
            length_bits += 1;
        }
        let length = number(job, bits, length_bits);
        add_piece(job, t, &mut b, count, length)?;
        passes -= count;
    }
    set_block(job, at + i, &b);
    Some(())
}

/// The header of a packet.
fn packet_header(
    job: &mut Job,
    t: &mut Tile,
    bits: &mut Bits,
    layer: usize,
    c: usize,
    r: usize,
    precinct: usize,
) -> Option<()> {
    if bit(job, bits) == 0 {
        return Some(());
    }
    let res = resolution(t, c, r);
    for band in res.first..=res.last {
        let p = part(t, c, &res, precinct, band);
        let at = place(job, t, c, r, precinct, band);
        let planes = t.coding[c].planes[if r > 0 { 3 * (r - 1) + band } else { 0 }] as usize;
        for i in 0..p.wide * p.high {
            if included(job, bits, &p, at, i, layer) {
                contribution(job, t, bits, &p, at, i, planes, t.coding[c].style)?;
            }
        }
    }
    Some(())
}

/// A packet: its header, then the data of its code-blocks.
fn packet(
    job: &mut Job,
    t: &mut Tile,
    data: &mut Data,
    layer: usize,
    c: usize,
    r: usize,
    precinct: usize,
) -> Option<()> {
    if t.marks & 2 != 0 && job.big16(data.at) == 0xff91 {
        data.at += 6;
    }
    let mut bits = Bits { at: data.at, end: data.end, last: 0, left: 0, ended: false };
    let mut piece = t.free;
    packet_header(job, t, &mut bits, layer, c, r, precinct)?;
    data.at = if bits.last == 0xff { bits.at + 1 } else { bits.at };
    if t.marks & 4 != 0 && job.big16(data.at) == 0xff92 {
        data.at += 2;
    }
    // A piece has 24 bits for its place.
    if bits.ended || data.end >= LIMIT {
        return None;
    }
    while piece < t.free && data.at <= data.end {
        job.words[piece] |= data.at as i32;
        data.at += (job.words[piece + 1] as u32 >> 16) as usize;
        piece += 2;
    }
    if data.at > data.end {
        return None;
    }
    Some(())
}

/// Reads all packets of a tile.
pub(super) fn packets(job: &mut Job, t: &mut Tile, data: &mut Data) -> Option<()> {
    let grid = grid(t);
    let order = ORDERS[t.order];
    // When places are the innermost loop, they are the precincts, and it ends by itself.
    let places = if t.order < 2 { usize::MAX } else { grid.wide * grid.high };
    let limits = [t.layers, grid.resolutions, t.components, places];
    let mut v = [0; 4];
    for i in 0..limits[order[0]] {
        v[order[0]] = i;
        for j in 0..limits[order[1]] {
            v[order[1]] = j;
            for k in 0..limits[order[2]] {
                v[order[2]] = k;
                for l in 0..limits[order[3]] {
                    v[order[3]] = l;
                    let precinct = match precinct(t, &grid, v[2], v[1], v[3]) {
                        Some(precinct) => precinct,
                        None => break,
                    };
                    while data.at == data.end && !data.done {
                        next_part(job, t, data, 4)?;
                    }
                    if data.done {
                        return Some(());
                    }
                    packet(job, t, data, v[0], v[2], v[1], precinct)?;
                }
            }
        }
    }
    Some(())
}
