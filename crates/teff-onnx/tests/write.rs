//! Written models mean what their graphs mean: read back by this crate, and run by onnxruntime where it is installed.

mod common;

use common::{Job, difference, onnxruntime, random};
use std::sync::Arc;
use teff_graph::*;
use teff_onnx::{ReadOptions, WriteOptions, read, write};

type Case = (&'static str, Graph);

fn f32_input(name: &str, shape: &[usize]) -> Tensor {
    Tensor::input(name, DType::F32, shape)
}

fn param(name: &str, shape: &[usize]) -> Tensor {
    let key = name.bytes().map(i64::from).sum();
    Tensor::param(&Param::new(name, random(&Type::new(DType::F32, shape), key)))
}

fn case(name: &'static str, inputs: &[Tensor], y: Tensor) -> Case {
    (name, Graph::from_tensors(name, inputs, &[("y", y)]).unwrap())
}

fn linear(x: &Tensor, name: &str, outputs: usize) -> Tensor {
    let w = param(&format!("{name}.weight"), &[outputs, x.shape()[1]]);
    (x.matmul(&w.transpose()) + param(&format!("{name}.bias"), &[outputs])).named(name)
}

fn conv_layer(x: &Tensor, name: &str, outputs: usize, groups: usize) -> Tensor {
    let w = param(&format!("{name}.weight"), &[outputs, x.shape()[1] / groups, 3, 3]);
    let y = x.conv2d(&w, 1, 1, 1, groups);
    (y + param(&format!("{name}.bias"), &[outputs]).per_channel(4)).named(name)
}

/// The networks that training makes.
fn networks() -> Vec<Case> {
    let x = f32_input("x", &[3, 20]);
    let mlp = linear(&linear(&x, "l1", 7).relu(), "l2", 4);
    let image = f32_input("image", &[2, 3, 8, 8]);
    let c1 = conv_layer(&image, "c1", 4, 1);
    let vector = |n: &str| param(n, &[4]);
    let bn = c1.batch_norm(
        &vector("bn.mean"),
        &vector("bn.var").abs(),
        &vector("bn.scale"),
        &vector("bn.shift"),
        1e-5,
    );
    let c2 = conv_layer(&bn.relu6().max_pool2d(2, 2), "c2", 8, 2);
    let cnn = linear(&c2.hard_swish().avg_pool2d(2, 2).flatten(1), "fc", 10);
    let lenet = linear(&conv_layer(&image, "c", 5, 1).tanh().global_avg_pool().flatten(1), "fc", 3).sigmoid();
    let up = image.conv_transpose2d(&param("up", &[3, 2, 3, 3]), 2, 1, 1) + param("ub", &[2]).per_channel(4);
    vec![
        case("mlp", std::slice::from_ref(&x), mlp.clone()),
        case("softmax", std::slice::from_ref(&x), mlp.softmax(-1)),
        case("log_softmax", std::slice::from_ref(&x), mlp.log_softmax(1)),
        case("cnn", std::slice::from_ref(&image), cnn),
        case("lenet", std::slice::from_ref(&image), lenet),
        case("transposed", std::slice::from_ref(&image), up),
        case("layer_norm", std::slice::from_ref(&x), x.layer_norm(1, 1e-5).gelu()),
        case("celu", std::slice::from_ref(&x), x.celu(0.5)),
        case("group_norm", std::slice::from_ref(&image), image.slice(1, 0, 2, 1).group_norm(2, 1e-5).mish()),
        lstm("lstm", false),
        lstm("lstm_reverse", true),
        attention(),
    ]
}

fn lstm(name: &'static str, reverse: bool) -> Case {
    let s = f32_input("s", &[5, 2, 3]);
    let (wi, wh, b) = (param("wi", &[16, 3]), param("wh", &[16, 4]), param("b", &[16]));
    let zero = Tensor::zeros(&[2, 4]);
    let (_, stacks) = Tensor::scan(&[zero.clone(), zero], std::slice::from_ref(&s), reverse, |states, x| {
        let step = LstmStep { w_input: &wi, w_hidden: &wh, bias: &b };
        let (h, c) = step.apply(&x[0], &states[0], &states[1]);
        (vec![h.clone(), c], vec![h])
    });
    case(name, &[s], stacks[0].clone())
}

fn attention() -> Case {
    let x = f32_input("x", &[2, 5, 8]);
    let project = |n: &str| x.matmul(&param(n, &[8, 8]));
    let scores = project("q").matmul(&project("k").transpose()) * (1.0 / 8f64.sqrt());
    case("attention", std::slice::from_ref(&x), scores.softmax(-1).matmul(&project("v")))
}

/// Every operation of the closed set, in the dtypes where ONNX differs.
fn operations() -> Vec<Case> {
    let mut cases = Vec::new();
    for &u in Unary::ALL {
        let dtype = if u == Unary::Not { DType::I32 } else { DType::F32 };
        let x = Tensor::input("x", dtype, &[3, 4]);
        let inside = if u == Unary::Acosh { &x + 3.0 } else { x.clone() };
        cases.push(case(u.name(), &[x], Tensor::apply(Op::Unary(u), &[inside])));
    }
    for &b in Binary::ALL {
        let only_int = matches!(b, Binary::And | Binary::Or | Binary::Xor | Binary::Shl | Binary::Shr);
        for dtype in [DType::F32, DType::I32, DType::U8] {
            if b == Binary::MulHigh && dtype != DType::I32 {
                continue;
            }
            if only_int && dtype == DType::F32 || b == Binary::Pow && dtype != DType::F32 {
                continue;
            }
            if dtype == DType::U8 && !only_int {
                continue;
            }
            let (x, y) = (Tensor::input("x", dtype, &[3, 4]), Tensor::input("y", dtype, &[4]));
            let base = if b == Binary::Pow { x.abs() } else { x.clone() };
            let out = Tensor::apply(Op::Binary(b), &[base, y.broadcast_to(&[3, 4])]);
            cases.push(case(b.name(), &[x, y], out));
        }
    }
    cases.extend(movement());
    cases.extend(windows());
    cases.extend(indexing());
    cases
}

fn movement() -> Vec<Case> {
    let x = f32_input("x", &[3, 4, 5]);
    let one = std::slice::from_ref(&x);
    let pads = |low, high, interior| PadAxis { low, high, interior };
    let bools = Tensor::input("b", DType::Bool, &[3, 4]);
    vec![
        case("permute", one, x.permute(&[2, 0, 1])),
        case("reshape", one, x.reshape(&[5, 12])),
        case("slice", one, x.slice(0, 2, -10, -1).slice(2, 1, 5, 2)),
        case("pad", one, x.pad_axes(vec![pads(1, 0, 0), pads(0, 2, 0), pads(1, 1, 2)], -1.5)),
        case("concat", one, Tensor::concat(&[x.clone(), x.relu()], 1)),
        case("broadcast", one, x.unsqueeze(0).broadcast_to(&[2, 3, 4, 5])),
        case("iota", one, &x + Tensor::iota(Type::new(DType::F32, [3, 4, 5]), 1)),
        case("reduce_sum", one, x.sum(&[0, 2])),
        case("reduce_prod", one, x.reduce(ReduceKind::Prod, &[1]).without(&[1])),
        case("reduce_min", one, x.min(&[])),
        case("argmax", one, x.argmax(1)),
        case("argmin_last", one, x.arg_reduce(true, 2, true)),
        case("any", std::slice::from_ref(&bools), bools.max(&[1])),
        case(
            "select",
            std::slice::from_ref(&bools),
            bools.select(Tensor::ones(&[3, 4]), Tensor::zeros(&[4])),
        ),
        case("cast", one, (&x * 100.0).cast(DType::I8)),
        case("copied", one, x.clone()),
    ]
}

fn windows() -> Vec<Case> {
    let x = f32_input("x", &[2, 4, 7, 6]);
    let one = std::slice::from_ref(&x);
    let g = ConvGeometry {
        stride: vec![2, 1],
        dilation: vec![1, 2],
        pad_low: vec![1, 0],
        pad_high: vec![0, 2],
        groups: 2,
    };
    let w = param("w", &[6, 2, 3, 2]);
    let window = Window { pad_low: vec![1, 0], pad_high: vec![1, 1], ..Window::new([3, 2], [2, 1]) };
    let y = x.conv_general(&w, g.clone());
    let dy = f32_input("dy", y.shape());
    let xi = Tensor::input("x", DType::I32, &[2, 4, 7, 6]);
    let wi = Tensor::input("w", DType::I32, &[6, 2, 3, 2]);
    let ai = Tensor::input("a", DType::I8, &[3, 4]);
    vec![
        case("conv", one, y.clone()),
        case("conv_transpose", std::slice::from_ref(&dy), dy.conv_adjoint(&w, g.clone(), &[7, 6])),
        case("conv_i32", &[xi.clone(), wi.clone()], xi.conv_general(&wi, g)),
        case("pool_sum", one, x.pool(PoolKind::Sum, window.clone())),
        case("pool_mean", one, x.avg_pool(window.clone(), true)),
        case("pool_mean_inside", one, x.avg_pool(window.clone(), false)),
        case("pool_argmax", one, x.pool(PoolKind::ArgMax, window.clone())),
        case("pool_max", one, x.pool(PoolKind::Max, window)),
        case("global_max", one, x.max_keep(&[2, 3])),
        case("matmul_i8", std::slice::from_ref(&ai), ai.matmul(&ai.transpose())),
    ]
}

fn indexing() -> Vec<Case> {
    let x = f32_input("x", &[6, 3]);
    let i = Tensor::input("i", DType::I32, &[4]);
    let u = f32_input("u", &[4, 3]);
    let mut cases = vec![
        case("gather", &[x.clone(), i.clone()], x.gather(&i, 0)),
        case("gather_known", std::slice::from_ref(&x), x.gather(&Tensor::from_slice(&[2i64, 0, 5]), 0)),
        case("argsort", std::slice::from_ref(&x), x.argsort(0, true)),
        case("top_k", std::slice::from_ref(&x), x.top_k(2, 1, true).0),
        case("one_hot", std::slice::from_ref(&i), i.one_hot(5)),
        case("cumsum", std::slice::from_ref(&x), x.cumsum(0, false, true)),
    ];
    for &kind in ScatterKind::ALL {
        cases.push(case("scatter", &[x.clone(), i.clone(), u.clone()], x.scatter(&i, &u, 0, kind)));
    }
    let scale = Tensor::constant(Value::new([1, 3], vec![0.02f32, 0.01, 0.03]));
    let zero = Tensor::constant(Value::new([1, 3], vec![3i8, 0, -5]));
    let q = x.quantize(&scale, &zero);
    cases.push(case("quantize", std::slice::from_ref(&x), q.clone()));
    cases.push(case("dequantize", std::slice::from_ref(&x), q.dequantize(&scale, &zero)));
    let one = Tensor::constant(Value::new([1, 1], vec![0.05f32]));
    let narrow = Op::Quantize { dtype: DType::I8, low: -8, high: 7 };
    let z = Tensor::constant(Value::new([1, 1], vec![0i8]));
    cases.push(case(
        "quantize_narrow",
        std::slice::from_ref(&x),
        Tensor::apply(narrow, &[x.clone(), one, z]),
    ));
    let blocks = Tensor::constant(Value::new([2, 3], vec![0.02f32, 0.01, 0.03, 0.04, 0.05, 0.06]));
    let zeros = Tensor::constant(Value::new([2, 3], vec![0i8; 6]));
    cases.push(case("quantize_blocks", std::slice::from_ref(&x), x.quantize(&blocks, &zeros)));
    cases
}

fn inputs(graph: &Graph) -> Vec<Value> {
    let typed = |(k, &id): (usize, &NodeId)| random(&graph[id].ty, 7 + k as i64);
    graph.inputs().iter().enumerate().map(typed).collect()
}

#[test]
fn reading_back_gives_the_same_outputs() {
    for (name, graph) in networks().into_iter().chain(operations()) {
        let bytes = write(&graph, &WriteOptions::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(
            bytes,
            write(&graph, &WriteOptions::default()).unwrap(),
            "{name} is written differently twice"
        );
        let model = read(&bytes, &ReadOptions::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
        model.graph.verify().unwrap();
        let x = inputs(&graph);
        let (want, got) = (evaluate(&graph, &x).unwrap(), evaluate(&model.graph, &x).unwrap());
        for (g, w) in got.iter().zip(&want) {
            if let Some(d) = difference(g, w, 1e-5, 1e-5) {
                panic!("{name}: {d}\n{}\n{}", print(&graph), print(&model.graph));
            }
        }
    }
}

#[test]
fn onnxruntime_gives_the_same_outputs() {
    let cases: Vec<Case> = networks().into_iter().chain(operations()).collect();
    let job = |(name, graph): &Case| Job {
        name: name.to_string(),
        model: write(graph, &WriteOptions::default()).unwrap(),
        inputs: inputs(graph),
    };
    let jobs: Vec<Job> = cases.iter().map(job).collect();
    let Some(results) = onnxruntime(&jobs) else { return };
    let mut failures = Vec::new();
    for ((name, graph), (job, result)) in cases.iter().zip(jobs.iter().zip(results)) {
        let want = evaluate(graph, &job.inputs).unwrap();
        match result {
            Err(e) => failures.push(format!("{name}: {e}")),
            Ok(got) => {
                let differences = got.iter().zip(&want).filter_map(|(g, w)| difference(g, w, 1e-5, 1e-5));
                failures.extend(differences.map(|d| format!("{name}: {d}")));
            }
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

/// The operators of a written model, in order.
fn operators(graph: &Graph) -> String {
    let bytes = write(graph, &WriteOptions::default()).unwrap();
    let model = read(&bytes, &ReadOptions::default()).unwrap();
    // Names of nodes without label are those of their operators.
    let mut seen: Vec<Arc<str>> = Vec::new();
    for label in model
        .graph
        .nodes()
        .iter()
        .filter(|n| !matches!(n.op, Op::Constant(_)))
        .filter_map(|n| n.label.clone())
    {
        if seen.last() != Some(&label) {
            seen.push(label);
        }
    }
    seen.join(" ")
}

#[test]
fn patterns_are_written_as_the_operators_they_are() {
    let unlabelled = |g: Graph| {
        let mut out = Graph::new(&g.name);
        for n in g.nodes() {
            out.push(n.op.clone(), &n.operands, None).unwrap();
        }
        g.outputs().iter().for_each(|o| out.add_output(&o.name, o.node));
        out
    };
    let of = |name: &str| {
        networks().into_iter().find(|(n, _)| *n == name).map(|(_, g)| operators(&unlabelled(g))).unwrap()
    };
    assert_eq!(of("mlp"), "gemm relu gemm.2");
    assert_eq!(of("softmax"), "gemm relu gemm.2 softmax");
    assert_eq!(of("log_softmax"), "gemm relu gemm.2 logsoftmax");
    assert_eq!(of("lenet"), "conv tanh globalaveragepool flatten gemm sigmoid");
    let cnn = of("cnn");
    for part in ["conv", "batchnormalization", "clip", "maxpool", "averagepool", "flatten", "gemm"] {
        assert!(cnn.split(' ').any(|w| w == part), "{part} missing in {cnn}");
    }
    assert_eq!(of("transposed"), "convtranspose");
    let words = |name: &str| of(name).split(' ').map(str::to_string).collect::<Vec<_>>();
    assert!(words("layer_norm").contains(&"gelu".into()), "{}", of("layer_norm"));
    assert!(words("celu").contains(&"elu".into()), "{}", of("celu"));
}

#[test]
fn names_survive() {
    let (_, graph) = networks().swap_remove(0);
    let bytes = write(
        &graph,
        &WriteOptions { metadata: vec![("classes".into(), "4".into())], ..WriteOptions::default() },
    )
    .unwrap();
    let model = read(&bytes, &ReadOptions::default()).unwrap();
    assert_eq!(model.graph.name, "mlp");
    assert!(model.producer.starts_with("teff "), "{}", model.producer);
    let labels: Vec<String> =
        model.graph.nodes().iter().filter_map(|n| n.label.as_ref().map(|l| l.to_string())).collect();
    for name in ["l1.weight", "l1.bias", "l2.weight", "l1", "l2"] {
        assert!(labels.iter().any(|l| l == name), "{name} missing in {labels:?}");
    }
    assert_eq!(model.graph.outputs()[0].name.as_ref(), "y");
}

#[test]
fn random_numbers_are_refused_by_name() {
    let key = Tensor::input("key", DType::I64, &[]);
    let y = Tensor::random(&key, &[3]).named("dropout");
    let graph = Graph::from_tensors("g", &[key], &[("y", y)]).unwrap();
    let e = write(&graph, &WriteOptions::default()).unwrap_err().to_string();
    assert!(e.contains("dropout") && e.contains("random"), "{e}");
}

/// The same networks for any batch size; parameters are the same for all.
fn sized(batch: usize) -> Vec<Graph> {
    let x = f32_input("x", &[batch, 20]);
    let mlp = linear(&linear(&x, "l1", 7).relu(), "l2", 4).log_softmax(1);
    let image = f32_input("image", &[batch, 3, 8, 8]);
    let cnn = conv_layer(&conv_layer(&image, "c1", 4, 1).relu().max_pool2d(2, 2), "c2", 8, 2);
    let cnn = linear(&cnn.hard_swish().avg_pool2d(2, 2).flatten(1), "fc", 10).softmax(-1);
    let sequence = f32_input("s", &[batch, 5, 8]);
    let project = |n: &str| sequence.matmul(&param(n, &[8, 8]));
    let scores = project("q").matmul(&project("k").transpose()).softmax(-1);
    let attended = scores.matmul(&project("v")).layer_norm(1, 1e-5).mean(&[1]);
    vec![case("mlp", &[x], mlp).1, case("cnn", &[image], cnn).1, case("attention", &[sequence], attended).1]
}

#[test]
fn an_open_batch_takes_any_number_of_samples() {
    let options = WriteOptions { open_batch: true, ..WriteOptions::default() };
    let mut jobs = Vec::new();
    let mut wanted = Vec::new();
    for (small, large) in sized(1).iter().zip(sized(5)) {
        let bytes = write(small, &options).unwrap_or_else(|e| panic!("{}: {e}", small.name));
        let x = inputs(&large);
        let want = evaluate(&large, &x).unwrap();
        let shape = vec![(small.input_name(small.inputs()[0]).to_string(), x[0].shape().to_vec())];
        let model = read(&bytes, &ReadOptions { input_shapes: shape, ..ReadOptions::default() }).unwrap();
        let got = evaluate(&model.graph, &x).unwrap();
        assert_eq!(difference(&got[0], &want[0], 1e-5, 1e-5), None, "{}", small.name);
        jobs.push(Job { name: small.name.clone(), model: bytes, inputs: x });
        wanted.push(want);
    }
    for ((job, result), want) in jobs.iter().zip(onnxruntime(&jobs).unwrap_or_default()).zip(&wanted) {
        let got = result.unwrap_or_else(|e| panic!("{}: {e}", job.name));
        assert_eq!(difference(&got[0], &want[0], 1e-5, 1e-5), None, "{} in onnxruntime", job.name);
    }
}

#[test]
fn an_open_batch_is_refused_where_samples_mix() {
    let x = f32_input("x", &[1, 4]);
    let options = WriteOptions { open_batch: true, ..WriteOptions::default() };
    let mixing = [
        ("mean over the batch", &x - x.mean_keep(&[0])),
        ("one sample picked", x.narrow(0, 0, 1).reshape(&[4])),
        // ONNX repeats no operand of Concat.
        ("one row joined to each", Tensor::concat(&[x.clone(), param("row", &[1, 2])], 1)),
    ];
    for (what, y) in mixing {
        let graph = Graph::from_tensors("g", std::slice::from_ref(&x), &[("y", y.named("norm"))]).unwrap();
        let e = write(&graph, &options).unwrap_err().to_string();
        assert!(e.contains("batch size cannot be left open"), "{what}: {e}");
    }
}

/// Integers of few values are stored in ONNX's narrow types when that is asked for, with zero points of the same type, and mean the same.
#[test]
fn narrow_integers_are_stored_narrow() {
    let x = f32_input("x", &[1, 5]);
    let weights = |low: i8, high: i8, n: usize| {
        let q: Vec<i8> = (0..5 * n).map(|i| if i % 2 == 0 { low } else { high }).collect();
        let q = Tensor::constant(Value::new([5, n], q)).named("q");
        let scale =
            Tensor::constant(Value::new([1, n], (0..n).map(|i| 0.5 + i as f32).collect::<Vec<f32>>()));
        let zero = Tensor::constant(Value::new([1, n], vec![0i8; n]));
        x.matmul(&q.dequantize(&scale, &zero))
    };
    let outputs = [("two", weights(-2, 1, 3)), ("four", weights(-8, 7, 3)), ("eight", weights(-8, 8, 3))];
    let graph = Graph::from_tensors("narrow", std::slice::from_ref(&x), &outputs).unwrap();
    let plain = write(&graph, &WriteOptions::default()).unwrap();
    let bytes = write(&graph, &WriteOptions { narrow: true, ..WriteOptions::default() }).unwrap();
    assert!(bytes.len() < plain.len());
    let model = read(&bytes, &ReadOptions::default()).unwrap();
    let held = |name: &str| model.notes.iter().any(|n| n.to_string().contains(name));
    assert!(held("int4") && held("int2"), "{:?}", model.notes);
    let input = [Value::new([1, 5], vec![1.0f32, -2.0, 3.0, -4.0, 5.0])];
    assert_eq!(evaluate(&model.graph, &input).unwrap(), evaluate(&graph, &input).unwrap());
    let stored = |g: &Graph| {
        g.nodes()
            .iter()
            .filter(|n| matches!(&n.op, Op::Constant(v) if v.dtype() == DType::I8 && v.len() == 15))
            .count()
    };
    assert_eq!((stored(&model.graph), stored(&read(&plain, &ReadOptions::default()).unwrap().graph)), (3, 3));
}

#[test]
fn what_exists_only_in_training_is_refused() {
    let x = f32_input("x", &[1, 1, 4]);
    let y = x.pool(PoolKind::Max, Window::new([2], [2]));
    let grads = teff_graph::gradients(&[(y.clone(), y.full_like(1.0))], std::slice::from_ref(&x)).unwrap();
    let graph = Graph::from_tensors("g", &[x], &[("dx", grads[0].clone().unwrap().named("pool"))]).unwrap();
    let e = write(&graph, &WriteOptions::default()).unwrap_err().to_string();
    assert!(e.contains("pool") && e.contains("only in training"), "{e}");
}
