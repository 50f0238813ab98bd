//! Every operator gives what LiteRT gives: small models, several for most, with what the runtime gave for them.
//!
//! `data/operators.tar.gz` is written by `bench/models/tflite/operators.py`. Each case is evaluated in two runs in a row. How
//! many integers differ from the runtime's is kept in `data/differences.txt`, which `TEFF_BLESS=1` rewrites and docs/tflite.md
//! quotes.

mod common;

use common::{Case, cases, data};
use std::collections::BTreeSet;
use teff_graph::Value;
use teff_tflite::{operators, supported_operators};

/// How many of the elements differ, of how many, by how much at most, and the largest magnitude wanted.
fn compared(case: &Case, got: &[Vec<Value>]) -> (usize, usize, f64, f64) {
    let (mut differ, mut all, mut most, mut range) = (0, 0, 0f64, 0f64);
    for (g, w) in got.iter().flatten().zip(case.want.iter().flatten()) {
        assert_eq!(g.len(), w.len(), "{}: as many elements as the runtime gives", case.name);
        for (a, b) in g.to_f64().into_iter().zip(w) {
            all += 1;
            range = range.max(b.abs());
            if a != *b && !(a.is_nan() && b.is_nan()) {
                differ += 1;
                most = most.max((a - b).abs());
            }
        }
    }
    (differ, all, most, range)
}

#[test]
fn operators_agree_with_the_runtime() {
    let (mut wrong, mut differences) = (Vec::new(), String::new());
    for case in cases() {
        let got = common::run(&case.model, case.want.len());
        let outputs = case.model.graph.outputs().len() - case.model.states.len();
        assert!(
            case.want.iter().all(|w| w.len() == outputs),
            "{}: as many outputs as the runtime gives",
            case.name
        );
        let (differ, all, most, range) = compared(&case, &got);
        if got[0][0].dtype().is_float() {
            if most > 2e-6 * range.max(1.0) {
                wrong.push(format!("{}: differs by {most} in a range of {range}", case.name));
            }
        } else if differ > 0 {
            differences += &format!("{}: {differ} of {all} differ, by at most {most}\n", case.name);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    if std::env::var_os("TEFF_BLESS").is_some() {
        std::fs::write(data("differences.txt"), &differences).unwrap();
    }
    assert_eq!(std::fs::read_to_string(data("differences.txt")).unwrap_or_default(), differences);
}

#[test]
fn every_operator_has_a_case() {
    let mut used: BTreeSet<String> =
        cases().iter().flat_map(|case| operators(&case.bytes).unwrap()).collect();
    // What needs sub-graphs, which cases do not have, is run by the test of models.
    for model in ["loops_nested", "branches", "torch_composite", "torch_windows"] {
        used.extend(operators(&std::fs::read(data(&format!("models/{model}.tflite"))).unwrap()).unwrap());
    }
    let missing: Vec<&str> = supported_operators().into_iter().filter(|op| !used.contains(*op)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
