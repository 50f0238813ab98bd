//! Inputs of different units, and whatever else makes results far smaller than what they could be: without a float unit the outputs are
//! within 1e-4 of the range that they have, or layers stay in floats and say so. What is right is computed in double precision.

mod common;

use common::c::{Case, check, has};
use common::{Rng, rust};
use std::path::Path;
use std::sync::Arc;
use teff_compile::program::Products;
use teff_compile::{Budget, Floats, Options, Program, Target, compile, program};
use teff_graph::{ConvGeometry, DType, Graph, NodeId, Num, Op, Scan, Tensor, Type, Value, evaluate, passes};

/// What is promised.
const PROMISED: f64 = 1e-4;

fn compiled(graph: &Graph, floats: Floats, inputs: &[Vec<Value>]) -> Program {
    let options =
        Options { target: Target::CORTEX_M0PLUS, floats, inputs: inputs.to_vec(), ..Options::default() };
    compile(graph, &options).unwrap()
}

/// The graph with its 32-bit floats as 64-bit ones.
fn wider(graph: &Graph) -> Graph {
    let dtype = |d: DType| if d == DType::F32 { DType::F64 } else { d };
    let ty = |t: &Type| Type::new(dtype(t.dtype), t.shape.clone());
    let mut to = Graph::new(&graph.name);
    let mut ids: Vec<NodeId> = Vec::new();
    for node in graph.nodes() {
        let op = match &node.op {
            Op::Input { name, ty: t } => Op::Input { name: name.clone(), ty: ty(t) },
            Op::Constant(v) => Op::Constant(Arc::new(wider_value(v))),
            Op::Iota { ty: t, axis } => Op::Iota { ty: ty(t), axis: *axis },
            Op::Cast(d) => Op::Cast(dtype(*d)),
            Op::Scan(scan) => Op::Scan(Scan { body: Arc::new(wider(&scan.body)), ..scan.clone() }),
            // The others take their types from their operands.
            op => op.clone(),
        };
        let operands: Vec<NodeId> = node.operands.iter().map(|o| ids[o.index()]).collect();
        ids.push(to.push(op, &operands, node.label.clone()).unwrap());
    }
    graph.outputs().iter().for_each(|o| to.add_output(&o.name, ids[o.node.index()]));
    to
}

fn wider_value(v: &Value) -> Value {
    if v.dtype() != DType::F32 {
        return v.clone();
    }
    Value::from_fn(&Type::new(DType::F64, v.shape()), |i| v.get(i))
}

/// How far the outputs of a program are off over some inputs, the worst as a share of its range over them.
fn off(program: &Program, graph: &Graph, inputs: &[Vec<Value>]) -> f64 {
    let wide = wider(&passes::freeze(graph));
    let (mut found, mut exact) = (Vec::new(), Vec::new());
    for x in inputs {
        found.push(program::evaluate(program, x).unwrap());
        exact.push(evaluate(&wide, &x.iter().map(wider_value).collect::<Vec<_>>()).unwrap());
    }
    let of_output = |o: usize| {
        let all = |of: &[Vec<Value>]| of.iter().flat_map(|v| v[o].to_f64()).collect::<Vec<_>>();
        let (found, exact) = (all(&found), all(&exact));
        let (low, high) = exact.iter().fold((f64::MAX, f64::MIN), |(l, h), y| (l.min(*y), h.max(*y)));
        let off = found.iter().zip(&exact).map(|(f, e)| (f - e).abs()).fold(0.0, f64::max);
        if off == 0.0 { 0.0 } else { off / (high - low) }
    };
    (0..graph.outputs().len()).map(of_output).fold(0.0, f64::max)
}

fn gauss(rng: &mut Rng) -> f64 {
    let mut uniform = || (rng.next() >> 40) as f64 / 8_388_608.0 - 1.0;
    uniform() + uniform() + uniform()
}

fn between(rng: &mut Rng, low: f64, high: f64) -> f64 {
    low + (high - low) * (rng.next() >> 40) as f64 / 16_777_216.0
}

/// A feature: its mean and deviation.
struct Feature(f64, f64);

fn feature(rng: &mut Rng) -> Feature {
    let deviation = 10f64.powf(between(rng, -3.0, 6.0));
    let away = if rng.below(3) == 0 { 0.0 } else { 10f64.powf(between(rng, 0.0, 2.5)) };
    Feature(if rng.below(2) == 0 { away } else { -away } * deviation, deviation)
}

/// Random weights of a layer, what one output takes beside each other.
fn weights(rng: &mut Rng, shape: &[usize]) -> Vec<f64> {
    let terms: usize = shape[1..].iter().product();
    (0..shape.iter().product::<usize>()).map(|_| gauss(rng) / (terms as f64).sqrt()).collect()
}

fn constant(shape: &[usize], values: Vec<f64>) -> Tensor {
    Tensor::constant(Value::new(shape, values.into_iter().map(|x| x as f32).collect::<Vec<_>>()))
}

/// A first layer that takes features as they are: what standardises them is part of its weights and bias. `shape`: outputs, channels,
/// taps.
fn folded(rng: &mut Rng, features: &[Feature], shape: &[usize]) -> (Tensor, Tensor) {
    let taps: usize = shape[2..].iter().product();
    let mut w = weights(rng, shape);
    let mut bias: Vec<f64> = (0..shape[0]).map(|_| 0.3 * gauss(rng)).collect();
    for (i, w) in w.iter_mut().enumerate() {
        let Feature(mean, deviation) = features[i / taps % features.len()];
        *w /= deviation;
        bias[i / (taps * features.len())] -= *w * mean;
    }
    (constant(shape, w), constant(&[shape[0]], bias))
}

fn dense(rng: &mut Rng, x: &Tensor, outputs: usize) -> Tensor {
    let shape = [outputs, x.shape()[1]];
    let w = constant(&shape, weights(rng, &shape));
    x.matmul(&w.transpose()) + constant(&[outputs], (0..outputs).map(|_| 0.3 * gauss(rng)).collect())
}

fn activated(rng: &mut Rng, x: &Tensor) -> Tensor {
    match rng.below(4) {
        0 => x.tanh(),
        1 => x.sigmoid(),
        _ => x.relu(),
    }
}

/// A random network over features of different units, and inputs of the distributions those have.
fn net(rng: &mut Rng) -> (Graph, Vec<Vec<Value>>) {
    let features: Vec<Feature> = (0..1 + rng.below(12)).map(|_| feature(rng)).collect();
    let k = features.len();
    let hidden = 1 + rng.below(24);
    let (shape, mut h, x) = match rng.below(5) {
        // Straight to the outputs, as a regression.
        0 => {
            let x = Tensor::input("x", DType::F32, &[1, k]);
            let outputs = 1 + rng.below(4);
            let (w, b) = folded(rng, &features, &[outputs, k]);
            (vec![1, k], x.matmul(&w.transpose()) + b, x)
        }
        1 | 2 => {
            let x = Tensor::input("x", DType::F32, &[1, k]);
            let (w, b) = folded(rng, &features, &[hidden, k]);
            let h = x.matmul(&w.transpose()) + b;
            (vec![1, k], activated(rng, &h), x)
        }
        // Windows of sensors.
        3 => {
            let x = Tensor::input("x", DType::F32, &[1, k, 24]);
            let (w, b) = folded(rng, &features, &[hidden, k, 3]);
            let h = x.conv1d(&w, 2, 0, 1, 1) + b.reshape(&[1, hidden, 1]).broadcast_to(&[1, hidden, 11]);
            let h = activated(rng, &h);
            (vec![1, k, 24], h.reshape(&[1, hidden * 11]), x)
        }
        _ => {
            let x = Tensor::input("x", DType::F32, &[1, k, 6, 6]);
            let (w, b) = folded(rng, &features, &[hidden, k, 3, 3]);
            let h = x.conv2d(&w, 1, 0, 1, 1) + b.per_channel(4);
            let h = activated(rng, &h).max_pool2d(2, 2);
            (vec![1, k, 6, 6], h.reshape(&[1, hidden * 4]), x)
        }
    };
    for _ in 0..rng.below(3) {
        let outputs = 1 + rng.below(16);
        let y = dense(rng, &h, outputs);
        h = activated(rng, &y);
    }
    if shape.len() > 2 || rng.below(2) == 0 {
        let outputs = 1 + rng.below(5);
        h = dense(rng, &h, outputs);
    }
    let inner: usize = shape[2..].iter().product();
    let mut sample = || {
        let of = |i: usize| {
            let Feature(mean, deviation) = features[i / inner % k];
            Num::Float(mean + deviation * gauss(&mut *rng))
        };
        vec![Value::from_fn(&Type::new(DType::F32, shape.clone()), of)]
    };
    let inputs = (0..24).map(|_| sample()).collect();
    (common::nets::graph(&x, &h), inputs)
}

/// Why layers stay in floats.
fn reasons(program: &Program) -> Vec<&'static str> {
    let of = |p: &Products| match p {
        Products::Software { reason } => Some(*reason),
        Products::Mantissas { .. } | Products::AsWritten => None,
    };
    program.kernels.iter().filter_map(|k| of(&k.products)).collect()
}

#[test]
fn features_of_different_units_give_results_within_what_is_promised() {
    let (mut by_integers, mut worst) = (0, 0f64);
    for seed in 0..200 {
        let (graph, inputs) = net(&mut Rng(seed * 7919 + 1));
        let program = compiled(&graph, Floats::default(), &[]);
        let found = off(&program, &graph, &inputs);
        let stay = !reasons(&program).is_empty();
        by_integers += !stay as usize;
        // Where layers stay in floats, those may be no better.
        let floats = || off(&compiled(&graph, Floats::Exact, &[]), &graph, &inputs);
        let promised = if stay && found > PROMISED { PROMISED.max(2.0 * floats()) } else { PROMISED };
        let about = teff_graph::print_brief(&graph);
        assert!(
            found <= promised,
            "{seed}: off by {found} of the range, {:?} when tried\n{about}",
            program.off
        );
        worst = worst.max(found);
    }
    println!("{by_integers} of 200 wholly by integers, off by {worst:.1e} of the range at most");
    assert!(by_integers >= 50, "{by_integers}");
}

/// A power of two for each channel: no software floats where features are not far from zero.
#[test]
fn small_inputs_beside_large_ones_are_multiplied_by_integers() {
    for seed in 0..20 {
        let rng = &mut Rng(seed + 100);
        let features: Vec<Feature> = [1e6, 1e-3, 1.0, 300.0]
            .map(|deviation| Feature(2.0 * gauss(rng) * deviation, deviation))
            .into_iter()
            .collect();
        let x = Tensor::input("x", DType::F32, &[1, 4, 8]);
        let (w, b) = folded(rng, &features, &[6, 4, 3]);
        let y = x.conv1d(&w, 1, 0, 1, 1) + b.reshape(&[1, 6, 1]).broadcast_to(&[1, 6, 6]);
        let graph = common::nets::graph(&x, &y);
        let mut sample = || {
            let of = |i: usize| Num::Float(features[i / 8].0 + features[i / 8].1 * gauss(rng));
            vec![Value::from_fn(&Type::new(DType::F32, [1, 4, 8]), of)]
        };
        let inputs: Vec<_> = (0..10).map(|_| sample()).collect();
        for given in [&inputs[..3], &[]] {
            let program = compiled(&graph, Floats::default(), given);
            assert!(reasons(&program).is_empty(), "{seed}: {:?} {:?}", reasons(&program), program.off);
            let found = off(&program, &graph, &inputs);
            assert!(found < 2e-5, "{seed}: {found}");
        }
    }
}

fn data(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn model(name: &str) -> Graph {
    teff_onnx::read(&data(&format!("{name}.onnx")), &Default::default()).unwrap().graph
}

/// Pressure in pascal and a ratio, one output: the bias takes all of the pressure off but the last hundredth.
#[test]
fn what_a_bias_cancels_stays_in_floats_and_says_so() {
    let graph = model("folded");
    let inputs = vec![Value::new([1, 2], vec![101_500.0f32, 0.013])];
    let program = compiled(&graph, Floats::default(), &[]);
    let found = program::evaluate(&program, &inputs).unwrap()[0].to_f64();
    // 1e-3 * 101 500 + 100 * 0.013 - 101.325.
    assert!((found[0] - 1.475).abs() < 1e-4, "{found:?}");
    let notes = Budget::new(&program, &Target::CORTEX_M0PLUS).notes();
    let said =
        "is computed by software floats, because integers took the outputs too far off on the inputs tried";
    assert!(notes.iter().any(|n| n.ends_with(said)), "{notes:?}");
}

/// The same with an input for each, scaled on the way: what is made up for them is as far from zero.
#[test]
fn inputs_that_are_joined_and_scaled_are_seen_through() {
    let (pressure, ratio) =
        (Tensor::input("p", DType::F32, &[1, 1]), Tensor::input("r", DType::F32, &[1, 1]));
    let both = Tensor::concat(&[(&pressure - 500.0) * 0.01, ratio.clone()], 1);
    let w = constant(&[2, 1], vec![0.1, 100.0]);
    let y = both.matmul(&w) + constant(&[1], vec![-100.825]);
    let graph = Graph::from_tensors("net", &[pressure, ratio], &[("y", y)]).unwrap();
    let one = |x: f64| Value::new([1, 1], vec![x as f32]);
    let rng = &mut Rng(5);
    let mut sample = || vec![one(101_325.0 + 500.0 * gauss(rng)), one(0.01 + 0.005 * gauss(rng))];
    let inputs: Vec<_> = (0..20).map(|_| sample()).collect();
    let program = compiled(&graph, Floats::default(), &[]);
    let found = off(&program, &graph, &inputs);
    assert!(found <= PROMISED, "{found} {:?}", reasons(&program));
    assert!(!reasons(&program).is_empty(), "{:?}", program.off);
}

/// Networks that magnify what a layer is off by: norms of parts of the spectrum; the distance of two embeddings.
#[test]
fn what_the_layers_behind_magnify_is_seen_before() {
    for name in ["bcresnet", "siamese"] {
        let graph = model(name);
        let ty = graph[graph.inputs()[0]].ty.clone();
        let size = ty.len() * 4;
        let x = data(&format!("{name}.f32"));
        let inputs: Vec<Vec<Value>> =
            x.chunks_exact(size).map(|bytes| vec![Value::from_le_bytes(&ty, bytes).unwrap()]).collect();
        for given in [&[], &inputs[..]] {
            let program = compiled(&graph, Floats::default(), given);
            let found = off(&program, &graph, &inputs);
            println!("{name}: off by {found:.1e} of the range, {:?} when tried", program.off);
            assert!(found <= PROMISED, "{name}: {found}");
            let tried = program.off.expect("it is small enough to be tried");
            assert!(tried > 0.0 && tried <= PROMISED, "{name}: {tried}");
        }
    }
}

/// Where the outputs are the same whatever is tried, nothing shows what features of different units are off by.
#[test]
fn outputs_that_show_nothing_leave_features_far_from_zero_to_floats() {
    let rng = &mut Rng(4);
    let features: Vec<Feature> = [1e5, 1e-2, 1.0].map(|deviation| Feature(9.0 * deviation, deviation)).into();
    let x = Tensor::input("x", DType::F32, &[1, 3]);
    let (w, b) = folded(rng, &features, &[4, 3]);
    let h = x.matmul(&w.transpose()) + b;
    let unseen = "its inputs are far from zero, and the outputs were the same for all inputs tried";
    for (y, silent) in [((&h - 1e9).relu(), true), (h.relu(), false)] {
        let program = compiled(&common::nets::graph(&x, &y), Floats::default(), &[]);
        assert_eq!(reasons(&program).contains(&unseen), silent, "{:?}", reasons(&program));
    }
}

/// A place, a line, an image and a volume, with groups.
#[test]
fn convolutions_over_any_number_of_axes_are_within_what_is_promised() {
    for axes in 0..4 {
        let rng = &mut Rng(axes as u64);
        let shape: Vec<usize> = [1, 4].into_iter().chain((0..axes).map(|a| 5 - a)).collect();
        let kernel: Vec<usize> = [6, 2].into_iter().chain((0..axes).map(|_| 2)).collect();
        let x = Tensor::input("x", DType::F32, &shape);
        let w = constant(&kernel, weights(rng, &kernel));
        let geometry = ConvGeometry { groups: 2, ..ConvGeometry::new(axes) };
        let graph = common::nets::graph(&x, &x.conv_general(&w, geometry));
        let inputs: Vec<_> = (0..5).map(|_| vec![common::nets::uniform(rng, &shape, 1.0)]).collect();
        let program = compiled(&graph, Floats::default(), &[]);
        assert!(reasons(&program).is_empty(), "{:?}", reasons(&program));
        let found = off(&program, &graph, &inputs);
        assert!(found > 0.0 && found <= PROMISED, "{axes} axes: {found}");
    }
}

/// What is said of the inputs tried is what happens on them: within a factor of three, for it leaves out how sums are shifted.
#[test]
fn how_far_outputs_are_off_is_told_before() {
    for (seed, hidden, outputs, large) in [
        (1, 30, 20, 1.0),
        (2, 60, 1, 1000.0),
        (3, 30, 3, 1e-3),
        (4, 0, 40, 50.0),
        (5, 0, 8, 0.0),
        (6, 0, 8, -1.0),
    ] {
        let rng = &mut Rng(seed);
        let x = Tensor::input("x", DType::F32, &[1, 6]);
        let h = if hidden > 0 { dense(rng, &x, hidden).relu() } else { x.clone() };
        // Weights that are integers of 16 bits lose nothing, so that inputs are all that is rounded.
        let whole = |i: usize| (i as i64 * 12_345 % 65_535 - 32_767) as f64;
        let y = match large {
            0.0 => x.matmul(&constant(&[6, outputs], (0..6 * outputs).map(whole).collect())),
            // Channels of different units.
            -1.0 => x.matmul(&constant(
                &[6, outputs],
                (0..6 * outputs).map(|i| gauss(rng) * 100f64.powi((i / outputs) as i32 - 3)).collect(),
            )),
            _ => dense(rng, &h, outputs) * large,
        };
        let graph = common::nets::graph(&x, &y);
        let inputs: Vec<Vec<Value>> = (0..9)
            .map(|i| {
                let x = common::nets::uniform(rng, &[1, 6], 1.0 + i as f64);
                let unit = |k: usize| if large == -1.0 { 100f64.powi(3 - k as i32) } else { 1.0 };
                vec![Value::from_fn(&x.ty(), |k| Num::Float(x.get(k).as_f64() * unit(k)))]
            })
            .collect();
        let floats = Floats::Mantissas { error: 0.01 };
        // Of nine, three.
        let tried = [inputs[0].clone(), inputs[3].clone(), inputs[6].clone()];
        let program = compiled(&graph, floats, &inputs);
        assert_eq!(program.off, compiled(&graph, floats, &tried).off);
        let said = program.off.unwrap();
        let wide = wider(&passes::freeze(&graph));
        let exact: Vec<Vec<f64>> =
            tried.iter().map(|x| evaluate(&wide, &[wider_value(&x[0])]).unwrap()[0].to_f64()).collect();
        let range = |values: &mut dyn Iterator<Item = &f64>| {
            let (low, high) = values.fold((f64::MAX, f64::MIN), |(l, h), y| (l.min(*y), h.max(*y)));
            high - low
        };
        let all = range(&mut exact.iter().flatten());
        let share = |(x, exact): (&Vec<Value>, &Vec<f64>)| {
            let found = program::evaluate(&program, x).unwrap()[0].to_f64();
            let off = found.iter().zip(exact).map(|(f, e)| (f - e).abs()).fold(0.0, f64::max);
            off / range(&mut exact.iter()).max(0.3 * all)
        };
        let happens = tried.iter().zip(&exact).map(share).fold(0.0, f64::max);
        assert!((happens / 3.0..happens * 3.0).contains(&said), "{seed}: {said} said, {happens} happens");
    }
}

/// C and Rust have the bits of the evaluator: whatever comes in, and a channel without weights.
#[test]
fn powers_of_two_have_the_bits_of_the_evaluator_in_c_and_rust() {
    let rng = &mut Rng(7);
    let mut cases = Vec::new();
    let mut add = |x: &Tensor, y: &Tensor, inputs: Value| {
        let graph = common::nets::graph(x, y);
        // Tried on such inputs nothing cancels.
        let given = [vec![common::nets::uniform(&mut Rng(1), inputs.shape(), 1.0)]];
        let name = format!("net{}", cases.len());
        let options = Options {
            name,
            target: Target::CORTEX_M0PLUS,
            floats: Floats::Mantissas { error: 1e-2 },
            inputs: given.to_vec(),
            ..Options::default()
        };
        let program = compile(&graph, &options).unwrap();
        assert!(program.buffers.iter().any(|b| b.name.ends_with("_power")), "{program}");
        let inputs = vec![inputs];
        let expected = program::evaluate(&program, &inputs).unwrap();
        let about = teff_graph::print_brief(&graph);
        cases.push(Case { program, inputs, expected, tolerance: 0.0, about });
    };
    let sizes = [1e-5, 0.01, 0.0, 1e3, 0.3];
    let w = |rng: &mut Rng, shape: &[usize], axis: usize| {
        let inner: usize = shape[axis + 1..].iter().product();
        let values = weights(rng, shape);
        constant(shape, values.iter().enumerate().map(|(i, w)| w * sizes[i / inner % 5]).collect())
    };
    for odd in [0.3, 0.0, -0.0, 1e-38, 1e-45, 3e38, f64::NAN, f64::INFINITY] {
        for at in 0..5 {
            let x = Tensor::input("x", DType::F32, &[2, 5]);
            let mut given: Vec<f32> = weights(rng, &[2, 5]).iter().map(|x| *x as f32).collect();
            given[at] = odd as f32;
            add(&x, &x.matmul(&w(rng, &[5, 7], 0)), Value::new([2, 5], given));
        }
        let x = Tensor::input("x", DType::F32, &[5, 3]);
        let mut given: Vec<f32> = weights(rng, &[5, 3]).iter().map(|x| *x as f32).collect();
        given[9] = odd as f32;
        add(&x, &w(rng, &[4, 5], 1).matmul(&x), Value::new([5, 3], given));
        let x = Tensor::input("x", DType::F32, &[1, 10, 5, 5]);
        let mut given: Vec<f32> = weights(rng, &[1, 10, 5, 5]).iter().map(|x| *x as f32).collect();
        given[90] = odd as f32;
        let y = x.relu().conv2d(&w(rng, &[6, 5, 3, 3], 1), 1, 1, 1, 2);
        add(&x, &y, Value::new([1, 10, 5, 5], given));
    }
    if has("gcc") {
        check(&cases, "gcc", &["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]);
    }
    rust::check(&cases, rust::CHECKED);
}
