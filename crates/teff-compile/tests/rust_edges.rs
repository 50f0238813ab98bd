//! Every function of one or two elements and every cast, at the edges of every element type: the Rust gives the evaluator's bits,
//! and nothing overflows where the network wraps.

mod common;

use common::edges::cases;
use common::rust::{UNOPTIMISED, check, lint};

#[test]
fn checked() {
    check(&cases(), UNOPTIMISED);
}

#[test]
fn optimised() {
    check(&cases(), &["-C", "opt-level=1"]);
}

#[test]
fn clippy_is_silent() {
    lint(&cases().iter().map(|c| &c.program).collect::<Vec<_>>());
}
