//! The arithmetic decoder of JPEG 2000 (ITU T.800, annex C), and the bits that are there without it (D.6).

use super::job::Job;

/// Table C.2: the probability of a state, and the states that follow. After state 0, 6 or 14 the likelier
/// symbol changes.
const PROBABILITY: [u16; 47] = [
    0x5601, 0x3401, 0x1801, 0x0ac1, 0x0521, 0x0221, 0x5601, 0x5401, 0x4801, 0x3801, 0x3001, 0x2401, 0x1c01,
    0x1601, 0x5601, 0x5401, 0x5101, 0x4801, 0x3801, 0x3401, 0x3001, 0x2801, 0x2401, 0x2201, 0x1c01, 0x1801,
    0x1601, 0x1401, 0x1201, 0x1101, 0x0ac1, 0x09c1, 0x08a1, 0x0521, 0x0441, 0x02a1, 0x0221, 0x0141, 0x0111,
    0x0085, 0x0049, 0x0025, 0x0015, 0x0009, 0x0005, 0x0001, 0x5601,
];
const AFTER_LIKELY: [u8; 47] = [
    1, 2, 3, 4, 5, 38, 7, 8, 9, 10, 11, 12, 13, 29, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28,
    29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 45, 46,
];
const AFTER_UNLIKELY: [u8; 47] = [
    1, 6, 9, 12, 29, 33, 6, 14, 14, 14, 17, 18, 20, 21, 14, 14, 15, 16, 17, 18, 19, 19, 20, 21, 22, 23, 24,
    25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 46,
];

pub(super) struct Mq {
    /// Where the pieces of data lie, and the piece that is read.
    pub(super) pieces: usize,
    pub(super) piece: usize,
    /// What of it is left in the file.
    at: usize,
    left: usize,
    /// Passes of the codeword in later pieces.
    later: usize,
    last: u32,
    count: u32,
    interval: u32,
    code: u32,
    /// States, doubled, and the likelier symbols.
    contexts: [u8; 19],
}

/// The contexts as they are at first (table D.7).
pub(super) fn reset(q: &mut Mq) {
    q.contexts = [0; 19];
    q.contexts[0] = 4 << 1;
    q.contexts[17] = 3 << 1;
    q.contexts[18] = 46 << 1;
}

/// Stands before the first piece, the one behind piece `last`.
pub(super) fn new(pieces: usize, last: usize) -> Mq {
    let mut q = Mq {
        pieces,
        piece: last,
        at: 0,
        left: 0,
        later: 0,
        last: 0,
        count: 0,
        interval: 0,
        code: 0,
        contexts: [0; 19],
    };
    reset(&mut q);
    q
}

fn next_piece(job: &Job, q: &mut Mq) {
    q.piece = job.words[q.pieces + 2 * (q.piece - 1) + 1] as usize & 0xffff;
    let piece = q.pieces + 2 * (q.piece - 1);
    q.at = job.words[piece] as usize & 0xff_ffff;
    q.later -= (job.words[piece] as u32 >> 24) as usize;
    q.left = (job.words[piece + 1] as u32 >> 16) as usize;
}

/// Takes a byte; behind the end and behind markers there are bytes 0xff that are not taken. Gives the bits
/// that it has.
fn next_byte(job: &Job, q: &mut Mq) -> u32 {
    while q.left == 0 && q.later > 0 {
        next_piece(job, q);
    }
    let byte = if q.left > 0 { job.byte(q.at) } else { 0xff };
    if q.last == 0xff && byte > 0x8f {
        return 0;
    }
    let bits = if q.last == 0xff { 7 } else { 8 };
    if q.left > 0 {
        q.at += 1;
        q.left -= 1;
    }
    q.last = byte;
    bits
}

/// BYTEIN.
fn byte_in(job: &Job, q: &mut Mq) {
    let bits = next_byte(job, q);
    if bits == 0 {
        q.code = q.code.wrapping_add(0xff00);
        q.count = 8;
    } else {
        q.code = q.code.wrapping_add(q.last << (16 - bits));
        q.count = bits;
    }
}

/// Begins the codeword of the next `passes`.
pub(super) fn start(job: &Job, q: &mut Mq, passes: usize, raw: bool) {
    while q.later > 0 {
        next_piece(job, q);
    }
    q.later = passes;
    q.left = 0;
    q.last = 0;
    q.count = 0;
    if !raw {
        // INITDEC.
        next_byte(job, q);
        q.code = q.last << 16;
        byte_in(job, q);
        q.code <<= 7;
        q.count -= 7;
        q.interval = 0x8000;
    }
}

/// A bit that is not coded.
pub(super) fn raw(job: &Job, q: &mut Mq) -> u32 {
    if q.count == 0 {
        let bits = next_byte(job, q);
        q.count = if bits == 0 { 8 } else { bits };
    }
    q.count -= 1;
    q.last >> q.count & 1
}

/// DECODE.
pub(super) fn decode(job: &Job, q: &mut Mq, context: usize) -> u32 {
    let state = (q.contexts[context] >> 1) as usize;
    let likely = q.contexts[context] & 1;
    let probability = PROBABILITY[state] as u32;
    q.interval -= probability;
    let lower = q.code >> 16 < probability;
    if !lower {
        q.code -= probability << 16;
        if q.interval & 0x8000 != 0 {
            return likely as u32;
        }
    }
    // The likelier symbol has the larger part, which may be the lower one (C.3.2).
    let expected = lower == (q.interval < probability);
    if lower {
        q.interval = probability;
    }
    if expected {
        q.contexts[context] = AFTER_LIKELY[state] << 1 | likely;
    } else {
        let switched = (state == 0 || state == 6 || state == 14) as u8;
        q.contexts[context] = AFTER_UNLIKELY[state] << 1 | (likely ^ switched);
    }
    // RENORMD.
    while q.interval & 0x8000 == 0 {
        if q.count == 0 {
            byte_in(job, q);
        }
        q.interval <<= 1;
        q.code <<= 1;
        q.count -= 1;
    }
    if expected { likely as u32 } else { 1 - likely as u32 }
}
