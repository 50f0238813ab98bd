//! Every operation of the graph by its definition: sums written out over indices, small cases by hand, functions against values of
//! Python's `math`. Gradients cannot tell a wrong operation from a right one, for they follow it.

use teff_graph::{
    Binary, ConvGeometry, DType, Graph, Num, Op, PadAxis, PoolKind, ReduceKind, ScatterKind, SliceAxis,
    Tensor, Type, Unary, Value, Window, evaluate, evaluate_op, random_bits,
};

fn run(t: &Tensor) -> Value {
    let graph = Graph::from_tensors("t", &[], &[("", t.clone())]).unwrap_or_else(|e| panic!("{e}"));
    graph.verify().unwrap();
    evaluate(&graph, &[]).unwrap().remove(0)
}

/// Small integers.
fn some(seed: i64, dtype: DType, shape: &[usize]) -> Value {
    Value::from_fn(&Type::new(dtype, shape), |i| Num::Int(random_bits(seed, i as u64) as i128 % 7 - 2))
}

fn floats(shape: &[usize], v: &[f32]) -> Value {
    Value::new(shape, v.to_vec())
}

fn ints(shape: &[usize], v: &[i64]) -> Value {
    Value::from_fn(&Type::new(DType::I32, shape), |i| Num::Int(v[i] as i128))
}

/// Position of an index in row-major order.
fn at(shape: &[usize], index: &[usize]) -> usize {
    shape.iter().zip(index).fold(0, |p, (n, i)| p * n + i)
}

/// All indices of a shape of four axes.
fn indices(shape: &[usize]) -> impl Iterator<Item = [usize; 4]> + use<> {
    let [a, b, c, d] = [shape[0], shape[1], shape[2], shape[3]];
    (0..a * b * c * d).map(move |p| [p / (b * c * d), p / (c * d) % b, p / d % c, p % d])
}

/// Where a tap looks along an axis of `size` elements, `None` in the padding.
fn seen(out: usize, stride: usize, tap: usize, dilation: usize, pad: usize, size: usize) -> Option<usize> {
    let place = (out * stride + tap * dilation) as isize - pad as isize;
    (0..size as isize).contains(&place).then_some(place as usize)
}

#[test]
fn convolutions_are_sums_over_taps() {
    for case in 0..24 {
        let pick = |k: u64, n: usize, from: usize| from + random_bits(case, k) as usize % n;
        let g = ConvGeometry {
            stride: vec![pick(0, 2, 1), pick(1, 3, 1)],
            dilation: vec![pick(2, 2, 1), pick(3, 3, 1)],
            pad_low: vec![pick(4, 3, 0), pick(5, 2, 0)],
            pad_high: vec![pick(6, 2, 0), pick(7, 3, 0)],
            groups: pick(8, 3, 1),
        };
        let kernel = [pick(9, 2, 1), pick(10, 3, 1)];
        let (inner, outer) = (pick(11, 2, 1), pick(12, 2, 1));
        let x = [2, inner * g.groups, 5, 7];
        let out = |i: usize| {
            (x[i + 2] + g.pad_low[i] + g.pad_high[i] - (kernel[i] - 1) * g.dilation[i] - 1) / g.stride[i] + 1
        };
        let y = [2, outer * g.groups, out(0), out(1)];
        let w = [y[1], inner, kernel[0], kernel[1]];
        for dtype in [DType::F32, DType::I32] {
            let [xv, wv, yv] = [(1, x), (2, w), (3, y)].map(|(seed, s)| some(case * 3 + seed, dtype, &s));
            let (xs, ws, ys) = (xv.to_f64(), wv.to_f64(), yv.to_f64());
            let (mut conv, mut adjoint, mut weights) =
                (vec![0.0; ys.len()], vec![0.0; xs.len()], vec![0.0; ws.len()]);
            for o in indices(&y) {
                for t in indices(&[1, inner, kernel[0], kernel[1]]) {
                    let see = |i: usize| {
                        seen(o[i + 2], g.stride[i], t[i + 2], g.dilation[i], g.pad_low[i], x[i + 2])
                    };
                    if let (Some(row), Some(column)) = (see(0), see(1)) {
                        let from = at(&x, &[o[0], o[1] / outer * inner + t[1], row, column]);
                        let (tap, to) = (at(&w, &[o[1], t[1], t[2], t[3]]), at(&y, &o));
                        conv[to] += xs[from] * ws[tap];
                        adjoint[from] += ys[to] * ws[tap];
                        weights[tap] += xs[from] * ys[to];
                    }
                }
            }
            let [xt, wt, yt] = [&xv, &wv, &yv].map(|v| Tensor::constant(v.clone()));
            let text = format!("{g:?} of {x:?} by {w:?}");
            assert_eq!(run(&xt.conv_general(&wt, g.clone())).to_f64(), conv, "{text}");
            assert_eq!(run(&yt.conv_adjoint(&wt, g.clone(), &x[2..])).to_f64(), adjoint, "adjoint of {text}");
            assert_eq!(
                run(&xt.conv_weight_grad(&yt, g.clone(), &kernel)).to_f64(),
                weights,
                "weights of {text}"
            );
        }
    }
}

#[test]
fn convolutions_have_any_number_of_axes() {
    // None: a dense layer. Three: volumes, here of 3 by 3 by 4 with windows of 2 by 2 by 2.
    let (x, w) = (some(1, DType::I32, &[2, 3]), some(2, DType::I32, &[4, 3]));
    let (xs, ws) = (x.to_i64(), w.to_i64());
    let expected: Vec<i64> =
        (0..8).map(|k| (0..3).map(|c| xs[k / 4 * 3 + c] * ws[k % 4 * 3 + c]).sum()).collect();
    let dense = Tensor::constant(x).conv_general(&Tensor::constant(w), ConvGeometry::new(0));
    assert_eq!(run(&dense).to_i64(), expected);
    let (x, w) = (some(3, DType::I32, &[1, 1, 3, 3, 4]), some(4, DType::I32, &[1, 1, 2, 2, 2]));
    let (xs, ws) = (x.to_i64(), w.to_i64());
    let expected: Vec<i64> = indices(&[1, 2, 2, 3])
        .map(|[_, z, y, x]| {
            indices(&[1, 2, 2, 2])
                .map(|[_, c, b, a]| {
                    xs[at(&[3, 3, 4], &[z + c, y + b, x + a])] * ws[at(&[2, 2, 2], &[c, b, a])]
                })
                .sum()
        })
        .collect();
    let volume = Tensor::constant(x).conv_general(&Tensor::constant(w), ConvGeometry::new(3));
    assert_eq!(run(&volume).to_i64(), expected);
}

#[test]
fn windows_take_largest_sums_and_places() {
    for case in 0..24 {
        let pick = |k: u64, n: usize, from: usize| from + random_bits(case, k) as usize % n;
        let (size, dilation) = ([pick(0, 3, 1), pick(1, 3, 1)], [pick(2, 2, 1), pick(3, 2, 1)]);
        let stride = [pick(4, 3, 1), pick(5, 3, 1)];
        let pad = |k: u64, i: usize| pick(k, ((size[i] - 1) * dilation[i]).min(2) + 1, 0);
        let window = Window {
            size: size.to_vec(),
            stride: stride.to_vec(),
            dilation: dilation.to_vec(),
            pad_low: vec![pad(6, 0), pad(7, 1)],
            pad_high: vec![pad(8, 0), pad(9, 1)],
        };
        let x = [2, 2, 6, 5];
        let out = |i: usize| {
            let padded = x[i + 2] + window.pad_low[i] + window.pad_high[i];
            (padded - (size[i] - 1) * dilation[i] - 1) / stride[i] + 1
        };
        let y = [2, 2, out(0), out(1)];
        let (xv, gv) = (some(case, DType::F32, &x), some(case + 50, DType::F32, &y));
        let (xs, gs) = (xv.to_f64(), gv.to_f64());
        let (mut sums, mut largest, mut places) = (vec![], vec![], vec![]);
        let (mut spread, mut given) = (vec![0.0; xs.len()], vec![0.0; xs.len()]);
        for (k, o) in indices(&y).enumerate() {
            let (mut sum, mut best) = (0.0, None::<[usize; 2]>);
            let value = |p: [usize; 2]| xs[at(&x, &[o[0], o[1], p[0], p[1]])];
            for t in indices(&[1, 1, size[0], size[1]]) {
                let see =
                    |i: usize| seen(o[i + 2], stride[i], t[i + 2], dilation[i], window.pad_low[i], x[i + 2]);
                if let (Some(row), Some(column)) = (see(0), see(1)) {
                    let place = [row, column];
                    sum += value(place);
                    spread[at(&x, &[o[0], o[1], row, column])] += gs[k];
                    best = Some(best.filter(|&b| value(b) >= value(place)).unwrap_or(place));
                }
            }
            let best = best.expect("padding is narrower than a window");
            given[at(&x, &[o[0], o[1], best[0], best[1]])] += gs[k];
            sums.push(sum);
            largest.push(value(best));
            places.push((best[0] * x[3] + best[1]) as f64);
        }
        let (xt, gt) = (Tensor::constant(xv), Tensor::constant(gv));
        let pool = |kind| run(&xt.pool(kind, window.clone())).to_f64();
        assert_eq!(pool(PoolKind::Sum), sums, "{window:?}");
        assert_eq!(pool(PoolKind::Max), largest, "{window:?}");
        assert_eq!(pool(PoolKind::ArgMax), places, "{window:?}");
        assert_eq!(run(&gt.sum_pool_grad(window.clone(), &x[2..])).to_f64(), spread, "{window:?}");
        assert_eq!(run(&gt.max_pool_grad(&xt, window.clone())).to_f64(), given, "{window:?}");
        let whole = |kind| run(&xt.cast(DType::I16).pool(kind, window.clone())).to_f64();
        assert_eq!((whole(PoolKind::Sum), whole(PoolKind::Max)), (sums, largest), "{window:?}");
    }
    let nan = Tensor::constant(floats(&[1, 1, 1, 4], &[1.0, f32::NAN, 3.0, f32::NAN]));
    let window = Window::new([1, 4], [1, 1]);
    assert_eq!(run(&nan.pool(PoolKind::ArgMax, window.clone())).to_i64(), [1]);
    assert!(run(&nan.pool(PoolKind::Max, window)).to_f64()[0].is_nan());
}

#[test]
fn elements_move_where_the_definition_says() {
    let x = Tensor::constant(ints(&[2, 3], &[1, 2, 3, 4, 5, 6]));
    assert_eq!(run(&x.permute(&[1, 0])), ints(&[3, 2], &[1, 4, 2, 5, 3, 6]));
    let cube = Tensor::iota(Type::new(DType::I32, [2, 3, 4]), 0) * 100.0
        + Tensor::iota(Type::new(DType::I32, [2, 3, 4]), 1) * 10.0
        + Tensor::iota(Type::new(DType::I32, [2, 3, 4]), 2);
    let turned = run(&cube.permute(&[2, 0, 1]));
    assert_eq!(
        (turned.shape(), turned.to_i64()[..7].to_vec()),
        (&[4, 2, 3][..], vec![0, 10, 20, 100, 110, 120, 1])
    );
    assert_eq!(run(&x.slice(0, 1, 2, 1).broadcast_to(&[2, 2, 3])).to_i64(), [4, 5, 6].repeat(4));
    assert_eq!(run(&x.slice(1, 0, 1, 1).broadcast_to(&[2, 3])).to_i64(), [1, 1, 1, 4, 4, 4]);
    let axes = |a: (usize, isize, usize), b: (usize, isize, usize)| {
        [a, b].map(|(start, step, len)| SliceAxis { start, step, len }).to_vec()
    };
    assert_eq!(run(&x.slice_axes(axes((1, -1, 2), (2, -2, 2)))), ints(&[2, 2], &[6, 4, 3, 1]));
    assert_eq!(run(&x.slice_axes(axes((0, 5, 1), (1, 1, 2)))), ints(&[1, 2], &[2, 3]));
    let pads = |a: [usize; 3], b: [usize; 3]| {
        [a, b].map(|[low, high, interior]| PadAxis { low, high, interior }).to_vec()
    };
    assert_eq!(
        run(&x.pad_axes(pads([1, 0, 1], [0, 2, 0]), 9.0)),
        ints(&[4, 5], &[9, 9, 9, 9, 9, 1, 2, 3, 9, 9, 9, 9, 9, 9, 9, 4, 5, 6, 9, 9])
    );
    assert_eq!(
        run(&x.pad_axes(pads([0, 1, 0], [1, 0, 2]), 7.0)),
        ints(&[3, 8], &[7, 1, 7, 7, 2, 7, 7, 3, 7, 4, 7, 7, 5, 7, 7, 6, 7, 7, 7, 7, 7, 7, 7, 7])
    );
    let y = Tensor::constant(ints(&[2, 1], &[7, 8]));
    assert_eq!(
        run(&Tensor::concat(&[x.clone(), y, x.clone()], 1)).to_i64(),
        [1, 2, 3, 7, 1, 2, 3, 4, 5, 6, 8, 4, 5, 6]
    );
    assert_eq!(
        run(&Tensor::concat(&[x.clone(), x.narrow(0, 1, 1)], 0)).to_i64(),
        [1, 2, 3, 4, 5, 6, 4, 5, 6]
    );
}

#[test]
fn reductions_along_each_axis() {
    let x = Tensor::constant(ints(&[2, 2, 3], &[1, -2, 3, 4, 5, -6, 7, 8, 9, -1, 0, 2]));
    let take = |kind, axes: &[usize]| run(&x.reduce(kind, axes)).to_i64();
    assert_eq!(take(ReduceKind::Sum, &[1]), [5, 3, -3, 6, 8, 11]);
    assert_eq!(take(ReduceKind::Sum, &[0, 2]), [26, 4]);
    assert_eq!(take(ReduceKind::Prod, &[2]), [-6, -120, 504, 0]);
    assert_eq!(take(ReduceKind::Max, &[0]), [7, 8, 9, 4, 5, 2]);
    assert_eq!(take(ReduceKind::Min, &[0, 1, 2]), [-6]);
    assert_eq!(take(ReduceKind::Min, &[]), run(&x).to_i64());
    assert_eq!(run(&x.reduce(ReduceKind::Sum, &[1])).shape(), [2, 1, 3]);
    let none = |dtype, kind| run(&Tensor::constant(some(0, dtype, &[0, 1])).reduce(kind, &[0])).get(0);
    for (dtype, kind, expected) in [
        (DType::I8, ReduceKind::Sum, Num::Int(0)),
        (DType::I8, ReduceKind::Prod, Num::Int(1)),
        (DType::I8, ReduceKind::Max, Num::Int(-128)),
        (DType::I8, ReduceKind::Min, Num::Int(127)),
        (DType::F32, ReduceKind::Min, Num::Float(f64::INFINITY)),
    ] {
        assert_eq!(none(dtype, kind), expected, "{dtype} {kind:?}");
    }
    let arg = |t: &Tensor, min, axis, last| run(&t.arg_reduce(min, axis, last)).to_i64();
    assert_eq!(arg(&x, false, 1, false), [1, 1, 0, 0, 0, 0]);
    assert_eq!(arg(&x, true, 1, false), [0, 0, 1, 1, 1, 1]);
    assert_eq!(arg(&x, true, 2, false), [1, 2, 0, 0]);
    assert_eq!(arg(&x, false, 0, false), [1, 1, 1, 0, 0, 1]);
    let nan = f32::NAN;
    let f = Tensor::constant(floats(&[2, 4], &[2.0, nan, nan, 3.0, 5.0, 1.0, 5.0, 1.0]));
    assert_eq!(arg(&f, false, 1, false), [1, 0]);
    assert_eq!(arg(&f, false, 1, true), [2, 2]);
    assert_eq!(arg(&f, true, 1, false), [1, 1]);
    assert_eq!(arg(&f, true, 1, true), [2, 3]);
}

#[test]
fn picking_writing_and_sorting_along_an_axis() {
    let x = Tensor::constant(ints(&[2, 3, 2], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]));
    let picks = Tensor::from_slice(&[2i64, 0, 0, 7, -3]);
    let picked = run(&x.gather(&picks, 1));
    assert_eq!(picked.shape(), [2, 5, 2]);
    assert_eq!(picked.to_i64(), [5, 6, 1, 2, 1, 2, 5, 6, 1, 2, 11, 12, 7, 8, 7, 8, 11, 12, 7, 8]);
    assert_eq!(run(&x.gather(&Tensor::from_slice(&[1i64]), 2)).to_i64(), [2, 4, 6, 8, 10, 12]);
    // Two updates to element 1, one outside.
    let places = Tensor::from_slice(&[1i64, 3, 1, 2]);
    let new = Tensor::constant(ints(&[1, 4], &[10, 99, -2, 5]));
    let old = Tensor::constant(ints(&[1, 3], &[3, 4, 6]));
    for (kind, expected) in [
        (ScatterKind::Set, [3, -2, 5]),
        (ScatterKind::Add, [3, 12, 11]),
        (ScatterKind::Mul, [3, -80, 30]),
        (ScatterKind::Max, [3, 10, 6]),
        (ScatterKind::Min, [3, -2, 5]),
    ] {
        assert_eq!(run(&old.scatter(&places, &new, 1, kind)).to_i64(), expected, "{kind:?}");
    }
    let rows = Tensor::constant(ints(&[3, 1, 2], &[1, 2, 3, 4, 5, 6]));
    let two = Tensor::constant(ints(&[2, 1, 2], &[70, 80, 90, 100]));
    assert_eq!(
        run(&rows.scatter(&Tensor::from_slice(&[2i64, 0]), &two, 0, ScatterKind::Set)).to_i64(),
        [90, 100, 3, 4, 70, 80]
    );
    let table = Tensor::constant(ints(&[2, 3, 2], &[5, 1, 5, 3, 2, 2, 0, 9, 1, 9, 2, 8]));
    assert_eq!(run(&table.argsort(1, false)).to_i64(), [2, 0, 0, 2, 1, 1, 0, 2, 1, 0, 2, 1]);
    assert_eq!(run(&table.argsort(1, true)).to_i64(), [0, 1, 1, 2, 2, 0, 2, 0, 1, 1, 0, 2]);
    assert_eq!(run(&table.argsort(0, false)).to_i64(), [1, 0, 1, 0, 0, 0, 0, 1, 0, 1, 1, 1]);
}

#[test]
fn functions_of_one_number() {
    let x = Tensor::from_slice(&[-0.75f64, 0.3, 0.9]);
    let near = |u: Unary, x: &Tensor, expected: [f64; 3]| {
        for (y, e) in run(&Tensor::apply(Op::Unary(u), std::slice::from_ref(x))).to_f64().iter().zip(expected)
        {
            assert!((y - e).abs() <= 1e-11 * (1.0 + e.abs()), "{u:?}: {y} is not {e}");
        }
    };
    for (u, expected) in [
        (Unary::Sin, [-0.681_638_760_023, 0.295_520_206_661, 0.783_326_909_627]),
        (Unary::Cos, [0.731_688_868_874, 0.955_336_489_126, 0.621_609_968_271]),
        (Unary::Tan, [-0.931_596_459_944, 0.309_336_249_610, 1.260_158_217_550]),
        (Unary::Asin, [-0.848_062_078_981, 0.304_692_654_015, 1.119_769_514_999]),
        (Unary::Acos, [2.418_858_405_776, 1.266_103_672_779, 0.451_026_811_796]),
        (Unary::Atan, [-0.643_501_108_793, 0.291_456_794_478, 0.732_815_101_787]),
        (Unary::Sinh, [-0.822_316_731_936, 0.304_520_293_447, 1.026_516_725_708]),
        (Unary::Cosh, [1.294_683_284_677, 1.045_338_514_129, 1.433_086_385_449]),
        (Unary::Tanh, [-0.635_148_952_387, 0.291_312_612_452, 0.716_297_870_199]),
        (Unary::Asinh, [-std::f64::consts::LN_2, 0.295_673_047_563, 0.808_866_935_653]),
        (Unary::Atanh, [-0.972_955_074_528, 0.309_519_604_203, 1.472_219_489_583]),
        (Unary::Erf, [-0.711_155_633_654, 0.328_626_759_459, 0.796_908_212_423]),
        (Unary::Erfc, [1.711_155_633_654, 0.671_373_240_541, 0.203_091_787_577]),
        (Unary::Expm1, [-0.527_633_447_259, 0.349_858_807_576, 1.459_603_111_157]),
        (Unary::Exp, [0.472_366_552_741, 1.349_858_807_576, 2.459_603_111_157]),
        (Unary::Sigmoid, [0.320_821_300_825, 0.574_442_516_812, 0.710_949_502_625]),
        (Unary::Neg, [0.75, -0.3, -0.9]),
        (Unary::Abs, [0.75, 0.3, 0.9]),
        (Unary::Sign, [-1.0, 1.0, 1.0]),
        (Unary::Floor, [-1.0, 0.0, 0.0]),
        (Unary::Ceil, [0.0, 1.0, 1.0]),
        (Unary::Round, [-1.0, 0.0, 1.0]),
        (Unary::StopGradient, [-0.75, 0.3, 0.9]),
    ] {
        near(u, &x, expected);
    }
    let positive = Tensor::from_slice(&[0.25f64, 1.5, 7.0]);
    near(Unary::Sqrt, &positive, [0.5, 1.224_744_871_391_589, 2.645_751_311_064_590_7]);
    near(Unary::Log, &positive, [-1.386_294_361_119_890_6, 0.405_465_108_108_164_4, 1.945_910_149_055_313_2]);
    near(
        Unary::Acosh,
        &Tensor::from_slice(&[1.0f64, 1.5, 7.0]),
        [0.0, 0.962_423_650_119_206_9, 2.633_915_793_849_633_6],
    );
    let edges = Tensor::from_slice(&[f32::NAN, f32::NEG_INFINITY, 0.0, -0.0]);
    let of = |u: Unary| run(&Tensor::apply(Op::Unary(u), std::slice::from_ref(&edges)));
    assert_eq!((of(Unary::IsNan).to_i64(), of(Unary::IsNan).dtype()), (vec![1, 0, 0, 0], DType::Bool));
    assert_eq!(of(Unary::IsInf).to_i64(), [0, 1, 0, 0]);
    let signs = of(Unary::Sign).to_f64();
    assert!(
        signs[0].is_nan() && signs[1] == -1.0 && signs[2].is_sign_positive() && signs[3].is_sign_negative()
    );
    let whole = Tensor::constant(ints(&[3], &[-5, 0, 3]));
    let of = |u: Unary, t: &Tensor| run(&Tensor::apply(Op::Unary(u), std::slice::from_ref(t))).to_i64();
    assert_eq!(of(Unary::Neg, &whole), [5, 0, -3]);
    assert_eq!(of(Unary::Abs, &whole), [5, 0, 3]);
    assert_eq!(of(Unary::Sign, &whole), [-1, 0, 1]);
    assert_eq!(of(Unary::Not, &whole), [4, -1, -4]);
    assert_eq!(of(Unary::StopGradient, &whole), [-5, 0, 3]);
    assert_eq!(of(Unary::Not, &whole.cast(DType::Bool)), [0, 1, 0]);
}

#[test]
fn functions_of_two_numbers() {
    let (x, y) = ([6.5f64, -6.5, 2.0, f64::NAN], [2.0f64, 2.0, 2.0, 1.0]);
    let of = |b: Binary| {
        run(&Tensor::apply(Op::Binary(b), &[Tensor::from_slice(&x), Tensor::from_slice(&y)])).to_f64()
    };
    for (b, expected) in [
        (Binary::Add, [8.5, -4.5, 4.0]),
        (Binary::Sub, [4.5, -8.5, 0.0]),
        (Binary::Mul, [13.0, -13.0, 4.0]),
        (Binary::Div, [3.25, -3.25, 1.0]),
        (Binary::Rem, [0.5, -0.5, 0.0]),
        (Binary::Pow, [42.25, 42.25, 4.0]),
        (Binary::Max, [6.5, 2.0, 2.0]),
        (Binary::Min, [2.0, -6.5, 2.0]),
    ] {
        let found = of(b);
        assert_eq!(found[..3], expected, "{b:?}");
        assert!(found[3].is_nan(), "{b:?}");
    }
    assert_eq!(of(Binary::Eq), [0.0, 0.0, 1.0, 0.0]);
    assert_eq!(of(Binary::Lt), [0.0, 1.0, 0.0, 0.0]);
    assert_eq!(of(Binary::Le), [0.0, 1.0, 1.0, 0.0]);
    let (x, y) = (ints(&[4], &[12, -7, 5, 5]), ints(&[4], &[10, 3, 5, 9]));
    let of = |b: Binary| evaluate_op(&Op::Binary(b), &[&x, &y]).to_i64();
    for (b, expected) in [
        (Binary::Max, [12, 3, 5, 9]),
        (Binary::Min, [10, -7, 5, 5]),
        (Binary::And, [8, 1, 5, 1]),
        (Binary::Or, [14, -5, 5, 13]),
        (Binary::Xor, [6, -6, 0, 12]),
        (Binary::MulHigh, [0, -1, 0, 0]),
        (Binary::Eq, [0, 0, 1, 0]),
        (Binary::Lt, [0, 1, 0, 1]),
        (Binary::Le, [0, 1, 1, 1]),
    ] {
        assert_eq!(of(b), expected, "{b:?}");
    }
    // 2^31 - 1 and -2^31, by themselves and by each other.
    let (most, least) = (i32::MAX.into(), i32::MIN.into());
    let (x, y) = (ints(&[3], &[most, least, least]), ints(&[3], &[most, most, least]));
    let high = evaluate_op(&Op::Binary(Binary::MulHigh), &[&x, &y]).to_i64();
    assert_eq!(high, [(1 << 30) - 1, -(1 << 30), 1 << 30]);
    let condition =
        Tensor::constant(Value::from_fn(&Type::new(DType::Bool, [3]), |i| Num::Int((i == 1) as i128)));
    let (a, b) = (Tensor::from_slice(&[1.0f32, 2.0, 3.0]), Tensor::from_slice(&[4.0f32, 5.0, 6.0]));
    assert_eq!(run(&condition.select(&a, &b)).to_f64(), [4.0, 2.0, 6.0]);
}

#[test]
fn products_of_matrices_in_batches() {
    for dtype in [DType::F32, DType::I32] {
        let (a, b) = (some(1, dtype, &[2, 3, 4]), some(2, dtype, &[2, 4, 5]));
        let (x, y) = (a.to_f64(), b.to_f64());
        let expected: Vec<f64> = indices(&[1, 2, 3, 5])
            .map(|[_, n, i, j]| {
                (0..4).map(|k| x[at(&[2, 3, 4], &[n, i, k])] * y[at(&[2, 4, 5], &[n, k, j])]).sum()
            })
            .collect();
        assert_eq!(run(&Tensor::constant(a).matmul(&Tensor::constant(b))).to_f64(), expected);
    }
    let wide = Value::new([1, 2], vec![i64::MAX, 2]);
    let two = Value::new([2, 1], vec![3i64, 5]);
    let product = evaluate_op(&Op::MatMul, &[&wide, &two]);
    assert_eq!(product.to_i64(), [i64::MAX.wrapping_mul(3).wrapping_add(10)]);
}

#[test]
fn scales_belong_to_their_block() {
    // ONNX QuantizeLinear: saturate(round half to even (x / scale) + zero).
    let x = floats(&[2, 4], &[1.0, 1.5, 2.5, -2.5, 100.0, -100.0, 0.75, -0.75]);
    let scale = floats(&[2, 2], &[1.0, 0.5, 10.0, 0.5]);
    let zero = Value::new([2, 2], vec![0i8, 1, -1, 2]);
    let quantize =
        |low, high| evaluate_op(&Op::Quantize { dtype: DType::I8, low, high }, &[&x, &scale, &zero]).to_i64();
    assert_eq!(quantize(-128, 127), [1, 2, 6, -4, 9, -11, 4, 0]);
    assert_eq!(quantize(-3, 5), [1, 2, 5, -3, 5, -3, 4, 0]);
    let q = Value::new([2, 4], vec![1i8, 2, 6, -4, 9, -11, 4, 0]);
    assert_eq!(
        evaluate_op(&Op::Dequantize, &[&q, &scale, &zero]).to_f64(),
        [1.0, 2.0, 2.5, -2.5, 100.0, -100.0, 1.0, -1.0]
    );
    // The quotient is rounded to a float first, here to 4.5; unrounded it is 4.5000001. NumPy's float32 division says so.
    let (x, scale) = (floats(&[1], &[0.450_000_02]), floats(&[1], &[0.1]));
    let op = Op::Quantize { dtype: DType::I32, low: i32::MIN, high: i32::MAX };
    assert_eq!(evaluate_op(&op, &[&x, &scale, &Value::new([1], vec![0i32])]).to_i64(), [4]);
    let huge = floats(&[2], &[3e38, -3e38]);
    let (small, zero) = (floats(&[1], &[1e-3]), Value::new([1], vec![5i32]));
    assert_eq!(evaluate_op(&op, &[&huge, &small, &zero]).to_i64(), [i32::MAX as i64, i32::MIN as i64]);
}

#[test]
fn counting_and_random_numbers() {
    let count = |axis| run(&Tensor::iota(Type::new(DType::U8, [2, 3, 2]), axis)).to_i64();
    assert_eq!(count(0), [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]);
    assert_eq!(count(1), [0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2]);
    assert_eq!(count(2), [0, 1].repeat(6));
    // SplitMix64 seeded with the first number of SplitMix64 seeded with the key; its reference code, run in Python.
    let streams = [
        (0, [0xa706_dd2f_4d19_7e6f, 0xb382_a305_f441_4f5e, 0x631a_9154_fbab_f717]),
        (1, [0x5e41_ab08_7439_611e, 0xf18d_6ce9_3d6c_f1ee, 0x0b95_f66d_327e_8d78]),
        (-7, [0x1549_c43b_1b38_1c21, 0x5dcc_d97a_afae_eb59, 0x2ddb_6cf1_e612_18ab]),
    ];
    for (key, expected) in streams {
        assert_eq!([0, 1, 2].map(|i| random_bits(key, i)), expected, "key {key}");
        let drawn = run(&Tensor::random(&Tensor::scalar(key), &[3])).to_f64();
        assert_eq!(drawn, expected.map(|bits: u64| (bits >> 40) as f64 / 16_777_216.0));
    }
}

#[test]
fn loops_carry_states_and_stack_outputs() {
    let x = Tensor::constant(ints(&[3, 2], &[1, 2, 3, 4, 5, 6]));
    let start = [Tensor::constant(ints(&[2], &[10, 20])), Tensor::constant(ints(&[2], &[0, 1]))];
    let whole = Tensor::constant(ints(&[2], &[100, 200]));
    let run_all = |reverse: bool| {
        let (last, all) = Tensor::scan(&start, std::slice::from_ref(&x), reverse, |s, x| {
            (vec![&s[1] + &x[0], s[0].clone()], vec![&s[0] + &whole, &x[0] - &s[1]])
        });
        [last[0].clone(), last[1].clone(), all[0].clone(), all[1].clone()].map(|t| run(&t).to_i64())
    };
    // (a, b) becomes (b + x, a).
    assert_eq!(
        run_all(false),
        [vec![6, 9], vec![13, 24], vec![110, 220, 101, 203, 113, 224], vec![1, 1, -7, -16, 4, 3]]
    );
    assert_eq!(
        run_all(true),
        [vec![6, 9], vec![13, 24], vec![113, 224, 105, 207, 110, 220], vec![-4, -5, -7, -16, 5, 5]]
    );
}
