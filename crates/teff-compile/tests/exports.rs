//! Networks as PyTorch and scikit-learn export them: they compile at once, and evaluator and C give what the exporter's own library
//! gave. The files and how they are made: `bench/models/export.py`.

mod common;

use common::c::{Case, check, has};
use std::path::{Path, PathBuf};
use teff_compile::{Options, Target, compile};
use teff_graph::{Value, evaluate};
use teff_onnx::{ReadOptions, read, read_tensor};

/// Differences allowed, relative to the largest magnitude of an output.
const TOLERANCE: f64 = 1e-4;

fn folders() -> Vec<PathBuf> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../teff-onnx/tests/data/exports");
    let mut all: Vec<PathBuf> = std::fs::read_dir(data).unwrap().map(|f| f.unwrap().path()).collect();
    all.sort();
    all
}

fn tensors(folder: &Path, what: &str) -> Vec<Value> {
    (0..)
        .map_while(|k| std::fs::read(folder.join(format!("{what}_{k}.pb"))).ok())
        .map(|bytes| read_tensor(&bytes).unwrap().1)
        .collect()
}

fn case(folder: &Path, target: Target) -> Case {
    let name = folder.file_name().unwrap().to_str().unwrap().replace('-', "_");
    let bytes = std::fs::read(folder.join("model.onnx")).unwrap();
    let graph = read(&bytes, &ReadOptions::default()).unwrap_or_else(|e| panic!("{name}: {e}")).graph;
    let (inputs, expected) = (tensors(folder, "input"), tensors(folder, "output"));
    let found = evaluate(&graph, &inputs).unwrap();
    assert_eq!(found.len(), expected.len(), "{name}");
    for (f, e) in found.iter().zip(&expected) {
        assert_eq!(f.ty(), e.ty(), "{name}");
        let (f, e) = (f.to_f64(), e.to_f64());
        let largest = e.iter().fold(0.0f64, |m, x| m.max(x.abs()));
        let apart = f.iter().zip(&e).fold(0.0f64, |m, (a, b)| m.max((a - b).abs()));
        assert!(apart <= TOLERANCE * largest, "{name}: the evaluator is {apart} off in a range of {largest}");
    }
    let program = compile(&graph, &Options { name: name.clone(), target, ..Options::default() })
        .unwrap_or_else(|e| panic!("{name}: {e}"));
    Case { program, inputs, expected, tolerance: TOLERANCE, about: teff_graph::print_brief(&graph) }
}

#[test]
fn exported_networks_compile_and_agree() {
    let cases: Vec<Case> = folders().iter().map(|f| case(f, Target::GENERIC)).collect();
    assert_eq!(cases.len(), 25);
    let sanitised = ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover"];
    for (compiler, flags) in [("gcc", &sanitised[..]), ("clang", &["-O0"])] {
        if has(compiler) {
            check(&cases, compiler, flags);
        }
    }
}

/// The same with integers for the products of floats.
#[test]
fn exported_networks_agree_without_a_float_unit() {
    let cases: Vec<Case> = folders().iter().map(|f| case(f, Target::CORTEX_M0PLUS)).collect();
    if has("gcc") {
        check(&cases, "gcc", &["-O1"]);
    }
}
