//! Pointwise groups: many operations on elements in one pass.
//!
//! A [`Group`] is a small register program over chunks of its elements that stay in the first-level cache. Operands that lie in
//! memory as the group walks are read where they are, others (broadcast, transposed) are first copied into a register. A value
//! that others need is computed where it is to lie; a value that is summed is folded into its result chunk by chunk.

mod build;
mod fold;
mod joined;
mod kernels;
pub(crate) mod math;
mod run;

pub(crate) use build::{GroupBuilder, Val};
pub(crate) use run::Group;
