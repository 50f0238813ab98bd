//! Quantised networks in integers: nothing is left in floats, results are those of the float graph to a step, and C and Rust have the
//! bits of the evaluator.

mod common;

mod oracle;

use common::c::{Case, check, has};
use common::rust;
use oracle::nets::{Net, network, through};
use oracle::{Verdict, judge, with_all_integers};
use std::path::{Path, PathBuf};
use teff_compile::{Options, Target, compile, integer};
use teff_graph::{DType, Graph, Num, Op, PoolKind, Tensor, Type, Value, evaluate};
use teff_onnx::{ReadOptions, read};

fn floats(graph: &Graph) -> Vec<String> {
    let float = |n: &&teff_graph::Node| n.ty.dtype.is_float();
    graph.nodes().iter().filter(float).map(|n| format!("{} : {}", n.op, n.ty)).collect()
}

/// The judgement of networks of so many layers, each on two inputs.
fn judged(seeds: std::ops::Range<u64>, layers: impl Fn(u64) -> usize, verdict: &mut Verdict) {
    for seed in seeds {
        let (graph, given) = network(seed, layers(seed));
        let rewritten = integer(&with_all_integers(&graph).0).unwrap();
        let mut rng = common::Rng(seed ^ 0xabcdef);
        let other = Value::from_fn(&given.ty(), |_| Num::Int(rng.below(256) as i128 - 128));
        for given in [given, other] {
            judge(&graph, &rewritten, std::slice::from_ref(&given), verdict);
            assert!(
                verdict.wrong.is_empty(),
                "seed {seed}: {:#?}\n{}",
                verdict.wrong,
                teff_graph::print_brief(&graph)
            );
            // Being looked at changes nothing.
            let alone = evaluate(&integer(&graph).unwrap(), std::slice::from_ref(&given)).unwrap();
            assert_eq!(alone, evaluate(&rewritten, &[given]).unwrap()[..1], "seed {seed}");
        }
    }
}

#[test]
fn integers_are_those_of_onnx() {
    let verdict = &mut Verdict::default();
    judged(0..500, |seed| 1 + seed as usize % 3, verdict);
    println!("{verdict:?}");
    assert!(verdict.near * 1000 < verdict.all && verdict.ties * 20_000 < verdict.all, "{verdict:?}");
}

#[test]
fn no_layer_of_integers_is_left_in_floats() {
    for seed in 0..440 {
        let (graph, _) = network(seed, 1);
        let rewritten = teff_graph::passes::simplify(&integer(&graph).unwrap());
        // Means that leave padding out divide by what differs from element to element.
        if seed as usize % Net::KINDS != 8 {
            let (left, brief) = (floats(&rewritten), teff_graph::print_brief(&graph));
            assert!(left.is_empty(), "seed {seed}: {left:?}\n{brief}");
        }
    }
}

/// Networks of several layers, with what the evaluator says of their integer form.
fn cases(first: u64, count: u64) -> Vec<Case> {
    let case = |seed: u64| {
        let (graph, given) = network(seed, 1 + seed as usize % 4);
        let target = if seed.is_multiple_of(2) { Target::CORTEX_M0PLUS } else { Target::GENERIC };
        let program =
            compile(&graph, &Options { name: format!("net{seed}"), target, ..Options::default() }).unwrap();
        let expected = evaluate(&integer(&graph).unwrap(), std::slice::from_ref(&given)).unwrap();
        Case {
            program,
            inputs: vec![given],
            expected,
            tolerance: 0.0,
            about: teff_graph::print_brief(&graph),
        }
    };
    (first..first + count).map(case).collect()
}

#[test]
fn c_has_the_bits_of_the_evaluator() {
    if has("gcc") {
        let sanitised = ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
        check(&cases(10_000, 150), "gcc", &sanitised);
        check(&cases(20_000, 650), "gcc", &["-O0"]);
    }
}

#[test]
fn rust_has_the_bits_of_the_evaluator() {
    rust::check(&cases(30_000, 200), rust::CHECKED);
}

#[test]
fn small_machines_skip_inputs_that_are_zero() {
    let (mut net, x) = Net::new(1, &[1, 2, 4, 5]);
    let w = net.weights(&[12, 40]);
    let rectified = x.relu().reshape(&[1, 40]);
    let flat = through(&rectified, 0.02, -128i8);
    let y = net.quantize(&flat.matmul(&w.transpose())).operands()[0].clone();
    let text = |target| {
        let options = Options { target, ..Options::default() };
        compile(&net.graph(&y), &options).unwrap().to_string()
    };
    assert!(text(Target::CORTEX_M0PLUS).contains("row sums"), "{}", text(Target::CORTEX_M0PLUS));
    assert!(!text(Target::GENERIC).contains("row sums"));
}

#[test]
fn quantised_models_are_integers_from_end_to_end() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../teff-onnx/tests/data/models");
    let mut files: Vec<PathBuf> = std::fs::read_dir(data).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    let mut seen = 0;
    for file in files.iter().filter(|f| f.extension().is_some_and(|e| e == "onnx")) {
        let graph = read(&std::fs::read(file).unwrap(), &ReadOptions::default()).unwrap().graph;
        if !graph.nodes().iter().any(|n| matches!(n.op, Op::Quantize { .. })) {
            continue;
        }
        seen += 1;
        let rewritten = teff_graph::passes::simplify(&integer(&graph).unwrap());
        // What an interface of floats needs: the input, its scale, and the last result with its scale.
        let ends = |n: &&teff_graph::Node| {
            n.ty.dtype.is_float()
                && !matches!(n.op, Op::Input { .. } | Op::Constant(_) | Op::Dequantize | Op::Reshape(_))
        };
        let left: Vec<String> =
            rewritten.nodes().iter().filter(ends).map(|n| format!("{} : {}", n.op, n.ty)).collect();
        assert!(left.is_empty(), "{}: {left:?}", file.display());
        let loops = |n: &&teff_graph::Node| {
            matches!(n.op, Op::MatMul | Op::Conv(_) | Op::Pool { kind: PoolKind::Sum, .. })
        };
        assert!(
            rewritten.nodes().iter().filter(loops).all(|n| n.ty.dtype == DType::I32),
            "{}",
            file.display()
        );
    }
    assert!(seen >= 4, "{seen} quantised models");
}

#[test]
fn narrow_weights_share_bytes_on_small_machines() {
    // Taps fill words up: 28 of 8 bits and of 4, 32 of 2.
    for (least, count, expected) in [(-8, 16, 12 * 28 / 2), (-2, 4, 12 * 32 / 4), (-127, 255, 12 * 28)] {
        let (mut net, x) = Net::new(3, &[1, 3, 8, 8]);
        let q = Value::from_fn(&Type::new(DType::I8, [12, 3, 3, 3]), |i| {
            Num::Int((i * 7 % count) as i128 + least)
        });
        let scale = Tensor::constant(Value::new([1, 1, 1, 1], vec![0.01f32]));
        let zero = Tensor::constant(Value::new([1, 1, 1, 1], vec![0i8]));
        let y = x.conv2d(&Tensor::constant(q).dequantize(&scale, &zero), 1, 0, 1, 1);
        let y = net.quantize(&y);
        let options = Options { target: Target::CORTEX_M0PLUS, ..Options::default() };
        let program = compile(&net.graph(&y), &options).unwrap();
        let weights = program.buffers.iter().map(|b| b.ty.bytes()).filter(|n| *n >= 12 * 27 / 4);
        assert!(weights.into_iter().any(|n| n == expected), "{program}");
    }
}
