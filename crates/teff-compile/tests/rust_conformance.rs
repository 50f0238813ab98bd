//! A sample of the ONNX backend test suite through Rust: 300 tests, every operator that passes at all among them. Each model is read,
//! compiled to Rust, the Rust compiled without a warning and with checks for overflow, run, and compared with what the suite expects:
//! floats within 1e-3 of the number plus 1e-5, integers and bools equal. `TEFF_SAMPLE=2000` takes all that pass.

mod common;
#[path = "../../teff-onnx/tests/suite/mod.rs"]
mod suite;

use common::rust::{Net, UNOPTIMISED, outputs};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use suite::{Archive, DataSet, compare, load};
use teff_compile::{Floats, Options, Program, Target, compile};

/// Tests in the sample, unless the environment says otherwise.
const SAMPLE: usize = 300;

/// Networks in one library.
const BATCH: usize = 25;

/// A test of the sample.
struct Chosen {
    test: String,
    sets: Vec<DataSet>,
}

/// A number that puts tests into an order that has nothing to do with their names (FNV-1a).
fn shuffled(test: &str) -> u64 {
    test.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

/// Tests that the plain evaluator passes: of each operator the first, then whatever comes. Also the operators that have none.
fn sample(archive: &Archive, size: usize) -> (Vec<Chosen>, BTreeSet<String>) {
    let mut tests = archive.tests();
    tests.sort_by_key(|t| shuffled(t));
    let operators = |test: &String| {
        let model = archive.get(&format!("{test}/model.onnx")).expect("tests have models");
        teff_onnx::operators(model).unwrap_or_default()
    };
    let of: BTreeMap<&String, Vec<String>> = tests.iter().map(|t| (t, operators(t))).collect();
    let mut missing: BTreeSet<String> = of.values().flatten().cloned().collect();
    let mut chosen: Vec<Chosen> = Vec::new();
    let mut tried = BTreeSet::new();
    for fill in [false, true] {
        for test in &tests {
            let wanted = fill || of[test].iter().any(|o| missing.contains(o));
            if chosen.len() >= size || !wanted || !tried.insert(test) {
                continue;
            }
            if let Ok(sets) = load(archive, test) {
                of[test].iter().for_each(|o| {
                    missing.remove(o);
                });
                chosen.push(Chosen { test: test.clone(), sets });
            }
        }
    }
    (chosen, missing)
}

/// What keeps the tests of a batch from passing.
fn failures(batch: &[Chosen], first: usize) -> Vec<String> {
    let mut failures = Vec::new();
    let mut programs: Vec<(&str, &DataSet, Program)> = Vec::new();
    for (k, Chosen { test, sets }) in batch.iter().enumerate() {
        for (n, set) in sets.iter().enumerate() {
            let target = if k.is_multiple_of(3) { Target::CORTEX_M0PLUS } else { Target::GENERIC };
            let name = format!("net{}_{n}", first + k);
            let options = Options { name, target, floats: Floats::Exact, ..Options::default() };
            match compile(&set.graph, &options) {
                Ok(program) => programs.push((test, set, program)),
                Err(e) => failures.push(format!("{test}: {e}")),
            }
        }
    }
    let nets: Vec<Net> =
        programs.iter().map(|(_, set, program)| Net { program, inputs: &set.inputs }).collect();
    for ((test, set, _), result) in programs.iter().zip(outputs(&nets, UNOPTIMISED)) {
        if let Err(reason) = result.and_then(|got| compare(&got, &set.expected)) {
            failures.push(format!("{test}: {reason}"));
        }
    }
    failures
}

#[test]
fn a_sample_of_the_backend_suite_passes_through_rust() {
    let archive = Archive::suite();
    let wanted = std::env::var("TEFF_SAMPLE").ok().and_then(|n| n.parse().ok());
    let (chosen, missing) = sample(&archive, wanted.unwrap_or(SAMPLE));
    println!("{} tests; operators of which no test passes: {missing:?}", chosen.len());
    assert!(chosen.len() == SAMPLE || wanted.is_some(), "the suite has more tests that pass");
    let next = AtomicUsize::new(0);
    let work = || {
        let mut failed = Vec::new();
        loop {
            let first = next.fetch_add(BATCH, Ordering::Relaxed);
            match chosen.get(first..(first + BATCH).min(chosen.len())).filter(|b| !b.is_empty()) {
                Some(batch) => failed.extend(failures(batch, first)),
                None => return failed,
            }
        }
    };
    let failed: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|w| w.join().expect("no batch panics")).collect()
    });
    assert!(failed.is_empty(), "{} of {} tests fail:\n{}", failed.len(), chosen.len(), failed.join("\n"));
}
