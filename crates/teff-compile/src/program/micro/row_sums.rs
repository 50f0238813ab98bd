//! The inner loops of dense layers on machines with one 32-bit multiplier and nothing wider.

use super::super::{ArrayId, BufferId, Index};

/// Sums of products of a row of 8-bit inputs: `sums[j]` becomes the sum over k of weight (k, j) times what input k is more than the least
/// of its type, for each of `outputs` columns of weights. Inputs that are the least, as zeros behind a rectifier are, take no products.
///
/// # Contract
///
/// - Inputs are `len` elements of type `i8` or `u8`, from `first` on.
/// - Weight (k, j) is element `at + k pitch + j` of a constant of type `i8` in memory aligned to four; `at`, `pitch` and `outputs` are
///   multiples of four.
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
    /// Where the first of them is.
    pub at: Index,
    /// Weights from one input to the next.
    pub pitch: usize,
    /// Columns of weights.
    pub outputs: usize,
    /// An array of `i32`.
    pub sums: ArrayId,
}
