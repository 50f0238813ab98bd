//! The meaning of operations where it could be otherwise: edges of integers and floats, shapes that do not fit, compositions
//! against values computed elsewhere.

use expect_test::expect;
use teff_graph::{
    Binary, DType, Graph, Op, PoolKind, ReduceKind, Scan, Tensor, Type, Unary, Value, Window, evaluate,
    evaluate_op,
};

fn run(t: &Tensor) -> Value {
    let graph = Graph::from_tensors("t", &[], &[("", t.clone())]).unwrap_or_else(|e| panic!("{e}"));
    graph.verify().unwrap();
    evaluate(&graph, &[]).unwrap().remove(0)
}

fn floats(t: &Tensor) -> Vec<f32> {
    run(t).as_slice::<f32>().expect("f32").to_vec()
}

fn close(got: &[f32], expected: &[f32]) {
    assert_eq!(got.len(), expected.len());
    for (g, e) in got.iter().zip(expected) {
        assert!((g - e).abs() <= 1e-6 * (1.0 + e.abs()), "{got:?} is not {expected:?}");
    }
}

#[test]
fn integers_wrap_and_division_by_zero_is_zero() {
    let two = |b, x: [i8; 6], y: [i8; 6]| {
        let v = evaluate_op(&Op::Binary(b), &[&Value::new([6], x.to_vec()), &Value::new([6], y.to_vec())]);
        v.to_i64()
    };
    let x = [127, -128, -128, 7, -7, 5];
    let y = [1, -1, 1, 2, 2, 0];
    assert_eq!(two(Binary::Add, x, y), [-128, 127, -127, 9, -5, 5]);
    assert_eq!(two(Binary::Sub, x, y), [126, -127, 127, 5, -9, 5]);
    assert_eq!(two(Binary::Mul, x, y), [127, -128, -128, 14, -14, 0]);
    assert_eq!(two(Binary::Div, x, y), [127, -128, -128, 3, -3, 0]);
    assert_eq!(two(Binary::Rem, x, y), [0, 0, 0, 1, -1, 0]);
    assert_eq!(two(Binary::Pow, [2, -2, 3, -1, 1, 0], [7, 3, 5, -3, -9, -1]), [-128, -8, -13, -1, 1, 0]);
    assert_eq!(two(Binary::Shl, [1, -1, 64, 3, 1, 1], [7, 1, 1, 8, -1, 100]), [-128, -2, -128, 0, 0, 0]);
    assert_eq!(two(Binary::Shr, [-128, 127, -1, 64, -64, 64], [7, 1, 3, 8, 8, -1]), [-1, 63, -1, 0, -1, 0]);
    let not = evaluate_op(&Op::Unary(Unary::Not), &[&Value::new([2], vec![0u8, 5])]);
    assert_eq!(not.to_i64(), [255, 250]);
}

#[test]
fn casts_saturate_from_floats_and_wrap_between_integers() {
    let x = Tensor::from_slice(&[300.7f32, -1.9, f32::NAN, f32::INFINITY, 1.9]);
    assert_eq!(run(&x.cast(DType::I8)).to_i64(), [127, -1, 0, 127, 1]);
    assert_eq!(run(&x.cast(DType::U8)).to_i64(), [255, 0, 0, 255, 1]);
    assert_eq!(run(&x.cast(DType::Bool)).to_i64(), [1, 1, 1, 1, 1]);
    let n = Tensor::from_slice(&[300i32, -1, i32::MIN]);
    assert_eq!(run(&n.cast(DType::U8)).to_i64(), [44, 255, 0]);
}

#[test]
fn floats_round_to_even_and_nan_spreads() {
    let x = Tensor::from_slice(&[0.5f32, 1.5, 2.5, -0.5, -1.5]);
    assert_eq!(floats(&x.round()), [0.0, 2.0, 2.0, 0.0, -2.0]);
    let (a, b) = (Tensor::from_slice(&[f32::NAN, 1.0, -0.0]), Tensor::from_slice(&[1.0, f32::NAN, 0.0]));
    for t in [a.maximum(&b), a.minimum(&b)] {
        assert!(floats(&t)[..2].iter().all(|x| x.is_nan()));
    }
    let r = Tensor::from_slice(&[7.5f32, -7.5]).rem(Tensor::from_slice(&[2.0f32, 2.0]));
    assert_eq!(floats(&r), [1.5, -1.5]);
}

#[test]
fn quantising_rounds_halves_to_even_and_saturates() {
    let x = Tensor::from_slice(&[0.25f32, 0.75, -0.25, 100.0, -100.0, f32::NAN]);
    let scale = Tensor::from_slice(&[0.5f32]);
    let q = x.quantize(&scale, &Tensor::from_slice(&[10i8]));
    assert_eq!(run(&q).to_i64(), [10, 12, 10, 127, -128, 10]);
    close(&floats(&q.dequantize(&scale, &Tensor::from_slice(&[10i8]))), &[0.0, 1.0, 0.0, 58.5, -69.0, 0.0]);
}

#[test]
fn scales_serve_blocks() {
    let q = Tensor::constant(Value::new([2, 4], (1..=8).collect::<Vec<i8>>()));
    let scale = Tensor::constant(Value::new([1, 2], vec![1.0f32, 10.0]));
    let zero = Tensor::constant(Value::new([1, 2], vec![0i8, 1]));
    close(&floats(&q.dequantize(&scale, &zero)), &[1.0, 2.0, 20.0, 30.0, 5.0, 6.0, 60.0, 70.0]);
}

#[test]
fn extremes_prefer_the_first_and_nan() {
    let x = Tensor::from_slice(&[1.0f32, 3.0, 3.0, f32::NAN, 2.0]);
    assert_eq!(run(&x.narrow(0, 0, 3).arg_reduce(false, 0, false)).to_i64(), [1]);
    assert_eq!(run(&x.narrow(0, 0, 3).arg_reduce(false, 0, true)).to_i64(), [2]);
    assert_eq!(run(&x.arg_reduce(true, 0, false)).to_i64(), [3]);
    assert_eq!(run(&x.argsort(0, false)).to_i64(), [0, 4, 1, 2, 3]);
    assert_eq!(run(&x.argsort(0, true)).to_i64(), [3, 1, 2, 4, 0]);
}

#[test]
fn reductions_of_nothing() {
    let none = Tensor::constant(Value::new([0, 2], Vec::<f32>::new()));
    assert_eq!(floats(&none.reduce(ReduceKind::Sum, &[0])), [0.0, 0.0]);
    assert_eq!(floats(&none.reduce(ReduceKind::Prod, &[0])), [1.0, 1.0]);
    assert_eq!(floats(&none.reduce(ReduceKind::Max, &[0])), [f32::NEG_INFINITY; 2]);
}

#[test]
fn padding_never_wins_a_maximum() {
    let x = Tensor::constant(Value::new([1, 1, 2, 2], vec![-1.0f32, -2.0, -3.0, -4.0]));
    let window = Window { pad_low: vec![1, 1], pad_high: vec![1, 1], ..Window::new([2, 2], [2, 2]) };
    assert_eq!(floats(&x.pool(PoolKind::Max, window.clone())), [-1.0, -2.0, -3.0, -4.0]);
    assert_eq!(floats(&x.avg_pool(window, false)), [-1.0, -2.0, -3.0, -4.0]);
}

#[test]
fn indices_outside_are_clamped_or_dropped() {
    let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0]);
    let at = Tensor::from_slice(&[-5i64, 1, 9]);
    assert_eq!(floats(&x.gather(&at, 0)), [1.0, 2.0, 3.0]);
    let y = x.scatter(&at, &Tensor::from_slice(&[10.0f32, 20.0, 30.0]), 0, teff_graph::ScatterKind::Add);
    assert_eq!(floats(&y), [1.0, 22.0, 3.0]);
}

#[test]
fn random_numbers_are_uniform_and_repeatable() {
    let draw = |key: i64| floats(&Tensor::random(&Tensor::scalar(key), &[20_000]));
    let (a, b) = (draw(1), draw(2));
    assert_eq!(a, draw(1));
    assert_ne!(a, b);
    let mean = |v: &[f32]| v.iter().map(|&x| x as f64).sum::<f64>() / v.len() as f64;
    assert!((mean(&a) - 0.5).abs() < 0.01 && a.iter().all(|x| (0.0..1.0).contains(x)));
    let product: Vec<f32> = a.iter().zip(&b).map(|(x, y)| (x - 0.5) * (y - 0.5)).collect();
    assert!(mean(&product).abs() < 0.003, "neighbouring keys are correlated");
}

#[test]
fn formulas_match_values_computed_elsewhere() {
    // By hand, or by scipy and PyTorch, to seven digits.
    let x = Tensor::from_slice(&[-2.0f32, -0.5, 0.0, 1.0, 3.0]);
    close(&floats(&x.gelu()), &[-0.045_500_26, -0.154_268_77, 0.0, 0.841_344_7, 2.995_950_2]);
    close(&floats(&x.silu()), &[-0.238_405_84, -0.188_770_33, 0.0, 0.731_058_6, 2.857_722_3]);
    close(
        &floats(&x.softplus()),
        &[0.126_928_01, 0.474_077, std::f32::consts::LN_2, 1.313_261_7, 3.048_587_3],
    );
    close(&floats(&x.hard_swish()), &[-0.333_333_34, -0.208_333_33, 0.0, 0.666_666_7, 3.0]);
    close(&floats(&x.selu()), &[-1.520_166_4, -0.691_758_2, 0.0, 1.050_701, 3.152_103]);
    close(&floats(&x.erf()), &[-0.995_322_2, -0.520_499_9, 0.0, 0.842_700_8, 0.999_977_9]);
    close(&floats(&x.softmax(-1)), &[0.005_513_607, 0.024_710_276, 0.040_740_353, 0.110_743_76, 0.818_292]);
    let big = Tensor::from_slice(&[1000.0f32, 0.0]);
    assert_eq!(floats(&big.softmax(-1)), [1.0, 0.0]);
    assert_eq!(floats(&big.log_softmax(-1)), [0.0, -1000.0]);
    let logits = Tensor::constant(Value::new([2, 3], vec![1.0f32, 2.0, 3.0, 1.0, 1.0, 1.0]));
    let labels = Tensor::from_slice(&[2i32, 0]);
    close(&floats(&logits.cross_entropy(&labels)), &[0.753_109_15]);
    close(&floats(&Tensor::arange(1.0, 1.0, 4).cumsum(0, false, false)), &[1.0, 3.0, 6.0, 10.0]);
    close(&floats(&Tensor::arange(1.0, 1.0, 4).cumsum(0, true, true)), &[9.0, 7.0, 4.0, 0.0]);
}

/// Values of the functions by Python's `expm1`, `log1p` and `erfc`: digits stay where a sum of exponentials would have none left. What
/// rounding does to an argument, an exponential multiplies by that argument.
#[test]
fn activations_keep_their_digits_at_both_ends() {
    let near = |got: Tensor, expected: &[f32], share: f32| {
        for (g, e) in floats(&got).into_iter().zip(expected) {
            assert!((g - e).abs() <= share * e.abs(), "{g:e} is not {e:e}");
        }
    };
    let within = |got: Tensor, expected: &[f32]| near(got, expected, 4e-7);
    let x = |x: &[f32]| Tensor::from_slice(x);
    within(x(&[-50.0, -20.0, -1e-4, 30.0]).softplus(), &[1.928_75e-22, 2.061_153_6e-9, 0.693_097_2, 30.0]);
    near(x(&[-10.0, -6.0, -1e-30, 40.0]).gelu(), &[-7.619_853e-23, -5.919_526e-9, -5e-31, 40.0], 6e-6);
    near(x(&[-4.0, -1e-20, 30.0]).gelu_tanh(), &[-7.024_595e-5, -5e-21, 30.0], 2e-6);
    within(x(&[-50.0, -20.0, -1e-20]).mish(), &[-9.643_749e-21, -4.122_307e-8, -6e-21]);
    within(x(&[-1e-6, -1e-30, -30.0, 3e38]).celu(0.5), &[-9.999_99e-7, -1e-30, -0.5, 3e38]);
    within(x(&[-1e-6, -1e-30, -30.0]).elu(2.0), &[-1.999_999e-6, -2e-30, -2.0]);
    within(x(&[100.0, 100.0, -300.0]).log_sum_exp(&[0]), &[100.693_15]);
}

#[test]
fn infinities_are_those_of_the_formulas() {
    let ends = Tensor::from_slice(&[f32::INFINITY, f32::NEG_INFINITY, f32::NAN]);
    let is = |got: Tensor, above: f32, below: f32| {
        let got = floats(&got);
        let same = |g: f32, e: f32| g == e || g.is_nan() && e.is_nan();
        assert!(same(got[0], above) && same(got[1], below) && got[2].is_nan(), "{got:?}");
    };
    let inf = f32::INFINITY;
    is(ends.softplus(), inf, 0.0);
    is(ends.celu(0.5), inf, -0.5);
    is(ends.elu(2.0), inf, -2.0);
    // A number times 0, the number minus infinity.
    is(ends.gelu(), inf, f32::NAN);
    is(ends.mish(), inf, f32::NAN);
    let sum = |x: &[f32]| floats(&Tensor::from_slice(x).log_sum_exp(&[0]))[0];
    assert_eq!((sum(&[inf, 1.0]), sum(&[-inf, 1.0])), (inf, 1.0));
    assert!(sum(&[-inf, -inf]).is_nan() && sum(&[f32::NAN, 1.0]).is_nan());
}

#[test]
fn what_is_no_number_reaches_only_what_follows_it() {
    let x = Tensor::from_slice(&[1.0f32, 2.0, f32::NAN, 3.0]);
    let numbers =
        |t: Tensor| floats(&t).into_iter().map(|x| if x.is_nan() { -1.0 } else { x }).collect::<Vec<_>>();
    assert_eq!(numbers(x.cumsum(0, false, false)), [1.0, 3.0, -1.0, -1.0]);
    assert_eq!(numbers(x.cumsum(0, true, false)), [0.0, 1.0, 3.0, -1.0]);
    assert_eq!(numbers(x.cumsum(0, false, true)), [-1.0, -1.0, -1.0, 3.0]);
    assert_eq!(numbers(x.cumprod(-1, true, true)), [-1.0, -1.0, 3.0, 1.0]);
    let none = Tensor::constant(Value::new([2, 0], Vec::<f32>::new()));
    assert!(floats(&none.cumsum(1, false, false)).is_empty());
    let logits = Tensor::constant(Value::new([1, 3], vec![1.0f32, f32::NEG_INFINITY, 1.0]));
    close(&floats(&logits.cross_entropy(&Tensor::from_slice(&[0i32]))), &[std::f32::consts::LN_2]);
}

#[test]
fn einsum_takes_diagonals_sums_and_ellipses() {
    let a = Tensor::constant(Value::new([2, 2], vec![1.0f32, 2.0, 3.0, 4.0]));
    let b = Tensor::constant(Value::new([2, 2], vec![5.0f32, 6.0, 7.0, 8.0]));
    let two = |f: &str| floats(&Tensor::einsum(f, &[a.clone(), b.clone()]));
    let one = |f: &str| floats(&Tensor::einsum(f, std::slice::from_ref(&a)));
    assert_eq!(two("ij,jk->ik"), [19.0, 22.0, 43.0, 50.0]);
    assert_eq!(two("ij,jk"), [19.0, 22.0, 43.0, 50.0]);
    assert_eq!(two("ij,ij->"), [70.0]);
    assert_eq!(two("ij,kl->il"), [36.0, 42.0, 84.0, 98.0]);
    assert_eq!(one("ii"), [5.0]);
    assert_eq!(one("ii->i"), [1.0, 4.0]);
    assert_eq!(one("ij->ji"), [1.0, 3.0, 2.0, 4.0]);
    assert_eq!(two("...j,jk->...k"), [19.0, 22.0, 43.0, 50.0]);
    let e = Tensor::einsum("ij,jk->iz", &[a.clone(), b.clone()]).check().unwrap_err();
    assert!(e.to_string().contains("axis z of the result is in no operand"), "{e}");
}

#[test]
fn errors_name_operation_operands_and_source() {
    let (a, b) = (Tensor::zeros(&[128, 784]), Tensor::zeros(&[400, 10]));
    let e = (a.matmul(&b) + 1.0).relu().check().unwrap_err().to_string();
    assert!(
        e.starts_with(
            "matmul of f32[128,784] and f32[400,10]: the inner sizes differ: 784 columns on the left"
        ),
        "{e}"
    );
    assert!(e.contains("semantics.rs:"), "{e}");
    let message = |t: Tensor| t.check().unwrap_err().reason().to_string();
    expect!["128 elements do not fill the shape [5]"]
        .assert_eq(&message(Tensor::zeros(&[128]).reshape(&[5])));
    expect!["the shapes do not broadcast to a common one"]
        .assert_eq(&message(Tensor::zeros(&[3]) + Tensor::zeros(&[2])));
    expect!["both operands must have one dtype and shape"]
        .assert_eq(&message(Tensor::zeros(&[2]) + Tensor::from_slice(&[1i32, 2])));
    expect!["a window of 3 (dilation 1) does not fit into 2 elements padded by 0 and 0 on spatial axis 0"]
        .assert_eq(&message(Tensor::zeros(&[1, 1, 2, 2]).max_pool2d(3, 1)));
    expect!["takes floats, not i32"].assert_eq(&message(Tensor::from_slice(&[1i32]).exp()));
}

#[test]
fn the_verifier_finds_what_construction_could_not_know() {
    let [x, s] = [DType::F32; 2].map(|dtype| Op::Input { name: "".into(), ty: Type::new(dtype, [1]) });
    let mut body = Graph::new("b");
    let operands = [s.clone(), x].map(|input| body.push(input, &[], None).unwrap());
    let sum = body.push(Op::Binary(Binary::Add), &operands, None).unwrap();
    body.add_output("", sum);
    let mut graph = Graph::new("g");
    let x = graph.push(Op::Input { name: "x".into(), ty: Type::new(DType::F32, [2, 1]) }, &[], None).unwrap();
    let s = graph.push(s, &[], None).unwrap();
    let scan = Scan { body: body.into(), states: 1, scanned: 1, length: 2, reverse: false };
    let scan = graph.push(Op::Scan(scan), &[s, x], None).unwrap();
    let mut bad = graph.clone();
    let used = bad.push(Op::Unary(Unary::Neg), &[scan], None).unwrap();
    bad.add_output("y", used);
    let e = bad.verify().unwrap_err().to_string();
    assert!(e.contains("uses scan %2 other than by a projection"), "{e}");
    let sum = graph.push(Op::Project(0), &[scan], None).unwrap();
    graph.add_output("y", sum);
    graph.verify().unwrap();
    let (x, s) = (Value::new([2, 1], vec![1.0f32, 2.0]), Value::new([1], vec![10.0f32]));
    assert_eq!(evaluate(&graph, &[x.clone(), s]).unwrap()[0], Value::new([1], vec![13.0f32]));
    assert!(evaluate(&graph, &[x]).unwrap_err().to_string().contains("the graph takes (f32[2,1], f32[1])"));
}

#[test]
fn a_deep_chain_is_dropped_without_recursion() {
    let mut t = Tensor::zeros(&[1]);
    for _ in 0..1_000_000 {
        t = -t;
    }
    drop(t);
}

#[test]
fn huge_shapes_are_refused() {
    let t = Tensor::full(Type::new(DType::F32, []), 1.0).broadcast_to(&[1 << 40, 1 << 40]);
    assert!(t.check().unwrap_err().to_string().contains("does not fit into memory"));
}
