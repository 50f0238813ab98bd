//! The chip gives the same bits whatever the compiler joins, drops or keeps apart. Skipped, with the reason printed, where
//! arm-none-eabi-gcc is not installed.

mod common;

use common::chip::{Chip, Language, has_c_compiler};
use std::path::{Path, PathBuf};
use teff::compile::{Options, Target, c, compile};
use teff::graph::{Graph, Num};
use teff::{DType, Value};

/// The models of a folder of the ONNX reader's tests with one input, by name.
fn models(folder: &str) -> Vec<(String, Graph)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../teff-onnx/tests/data").join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "onnx"));
    files.sort();
    let read = |file: &PathBuf| {
        let name = file.file_stem().unwrap().to_str().unwrap().to_string();
        (name, teff::onnx::read(&std::fs::read(file).unwrap(), &Default::default()).unwrap().graph)
    };
    files.iter().map(read).collect()
}

fn noise(graph: &Graph) -> Value {
    let mut state = 7u32;
    let ty = graph[graph.inputs()[0]].ty.clone();
    Value::from_fn(&ty, |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        match ty.dtype {
            DType::F32 => Num::Float(f64::from(state >> 16) / 32768.0 - 1.0),
            _ => Num::Int(i128::from(state >> 24) + ty.dtype.int_range().unwrap().0),
        }
    })
}

/// Builds the network at each level, layers joined and apart: all outputs have the same bits.
fn check(name: &str, graph: &Graph, levels: &[&'static str]) {
    let program = compile(graph, &Options { target: Target::CORTEX_M0PLUS, ..Options::default() }).unwrap();
    let given = noise(graph);
    let mut first: Option<Vec<Vec<u8>>> = None;
    for level in levels {
        for layers_apart in [false, true] {
            let options = c::Options { layers_apart, ..Default::default() };
            let label = format!("compilers-{name}{level}{layers_apart}");
            let ran = Chip::new(&program, &label, Language::C(options, level)).run(&given);
            let bits: Vec<Vec<u8>> =
                std::iter::once(&ran.outputs).chain(&ran.others).map(Value::to_le_bytes).collect();
            let before = first.get_or_insert_with(|| bits.clone());
            assert!(*before == bits, "{name} {level}, layers apart: {layers_apart}: other bits");
        }
    }
}

/// Those that were seen to go wrong or to stop.
#[test]
fn layers_apart_give_the_same_bits() {
    if !has_c_compiler() {
        return;
    }
    let fell = ["deepsets", "mixer8", "lstm_ae"];
    for (name, graph) in models("nets").into_iter().filter(|(name, _)| fell.contains(&name.as_str())) {
        check(&name, &graph, &["-O2"]);
    }
}

/// Takes minutes: `cargo test --release -p teff-cli --test compilers -- --ignored --nocapture`.
#[test]
#[ignore = "takes minutes"]
fn forty_networks_give_the_same_bits_on_the_chip() {
    if !has_c_compiler() {
        return;
    }
    let mut seen = 0;
    for (name, graph) in ["nets", "models", "../../../../examples"].into_iter().flat_map(models) {
        check(&name, &graph, &["-O2", "-O3", "-Os"]);
        seen += 1;
        println!("{name}: ok");
    }
    assert!(seen >= 40, "{seen} networks");
}
