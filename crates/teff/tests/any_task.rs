//! Quantising what is no classifier of one picture: several inputs and outputs, samples alone, numbers to be found, inputs of mixed units.

use std::ops::ControlFlow;
use teff::data::{Column, Dataset, Samples, Targets};
use teff::graph::Op;
use teff::graph::evaluate;
use teff::quantize::{Interface, Quantised, Rounding, Settings, quantize};
use teff::{DType, Graph, Judgement, Tensor, Value, outputs};

fn noise(i: usize) -> f32 {
    let bits = teff::graph::random_bits(5, i as u64);
    (bits >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

fn constant(shape: &[usize], f: impl Fn(usize) -> f32) -> Tensor {
    Tensor::constant(Value::new(shape.to_vec(), (0..shape.iter().product()).map(f).collect::<Vec<f32>>()))
}

fn column(name: &str, shape: &[usize], values: Vec<f32>) -> Column {
    Column { name: name.into(), shape: shape.to_vec(), samples: Samples::F32(values) }
}

fn done(graph: &Graph, data: &Dataset) -> Quantised {
    done_with(graph, data, Interface::Float)
}

fn done_with(graph: &Graph, data: &Dataset, interface: Interface) -> Quantised {
    let settings = Settings { interface, ..Settings::default() };
    quantize(graph, data, &settings, &mut |_, _, _| ControlFlow::Continue(())).unwrap()
}

/// Signal to noise of what the quantised network gives beside what `graph` does, in dB.
fn decibels(graph: &Graph, quantised: &Quantised, data: &Dataset) -> f64 {
    let (exact, said) = (outputs(graph, data, 1).unwrap(), outputs(&quantised.graph, data, 1).unwrap());
    let squares = |f: &dyn Fn(f32, f32) -> f32| -> f64 {
        exact[0].iter().zip(&said[0]).map(|(x, y)| f64::from(f(*x, *y)).powi(2)).sum()
    };
    10.0 * (squares(&|x, _| x) / squares(&|x, y| x - y)).log10()
}

/// Tokens pick rows of a table, beside a sensor; two outputs.
#[test]
fn tokens_beside_floats_and_two_outputs_from_samples_alone() {
    let tokens = Tensor::input("tokens", DType::I64, &[1, 3]);
    let sensor = Tensor::input("sensor", DType::F32, &[1, 4]);
    let table = constant(&[10, 4], noise);
    let words = table.gather(&tokens.reshape(&[3]), 0).reshape(&[1, 12]);
    let h = Tensor::concat(&[words, sensor.clone()], 1)
        .matmul(&constant(&[16, 8], |i| noise(i + 40)))
        .named("hidden")
        .relu();
    let (a, b) = (
        h.matmul(&constant(&[8, 2], |i| noise(i + 300))).named("a"),
        h.matmul(&constant(&[8, 1], |i| noise(i + 400))).named("b"),
    );
    let graph = Graph::from_tensors("mixed", &[tokens, sensor], &[("left", a), ("right", b)]).unwrap();
    let whole = Samples::I64((0..600).map(|i| (noise(i + 900) * 5.0 + 5.0) as i64).collect());
    let inputs = vec![
        column("sensor", &[4], (0..800).map(noise).collect()),
        Column { name: "tokens".into(), shape: vec![3], samples: whole },
    ];
    let data = Dataset::of(inputs, Targets::Missing).unwrap();
    let quantised = done(&graph, &data);
    let report = &quantised.report;
    assert_eq!((report.accuracy, report.samples, report.judged), (None, 200, 50));
    assert_eq!(report.outputs.iter().map(|o| &*o.name).collect::<Vec<_>>(), ["left", "right"]);
    assert!(report.outputs.iter().all(|o| o.sqnr > 30.0), "{:?}", report.outputs);
    assert!(report.layers.iter().all(|l| l.loss.is_none()));
    // What the report says is what the quantised graph gives, sample by sample, by the plain evaluator.
    let (float, after) = (outputs(&graph, &data, 1).unwrap(), outputs(&quantised.graph, &data, 1).unwrap());
    for n in [0, 77, 199] {
        let Samples::I64(whole) = &data.inputs()[1].samples else { panic!("whole") };
        let Samples::F32(floats) = &data.inputs()[0].samples else { panic!("floats") };
        let given = [
            Value::new([1, 3], whole[n * 3..n * 3 + 3].to_vec()),
            Value::new([1, 4], floats[n * 4..n * 4 + 4].to_vec()),
        ];
        let (one, two) = (evaluate(&graph, &given).unwrap(), evaluate(&quantised.graph, &given).unwrap());
        let close =
            |a: &[f32], b: &Value| a.iter().zip(b.to_f64()).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-4);
        assert!(close(&float[0][n * 2..n * 2 + 2], &one[0]) && close(&float[1][n..n + 1], &one[1]));
        assert!(close(&after[0][n * 2..n * 2 + 2], &two[0]) && close(&after[1][n..n + 1], &two[1]));
    }
}

/// A polynomial of one number: what is to be found is a number, and so is what is said of it.
#[test]
fn a_regressor_is_judged_by_its_numbers() {
    let x = Tensor::input("x", DType::F32, &[1, 1]);
    let h = (x.matmul(&constant(&[1, 6], |i| i as f32 - 2.5)).named("h")
        + constant(&[6], |i| 0.3 * i as f32))
    .relu();
    let y = h.matmul(&constant(&[6, 1], noise)).named("y");
    let graph = Graph::from_tensors("curve", &[x], &[("y", y)]).unwrap();
    let given: Vec<f32> = (0..200).map(noise).collect();
    let exact: Vec<f32> = given
        .iter()
        .map(|x| evaluate(&graph, &[Value::new([1, 1], vec![*x])]).unwrap()[0].get(0).as_f64() as f32)
        .collect();
    let targets = Targets::Values(vec![column("y", &[1], exact.clone())]);
    let data = Dataset::of(vec![column("x", &[1], given)], targets).unwrap();
    let said = outputs(&done_with(&graph, &data, Interface::Int8).graph, &data, 1).unwrap();
    let Judgement::Numbers(fits) = Judgement::of(&said, &data) else {
        panic!("numbers are judged as numbers")
    };
    let missed: f64 = exact.iter().zip(&said[0]).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>() / 200.0;
    assert!((fits[0].1.mse - missed).abs() < 1e-9 && fits[0].1.r2 > 0.999, "{fits:?}");
}

/// Pressure in pascal beside a ratio, a temperature and a share of a percent: one grid for all leaves the ratio nothing. A dense layer with
/// a bias and one without, and a convolution that pads.
#[test]
fn inputs_of_mixed_units_are_brought_together_and_others_are_left_alone() {
    let units = |i: usize| [1.0, 101_325.0 + 300.0 * noise(i + 7), 0.01, 25.0][i % 4];
    let sample = |i: usize| if i % 4 == 1 { units(i) } else { units(i) * (1.0 + noise(i)) };
    let scale = |i: usize| [1.0, 1.0 / 300.0, 100.0, 1.0 / 25.0][i];
    for bias in [false, true] {
        let x = Tensor::input("x", DType::F32, &[1, 4]);
        let h = x.matmul(&constant(&[4, 6], |i| scale(i / 6) * noise(i + 20))).named("h");
        let offset = |j: usize| {
            -(0..4).map(|c| [1.0, 101_325.0, 0.01, 25.0][c] * scale(c) * noise(c * 6 + j + 20)).sum::<f32>()
        };
        let h = if bias { h + constant(&[6], offset) } else { h };
        let y = h.relu().matmul(&constant(&[6, 2], |i| noise(i + 60))).named("y");
        let graph = Graph::from_tensors("units", &[x], &[("y", y)]).unwrap();
        let data =
            Dataset::of(vec![column("x", &[4], (0..1200).map(sample).collect())], Targets::Missing).unwrap();
        let quantised = done(&graph, &data);
        let found = &quantised.report.standardised;
        assert!(
            found.len() == 1 && found[0].input == "x" && found[0].after > found[0].before + 10.0,
            "{found:?}"
        );
        assert!(decibels(&graph, &quantised, &data) > 30.0);
    }
    // Three axes of a sensor, one in thousands; what is padded stays 0.
    let x = Tensor::input("x", DType::F32, &[1, 3, 8, 1]);
    let reach = |c: usize| [1.0, 2000.0, 0.5][c];
    let w = constant(&[4, 3, 3, 1], |i| noise(i) / reach(i / 3 % 3));
    let geometry = teff::graph::ConvGeometry {
        pad_low: vec![1, 0],
        pad_high: vec![1, 0],
        ..teff::graph::ConvGeometry::new(2)
    };
    let h = x.conv_general(&w, geometry).named("conv").relu().sum(&[2, 3]).reshape(&[1, 4]);
    let y = h.matmul(&constant(&[4, 2], |i| noise(i + 90))).named("y");
    let graph = Graph::from_tensors("axes", &[x], &[("y", y)]).unwrap();
    let values = (0..24 * 300).map(|i| (noise(i) + 0.8) * reach(i / 8 % 3)).collect();
    let data = Dataset::of(vec![column("x", &[3, 8, 1], values)], Targets::Missing).unwrap();
    let quantised = done(&graph, &data);
    assert_eq!(quantised.report.standardised.len(), 1);
    assert!(decibels(&graph, &quantised, &data) > 30.0);
    // Channels that reach alike are left as they are.
    let x = Tensor::input("x", DType::F32, &[1, 4]);
    let y = x.matmul(&constant(&[4, 2], noise)).named("y");
    let graph = Graph::from_tensors("alike", &[x], &[("y", y)]).unwrap();
    let data = Dataset::of(vec![column("x", &[4], (0..400).map(noise).collect())], Targets::Missing).unwrap();
    assert!(done(&graph, &data).report.standardised.is_empty());
}

/// Samples of `n` numbers each, alone.
fn samples(n: usize) -> Dataset {
    Dataset::of(vec![column("x", &[n], (0..200 * n).map(noise).collect())], Targets::Missing).unwrap()
}

/// Whether products are all of integers in what the compiler makes of a network.
fn multiplies_integers(quantised: &Quantised) -> bool {
    let graph = teff::compile::integer(&quantised.graph).unwrap();
    graph.nodes().iter().all(|n| !matches!(n.op, Op::MatMul | Op::Conv(_)) || !n.ty.dtype.is_float())
}

/// What a network gives as floats is made of its last sums; logarithms, norms and what a mask takes out of a softmax are not of 8 bits.
#[test]
fn what_needs_more_than_8_bits_has_them() {
    let x = Tensor::input("x", DType::F32, &[1, 16]);
    let dense = |x: &Tensor, o: usize, k: usize| {
        let i = x.shape()[x.rank() - 1];
        x.matmul(&constant(&[i, o], |n| noise(n + k))) + constant(&[o], |n| 0.1 * noise(n))
    };
    let hidden = dense(&x, 64, 1).relu();
    let logits = dense(&hidden, 5, 2);
    let norm = (&logits * &logits).sum(&[1]).sqrt().maximum(constant(&[1, 1], |_| 1e-6));
    let masked = |scores: &Tensor| {
        let mask = constant(&[1, 5], |n| if n > 2 { f32::NEG_INFINITY } else { 0.0 });
        dense(&(scores + mask).softmax(1), 3, 3)
    };
    let cases = [
        ("sums", logits.clone(), 40.5),
        ("log softmax", logits.log_softmax(1), 43.0),
        ("unit length", &logits / norm.broadcast_to(&[1, 5]), 40.2),
        ("masked", masked(&logits), 35.0),
    ];
    for (name, y, least) in cases {
        let graph = Graph::from_tensors("net", std::slice::from_ref(&x), &[("y", y)]).unwrap();
        let data = samples(16);
        let quantised = done(&graph, &data);
        let found = decibels(&graph, &quantised, &data);
        assert!(found > least, "{name}: {found} dB");
        assert!(multiplies_integers(&quantised), "{name}");
    }
}

/// Weights of few bits move together until the outputs are nearest, which no layer by itself knows.
#[test]
fn rounding_is_learned_from_samples_alone() {
    let x = Tensor::input("x", DType::F32, &[1, 12]);
    let layer = |x: &Tensor, o: usize, k: usize| {
        let i = x.shape()[1];
        x.matmul(&constant(&[i, o], |n| noise(7 * n + k) / (i as f32).sqrt())).relu()
    };
    let y = layer(&layer(&layer(&x, 24, 1), 24, 2), 24, 3).matmul(&constant(&[24, 3], |n| noise(n + 4)));
    let graph = Graph::from_tensors("net", &[x], &[("y", y)]).unwrap();
    let data = samples(12);
    let with = |rounding: Rounding| {
        let settings = Settings { bits: 2, rounding, ..Settings::default() };
        let done = quantize(&graph, &data, &settings, &mut |_, _, _| ControlFlow::Continue(())).unwrap();
        (decibels(&graph, &done, &data), done.report.learned.is_some())
    };
    let (learned, compensated) = (with(Rounding::Learned), with(Rounding::Compensated));
    assert!(learned.1 && !compensated.1);
    assert!(learned.0 > compensated.0 + 3.0, "{} dB, {} dB", learned.0, compensated.0);
}

/// Attention, and activations that take a logarithm of one element, have integers inside: what more bits are for is at the ends and where
/// elements come together.
#[test]
fn what_8_bits_suffice_for_has_no_more() {
    // Large beside what follows, which then could be floats without taking more memory.
    let x = Tensor::input("x", DType::F32, &[1, 6, 64]);
    let dense = |x: &Tensor, o: usize, k: usize| {
        let i = x.shape()[x.rank() - 1];
        x.matmul(&constant(&[i, o], |n| noise(n + k))) + constant(&[o], |n| 0.1 * noise(n))
    };
    let [q, k, v] = [1, 2, 3].map(|n| dense(&x, 8, n));
    let scores = q.matmul(&k.permute(&[0, 2, 1])) * constant(&[], |_| 0.35);
    let attention = dense(&scores.softmax(2).matmul(&v), 4, 4);
    let softplus = |x: &Tensor| (x.exp() + constant(&[], |_| 1.0)).log();
    let mish = |x: &Tensor| x * softplus(x).tanh();
    let hidden = dense(&dense(&x, 8, 5), 8, 6);
    let cases = [
        ("attention", attention),
        ("softplus", dense(&softplus(&hidden), 3, 7)),
        ("mish", dense(&mish(&hidden), 3, 8)),
    ];
    for (name, y) in cases {
        let graph = Graph::from_tensors("net", std::slice::from_ref(&x), &[("y", y)]).unwrap();
        let data =
            Dataset::of(vec![column("x", &[6, 64], (0..100 * 384).map(noise).collect())], Targets::Missing);
        let quantised = done(&graph, &data.unwrap());
        let network = &quantised.network;
        let given = |s: &&teff::quantize::Site| s.is_output;
        let outputs: Vec<_> = network.sites.iter().filter(given).map(|s| s.node).collect();
        assert_eq!(outputs, [network.graph.outputs()[0].node], "{name}");
        let integers = teff::graph::passes::simplify(&teff::compile::integer(&quantised.graph).unwrap());
        let computes = |op: &Op| matches!(op, Op::Unary(_) | Op::Binary(_) | Op::Reduce { .. } | Op::MatMul);
        let floats = integers.nodes().iter().filter(|n| n.ty.dtype.is_float() && computes(&n.op));
        assert_eq!(floats.map(|n| n.op.to_string()).collect::<Vec<_>>(), Vec::<String>::new(), "{name}");
    }
}

/// Layers that share weights, one of them kept or of other bits, are rounded each by itself.
#[test]
fn shared_weights_are_learned_for_those_that_share_a_grid() {
    let x = Tensor::input("x", DType::F32, &[1, 8]);
    let w = constant(&[8, 8], noise);
    let first = x.matmul(&w).named("first").relu();
    let second = first.matmul(&w).named("second").relu();
    let y = second.matmul(&constant(&[8, 2], |n| noise(n + 3))).named("last");
    let graph = Graph::from_tensors("net", &[x], &[("y", y)]).unwrap();
    let data = samples(8);
    let with = |keep: &[&str], layers: &[(&str, u8)]| {
        let settings = Settings {
            bits: 4,
            keep: keep.iter().map(|n| n.to_string()).collect(),
            layers: layers.iter().map(|(n, b)| (n.to_string(), *b)).collect(),
            ..Settings::default()
        };
        let done = quantize(&graph, &data, &settings, &mut |_, _, _| ControlFlow::Continue(())).unwrap();
        decibels(&graph, &done, &data)
    };
    let (same, kept, other) = (with(&[], &[]), with(&["first"], &[]), with(&[], &[("second", 8)]));
    assert!(same > 12.0 && kept > same && other > same - 1.0, "{same} {kept} {other}");
}

/// 16 bits help where one neuron reaches far beyond the others, but not at the cost of a layer in floats: 1024 products of 16 by 8 bits, all of
/// full size, exceed 32 bits.
#[test]
fn sixteen_bits_are_given_where_sums_hold_them() {
    let wide = |neurons: usize| {
        let x = Tensor::input("x", DType::F32, &[1, 16]);
        let far = move |i: usize| if i == 0 { 1000.0 } else { 1.0 };
        let first = constant(&[16, neurons], |n| noise(n) * far(n % neurons));
        let second = constant(&[neurons, 2], |n| (if n % 3 == 0 { 1.0 } else { -1.0 }) / far(n / 2));
        let y = x.matmul(&first).relu().matmul(&second).named("sums");
        let graph = Graph::from_tensors("net", &[x], &[("y", y)]).unwrap();
        let settings = Settings { equalise: false, ..Settings::default() };
        quantize(&graph, &samples(16), &settings, &mut |_, _, _| ControlFlow::Continue(())).unwrap()
    };
    let (few, many) = (wide(64), wide(1024));
    assert!(few.report.widened[0].after > few.report.widened[0].before + 6.0, "{:?}", few.report.widened);
    assert!(multiplies_integers(&few) && few.report.floats.is_empty(), "{:?}", few.report.floats);
    assert!(multiplies_integers(&many) && many.report.floats.is_empty(), "{:?}", many.report.floats);
    assert!(many.report.widened.is_empty(), "{:?}", many.report.widened);
    let x = Tensor::input("x", DType::F32, &[1, 1024]);
    let y = x.matmul(&constant(&[1024, 2], |n| if n % 3 == 0 { 1.0 } else { -1.0 })).named("sums");
    let graph = Graph::from_tensors("net", &[x], &[("y", y)]).unwrap();
    let settings = Settings { tensors: DType::I16, ..Settings::default() };
    let asked =
        quantize(&graph, &samples(1024), &settings, &mut |_, _, _| ControlFlow::Continue(())).unwrap();
    assert_eq!(asked.report.floats[0].0, "sums", "{:?}", asked.report.floats);
    assert!(asked.report.floats[0].1.contains("may exceed 32 bits"));
}
