//! Rounding, signs, comparison, square roots: what `core` has no stable function for, by the bits of the numbers.

/// The magnitude of x.
pub(super) fn abs_f32(x: f32) -> f32 {
    f32::from_bits(x.to_bits() & 0x7fff_ffff)
}

/// The magnitude of x.
pub(super) fn abs_f64(x: f64) -> f64 {
    f64::from_bits(x.to_bits() & 0x7fff_ffff_ffff_ffff)
}

/// The magnitude of x with the sign of y.
pub(super) fn copysign_f32(x: f32, y: f32) -> f32 {
    f32::from_bits(x.to_bits() & 0x7fff_ffff | y.to_bits() & 0x8000_0000)
}

/// The magnitude of x with the sign of y.
pub(super) fn copysign_f64(x: f64, y: f64) -> f64 {
    f64::from_bits(x.to_bits() & 0x7fff_ffff_ffff_ffff | y.to_bits() & 0x8000_0000_0000_0000)
}

/// 1 or -1; a zero keeps its sign, NaN stays.
pub(super) fn sign_f32(x: f32) -> f32 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        x
    }
}

/// 1 or -1; a zero keeps its sign, NaN stays.
pub(super) fn sign_f64(x: f64) -> f64 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        x
    }
}

/// The larger; NaN if either is.
pub(super) fn max_f32(a: f32, b: f32) -> f32 {
    if b > a || b.is_nan() { b } else { a }
}

/// The larger; NaN if either is.
pub(super) fn max_f64(a: f64, b: f64) -> f64 {
    if b > a || b.is_nan() { b } else { a }
}

/// The smaller; NaN if either is.
pub(super) fn min_f32(a: f32, b: f32) -> f32 {
    if b < a || b.is_nan() { b } else { a }
}

/// The smaller; NaN if either is.
pub(super) fn min_f64(a: f64, b: f64) -> f64 {
    if b < a || b.is_nan() { b } else { a }
}

/// The nearest whole number below.
pub(super) fn floor_f32(x: f32) -> f32 {
    // From 2^23 on all numbers are whole; NaN stays.
    if abs_f32(x) < 8_388_608.0 {
        let whole = x as i32 as f32;
        copysign_f32(if whole > x { whole - 1.0 } else { whole }, x)
    } else {
        x
    }
}

/// The nearest whole number below.
pub(super) fn floor_f64(x: f64) -> f64 {
    // From 2^52 on all numbers are whole; NaN stays.
    if abs_f64(x) < 4_503_599_627_370_496.0 {
        let whole = x as i64 as f64;
        copysign_f64(if whole > x { whole - 1.0 } else { whole }, x)
    } else {
        x
    }
}

/// The nearest whole number above.
pub(super) fn ceil_f32(x: f32) -> f32 {
    -floor_f32(-x)
}

/// The nearest whole number above.
pub(super) fn ceil_f64(x: f64) -> f64 {
    -floor_f64(-x)
}

/// The nearest whole number; of two the even one.
pub(super) fn round_f32(x: f32) -> f32 {
    // Sums beyond 2^23 are rounded to whole numbers.
    if abs_f32(x) < 8_388_608.0 { copysign_f32((abs_f32(x) + 8_388_608.0) - 8_388_608.0, x) } else { x }
}

/// The nearest whole number; of two the even one.
pub(super) fn round_f64(x: f64) -> f64 {
    // Sums beyond 2^52 are rounded to whole numbers.
    if abs_f64(x) < 4_503_599_627_370_496.0 {
        copysign_f64((abs_f64(x) + 4_503_599_627_370_496.0) - 4_503_599_627_370_496.0, x)
    } else {
        x
    }
}

/// The square root, correctly rounded: one digit after another.
pub(super) fn sqrt_f32(x: f32) -> f32 {
    if !(x > 0.0 && x < f32::INFINITY) {
        return if x < 0.0 { f32::NAN } else { x };
    }
    let subnormal = x < f32::MIN_POSITIVE;
    let bits = if subnormal { x * 16_777_216.0 } else { x }.to_bits();
    // x is mantissa * 2^exponent.
    let mantissa = bits & 0x007f_ffff | 0x0080_0000;
    let exponent = (bits >> 23) as i32 - 150 - if subnormal { 24 } else { 0 };
    // Shifted to 26 bits and an even exponent, it has a root of 25 bits: one more than are kept.
    let odd = exponent & 1;
    let mut digits = mantissa << (7 + (1 - odd));
    let (mut root, mut rest) = (0u32, 0u32);
    for _ in 0..25 {
        rest = rest << 2 | digits >> 30;
        digits <<= 2;
        let step = root << 2 | 1;
        root <<= 1;
        if rest >= step {
            rest -= step;
            root |= 1;
        }
    }
    // The root is never half way between two numbers.
    let half = (exponent - 2 + odd - 24) / 2;
    f32::from_bits((((half + 151) as u32) << 23) + (((root + 1) >> 1) - 0x0080_0000))
}

/// The square root, correctly rounded: one digit after another.
pub(super) fn sqrt_f64(x: f64) -> f64 {
    if !(x > 0.0 && x < f64::INFINITY) {
        return if x < 0.0 { f64::NAN } else { x };
    }
    let subnormal = x < f64::MIN_POSITIVE;
    let bits = if subnormal { x * 18_014_398_509_481_984.0 } else { x }.to_bits();
    // x is mantissa * 2^exponent.
    let mantissa = bits & 0x000f_ffff_ffff_ffff | 0x0010_0000_0000_0000;
    let exponent = (bits >> 52) as i32 - 1075 - if subnormal { 54 } else { 0 };
    // Shifted to 56 bits and an even exponent, it has a root of 54 bits: one more than are kept.
    let odd = exponent & 1;
    let mut digits = mantissa << (10 + odd);
    let (mut root, mut rest) = (0u64, 0u64);
    for _ in 0..54 {
        rest = rest << 2 | digits >> 62;
        digits <<= 2;
        let step = root << 2 | 1;
        root <<= 1;
        if rest >= step {
            rest -= step;
            root |= 1;
        }
    }
    // The root is never half way between two numbers.
    let half = (exponent - odd - 54) / 2;
    f64::from_bits((((half + 1076) as u64) << 52) + (((root + 1) >> 1) - 0x0010_0000_0000_0000))
}
