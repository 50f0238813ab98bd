//! The C of random graphs over all operations, compiled without a warning and run, gives the bits of the reference evaluator.

mod common;

use common::c::{check, has};
use common::random_cases as cases;

#[test]
fn gcc() {
    if has("gcc") {
        check(&cases(0, 60, 25), "gcc", &["-O1"]);
    }
}

#[test]
fn gcc_optimised() {
    if has("gcc") {
        check(&cases(1000, 20, 25), "gcc", &["-O3"]);
    }
}

#[test]
fn gcc_with_sanitizers() {
    if has("gcc") {
        let flags = ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
        check(&cases(2000, 30, 25), "gcc", &flags);
    }
}

#[test]
fn clang() {
    if has("clang") {
        check(&cases(3000, 30, 25), "clang", &["-O2"]);
    }
}
