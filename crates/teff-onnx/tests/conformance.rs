//! The ONNX backend test suite, read, evaluated by the plain evaluator and compared; written, read back and compared again.
//!
//! `data/onnx-backend-tests.tar.gz` is the test data of onnx/onnx at 2bb5046 (1.22 series, Apache-2.0) without the `light` and `real`
//! folders, whose models it does not hold; files of equal content are hard links. `docs/conformance.md` says which tests do not
//! pass; `teff-compile`, whose test takes every graph on through C, writes it.

mod common;
mod suite;

use common::{Job, difference, onnxruntime};
use std::path::Path;
use suite::{Archive, DataSet, load};
use teff_graph::{Num, evaluate};
use teff_onnx::{ReadOptions, WriteOptions, read, write};

#[test]
fn the_tests_that_pass_are_those_that_the_book_says_pass() {
    let archive = Archive::suite();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/conformance.md");
    let book = std::fs::read_to_string(path).unwrap();
    let failing = book.split_once("## Not passed").expect("the book lists them").1;
    let only = std::env::var("TEFF_ONLY").unwrap_or_default();
    let mut wrong = Vec::new();
    for test in archive.tests().into_iter().filter(|t| t.contains(&only)) {
        let listed = failing.contains(&format!("`{test}`"));
        match load(&archive, &test) {
            Err(reason) if !listed => wrong.push(format!("{test} fails: {reason}")),
            Ok(_) if listed => wrong.push(format!("{test} passes and is listed as failing")),
            Ok(_) | Err(_) => {}
        }
    }
    assert!(wrong.is_empty(), "docs/conformance.md says otherwise of:\n{}", wrong.join("\n"));
}

/// What was read can be written, and what was written means the same: read back, and run by onnxruntime where it is installed.
#[test]
fn what_is_read_can_be_written() {
    let archive = Archive::suite();
    let mut failures = Vec::new();
    let mut jobs = Vec::new();
    let mut wanted = Vec::new();
    for test in archive.tests() {
        let Some(DataSet { graph, inputs, evaluated: outputs, .. }) =
            load(&archive, &test).ok().and_then(|sets| sets.into_iter().next())
        else {
            continue;
        };
        let model = match write(&graph, &WriteOptions::default()) {
            Ok(model) => model,
            Err(e) => {
                failures.push(format!("{test}: {e}"));
                continue;
            }
        };
        let again = read(&model, &ReadOptions::default()).and_then(|m| {
            evaluate(&m.graph, &inputs).map_err(|e| teff_onnx::Error::InvalidModel { reason: e.to_string() })
        });
        match again {
            Err(e) => failures.push(format!("{test}: read back: {e}")),
            Ok(got) => {
                let differ = got.iter().zip(&outputs).filter_map(|(g, w)| difference(g, w, 1e-4, 1e-5));
                failures.extend(differ.map(|d| format!("{test}: read back: {d}")));
            }
        }
        jobs.push(Job { name: test, model, inputs });
        wanted.push(outputs);
    }
    for ((job, result), want) in jobs.iter().zip(onnxruntime(&jobs).unwrap_or_default()).zip(&wanted) {
        match result {
            Err(e) => failures.push(format!("{}: onnxruntime: {}", job.name, e.lines().next().unwrap_or(""))),
            Ok(got) => {
                let differ = got.iter().zip(want).filter_map(|(g, w)| difference(g, w, 1e-3, 1e-5));
                failures.extend(differ.map(|d| format!("{}: onnxruntime: {d}", job.name)));
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {} models differ:\n{}",
        failures.len(),
        jobs.len(),
        failures.join("\n")
    );
}

/// A number is what the file says, whatever the platform.
#[test]
fn the_archive_is_whole() {
    let archive = Archive::suite();
    assert_eq!(archive.tests().len(), 1905);
    let inputs = suite::items(&archive, "node/test_abs/test_data_set_0", "input").unwrap();
    assert_eq!(inputs[0].name, "x");
    assert_eq!(inputs[0].elements[0].shape(), [3, 4, 5]);
    assert!(matches!(inputs[0].elements[0].get(0), Num::Float(_)));
}
