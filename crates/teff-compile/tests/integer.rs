//! Quantised networks in integers: nothing is left in floats, results are those of the float graph to a step, and C and Rust have the
//! bits of the evaluator.

mod common;

use common::c::{Case, check, has};
use common::nets::uniform;
use common::{Rng, rust};
use std::path::{Path, PathBuf};
use teff_compile::{Options, Target, compile, integer};
use teff_graph::{DType, Graph, Num, Op, PoolKind, Tensor, Type, Value, Window, evaluate};
use teff_onnx::{ReadOptions, read};

/// A quantised network that grows layer by layer, with the floats it is meant to compute on one input, which give it scales.
struct Net {
    rng: Rng,
    input: Tensor,
    given: Value,
}

impl Net {
    fn new(seed: u64, shape: &[usize]) -> (Net, Tensor) {
        let mut rng = Rng(seed);
        let input = Tensor::input("x", DType::I8, shape);
        let given = Value::from_fn(&input.ty(), |_| Num::Int(rng.below(256) as i128 - 128));
        let scale = 0.01 + rng.below(100) as f32 / 2000.0;
        let zero = rng.pick(&[0i8, -128, 127, 5, -77]);
        let x = input.dequantize(&scalar(4, scale), &scalar(4, zero));
        (Net { rng, input, given }, x)
    }

    fn graph(&self, y: &Tensor) -> Graph {
        Graph::from_tensors("net", std::slice::from_ref(&self.input), &[("y", y.clone())]).unwrap()
    }

    /// Quantised to 8 bits with a scale that suits this input more or less: some results saturate.
    fn quantize(&mut self, y: &Tensor) -> Tensor {
        let floats = evaluate(&self.graph(y), std::slice::from_ref(&self.given)).unwrap().remove(0).to_f64();
        let largest = floats.iter().fold(1e-3f64, |m, x| m.max(x.abs()));
        let scale = (largest / 127.0 * (0.5 + self.rng.below(100) as f64 / 100.0)) as f32;
        let rank = y.rank();
        if self.rng.below(4) == 0 {
            let zero = self.rng.pick(&[0u8, 128, 200]);
            return y
                .quantize(&scalar(rank, scale), &scalar(rank, zero))
                .dequantize(&scalar(rank, scale), &scalar(rank, zero));
        }
        let zero = self.rng.pick(&[0i8, -128, 3, 64]);
        y.quantize(&scalar(rank, scale), &scalar(rank, zero))
            .dequantize(&scalar(rank, scale), &scalar(rank, zero))
    }

    /// Weights of 8, 4 or 2 bits with a scale each, or one for all, along the first axis.
    fn weights(&mut self, shape: &[usize]) -> Tensor {
        let (count, least) = [(255, -127), (255, -127), (256, -128), (16, -8), (4, -2)][self.rng.below(5)];
        let mut element = |_| Num::Int(self.rng.below(count) as i128 + least);
        let q = Value::from_fn(&Type::new(DType::I8, shape), &mut element);
        let channels = if self.rng.below(2) == 0 { shape[0] } else { 1 };
        let mut scale_shape = vec![1; shape.len()];
        scale_shape[0] = channels;
        let scales: Vec<f32> = (0..channels).map(|_| 0.001 + self.rng.below(50) as f32 / 10_000.0).collect();
        let zeros = Tensor::constant(Value::zeros(&Type::new(DType::I8, &scale_shape[..])));
        Tensor::constant(q).dequantize(&Tensor::constant(Value::new(scale_shape, scales)), &zeros)
    }

    /// One layer of some kind, quantised. Operands and results are [1, C, H, W].
    fn layer(&mut self, x: &Tensor) -> Tensor {
        let (c, h, w) = (x.shape()[1], x.shape()[2], x.shape()[3]);
        let y = match self.rng.below(11) {
            0..=2 => {
                let outputs = 1 + self.rng.below(5);
                let size = if h.min(w) >= 3 { 3 } else { 1 };
                let w = self.weights(&[outputs, c, size, size]);
                let (stride, padding) = (1 + self.rng.below(2), self.rng.below(2) * (size / 2));
                let bias = Tensor::constant(uniform(&mut self.rng, &[outputs], 0.5)).per_channel(4);
                x.conv2d(&w, stride, padding, 1, 1) + bias
            }
            3 => {
                let w = self.weights(&[c, 1, 1, 1]);
                x.conv2d(&w, 1, 0, 1, c)
            }
            4 => {
                let other = self.quantize(&(x * 0.37));
                x + &other
            }
            5 => x * &x.sigmoid(),
            6 => x.tanh(),
            7 if h.min(w) >= 2 => x.max_pool2d(2, 1),
            8 if h.min(w) >= 2 => x.avg_pool(Window::new([2, 2], [2, 2]), true),
            9 => {
                let other = self.quantize(x);
                x * &other
            }
            _ => x.reduce(teff_graph::ReduceKind::Sum, &[1]) * 0.25,
        };
        let y = match self.rng.below(4) {
            0 => y.relu(),
            1 => y.clip(0.0, 6.0),
            _ => y,
        };
        self.quantize(&y)
    }
}

fn scalar<T: teff_graph::Element>(rank: usize, x: T) -> Tensor {
    Tensor::constant(Value::new(vec![1; rank], vec![x]))
}

impl Net {
    /// A rectified layer, many of whose results are the least of their type, and a dense one.
    fn dense(&mut self, x: &Tensor) -> Tensor {
        let n: usize = x.shape().iter().product();
        let scale = 0.01 + self.rng.below(50) as f32 / 1000.0;
        let flat = x.relu().reshape(&[1, n]);
        let flat = match self.rng.below(3) {
            0 => flat
                .quantize(&scalar(2, scale), &scalar(2, 0u8))
                .dequantize(&scalar(2, scale), &scalar(2, 0u8)),
            _ => flat
                .quantize(&scalar(2, scale), &scalar(2, -128i8))
                .dequantize(&scalar(2, scale), &scalar(2, -128i8)),
        };
        let outputs = 1 + self.rng.below(14);
        let w = self.weights(&[outputs, n]);
        let bias = Tensor::constant(uniform(&mut self.rng, &[outputs], 0.5));
        let y = flat.matmul(&w.transpose()) + bias;
        self.quantize(&y)
    }
}

/// A network of so many random layers whose interface is of integers, and an input.
fn network(seed: u64, layers: usize) -> (Graph, Value) {
    let shape = [1, 1 + seed as usize % 3, 4 + seed as usize % 4, 5];
    let (mut net, mut x) = Net::new(seed, &shape);
    for _ in 0..layers {
        x = net.layer(&x);
    }
    if seed.is_multiple_of(3) {
        x = net.dense(&x);
    }
    // The last quantised integers: the operand of the last `dequantize`.
    let y = x.operands()[0].clone();
    (net.graph(&y), net.given.clone())
}

fn floats(graph: &Graph) -> Vec<String> {
    let float = |n: &&teff_graph::Node| n.ty.dtype.is_float();
    graph.nodes().iter().filter(float).map(|n| format!("{} : {}", n.op, n.ty)).collect()
}

#[test]
fn one_layer_is_within_a_step_of_its_floats() {
    let (mut apart, mut all) = (0, 0);
    for seed in 0..600 {
        let (graph, given) = network(seed, 1);
        let rewritten = integer(&graph).unwrap();
        assert!(floats(&rewritten).is_empty(), "seed {seed}: {:?}\n{graph:?}", floats(&rewritten));
        let expected = evaluate(&graph, std::slice::from_ref(&given)).unwrap().remove(0);
        let found = evaluate(&rewritten, &[given]).unwrap().remove(0);
        assert_eq!(found.ty(), expected.ty());
        for (f, e) in found.to_i64().iter().zip(expected.to_i64()) {
            assert!((f - e).abs() <= 1, "seed {seed}: {f}, in floats {e}");
            apart += usize::from(*f != e);
            all += 1;
        }
    }
    // Biases are rounded to steps of their sums, sums of two scales to 2^-20 or so: few results lie that near to a border.
    assert!(apart * 500 < all, "{apart} of {all} differ");
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
    let flat = rectified
        .quantize(&scalar(2, 0.02f32), &scalar(2, -128i8))
        .dequantize(&scalar(2, 0.02f32), &scalar(2, -128i8));
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
