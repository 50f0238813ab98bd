//! Rewriting graphs. Every pass takes a graph and gives one that computes the same.

mod batch;
mod fold_channels;
mod freeze;
mod quantization;
mod simplify;

pub use batch::for_batch;
pub use fold_channels::fold_channels;
pub use freeze::freeze;
pub use quantization::unfold_quantization;
pub use simplify::{simplify, simplify_stored};
