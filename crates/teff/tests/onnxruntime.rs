//! The ONNX that training writes gives the same outputs in onnxruntime. Skipped, with a word, where there is no onnxruntime.

#[path = "../../teff-onnx/tests/common/mod.rs"]
mod common;

use common::{Job, difference, onnxruntime, random};
use std::ops::ControlFlow;
use teff::data::{Dataset, Samples};
use teff::graph::{Type, evaluate, random_bits};
use teff::model::ModelSpec;
use teff::onnx::{WriteOptions, write};
use teff::train::{Settings, Trainer};
use teff::{DType, Graph};

/// 64 images of noise in 4 classes.
fn noise(side: usize) -> Dataset {
    let pixels = (0..64 * side * side).map(|i| random_bits(side as i64, i as u64) as u8).collect();
    let labels = (0..64).map(|i| i % 4).collect();
    let classes = ["a", "b", "c", "d"].map(String::from).to_vec();
    Dataset::new(Samples::U8(pixels), vec![1, side, side], labels, classes).unwrap()
}

/// The network trained for an epoch, so that running statistics and weights are not those it began with.
fn trained(spec: &ModelSpec, side: usize) -> Graph {
    let data = noise(side);
    let model = spec.build(data.shape(), 4, 5).unwrap();
    let settings = Settings { epochs: 1, batch: 16, rate: 0.01, threads: 1, ..Settings::default() };
    Trainer::new(&model, &data, settings).unwrap().epoch(|_| ControlFlow::Continue(())).unwrap();
    model.graph(1).unwrap()
}

#[test]
fn what_training_writes_runs_the_same() {
    let every_kind = ModelSpec::parse("every", include_str!("every_kind.toml")).unwrap();
    let preset = |name: &str| ModelSpec::preset(name).unwrap();
    let mut graphs: Vec<Graph> = ["mlp", "cnn", "lenet"].map(|name| trained(&preset(name), 28)).to_vec();
    graphs.push(trained(&every_kind, 8));
    let jobs: Vec<Job> = graphs
        .iter()
        .map(|graph| {
            let ty: &Type = &graph[graph.inputs()[0]].ty;
            assert_eq!(ty.dtype, DType::F32);
            let model = write(graph, &WriteOptions::default()).unwrap();
            Job { name: graph.name.clone(), model, inputs: vec![random(ty, 3)] }
        })
        .collect();
    let Some(results) = onnxruntime(&jobs) else { return };
    for ((graph, job), result) in graphs.iter().zip(&jobs).zip(results) {
        let expected = evaluate(graph, &job.inputs).unwrap();
        let got = result.unwrap_or_else(|e| panic!("{}: {e}", job.name));
        let apart = difference(&got[0], &expected[0], 1e-5, 1e-5);
        assert!(apart.is_none(), "{}: {}", job.name, apart.unwrap());
    }
}
