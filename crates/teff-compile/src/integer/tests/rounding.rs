//! Multipliers and shifts, beside the quotient of scales in exact arithmetic: `round(x * ratio)`, halves to even.

use super::*;
use crate::integer::affine::Scale;
use crate::integer::requantize::{Narrow, Rounding, factors};

/// Numbers that look random.
struct Draw(u64);

impl Draw {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % n
    }

    /// A quotient of two scales of 32 bits, from 2^-`least` to 2.
    fn ratio(&mut self, least: u64) -> f64 {
        let mut scale = || f64::from(0.5f32 + self.below(1 << 23) as f32 * 2f32.powi(-24));
        let ratio = scale() / scale();
        ratio * 2f64.powi(-(self.below(least) as i32))
    }
}

/// `(x + fraction) * ratio` rounded, and how far it is from halfway between two integers. The fraction is one of 1024ths.
fn exact(x: i64, fraction: f64, ratio: f64) -> (i64, f64) {
    let (mut ratio, mut places) = (ratio, 10);
    while ratio.fract() != 0.0 {
        (ratio, places) = (ratio * 2.0, places + 1);
    }
    let product = (i128::from(x) * 1024 + (fraction * 1024.0) as i128) * ratio as i128;
    let (below, half) = (product >> places, 1i128 << (places - 1));
    let rest = product - (below << places);
    let up = rest > half || rest == half && below % 2 != 0;
    (below as i64 + i64::from(up), (rest - half).abs() as f64 / 2f64.powi(places))
}

/// Integers in that range, with a fraction and factors of their own for each channel.
fn integers(range: (i64, i64), fraction: &[f64], ratios: &[f64]) -> Affine {
    let of = Affine::of(Tensor::input("x", DType::I32, &[256, ratios.len().max(fraction.len())]), range);
    let offset = vec![0; fraction.len()];
    Affine { offset, fraction: fraction.to_vec(), scale: Scale { axis: 1, values: ratios.to_vec() }, ..of }
}

fn bytes(zero: i32) -> Quantization {
    Quantization { dtype: DType::I8, low: -128, high: 127, scale: 1.0, zero }
}

/// What becomes of x of channel `i`, by the formula at the top of `requantize.rs`, in sums of 32 bits.
fn rounded(r: &Rounding, i: usize, x: i64) -> i64 {
    let at = |all: &[i64]| if all.len() > 1 { all[i] } else { all[0] };
    let product = x * at(&r.m);
    let c = match r.c[..] {
        [] => (1 << (r.n - 1)) - 1 + (product >> r.n & 1),
        _ => at(&r.c),
    };
    assert!(i32::try_from(product + c).is_ok(), "{x} * {} + {c}", at(&r.m));
    (product + c) >> r.n
}

/// Whether there is a c with which `(x * m + c) >> n` is right for all x, those halfway between two integers aside.
fn exists(range: (i64, i64), fraction: f64, ratio: f64, m: i64, n: u32, target: &Quantization) -> bool {
    let (mut least, mut most) = (i64::MIN, i64::MAX);
    for x in range.0..=range.1 {
        let (y, half) = exact(x, fraction, ratio);
        let y = y.clamp((target.low - target.zero).into(), (target.high - target.zero).into());
        if half < 1e-9 {
            continue;
        }
        if y > i64::from(target.low - target.zero) {
            least = least.max((y << n) - x * m);
        }
        if y < i64::from(target.high - target.zero) {
            most = most.min(((y + 1) << n) - 1 - x * m);
        }
    }
    least <= most
}

#[test]
fn integers_of_few_bits_get_multipliers_that_round_right() {
    let draw = &mut Draw(1);
    let (mut found, mut none) = (0, 0);
    for turn in 0..600 {
        let bits = 7 + draw.below(6);
        let low = -(draw.below(1 << bits) as i64);
        let range = (low, low + (1 << bits) - 1);
        let ratio = draw.ratio(bits - 3);
        let fraction = if turn % 3 == 0 { draw.below(1024) as f64 / 1024.0 - 0.5 } else { 0.0 };
        let target = match turn % 2 {
            0 => bytes(draw.below(20) as i32 * 10 - 100),
            _ => Quantization { dtype: DType::I16, low: -32768, high: 32767, ..bytes(7) },
        };
        let fractions: &[f64] = if fraction == 0.0 { &[] } else { &[fraction] };
        let (a, ratios) = (integers(range, fractions, &[ratio]), [ratio]);
        let bits = a.bits();
        let Some(narrow) = Narrow::new(&a, &ratios, &target) else {
            assert!(bits > 12);
            continue;
        };
        assert!(bits <= 12);
        // As many bits as products of 30 leave.
        let (m, n) = factors(&[ratio], 30 - bits as i32, 30).unwrap();
        let could = exists(range, fraction, ratio, m[0], n, &target);
        let Some(r) = narrow.rounding() else {
            assert!(!could, "{range:?} * {ratio}");
            none += 1;
            continue;
        };
        found += 1;
        assert!(could);
        for x in range.0..=range.1 {
            let bounded = |y: i64| (y + i64::from(target.zero)).clamp(target.low.into(), target.high.into());
            let (y, half) = exact(x, fraction, ratio);
            assert!(bounded(rounded(&r, 0, x)) == bounded(y) || half < 1e-9, "{x} * {ratio}");
        }
        assert!(r.n == 1 || r.m[0] % 2 != 0, "{} / 2^{} has bits to spare", r.m[0], r.n);
    }
    assert!(found > 300 && none > 5, "{found} found, {none} not");
}

#[test]
fn channels_share_a_shift_and_what_is_added_where_they_can() {
    let range = (-128, 127);
    let ratios = [0.3, 0.71, 0.0123];
    let fractions = [0.0, 0.25, -0.5];
    for (fraction, ratios) in
        [(&fractions[..], &ratios[..]), (&[], &ratios), (&fractions, &[0.71]), (&[0.25], &ratios)]
    {
        let a = integers(range, fraction, ratios);
        let r = Narrow::new(&a, ratios, &bytes(3)).unwrap().rounding().unwrap();
        for i in 0..3 {
            let at = |all: &[f64]| if all.len() > 1 { all[i] } else { all.first().copied().unwrap_or(0.0) };
            for x in range.0..=range.1 {
                let (y, half) = exact(x, at(fraction), at(ratios));
                assert!(rounded(&r, i, x) == y || half < 1e-9, "{x} of {i}");
            }
        }
        // Without fractions half of the last bit that stays does for all.
        match fraction {
            [] => assert_eq!(r.c, [1 << (r.n - 1)]),
            _ => assert!(fraction.len() == 1 || r.c.len() == 3),
        }
    }
}

#[test]
fn halves_of_few_bits_go_to_even() {
    for (ratio, m, n) in
        [(0.5, 1, 1), (0.25, 1, 2), (0.75, 3, 2), (1.5, 3, 1), (0.375, 3, 3), (2.5, 5, 1), (2.0, 4, 1)]
    {
        let a = integers((-40, 40), &[], &[ratio]);
        let r = Narrow::new(&a, &[ratio], &bytes(0)).unwrap().rounding().unwrap();
        assert_eq!((&r.m[..], r.n), (&[m][..], n), "as few bits as it takes");
        for x in -40..=40 {
            assert_eq!(rounded(&r, 0, x), exact(x, 0.0, ratio).0, "{x} * {ratio}");
        }
    }
    // A fraction makes halves of other integers: with one that is even, one c does.
    let a = integers((-3, 3), &[0.5], &[1.0]);
    let r = Narrow::new(&a, &[1.0], &bytes(0)).unwrap().rounding();
    assert!(r.is_none(), "halves of odd integers too");
    let a = integers((0, 1), &[0.5], &[0.5]);
    let r = Narrow::new(&a, &[0.5], &bytes(0)).unwrap().rounding().unwrap();
    assert_eq!([rounded(&r, 0, 0), rounded(&r, 0, 1)], [0, 1]);
}

#[test]
fn factors_have_as_many_bits_as_they_may() {
    for (ratios, bits, places, expected) in [
        (&[1.0][..], 8, 30, Some((vec![128], 7))),
        (&[1.0, 0.25, 0.3], 8, 30, Some((vec![128, 32, 38], 7))),
        // 255.9 would be rounded to 2^8.
        (&[0.9999], 8, 30, Some((vec![128], 7))),
        (&[0.996], 8, 30, Some((vec![255], 8))),
        (&[0.001], 31, 20, Some((vec![1049], 20))),
        (&[64.0], 8, 30, Some((vec![128], 1))),
        (&[128.0], 8, 30, None),
        (&[0.0], 8, 30, None),
        (&[f64::INFINITY], 8, 30, None),
    ] {
        assert_eq!(factors(ratios, bits, places), expected, "{ratios:?}");
    }
}

/// The results of `requantize` for such integers, and how many operations of a kind they take.
fn results(
    a: &Affine,
    target: &Quantization,
    x: &Value,
    counted: impl Fn(&teff_graph::Node) -> bool,
) -> (Vec<i64>, usize) {
    let y = requantize(a, target).unwrap();
    let graph = Graph::from_tensors("net", std::slice::from_ref(&a.q), &[("y", y)]).unwrap();
    let count = graph.nodes().iter().filter(|n| counted(n)).count();
    (evaluate(&graph, std::slice::from_ref(x)).unwrap().remove(0).to_i64(), count)
}

#[test]
fn integers_of_many_bits_are_right_but_near_halves() {
    let draw = &mut Draw(2);
    for turn in 0..200 {
        let bits = 12 + draw.below(19);
        let range = (-(1i64 << bits), (1 << bits) - 1);
        let ratios: Vec<f64> =
            (0..1 + turn % 2).map(|_| draw.ratio(4) * 2f64.powi(6 - bits as i32)).collect();
        let fraction: Vec<f64> = match turn % 5 {
            0 => ratios.iter().map(|_| draw.below(1024) as f64 / 1024.0 - 0.5).collect(),
            _ => vec![],
        };
        let a = integers(range, &fraction, &ratios);
        let target = bytes(draw.below(20) as i32 * 10 - 100);
        let channels = a.q.shape()[1] as i64;
        let x =
            Value::from_fn(&a.q.ty(), |_| Num::Int(i128::from(range.0) + i128::from(draw.below(2 << bits))));
        let (found, halves) = results(&a, &target, &x, |n| n.op == Op::Binary(Binary::And));
        assert_eq!(halves, 0, "no product is halfway");
        for (i, y) in found.iter().enumerate() {
            let channel = i % channels as usize;
            let fraction = fraction.get(channel).copied().unwrap_or(0.0);
            let (expected, half) = exact(x.get(i).as_int() as i64, fraction, ratios[channel]);
            let expected = (expected + i64::from(target.zero)).clamp(-128, 127);
            // 2^-31 of the range; of a fraction what 31 bits leave of it.
            let near = 2f64.powi(bits as i32 - 30) * ratios[channel];
            assert!(*y == expected || half <= near, "{y} for {expected}, {half} from halfway");
        }
    }
}

#[test]
fn halves_of_many_bits_go_to_even() {
    // 2^-5, and 5 / 2^7 beside one that is not exact.
    for ratios in [&[1.0 / 32.0][..], &[5.0 / 128.0], &[5.0 / 128.0, 0.031]] {
        let a = integers((-20_000, 20_000), &[], ratios);
        let x = Value::from_fn(&a.q.ty(), |i| Num::Int(i as i128 * 4 - 512));
        let (found, halves) = results(&a, &bytes(0), &x, |n| n.op == Op::Binary(Binary::And));
        assert_eq!(halves, 1);
        for (i, y) in found.iter().enumerate() {
            let ratio = ratios[i % ratios.len()];
            assert_eq!(*y, exact(i as i64 * 4 - 512, 0.0, ratio).0.clamp(-128, 127));
        }
    }
    // 14 bits have no half of 2^-16.
    let halves = |places: i32| {
        let a = integers((-10_000, 10_000), &[], &[2f64.powi(-places)]);
        results(&a, &bytes(0), &Value::zeros(&a.q.ty()), |n| n.op == Op::Binary(Binary::And)).1
    };
    assert_eq!([13, 14, 15, 16].map(halves), [1, 1, 0, 0]);
}

#[test]
fn what_is_on_the_scale_of_the_result_is_only_bounded() {
    let a = integers((-1000, 1000), &[], &[1.0]);
    let x = Value::from_fn(&a.q.ty(), |i| Num::Int(i as i128 * 5 - 600));
    let multiplied =
        |n: &teff_graph::Node| matches!(n.op, Op::Binary(Binary::Mul | Binary::MulHigh | Binary::Shr));
    let (found, products) = results(&a, &bytes(7), &x, multiplied);
    assert_eq!(products, 0);
    assert!(found.iter().enumerate().all(|(i, y)| *y == (i as i64 * 5 - 600 + 7).clamp(-128, 127)));
    // Of its type, with its zero and all its range, it is the result.
    let q = Tensor::input("x", DType::I8, &[3]);
    let a = Affine { zero: 7, range: (-135, 120), ..Affine::of(q.clone(), (0, 0)) };
    assert_eq!(requantize(&a, &bytes(7)).unwrap().id(), q.id());
    for other in [
        Quantization { low: -127, ..bytes(7) },
        Quantization { high: 126, ..bytes(7) },
        Quantization { dtype: DType::U8, low: 0, high: 255, ..bytes(7) },
        bytes(6),
    ] {
        assert_ne!(requantize(&a, &other).unwrap().id(), q.id());
    }
    let moved = Affine { offset: vec![1], ..a.clone() };
    assert_ne!(requantize(&moved, &bytes(7)).unwrap().id(), q.id());
}

#[test]
fn results_of_more_than_32_bits_are_bounded_first() {
    for ratio in [3.7e5, 2f64.powi(20)] {
        let a = integers((-5000, 5000), &[], &[ratio]);
        let x = Value::from_fn(&a.q.ty(), |i| Num::Int([-5000, -1, 0, 1, 5000][i % 5]));
        let (found, _) = results(&a, &bytes(-3), &x, |_| false);
        assert_eq!(found[..5], [-128, -128, -3, 127, 127]);
    }
}

#[test]
fn integers_of_few_bits_take_no_products_of_64() {
    let wide = |range: (i64, i64), ratio: f64| {
        let a = integers(range, &[], &[ratio]);
        let of_64 = |n: &teff_graph::Node| n.ty.dtype == DType::I64 || n.op == Op::Binary(Binary::MulHigh);
        results(&a, &bytes(0), &Value::zeros(&a.q.ty()), of_64).1 > 0
    };
    for ratio in [0.5, 0.31, 0.125] {
        assert!(!wide((-4095, 4095), ratio) && wide((-4096, 4095), ratio), "{ratio}");
    }
}
