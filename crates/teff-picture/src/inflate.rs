//! The compressed bytes of a PNG: a zlib stream (RFC 1950) of deflated blocks (RFC 1951), which lies in IDAT
//! chunks one behind the other.
//!
//! All kinds of blocks are decoded. Bytes are given one at a time; the last ones are kept in the `window`
//! first bytes of the scratch memory, from which matches are copied. Refused: a preset dictionary, and
//! matches that reach further back than the window. The check value at the end (Adler-32) is not looked at.

use super::job::Job;

/// Bits of a code word that are looked up at once.
const FAST: u32 = 9;
/// Most symbols of a code.
const SYMBOLS: usize = 288;

/// RFC 1951, 3.2.5: the shortest match of each length symbol from 257 on, and how many bits more follow it.
const LENGTH: [u16; 29] = [
    3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195,
    227, 258,
];
const LENGTH_BITS: [u8; 29] =
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
/// RFC 1951, 3.2.5: the shortest distance of each distance symbol, and how many bits more follow it.
const DISTANCE: [u16; 30] = [
    1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073,
    4097, 6145, 8193, 12289, 16385, 24577,
];
const DISTANCE_BITS: [u8; 30] =
    [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13];
/// RFC 1951, 3.2.7: the order in which the lengths of the code of lengths come.
const ORDER: [u8; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// A Huffman code of words of given lengths (RFC 1951, 3.2.2): those of a length are consecutive.
struct Code {
    /// By the next bits: symbol and length as `symbol << 4 | length`, 0 where the word is longer.
    fast: [u16; 1 << FAST],
    /// By length: the first word, how many there are, and where the first one's symbol is in `symbols`.
    first: [u16; 16],
    count: [u16; 16],
    start: [u16; 16],
    symbols: [u16; SYMBOLS],
}

impl Code {
    const fn new() -> Code {
        Code { fast: [0; 1 << FAST], first: [0; 16], count: [0; 16], start: [0; 16], symbols: [0; SYMBOLS] }
    }

    /// Sets the code up. `None` when there are more words than bits for them; words may be missing.
    fn set(&mut self, lengths: &[u8]) -> Option<()> {
        self.fast.fill(0);
        self.count.fill(0);
        for length in lengths {
            self.count[*length as usize] += 1;
        }
        self.count[0] = 0;
        let mut next = [0u16; 16];
        let mut word = 0u32;
        for length in 1..16 {
            word <<= 1;
            self.first[length] = word as u16;
            self.start[length] = self.start[length - 1] + self.count[length - 1];
            next[length] = self.start[length];
            word += self.count[length] as u32;
            if word > 1 << length {
                return None;
            }
        }
        for (symbol, length) in lengths.iter().enumerate() {
            let length = *length as usize;
            if length > 0 {
                let word = self.first[length] + next[length] - self.start[length];
                self.symbols[next[length] as usize] = symbol as u16;
                next[length] += 1;
                self.set_fast(word as u32, length as u32, symbol as u16);
            }
        }
        Some(())
    }

    /// Words come with their highest bit first: they are looked up reversed, with anything behind them.
    fn set_fast(&mut self, word: u32, length: u32, symbol: u16) {
        let mut at = 0;
        for bit in 0..length {
            at |= (word >> bit & 1) << (length - 1 - bit);
        }
        while at < 1 << FAST && length <= FAST {
            self.fast[at as usize] = symbol << 4 | length as u16;
            at += 1 << length;
        }
    }
}

pub(super) struct Inflate {
    /// The next byte of the file, and how many bytes its chunk still has.
    at: usize,
    left: usize,
    /// Bits that are read but not used, the next one lowest, and how many.
    hold: u32,
    held: u32,
    /// This is the last block; it is one of code words; it is one of so many bytes more as they are.
    last: bool,
    coded: bool,
    stored: u32,
    /// Bytes of the match that are still to be copied, and from how far back.
    copy: u32,
    distance: usize,
    /// The window's size, where its next byte goes, and how many of its bytes are set.
    window: usize,
    put: usize,
    filled: usize,
    literals: Code,
    distances: Code,
}

impl Inflate {
    pub(super) const fn new(window: usize) -> Inflate {
        Inflate {
            at: 0,
            left: 0,
            hold: 0,
            held: 0,
            last: false,
            coded: false,
            stored: 0,
            copy: 0,
            distance: 0,
            window,
            put: 0,
            filled: 0,
            literals: Code::new(),
            distances: Code::new(),
        }
    }

    /// Begins with the IDAT chunk at `at`. RFC 1950, 2.2.
    pub(super) fn begin(&mut self, job: &Job, at: usize) -> Option<()> {
        self.left = job.big32(at) as usize;
        self.at = at.saturating_add(8);
        let head = self.bits(job, 8)? << 8 | self.bits(job, 8)?;
        if head % 31 != 0 || head >> 8 & 15 != 8 || head >> 12 > 7 || head & 32 != 0 {
            return None;
        }
        Some(())
    }

    /// The next byte.
    pub(super) fn next(&mut self, job: &mut Job) -> Option<u32> {
        loop {
            if self.copy > 0 {
                self.copy -= 1;
                let back = if self.put < self.distance { self.window } else { 0 };
                let byte = job.bytes[self.put + back - self.distance];
                return Some(self.keep(job, byte as u32));
            }
            if self.stored > 0 {
                self.stored -= 1;
                let byte = self.bits(job, 8)?;
                return Some(self.keep(job, byte));
            }
            if !self.coded {
                self.block(job)?;
                continue;
            }
            let symbol = self.symbol(job, false)?;
            if symbol < 256 {
                return Some(self.keep(job, symbol));
            }
            self.coded = symbol > 256;
            if self.coded {
                self.match_of(job, symbol as usize - 257)?;
            }
        }
    }

    fn keep(&mut self, job: &mut Job, byte: u32) -> u32 {
        job.bytes[self.put] = byte as u8;
        self.put += 1;
        if self.put == self.window {
            self.put = 0;
        }
        if self.filled < self.window {
            self.filled += 1;
        }
        byte
    }

    /// Length and distance of a match, whose length symbol is the `nth`.
    fn match_of(&mut self, job: &Job, nth: usize) -> Option<()> {
        if nth >= LENGTH.len() {
            return None;
        }
        self.copy = LENGTH[nth] as u32 + self.bits(job, LENGTH_BITS[nth] as u32)?;
        let far = self.symbol(job, true)? as usize;
        if far >= DISTANCE.len() {
            return None;
        }
        self.distance = DISTANCE[far] as usize + self.bits(job, DISTANCE_BITS[far] as u32)? as usize;
        if self.distance > self.filled {
            return None;
        }
        Some(())
    }

    /// RFC 1951, 3.2.3: the beginning of a block.
    fn block(&mut self, job: &Job) -> Option<()> {
        if self.last {
            return None;
        }
        self.last = self.bits(job, 1)? == 1;
        match self.bits(job, 2)? {
            0 => {
                let odd = self.held & 7;
                self.bits(job, odd)?;
                self.stored = self.bits(job, 16)?;
                if self.bits(job, 16)? != self.stored ^ 0xffff {
                    return None;
                }
            }
            1 => self.fixed()?,
            2 => self.dynamic(job)?,
            _ => return None,
        }
        Some(())
    }

    /// RFC 1951, 3.2.6.
    fn fixed(&mut self) -> Option<()> {
        let mut lengths = [8; SYMBOLS];
        lengths[144..256].fill(9);
        lengths[256..280].fill(7);
        self.literals.set(&lengths)?;
        lengths[..30].fill(5);
        self.distances.set(&lengths[..30])?;
        self.coded = true;
        Some(())
    }

    /// RFC 1951, 3.2.7.
    fn dynamic(&mut self, job: &Job) -> Option<()> {
        let literals = self.bits(job, 5)? as usize + 257;
        let distances = self.bits(job, 5)? as usize + 1;
        let count = self.bits(job, 4)? as usize + 4;
        if literals > 286 || distances > 30 {
            return None;
        }
        let mut lengths = [0u8; 286 + 30];
        for place in ORDER.iter().take(count) {
            lengths[*place as usize] = self.bits(job, 3)? as u8;
        }
        self.distances.set(&lengths[..19])?;
        self.lengths(job, &mut lengths[..literals + distances])?;
        self.literals.set(&lengths[..literals])?;
        self.distances.set(&lengths[literals..literals + distances])?;
        self.coded = true;
        Some(())
    }

    /// The lengths of both codes, themselves in a code, which is that of distances for now.
    fn lengths(&mut self, job: &Job, lengths: &mut [u8]) -> Option<()> {
        let mut n = 0;
        let mut length = 0;
        while n < lengths.len() {
            let symbol = self.symbol(job, true)?;
            let mut times = 1;
            if symbol < 16 {
                length = symbol as u8;
            } else if symbol == 16 {
                times = self.bits(job, 2)? + 3;
                if n == 0 {
                    return None;
                }
            } else {
                times = if symbol == 17 { self.bits(job, 3)? + 3 } else { self.bits(job, 7)? + 11 };
                length = 0;
            }
            if times as usize > lengths.len() - n {
                return None;
            }
            for _ in 0..times {
                lengths[n] = length;
                n += 1;
            }
        }
        Some(())
    }

    /// The next symbol, of the code of distances or of that of literals and lengths.
    fn symbol(&mut self, job: &Job, far: bool) -> Option<u32> {
        self.fill(job);
        let code = if far { &self.distances } else { &self.literals };
        let fast = code.fast[(self.hold & ((1 << FAST) - 1)) as usize] as u32;
        let mut length = fast & 15;
        let mut symbol = fast >> 4;
        if length == 0 {
            let mut word = 0;
            let mut nth;
            loop {
                word = word << 1 | self.hold >> length & 1;
                length += 1;
                if length > 15 {
                    return None;
                }
                nth = word.wrapping_sub(code.first[length as usize] as u32);
                if nth < code.count[length as usize] as u32 {
                    break;
                }
            }
            symbol = code.symbols[(code.start[length as usize] as u32 + nth) as usize] as u32;
        }
        if length > self.held {
            return None;
        }
        self.hold >>= length;
        self.held -= length;
        Some(symbol)
    }

    /// The next bits, at most 16, the first one lowest.
    fn bits(&mut self, job: &Job, count: u32) -> Option<u32> {
        self.fill(job);
        if count > self.held {
            return None;
        }
        let bits = self.hold & ((1 << count) - 1);
        self.hold >>= count;
        self.held -= count;
        Some(bits)
    }

    /// Reads ahead: at least 25 bits are held, or all that are left; those behind are 0.
    fn fill(&mut self, job: &Job) {
        while self.held <= 24 {
            while self.left == 0 {
                // Behind a chunk are its check value, then length and kind of the next one.
                let next = self.at.saturating_add(4);
                if !job.begins(next.saturating_add(4), b"IDAT") {
                    return;
                }
                self.left = job.big32(next) as usize;
                self.at = next.saturating_add(8);
            }
            if self.at >= job.file.len() {
                return;
            }
            self.hold |= (job.file[self.at] as u32) << self.held;
            self.held += 8;
            self.at += 1;
            self.left -= 1;
        }
    }
}
