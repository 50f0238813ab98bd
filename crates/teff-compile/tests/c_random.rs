//! The C of random graphs over all operations, compiled without a warning and run, gives the bits of the reference evaluator.

mod common;

use common::c::{Case, check, has};
use common::random_graph;
use teff_compile::{Options, Target, compile};
use teff_graph::evaluate;

fn cases(first: u64, count: u64, operations: usize) -> Vec<Case> {
    let case = |seed: u64| {
        let random = random_graph(seed, 1 + seed as usize % operations);
        let target = if seed.is_multiple_of(3) { Target::CORTEX_M0PLUS } else { Target::GENERIC };
        let options = Options { name: format!("net{seed}"), target, ..Options::default() };
        Case {
            program: compile(&random.graph, &options).unwrap(),
            expected: evaluate(&random.graph, &random.inputs).unwrap(),
            inputs: random.inputs,
            tolerance: 0.0,
            about: teff_graph::print_brief(&random.graph),
        }
    };
    (first..first + count).map(case).collect()
}

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
