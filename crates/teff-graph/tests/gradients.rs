//! The gradient of every differentiable operation against central differences, over random shapes and values.

use proptest::prelude::*;
use teff_graph::{
    ConvGeometry, DType, Graph, GruStep, LstmStep, Param, PoolKind, ReduceKind, ScatterKind, SliceAxis,
    Tensor, Type, Value, Window, evaluate, gradients, random_bits,
};

/// Deterministic numbers in [low, high), all distinct enough that no maximum is a tie.
fn numbers(seed: u64, n: usize, low: f64, high: f64) -> Vec<f64> {
    (0..n as u64)
        .map(|i| low + (random_bits(seed as i64, i) >> 11) as f64 / (1u64 << 53) as f64 * (high - low))
        .collect()
}

/// Checks the gradient of sum(f(inputs) * fixed random weights) in every input, element by element.
fn check(seed: u64, shapes: &[&[usize]], range: (f64, f64), f: impl Fn(&[Tensor]) -> Tensor) {
    let inputs: Vec<Tensor> = shapes.iter().map(|s| Tensor::input("x", DType::F64, s)).collect();
    let y = f(&inputs);
    y.check().unwrap_or_else(|e| panic!("{e}"));
    let weights = Tensor::constant(Value::new(y.shape(), numbers(seed ^ 77, y.len(), 0.5, 1.5)));
    let loss = (&y * weights).sum(&[]);
    let seeds = [(loss.clone(), loss.full_like(1.0))];
    let grads = gradients(&seeds, &inputs).unwrap_or_else(|e| panic!("{e}"));
    let mut outputs = vec![("loss", loss)];
    outputs.extend(inputs.iter().zip(grads).map(|(x, g)| ("g", g.unwrap_or_else(|| x.full_like(0.0)))));
    let graph = Graph::from_tensors("check", &inputs, &outputs).unwrap();
    graph.verify().unwrap();
    let values: Vec<Value> = shapes
        .iter()
        .enumerate()
        .map(|(i, s)| Value::new(*s, numbers(seed + i as u64, s.iter().product(), range.0, range.1)))
        .collect();
    let found = evaluate(&graph, &values).unwrap();
    let h = 1e-5;
    for i in 0..values.len() {
        for k in 0..values[i].len() {
            let moved = |by: f64| {
                let mut values = values.clone();
                let mut v = values[i].to_f64();
                v[k] += by;
                values[i] = Value::new(values[i].shape(), v);
                evaluate(&graph, &values).unwrap()[0].to_f64()[0]
            };
            let expected = (moved(h) - moved(-h)) / (2.0 * h);
            let got = found[1 + i].to_f64()[k];
            let tolerance = 1e-6 * (1.0 + expected.abs().max(got.abs()));
            assert!(
                (expected - got).abs() < tolerance,
                "input {i}, element {k}: {got}, by differences {expected}"
            );
        }
    }
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() }
}

fn shape() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1usize..4, 1..4)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn unary(seed in 0u64..1000, s in shape()) {
        let wide: &[fn(&Tensor) -> Tensor] = &[
            |x| -x, Tensor::exp, Tensor::sin, Tensor::cos, Tensor::atan, Tensor::sinh, Tensor::cosh, Tensor::tanh, Tensor::asinh,
            Tensor::erf, Tensor::erfc, Tensor::expm1, Tensor::sigmoid, Tensor::abs, Tensor::sign, Tensor::floor, Tensor::ceil,
            |x| x.cast(DType::F32).cast(DType::F64) * 0.0 + x,
        ];
        for f in wide {
            check(seed, &[&s], (-2.0, 2.0), |x| f(&x[0]));
        }
        for f in [Tensor::tan, Tensor::asin, Tensor::acos, Tensor::atanh, |x: &Tensor| x.round()] {
            check(seed, &[&s], (-0.45, 0.45), |x| f(&x[0]));
        }
        for f in [Tensor::sqrt, Tensor::log, |x: &Tensor| (x + 1.0).acosh()] {
            check(seed, &[&s], (0.5, 3.0), |x| f(&x[0]));
        }
    }

    #[test]
    fn binary(seed in 0u64..1000, s in shape()) {
        let wide: [fn(&Tensor, &Tensor) -> Tensor; 5] = [|a, b| a + b, |a, b| a - b, |a, b| a * b, |a, b| a.maximum(b), |a, b| a.minimum(b)];
        for f in wide {
            check(seed, &[&s, &s], (-2.0, 2.0), |x| f(&x[0], &x[1]));
        }
        let positive: [fn(&Tensor, &Tensor) -> Tensor; 2] = [|a, b| a / b, |a, b| a.pow(b)];
        for f in positive {
            check(seed, &[&s, &s], (0.5, 2.0), |x| f(&x[0], &x[1]));
        }
        // Away from the steps of the quotient.
        check(seed, &[&s], (2.1, 2.4), |x| x[0].rem(x[0].full_like(1.0)) + x[0].full_like(7.5).rem(&x[0]));
        check(seed, &[&s, &s], (-1.0, 1.0), |x| x[0].less(x[0].full_like(0.2)).select(&(&x[0] * 3.0), &x[1]));
    }

    #[test]
    fn movement(seed in 0u64..1000, a in 1usize..4, b in 1usize..4, c in 2usize..5) {
        let s = [a, b, c];
        check(seed, &[&s], (-1.0, 1.0), |x| x[0].reshape(&[c, a * b]).square());
        check(seed, &[&s], (-1.0, 1.0), |x| x[0].permute(&[2, 0, 1]).square());
        check(seed, &[&[a, 1, c]], (-1.0, 1.0), |x| x[0].broadcast_to(&[2, a, b, c]).square());
        let axes = vec![
            SliceAxis { start: a - 1, step: -1, len: a },
            SliceAxis { start: 0, step: 1, len: b },
            SliceAxis { start: c - 1, step: -2, len: c.div_ceil(2) },
        ];
        check(seed, &[&s], (-1.0, 1.0), |x| x[0].slice_axes(axes.clone()).square());
        check(seed, &[&s], (-1.0, 1.0), |x| x[0].slice(2, 1, 99, 2).square());
        let pads = vec![
            teff_graph::PadAxis { low: 1, high: 0, interior: 2 },
            teff_graph::PadAxis { low: 0, high: 2, interior: 0 },
            teff_graph::PadAxis { low: 1, high: 1, interior: 1 },
        ];
        check(seed, &[&s, &[]], (-1.0, 1.0), |x| {
            Tensor::apply(teff_graph::Op::Pad(pads.clone()), &[x[0].clone(), x[1].clone()]).square()
        });
        check(seed, &[&s, &[a, 2, c]], (-1.0, 1.0), |x| Tensor::concat(&[x[0].clone(), x[1].clone(), x[0].clone()], 1).square());
    }

    #[test]
    fn reductions(seed in 0u64..1000, a in 1usize..4, b in 1usize..4, c in 1usize..4) {
        for kind in [ReduceKind::Sum, ReduceKind::Prod, ReduceKind::Max, ReduceKind::Min] {
            for axes in [vec![0], vec![1], vec![0, 2], vec![0, 1, 2]] {
                check(seed, &[&[a, b, c]], (-1.5, 1.5), |x| x[0].reduce(kind, &axes).square());
            }
        }
        check(seed, &[&[a, b]], (-1.5, 1.5), |x| x[0].cumsum(1, false, true).square());
        check(seed, &[&[a, b]], (-1.5, 1.5), |x| x[0].cumprod(0, true, false).square());
        check(seed, &[&[a, b, c]], (-1.5, 1.5), |x| x[0].log_sum_exp(&[0, 2]).square());
    }

    #[test]
    fn products(seed in 0u64..1000, b in 1usize..3, m in 1usize..4, k in 1usize..4, n in 1usize..4) {
        check(seed, &[&[b, m, k], &[b, k, n]], (-1.0, 1.0), |x| x[0].matmul(&x[1]));
        check(seed, &[&[m, k], &[k, n], &[n, m]], (-1.0, 1.0), |x| Tensor::einsum("mk,kn,nm->m", x));
    }

    #[test]
    fn convolutions(
        seed in 0u64..1000, stride in 1usize..3, dilation in 1usize..3, low in 0usize..2, high in 0usize..2, groups in 1usize..3,
        h in 4usize..6, w in 5usize..7,
    ) {
        let g = ConvGeometry {
            stride: vec![stride, 1], dilation: vec![1, dilation], pad_low: vec![low, 0], pad_high: vec![high, 1], groups,
        };
        let (x, k) = ([2, 2 * groups, h, w], [2 * groups, 2, 2, 3]);
        let y = g.window(&[2, 3]).output(&[h, w]).unwrap();
        let y = [2, 2 * groups, y[0], y[1]];
        check(seed, &[&x, &k], (-1.0, 1.0), |t| t[0].conv_general(&t[1], g.clone()));
        check(seed, &[&y, &k], (-1.0, 1.0), |t| t[0].conv_adjoint(&t[1], g.clone(), &[h, w]));
        check(seed, &[&x, &y], (-1.0, 1.0), |t| t[0].conv_weight_grad(&t[1], g.clone(), &[2, 3]));
    }

    #[test]
    fn pools(seed in 0u64..1000, stride in 1usize..3, low in 0usize..2, h in 3usize..6, w in 3usize..6) {
        let window = Window { pad_low: vec![low, 0], pad_high: vec![0, low], ..Window::new([2, 2], [stride, 2]) };
        let y = window.output(&[h, w]).unwrap();
        let y = [2, 2, y[0], y[1]];
        check(seed, &[&[2, 2, h, w]], (-1.0, 1.0), |x| x[0].pool(PoolKind::Max, window.clone()).square());
        check(seed, &[&[2, 2, h, w]], (-1.0, 1.0), |x| x[0].pool(PoolKind::Sum, window.clone()).square());
        check(seed, &[&[2, 2, h, w]], (-1.0, 1.0), |x| x[0].avg_pool(window.clone(), false).square());
        check(seed, &[&y], (-1.0, 1.0), |g| g[0].sum_pool_grad(window.clone(), &[h, w]).square());
        let x = Tensor::constant(Value::new([2, 2, h, w], numbers(seed + 9, 4 * h * w, -1.0, 1.0)));
        check(seed, &[&y], (-1.0, 1.0), |g| g[0].max_pool_grad(&x, window.clone()).square());
    }

    #[test]
    fn indexing(seed in 0u64..1000, n in 2usize..5, inner in 1usize..4, k in 1usize..5) {
        let picks: Vec<i64> = (0..k as u64).map(|i| (random_bits(seed as i64, i) % (n as u64 + 2)) as i64 - 1).collect();
        let indices = Tensor::from_slice(&picks);
        check(seed, &[&[2, n, inner]], (-1.0, 1.0), |x| x[0].gather(&indices, 1).square());
        for kind in [ScatterKind::Set, ScatterKind::Add, ScatterKind::Mul, ScatterKind::Max, ScatterKind::Min] {
            check(seed, &[&[2, n, inner], &[2, k, inner]], (-1.0, 1.0), |x| x[0].scatter(&indices, &x[1], 1, kind).square());
        }
        check(seed, &[&[2, n, inner]], (-1.0, 1.0), |x| x[0].top_k(1, 1, true).0.square());
    }

    #[test]
    fn dequantised_scales(seed in 0u64..1000, n in 1usize..4, block in 1usize..4) {
        let q = Tensor::constant(Value::new([2, n * block], (0..2 * n * block).map(|i| i as i8 * 7 - 20).collect::<Vec<_>>()));
        let zero = Tensor::constant(Value::new([1, n], vec![3i8; n]));
        check(seed, &[&[1, n]], (0.1, 1.0), |x| q.dequantize(&x[0], &zero).square());
    }

    #[test]
    fn loops(seed in 0u64..1000, t in 1usize..4, n in 1usize..3, reverse in any::<bool>()) {
        check(seed, &[&[n], &[t, n], &[n]], (-1.0, 1.0), |x| {
            let (states, steps) = Tensor::scan(&x[..1], &x[1..2], reverse, |s, slice| {
                let next = (&s[0] * &x[2] + &slice[0]).tanh();
                (vec![next.clone()], vec![next.square() + &x[2]])
            });
            &states[0] + steps[0].sum(&[0])
        });
        let (i, h) = (2, n);
        check(seed, &[&[t, 1, i], &[4 * h, i], &[4 * h, h], &[4 * h]], (-1.0, 1.0), |x| {
            let zero = Tensor::full(Type::new(DType::F64, [1, h]), 0.0);
            let cell = LstmStep { w_input: &x[1], w_hidden: &x[2], bias: &x[3] };
            let (_, steps) = Tensor::scan(&[zero.clone(), zero], &x[..1], false, |s, x| {
                let (hidden, c) = cell.apply(&x[0], &s[0], &s[1]);
                (vec![hidden.clone(), c], vec![hidden])
            });
            steps[0].clone()
        });
        check(seed, &[&[1, i], &[1, h], &[3 * h, i], &[3 * h, h], &[3 * h], &[3 * h]], (-1.0, 1.0), |x| {
            GruStep { w_input: &x[2], w_hidden: &x[3], bias_input: &x[4], bias_hidden: &x[5] }.apply(&x[0], &x[1])
        });
    }

    #[test]
    fn compositions(seed in 0u64..1000, n in 1usize..4, c in 2usize..5) {
        let labels = Tensor::from_slice(&(0..n as i64).map(|i| i % c as i64).collect::<Vec<_>>());
        check(seed, &[&[n, c]], (-2.0, 2.0), |x| x[0].softmax(-1).square());
        check(seed, &[&[n, c]], (-2.0, 2.0), |x| x[0].log_softmax(-1).square());
        check(seed, &[&[n, c]], (-2.0, 2.0), |x| {
            x[0].cross_entropy_smoothed(&labels, 0.1, teff_graph::Reduction::Mean)
        });
        check(seed, &[&[n, c], &[n, c]], (-2.0, 2.0), |x| x[0].huber(&x[1], 0.7) + x[0].mse(&x[1]));
        check(seed, &[&[n, c]], (-2.0, 2.0), |x| x[0].layer_norm(1, 1e-3).square());
        check(seed, &[&[n, 4, c]], (-2.0, 2.0), |x| x[0].group_norm(2, 1e-3).square());
        let acts: &[fn(&Tensor) -> Tensor] = &[
            Tensor::relu, Tensor::relu6, Tensor::gelu, Tensor::gelu_tanh, Tensor::silu, Tensor::mish, Tensor::softplus,
            Tensor::softsign, Tensor::selu, Tensor::hard_swish, |x| x.leaky_relu(0.1), |x| x.celu(0.7),
        ];
        for f in acts {
            check(seed, &[&[n, c]], (-2.5, 2.5), |x| f(&x[0]));
        }
    }
}

#[test]
fn what_nothing_depends_on_has_no_gradient() {
    let x = Tensor::input("x", DType::F32, &[2]);
    let y = Tensor::param(&Param::new("y", Value::new([2], vec![1.0f32, 2.0])));
    let loss = (&x * 2.0 + y.stop_gradient()).sum(&[]);
    let grads = gradients(&[(loss.clone(), loss.full_like(1.0))], &[x, y]).unwrap();
    assert!(grads[0].is_some());
    assert!(grads[1].is_none());
}

/// Where formulas have a corner or overflow their derivatives are those of the functions; by hand.
#[test]
fn activations_have_gradients_at_zero_and_far_out() {
    let points = [0.0f32, 100.0, -100.0, 1e10, -1e10];
    type Case = (&'static str, fn(&Tensor) -> Tensor, [f32; 5]);
    let cases: [Case; 7] = [
        ("softplus", Tensor::softplus, [0.5, 1.0, 0.0, 1.0, 0.0]),
        ("gelu", Tensor::gelu, [0.5, 1.0, 0.0, 1.0, 0.0]),
        ("gelu_tanh", Tensor::gelu_tanh, [0.5, 1.0, 0.0, 1.0, 0.0]),
        ("mish", Tensor::mish, [0.6, 1.0, 0.0, 1.0, 0.0]),
        ("elu", |x| x.elu(0.5), [0.5, 1.0, 0.0, 1.0, 0.0]),
        ("celu", |x| x.celu(0.5), [1.0, 1.0, 0.0, 1.0, 0.0]),
        ("selu", Tensor::selu, [1.758_099_3, 1.050_701, 0.0, 1.050_701, 0.0]),
    ];
    for (name, f, expected) in cases {
        let x = Tensor::input("x", DType::F32, &[5]);
        let y = f(&x);
        let grad = gradients(&[(y.clone(), y.full_like(1.0))], std::slice::from_ref(&x)).unwrap();
        let graph = Graph::from_tensors("g", &[x], &[("g", grad[0].clone().unwrap())]).unwrap();
        let got = evaluate(&graph, &[Value::new([5], points.to_vec())]).unwrap()[0].to_f64();
        for (k, (g, e)) in got.iter().zip(expected).enumerate() {
            assert!((g - e as f64).abs() <= 1e-6, "{name}' at {}: {g}, not {e}", points[k]);
        }
    }
}
