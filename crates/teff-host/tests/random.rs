//! Plans of random graphs of all operations give the bits the reference evaluator gives.

mod common;

use common::random::{Purpose, random_graph};
use proptest::prelude::*;
use teff_graph::{Value, evaluate};
use teff_host::{Options, Plan};

/// Runs the plan twice, the evaluator with its updates twice, and compares everything.
fn check(seed: u64, n: usize, threads: usize) {
    let random = random_graph(seed, n, Purpose::Run);
    let text = || format!("seed {seed}, {n} operations\n{}", teff_graph::print_brief(&random.graph));
    let mut plan = Plan::with_updates(&random.graph, &random.updates, &Options { threads }).unwrap();
    for (i, v) in random.inputs.iter().enumerate() {
        plan.set_input(i, v).unwrap();
    }
    for run in 0..2 {
        let expected = evaluate(&random.graph, &random.inputs).unwrap();
        plan.run().unwrap();
        let found: Vec<Value> = (0..expected.len()).map(|i| plan.output_value(i)).collect();
        for (i, (e, f)) in expected.iter().zip(&found).enumerate() {
            // 0 and -0 are equal.
            let same = e.ty() == f.ty()
                && (0..e.len()).all(|k| {
                    e.get(k) == f.get(k) || e.get(k).as_f64().is_nan() && f.get(k).as_f64().is_nan()
                });
            assert!(same, "run {run}, output {i}: {f:?} instead of {e:?}\n{}\n{}", text(), plan.describe());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn same_as_the_evaluator(seed in any::<u64>(), n in 1usize..40) {
        check(seed, n, 1);
    }

    #[test]
    fn same_with_two_threads(seed in any::<u64>(), n in 1usize..20) {
        check(seed, n, 2);
    }
}
