// Rounding, signs, comparison, square roots of either float, by the bits of the numbers, and what is the same for both otherwise.

/// The magnitude of x.
pub(super) fn abs_Float(x: Float) -> Float {
    Float::from_bits(x.to_bits() & (Word::MAX >> 1))
}

/// The magnitude of x with the sign of y.
pub(super) fn copysign_Float(x: Float, y: Float) -> Float {
    Float::from_bits(x.to_bits() & (Word::MAX >> 1) | y.to_bits() & !(Word::MAX >> 1))
}

/// 1 or -1; a zero keeps its sign, NaN stays.
pub(super) fn sign_Float(x: Float) -> Float {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        x
    }
}

/// The larger; NaN if either is.
pub(super) fn max_Float(a: Float, b: Float) -> Float {
    if b > a || b.is_nan() { b } else { a }
}

/// The smaller; NaN if either is.
pub(super) fn min_Float(a: Float, b: Float) -> Float {
    if b < a || b.is_nan() { b } else { a }
}

/// The nearest whole number below.
pub(super) fn floor_Float(x: Float) -> Float {
    // Beyond this all numbers are whole; NaN stays.
    if abs_Float(x) < 1.0 / Float::EPSILON {
        let whole = x as Whole as Float;
        copysign_Float(if whole > x { whole - 1.0 } else { whole }, x)
    } else {
        x
    }
}

/// The nearest whole number above.
pub(super) fn ceil_Float(x: Float) -> Float {
    -floor_Float(-x)
}

/// The nearest whole number; of two the even one.
pub(super) fn round_Float(x: Float) -> Float {
    // Sums beyond this are rounded to whole numbers.
    const FAR: Float = 1.0 / Float::EPSILON;
    if abs_Float(x) < FAR { copysign_Float((abs_Float(x) + FAR) - FAR, x) } else { x }
}

/// The square root, correctly rounded: one digit after another.
pub(super) fn sqrt_Float(x: Float) -> Float {
    const DIGITS: u32 = Float::MANTISSA_DIGITS;
    const LEADING: Word = 1 << (DIGITS - 1);
    if !(x > 0.0 && x < Float::INFINITY) {
        return if x < 0.0 { Float::NAN } else { x };
    }
    let subnormal = x < Float::MIN_POSITIVE;
    let bits = if subnormal { x * (2.0 / Float::EPSILON) } else { x }.to_bits();
    // x is mantissa * 2^exponent.
    let mantissa = bits & (LEADING - 1) | LEADING;
    let above = Float::MAX_EXP - 2 + DIGITS as i32 + if subnormal { DIGITS as i32 } else { 0 };
    let exponent = (bits >> (DIGITS - 1)) as i32 - above;
    // Shifted to the upper bits and an even exponent, it has a root of one bit more than are kept.
    let odd = (exponent + DIGITS as i32 + 1) & 1;
    let mut digits = mantissa << (Word::BITS as i32 - DIGITS as i32 - 1 + odd);
    let (mut root, mut rest): (Word, Word) = (0, 0);
    for _ in 0..DIGITS + 1 {
        rest = rest << 2 | digits >> (Word::BITS - 2);
        digits <<= 2;
        let step = root << 2 | 1;
        root <<= 1;
        if rest >= step {
            rest -= step;
            root |= 1;
        }
    }
    // The root is never half way between two numbers.
    let half = (exponent - odd - DIGITS as i32 - 1) / 2 + Float::MAX_EXP - 1 + DIGITS as i32;
    Float::from_bits(((half as Word) << (DIGITS - 1)) + (((root + 1) >> 1) - LEADING))
}

/// x * 2^k, k within twice the range of exponents.
pub(super) fn times_power_Float(x: Float, k: i32) -> Float {
    // In two steps: neither power leaves the range of exponents, and only the second step may round.
    let power = |k: i32| Float::from_bits(((Float::MAX_EXP - 1 + k) as Word) << (Float::MANTISSA_DIGITS - 1));
    x * power(k / 2) * power(k - k / 2)
}

/// e to the power x, less 1.
pub(super) fn expm1_Float(x: Float) -> Float {
    if x < -38.0 {
        return -1.0;
    }
    if x > 88.0 {
        return exp_Float(x);
    }
    let (k, r) = less_log2s_Float(x);
    let power = times_power_Float(1.0, k);
    power * small_expm1_Float(r) + (power - 1.0)
}

/// 1 / (1 + e^-x).
pub(super) fn sigmoid_Float(x: Float) -> Float {
    let e = exp_Float(-abs_Float(x));
    if x < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }
}
