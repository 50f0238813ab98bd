//! Structured pruning.

mod units;
