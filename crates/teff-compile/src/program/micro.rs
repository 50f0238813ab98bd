//! Micro-kernels: inner loops that a machine does in a way no compiler finds, as statements that say what is computed, not how.
//!
//! Each is defined by its contract and the evaluator; printers write it portably, and in assembly where that is faster.

use super::{ArrayId, BufferId, Index};

/// A micro-kernel: reads constant weights and inputs, and fills a local array with sums.
#[derive(Clone, Debug, PartialEq)]
pub enum Micro {
    /// Rows of weights by two places at once.
    Pairs(PairSums),
    /// A window of one channel by two places at once.
    Window(WindowSums),
    /// Columns of weights by one place.
    Rows(RowSums),
}

impl Micro {
    /// The buffers it reads.
    pub fn reads(&self) -> Vec<BufferId> {
        match self {
            Micro::Pairs(p) => vec![p.weights],
            Micro::Window(w) => vec![w.weights],
            Micro::Rows(r) => [r.inputs, r.weights].into_iter().chain(r.runs).collect(),
        }
    }

    /// Where the first of its weights is.
    pub fn at(&self) -> &Index {
        match self {
            Micro::Pairs(p) => &p.at,
            Micro::Window(w) => &w.at,
            Micro::Rows(r) => &r.at,
        }
    }

    pub(crate) fn at_mut(&mut self) -> &mut Index {
        match self {
            Micro::Pairs(p) => &mut p.at,
            Micro::Window(w) => &mut w.at,
            Micro::Rows(r) => &mut r.at,
        }
    }

    pub(crate) fn reads_mut(&mut self) -> Vec<&mut BufferId> {
        match self {
            Micro::Pairs(p) => vec![&mut p.weights],
            Micro::Window(w) => vec![&mut w.weights],
            Micro::Rows(r) => [&mut r.inputs, &mut r.weights].into_iter().chain(&mut r.runs).collect(),
        }
    }

    pub(crate) fn arrays_mut(&mut self) -> Vec<&mut ArrayId> {
        match self {
            Micro::Pairs(p) => vec![&mut p.inputs, &mut p.sums],
            Micro::Window(w) => vec![&mut w.words, &mut w.sums],
            Micro::Rows(r) => vec![&mut r.sums],
        }
    }
}

/// Numbers of `bits`, one after another, several to a byte, the first in its lowest bits.
pub(crate) fn pack_bits(numbers: &[i8], bits: u8) -> Vec<u8> {
    let per_byte = 8 / usize::from(bits);
    let mask = u8::MAX >> (8 - bits);
    let byte = |chunk: &[i8]| {
        let place = |(i, n): (usize, &i8)| (*n as u8 & mask) << (i as u8 * bits);
        chunk.iter().enumerate().map(place).fold(0, |all, bits| all | bits)
    };
    numbers.chunks(per_byte).map(byte).collect()
}

/// The fewest bits, of 8, 4 and 2, that hold all the numbers.
pub(crate) fn bits_of(numbers: &[i8]) -> u8 {
    let fit =
        |bits: u8| numbers.iter().all(|n| (-1i16 << (bits - 1)..1 << (bits - 1)).contains(&i16::from(*n)));
    [2, 4].into_iter().find(|bits| fit(*bits)).unwrap_or(8)
}

/// Sums of products for two places at once: `sums[to + 2 o + lane]` becomes the sum over k of weight (o, k) times a lane of input k,
/// for each of `outputs` rows of weights.
///
/// # Contract
///
/// - `inputs` is an array of `i32`; element k is `a + 65536 b`, wrapped, where the lanes a and b lie in -128..=127.
/// - Weights have 8, 4 or 2 bits. They are constants of type `i8`, or several to a byte of type `u8`, the first in its lowest bits, in the
///   order that [`PairSums::position`] says, from `at` on, which is a multiple of four in memory aligned to four.
/// - `taps`, the number of inputs, is even; with fewer than 8 bits, the weights of two rows fill whole words, and rows are even.
/// - Weights lie between -127 and 127. One multiplication then gives the products of both lanes, and those of two inputs may be added
///   up before they are taken apart: each lane stays within 16 bits.
#[derive(Clone, Debug, PartialEq)]
pub struct PairSums {
    /// The inputs.
    pub inputs: ArrayId,
    /// How many.
    pub taps: usize,
    /// The weights.
    pub weights: BufferId,
    /// Their width.
    pub bits: u8,
    /// The element of the buffer where they begin.
    pub at: Index,
    /// Rows of weights.
    pub outputs: usize,
    /// An array of `i32`.
    pub sums: ArrayId,
    /// Where the first sum goes.
    pub to: usize,
}

impl PairSums {
    /// Where weight `k` of row `output` is. Rows go two by two, four weights to a word: two of the one, two of the other; the last of
    /// an odd number goes alone.
    pub fn position(outputs: usize, taps: usize, output: usize, k: usize) -> usize {
        let block = output / 2 * 2 * taps;
        if output + 1 == outputs && outputs % 2 == 1 {
            return block + k;
        }
        block + k / 2 * 4 + output % 2 * 2 + k % 2
    }

    /// What `taps` is a multiple of.
    pub fn tap_step(bits: u8) -> usize {
        if bits == 8 { 2 } else { 16 / usize::from(bits) }
    }

    /// How many weights there are, those that fill up words included.
    pub fn weight_len(outputs: usize, taps: usize) -> usize {
        outputs / 2 * 2 * taps + outputs % 2 * taps.next_multiple_of(4)
    }
}

/// Sums over a window of one channel, for two places at once: `sums[2 (r columns + c) + lane]` becomes the sum over (y, x) of the window
/// of weight (y, x) times a lane of `words[(r row_step + y) pitch + c column_step + x]`, for each row r and column c.
///
/// # Contract
///
/// - `words` is an array of `i32` as [`PairSums`] has it: two numbers of 8 bits in each, a and b of `a + 65536 b`.
/// - Weights are constants of type `i8` between -127 and 127, the window's rows one after another, from `at` on.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowSums {
    /// The inputs.
    pub words: ArrayId,
    /// Words from one row of them to the next.
    pub pitch: usize,
    /// Height and width of the window.
    pub window: [usize; 2],
    /// The weights.
    pub weights: BufferId,
    /// Where the first of them is.
    pub at: Index,
    /// Rows of results, and rows of inputs from one to the next.
    pub rows: usize,
    /// See `rows`.
    pub row_step: usize,
    /// Words of results in a row, and words of inputs from one to the next.
    pub columns: usize,
    /// See `columns`.
    pub column_step: usize,
    /// An array of `i32`, twice `rows * columns` long at least.
    pub sums: ArrayId,
}

impl WindowSums {
    /// Words that are read.
    pub fn words_len(&self) -> usize {
        let [height, width] = self.window;
        ((self.rows - 1) * self.row_step + height - 1) * self.pitch
            + (self.columns - 1) * self.column_step
            + width
    }

    /// Multiply-accumulates.
    pub fn macs(&self) -> usize {
        2 * self.rows * self.columns * self.window[0] * self.window[1]
    }
}

/// Sums of products of a row of 8-bit inputs: `sums[j]` becomes the sum over k of weight (k, j) times what input k is more than the least
/// of its type, for each of `outputs` columns of weights. Inputs that are the least, as zeros behind a rectifier are, take no products.
///
/// # Contract
///
/// - Inputs are `len` elements of type `i8` or `u8`, from `first` on.
/// - Weights have 8, 4 or 2 bits. They are constants of type `i8`, or several to a byte of type `u8`, the first in its lowest bits, in
///   memory aligned to four; weight (k, j) is the one numbered k pitch + j from element `at` of the buffer on.
/// - With `runs`, only some of the inputs are meant, and weight (k, j) belongs to the k-th of those. Runs are a constant of type `u16`: how
///   many inputs are passed over, how many are meant, how many passed over, and so on. The sums are then added to those in the array
///   where `adds` says so, and a layer may have its weights in two tables.
/// - `pitch` and `outputs` are multiples of four, with fewer than 8 bits of eight, and what they stand for fills whole words or, of 2
///   bits, halves.
#[derive(Clone, Debug, PartialEq)]
pub struct RowSums {
    /// The inputs.
    pub inputs: BufferId,
    /// Where the first of them is.
    pub first: usize,
    /// How many.
    pub len: usize,
    /// Which of them are meant, when not all.
    pub runs: Option<BufferId>,
    /// How many are meant: `len` without runs.
    pub rows: usize,
    /// Whether the sums are added to those that are there.
    pub adds: bool,
    /// The weights.
    pub weights: BufferId,
    /// Their width.
    pub bits: u8,
    /// The element of the buffer where they begin.
    pub at: Index,
    /// Weights from one input to the next.
    pub pitch: usize,
    /// Columns of weights.
    pub outputs: usize,
    /// An array of `i32`.
    pub sums: ArrayId,
}

impl RowSums {
    /// Positions of the inputs that runs of these lengths mean, counted from the first input.
    pub fn positions(runs: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let (mut all, mut at) = (Vec::new(), 0);
        for (i, length) in runs.into_iter().enumerate() {
            if i % 2 == 1 {
                all.extend(at..at + length);
            }
            at += length;
        }
        all
    }

    /// Bytes of the weights of one input.
    pub fn row_bytes(&self) -> usize {
        self.pitch * usize::from(self.bits) / 8
    }
}
