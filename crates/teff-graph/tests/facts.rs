//! What is said of a graph without running it holds when it is run.

mod random;

use random::{Purpose, Rng, random_graph};
use std::sync::Arc;
use teff_graph::facts::{Known, axis_after, log_softmax, multiply_accumulates, quantization, softmax};
use teff_graph::passes::simplify;
use teff_graph::{
    ConvGeometry, DType, Graph, Num, Op, PadAxis, Tensor, Type, Value, evaluate, evaluate_all, evaluate_op,
};

/// The graph with the values of its inputs as constants.
fn closed(graph: &Graph, inputs: &[Value]) -> Graph {
    let given: Vec<Tensor> = inputs.iter().map(|v| Tensor::constant(v.clone())).collect();
    let made = graph.instantiate(&given);
    let named: Vec<(&str, Tensor)> = made.iter().map(|t| ("", t.clone())).collect();
    Graph::from_tensors("closed", &[], &named).unwrap()
}

fn same(a: &Value, b: &Value) -> bool {
    let equal = |i: usize| a.get(i) == b.get(i) || a.get(i).as_f64().is_nan() && b.get(i).as_f64().is_nan();
    a.ty() == b.ty() && (0..a.len()).all(equal)
}

#[test]
fn what_is_known_is_what_evaluation_gives() {
    let (mut known_nodes, mut spread) = (0, 0);
    for seed in 0..300 {
        let random = random_graph(seed, 12, Purpose::Compile);
        let open = Known::new(&random.graph);
        for id in random.graph.inputs() {
            assert_eq!(open.value(*id), None, "an input is not known");
        }
        let graph = closed(&random.graph, &random.inputs);
        let values = evaluate_all(&graph, &[]).unwrap();
        let known = Known::new(&graph);
        for id in graph.ids() {
            let Some(found) = known.value(id) else { continue };
            known_nodes += 1;
            assert!(same(&found, &values[id.index()]), "seed {seed}: {} of {graph:?}", graph[id].op);
            let compact = known.compact(id).unwrap();
            assert_eq!(compact.shape().len(), graph[id].ty.rank());
            let whole = evaluate_op(&Op::Broadcast(graph[id].ty.shape.clone()), &[&compact]);
            assert!(same(&whole, &found));
            spread += usize::from(compact.len() < found.len());
            let first = (!found.is_empty()).then(|| found.get(0));
            let all = first.filter(|f| (1..found.len()).all(|i| found.get(i) == *f));
            assert_eq!(known.uniform(id), all, "{}", graph[id].op);
        }
    }
    assert!(known_nodes > 3000 && spread > 50, "{known_nodes} {spread}");
}

#[test]
fn long_chains_of_constants_need_no_stack() {
    let one = Tensor::constant(Value::scalar(1i32));
    let long = (0..100_000).fold(one, |t, _| -&t);
    let graph = Graph::from_tensors("chain", &[], &[("", long)]).unwrap();
    let last = graph.outputs()[0].node;
    assert_eq!(Known::new(&graph).uniform(last), Some(Num::Int(1)));
}

/// `v` with another element wherever index `k` of `axis` is.
fn disturbed(v: &Value, axis: usize, k: usize) -> Value {
    let inner: usize = v.shape()[axis + 1..].iter().product();
    let at = |i: usize| i / inner % v.shape()[axis] == k;
    Value::from_fn(&v.ty(), |i| match (at(i), v.get(i)) {
        (false, n) => n,
        (true, Num::Int(n)) if v.dtype() == DType::Bool => Num::Int(1 - n),
        (true, Num::Int(n)) => Num::Int(if n > 3 { n - 3 } else { n + 1 }),
        (true, Num::Float(f)) => Num::Float(f * 1.5 + 1.0),
    })
}

#[test]
fn what_lies_along_an_axis_stays_there() {
    let mut tried = 0;
    let mut check = |op: &Op, operands: &[Value], about: &str| {
        let types: Vec<Type> = operands.iter().map(Value::ty).collect();
        let given: Vec<&Value> = operands.iter().collect();
        let result = evaluate_op(op, &given);
        for (i, of) in operands.iter().enumerate() {
            for axis in 0..of.shape().len() {
                let Some(to) = axis_after(op, i, axis, &types) else { continue };
                assert_eq!(result.shape()[to], of.shape()[axis], "{op} {types:?}, operand {i}, axis {axis}");
                for k in (0..of.shape()[axis]).take(2) {
                    let other = disturbed(of, axis, k);
                    let mut given = given.clone();
                    given[i] = &other;
                    let changed = evaluate_op(op, &given);
                    let inner: usize = result.shape()[to + 1..].iter().product();
                    let elsewhere = (0..result.len()).filter(|e| e / inner % result.shape()[to] != k);
                    for e in elsewhere {
                        let (a, b) = (result.get(e), changed.get(e));
                        let both_nan = a.as_f64().is_nan() && b.as_f64().is_nan();
                        assert!(a == b || both_nan, "{about}: {op} {types:?}, operand {i}, axis {axis}");
                    }
                    tried += 1;
                }
            }
        }
    };
    for seed in 0..400 {
        let random = random_graph(seed, 12, Purpose::Compile);
        let values = evaluate_all(&random.graph, &random.inputs).unwrap();
        for id in random.graph.ids() {
            let node = &random.graph[id];
            if matches!(node.op, Op::Input { .. } | Op::Scan(_) | Op::Project(_) | Op::Param(_)) {
                continue;
            }
            let operands: Vec<Value> = node.operands.iter().map(|o| values[o.index()].clone()).collect();
            check(&node.op, &operands, &format!("seed {seed}"));
        }
    }
    let mut rng = Rng(5);
    let mut of = |shape: &[usize]| rng.value(&Type::new(DType::F32, shape));
    let depthwise = ConvGeometry { groups: 3, ..ConvGeometry::new(1) };
    check(&Op::Conv(depthwise.clone()), &[of(&[2, 3, 5]), of(&[3, 1, 2])], "depthwise");
    check(&Op::Conv(depthwise), &[of(&[2, 3, 5]), of(&[6, 1, 2])], "two of each channel");
    check(&Op::Conv(ConvGeometry::new(1)), &[of(&[2, 3, 5]), of(&[3, 3, 2])], "all channels");
    check(&Op::MatMul, &[of(&[4, 2, 3]), of(&[4, 3, 5])], "a batch of products");
    assert!(tried > 5000, "{tried}");
}

#[test]
fn axes_are_found_where_they_are() {
    let ty = |shape: &[usize]| Type::new(DType::F32, shape);
    let after = |op: &Op, i: usize, axis: usize, shapes: &[&[usize]]| {
        let types: Vec<Type> = shapes.iter().map(|s| ty(s)).collect();
        axis_after(op, i, axis, &types)
    };
    assert_eq!(after(&Op::Permute(vec![2, 0, 1]), 0, 2, &[&[2, 3, 4]]), Some(0));
    assert_eq!(after(&Op::Reshape(vec![6, 1, 4]), 0, 2, &[&[2, 3, 4]]), Some(2));
    assert_eq!(after(&Op::Reshape(vec![6, 4]), 0, 1, &[&[2, 3, 4]]), None);
    assert_eq!(after(&Op::Broadcast(vec![7, 2, 3]), 0, 0, &[&[2, 1]]), Some(1));
    assert_eq!(after(&Op::Broadcast(vec![7, 2, 3]), 0, 1, &[&[2, 1]]), None);
    assert_eq!(after(&Op::MatMul, 0, 0, &[&[2, 3], &[3, 4]]), Some(0));
    assert_eq!(after(&Op::MatMul, 1, 1, &[&[2, 3], &[3, 4]]), Some(1));
    assert_eq!(after(&Op::MatMul, 0, 1, &[&[2, 3], &[3, 4]]), None);
    assert_eq!(after(&Op::Conv(ConvGeometry::new(1)), 1, 0, &[&[1, 2, 5], &[4, 2, 3]]), Some(1));
    assert_eq!(after(&Op::Concat { axis: 1 }, 1, 0, &[&[2, 3], &[2, 5]]), Some(0));
}

#[test]
fn multiplications_are_counted_in_loops_too() {
    let (rows, square) =
        (Tensor::input("x", DType::F32, &[3, 1, 5]), Tensor::input("w", DType::F32, &[5, 5]));
    let (last, _) = Tensor::scan(&[rows.pick(0, 0)], std::slice::from_ref(&rows), false, |s, x| {
        (vec![&s[0].matmul(&square) + &x[0]], vec![])
    });
    let graph = Graph::from_tensors("g", &[rows, square], &[("y", last[0].clone())]).unwrap();
    let all: u64 = graph.ids().map(|id| multiply_accumulates(&graph, id)).sum();
    assert_eq!(all, 3 * 25);
}

#[test]
fn the_same_elements_everywhere_are_one_number() {
    let zeros = Tensor::constant(Value::zeros(&Type::new(DType::F32, [2, 3])));
    let x = Tensor::input("x", DType::F32, &[3, 2]);
    let y = x.maximum(zeros.permute(&[1, 0]));
    let graph = Graph::from_tensors("g", std::slice::from_ref(&x), &[("y", y)]).unwrap();
    let operand = graph[graph.outputs()[0].node].operands[1];
    assert!(graph.is_filled_with(operand, 0) && !graph.is_filled_with(operand, 1));
    assert_eq!(graph.uniform(graph.inputs()[0]), None);
    assert_eq!(Value::new([0], Vec::<f32>::new()).uniform(), None);
    let _ = Arc::new(evaluate(&graph, &[Value::zeros(&x.ty())]).unwrap());
}

#[test]
fn constants_of_many_bytes_are_not_computed() {
    let known = |n: usize| {
        let side = vec![PadAxis { high: n - 1, ..PadAxis::default() }];
        let y = Tensor::constant(Value::new([1], vec![1i8])).pad_axes(side, 0.0);
        let graph = Graph::from_tensors("net", &[], &[("y", y)]).unwrap();
        Known::new(&graph).value(graph.outputs()[0].node).map(|v| v.len())
    };
    assert_eq!(known(1000), Some(1000));
    assert_eq!(known((1 << 27) + 1), None);
}

#[test]
fn constants_that_differ_along_one_axis_are_lists() {
    let matrix = |shape: [usize; 2], v: Vec<f32>| Tensor::constant(Value::new(shape, v));
    let x = Tensor::input("x", DType::F32, &[3]);
    let row = Tensor::constant(Value::new([3], vec![1i32, 2, 3])).cast(DType::F32).broadcast_to(&[2, 3]);
    let columns = matrix([2, 1], vec![4.0, 5.0]).broadcast_to(&[2, 3]);
    let all =
        [row.clone(), columns.clone(), &row + &columns, matrix([2, 3], vec![7.0; 6]), matrix([0, 3], vec![])];
    let mut outputs: Vec<(&str, Tensor)> = all.iter().map(|t| ("", t.clone())).collect();
    outputs.push(("", x.clone()));
    let graph = Graph::from_tensors("net", &[x], &outputs).unwrap();
    let known = Known::new(&graph);
    let along = |i: usize, axis| known.along(graph.outputs()[i].node, axis);
    assert_eq!((along(0, 1), along(0, 0)), (Some(vec![1.0, 2.0, 3.0]), None));
    assert_eq!((along(1, 0), along(1, 1)), (Some(vec![4.0, 5.0]), None));
    assert_eq!((along(2, 0), along(2, 1)), (None, None));
    assert_eq!((along(3, 0), along(3, 1)), (Some(vec![7.0]), Some(vec![7.0])));
    assert_eq!((along(4, 0), along(4, 1)), (None, None));
    assert_eq!(along(5, 0), None);
}

#[test]
fn a_softmax_is_found_with_what_it_is_of() {
    let x = Tensor::input("x", DType::F32, &[2, 5]);
    let exp = |of: &Tensor| (&x - &of.max_keep(&[1])).exp();
    let outputs = [
        x.softmax(1),
        &exp(&x) / &exp(&x).sum_keep(&[1]),
        // Of other axes, of another sum, of another largest.
        &exp(&x) / &exp(&x).sum_keep(&[0]),
        &exp(&x) / &x.sum_keep(&[1]),
        &exp(&(&x * 2.0)) / &exp(&(&x * 2.0)).sum_keep(&[1]),
    ];
    let named: Vec<(&str, Tensor)> = outputs.iter().map(|t| ("", t.clone())).collect();
    let graph = simplify(&Graph::from_tensors("net", &[x], &named).unwrap());
    let of = |i: usize| softmax(&graph, graph.outputs()[i].node).map(|s| (s.of, s.axes.to_vec()));
    let expected = Some((graph.inputs()[0], vec![1]));
    assert_eq!([of(0), of(1), of(2), of(3), of(4)], [expected.clone(), expected, None, None, None]);
    assert_eq!(graph.ids().filter(|id| softmax(&graph, *id).is_some()).count(), 1, "equal nodes are one");
}

#[test]
fn a_logarithm_of_a_softmax_is_found_and_that_of_an_input_is_none() {
    let x = Tensor::input("x", DType::F32, &[2, 5]);
    let y = x.log_softmax(1);
    let others = [&x - x.log(), &x - x.exp().sum_keep(&[1]).log(), y.exp()];
    let mut outputs = vec![("y", y)];
    outputs.extend(others.into_iter().map(|t| ("", t)));
    let graph = simplify(&Graph::from_tensors("g", &[x], &outputs).unwrap());
    let of = |i: usize| log_softmax(&graph, graph.outputs()[i].node).map(|s| (s.of, s.axes.to_vec()));
    assert_eq!(of(0), Some((graph.inputs()[0], vec![1])));
    assert_eq!([of(1), of(2), of(3)], [None, None, None]);
}

/// Scales of 1/4 and 1/2; 0.375 / 0.25 = 1.5 is rounded to the even 2.
#[test]
fn ends_of_quantised_networks_say_what_their_integers_stand_for() {
    let one = |scale: f32, zero: i8, shape: [usize; 2]| {
        [Value::full(&Type::new(DType::F32, shape), Num::Float(scale.into())), Value::new(shape, vec![zero])]
            .map(Tensor::constant)
    };
    let [scale, zero] = one(0.25, -3, [1, 1]);
    let [wide, nought] = one(0.5, 0, [1, 1]);
    let x = Tensor::input("x", DType::I8, &[1, 2, 2]);
    let features = Tensor::input("features", DType::U8, &[1, 2]);
    let apart = Tensor::constant(Value::new([1, 2], vec![1f32, 100.0]));
    let noughts = Tensor::constant(Value::new([1, 2], vec![0u8, 7]));
    let plain = Tensor::input("plain", DType::I8, &[1, 4]);
    let moved = x.permute(&[0, 2, 1]).reshape(&[1, 4]);
    let sum = moved.dequantize(&scale, &zero)
        + features.dequantize(&apart, &noughts).sum(&[1]).broadcast_to(&[1, 4]);
    let inputs = [x, features, plain.clone()];
    let outputs = [("y", sum.quantize(&wide, &nought).reshape(&[2, 2])), ("z", &plain + &plain)];
    let graph = Graph::from_tensors("g", &inputs, &outputs).unwrap();
    let of = |i: usize| quantization(&graph, graph.inputs()[i]);
    let x = of(0).unwrap();
    assert_eq!((x.single(), x.scale.shape(), x.range), (Some((0.25, -3)), &[1, 1, 1][..], (-128, 127)));
    let floats = Value::new([1, 2, 2], vec![0.375f32, -0.25, 1e9, -1e9]);
    assert_eq!(x.quantize(&floats), Value::new([1, 2, 2], vec![-1i8, -4, 127, -128]));
    assert_eq!(x.dequantize(&x.quantize(&floats)).to_f64(), [0.5, -0.25, 32.5, -31.25]);
    let features = of(1).unwrap();
    assert_eq!(features.single(), None);
    assert_eq!(features.quantize(&Value::new([1, 2], vec![5f32, 300.0])), Value::new([1, 2], vec![5u8, 10]));
    assert_eq!(of(2), None);
    let outputs: Vec<_> = graph.outputs().iter().map(|o| quantization(&graph, o.node)).collect();
    // Integers of more bits than a quantisation gives stand for nothing that could be fed.
    let wide = Tensor::input("wide", DType::I64, &[1]);
    let [step, none] = [Value::new([1], vec![0.5f32]), Value::new([1], vec![0i64])].map(Tensor::constant);
    let counted =
        Graph::from_tensors("g", std::slice::from_ref(&wide), &[("y", wide.dequantize(&step, &none))])
            .unwrap();
    assert_eq!(quantization(&counted, counted.inputs()[0]), None);
    assert_eq!((outputs[0].as_ref().unwrap().single(), &outputs[1]), (Some((0.5, 0)), &None));

    // Padded, and looked at by something else before.
    let x = Tensor::input("x", DType::I8, &[1, 2]);
    let padded = x.pad(&[(0, 0), (1, 0)], 4.0);
    let of = |v: f32| Tensor::constant(Value::new([1, 1], vec![v]));
    let sum = padded.dequantize(&of(0.75), &Tensor::constant(Value::new([1, 1], vec![4i8])));
    let graph =
        Graph::from_tensors("g", std::slice::from_ref(&x), &[("a", x.cast(DType::I32)), ("y", sum)]).unwrap();
    let padded = quantization(&graph, graph.inputs()[0]).unwrap();
    assert_eq!((padded.single(), padded.scale.shape()), (Some((0.75, 4)), &[1, 1][..]));
}
