//! The header of VP8's key frames, and what is kept while one is decoded (RFC 6386, sections 9 and 19.2).

use super::job::Job;
use super::vp8_predict::{Plane, plane, plane_bytes};
use super::vp8_tables::{AC_FACTORS, COEFFICIENTS, DC_FACTORS, UPDATES};
use super::vp8_tokens::{OF_KIND, Reader};

/// What is kept of the macroblock above, and of that to the left: the modes of the four blocks next to this
/// one, then whether their tokens had any coefficient: four of luma, two of each chroma, one of the second
/// order.
pub(super) const CONTEXT: usize = 13;

/// What a frame's header says, and where the decoder is.
pub(super) struct Frame {
    /// The size in macroblocks.
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) planes: [Plane; 3],
    /// Where the contexts of the row above begin in the scratch memory.
    pub(super) above: usize,
    /// Where a byte per macroblock begins: the segment, 4 for 4x4 blocks, 8 when the edges of its blocks are
    /// filtered.
    pub(super) kinds: usize,
    /// Per segment (section 9.3).
    pub(super) segments: bool,
    pub(super) segment_map: bool,
    pub(super) segment_absolute: bool,
    pub(super) segment_quantisers: [i32; 4],
    pub(super) segment_levels: [i32; 4],
    pub(super) segment_probabilities: [u8; 3],
    /// The loop filter (section 9.6).
    pub(super) simple: bool,
    pub(super) level: i32,
    pub(super) sharpness: i32,
    /// What is added to its level in these frames, and for 4x4 blocks.
    pub(super) level_intra: i32,
    pub(super) level_small: i32,
    /// Factors of coefficients per segment: luma, second order, chroma; the first and the others.
    pub(super) factors: [[[i32; 2]; 3]; 4],
    pub(super) probabilities: [u8; 4 * OF_KIND],
    /// Macroblocks may say that they have no coefficients, with this probability of none doing so.
    pub(super) skips: bool,
    pub(super) skip_probability: u8,
    pub(super) modes: Reader,
    /// The parts with coefficients, taken in turn by the rows.
    pub(super) parts: [Reader; 8],
    pub(super) part_count: usize,
    pub(super) left: [u8; CONTEXT],
}

/// Bytes of scratch memory.
pub(super) const fn bytes(height: usize, width: usize) -> usize {
    let (rows, columns) = (height.div_ceil(16), width.div_ceil(16));
    let chroma = plane_bytes(8 * rows, 8 * columns);
    plane_bytes(16 * rows, 16 * columns) + 2 * chroma + CONTEXT * columns + rows * columns
}

/// A frame before its header is read, with its memory laid out.
pub(super) fn new(job: &mut Job, modes: Reader) -> Frame {
    let (rows, columns) = (job.height.div_ceil(16), job.width.div_ceil(16));
    let u = plane_bytes(16 * rows, 16 * columns);
    let v = u + plane_bytes(8 * rows, 8 * columns);
    let above = v + plane_bytes(8 * rows, 8 * columns);
    let planes = [
        plane(job.bytes, 0, 16 * rows, 16 * columns),
        plane(job.bytes, u, 8 * rows, 8 * columns),
        plane(job.bytes, v, 8 * rows, 8 * columns),
    ];
    for i in 0..CONTEXT * columns {
        job.bytes[above + i] = 0;
    }
    Frame {
        rows,
        columns,
        planes,
        above,
        kinds: above + CONTEXT * columns,
        segments: false,
        segment_map: false,
        segment_absolute: true,
        segment_quantisers: [0; 4],
        segment_levels: [0; 4],
        segment_probabilities: [255; 3],
        simple: false,
        level: 0,
        sharpness: 0,
        level_intra: 0,
        level_small: 0,
        factors: [[[0; 2]; 3]; 4],
        probabilities: COEFFICIENTS,
        skips: false,
        skip_probability: 0,
        modes,
        parts: [modes; 8],
        part_count: 1,
        left: [0; CONTEXT],
    }
}

/// Section 9.3.
fn segment_header(job: &Job, frame: &mut Frame) {
    frame.segments = frame.modes.flag(job);
    if !frame.segments {
        return;
    }
    frame.segment_map = frame.modes.flag(job);
    if frame.modes.flag(job) {
        frame.segment_absolute = frame.modes.flag(job);
        for i in 0..4 {
            frame.segment_quantisers[i] = frame.modes.optional(job, 7);
        }
        for i in 0..4 {
            frame.segment_levels[i] = frame.modes.optional(job, 6);
        }
    }
    if frame.segment_map {
        for i in 0..3 {
            if frame.modes.flag(job) {
                frame.segment_probabilities[i] = frame.modes.number(job, 8) as u8;
            }
        }
    }
}

/// Section 9.6.
fn filter_header(job: &Job, frame: &mut Frame) {
    frame.simple = frame.modes.flag(job);
    frame.level = frame.modes.number(job, 6);
    frame.sharpness = frame.modes.number(job, 3);
    if frame.modes.flag(job) && frame.modes.flag(job) {
        // By the frame that is referred to, of which a key frame has none but itself, then by the mode.
        for i in 0..8 {
            let change = frame.modes.optional(job, 6);
            if i == 0 {
                frame.level_intra = change;
            } else if i == 4 {
                frame.level_small = change;
            }
        }
    }
}

/// Where the parts with coefficients are: their sizes, but for the last, then they themselves (section 9.5).
fn parts(job: &Job, frame: &mut Frame, at: usize, end: usize) -> Option<()> {
    let mut from = at + 3 * (frame.part_count - 1);
    for i in 0..frame.part_count {
        if from > end {
            return None;
        }
        let mut size = end - from;
        if i + 1 < frame.part_count {
            let at = at + 3 * i;
            size = size.min((job.byte(at) | job.little16(at + 1) << 8) as usize);
        }
        frame.parts[i] = Reader::new(from, from + size);
        from += size;
    }
    Some(())
}

/// Sections 9.6 and 14.1.
fn quantisers(job: &Job, frame: &mut Frame) {
    let base = frame.modes.number(job, 7);
    let mut changes = [0; 5];
    for i in 0..5 {
        changes[i] = frame.modes.optional(job, 4);
    }
    for i in 0..4 {
        let mut index = base;
        if frame.segments {
            index = frame.segment_quantisers[i] + if frame.segment_absolute { 0 } else { base };
        }
        let at = |change: i32, most: i32| (index + change).clamp(0, most) as usize;
        let second = AC_FACTORS[at(changes[2], 127)] as i32 * 155 / 100;
        frame.factors[i] = [
            [DC_FACTORS[at(changes[0], 127)] as i32, AC_FACTORS[at(0, 127)] as i32],
            [DC_FACTORS[at(changes[1], 127)] as i32 * 2, second.max(8)],
            [DC_FACTORS[at(changes[3], 117)] as i32, AC_FACTORS[at(changes[4], 127)] as i32],
        ];
    }
}

/// Section 9.2 and what follows it. The parts with coefficients are in the file from `at` to `end`.
pub(super) fn header(job: &Job, frame: &mut Frame, at: usize, end: usize) -> Option<()> {
    // The colour space, and whether pixels may have to be clamped, which they always are.
    frame.modes.number(job, 2);
    segment_header(job, frame);
    filter_header(job, frame);
    frame.part_count = 1 << frame.modes.number(job, 2);
    parts(job, frame, at, end)?;
    quantisers(job, frame);
    // Whether the next frame takes over the probabilities.
    frame.modes.flag(job);
    for i in 0..4 * OF_KIND {
        if frame.modes.bit(job, UPDATES[i]) == 1 {
            frame.probabilities[i] = frame.modes.number(job, 8) as u8;
        }
    }
    frame.skips = frame.modes.flag(job);
    if frame.skips {
        frame.skip_probability = frame.modes.number(job, 8) as u8;
    }
    if frame.modes.over {
        return None;
    }
    Some(())
}
