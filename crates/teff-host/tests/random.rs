//! Plans of random graphs of all operations give the bits the reference evaluator gives.

mod common;

use common::random::{Purpose, random_graph};
use proptest::prelude::*;
use teff_graph::{ConvGeometry, DType, Graph, PoolKind, Tensor, Value, Window, evaluate};
use teff_host::{Options, Plan};

/// Runs the plan twice, the evaluator with its updates twice, and compares everything.
fn check(seed: u64, n: usize, threads: usize) {
    let random = random_graph(seed, n, Purpose::Run);
    let text = || format!("seed {seed}, {n} operations\n{}", teff_graph::print_brief(&random.graph));
    let mut plan = Plan::with_updates(&random.graph, &random.updates, &Options { threads }).unwrap();
    for (i, v) in random.inputs.iter().enumerate() {
        plan.set_input(i, v).unwrap();
    }
    for run in 0..2 {
        let expected = evaluate(&random.graph, &random.inputs).unwrap();
        plan.run().unwrap();
        let found: Vec<Value> = (0..expected.len()).map(|i| plan.output_value(i)).collect();
        for (i, (e, f)) in expected.iter().zip(&found).enumerate() {
            // 0 and -0 are equal.
            let same = e.ty() == f.ty()
                && (0..e.len()).all(|k| {
                    e.get(k) == f.get(k) || e.get(k).as_f64().is_nan() && f.get(k).as_f64().is_nan()
                });
            assert!(same, "run {run}, output {i}: {f:?} instead of {e:?}\n{}\n{}", text(), plan.describe());
        }
    }
}

/// A convolution with bias and rectifier, and a pool behind it, of sizes that fill panels, strips and parts of sums, or do not.
fn windows(seed: u64) -> Graph {
    let mut state = seed;
    // Steele, Lea and Flood's SplitMix64.
    let mut size = |low: usize, high: usize| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        low + ((z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb) >> 33) as usize % (high - low + 1)
    };
    let axes = size(1, 2);
    let groups = [1, 1, 2, 5][size(0, 3)];
    let (inputs, outputs) = (groups * size(1, 40 / groups), groups * size(1, 17 / groups));
    let mut list = |low, high| (0..axes).map(|_| size(low, high)).collect::<Vec<_>>();
    let (kernel, stride, dilation) = (list(1, 4), list(1, 3), list(1, 2));
    let (pad_low, pad_high, spatial) = (list(0, 3), list(0, 3), list(10, 23));
    let (batch, pooled) = (list(1, 7)[0], list(1, 3));
    let shape = |first: [usize; 2], rest: &[usize]| [&first, rest].concat();
    let whole = |shape: &[usize], salt: usize| {
        Value::new(
            shape,
            (0..shape.iter().product()).map(|i: usize| ((i * 7 + salt) % 9) as f32 - 4.0).collect::<Vec<_>>(),
        )
    };
    let x = Tensor::input("x", DType::F32, &shape([batch, inputs], &spatial));
    let w = Tensor::constant(whole(&shape([outputs, inputs / groups], &kernel), seed as usize % 9));
    let bias = Tensor::constant(whole(&shape([outputs, 1], &vec![1; axes - 1]), 5));
    let y = x.conv_general(&w, ConvGeometry { stride, dilation, pad_low, pad_high, groups });
    let y = if seed.is_multiple_of(3) { y } else { (y + bias).relu() };
    let kind = [PoolKind::Max, PoolKind::Sum][seed as usize % 2];
    let window = Window {
        pad_low: pooled.iter().map(|n| n / 2).collect(),
        ..Window::new(pooled.clone(), vec![1; axes])
    };
    let p = y.pool(kind, window);
    Graph::from_tensors("windows", &[x], &[("y", y), ("p", p)]).unwrap()
}

/// Paddings, dilations and strides that a file may say, far beyond the image.
#[test]
fn windows_that_reach_far_take_no_more_memory_than_images() {
    let far = |stride: usize, pad: usize, dilation: usize| ConvGeometry {
        stride: vec![stride; 2],
        dilation: vec![dilation; 2],
        pad_low: vec![pad; 2],
        pad_high: vec![pad; 2],
        groups: 3,
    };
    let x = Tensor::input("x", DType::F32, &[1, 3, 2, 2]);
    let w = Tensor::constant(Value::new([3, 1, 2, 2], (0..12).map(|i| i as f32 - 5.0).collect::<Vec<_>>()));
    let y = x.conv_general(&w, far(1 << 40, 0, 1));
    let z = x.conv_general(&w, far(1, 1_000_000, 1_999_999));
    let graph = Graph::from_tensors("far", &[x], &[("y", y), ("z", z)]).unwrap();
    let given = Value::new([1, 3, 2, 2], (0..12).map(|i| i as f32).collect::<Vec<_>>());
    let mut plan = Plan::new(&graph, &Options { threads: 1 }).unwrap();
    plan.set_input(0, &given).unwrap();
    plan.run().unwrap();
    for (i, e) in evaluate(&graph, &[given]).unwrap().iter().enumerate() {
        assert_eq!(plan.output_value(i), *e, "output {i}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn same_as_the_evaluator(seed in any::<u64>(), n in 1usize..40) {
        check(seed, n, 1);
    }

    #[test]
    fn windows_over_few_images(seed in any::<u64>(), threads in 1usize..3) {
        let graph = windows(seed);
        let ty = graph[graph.inputs()[0]].ty.clone();
        let x = Value::new(&ty.shape[..], (0..ty.len()).map(|i| ((i * 5) % 11) as f32 - 5.0).collect::<Vec<_>>());
        let mut plan = Plan::new(&graph, &Options { threads }).unwrap();
        plan.set_input(0, &x).unwrap();
        plan.run().unwrap();
        prop_assert!(!plan.describe().contains("reference"), "{}", plan.describe());
        // Whole numbers, so that any order of a sum gives the same.
        let expected = evaluate(&graph, &[x]).unwrap();
        for (i, e) in expected.iter().enumerate() {
            prop_assert!(plan.output_value(i) == *e, "output {i}\n{}", teff_graph::print_brief(&graph));
        }
    }

    #[test]
    fn same_with_two_threads(seed in any::<u64>(), n in 1usize..20) {
        check(seed, n, 2);
    }
}
