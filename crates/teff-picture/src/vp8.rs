//! VP8's key frames, complete (RFC 6386): the macroblocks, and the order of work.

use super::job::Job;
use super::vp8_colour;
use super::vp8_filter::{Strength, filter};
use super::vp8_header::{CONTEXT, Frame, header, new};
use super::vp8_predict::{add, predict, predict_small, spread};
use super::vp8_tables::{CHROMA, CHROMA_TREE, LUMA, LUMA_TREE, MODE_TREE, MODES, SEGMENT_TREE};
use super::vp8_tokens::{OF_KIND, Reader};

/// A macroblock.
struct Macroblock {
    segment: usize,
    skip: bool,
    /// As in the trees.
    luma: usize,
    small: [usize; 16],
    chroma: usize,
    /// 25 blocks of coefficients: luma, chroma, second order.
    blocks: [i16; 400],
    /// A bit per block that has coefficients.
    coded: u32,
}

/// The modes of a macroblock (sections 10 and 11). `above` is where the context of the one above it is.
fn modes(job: &mut Job, frame: &mut Frame, block: &mut Macroblock, above: usize) {
    let reader = &mut frame.modes;
    block.segment = 0;
    if frame.segment_map {
        block.segment = reader.leaf(job, &SEGMENT_TREE, &frame.segment_probabilities);
    }
    block.skip = frame.skips && reader.bit(job, frame.skip_probability) == 1;
    block.luma = reader.leaf(job, &LUMA_TREE, &LUMA);
    if block.luma == 4 {
        for i in 0..16 {
            let at = 90 * job.bytes[above + i % 4] as usize + 9 * frame.left[i / 4] as usize;
            let mode = reader.leaf(job, &MODE_TREE, &MODES[at..at + 9]);
            block.small[i] = mode;
            job.bytes[above + i % 4] = mode as u8;
            frame.left[i / 4] = mode as u8;
        }
    } else {
        // The mode of 4x4 blocks that does the same.
        let mode = [0, 2, 3, 1][block.luma];
        for i in 0..4 {
            job.bytes[above + i] = mode;
            frame.left[i] = mode;
        }
    }
    block.chroma = reader.leaf(job, &CHROMA_TREE, &CHROMA);
}

/// The contexts behind a macroblock without coefficients; what is said of the second order stays when it has
/// none.
fn forget(job: &mut Job, frame: &mut Frame, small: bool, above: usize) {
    for i in 4..if small { 12 } else { 13 } {
        job.bytes[above + i] = 0;
        frame.left[i] = 0;
    }
}

/// The coefficients of a macroblock (section 13).
fn coefficients(job: &mut Job, frame: &mut Frame, block: &mut Macroblock, part: usize, above: usize) {
    block.blocks = [0; 400];
    let factors = frame.factors[block.segment];
    let reader = &mut frame.parts[part];
    let mut first = 0;
    let mut kind = 3;
    if block.luma != 4 {
        let probabilities = &frame.probabilities[OF_KIND..2 * OF_KIND];
        let context = (job.bytes[above + 12] + frame.left[12]) as usize;
        let of_block = &mut block.blocks[384..];
        let last = reader.block(job, probabilities, 0, context, factors[1], of_block);
        job.bytes[above + 12] = (last > 0) as u8;
        frame.left[12] = (last > 0) as u8;
        spread(&mut block.blocks);
        first = 1;
        kind = 0;
    }
    for i in 0..24 {
        // Luma is four blocks wide, each chroma two.
        let (mut across, mut down) = (4 + i % 4, 4 + i / 4);
        if i >= 16 {
            first = 0;
            kind = 2;
            across = 8 + (i - 16) / 4 * 2 + i % 2;
            down = 8 + (i - 16) / 4 * 2 + i / 2 % 2;
        }
        let probabilities = &frame.probabilities[OF_KIND * kind..OF_KIND * (kind + 1)];
        let context = (job.bytes[above + across] + frame.left[down]) as usize;
        let factors = factors[if i < 16 { 0 } else { 2 }];
        let of_block = &mut block.blocks[16 * i..16 * i + 16];
        let last = reader.block(job, probabilities, first, context, factors, of_block);
        job.bytes[above + across] = (last > first) as u8;
        frame.left[down] = (last > first) as u8;
        if last > 1 || of_block[0] != 0 {
            block.coded |= 1 << i;
        }
    }
}

/// The luma of a macroblock.
fn luma(job: &mut Job, frame: &Frame, block: &Macroblock, y: usize, x: usize) {
    let stride = frame.planes[0].stride;
    let at = frame.planes[0].at + 16 * (y * stride + x);
    let bytes = &mut *job.bytes;
    if block.luma != 4 {
        predict(bytes, at, stride, 16, block.luma, y > 0, x > 0);
    }
    // The pixels to the right of those above, also for the lower blocks. At the right edge the last one
    // again.
    let mut corner = [127; 4];
    if y > 0 && x + 1 < frame.columns {
        corner.copy_from_slice(&bytes[at - stride + 16..at - stride + 20]);
    } else if y > 0 {
        corner = [bytes[at - stride + 15]; 4];
    }
    for i in 0..16 {
        let to = at + i / 4 * 4 * stride + i % 4 * 4;
        if block.luma == 4 {
            let mut right = corner;
            if i % 4 < 3 {
                right.copy_from_slice(&bytes[to - stride + 4..to - stride + 8]);
            }
            predict_small(bytes, to, stride, block.small[i], right);
        }
        if block.coded >> i & 1 == 1 {
            add(bytes, to, stride, &block.blocks[16 * i..16 * i + 16]);
        }
    }
}

/// The chroma of a macroblock.
fn chroma(job: &mut Job, frame: &Frame, block: &Macroblock, y: usize, x: usize) {
    for p in 0..2 {
        let stride = frame.planes[1 + p].stride;
        let at = frame.planes[1 + p].at + 8 * (y * stride + x);
        predict(job.bytes, at, stride, 8, block.chroma, y > 0, x > 0);
        for i in 0..4 {
            let n = 16 + 4 * p + i;
            if block.coded >> n & 1 == 1 {
                let to = at + i / 2 * 4 * stride + i % 2 * 4;
                add(job.bytes, to, stride, &block.blocks[16 * n..16 * n + 16]);
            }
        }
    }
}

/// A row of macroblocks, all but the filter.
fn row(job: &mut Job, frame: &mut Frame, block: &mut Macroblock, y: usize) -> Option<()> {
    let part = y % frame.part_count;
    frame.left = [0; CONTEXT];
    for x in 0..frame.columns {
        let above = frame.above + CONTEXT * x;
        modes(job, frame, block, above);
        let small = block.luma == 4;
        block.coded = 0;
        if block.skip {
            forget(job, frame, small, above);
        } else {
            coefficients(job, frame, block, part, above);
        }
        if frame.modes.over || frame.parts[part].over {
            return None;
        }
        luma(job, frame, block, y, x);
        chroma(job, frame, block, y, x);
        let kind = block.segment + if small { 4 } else { 0 } + if small || block.coded > 0 { 8 } else { 0 };
        job.bytes[frame.kinds + y * frame.columns + x] = kind as u8;
    }
    Some(())
}

/// The loop filter, macroblock by macroblock (sections 9.3, 9.6 and 15).
fn filter_all(job: &mut Job, frame: &Frame) {
    for y in 0..frame.rows {
        for x in 0..frame.columns {
            let kind = job.bytes[frame.kinds + y * frame.columns + x] as usize;
            let mut level = frame.level;
            if frame.segments {
                level = frame.segment_levels[kind % 4] + if frame.segment_absolute { 0 } else { level };
            }
            level += frame.level_intra + if kind & 4 > 0 { frame.level_small } else { 0 };
            let strength = Strength::new(level.clamp(0, 63), frame.sharpness);
            filter(job.bytes, &frame.planes, y, x, strength, kind & 8 > 0, frame.simple);
        }
    }
}

/// Decodes a frame in the file's bytes from `at` to `end`.
pub(super) fn decode(job: &mut Job, at: usize, end: usize) -> Option<()> {
    // A key frame, of a version that is defined, and to be shown (section 9.1).
    let tag = job.byte(at) | job.little16(at + 1) << 8;
    let modes_end = at + 10 + (tag >> 5) as usize;
    if tag & 1 != 0 || tag >> 1 & 7 > 3 || tag >> 4 & 1 == 0 || !job.begins(at + 3, b"\x9d\x01\x2a") {
        return None;
    }
    let (width, height) = (job.little16(at + 6) & 0x3fff, job.little16(at + 8) & 0x3fff);
    if height as usize != job.height || width as usize != job.width || height == 0 || width == 0 {
        return None;
    }
    if modes_end > end {
        return None;
    }
    let mut frame = new(job, Reader::new(at + 10, modes_end));
    header(job, &mut frame, modes_end, end)?;
    let mut block = Macroblock {
        segment: 0,
        skip: false,
        luma: 0,
        small: [0; 16],
        chroma: 0,
        blocks: [0; 400],
        coded: 0,
    };
    for y in 0..frame.rows {
        row(job, &mut frame, &mut block, y)?;
    }
    if frame.level > 0 {
        filter_all(job, &frame);
    }
    vp8_colour::show(job, &frame.planes);
    Some(())
}
