//! Networks as PyTorch and estimators as scikit-learn export them: they compile at once, and evaluator and C give what the exporter's
//! own library gave. The files and how they are made: `bench/models/export.py` and `scikit.py`.

mod common;
#[path = "../../teff-onnx/tests/suite/mod.rs"]
mod suite;

use common::c::{Case, check, has};
use std::path::{Path, PathBuf};
use suite::Archive;
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

/// A case of the files that `file` gives by name.
fn case(name: &str, file: impl Fn(&str) -> Option<Vec<u8>>, target: Target) -> Case {
    let tensors = |what: &str| -> Vec<Value> {
        let bytes = (0..).map_while(|k| file(&format!("{what}_{k}.pb")));
        bytes.map(|bytes| read_tensor(&bytes).unwrap().1).collect()
    };
    let name = name.replace('-', "_");
    let (inputs, expected) = (tensors("input"), tensors("output"));
    // The networks have one sample and one input each, whatever its name.
    let several = inputs.iter().filter(|x| x.shape()[0] > 1);
    let input_shapes = several.map(|x| ("X".into(), x.shape().to_vec())).collect();
    let bytes = file("model.onnx").unwrap();
    let graph = read(&bytes, &ReadOptions { input_shapes, ..ReadOptions::default() })
        .unwrap_or_else(|e| panic!("{name}: {e}"))
        .graph;
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

/// The networks of PyTorch, one sample each.
fn networks(target: Target) -> Vec<Case> {
    let one = |folder: &PathBuf| {
        let name = folder.file_name().unwrap().to_str().unwrap();
        case(name, |file| std::fs::read(folder.join(file)).ok(), target)
    };
    folders().iter().map(one).collect()
}

/// The estimators of scikit-learn, three samples each but for one.
fn estimators(target: Target) -> Vec<Case> {
    let archive = Archive::scikit();
    let one =
        |name: &String| case(name, |file| archive.get(&format!("{name}/{file}")).map(<[u8]>::to_vec), target);
    archive.tests().iter().map(one).collect()
}

#[test]
fn exported_networks_compile_and_agree() {
    let mut cases = networks(Target::GENERIC);
    cases.extend(estimators(Target::GENERIC));
    assert_eq!(cases.len(), 18 + 78);
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
    let mut cases = networks(Target::CORTEX_M0PLUS);
    cases.extend(estimators(Target::CORTEX_M0PLUS));
    if has("gcc") {
        check(&cases, "gcc", &["-O1"]);
    }
}
