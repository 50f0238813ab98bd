//! The inner loops of depthwise convolutions on machines with one 32-bit multiplier and nothing wider.

use super::super::{ArrayId, BufferId, Index};

/// Sums over a window of one channel, for two places at once: `sums[2 (r columns + c) + lane]` becomes the sum over (y, x) of the window
/// of weight (y, x) times a lane of `words[(r row_step + y) pitch + c column_step + x]`, for each row r and column c.
///
/// # Contract
///
/// - `words` is an array of `i32` as [`super::PairSums`] has it: two numbers of 8 bits in each, a and b of `a + 65536 b`.
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
