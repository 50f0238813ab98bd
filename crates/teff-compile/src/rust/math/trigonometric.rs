//! Sine, cosine, tangent and their inverses. Those of 32-bit floats are computed in 64 bits and rounded.

use super::basic::*;

/// x less the nearest multiple of a quarter turn, as a sum of a number and a small rest, and which multiple that is, modulo 4.
pub(super) fn reduced_f64(x: f64) -> (u32, f64, f64) {
    if abs_f64(x) > 1e6 {
        return far_reduced_f64(x);
    }
    let k = round_f64(x * core::f64::consts::FRAC_2_PI);
    // A quarter turn in parts of 33 bits, whose multiples are exact, and a last one.
    let first = x - k * 1.5707963267341256;
    let second = k * 6.077100506303966e-11;
    let high = first - second;
    let lost = (first - high) - second;
    let third = k * 2.0222662487111665e-21;
    let angle = high - third;
    let rest = (high - angle) - third + lost - k * 8.4784276603689e-32;
    (k as i32 as u32 & 3, angle, rest)
}

/// [`reduced_f64`] of any finite number: a product of whole numbers, of which only the bits below two turns are kept.
pub(super) fn far_reduced_f64(x: f64) -> (u32, f64, f64) {
    /// 2 / pi, from the first bit behind the point on.
    const BITS: [u64; 19] = [
        0xa2f9_836e_4e44_1529,
        0xfc27_57d1_f534_ddc0,
        0xdb62_9599_3c43_9041,
        0xfe51_63ab_debb_c561,
        0xb724_6e3a_424d_d2e0,
        0x0649_2eea_09d1_921c,
        0xfe1d_eb1c_b129_a73e,
        0xe882_35f5_2ebb_4484,
        0xe99c_7026_b45f_7e41,
        0x3991_d639_8353_39f4,
        0x9c84_5f8b_bdf9_283b,
        0x1ff8_97ff_de05_980f,
        0xef2f_118b_5a0a_6d1f,
        0x6d36_7ecf_27cb_09b7,
        0x4f46_3f66_9e5f_ea2d,
        0x7527_bac7_ebe5_f17b,
        0x3d07_39f7_8a52_92ea,
        0x6bfb_5fb1_1f8d_5d08,
        0x5603_3046_fc7b_6bab,
    ];
    if abs_f64(x) == f64::INFINITY {
        return (0, f64::NAN, 0.0);
    }
    // |x| is mantissa * 2^exponent; from 1e6 on the exponent is at least -33.
    let mantissa = x.to_bits() & 0x000f_ffff_ffff_ffff | 0x0010_0000_0000_0000;
    let exponent = (x.to_bits() >> 52 & 0x7ff) as i32 - 1075;
    // The bits of 2 / pi from 2^(1 - exponent) on down: what lies above gives multiples of four quarter turns.
    let word = |i: i32| {
        let (whole, part) = (i.div_euclid(64), i.rem_euclid(64) as u32);
        let at = |i: i32| if i < 0 { 0 } else { BITS[i as usize] };
        if part == 0 { at(whole) } else { at(whole) << part | at(whole + 1) >> (64 - part) }
    };
    let start = exponent - 2;
    let low = word(start + 128) as u128 * mantissa as u128;
    let middle = word(start + 64) as u128 * mantissa as u128 + (low >> 64);
    let high = word(start).wrapping_mul(mantissa).wrapping_add((middle >> 64) as u64);
    // Two bits of quadrant, then the fraction.
    let product = (high as u128) << 64 | middle as u64 as u128;
    let fraction = (product << 2) as i128;
    let quadrant = (product >> 126) as u32 + (fraction < 0) as u32;
    let angle = fraction as f64;
    let rest = (fraction.wrapping_sub(angle as i128)) as f64;
    // Times pi / 2^129.
    let unit = 2.938735877055719e-39;
    let (angle, rest) = (angle * unit, rest * unit);
    let high = angle * core::f64::consts::FRAC_PI_2;
    let split = |v: f64| f64::from_bits(v.to_bits() & 0xffff_ffff_f800_0000);
    let (a, b) = (split(angle), split(core::f64::consts::FRAC_PI_2));
    let (c, d) = (angle - a, core::f64::consts::FRAC_PI_2 - b);
    let low = ((a * b - high) + a * d + c * b) + c * d;
    let low = low + angle * 6.123233995736766e-17 + rest * core::f64::consts::FRAC_PI_2;
    if x < 0.0 { (quadrant.wrapping_neg() & 3, -high, -low) } else { (quadrant & 3, high, low) }
}

/// The sine of angle + rest, angle within an eighth of a turn: the series.
pub(super) fn near_sin_f64(angle: f64, rest: f64) -> f64 {
    let z = angle * angle;
    const SERIES: [f64; 8] = [
        1.0 / 355_687_428_096_000.0,
        -1.0 / 1_307_674_368_000.0,
        1.0 / 6_227_020_800.0,
        -1.0 / 39_916_800.0,
        1.0 / 362_880.0,
        -1.0 / 5_040.0,
        1.0 / 120.0,
        -1.0 / 6.0,
    ];
    let series = SERIES.iter().fold(0.0, |sum, c| c + z * sum);
    angle + (rest * (1.0 - 0.5 * z) + angle * z * series)
}

/// The cosine of angle + rest, angle within an eighth of a turn: the series.
pub(super) fn near_cos_f64(angle: f64, rest: f64) -> f64 {
    let z = angle * angle;
    const SERIES: [f64; 8] = [
        -1.0 / 6_402_373_705_728_000.0,
        1.0 / 20_922_789_888_000.0,
        -1.0 / 87_178_291_200.0,
        1.0 / 479_001_600.0,
        -1.0 / 3_628_800.0,
        1.0 / 40_320.0,
        -1.0 / 720.0,
        1.0 / 24.0,
    ];
    let series = SERIES.iter().fold(0.0, |sum, c| c + z * sum);
    let half = 0.5 * z;
    let most = 1.0 - half;
    most + (((1.0 - most) - half) + (z * z * series - angle * rest))
}

/// The sine.
pub(super) fn sin_f64(x: f64) -> f64 {
    let (quadrant, angle, rest) = reduced_f64(x);
    match quadrant {
        0 => near_sin_f64(angle, rest),
        1 => near_cos_f64(angle, rest),
        2 => -near_sin_f64(angle, rest),
        _ => -near_cos_f64(angle, rest),
    }
}

/// The cosine.
pub(super) fn cos_f64(x: f64) -> f64 {
    let (quadrant, angle, rest) = reduced_f64(x);
    match quadrant {
        0 => near_cos_f64(angle, rest),
        1 => -near_sin_f64(angle, rest),
        2 => -near_cos_f64(angle, rest),
        _ => near_sin_f64(angle, rest),
    }
}

/// The tangent.
pub(super) fn tan_f64(x: f64) -> f64 {
    let (quadrant, angle, rest) = reduced_f64(x);
    let (sin, cos) = (near_sin_f64(angle, rest), near_cos_f64(angle, rest));
    if quadrant & 1 == 0 { sin / cos } else { -cos / sin }
}

/// The inverse tangent.
pub(super) fn atan_f64(x: f64) -> f64 {
    /// Of 0, 1/8, ... 1.
    const EIGHTHS: [f64; 9] = [
        0.0,
        0.12435499454676144,
        0.24497866312686414,
        0.35877067027057225,
        0.4636476090008061,
        0.5585993153435624,
        0.6435011087932844,
        0.7188299996216245,
        core::f64::consts::FRAC_PI_4,
    ];
    if x.is_nan() {
        return x;
    }
    let inverted = abs_f64(x) > 1.0;
    let a = if inverted { 1.0 / abs_f64(x) } else { abs_f64(x) };
    // The angle between this slope and the nearest eighth is small.
    let nearest = (8.0 * a + 0.5) as usize;
    let eighth = 0.125 * nearest as f64;
    let t = (a - eighth) / (1.0 + a * eighth);
    let z = t * t;
    const SERIES: [f64; 7] =
        [-1.0 / 15.0, 1.0 / 13.0, -1.0 / 11.0, 1.0 / 9.0, -1.0 / 7.0, 1.0 / 5.0, -1.0 / 3.0];
    let series = SERIES.iter().fold(0.0, |sum, c| c + z * sum);
    let angle = EIGHTHS[nearest.min(8)] + (t + t * z * series);
    copysign_f64(
        if inverted { core::f64::consts::FRAC_PI_2 - (angle - 6.123233995736766e-17) } else { angle },
        x,
    )
}

/// The inverse sine.
pub(super) fn asin_f64(x: f64) -> f64 {
    atan_f64(x / sqrt_f64((1.0 - x) * (1.0 + x)))
}

/// The inverse cosine.
pub(super) fn acos_f64(x: f64) -> f64 {
    2.0 * atan_f64(sqrt_f64((1.0 - x) / (1.0 + x)))
}
