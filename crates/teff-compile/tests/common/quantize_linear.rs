//! ONNX QuantizeLinear of float32 in whole numbers: `y = saturate((x / y_scale) + y_zero_point)`, where the quotient is a float32 and is
//! rounded to the nearest integer, halves to even.

/// A number larger than every integer that is wanted.
const HUGE: i64 = 1 << 40;

/// The integer for `x`; NaN becomes `zero`, as teff's evaluator has it.
pub(crate) fn quantize_linear(x: f32, scale: f32, zero: i64, low: i64, high: i64) -> i64 {
    let steps = if x.is_nan() {
        0
    } else if x.is_infinite() {
        HUGE
    } else {
        steps(x.abs(), scale)
    };
    (if x < 0.0 { zero - steps } else { zero + steps }).clamp(low, high)
}

/// `m * 2^e` of a positive float, subnormal ones too.
fn parts(x: f32) -> (u128, i32) {
    let (field, fraction) = (x.to_bits() >> 23, u128::from(x.to_bits() & 0x7f_ffff));
    if field == 0 { (fraction, -149) } else { (fraction | 0x80_0000, field as i32 - 150) }
}

/// The quotient of positive floats, rounded to a float and then to an integer.
fn steps(x: f32, scale: f32) -> i64 {
    let ((m, a), (s, b)) = (parts(x), parts(scale));
    let e = a - b;
    if m == 0 || e < -80 {
        return 0;
    }
    if e > 64 {
        return HUGE;
    }
    // The exact quotient is top / bottom.
    let (top, bottom) = (m << e.max(0), s << (-e).max(0));
    // To 24 bits: significand * 2^shift, where the quotient is between 2^23 and 2^24 of those units.
    let mut shift = (128 - top.leading_zeros() as i32) - (128 - bottom.leading_zeros() as i32) - 24;
    let scaled = |shift: i32| (top << (-shift).max(0), bottom << shift.max(0));
    while scaled(shift).0 / scaled(shift).1 >= 1 << 24 {
        shift += 1;
    }
    let (p, q) = scaled(shift);
    let significand = half_even(p, q);
    // To an integer.
    let whole = if shift >= 0 {
        significand << shift.min(40)
    } else {
        half_even(significand, 1 << (-shift).min(100))
    };
    i64::try_from(whole).map_or(HUGE, |n| n.min(HUGE))
}

/// The integer nearest to `p / q`, of two the even one.
fn half_even(p: u128, q: u128) -> u128 {
    let (n, rest) = (p / q, p % q);
    match (2 * rest).cmp(&q) {
        std::cmp::Ordering::Less => n,
        std::cmp::Ordering::Equal => n + n % 2,
        std::cmp::Ordering::Greater => n + 1,
    }
}

/// Scales of all kinds and exponents, `count` of them: powers of two, few bits (where ties are common), many ones, random.
pub(crate) fn scales(
    count: usize,
    next: &mut impl FnMut() -> u32,
    exponents: std::ops::Range<u32>,
) -> Vec<f32> {
    let one = |i: usize, bits: u32, place: u32| {
        let field = exponents.start + place % (exponents.end - exponents.start);
        let fraction = bits & 0x7f_ffff;
        let fraction = match i % 4 {
            0 => 0,
            1 => fraction & 0x7f_f000,
            2 => fraction | 0x7f_ff00,
            _ => fraction,
        };
        // Of subnormal numbers none is 0.
        f32::from_bits((field << 23 | fraction).max(1))
    };
    (0..count).map(|i| one(i, next(), next())).collect()
}

/// A float to quantise by `scale`: any bits, in range, at ties and next to them.
pub(crate) fn float(i: usize, scale: f32, widest: f64, next: &mut impl FnMut() -> u32) -> f32 {
    let unit = f64::from(next()) / 4_294_967_296.0 * 2.0 - 1.0;
    let near = |x: f32, by: u32| f32::from_bits(x.to_bits().wrapping_add(by % 5).wrapping_sub(2));
    match i % 4 {
        0 => f32::from_bits(next()),
        1 => (unit * widest * f64::from(scale)) as f32,
        2 => (((unit * widest).floor() + 0.5) * f64::from(scale)) as f32,
        _ => near((((unit * widest).floor() + 0.5) * f64::from(scale)) as f32, next()),
    }
}

/// Numbers from 0 to 2^32 - 1, evenly (Marsaglia's xorshift64).
pub(crate) fn noise(mut state: u64) -> impl FnMut() -> u32 {
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as u32
    }
}
