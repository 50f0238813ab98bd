//! What the tests share: inputs as bench/models/tflite/runtimes.py makes them, and running a model as a runtime does.

#![allow(dead_code)]

use flate2::read::GzDecoder;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use teff_graph::{DType, Graph, Num, Type, Value, evaluate};
use teff_tflite::{Model, ReadOptions, read};

/// `tests/data/` and `name`.
pub(crate) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// The models of a folder, by name.
pub(crate) fn models(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let files = std::fs::read_dir(dir).unwrap().map(|f| f.unwrap().path());
    let mut models: Vec<PathBuf> = files.filter(|p| p.extension().is_some_and(|e| e == "tflite")).collect();
    models.sort();
    let name = |p: &PathBuf| p.file_stem().unwrap().to_str().unwrap().to_string();
    models.iter().map(|p| (name(p), std::fs::read(p).unwrap())).collect()
}

/// Element `i` of SplitMix64 from `seed`.
fn splitmix(seed: u64, i: usize) -> u64 {
    let z = seed.wrapping_add((i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Floats in [0, 1), integers of all sizes but i16, of which no negative ones.
pub(crate) fn values(ty: &Type, seed: u64) -> Value {
    Value::from_fn(ty, |i| {
        let z = splitmix(seed, i);
        match ty.dtype {
            DType::F32 | DType::F64 => Num::Float((z >> 40) as f64 / (1u64 << 24) as f64),
            DType::Bool => Num::Int((z >> 63).into()),
            DType::I16 => Num::Int((z >> 49).into()),
            dtype => Num::Int((z >> (64 - 8 * dtype.size())).into()),
        }
    })
}

/// The states of a model before its first run.
pub(crate) fn initial(model: &Model) -> Vec<Value> {
    let inputs = &model.graph.inputs()[model.graph.inputs().len() - model.states.len()..];
    let values = inputs.iter().zip(&model.states);
    values.map(|(&id, state)| Value::full(&model.graph[id].ty, state.initial)).collect()
}

/// Inputs of run `run`, without those of states.
pub(crate) fn inputs(graph: &Graph, states: usize, run: usize) -> Vec<Value> {
    let own = &graph.inputs()[..graph.inputs().len() - states];
    own.iter().enumerate().map(|(k, &id)| values(&graph[id].ty, (run * 1000 + k) as u64)).collect()
}

/// Outputs of runs in a row, without those of states, which go from one run to the next.
pub(crate) fn run(model: &Model, runs: usize) -> Vec<Vec<Value>> {
    let mut states = initial(model);
    let one = |run: usize| {
        let mut x = inputs(&model.graph, states.len(), run);
        x.append(&mut states);
        let mut y = evaluate(&model.graph, &x).unwrap();
        states = y.split_off(y.len() - model.states.len());
        y
    };
    (0..runs).map(one).collect()
}

/// The files of a compressed archive, by name.
pub(crate) fn archive(name: &str) -> BTreeMap<String, Vec<u8>> {
    let mut bytes = Vec::new();
    GzDecoder::new(std::fs::File::open(data(name)).unwrap()).read_to_end(&mut bytes).unwrap();
    let text = |b: &[u8]| String::from_utf8(b.iter().copied().take_while(|&c| c != 0).collect()).unwrap();
    let mut files = BTreeMap::new();
    let mut at = 0;
    while bytes.get(at).is_some_and(|&b| b != 0) {
        let header = &bytes[at..at + 512];
        let size = usize::from_str_radix(text(&header[124..136]).trim(), 8).unwrap();
        files.insert(text(&header[..100]), bytes[at + 512..at + 512 + size].to_vec());
        at += 512 + size.div_ceil(512) * 512;
    }
    files
}

/// A case: the model, and by run and output what the runtime gave.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) model: Model,
    pub(crate) want: Vec<Vec<Vec<f64>>>,
}

/// The cases of `data/operators.tar.gz`.
pub(crate) fn cases() -> Vec<Case> {
    let files = archive("operators.tar.gz");
    let names = files.keys().filter_map(|f| f.strip_suffix(".tflite"));
    let case = |name: &str| {
        let bytes = files[&format!("{name}.tflite")].clone();
        let model = read(&bytes, &ReadOptions::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
        model.graph.verify().unwrap_or_else(|e| panic!("{name}: {e}"));
        let mut want: Vec<Vec<Vec<f64>>> = vec![];
        for line in std::str::from_utf8(&files[&format!("{name}.txt")]).unwrap().lines() {
            let mut words = line.split(' ').map(|w| w.parse::<f64>().unwrap());
            let run = words.next().unwrap() as usize;
            want.resize(want.len().max(run + 1), vec![]);
            words.next();
            want[run].push(words.collect());
        }
        Case { name: name.into(), bytes, model, want }
    };
    names.map(case).collect()
}
