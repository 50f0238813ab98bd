//! How far the functions are from those of the host's library.

use super::basic::*;
use super::exponential::*;
use super::power::*;
use super::quantize::{dequantize_8, quantize_8, quantize_16, scaled_8};
use super::quantize_linear::{float, noise, quantize_linear, scales};
use super::trigonometric::*;
use super::{definitions, functions};
use crate::program::Quantizer;
use std::collections::BTreeSet;
use teff_graph::{DType, Num, Unary};

/// Floats of all magnitudes, spread over their bit patterns, and those at which functions turn.
fn floats() -> impl Iterator<Item = f32> {
    let special =
        [0.0, -0.0, 1.0, -1.0, 0.5, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MIN_POSITIVE, 1e-45];
    (0..u32::MAX).step_by(9_973).map(f32::from_bits).chain(special)
}

/// Distance in units in the last place of the exact result; 0 when both are NaN or equal.
fn ulps_f32(got: f32, exact: f64) -> f64 {
    let rounded = exact as f32;
    if got.is_nan() && rounded.is_nan() || got == rounded {
        return 0.0;
    }
    let unit =
        (f32::from_bits((rounded.abs().to_bits()).max(0x0080_0000) & 0x7f80_0000) as f64) / 8_388_608.0;
    ((got as f64 - exact) / unit).abs()
}

fn ulps_f64(got: f64, wanted: f64) -> f64 {
    if got.is_nan() && wanted.is_nan() || got == wanted {
        return 0.0;
    }
    let unit =
        f64::from_bits(wanted.abs().to_bits().max(1 << 52) & 0x7ff0_0000_0000_0000) / 4_503_599_627_370_496.0;
    ((got - wanted) / unit).abs()
}

/// The worst place of a function over all floats.
fn worst_f32(got: fn(f32) -> f32, exact: fn(f64) -> f64) -> (f64, f32) {
    let at = |x: f32| (ulps_f32(got(x), exact(x as f64)), x);
    floats().map(at).fold((0.0, 0.0), |a, b| if b.0 <= a.0 { a } else { b })
}

fn worst_f64(got: fn(f64) -> f64, wanted: fn(f64) -> f64) -> (f64, f64) {
    let bits = (0..u64::MAX).step_by(50_000_000_000_011).map(f64::from_bits);
    // Where functions turn, bit patterns are rare.
    let all = bits.chain((-4000..4000).map(|i| i as f64 / 257.0));
    all.map(|x| (ulps_f64(got(x), wanted(x)), x)).fold((0.0, 0.0), |a, b| if b.0 <= a.0 { a } else { b })
}

#[test]
fn exact_functions_are_exact() {
    for (name, got, exact) in [
        ("abs", abs_f32 as fn(f32) -> f32, f64::abs as fn(f64) -> f64),
        ("floor", floor_f32, f64::floor),
        ("ceil", ceil_f32, f64::ceil),
        ("round", round_f32, f64::round_ties_even),
        ("sqrt", sqrt_f32, f64::sqrt),
    ] {
        let (ulps, x) = worst_f32(got, exact);
        assert_eq!(ulps, 0.0, "{name}({x:?}) is {:?}", got(x));
    }
    for (name, got, exact) in [
        ("abs", abs_f64 as fn(f64) -> f64, f64::abs as fn(f64) -> f64),
        ("floor", floor_f64, f64::floor),
        ("ceil", ceil_f64, f64::ceil),
        ("round", round_f64, f64::round_ties_even),
        ("sqrt", sqrt_f64, f64::sqrt),
    ] {
        let (ulps, x) = worst_f64(got, exact);
        assert_eq!(ulps, 0.0, "{name}({x:?}) is {:?}", got(x));
    }
}

#[test]
fn comparison_keeps_nan_and_sign_keeps_zero() {
    assert_eq!(
        (max_f32(1.0, 2.0), max_f32(2.0, 1.0), min_f32(1.0, 2.0), min_f32(2.0, 1.0)),
        (2.0, 2.0, 1.0, 1.0)
    );
    assert_eq!(
        (max_f64(1.0, 2.0), max_f64(2.0, 1.0), min_f64(1.0, 2.0), min_f64(2.0, 1.0)),
        (2.0, 2.0, 1.0, 1.0)
    );
    for (a, b) in [(f32::NAN, 1.0), (1.0, f32::NAN)] {
        assert!(max_f32(a, b).is_nan() && min_f32(a, b).is_nan());
        assert!(max_f64(a.into(), b.into()).is_nan() && min_f64(a.into(), b.into()).is_nan());
    }
    assert_eq!((sign_f32(-3.0), sign_f32(0.5), sign_f64(-3.0), sign_f64(0.5)), (-1.0, 1.0, -1.0, 1.0));
    assert!(sign_f32(-0.0).is_sign_negative() && sign_f64(-0.0).is_sign_negative());
    assert!(sign_f32(f32::NAN).is_nan() && sign_f64(f64::NAN).is_nan());
}

#[test]
fn functions_of_32_bits_are_within_two_units() {
    for (name, got, exact, limit) in [
        ("exp", exp_f32 as fn(f32) -> f32, f64::exp as fn(f64) -> f64, 1.0),
        ("log", log_f32, f64::ln, 1.0),
        ("tanh", tanh_f32, f64::tanh, 2.0),
        ("sigmoid", sigmoid_f32, |x| 1.0 / (1.0 + (-x).exp()), 2.1),
        ("expm1", expm1_f32, f64::exp_m1, 2.0),
        ("erf", erf_f32, libm_erf, 2.0),
        ("erfc", erfc_f32, |x| libm(Unary::Erfc, x), 5.0),
        // What is rounded, as `Function::rounded` writes it.
        ("sin", |x| sin_f64(x.into()) as f32, f64::sin, 0.51),
        ("cos", |x| cos_f64(x.into()) as f32, f64::cos, 0.51),
        ("tan", |x| tan_f64(x.into()) as f32, f64::tan, 0.51),
        ("asin", |x| asin_f64(x.into()) as f32, f64::asin, 0.51),
        ("acos", |x| acos_f64(x.into()) as f32, f64::acos, 0.51),
        ("atan", |x| atan_f64(x.into()) as f32, f64::atan, 0.51),
        ("sinh", |x| sinh_f64(x.into()) as f32, f64::sinh, 0.51),
        ("cosh", |x| cosh_f64(x.into()) as f32, f64::cosh, 0.51),
        ("asinh", |x| asinh_f64(x.into()) as f32, f64::asinh, 0.51),
        ("acosh", |x| acosh_f64(x.into()) as f32, f64::acosh, 0.51),
        ("atanh", |x| atanh_f64(x.into()) as f32, f64::atanh, 0.51),
    ] {
        let (ulps, x) = worst_f32(got, exact);
        println!("{name}_f32: {ulps:.2} at {x:?}");
        assert!(ulps <= limit, "{name}({x:?}) is {:?}, {ulps} units off", got(x));
    }
}

fn libm_erf(x: f64) -> f64 {
    libm(Unary::Erf, x)
}

fn libm(u: Unary, x: f64) -> f64 {
    teff_graph::eval_unary(u, Num::Float(x), DType::F64).as_f64()
}

#[test]
fn functions_of_64_bits_are_within_six_units_of_the_library() {
    for (name, got, wanted) in [
        ("exp", exp_f64 as fn(f64) -> f64, f64::exp as fn(f64) -> f64),
        ("log", log_f64, f64::ln),
        ("tanh", tanh_f64, f64::tanh),
        ("sigmoid", sigmoid_f64, |x| if x < -36.0 { x.exp() } else { 1.0 / (1.0 + (-x).exp()) }),
        ("expm1", expm1_f64, f64::exp_m1),
        ("erf", erf_f64, libm_erf),
        ("erfc", erfc_f64, |x| libm(Unary::Erfc, x)),
        ("sin", sin_f64, f64::sin),
        ("cos", cos_f64, f64::cos),
        ("tan", tan_f64, f64::tan),
        ("asin", asin_f64, f64::asin),
        ("acos", acos_f64, f64::acos),
        ("atan", atan_f64, f64::atan),
        ("sinh", sinh_f64, f64::sinh),
        ("cosh", cosh_f64, f64::cosh),
        // The library loses digits of negative numbers.
        ("atanh", atanh_f64, |x| x.abs().atanh().copysign(x)),
    ] {
        let (ulps, x) = worst_f64(got, wanted);
        println!("{name}_f64: {ulps:.2} at {x:?}");
        assert!(ulps <= 6.0, "{name}({x:?}) is {:?}, {ulps} units off {:?}", got(x), wanted(x));
    }
}

#[test]
fn powers() {
    let special = [0.0, 0.5, 1.0, 2.0, 3.0, 2.5, 1e300, 1e-300, f64::INFINITY, 4503599627370497.0];
    let signed: Vec<f64> = special.iter().flat_map(|x| [*x, -x]).chain([f64::NAN]).collect();
    let pairs = signed.iter().flat_map(|x| signed.iter().map(|y| (*x, *y)));
    let spread = (1..40_000).map(|i| (0.001 * i as f64, ((i * 7919) % 2000) as f64 / 10.0 - 100.0));
    let (mut worst, mut at) = (0.0, (0.0, 0.0));
    for (x, y) in pairs.chain(spread) {
        let ulps = ulps_f64(pow_f64(x, y), x.powf(y));
        assert_eq!(
            pow_f64(x, y).is_sign_negative() && !x.powf(y).is_nan(),
            x.powf(y).is_sign_negative() && !x.powf(y).is_nan(),
            "pow({x}, {y})"
        );
        if ulps.is_nan() || ulps > worst {
            (worst, at) = (ulps, (x, y));
        }
    }
    assert_eq!(pow_f64(-1.5, 3.0), -3.375);
    // Whole powers of whole numbers are exact as long as they have few digits.
    for x in 2..60i32 {
        for y in (1..33).take_while(|&y| (x as f64).powi(y) < 9e15) {
            let exact = (x as u64).pow(y as u32) as f64;
            assert_eq!(pow_f64(x as f64, y as f64), exact, "pow({x}, {y})");
        }
    }
    println!("pow_f64: {worst:.2} at {at:?}");
    assert!(worst <= 2.0, "pow{at:?} is {:?}, not {:?}", pow_f64(at.0, at.1), at.0.powf(at.1));
}

#[test]
fn far_angles() {
    for x in [1e6, 1e7 + 0.5, 1e15, 1e22, 1e100, 1e300, f64::MAX] {
        for x in [x, -x] {
            assert!(ulps_f64(sin_f64(x), x.sin()) <= 2.0, "sin({x:e}) is {}, not {}", sin_f64(x), x.sin());
            assert!(ulps_f64(cos_f64(x), x.cos()) <= 2.0, "cos({x:e}) is {}, not {}", cos_f64(x), x.cos());
        }
    }
    // The number nearest to a multiple of a quarter turn (Muller, Elementary Functions, 3rd edition, table 11.1).
    let near = 6381956970095103.0 * 2f64.powi(797);
    assert!(ulps_f64(cos_f64(near), -4.687165924254628e-19) <= 1.0, "{:e}", cos_f64(near));
}

#[test]
fn a_function_comes_with_those_it_calls() {
    assert_eq!(functions().iter().map(|f| f.name.clone()).collect::<BTreeSet<_>>().len(), functions().len());
    let text = definitions(&BTreeSet::from(["tanh_f32".to_string()])).concat();
    for name in ["tanh_f32", "expm1_f32", "small_expm1_f32", "round_f32", "copysign_f32"] {
        assert!(text.contains(&format!("fn {name}(")), "{name}");
    }
    assert!(!text.contains("f64") && !text.contains("fn sqrt"));
    let text = definitions(&BTreeSet::from(["pow_f32".to_string()])).concat();
    let rounded = "fn pow_f32(x: f32, y: f32) -> f32 {\n    pow_f64(x as f64, y as f64) as f32\n}\n";
    assert!(text.contains(rounded) && text.contains("fn pow_f64("), "{text}");
}

/// Ten million floats, scales of all exponents: subnormal ones, powers of two, with many ties.
#[test]
fn floats_become_the_integers_of_onnx() {
    let mut next = noise(0x9e37_79b9_7f4a_7c15);
    let special =
        [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, f32::MAX, f32::MIN, 1e-45];
    for (dtype, (low, high), widest) in [
        (DType::I8, (-128, 127), 300.0),
        (DType::U8, (0, 255), 300.0),
        (DType::I8, (-8, 7), 20.0),
        (DType::I16, (-32768, 32767), 70_000.0),
        (DType::U16, (0, 65535), 70_000.0),
    ] {
        for scale in scales(200, &mut next, 0..255) {
            let zero = low + (next() % (high - low + 1) as u32) as i32;
            let to = Quantizer::new(scale, zero, (low, high), dtype).unwrap();
            let (by_bits, factor) = (if to.bits() == 8 { quantize_8 } else { quantize_16 }, to.factor());
            let (bits, reciprocal) = (to.scale_bits(factor), to.reciprocal(factor));
            let random: Vec<f32> = (0..10_000).map(|i| float(i, scale, widest, &mut next)).collect();
            for x in random.into_iter().chain(special) {
                let expected = quantize_linear(x, scale, zero.into(), low.into(), high.into());
                let got = by_bits(x * factor, bits, reciprocal, zero, low, high);
                assert_eq!(i64::from(got), expected, "{x:e} / {scale:e} + {zero} as {dtype}");
                assert_eq!(
                    i64::from(to.quantize(x)),
                    expected,
                    "{x:e} / {scale:e} + {zero} as {dtype}, divided"
                );
            }
        }
    }
}

/// Every difference of two bytes, scales of all exponents that are no extremes.
#[test]
fn integers_of_8_bits_become_the_floats_of_onnx() {
    for scale in scales(4_000, &mut noise(5), 27..227) {
        for d in -255..=255 {
            let expected = (f64::from(d) * f64::from(scale)) as f32;
            assert_eq!(scaled_8(d, scale).to_bits(), expected.to_bits(), "{d} * {scale:e}");
            assert_eq!(dequantize_8(d, scale), expected);
        }
    }
}
