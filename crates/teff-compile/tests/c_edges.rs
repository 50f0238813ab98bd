//! Every function of one or two elements and every cast, at the edges of every element type: the C gives the evaluator's bits.

mod common;

use common::c::{check, has};
use common::edges::cases;

#[test]
fn gcc() {
    if has("gcc") {
        check(&cases(), "gcc", &["-O2"]);
    }
}

#[test]
fn gcc_with_sanitizers() {
    if has("gcc") {
        check(&cases(), "gcc", &["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]);
    }
}

#[test]
fn clang() {
    if has("clang") {
        check(&cases(), "clang", &["-O2"]);
    }
}

/// What is computed by integers where compilers say that there is no float unit.
#[test]
fn gcc_without_a_float_unit() {
    if has("gcc") {
        check(&cases(), "gcc", &["-O1", "-D__SOFTFP__", "-fsanitize=undefined", "-fno-sanitize-recover=all"]);
    }
}
