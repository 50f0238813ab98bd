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
