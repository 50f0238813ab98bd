//! The ONNX backend test suite, read, evaluated by the plain evaluator and compared.
//!
//! `data/onnx-backend-tests.tar.gz` is the test data of onnx/onnx at 2bb5046 (1.22 series, Apache-2.0) without the `light` and `real`
//! folders, whose models it does not hold; files of equal content are hard links. Floats agree within 1e-3 of the expected number
//! plus 1e-5, integers exactly. `data/conformance.txt` lists every test that does not pass, with its reason; the test fails when
//! that list is not right. `TEFF_BLESS=1` rewrites it.

#[path = "common/archive.rs"]
mod archive;
mod common;

use archive::Archive;
use common::{Job, difference, onnxruntime};
use std::collections::BTreeMap;
use std::path::Path;
use teff_graph::{Graph, Num, Value, evaluate};
use teff_onnx::{ReadOptions, WriteOptions, read, read_tensor, write};

/// Inputs or outputs of a data set, as they are numbered; a sequence gives its elements.
fn values(archive: &Archive, set: &str, what: &str) -> Result<Vec<(String, Value)>, String> {
    let one = |bytes| read_tensor(bytes).map_err(|e| format!("{what}: {e}"));
    (0..)
        .map_while(|k| archive.get(&format!("{set}/{what}_{k}.pb")))
        .map(|bytes| match sequence(bytes) {
            Some(elements) => elements.into_iter().map(one).collect(),
            None => one(bytes).map(|v| vec![v]),
        })
        .collect::<Result<Vec<_>, _>>()
        .map(|lists| lists.concat())
}

/// The tensors of a `SequenceProto` (field 1 a name, 2 the kind, 3 each tensor), which also tells it from a `TensorProto`.
fn sequence(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut elements = Vec::new();
    let mut is_sequence = false;
    while let Some((&key, rest)) = bytes.split_first() {
        bytes = rest;
        match key {
            // A name, or a tensor: a length follows. A TensorProto begins with dims (1, as numbers) or its type (2).
            0x0a | 0x1a => {
                let (mut length, mut shift) = (0usize, 0);
                loop {
                    let (&byte, rest) = bytes.split_first()?;
                    bytes = rest;
                    length |= usize::from(byte & 0x7f) << shift;
                    shift += 7;
                    if byte < 0x80 {
                        break;
                    }
                }
                let (element, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                if key == 0x1a {
                    elements.push(element);
                }
            }
            // The kind: 1 is tensors.
            0x10 => {
                let (&kind, rest) = bytes.split_first()?;
                bytes = rest;
                is_sequence = kind == 1;
            }
            _ => return None,
        }
    }
    is_sequence.then_some(elements)
}

/// Which inputs are given as constants: what a shape depends on must be known.
#[derive(Clone, Copy, PartialEq)]
enum Fixed {
    None,
    /// Scalars and lists.
    Lists,
    All,
}

/// A data set of a test that passed: the graph, its inputs, what it gives.
struct Passed {
    graph: Graph,
    inputs: Vec<Value>,
    outputs: Vec<Value>,
    fixed: Fixed,
}

/// Runs all data sets of a test, with as few inputs fixed as it takes.
fn run(archive: &Archive, test: &str) -> Result<Vec<Passed>, String> {
    let first = run_with(archive, test, Fixed::None);
    let Err(reason) = &first else { return first };
    if !reason.contains("depends on the values of the model's inputs") {
        return first;
    }
    run_with(archive, test, Fixed::Lists).or_else(|_| run_with(archive, test, Fixed::All))
}

fn run_with(archive: &Archive, test: &str, fixed: Fixed) -> Result<Vec<Passed>, String> {
    let mut passed = Vec::new();
    let bytes = archive.get(&format!("{test}/model.onnx")).unwrap();
    for set in 0.. {
        let set = format!("{test}/test_data_set_{set}");
        if archive.get(&format!("{set}/output_0.pb")).is_none() {
            break;
        }
        let files = values(archive, &set, "input").and_then(|i| Ok((i, values(archive, &set, "output")?)));
        let (inputs, wanted) = match files {
            Ok(files) => files,
            // What keeps the model from being read says more than what keeps the data from it.
            Err(e) => return Err(read(bytes, &ReadOptions::default()).map_or_else(|e| e.to_string(), |_| e)),
        };
        let is_fixed = |v: &Value| match fixed {
            Fixed::None => false,
            Fixed::Lists => v.shape().len() <= 1,
            Fixed::All => true,
        };
        let named = || inputs.iter().filter(|(n, _)| !n.is_empty());
        let options = ReadOptions {
            // Sizes left open are those of the given inputs.
            input_shapes: named().map(|(n, v)| (n.clone(), v.shape().to_vec())).collect(),
            fixed_inputs: named().filter(|(_, v)| is_fixed(v)).cloned().collect(),
            ..ReadOptions::default()
        };
        let model = read(bytes, &options).map_err(|e| e.to_string())?;
        model.graph.verify().map_err(|e| format!("verifier: {e}"))?;
        let values: Vec<Value> = inputs.into_iter().map(|(_, v)| v).filter(|v| !is_fixed(v)).collect();
        let got = evaluate(&model.graph, &values).map_err(|e| e.to_string())?;
        if got.len() != wanted.len() {
            return Err(format!("{} outputs, should be {}", got.len(), wanted.len()));
        }
        for (k, (g, (_, w))) in got.iter().zip(&wanted).enumerate() {
            if let Some(d) = difference(g, w, 1e-3, 1e-5) {
                return Err(format!("output {k}: {d}"));
            }
        }
        passed.push(Passed { graph: model.graph, inputs: values, outputs: got, fixed });
    }
    Ok(passed)
}

fn outcomes(archive: &Archive) -> BTreeMap<String, Result<Vec<Passed>, String>> {
    let tests = archive.tests();
    let only = std::env::var("TEFF_ONLY").unwrap_or_default();
    let run_one = |test: &String| {
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(archive, test)));
        (test.clone(), caught.unwrap_or_else(|_| Err("PANIC".into())))
    };
    let chosen: Vec<&String> = tests.iter().filter(|t| t.contains(&only)).collect();
    std::thread::scope(|scope| {
        let halves: Vec<_> = (0..2)
            .map(|h| {
                let part: Vec<&String> = chosen.iter().copied().skip(h).step_by(2).collect();
                scope.spawn(move || part.into_iter().map(run_one).collect::<Vec<_>>())
            })
            .collect();
        halves.into_iter().flat_map(|h| h.join().unwrap()).collect()
    })
}

/// Prints passes and tests of each operator, the operator being what a test is named after.
fn by_operator(archive: &Archive, outcomes: &BTreeMap<String, Result<Vec<Passed>, String>>) {
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (test, outcome) in outcomes {
        let model = archive.get(&format!("{test}/model.onnx")).unwrap();
        for operator in teff_onnx::operators(model).unwrap_or_default() {
            let count = counts.entry(operator).or_default();
            count.0 += usize::from(outcome.is_ok());
            count.1 += 1;
        }
    }
    let line: Vec<String> =
        counts.iter().map(|(operator, (passed, all))| format!("{operator} {passed}/{all}")).collect();
    println!("{}", line.join(", "));
}

#[test]
fn the_backend_suite_passes_but_for_the_listed_tests() {
    let archive = Archive::suite();
    let outcomes = outcomes(&archive);
    let passed = outcomes.values().filter(|o| o.is_ok()).count();
    let with =
        |f: Fixed| outcomes.values().flatten().filter(|p| p.first().is_some_and(|p| p.fixed == f)).count();
    println!(
        "{passed} of {} tests pass: {} as they are, {} with lists and scalars fixed, {} with all inputs fixed",
        outcomes.len(),
        with(Fixed::None),
        with(Fixed::Lists),
        with(Fixed::All)
    );
    by_operator(&archive, &outcomes);
    let failures: Vec<String> = outcomes
        .iter()
        .filter_map(|(test, outcome)| outcome.as_ref().err().map(|reason| format!("{test}: {reason}\n")))
        .collect();
    let list = failures.concat();
    assert!(!list.contains("PANIC"), "a test panicked:\n{list}");
    if std::env::var_os("TEFF_ONLY").is_some() {
        return println!("{list}");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/conformance.txt");
    if std::env::var_os("TEFF_BLESS").is_some() {
        std::fs::write(&path, &list).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let (new, old): (Vec<&str>, Vec<&str>) = (list.lines().collect(), kept.lines().collect());
    let added: Vec<&&str> = new.iter().filter(|l| !old.contains(l)).collect();
    let gone: Vec<&&str> = old.iter().filter(|l| !new.contains(l)).collect();
    assert!(added.is_empty() && gone.is_empty(), "now failing: {added:#?}\nno longer failing so: {gone:#?}");
}

/// What was read can be written, and what was written means the same: read back, and run by onnxruntime where it is installed.
#[test]
fn what_is_read_can_be_written() {
    let archive = Archive::suite();
    let mut failures = Vec::new();
    let mut jobs = Vec::new();
    let mut wanted = Vec::new();
    for (test, outcome) in outcomes(&archive) {
        let Some(Passed { graph, inputs, outputs, .. }) = outcome.ok().and_then(|p| p.into_iter().next())
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
    let inputs = values(&archive, "node/test_abs/test_data_set_0", "input").unwrap();
    assert_eq!(inputs[0].0, "x");
    assert_eq!(inputs[0].1.shape(), [3, 4, 5]);
    assert!(matches!(inputs[0].1.get(0), Num::Float(_)));
}
