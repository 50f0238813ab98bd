//! Exponentials, logarithms, and what is made of them.

use super::basic::*;

/// The upper half of a product.
pub(super) fn high_u32(a: u32, b: u32) -> u32 {
    let (a0, a1, b0, b1) = (a & 0xffff, a >> 16, b & 0xffff, b >> 16);
    let middle = a1 * b0 + ((a0 * b0) >> 16);
    a1 * b1 + (middle >> 16) + (((middle & 0xffff) + a0 * b1) >> 16)
}

/// e to the power x, by integers, off by less than a unit in the last place. With t = x log2 e = n + i / 32 + r / 2^32, it is
/// 2^n 2^(i / 32) e^(r ln 2 / 2^32); the last factor is a series of three terms.
pub(super) fn exp_f32(x: f32) -> f32 {
    // 2^(i / 32) in units of 2^-31.
    const POWER: [u32; 32] = [
        0x80000000, 0x82cd8699, 0x85aac368, 0x88980e81, 0x8b95c1e4, 0x8ea4398b, 0x91c3d374, 0x94f4efa9,
        0x9837f052, 0x9b8d39ba, 0x9ef53261, 0xa2704303, 0xa5fed6aa, 0xa9a15ab5, 0xad583eea, 0xb123f582,
        0xb504f334, 0xb8fbaf47, 0xbd08a39f, 0xc12c4cca, 0xc5672a11, 0xc9b9bd86, 0xce248c15, 0xd2a81d92,
        0xd744fccb, 0xdbfbb798, 0xe0ccdeec, 0xe5b906e7, 0xeac0c6e8, 0xefe4b99c, 0xf5257d15, 0xfa83b2db,
    ];
    let bits = x.to_bits();
    let exponent = bits >> 23 & 0xff;
    if exponent < 101 {
        return 1.0;
    }
    if exponent >= 134 {
        return if x.is_nan() {
            x
        } else if bits >> 31 != 0 {
            0.0
        } else {
            f32::INFINITY
        };
    }
    let mantissa = (bits | 0x80_0000) << 8;
    let high = high_u32(mantissa, 0xb8aa_3b29);
    let shift = 157 - exponent;
    let (mut n, mut t) = if shift < 32 {
        ((high >> shift) as i32, high << (32 - shift) | mantissa.wrapping_mul(0xb8aa_3b29) >> shift)
    } else {
        (0, high >> (shift - 32))
    };
    if bits >> 31 != 0 {
        n = -n - i32::from(t != 0);
        t = t.wrapping_neg();
    }
    let y = high_u32(t & 0x7ff_ffff, 0xb172_17f8);
    let s = y >> 11;
    let square = s * s;
    let cube = (square >> 16) * s;
    let series = y + (square >> 11) + (((cube >> 15) * 10923) >> 16);
    let power = POWER[(t >> 27) as usize];
    let whole = power + high_u32(power, series);
    if n > 127 {
        f32::INFINITY
    } else if n >= -126 {
        f32::from_bits((((n + 126) as u32) << 23) + (((whole >> 7) + 1) >> 1))
    } else if n < -150 {
        0.0
    } else {
        f32::from_bits(((whole >> (-119 - n)) + 1) >> 1)
    }
}

/// x as k ln 2 + r with r from -0.35 to 0.35; k is 0 of NaN.
pub(super) fn less_log2s_f32(x: f32) -> (i32, f32) {
    let k = round_f32(x * core::f32::consts::LOG2_E);
    // The first part of ln 2 has 9 bits, so that its multiples are exact.
    (k as i32, (x - k * (355.0 / 512.0)) + k * 0.00021219444)
}

/// e to the power r, less 1, r from -0.35 to 0.35: the series.
pub(super) fn small_expm1_f32(r: f32) -> f32 {
    let rest = 1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0 + r * (1.0 / 5040.0)));
    r + r * r * (1.0 / 2.0 + r * (1.0 / 6.0 + r * rest))
}

/// e to the power x.
pub(super) fn exp_f64(x: f64) -> f64 {
    if x > 709.782712893384 {
        return f64::INFINITY;
    }
    if x < -745.1332191019411 {
        return 0.0;
    }
    let (k, r) = less_log2s_f64(x);
    times_power_f64(1.0 + small_expm1_f64(r), k)
}

/// x as k ln 2 + r with r from -0.35 to 0.35; k is 0 of NaN.
pub(super) fn less_log2s_f64(x: f64) -> (i32, f64) {
    let k = round_f64(x * core::f64::consts::LOG2_E);
    // The first part of ln 2 has 32 bits, so that its multiples are exact.
    (k as i32, (x - k * 0.6931471803691238) - k * 1.9082149292705877e-10)
}

/// e to the power r, less 1, r from -0.35 to 0.35.
pub(super) fn small_expm1_f64(r: f64) -> f64 {
    r + beyond_linear_f64(r)
}

/// e to the power r, less 1 + r, r from -0.35 to 0.35: the series.
pub(super) fn beyond_linear_f64(r: f64) -> f64 {
    const SERIES: [f64; 9] = [
        1.0 / 6_227_020_800.0,
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
    ];
    let rest = SERIES.iter().fold(0.0, |sum, c| c + r * sum);
    r * r * (1.0 / 2.0 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * rest)))
}

/// The natural logarithm.
pub(super) fn log_f32(x: f32) -> f32 {
    if !(x > 0.0 && x < f32::INFINITY) {
        return if x == 0.0 {
            f32::NEG_INFINITY
        } else if x < 0.0 {
            f32::NAN
        } else {
            x
        };
    }
    let subnormal = x < f32::MIN_POSITIVE;
    let bits = if subnormal { x * 16_777_216.0 } else { x }.to_bits();
    // x is 2^k * (1 + f), 1 + f from the root of 1/2 to that of 2.
    let above = bits.wrapping_sub(0x3f35_04f3);
    let k = ((above as i32) >> 23) as f32 - if subnormal { 24.0 } else { 0.0 };
    let f = f32::from_bits((above & 0x007f_ffff) + 0x3f35_04f3) - 1.0;
    // ln((1 + s) / (1 - s)) is 2 (s + s^3 / 3 + s^5 / 5 + ...).
    let s = f / (2.0 + f);
    let z = s * s;
    let series = z * (2.0 / 3.0 + z * (2.0 / 5.0 + z * (2.0 / 7.0 + z * (2.0 / 9.0))));
    let half = 0.5 * f * f;
    k * (355.0 / 512.0) - ((half - (s * (half + series) - k * 0.00021219444)) - f)
}

/// The natural logarithm.
pub(super) fn log_f64(x: f64) -> f64 {
    if !(x > 0.0 && x < f64::INFINITY) {
        return if x == 0.0 {
            f64::NEG_INFINITY
        } else if x < 0.0 {
            f64::NAN
        } else {
            x
        };
    }
    let (k, f) = mantissa_f64(x);
    let s = f / (2.0 + f);
    let series = log_series_f64(s * s);
    let half = 0.5 * f * f;
    k * 0.6931471803691238 - ((half - (s * (half + series) + k * 1.9082149292705877e-10)) - f)
}

/// A positive x as 2^k * (1 + f), 1 + f from the root of 1/2 to that of 2.
pub(super) fn mantissa_f64(x: f64) -> (f64, f64) {
    let subnormal = x < f64::MIN_POSITIVE;
    let bits = if subnormal { x * 18_014_398_509_481_984.0 } else { x }.to_bits();
    let above = bits.wrapping_sub(0x3fe6_a09e_667f_3bcd);
    let k = ((above as i64) >> 52) as f64 - if subnormal { 54.0 } else { 0.0 };
    (k, f64::from_bits((above & 0x000f_ffff_ffff_ffff) + 0x3fe6_a09e_667f_3bcd) - 1.0)
}

/// What ln((1 + s) / (1 - s)) / s is more than 2, of z = s^2: 2 (z / 3 + z^2 / 5 + ...).
pub(super) fn log_series_f64(z: f64) -> f64 {
    const SERIES: [f64; 11] = [
        2.0 / 23.0,
        2.0 / 21.0,
        2.0 / 19.0,
        2.0 / 17.0,
        2.0 / 15.0,
        2.0 / 13.0,
        2.0 / 11.0,
        2.0 / 9.0,
        2.0 / 7.0,
        2.0 / 5.0,
        2.0 / 3.0,
    ];
    z * SERIES.iter().fold(0.0, |sum, c| c + z * sum)
}

/// ln(1 + x), x finite.
pub(super) fn log1p_f64(x: f64) -> f64 {
    let sum = 1.0 + x;
    log_f64(sum) + if sum > 0.0 { (x - (sum - 1.0)) / sum } else { 0.0 }
}

/// The hyperbolic tangent: near 0 a polynomial that interpolates at Chebyshev's points.
pub(super) fn tanh_f32(x: f32) -> f32 {
    let magnitude = abs_f32(x);
    if magnitude < 0.55 {
        let z = x * x;
        let rest = -0.0539647 + z * (0.02181845 + z * (-0.008526334 + z * 0.002526391));
        return x + x * z * (-1.0 / 3.0 + z * (0.13333324 + z * rest));
    }
    if magnitude > 9.1 {
        return copysign_f32(1.0, x);
    }
    let e = expm1_f32(2.0 * magnitude);
    copysign_f32(e / (e + 2.0), x)
}

/// The hyperbolic tangent.
pub(super) fn tanh_f64(x: f64) -> f64 {
    let magnitude = abs_f64(x);
    if magnitude > 19.1 {
        return copysign_f64(1.0, x);
    }
    let e = expm1_f64(2.0 * magnitude);
    copysign_f64(e / (e + 2.0), x)
}

/// The hyperbolic sine.
pub(super) fn sinh_f64(x: f64) -> f64 {
    let magnitude = abs_f64(x);
    let result = if magnitude > 700.0 {
        let root = exp_f64(0.5 * magnitude);
        0.5 * root * root
    } else {
        let e = expm1_f64(magnitude);
        0.5 * (e + e / (e + 1.0))
    };
    copysign_f64(result, x)
}

/// The hyperbolic cosine.
pub(super) fn cosh_f64(x: f64) -> f64 {
    let magnitude = abs_f64(x);
    if magnitude > 700.0 {
        let root = exp_f64(0.5 * magnitude);
        0.5 * root * root
    } else {
        let e = exp_f64(magnitude);
        0.5 * e + 0.5 / e
    }
}

/// The inverse hyperbolic sine.
pub(super) fn asinh_f64(x: f64) -> f64 {
    let magnitude = abs_f64(x);
    let result = if magnitude < 1e8 {
        let square = x * x;
        log1p_f64(magnitude + square / (1.0 + sqrt_f64(1.0 + square)))
    } else {
        log_f64(magnitude) + core::f64::consts::LN_2
    };
    copysign_f64(result, x)
}

/// The inverse hyperbolic cosine.
pub(super) fn acosh_f64(x: f64) -> f64 {
    if x < 1e8 {
        let above = x - 1.0;
        log1p_f64(above + sqrt_f64(above * (above + 2.0)))
    } else {
        log_f64(x) + core::f64::consts::LN_2
    }
}

/// The inverse hyperbolic tangent.
pub(super) fn atanh_f64(x: f64) -> f64 {
    let magnitude = abs_f64(x);
    let result = if magnitude < 1.0 {
        0.5 * log1p_f64(2.0 * magnitude / (1.0 - magnitude))
    } else if magnitude == 1.0 {
        f64::INFINITY
    } else {
        f64::NAN
    };
    copysign_f64(result, x)
}
