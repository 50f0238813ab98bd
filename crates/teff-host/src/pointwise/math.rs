//! Functions of one f32 without branches and calls, so that loops over them become vector code.
//!
//! The largest errors, found by trying every float (`tests` tries a sample), are 1.0 ulp for [`exp`], 3.3 for [`expm1`], 0.9 for [`log`], 2.0 for
//! [`tanh`] and 2.6 for [`sigmoid`]; a sigmoid below 2^-126 becomes 0. Polynomials are those of Cephes (Moshier, 1989) for
//! single precision. No fused multiply-add is used: results are the same bits on every processor.

/// e to the x.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    // ln 2 in two parts; the first has so few bits that its product with n is exact.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Adding 1.5 * 2^23 rounds to an integer, which then is in the low bits.
    const ROUND: f32 = 12_582_912.0;
    // Beyond these the result is infinite or 0. Written so that NaN stays.
    let x = if x > 89.0 { 89.0 } else { x };
    let x = if x < -104.0 { -104.0 } else { x };
    let shifted = x * LOG2_E + ROUND;
    let n = shifted - ROUND;
    let whole = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let r = (x - n * LN2_HIGH) - n * LN2_LOW;
    let p = beyond_linear(r) + r + 1.0;
    // Two factors, so that the powers at both ends of the range exist.
    let half = whole >> 1;
    let power = |n: i32| f32::from_bits((n.wrapping_add(127) as u32) << 23);
    p * power(half) * power(whole.wrapping_sub(half))
}

/// e to the r, less 1 + r, r from -0.35 to 0.35.
#[inline(always)]
fn beyond_linear(r: f32) -> f32 {
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 5.000_000_3e-1;
    p * (r * r)
}

/// e to the x, less 1.
#[inline(always)]
pub(crate) fn expm1(x: f32) -> f32 {
    // The sum loses the sign of -0.
    let near = (beyond_linear(x) + x).copysign(x);
    if x.abs() < 0.34 { near } else { exp(x) - 1.0 }
}

/// Natural logarithm.
#[inline(always)]
pub(crate) fn log(x: f32) -> f32 {
    let subnormal = x < f32::MIN_POSITIVE;
    let scaled = if subnormal { x * 8_388_608.0 } else { x };
    let bits = scaled.to_bits();
    let exponent = ((bits >> 23) as i32).wrapping_sub(if subnormal { 126 + 23 } else { 126 });
    let mantissa = f32::from_bits((bits & 0x007f_ffff) | 0x3f00_0000);
    // From [0.5, 1) to [sqrt(0.5) - 1, sqrt(2) - 1).
    let low = mantissa < std::f32::consts::FRAC_1_SQRT_2;
    let e = (if low { exponent.wrapping_sub(1) } else { exponent }) as f32;
    let m = (if low { mantissa + mantissa } else { mantissa }) - 1.0;
    let p = 7.037_683_6e-2;
    let p = p * m - 1.151_461e-1;
    let p = p * m + 1.167_699_9e-1;
    let p = p * m - 1.242_014_1e-1;
    let p = p * m + 1.424_932_3e-1;
    let p = p * m - 1.666_805_7e-1;
    let p = p * m + 2.000_071_5e-1;
    let p = p * m - 2.499_999_4e-1;
    let p = p * m + 3.333_333e-1;
    let square = m * m;
    let y = p * m * square + e * -2.121_944_4e-4 - 0.5 * square;
    let result = m + y + e * 0.693_359_4;
    let result = if x == f32::INFINITY { x } else { result };
    let result = if x == 0.0 { f32::NEG_INFINITY } else { result };
    // NaN, or less than 0.
    if x >= 0.0 { result } else { f32::NAN }
}

/// Hyperbolic tangent.
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    let z = x * x;
    let p = -5.704_988_7e-3;
    let p = p * z + 2.063_909e-2;
    let p = p * z - 5.373_971_6e-2;
    let p = p * z + 1.333_144_2e-1;
    let p = p * z - 3.333_328e-1;
    let near = p * z * x + x;
    let far = (1.0 - 2.0 / (exp(2.0 * x.abs()) + 1.0)).copysign(x);
    // The sum above loses the sign of -0.
    if x.abs() < 0.625 { near.copysign(x) } else { far }
}

/// 1 / (1 + exp(-x)).
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The larger; NaN if either is.
#[inline(always)]
pub(crate) fn max(a: f32, b: f32) -> f32 {
    if b > a || b.is_nan() { b } else { a }
}

/// The smaller; NaN if either is.
#[inline(always)]
pub(crate) fn min(a: f32, b: f32) -> f32 {
    if b < a || b.is_nan() { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest error over a sample of all floats, in units of the last place of the exact result.
    fn worst(f: fn(f32) -> f32, exact: fn(f64) -> f64, low: f64) -> (f64, f32) {
        let mut worst = (0.0, 0.0);
        for bits in (0..=u32::MAX).step_by(4093) {
            let x = f32::from_bits(bits);
            let (y, e) = (f(x), exact(x as f64));
            if e.is_nan() {
                assert!(y.is_nan(), "{x}: {y}");
                continue;
            }
            let rounded = e as f32;
            if rounded.is_infinite() || e.abs() < low {
                assert!(y == rounded || (y - rounded).abs() <= low as f32, "{x}: {y} instead of {e}");
                continue;
            }
            let ulp = (f32::from_bits(rounded.abs().to_bits() + 1) - rounded.abs()) as f64;
            let error = (y as f64 - e).abs() / ulp;
            if error > worst.0 {
                worst = (error, x);
            }
        }
        worst
    }

    #[test]
    fn errors_are_as_documented() {
        let smallest = f32::MIN_POSITIVE as f64;
        let tiny = f32::from_bits(1) as f64;
        for (name, found, limit) in [
            ("exp", worst(exp, f64::exp, tiny), 1.0),
            ("expm1", worst(expm1, f64::exp_m1, tiny), 3.3),
            ("log", worst(log, f64::ln, tiny), 0.9),
            ("tanh", worst(tanh, f64::tanh, tiny), 2.0),
            ("sigmoid", worst(sigmoid, |x| 1.0 / (1.0 + (-x).exp()), smallest), 2.6),
        ] {
            println!("{name}: {} ulp at {}", found.0, found.1);
            assert!(found.0 <= limit, "{name}: {} ulp at {}", found.0, found.1);
        }
    }

    #[test]
    fn special_values() {
        assert_eq!((exp(f32::NEG_INFINITY), exp(f32::INFINITY), exp(0.0)), (0.0, f32::INFINITY, 1.0));
        assert_eq!((log(0.0), log(f32::INFINITY), log(1.0)), (f32::NEG_INFINITY, f32::INFINITY, 0.0));
        assert!(log(-1.0).is_nan() && exp(f32::NAN).is_nan() && tanh(f32::NAN).is_nan());
        assert_eq!((tanh(f32::INFINITY), tanh(-20.0), tanh(-0.0).is_sign_negative()), (1.0, -1.0, true));
        assert!(max(f32::NAN, 1.0).is_nan() && max(1.0, f32::NAN).is_nan() && min(1.0, f32::NAN).is_nan());
    }
}
