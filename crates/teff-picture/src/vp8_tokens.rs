//! VP8's arithmetic decoder and the tokens of coefficients (RFC 6386, sections 7, 8 and 13).

use super::job::Job;

/// The probabilities of one kind of block.
pub(super) const OF_KIND: usize = 8 * 33;

/// Where the 11 probabilities of a position begin; the last is behind the block (section 13.3).
static BANDS: [usize; 17] = [0, 33, 66, 99, 198, 132, 165, 198, 198, 198, 198, 198, 198, 198, 198, 231, 0];

/// Where a coefficient is in its block (section 13).
static ZIGZAG: [usize; 16] = [0, 1, 4, 8, 5, 2, 3, 6, 9, 12, 13, 10, 7, 11, 14, 15];

/// The probabilities of the bits that follow the tokens of large values, each list up to a 0 (section 13.2).
static EXTRA: [[u8; 12]; 4] = [
    [173, 148, 140, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    [176, 155, 140, 135, 0, 0, 0, 0, 0, 0, 0, 0],
    [180, 157, 141, 134, 130, 0, 0, 0, 0, 0, 0, 0],
    [254, 254, 243, 230, 196, 177, 153, 140, 133, 130, 129, 0],
];

/// The arithmetic decoder (section 7): a part of the file, as bits with probabilities.
#[derive(Clone, Copy)]
pub(super) struct Reader {
    at: usize,
    end: usize,
    value: u32,
    range: u32,
    /// Bits of `value` that `range` has not reached yet; one more byte is taken when it is negative.
    spare: i32,
    /// It has read behind the end.
    pub(super) over: bool,
}

impl Reader {
    pub(super) fn new(at: usize, end: usize) -> Reader {
        Reader { at, end, value: 0, range: 255, spare: -8, over: false }
    }

    /// A bit that is 0 with a probability of 1/256ths.
    pub(super) fn bit(&mut self, job: &Job, probability: u8) -> u32 {
        if self.spare < 0 {
            self.value <<= 8;
            if self.at < self.end {
                self.value |= job.byte(self.at);
                self.at += 1;
            } else {
                self.over = true;
            }
            self.spare += 8;
        }
        let split = 1 + (((self.range - 1) * probability as u32) >> 8);
        let mut bit = 0;
        if self.value >= split << self.spare {
            self.value -= split << self.spare;
            self.range -= split;
            bit = 1;
        } else {
            self.range = split;
        }
        while self.range < 128 {
            self.range *= 2;
            self.spare -= 1;
        }
        bit
    }

    /// A bit that is 0 as often as not.
    pub(super) fn flag(&mut self, job: &Job) -> bool {
        self.bit(job, 128) == 1
    }

    /// A number of so many bits, the highest first.
    pub(super) fn number(&mut self, job: &Job, bits: u32) -> i32 {
        let mut value = 0;
        for _ in 0..bits {
            value = 2 * value + self.bit(job, 128) as i32;
        }
        value
    }

    /// A number and its sign.
    pub(super) fn signed(&mut self, job: &Job, bits: u32) -> i32 {
        let value = self.number(job, bits);
        if self.flag(job) { -value } else { value }
    }

    /// A number with a sign when a flag says so, otherwise 0.
    pub(super) fn optional(&mut self, job: &Job, bits: u32) -> i32 {
        if self.flag(job) { self.signed(job, bits) } else { 0 }
    }

    /// A leaf of a tree (section 8.1).
    pub(super) fn leaf(&mut self, job: &Job, tree: &[i8], probabilities: &[u8]) -> usize {
        let mut node = 0;
        loop {
            let next = tree[node + self.bit(job, probabilities[node / 2]) as usize];
            if next <= 0 {
                return -next as usize;
            }
            node = next as usize;
        }
    }

    /// A value above 1, by the rest of its token's probabilities (section 13.2).
    fn large(&mut self, job: &Job, probabilities: &[u8]) -> i32 {
        if self.bit(job, probabilities[0]) == 0 {
            if self.bit(job, probabilities[1]) == 0 {
                return 2;
            }
            return 3 + self.bit(job, probabilities[2]) as i32;
        }
        if self.bit(job, probabilities[3]) == 0 {
            if self.bit(job, probabilities[4]) == 0 {
                return 5 + self.bit(job, 159) as i32;
            }
            let high = self.bit(job, 165) as i32;
            return 7 + 2 * high + self.bit(job, 145) as i32;
        }
        let high = self.bit(job, probabilities[5]) as usize;
        let kind = 2 * high + self.bit(job, probabilities[6 + high]) as usize;
        let mut extra = 0;
        let mut i = 0;
        while EXTRA[kind][i] > 0 {
            extra = 2 * extra + self.bit(job, EXTRA[kind][i]) as i32;
            i += 1;
        }
        3 + (8 << kind) + extra
    }

    /// The coefficients of a block from `first` on, times their `factors`, which are that of the first and
    /// that of the others; the block is 0 before. Gives the position behind the last token.
    pub(super) fn block(
        &mut self,
        job: &Job,
        probabilities: &[u8],
        first: usize,
        context: usize,
        factors: [i32; 2],
        block: &mut [i16],
    ) -> usize {
        let mut n = first;
        let mut at = BANDS[n] + 11 * context;
        while n < 16 {
            if self.bit(job, probabilities[at]) == 0 {
                return n;
            }
            while self.bit(job, probabilities[at + 1]) == 0 {
                n += 1;
                if n == 16 {
                    return 16;
                }
                at = BANDS[n];
            }
            let mut value = 1;
            if self.bit(job, probabilities[at + 2]) == 1 {
                value = self.large(job, &probabilities[at + 3..at + 11]);
            }
            // The context is 1 after a 1, and 2 after all that is larger.
            at = BANDS[n + 1] + if value == 1 { 11 } else { 22 };
            if self.flag(job) {
                value = -value;
            }
            block[ZIGZAG[n]] = (value * factors[if n == 0 { 0 } else { 1 }]) as i16;
            n += 1;
        }
        16
    }
}
