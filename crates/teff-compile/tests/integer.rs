//! Quantised networks in integers: nothing is left in floats, results are those of the float graph to a step, and C and Rust have the
//! bits of the evaluator.

mod common;

mod oracle;

use common::c::{Case, check, has};
use common::rust;
use oracle::nets::{Net, network, through};
use oracle::{Verdict, judge, with_all_integers};
use std::path::{Path, PathBuf};
use teff_compile::{Options, Target, compile, integer, quantizes_floats};
use teff_graph::{Binary, DType, Graph, Num, Op, PoolKind, Tensor, Type, Value, Window, evaluate};
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
    assert!(verdict.near * 1000 < verdict.all && verdict.ties * 10_000 < verdict.all, "{verdict:?}");
}

/// Elements of the largest tensor that is requantised.
fn requantised(graph: &Graph) -> usize {
    let rewritten = teff_graph::passes::simplify(&integer(graph).unwrap());
    let shifts = rewritten.nodes().iter().filter(|n| n.op == Op::Binary(Binary::Shr));
    shifts.map(|n| n.ty.len()).max().unwrap_or(0)
}

#[test]
fn the_largest_of_a_window_is_requantised_once() {
    let window = || Window::new([2, 2], [2, 2]);
    let net = |seed: u64, pooled: bool, also: bool| {
        let (mut net, x) = Net::new(seed, &[1, 2, 8, 8]);
        let weights = net.weights(&[4, 2, 1, 1]);
        let y = net.quantize(&x.conv2d(&weights, 1, 0, 1, 1));
        let q = y.operands()[0].clone();
        let largest = if pooled { q.pool(PoolKind::Max, window()) } else { y.pool(PoolKind::Max, window()) };
        let largest = if pooled { largest } else { through(&largest, 0.3, 0i8).operands()[0].clone() };
        let mut outputs = vec![("y", largest)];
        if also {
            // All of what is pooled is needed.
            outputs.push(("more", q.cast(DType::I32) + 1.0));
        }
        Graph::from_tensors("net", &[net.input], &outputs).unwrap()
    };
    // Weights with one scale and with a scale for each channel.
    for seed in 0..8 {
        for pooled in [true, false] {
            assert_eq!(requantised(&net(seed, pooled, false)), 4 * 4 * 4, "of integers: {pooled}");
            assert_eq!(requantised(&net(seed, pooled, true)), 4 * 8 * 8);
        }
    }
}

#[test]
fn where_windows_meet_no_plane_is_kept_in_32_bits() {
    // A convolution of 4 x 9 x 9 results and a pool whose windows share elements, its result quantised before or behind.
    for (seed, behind) in (0..8).flat_map(|seed| [(seed, false), (seed, true)]) {
        let (mut net, x) = Net::new(seed, &[1, 2, 11, 11]);
        let weights = net.weights(&[4, 2, 3, 3]);
        let y = x.conv2d(&weights, 1, 0, 1, 1);
        let y = if behind { y } else { through(&y, 0.3, 0i8) };
        let q = through(&y.pool(PoolKind::Max, Window::new([3, 3], [2, 2])), 0.3, 0i8).operands()[0].clone();
        let graph = net.graph(&q);
        let arena = |target| {
            let program = compile(&graph, &Options { target, ..Options::default() }).unwrap();
            program.arena.bytes
        };
        assert_eq!([Target::GENERIC, Target::CORTEX_M0PLUS].map(arena), [4 * 9 * 9; 2], "behind: {behind}");
        let verdict = &mut Verdict::default();
        judge(&graph, &integer(&with_all_integers(&graph).0).unwrap(), &[net.given], verdict);
        assert!(verdict.wrong.is_empty(), "{:#?}", verdict.wrong);
    }
}

fn count(graph: &Graph, op: &Op) -> usize {
    let rewritten = teff_graph::passes::simplify(&integer(graph).unwrap());
    rewritten.nodes().iter().filter(|n| n.op == *op).count()
}

#[test]
fn a_bias_on_the_grid_of_its_sums_takes_nothing_more() {
    let net = |bias: Tensor| {
        let input = Tensor::input("x", DType::I8, &[1, 40]);
        let scalar = |x: f32| Tensor::constant(Value::new([1, 1], vec![x]));
        let zero = Tensor::constant(Value::new([1, 1], vec![0i8]));
        let w = Tensor::constant(Value::from_fn(&Type::new(DType::I8, [40, 2]), |i| Num::Int(i as i128)));
        let x = input.dequantize(&scalar(0.013), &zero).matmul(&w.dequantize(&scalar(0.007), &zero));
        let y = (x + bias).clip(0.0, 2.0).quantize(&scalar(0.01), &zero);
        Graph::from_tensors("net", &[input], &[("y", y)]).unwrap()
    };
    let step = 0.013f32 * 0.007;
    let steps = |all: [f32; 2]| net(Tensor::constant(Value::new([2], all.map(|n| n * step).to_vec())));
    // A product for the requantisation, and one more where steps are made smaller. Bounds are those of the result.
    for (bias, products) in [([3.0, -70_001.0], 1), ([3.25, 1.0], 2), ([0.1, 9000.3], 2)] {
        let graph = steps(bias);
        let all = [Binary::Mul, Binary::MulHigh].map(|b| count(&graph, &Op::Binary(b)));
        assert_eq!(all[0] + all[1], products, "{bias:?}");
        assert_eq!(count(&graph, &Op::Binary(Binary::Max)), 1);
        assert_eq!(count(&graph, &Op::Binary(Binary::Min)), 1);
    }
}

#[test]
fn results_beyond_32_bits_saturate() {
    let input = Tensor::input("x", DType::I8, &[1, 3]);
    let scalar = |x: f32| Tensor::constant(Value::new([1, 1], vec![x]));
    let zero = Tensor::constant(Value::new([1, 1], vec![3i8]));
    let w = Tensor::constant(Value::new([3, 2], vec![127i8, 1, -127, 1, 127, 1]));
    let y = input.dequantize(&scalar(90.0), &zero).matmul(&w.dequantize(&scalar(90.0), &zero));
    let y = y.clip(-0.4, 0.6).quantize(&scalar(0.01), &zero);
    let graph = Graph::from_tensors("net", &[input], &[("y", y)]).unwrap();
    assert!(floats(&integer(&graph).unwrap()).is_empty());
    for x in [[127i8, -128, 127], [-128, 127, -128], [3, 3, 3], [127, 127, 127]] {
        let given = [Value::new([1, 3], x.to_vec())];
        assert_eq!(evaluate(&integer(&graph).unwrap(), &given), evaluate(&graph, &given), "{x:?}");
    }
}

#[test]
fn sums_that_may_exceed_32_bits_stay_floats() {
    let net = |k: usize, known: bool| {
        let input = Tensor::input("x", DType::I8, &[1, k]);
        let weights = Tensor::input("w", DType::I8, &[k, 1]);
        let scale = Tensor::constant(Value::new([1, 1], vec![0.5f32]));
        let zero = |x: i8| Tensor::constant(Value::new([1, 1], vec![x]));
        let all = Value::full(&Type::new(DType::I8, [k, 1]), Num::Int(127));
        let w = if known { Tensor::constant(all) } else { weights.clone() };
        let y = input.dequantize(&scale, &zero(127)).matmul(&w.dequantize(&scale, &zero(0)));
        let y = y.quantize(&Tensor::constant(Value::new([1, 1], vec![100_000.0f32])), &zero(0));
        Graph::from_tensors("net", &[input, weights], &[("y", y)]).unwrap()
    };
    // 255 * 127 of each product at most, and 255 * 128 where weights may be -128.
    for (most, known) in
        [(u32::MAX as usize / 2 / (255 * 127), true), (u32::MAX as usize / 2 / (255 * 128), false)]
    {
        for (k, left) in [(most, false), (most + 1, true)] {
            let graph = net(k, known);
            assert_eq!(!floats(&integer(&graph).unwrap()).is_empty(), left, "{k} products");
            let least = |n: usize| Value::full(&Type::new(DType::I8, [1, n]), Num::Int(-128));
            let given = [least(k), least(k).reshape([k, 1])];
            assert_eq!(evaluate(&integer(&graph).unwrap(), &given), evaluate(&graph, &given));
        }
    }
}

#[test]
fn no_layer_of_integers_is_left_in_floats() {
    for seed in 0..480 {
        let (graph, _) = network(seed, 1);
        let rewritten = teff_graph::passes::simplify(&integer(&graph).unwrap());
        if !Net::IN_FLOATS.contains(&(seed as usize % Net::KINDS)) {
            let (left, brief) = (floats(&rewritten), teff_graph::print_brief(&graph));
            assert!(left.is_empty(), "seed {seed}: {left:?}\n{brief}");
        }
    }
}

/// Networks of several layers, with what the evaluator says of their integer form. Those that round floats they have computed are left
/// out: the last bit of such a float depends on the order of a sum.
fn cases(first: u64, count: u64) -> Vec<Case> {
    let case = |seed: u64| {
        let (graph, given) = network(seed, 1 + seed as usize % 4);
        let rewritten = integer(&graph).unwrap();
        if quantizes_floats(&rewritten) {
            return None;
        }
        let target = if seed.is_multiple_of(2) { Target::CORTEX_M0PLUS } else { Target::GENERIC };
        let program =
            compile(&graph, &Options { name: format!("net{seed}"), target, ..Options::default() }).unwrap();
        let expected = evaluate(&rewritten, std::slice::from_ref(&given)).unwrap();
        Some(Case {
            program,
            inputs: vec![given],
            expected,
            tolerance: 0.0,
            about: teff_graph::print_brief(&graph),
        })
    };
    (first..first + count).filter_map(case).collect()
}

#[test]
fn c_has_the_bits_of_the_evaluator() {
    if has("gcc") {
        let sanitised = ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
        check(&cases(10_000, 150), "gcc", &sanitised);
        check(&cases(20_000, 650), "gcc", &["-O0"]);
    }
}

/// What the tests above take samples of. It takes minutes.
#[test]
#[ignore = "minutes; cargo test -p teff-compile --test integer -- --ignored"]
fn two_thousand_networks() {
    let verdict = &mut Verdict::default();
    judged(100_000..102_000, |seed| 1 + seed as usize % 4, verdict);
    println!("{verdict:?}");
    for first in (100_000..102_000).step_by(500) {
        check(&cases(first, 500), "gcc", &["-O1"]);
        rust::check(&cases(first, 500), rust::CHECKED);
        println!("{} networks in C and in Rust", first - 100_000 + 500);
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
