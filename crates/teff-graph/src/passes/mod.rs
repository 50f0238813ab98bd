//! Rewriting graphs. Every pass takes a graph and gives one that computes the same.

mod freeze;
mod simplify;

pub use freeze::freeze;
pub use simplify::simplify;
