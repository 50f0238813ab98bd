//! What the tests share: random graphs, networks, compilers and what they make of generated code.

#![allow(missing_docs, unreachable_pub, dead_code)]

pub mod batch;
pub mod c;
pub mod edges;
pub mod nets;
#[path = "../../../teff-graph/tests/random/mod.rs"]
mod random;
pub mod rust;

pub use random::{Random, Rng};
use teff_compile::{Floats, Options, Target, compile};
use teff_graph::evaluate;

/// A random graph of about `n` operations.
pub fn random_graph(seed: u64, n: usize) -> Random {
    random::random_graph(seed, n, random::Purpose::Compile)
}

/// Random graphs of up to `operations` operations, compiled, every third for a small machine.
pub fn random_cases(first: u64, count: u64, operations: usize) -> Vec<c::Case> {
    let case = |seed: u64| {
        let random = random_graph(seed, 1 + seed as usize % operations);
        let target = if seed.is_multiple_of(3) { Target::CORTEX_M0PLUS } else { Target::GENERIC };
        let options =
            Options { name: format!("net{seed}"), target, floats: Floats::Exact, ..Options::default() };
        c::Case {
            program: compile(&random.graph, &options).unwrap(),
            expected: evaluate(&random.graph, &random.inputs).unwrap(),
            inputs: random.inputs,
            tolerance: 0.0,
            about: teff_graph::print_brief(&random.graph),
        }
    };
    (first..first + count).map(case).collect()
}
