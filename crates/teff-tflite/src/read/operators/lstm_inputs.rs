//! The inputs of an LSTM.

use super::*;

/// Positions of the inputs. Where there are several they are for the gates input, forget, cell and output, in this order; the cell
/// gate has no peephole.
pub(super) const X: usize = 0;
pub(super) const FROM_INPUT: [usize; 4] = [1, 2, 3, 4];
pub(super) const FROM_HIDDEN: [usize; 4] = [5, 6, 7, 8];
pub(super) const PEEPHOLE: [usize; 3] = [9, 10, 11];
pub(super) const BIAS: [usize; 4] = [12, 13, 14, 15];
pub(super) const PROJECTION: usize = 16;
pub(super) const PROJECTION_BIAS: usize = 17;
pub(super) const HIDDEN: usize = 18;
pub(super) const CELL: usize = 19;
pub(super) const NORM: [usize; 4] = [20, 21, 22, 23];

/// `[T, N, ..]` from `[N, T, ..]`, or back, unless time comes first anyway.
pub(super) fn in_order(x: &Tensor, time_major: bool) -> Tensor {
    if time_major { x.clone() } else { x.swap_axes(0, 1) }
}
