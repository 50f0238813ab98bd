//! Powers and the error function.

use super::basic::*;
use super::exponential::*;

/// x to the power y, with the exceptions of C (C99 F.9.4.4).
pub(super) fn pow_f64(x: f64, y: f64) -> f64 {
    if y == 0.0 || x == 1.0 {
        return 1.0;
    }
    if x.is_nan() || y.is_nan() {
        return f64::NAN;
    }
    let magnitude = abs_f64(x);
    let whole = floor_f64(y) == y;
    let odd = whole && abs_f64(y) < 9_007_199_254_740_992.0 && y as i64 & 1 == 1;
    let result = if magnitude == 1.0 && abs_f64(y) == f64::INFINITY {
        1.0
    } else if magnitude == 0.0 || magnitude == f64::INFINITY || abs_f64(y) == f64::INFINITY {
        if (magnitude > 1.0) == (y > 0.0) { f64::INFINITY } else { 0.0 }
    } else if x < 0.0 && !whole {
        f64::NAN
    } else {
        finite_pow_f64(magnitude, y)
    };
    if odd { copysign_f64(result, x) } else { result }
}

/// x to the power y, x positive and both finite: e to the power of y ln x, with ln x as a sum of two numbers.
pub(super) fn finite_pow_f64(x: f64, y: f64) -> f64 {
    let (k, f) = mantissa_f64(x);
    let sum = 2.0 + f;
    let s = f / sum;
    // What rounding of the sum and the quotient has lost.
    let (product, lost) = product_f64(s, sum);
    let s_rest = ((f - product) - lost - s * (f - (sum - 2.0))) / sum;
    let high = k * 0.6931471803691238 + 2.0 * s;
    let low = (k * 0.6931471803691238 - high) + 2.0 * s;
    let small = low + (2.0 * s_rest + s * log_series_f64(s * s) + k * 1.9082149292705877e-10);
    let log = high + small;
    let rest = (high - log) + small;
    let rough = y * log;
    if abs_f64(rough) > 800.0 {
        return if rough > 0.0 { f64::INFINITY } else { 0.0 };
    }
    let (power, lost) = product_f64(y, log);
    exp_of_sum_f64(power, lost + y * rest)
}

/// e to the power of high + low, high from -800 to 800 and low small beside it, so that whole powers of whole numbers are exact.
pub(super) fn exp_of_sum_f64(high: f64, low: f64) -> f64 {
    let k = round_f64(high * core::f64::consts::LOG2_E);
    let r = high - k * 0.6931471803691238;
    let low = low - k * 1.9082149292705877e-10;
    let small = beyond_linear_f64(r + low) + low;
    // 1 + r + small, with what rounding has lost.
    let above = r + small;
    let sum = 1.0 + above;
    let lost = ((1.0 - sum) + above) + ((r - above) + small);
    if k > 1025.0 {
        f64::INFINITY
    } else if k < -1080.0 {
        0.0
    } else {
        times_power_f64(sum + lost, k as i32)
    }
}

/// a * b, rounded, and what rounding has lost.
pub(super) fn product_f64(a: f64, b: f64) -> (f64, f64) {
    let split = |v: f64| f64::from_bits(v.to_bits() & 0xffff_ffff_f800_0000);
    let product = a * b;
    let (a_high, b_high) = (split(a), split(b));
    let (a_low, b_low) = (a - a_high, b - b_high);
    (product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low)
}

/// The error function: a polynomial near 0, then 1 less e to the power of one; both interpolate at Chebyshev's points.
pub(super) fn erf_f32(x: f32) -> f32 {
    let a = abs_f32(x);
    if a < 1.0 {
        let z = x * x;
        let high =
            -0.02686543 + z * (0.005221032 + z * (-0.000848408 + z * (0.00011265959 - z * 9.667045e-06)));
        return x + x * (0.12837917 + z * (-0.37612638 + z * (0.11283782 + z * high)));
    }
    if a > 3.93 {
        return copysign_f32(1.0, x);
    }
    let high =
        -0.02647568 + a * (0.0047796658 + a * (-0.0006012838 + a * (4.6612995e-05 - a * 1.6664477e-06)));
    let p = -0.0003327039 + a * (1.1302862 + a * (0.6317324 + a * (0.11017199 + a * high)));
    // NaN comes here and stays.
    copysign_f32(1.0 - exp_f32(-p), x)
}

/// 1 less the error function: from 0.5 on e^-(x^2) times a polynomial of 1 / (1 + x / 2) that interpolates at Chebyshev's points.
pub(super) fn erfc_f32(x: f32) -> f32 {
    let a = abs_f32(x);
    if a < 0.5 || a.is_nan() {
        return 1.0 - erf_f32(x);
    }
    let tail = if a > 10.1 {
        0.0
    } else {
        // e^-(a^2), with what rounding the square has lost.
        let square = a * a;
        let high = f32::from_bits(a.to_bits() & 0xffff_f000);
        let low = a - high;
        let lost = ((high * high - square) + 2.0 * high * low) + low * low;
        let t = 1.0 / (1.0 + 0.5 * a);
        let rest = 0.24049418
            + t * (0.2148103
                + t * (-0.06008056
                    + t * (0.33441073 + t * (-0.5439621 + t * (0.31596208 + t * (-0.0663872))))));
        exp_f32(-square) * (1.0 - lost) * (t * (0.28207174 + t * (0.28267953 + t * rest)))
    };
    if x < 0.0 { 2.0 - tail } else { tail }
}

/// The error function: a series of positive terms, from 1.5 on by what is left to 1.
pub(super) fn erf_f64(x: f64) -> f64 {
    let a = abs_f64(x);
    let result = if a < 1.5 {
        // e^-(a^2), with what rounding the square has lost.
        let (square, lost) = product_f64(a, a);
        let bell = exp_f64(-square) * (1.0 - lost);
        let mut sum = 1.0;
        for n in (1..=40).rev() {
            sum = 1.0 + 2.0 * square / (2 * n + 1) as f64 * sum;
        }
        core::f64::consts::FRAC_2_SQRT_PI * a * bell * sum
    } else {
        1.0 - erfc_tail_f64(a)
    };
    copysign_f64(result, x)
}

/// 1 less the error function of a from 0.8 on: a continued fraction.
pub(super) fn erfc_tail_f64(a: f64) -> f64 {
    if a > 27.3 {
        return 0.0;
    }
    let (square, lost) = product_f64(a, a);
    let bell = exp_f64(-square) * (1.0 - lost);
    let mut fraction = a;
    // It closes in as e to the power of -2 a sqrt(2 n).
    for n in (1..=30 + (280.0 / square) as i32).rev() {
        fraction = a + 0.5 * n as f64 / fraction;
    }
    bell * 0.5 * core::f64::consts::FRAC_2_SQRT_PI / fraction
}

/// 1 less the error function.
pub(super) fn erfc_f64(x: f64) -> f64 {
    if x < 0.8 { 1.0 - erf_f64(x) } else { erfc_tail_f64(x) }
}
