//! The inner loops of convolutions on machines with one 32-bit multiplier and nothing wider.

use super::super::{ArrayId, BufferId, Index};

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
