//! Quantisation: where tensors are quantised, with which numbers, and that nothing but integers is left.

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
