//! Convolution and pooling of batches.
//!
//! Values of a chain of convolutions lie with the batch innermost, `[C, H, W, N]` in memory: then every operation here is vector
//! code over samples, without edge cases along an image and without copying windows together.

mod conv;
mod pool;
mod taps;
mod weight;

pub(crate) use conv::{Conv, row_kernel};
pub(crate) use pool::{Pool, PoolWork, plane_kernel};
pub(crate) use taps::{Images, Taps};
pub(crate) use weight::{LANES as WEIGHT_LANES, WeightGrad, weight_kernel};

/// Smallest batch these are made for: one vector of 8.
pub(crate) const SMALLEST_BATCH: usize = 8;
