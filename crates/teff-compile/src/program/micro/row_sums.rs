//! The inner loops of dense layers on machines with one 32-bit multiplier and nothing wider.

use super::super::{ArrayId, BufferId, Index};

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
