//! Programs of random graphs over all operations give the bits of the reference evaluator, in the arena that was planned for them.

mod common;

use common::random_graph;
use proptest::prelude::*;
use teff_compile::{Floats, Options, Target, compile, program};
use teff_graph::{Value, evaluate};

/// Equal bits, but for the sign of zero and the payload of NaN.
fn same(a: &Value, b: &Value) -> bool {
    let equal = |k: usize| a.get(k) == b.get(k) || a.get(k).as_f64().is_nan() && b.get(k).as_f64().is_nan();
    a.ty() == b.ty() && (0..a.len()).all(equal)
}

fn check(seed: u64, n: usize, target: Target) {
    let random = random_graph(seed, n);
    let text = || format!("seed {seed}, {n} operations\n{}", teff_graph::print_brief(&random.graph));
    // Sums of small integers are the same bits in any order, but not as mantissas.
    let options = Options { target, floats: Floats::Exact, ..Options::default() };
    let compiled = compile(&random.graph, &options).unwrap_or_else(|e| panic!("{e}\n{}", text()));
    let expected = evaluate(&random.graph, &random.inputs).unwrap();
    let found = program::evaluate(&compiled, &random.inputs).unwrap_or_else(|e| panic!("{e}\n{}", text()));
    for (i, (e, f)) in expected.iter().zip(&found).enumerate() {
        assert!(same(e, f), "output {i}: {f:?} instead of {e:?}\n{}", text());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn same_as_the_evaluator(seed in any::<u64>(), n in 1usize..30) {
        check(seed, n, Target::GENERIC);
    }

    #[test]
    fn same_without_tiles(seed in any::<u64>(), n in 1usize..20) {
        check(seed, n, Target::CORTEX_M0PLUS);
    }
}

/// What is known of an index may mention itself through quotients: looking into them ended in no stack being left.
#[test]
fn conditions_that_mention_each_other() {
    check(7826056667438384739, 26, Target::GENERIC);
}
