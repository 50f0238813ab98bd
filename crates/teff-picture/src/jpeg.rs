//! JPEG (ITU T.81, JFIF).
//!
//! Decoded: sequential (SOF0, SOF1) and progressive (SOF2) pictures with Huffman codes and 8 bits a sample,
//! of one component (grey) or three (YCbCr or RGB), of any sampling where a sample stands for whole pixels,
//! in one scan or several, with restarts or without. The pixels are those that libjpeg-turbo gives with its
//! default settings, bit for bit.
//!
//! Refused: arithmetic coding, lossless and hierarchical pictures, 12 bits, four components (CMYK), more than
//! 24 scans, tables that are not in the file, progressive pictures that lack a part, and samplings that need
//! more than 12 blocks for each 16 columns.
//!
//! The file is read at several places at once, one for each scan, a row of units at a time: so only a row of
//! coefficients is kept.

use super::job::Job;
use super::jpeg_pixels::{set_row, transform_row};
use super::jpeg_scan::{BLOCK, Component, Frame, Scan, marker, read_row};

const SCANS: usize = 24;

/// `known` of a coefficient that no scan brought.
const UNKNOWN: u8 = 255;

/// A constant, so that an array of it is made in place and not on the stack first.
const NO_SCAN: Scan = Scan {
    count: 0,
    component: [0; 3],
    dc: [0; 3],
    ac: [0; 3],
    first: 0,
    last: 0,
    high: 0,
    low: 0,
    interval: 0,
    left: 0,
    at: 0,
    bits: 0,
    held: 0,
    invented: 0,
    previous: [0; 3],
    run: 0,
    damaged: false,
};

/// What the segments up to here say. Tables are places in the file, 0 for none.
struct Head {
    frame: Frame,
    count: usize,
    scans: [Scan; SCANS],
    /// From which bit on each coefficient of each component is known.
    known: [[u8; 64]; 3],
    quant: [usize; 4],
    wide: [bool; 4],
    dc: [usize; 4],
    ac: [usize; 4],
    interval: u32,
    jfif: bool,
    adobe: bool,
    /// Adobe's word on colours: 0 is RGB.
    transform: u32,
}

/// Bytes of scratch memory: a row of units, a row of samples, and a row of pixels. A unit has at most 12 blocks
/// for each 16 columns.
pub(super) const fn bytes(_height: usize, width: usize) -> usize {
    12 * BLOCK * width.div_ceil(16) + 6 * width
}

/// Where the component's samples go, and how much larger it is made; `across` and `down` are the largest
/// sampling factors. Gives the place behind it.
fn place(job: &Job, c: &mut Component, across: usize, down: usize, at: usize) -> usize {
    c.across = across / c.h;
    c.down = down / c.v;
    c.width = job.width.div_ceil(c.across);
    c.height = job.height.div_ceil(c.down);
    c.blocks_across = c.width.div_ceil(8);
    c.blocks_down = c.height.div_ceil(8);
    c.slots = job.width.div_ceil(8 * across) * c.h;
    c.at = at;
    c.above = at + BLOCK * c.slots * c.v;
    c.above + c.width
}

/// The frame header (B.2.2).
fn read_frame(job: &Job, head: &mut Head, begin: usize, end: usize) -> Option<()> {
    if job.big16(begin + 1) as usize != job.height || job.big16(begin + 3) as usize != job.width {
        return None;
    }
    let count = job.byte(begin + 5) as usize;
    if head.frame.count > 0 || job.byte(begin) != 8 || end - begin != 6 + 3 * count {
        return None;
    }
    if count != 1 && count != 3 {
        return None;
    }
    let mut across = 1;
    let mut down = 1;
    for i in 0..count {
        let c = &mut head.frame.components[i];
        let at = begin + 6 + 3 * i;
        c.id = job.byte(at);
        c.h = (job.byte(at + 1) >> 4) as usize;
        c.v = (job.byte(at + 1) & 15) as usize;
        c.selector = job.byte(at + 2) as usize;
        if c.h == 0 || c.h > 4 || c.v == 0 || c.v > 4 || c.selector > 3 {
            return None;
        }
        across = across.max(c.h);
        down = down.max(c.v);
    }
    let mut at = 0;
    for i in 0..count {
        let c = &mut head.frame.components[i];
        if across % c.h != 0 || down % c.v != 0 {
            return None;
        }
        at = place(job, c, across, down, at);
    }
    head.frame.count = count;
    head.frame.rows = 8 * down;
    head.frame.units_across = job.width.div_ceil(8 * across);
    head.frame.units_down = job.height.div_ceil(8 * down);
    head.frame.line = at;
    if at + 3 * job.width <= bytes(job.height, job.width) { Some(()) } else { None }
}

/// Quantization tables (B.2.4.1).
fn read_quant(job: &Job, head: &mut Head, begin: usize, end: usize) -> Option<()> {
    let mut at = begin;
    while at < end {
        let wide = job.byte(at) >> 4;
        let n = (job.byte(at) & 15) as usize;
        let next = at + 65 + 64 * wide as usize;
        if wide > 1 || n > 3 || next > end {
            return None;
        }
        head.quant[n] = at + 1;
        head.wide[n] = wide == 1;
        at = next;
    }
    Some(())
}

/// Huffman tables (B.2.4.2).
fn read_codes(job: &Job, head: &mut Head, begin: usize, end: usize) -> Option<()> {
    let mut at = begin;
    while at < end {
        let class = job.byte(at) >> 4;
        let n = (job.byte(at) & 15) as usize;
        let mut next = at + 17;
        for length in 0..16 {
            next += job.byte(at + 1 + length) as usize;
        }
        if class > 1 || n > 3 || next > end {
            return None;
        }
        if class == 0 {
            head.dc[n] = at + 1;
        } else {
            head.ac[n] = at + 1;
        }
        at = next;
    }
    Some(())
}

/// Component number `i` of the scan whose header begins at `begin`: its tables, and what is known of it from
/// there on. A component keeps the quantization table of its first scan.
fn join(job: &Job, head: &mut Head, scan: &mut Scan, begin: usize, i: usize) -> Option<()> {
    let id = job.byte(begin + 1 + 2 * i);
    let mut n = 0;
    while n < head.frame.count && head.frame.components[n].id != id {
        n += 1;
    }
    let dc = (job.byte(begin + 2 + 2 * i) >> 4) as usize;
    let ac = (job.byte(begin + 2 + 2 * i) & 15) as usize;
    if n == head.frame.count || dc > 3 || ac > 3 {
        return None;
    }
    scan.component[i] = n;
    scan.dc[i] = head.dc[dc];
    scan.ac[i] = head.ac[ac];
    if (scan.first == 0 && scan.high == 0 && scan.dc[i] == 0) || (scan.last > 0 && scan.ac[i] == 0) {
        return None;
    }
    let before = if scan.high > 0 { scan.high as u8 } else { UNKNOWN };
    for k in scan.first..scan.last + 1 {
        if head.known[n][k] != before {
            return None;
        }
        head.known[n][k] = scan.low as u8;
    }
    let c = &mut head.frame.components[n];
    if c.quant == 0 {
        c.quant = head.quant[c.selector];
        c.wide = head.wide[c.selector];
    }
    if c.quant != 0 { Some(()) } else { None }
}

/// The scan header (B.2.3).
fn read_scan(job: &Job, head: &mut Head, begin: usize, end: usize) -> Option<()> {
    let count = job.byte(begin) as usize;
    if head.count == SCANS || count == 0 || count > head.frame.count {
        return None;
    }
    if end - begin != 4 + 2 * count {
        return None;
    }
    let mut scan = Scan { count, last: 63, at: end, ..NO_SCAN };
    scan.interval = head.interval;
    scan.left = head.interval;
    if head.frame.progressive {
        scan.first = job.byte(end - 3) as usize;
        scan.last = job.byte(end - 2) as usize;
        scan.high = job.byte(end - 1) >> 4;
        scan.low = job.byte(end - 1) & 15;
        let dc = scan.first == 0 && scan.last == 0;
        let ac = scan.first > 0 && scan.last >= scan.first && scan.last < 64 && count == 1;
        if !(dc || ac) || scan.low > 13 || (scan.high > 0 && scan.high != scan.low + 1) {
            return None;
        }
    }
    let mut blocks = 0;
    for i in 0..count {
        join(job, head, &mut scan, begin, i)?;
        let c = &head.frame.components[scan.component[i]];
        blocks += c.h * c.v;
    }
    head.scans[head.count] = scan;
    head.count += 1;
    if count == 1 || blocks <= 10 { Some(()) } else { None }
}

/// A segment, by its marker (table B.1).
fn read_segment(job: &Job, head: &mut Head, kind: u32, begin: usize, end: usize) -> Option<()> {
    match kind {
        0xc0..=0xc2 => {
            head.frame.progressive = kind == 0xc2;
            read_frame(job, head, begin, end)
        }
        0xc4 => read_codes(job, head, begin, end),
        0xda => read_scan(job, head, begin, end),
        0xdb => read_quant(job, head, begin, end),
        0xdd => {
            head.interval = job.big16(begin);
            Some(())
        }
        0xe0 => {
            head.jfif |= end - begin >= 14 && job.begins(begin, b"JFIF\0");
            Some(())
        }
        0xee => {
            if end - begin >= 12 && job.begins(begin, b"Adobe") {
                head.adobe = true;
                head.transform = job.byte(begin + 11);
            }
            Some(())
        }
        // Other applications' data, a comment, the number of lines once more.
        0xe1..=0xef | 0xfe | 0xdc => Some(()),
        _ => None,
    }
}

/// True when the scans so far bring every bit of every coefficient.
fn complete(head: &Head) -> bool {
    let mut unknown = 0;
    for i in 0..head.frame.count {
        for k in 0..64 {
            unknown |= head.known[i][k];
        }
    }
    head.frame.count > 0 && unknown == 0
}

/// Reads the segments up to the last scan's header.
fn read_head(job: &Job, head: &mut Head) -> Option<()> {
    let mut at = 2;
    while !complete(head) {
        at = marker(job, at);
        let kind = job.byte(at + 1);
        if kind & 0xf8 == 0xd0 {
            // A restart in the scan before.
            at += 2;
            continue;
        }
        let length = job.big16(at + 2) as usize;
        if length < 2 || at + 2 + length > job.file.len() {
            return None;
        }
        read_segment(job, head, kind, at + 4, at + 2 + length)?;
        at += 2 + length;
    }
    // As libjpeg decides.
    let c = &head.frame.components;
    let named = c[0].id == 'R' as u32 && c[1].id == 'G' as u32 && c[2].id == 'B' as u32;
    let rgb = if head.adobe { head.transform == 0 } else { named };
    head.frame.rgb = rgb && !head.jfif;
    head.frame.mix = [91881, -22554, -46802, 116130];
    Some(())
}

pub(super) fn decode(job: &mut Job) -> Option<()> {
    let mut head = Head {
        frame: Frame::default(),
        count: 0,
        scans: [NO_SCAN; SCANS],
        known: [[UNKNOWN; 64]; 3],
        quant: [0; 4],
        wide: [false; 4],
        dc: [0; 4],
        ac: [0; 4],
        interval: 0,
        jfif: false,
        adobe: false,
        transform: 0,
    };
    read_head(job, &mut head)?;
    for row in 0..head.frame.units_down {
        for i in 0..head.frame.count {
            let c = &head.frame.components[i];
            job.bytes[c.at..c.above].fill(0);
        }
        for i in 0..head.count {
            read_row(&mut head.scans[i], job, &head.frame, row)?;
        }
        transform_row(job, &head.frame, row);
        set_row(job, &head.frame, row);
    }
    Some(())
}
