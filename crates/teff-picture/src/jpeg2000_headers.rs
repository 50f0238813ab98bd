//! The headers of a JPEG 2000 codestream (ITU T.800, annex A).

use super::job::Job;
use super::jpeg2000_tile::{Area, Coding, LEVELS, Tile};

/// Coordinates are below this, which keeps all sums small.
pub(super) const LIMIT: usize = 1 << 24;

/// What SIZ says.
pub(super) struct Frame {
    pub(super) area: Area,
    pub(super) tile_width: usize,
    pub(super) tile_height: usize,
    /// Where the first tile begins.
    pub(super) tile_x: usize,
    pub(super) tile_y: usize,
    pub(super) components: usize,
    /// Where the markers behind SIZ begin.
    pub(super) markers: usize,
}

pub(super) fn frame(job: &Job, at: usize) -> Option<Frame> {
    let mut n = [0; 8];
    for (i, n) in n.iter_mut().enumerate() {
        *n = (job.big32(at + 8 + 4 * i) as usize).min(LIMIT);
    }
    let [x1, y1, x0, y0, tile_width, tile_height, tile_x, tile_y] = n;
    let components = job.big16(at + 40) as usize;
    if x1 <= x0 || x1 == LIMIT || x1 - x0 != job.width {
        return None;
    }
    if y1 <= y0 || y1 == LIMIT || y1 - y0 != job.height {
        return None;
    }
    if !job.begins(at, b"\xff\x4f\xff\x51") || !(1..=4).contains(&components) {
        return None;
    }
    if tile_x > x0 || tile_x + tile_width <= x0 {
        return None;
    }
    if tile_y > y0 || tile_y + tile_height <= y0 {
        return None;
    }
    for c in 0..components {
        // 8 bits without a sign, not subsampled.
        if !job.begins(at + 42 + 3 * c, b"\x07\x01\x01") {
            return None;
        }
    }
    let markers = at + 4 + job.big16(at + 4) as usize;
    let area = Area { x0, y0, x1, y1 };
    Some(Frame { area, tile_width, tile_height, tile_x, tile_y, components, markers })
}

/// What COD and COC both say.
fn coding(job: &Job, coding: &mut Coding, at: usize, marks: u32, rank: u32) -> Option<()> {
    if rank < coding.rank[0] {
        return Some(());
    }
    coding.rank[0] = rank;
    coding.levels = job.byte(at) as usize;
    coding.block_x = job.byte(at + 1) as usize + 2;
    coding.block_y = job.byte(at + 2) as usize + 2;
    coding.style = job.byte(at + 3);
    if coding.levels > LEVELS || coding.block_x > 10 || coding.block_y > 10 {
        return None;
    }
    // The wavelet must be the reversible one.
    if coding.block_x + coding.block_y > 12 || coding.style > 63 || job.byte(at + 4) != 1 {
        return None;
    }
    for r in 0..=coding.levels {
        let size = if marks & 1 != 0 { job.byte(at + 5 + r) } else { 0xff };
        if r > 0 && (size & 15 == 0 || size >> 4 == 0) {
            return None;
        }
        coding.precincts[r] = size as u8;
    }
    Some(())
}

/// COD.
fn style(job: &Job, t: &mut Tile, at: usize, rank: u32) -> Option<()> {
    t.marks = job.byte(at + 4);
    t.order = job.byte(at + 5) as usize;
    t.layers = job.big16(at + 6) as usize;
    t.colour_transform = job.byte(at + 8) == 1;
    if t.order > 4 || t.layers == 0 || t.layers > 32767 {
        return None;
    }
    for c in 0..t.components {
        coding(job, &mut t.coding[c], at + 9, t.marks, rank)?;
    }
    Some(())
}

/// What QCD and QCC both say: exponents, as nothing is quantised (equation E-2).
fn planes(job: &Job, coding: &mut Coding, at: usize, end: usize, rank: u32) -> Option<()> {
    if rank < coding.rank[1] {
        return Some(());
    }
    coding.rank[1] = rank;
    if job.byte(at) & 31 != 0 {
        return None;
    }
    let guard = job.byte(at) >> 5;
    for i in 0..coding.planes.len() {
        let exponent = if at + 1 + i < end { job.byte(at + 1 + i) >> 3 } else { 0 };
        coding.planes[i] = (guard + exponent).saturating_sub(1) as u8;
    }
    Some(())
}

/// A marker of `length` bytes.
fn marker(job: &Job, t: &mut Tile, at: usize, length: usize, rank: u32) -> Option<()> {
    let c = job.byte(at + 4) as usize;
    let marker = job.big16(at);
    // COD, COC, QCD and QCC are only in the first header of a tile.
    if rank == 4 && (marker == 0xff52 || marker == 0xff53 || marker == 0xff5c || marker == 0xff5d) {
        return None;
    }
    match marker {
        0xff52 => style(job, t, at, rank + 1),
        0xff53 if c < t.components => coding(job, &mut t.coding[c], at + 6, job.byte(at + 5), rank + 2),
        0xff5c => {
            for c in 0..t.components {
                planes(job, &mut t.coding[c], at + 4, at + 2 + length, rank + 1)?;
            }
            Some(())
        }
        0xff5d if c < t.components => planes(job, &mut t.coding[c], at + 5, at + 2 + length, rank + 2),
        // TLM, PLM, PLT, CRG, COM
        0xff55 | 0xff57 | 0xff58 | 0xff63 | 0xff64 => Some(()),
        _ => None,
    }
}

/// Takes the markers of a header, up to SOT or SOD, whose place it gives. `rank` is 0 in the main header, 2
/// in a tile's first one, 4 in a tile's others.
pub(super) fn markers(job: &Job, t: &mut Tile, at: usize, rank: u32) -> Option<usize> {
    let mut at = at;
    while job.big16(at) != 0xff90 && job.big16(at) != 0xff93 {
        let length = job.big16(at + 2) as usize;
        if length < 2 || at + 2 + length > job.file.len() {
            return None;
        }
        marker(job, t, at, length, rank)?;
        at += 2 + length;
    }
    Some(at)
}

/// Where a tile's packets are.
pub(super) struct Data {
    pub(super) tile: usize,
    /// The rest of a tile-part.
    pub(super) at: usize,
    pub(super) end: usize,
    /// Where the next tile-part of any tile begins.
    pub(super) next: usize,
    /// True when there is no tile-part any more.
    pub(super) done: bool,
}

/// Goes to the next part of the tile (A.4.2).
pub(super) fn next_part(job: &Job, t: &mut Tile, data: &mut Data, rank: u32) -> Option<()> {
    while job.big16(data.next) == 0xff90 {
        let at = data.next;
        let mut length = job.big32(at + 6) as usize;
        if length == 0 {
            length = job.file.len() - at;
        }
        if length < 14 || length > job.file.len() - at {
            return None;
        }
        data.next = at + length;
        if job.big16(at + 4) as usize == data.tile {
            let start = markers(job, t, at + 12, rank)?;
            data.at = start + 2;
            data.end = data.next;
            return if job.big16(start) == 0xff93 && data.at <= data.end { Some(()) } else { None };
        }
    }
    data.done = true;
    Some(())
}
