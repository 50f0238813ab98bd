//! The Rust of random graphs over all operations, compiled without a warning and run, gives the bits of the reference evaluator.

mod common;

use common::random_cases as cases;
use common::rust::{CHECKED, check, lint};

#[test]
fn checked() {
    check(&cases(0, 60, 25), CHECKED);
}

#[test]
fn optimised() {
    check(&cases(1000, 20, 25), &["-C", "opt-level=3"]);
}

#[test]
fn clippy_is_silent() {
    let cases = cases(2000, 30, 25);
    lint(&cases.iter().map(|c| &c.program).collect::<Vec<_>>());
}
