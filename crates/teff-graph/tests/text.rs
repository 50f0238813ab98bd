//! The text form: stable, and read back to the same graph.

use expect_test::expect;
use teff_graph::{
    ConvGeometry, DType, Graph, Param, PoolKind, Tensor, Value, Window, evaluate, parse, print, print_brief,
};

fn small_network() -> Graph {
    let x = Tensor::input("x", DType::F32, &[1, 1, 4, 4]);
    let w = Tensor::param(&Param::new("c1.weight", Value::new([1, 1, 2, 2], vec![1.0f32, -0.5, 0.25, 1e-9])));
    let y = x.conv_general(&w, ConvGeometry::new(2)).named("c1").relu();
    let y = y.pool(PoolKind::Max, Window::new([2, 2], [1, 1])).flatten(1);
    let table = Tensor::constant(Value::new([3, 4], (0..12).map(|i| i as f32).collect::<Vec<_>>()));
    let y = (y.matmul(&table.transpose()) / 3.0).softmax(-1);
    Graph::from_tensors("small \"net\"", &[x], &[("probabilities", y.clone()), ("class", y.argmax(-1))])
        .unwrap()
}

#[test]
fn prints_what_a_reader_needs() {
    expect![[r#"
        graph "small \"net\""
        %0 = input "x" : f32[1,1,4,4]
        %1 = param "c1.weight" : f32[1,1,2,2]
        %2 = conv(%0, %1) stride=[1,1] dilation=[1,1] low=[0,0] high=[0,0] groups=[1] : f32[1,1,3,3]  # "c1"
        %3 = constant : f32[] = [0.0]
        %4 = broadcast(%3) : f32[1,1,3,3]
        %5 = max(%2, %4) : f32[1,1,3,3]
        %6 = pool_max(%5) size=[2,2] stride=[1,1] dilation=[1,1] low=[0,0] high=[0,0] : f32[1,1,2,2]
        %7 = reshape(%6) : f32[1,4]
        %8 = constant : f32[3,4] = ...
        %9 = permute(%8) perm=[1,0] : f32[4,3]
        %10 = matmul(%7, %9) : f32[1,3]
        %11 = constant : f32[] = [3.0]
        %12 = broadcast(%11) : f32[1,3]
        %13 = div(%10, %12) : f32[1,3]
        %14 = reduce_max(%13) axes=[1] : f32[1,1]
        %15 = stop_gradient(%14) : f32[1,1]
        %16 = broadcast(%15) : f32[1,3]
        %17 = sub(%13, %16) : f32[1,3]
        %18 = exp(%17) : f32[1,3]
        %19 = reduce_sum(%18) axes=[1] : f32[1,1]
        %20 = broadcast(%19) : f32[1,3]
        %21 = div(%18, %20) : f32[1,3]
        %22 = arg_max(%21) axis=[1] last=[0] : i64[1,1]
        %23 = reshape(%22) : i64[1]
        return "probabilities" %21
        return "class" %23
    "#]]
    .assert_eq(&print_brief(&small_network()));
}

#[test]
fn reads_back_what_it_printed() {
    let graph = small_network();
    let again = parse(&print(&graph)).unwrap();
    again.verify().unwrap();
    assert_eq!(print(&again), print(&graph));
    let x = [Value::new([1, 1, 4, 4], (0..16).map(|i| (i * i % 7) as f32).collect::<Vec<_>>())];
    assert_eq!(evaluate(&again, &x), evaluate(&graph, &x));
}

#[test]
fn reads_back_every_operation() {
    let x = Tensor::input("x", DType::F32, &[2, 3, 5, 5]);
    let w = Tensor::input("w", DType::F32, &[4, 3, 2, 2]);
    let key = Tensor::input("key", DType::I64, &[]);
    let g = ConvGeometry { stride: vec![2, 1], pad_low: vec![1, 0], ..ConvGeometry::new(2) };
    let window = Window { dilation: vec![2, 1], ..Window::new([2, 2], [1, 2]) };
    let y = x.conv_general(&w, g.clone());
    let index = Tensor::from_slice(&[1i32, 0]);
    let one = Tensor::constant(Value::new([1, 1, 1, 1], vec![0.5f32]));
    let zero = Tensor::constant(Value::new([1, 1, 1, 1], vec![3i8]));
    let q = x.quantize(&one, &zero);
    let (states, steps) = Tensor::scan(&[x.sum(&[0])], std::slice::from_ref(&x), true, |s, x| {
        let next = (&s[0] + &x[0]).tanh();
        (vec![next.clone()], vec![next])
    });
    let outputs = vec![
        ("a", y.conv_adjoint(&w, g.clone(), &[5, 5])),
        ("b", x.conv_weight_grad(&y, g, &[2, 2])),
        ("c", x.pool(PoolKind::Sum, window.clone()).sum_pool_grad(window.clone(), &[5, 5])),
        ("d", x.pool(PoolKind::Max, window.clone()).max_pool_grad(&x, window.clone())),
        ("e", x.pool(PoolKind::ArgMax, window)),
        ("f", x.gather(&index, 1).scatter(&index, &x.narrow(1, 0, 2), 1, teff_graph::ScatterKind::Max)),
        ("g", x.argsort(3, true)),
        ("h", q.dequantize(&one, &zero)),
        ("i", steps[0].clone() + &states[0]),
        ("j", Tensor::random(&key, &[3]) + Tensor::arange(0.0, 1.0, 3)),
        ("k", x.slice(2, -1, -5, -2).pad(&[(0, 0), (1, 2), (0, 0), (0, 0)], -1.5)),
        ("l", x.less(&x.full_like(0.5)).select(&x, &x.full_like(f64::NEG_INFINITY))),
    ];
    let graph = Graph::from_tensors("all", &[x, w, key], &outputs).unwrap();
    let again = parse(&print(&graph)).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(print(&again), print(&graph));
}

#[test]
fn errors_name_the_line() {
    let message = |text: &str| parse(text).unwrap_err().to_string();
    expect!["parse: line 1: the text is empty"].assert_eq(&message(""));
    expect![[r#"parse: line 2: "bogus" is no operation"#]]
        .assert_eq(&message("graph \"g\"\n%0 = bogus : f32[1]"));
    expect!["parse: line 2: %7 is not defined yet"].assert_eq(&message("graph \"g\"\n%0 = neg(%7) : f32[1]"));
    expect!["parse: line 3: the shape rule gives f32[2], not f32[3]"]
        .assert_eq(&message("graph \"g\"\n%0 = input \"x\" : f32[2]\n%1 = neg(%0) : f32[3]"));
    expect!["parse: line 2: this constant was left out when the graph was printed in brief"]
        .assert_eq(&message("graph \"g\"\n%0 = constant : f32[99] = ..."));
    expect!["parse: line 2: 1 elements for f32[2]"]
        .assert_eq(&message("graph \"g\"\n%0 = constant : f32[2] = [1.0]"));
}
