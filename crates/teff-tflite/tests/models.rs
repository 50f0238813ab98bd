//! Models as converters write them give what LiteRT gives, or TFLM where LiteRT cannot run them.
//!
//! `data/models/expected.txt` has what the runtimes gave, in runs in a row (`bench/models/tflite/expected.py` writes it: a line an
//! output, with model, runtime, run, output and elements). `TEFF_MODELS` and `TEFF_EXPECTED` name another folder and file; then
//! differences are printed, not judged.

mod common;

use common::{data, models, run};
use std::collections::BTreeMap;
use teff_graph::{DType, Num, Value};
use teff_tflite::{ReadOptions, States, read};

/// By model: what the runtime gave, by run and output.
type Expected = BTreeMap<String, Vec<Vec<Vec<f64>>>>;

fn expected() -> Expected {
    let path = std::env::var_os("TEFF_EXPECTED").map_or(data("models/expected.txt"), Into::into);
    let mut all = Expected::new();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let runs = all.entry(words[0].into()).or_default();
        let r: usize = words[2].parse().unwrap();
        runs.resize(runs.len().max(r + 1), vec![]);
        runs[r].push(words[4..].iter().map(|w| w.parse().unwrap()).collect());
    }
    all
}

/// How many elements differ, of how many, by how much at most.
fn compared(got: &[Vec<Value>], want: &[Vec<Vec<f64>>]) -> (usize, usize, f64) {
    let (mut differ, mut all, mut most) = (0, 0, 0f64);
    for (run, wanted) in got.iter().zip(want) {
        assert_eq!(run.len(), wanted.len(), "as many outputs as the runtime gives");
        for (g, w) in run.iter().zip(wanted) {
            assert_eq!(g.len(), w.len(), "as many elements as the runtime gives");
            for (a, b) in g.to_f64().iter().zip(w) {
                all += 1;
                differ += usize::from(a != b);
                most = most.max((a - b).abs());
            }
        }
    }
    (differ, all, most)
}

#[test]
fn models_agree_with_the_runtimes() {
    let dir = std::env::var_os("TEFF_MODELS");
    let judged = dir.is_none();
    let expected = expected();
    let mut wrong = Vec::new();
    for (name, bytes) in models(&dir.map_or(data("models"), Into::into)) {
        let want = expected.get(&name).unwrap_or_else(|| panic!("nothing is expected of {name}"));
        let model = read(&bytes, &ReadOptions::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
        model.graph.verify().unwrap_or_else(|e| panic!("{name}: {e}"));
        let got = run(&model, want.len());
        let (differ, all, most) = compared(&got, want);
        println!("{name}: {differ} of {all} differ, by {most} at most");
        let range = want.iter().flatten().flatten().fold(0f64, |m, x| m.max(x.abs()));
        let floats = got[0][0].dtype() == DType::F32;
        let step = if floats { 1e-5 * range.max(1.0) } else { 0.0 };
        if most > step {
            wrong.push(format!("{name}: {differ} of {all} differ, by {most} at most"));
        }
    }
    assert!(!judged || wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn states_are_inputs_and_outputs_or_begin_anew() {
    let bytes = std::fs::read(data("models/mnist_lstm_int8.tflite")).unwrap();
    let model = read(&bytes, &ReadOptions::default()).unwrap();
    let names: Vec<(&str, &str)> = model.states.iter().map(|s| (&*s.input, &*s.output)).collect();
    assert_eq!(
        names,
        [("tfl.pseudo_qconst", "tfl.pseudo_qconst.next"), ("tfl.pseudo_qconst1", "tfl.pseudo_qconst1.next")]
    );
    assert_eq!((model.graph.inputs().len(), model.graph.outputs().len()), (3, 3));
    let kept = run(&model, 2);

    let reset = read(&bytes, &ReadOptions { states: States::Reset, ..ReadOptions::default() }).unwrap();
    assert!(reset.states.is_empty());
    let anew = run(&reset, 2);
    assert_eq!(kept[0], anew[0]);
    assert_ne!(kept[1], anew[1], "the second run depends on the first");
}

/// An 8-bit state is reset to its zero point, any other to 0.
#[test]
fn states_begin_as_the_runtimes_begin_them() {
    let first = |name: &str| {
        let bytes = std::fs::read(data("models").join(name)).unwrap();
        read(&bytes, &ReadOptions::default()).unwrap().states[0].initial
    };
    assert_eq!(first("keyword_scrambled_8bit.tflite"), Num::Int(-50));
    assert_eq!(first("keyword_scrambled_float.tflite"), Num::Int(0));
}

/// A recurrent layer is one scan, whose trips are counted by constants, and nothing outside repeats what it does.
#[test]
fn loops_are_scans() {
    for (name, scans, notes) in [
        ("keras_lstm", 2, 0),
        ("keras_gru", 1, 0),
        ("keras_rnn_masked", 1, 0),
        ("keras_convlstm", 1, 0),
        // The loops inside, of 0, 2 and 4 trips, begin where the one outside says.
        ("loops_nested", 2, 1),
        ("loop_written_out", 0, 1),
    ] {
        let bytes = std::fs::read(data("models").join(name).with_extension("tflite")).unwrap();
        let model = read(&bytes, &ReadOptions::default()).unwrap();
        let graph = &model.graph;
        let of = graph.ids().filter(|&id| matches!(graph[id].op, teff_graph::Op::Scan(_)));
        let written_out = model.notes.iter().filter(|n| n.contains("is written out")).count();
        assert_eq!((of.count(), written_out), (scans, notes), "{name}: {:?}", model.notes);
    }
}

/// Between the ends of a chain of convolutions nothing is permuted but the weights.
#[test]
fn convolutions_need_no_permutations_between_them() {
    let bytes = std::fs::read(data("models/vww_mbv1_025_int8.tflite")).unwrap();
    let model = read(&bytes, &ReadOptions::default()).unwrap();
    let simple = teff_graph::passes::simplify(&model.graph);
    let permuted = simple.ids().filter(|&id| matches!(simple[id].op, teff_graph::Op::Permute(_)));
    // The image at the beginning, and the weights of the dense layer at the end.
    assert_eq!(
        permuted.map(|id| simple[id].ty.shape.clone()).collect::<Vec<_>>(),
        [vec![1, 3, 96, 96], vec![256, 2]]
    );
}
