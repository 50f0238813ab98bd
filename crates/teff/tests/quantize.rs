//! Quantisation: where tensors are quantised, with which numbers, and that nothing but integers is left.

#[path = "../../teff-onnx/tests/suite/archive.rs"]
#[allow(dead_code, reason = "the names of the tests are not needed here")]
mod suite;

use teff::graph::{ConvGeometry, Graph, Op, PoolKind, Window, evaluate};
use teff::quantize::{Grid, Interface, Network, Scheme, Weights, rewrite};
use teff::{DType, Tensor, Value};

fn constant(shape: &[usize], f: impl Fn(usize) -> f32) -> Tensor {
    Tensor::constant(Value::new(shape.to_vec(), (0..shape.iter().product()).map(f).collect::<Vec<f32>>()))
}

/// Numbers that look random and are the same everywhere.
fn noise(i: usize) -> f32 {
    let bits = teff::graph::random_bits(7, i as u64);
    (bits >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

fn graph(x: Tensor, y: Tensor) -> Graph {
    Graph::from_tensors("net", &[x], &[("y", y)]).unwrap()
}

/// Every site with the grid of this range, every layer rounded.
fn scheme(network: &Network, bits: u8) -> Scheme {
    Scheme {
        sites: network
            .sites
            .iter()
            .map(|s| match s.fixed {
                Some((scale, zero)) => Some(Grid { dtype: DType::I8, scale, zero }),
                None => Some(Grid::of_range(DType::I8, -4.0, 4.0)),
            })
            .collect(),
        layers: (0..network.layers.len()).map(|i| Some(Weights::rounded(network, i, bits))).collect(),
    }
}

/// Operations on floats in the integer form of a graph, its ends aside.
fn floats(graph: &Graph) -> Vec<String> {
    let graph = teff::graph::passes::simplify(&teff::compile::integer(graph).unwrap());
    let computes =
        |op: &Op| !matches!(op, Op::Input { .. } | Op::Constant(_) | Op::Quantize { .. } | Op::Dequantize);
    let moves = |op: &Op| matches!(op, Op::Reshape(_) | Op::Permute(_) | Op::Broadcast(_) | Op::Slice(_));
    let nodes = graph.nodes().iter().filter(|n| n.ty.dtype.is_float() && computes(&n.op) && !moves(&n.op));
    nodes.map(|n| format!("{} {:?}", n.op, n.label)).collect()
}

/// A network of everything that a small image classifier has.
fn image_network() -> Graph {
    let x = Tensor::input("x", DType::F32, &[1, 1, 8, 8]);
    let padded = ConvGeometry { pad_low: vec![1, 1], pad_high: vec![1, 1], ..ConvGeometry::new(2) };
    let depthwise = ConvGeometry { groups: 4, ..padded.clone() };
    let c1 = x.conv_general(&constant(&[4, 1, 3, 3], noise), padded).named("c1");
    let v = |f: fn(usize) -> f32| constant(&[4], f);
    let normal = c1.batch_norm(
        &v(|i| i as f32 * 0.1),
        &v(|i| 1.0 + i as f32),
        &v(|i| 1.0 - i as f32 * 0.6),
        &v(|_| 0.2),
        1e-5,
    );
    let a = normal.relu();
    let d = a.conv_general(&constant(&[4, 1, 3, 3], |i| noise(i + 50)), depthwise).named("dw");
    let b = (d + constant(&[4, 1, 1], noise)).relu6();
    let p = (&a + &b).relu().pool(PoolKind::Max, Window::new(vec![2, 2], vec![2, 2]));
    let joined = Tensor::concat(&[p.clone(), p.sigmoid()], 1);
    let g = joined.global_avg_pool().flatten(1);
    let y = g.matmul(&constant(&[8, 3], |i| noise(i + 90))).named("dense") + constant(&[3], |i| i as f32);
    graph(x, y.silu().softmax(-1))
}

#[test]
fn nothing_but_integers_is_left_between_the_ends() {
    let network = Network::new(&image_network()).unwrap();
    let names: Vec<&str> = network.layers.iter().map(|l| &*l.name).collect();
    assert_eq!(names, ["c1", "dw", "dense"]);
    assert!(network.floats.is_empty(), "{:?}", network.floats);
    let quantised = rewrite(&network, &scheme(&network, 8), Interface::Float).unwrap();
    assert_eq!(floats(&quantised), Vec::<String>::new());
    let whole = rewrite(&network, &scheme(&network, 8), Interface::Int8).unwrap();
    assert_eq!(whole[whole.inputs()[0]].ty.dtype, DType::I8);
    assert_eq!(whole[whole.outputs()[0].node].ty.dtype, DType::I8);
    assert_eq!(floats(&whole), Vec::<String>::new());
    let input = Value::new([1, 1, 8, 8], (0..64).map(|i| noise(i + 500)).collect::<Vec<f32>>());
    let step = 1.0 / 256.0;
    let float = evaluate(&network.graph, std::slice::from_ref(&input)).unwrap();
    let by_floats = evaluate(&quantised, std::slice::from_ref(&input)).unwrap();
    let by_integers = evaluate(&teff::compile::integer(&quantised).unwrap(), &[input]).unwrap();
    for i in 0..3 {
        let at = |v: &[Value]| v[0].get(i).as_f64();
        assert!((at(&by_floats) - at(&by_integers)).abs() <= step * 1.01, "{by_floats:?} {by_integers:?}");
        assert!((at(&by_floats) - at(&float)).abs() < 0.06, "{by_floats:?} {float:?}");
    }
}

/// Networks of exporters, none of whose operations are named as staying float, are integers from end to end.
#[test]
fn models_of_exporters_become_integers() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../teff-onnx/tests/data/exports");
    let mut models: Vec<(String, Vec<u8>)> = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        models.push((name, std::fs::read(path.join("model.onnx")).unwrap()));
    }
    let archive = suite::Archive::scikit();
    for name in ["linear", "logistic", "mlp", "mlp_regressor"] {
        models.push((name.into(), archive.get(&format!("{name}/model.onnx")).unwrap().to_vec()));
    }
    let mut whole = Vec::new();
    for (name, bytes) in models {
        let graph = teff::onnx::read(&bytes, &Default::default()).unwrap().graph;
        let network = Network::new(&graph).unwrap_or_else(|e| panic!("{name}: {e}"));
        let quantised = rewrite(&network, &scheme(&network, 8), Interface::Float).unwrap();
        let written = teff::onnx::write(&quantised, &Default::default()).unwrap();
        let back = teff::onnx::read(&written, &Default::default()).unwrap().graph;
        let left = floats(&back);
        // What scikit-learn's scaler does to the input is done in floats, before the first quantisation.
        if network.floats.is_empty() {
            assert_eq!(left, Vec::<String>::new(), "{name}");
            whole.push(name);
        } else {
            assert!(!left.is_empty(), "{name}: {:?}", network.floats);
        }
    }
    assert!(whole.len() >= 8, "{whole:?}");
}

/// Factors below 0, channels that are picked, a constant that is computed: what the compiler follows is quantised.
#[test]
fn what_the_compiler_follows_is_quantised() {
    let x = Tensor::input("x", DType::F32, &[1, 3, 4, 4]);
    let conv = |x: &Tensor, from: usize| {
        x.conv_general(&constant(&[4, from, 1, 1], |i| noise(i + from)), ConvGeometry::new(2))
    };
    let signs = constant(&[4, 1, 1], |i| [0.5, -0.25, -1.0, 2.0][i]);
    let rectified = conv(&x, 3).relu();
    let scaled = &rectified * &signs;
    let picked = scaled.gather(&Tensor::constant(Value::new([2], vec![2i32, 1])), 1);
    let y = conv(&picked, 2) + &scaled;
    let float = graph(x, y);
    let network = Network::new(&float).unwrap();
    assert_eq!((network.layers.len(), &network.floats[..]), (2, &[][..]));
    let quantised = rewrite(&network, &scheme(&network, 8), Interface::Float).unwrap();
    assert_eq!(floats(&quantised), Vec::<String>::new());
    let input = [Value::new([1, 3, 4, 4], (0..48).map(noise).collect::<Vec<f32>>())];
    let of = |g: &Graph| evaluate(g, &input).unwrap()[0].to_f64();
    let (a, b) = (of(&float), of(&teff::compile::integer(&quantised).unwrap()));
    // Three roundings of 1/64 each, and those of the weights.
    assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 0.12), "{a:?} {b:?}");
}

/// A channel whose weights are as good as 0 keeps a layer's sums, bias and rectifier together; what no layer needs stays float.
#[test]
fn sites_are_where_they_are_needed_and_nowhere_else() {
    let x = Tensor::input("x", DType::F32, &[1, 1, 2, 2]);
    let w = constant(&[3, 1, 1, 1], |i| [0.5, 1e-14, -0.25][i]);
    let y = (x.conv_general(&w, ConvGeometry::new(2)) + constant(&[3, 1, 1], |i| i as f32 - 1.5)).relu();
    let z = Tensor::input("z", DType::F32, &[1, 3]);
    let scaled = (&z - constant(&[3], noise)) * constant(&[3], |i| i as f32 + 0.5);
    let graph = Graph::from_tensors("net", &[x, z], &[("y", y), ("scaled", scaled)]).unwrap();
    let network = Network::new(&graph).unwrap();
    let sites: Vec<&str> = network.sites.iter().map(|s| network.graph[s.node].op.name()).collect();
    // The last is what the network gives, which can be integers of floats.
    assert_eq!(sites, ["input", "max", "mul"]);
    let ends: Vec<bool> = network.sites.iter().map(|s| s.is_output).collect();
    assert_eq!(ends, [false, true, true]);
}

#[test]
fn grids_are_those_of_the_formula() {
    let positive = Grid::of_range(DType::I8, 0.0, 25.5);
    assert_eq!((positive.scale, positive.zero), (0.1, -128));
    assert_eq!(positive.reach(), (0.0, 25.5));
    let both = Grid::of_range(DType::U8, -1.0, 4.1);
    assert_eq!((both.scale, both.zero), ((5.1f64 / 255.0) as f32, 50));
    assert_eq!(both.round(0.031), 2.0 * both.scale);
    // A range that leaves 0 out is widened to it; one of nothing but 0 has any scale.
    assert_eq!(Grid::of_range(DType::I8, 2.0, 5.1).zero, -128);
    assert_eq!(Grid::of_range(DType::I8, 0.0, 0.0).scale, 1.0);
}

/// Two dense layers with numbers that are easy to round by hand.
fn two_layers() -> Graph {
    let x = Tensor::input("x", DType::F32, &[1, 2]);
    let w1 = Tensor::constant(Value::new([2, 2], vec![1.27f32, -0.5, 0.635, 0.25])).named("w1");
    let b1 = Tensor::constant(Value::new([2], vec![0.3f32, -0.1])).named("b1");
    let w2 = Tensor::constant(Value::new([2, 1], vec![1.0f32, -0.5])).named("w2");
    let h = (x.matmul(&w1).named("first") + b1).relu();
    graph(x, h.matmul(&w2).named("second"))
}

#[test]
fn weights_and_biases_are_rounded_by_channel() {
    let network = Network::new(&two_layers()).unwrap();
    let weights = Weights::rounded(&network, 0, 8);
    assert_eq!(weights.scales, [0.01, 0.5 / 127.0]);
    assert_eq!(weights.q, [127, -127, 64, 64]);
    assert_eq!(Weights::rounded(&network, 0, 4).q, [7, -7, 4, 3]);
    assert_eq!(Weights::rounded(&network, 0, 2).bytes(), 1);
    let mut scheme = scheme(&network, 8);
    scheme.sites[0] = Some(Grid { dtype: DType::I8, scale: 0.5, zero: 0 });
    let quantised = rewrite(&network, &scheme, Interface::Float).unwrap();
    let biases = |n: &teff::graph::Node| match &n.op {
        Op::Constant(v) if v.dtype() == DType::I32 && v.len() == 2 => Some(v.to_i64()),
        _ => None,
    };
    let found: Vec<Vec<i64>> = quantised.nodes().iter().filter_map(biases).collect();
    // 0.3 / (0.5 * 0.01) and -0.1 / (0.5 * 0.5 / 127); the other is the zero points.
    assert!(found.contains(&vec![60, -51]), "{found:?}");
    // The rectifier is the low end of the grid behind it only if that is 0: here it stays.
    let rectifiers =
        |g: &Graph| g.nodes().iter().filter(|n| matches!(n.op, Op::Binary(teff::graph::Binary::Max))).count();
    assert_eq!(rectifiers(&quantised), 1);
    scheme.sites[1] = Some(Grid::of_range(DType::I8, 0.0, 2.0));
    assert_eq!(rectifiers(&rewrite(&network, &scheme, Interface::Float).unwrap()), 0);
}

#[test]
fn a_channel_of_zeros_with_a_large_bias_keeps_its_bias() {
    let x = Tensor::input("x", DType::F32, &[1, 2]);
    let w = Tensor::constant(Value::new([2, 3], vec![0.0f32, 1e-9, 0.5, 0.0, 1e-9, -0.5]));
    let y = x.matmul(&w) + Tensor::constant(Value::new([3], vec![3.0f32, -3.0, 0.5]));
    let network = Network::new(&graph(x, y)).unwrap();
    let quantised = rewrite(&network, &scheme(&network, 8), Interface::Float).unwrap();
    assert_eq!(floats(&quantised), Vec::<String>::new());
    let integers = teff::compile::integer(&quantised).unwrap();
    let y = evaluate(&integers, &[Value::new([1, 2], vec![1.0f32, -2.0])]).unwrap();
    let y = y[0].to_f64();
    assert!((y[0] - 3.0).abs() < 0.02 && (y[1] + 3.0).abs() < 0.02 && (y[2] - 2.0).abs() < 0.04, "{y:?}");
}

/// Weights of few bits are written in ONNX's own types, read back as the same integers, and compile to the evaluator's bits.
#[test]
fn weights_of_few_bits_are_the_same_from_file_to_program() {
    let network = Network::new(&image_network()).unwrap();
    let mut sizes = Vec::new();
    for bits in [8, 4, 2] {
        let mut scheme = scheme(&network, bits);
        if bits == 2 {
            // All widths in one file.
            scheme.layers[0] = Some(Weights::rounded(&network, 0, 8));
            scheme.layers[1] = Some(Weights::rounded(&network, 1, 4));
        }
        let quantised = rewrite(&network, &scheme, Interface::Int8).unwrap();
        let options = teff::onnx::WriteOptions { narrow: bits < 8, ..Default::default() };
        let bytes = teff::onnx::write(&quantised, &options).unwrap();
        sizes.push(bytes.len());
        let model = teff::onnx::read(&bytes, &Default::default()).unwrap();
        let integers = teff::compile::integer(&model.graph).unwrap();
        let program = teff::compile::compile(&model.graph, &Default::default()).unwrap();
        for k in 0..4 {
            let q = (0..64).map(|i| (noise(i + 64 * k) * 127.0) as i8).collect::<Vec<i8>>();
            let input = [Value::new([1, 1, 8, 8], q)];
            let expected = evaluate(&teff::compile::integer(&quantised).unwrap(), &input).unwrap();
            assert_eq!(evaluate(&integers, &input).unwrap(), expected, "{bits} bits");
            assert_eq!(teff::compile::program::evaluate(&program, &input).unwrap(), expected, "{bits} bits");
        }
    }
    assert!(sizes[1] < sizes[0], "{sizes:?}");
}

#[test]
fn what_cannot_be_quantised_is_refused_by_name() {
    let message = |g: &Graph| Network::new(g).unwrap_err().to_string();
    let network = Network::new(&two_layers()).unwrap();
    let twice = rewrite(&network, &scheme(&network, 8), Interface::Float).unwrap();
    assert!(message(&twice).contains("is quantised already; give the float model"), "{}", message(&twice));
    let x = Tensor::input("x", DType::F32, &[1, 2]);
    let none = graph(x.clone(), x.relu());
    assert!(message(&none).contains("has no layer to quantise"), "{}", message(&none));
    let x = Tensor::input("x", DType::F32, &[1, 2]);
    let bad = Tensor::constant(Value::new([2, 1], vec![1.0f32, f32::NAN]));
    let bad = graph(x.clone(), x.matmul(&bad).named("fc"));
    assert!(message(&bad).starts_with("fc weight 1 of f32[2,1] is NaN"), "{}", message(&bad));
    let x = Tensor::input("x", DType::F32, &[1, 2]);
    let partly = graph(x.clone(), x.argsort(1, false).cast(DType::F32).matmul(&constant(&[2, 2], noise)));
    let network = Network::new(&partly).unwrap();
    let e = rewrite(&network, &scheme(&network, 8), Interface::Int8).unwrap_err();
    assert!(e.to_string().contains("leave the interface float"), "{e}");
    let other = Network::new(&image_network()).unwrap();
    assert!(rewrite(&other, &scheme(&network, 8), Interface::Float).is_err());
}
