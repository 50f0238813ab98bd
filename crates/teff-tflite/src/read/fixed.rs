//! The runtimes' fixed-point arithmetic, composed of integer operations of the graph.
//!
//! Where a network keeps integers from one step to the next, a difference in the last bit would grow, so the states of SVDF and LSTM
//! are computed with exactly the runtimes' roundings: those of gemmlowp (`fixedpoint/fixedpoint.h`) and of
//! `MultiplyByQuantizedMultiplier` with two roundings (LiteRT and TFLM, `kernels/internal/common.cc`).

use teff_graph::{DType, Tensor};
use teff_reader::{Lowered, ensure, unsupported};

/// A positive factor as a 31-bit fraction and a power of two: `fraction / 2^31 * 2^shift`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Multiplier {
    fraction: i64,
    shift: i32,
}

impl Multiplier {
    /// The nearest to `factor`; too small to matter is 0.
    pub(crate) fn new(factor: f64) -> Lowered<Multiplier> {
        if factor == 0.0 {
            return Ok(Multiplier { fraction: 0, shift: 0 });
        }
        ensure!(factor.is_finite() && factor >= 0.0, "scales that ask for a factor of {factor}");
        let mut shift = factor.log2().floor() as i32 + 1;
        let mut fraction = (factor * 2f64.powi(31 - shift)).round() as i64;
        // The logarithm may be off by one beside a power of two.
        if fraction >= 1 << 31 {
            fraction /= 2;
            shift += 1;
        } else if fraction < 1 << 30 {
            shift -= 1;
            fraction = (factor * 2f64.powi(31 - shift)).round() as i64;
        }
        match shift {
            ..-31 => Ok(Multiplier { fraction: 0, shift: 0 }),
            -31..=30 => Ok(Multiplier { fraction, shift }),
            31.. => unsupported(format!("a rescaling by {factor}"), "quantise the model again"),
        }
    }

    /// i32 integers times this, rounded twice: to a multiple of 2^shift to nearest with halves up, then with halves away from zero.
    pub(crate) fn apply(self, x: &Tensor) -> Tensor {
        let (left, right) = (self.shift.max(0), -self.shift.min(0));
        let product = x.cast(DType::I64) * ((self.fraction << left) as f64);
        let high = shift_right(&(product + (1i64 << 30) as f64), 31);
        divide_by_power(&high, right).cast(DType::I32)
    }
}

fn shift_right(x: &Tensor, by: i32) -> Tensor {
    if by == 0 { x.clone() } else { x.shr(by) }
}

/// x / 2^exponent to the nearest integer, halves away from zero.
pub(crate) fn divide_by_power(x: &Tensor, exponent: i32) -> Tensor {
    if exponent == 0 {
        return x.clone();
    }
    let below_zero = shift_right(x, 8 * x.dtype().size() as i32 - 1);
    shift_right(&(x + (1i64 << (exponent - 1)) as f64 + below_zero), exponent)
}

/// Within the range of the type, and of that type.
pub(crate) fn saturated(x: &Tensor, dtype: DType) -> Tensor {
    let (low, high) = dtype.int_range().unwrap_or((0, 0));
    x.clip(low as f64, high as f64).cast(dtype)
}

/// The product of 16-bit fractions in [-1, 1), held as i32.
fn product(a: &Tensor, b: impl teff_graph::Operand) -> Tensor {
    let ab = a * b;
    shift_right(&(ab + f64::from(1 << 14)), 15)
}

/// A constant that gemmlowp gives for 32-bit words, for 16-bit ones.
fn constant(word: i32) -> f64 {
    let half = if word < 0 { (1 << 15) - 1 } else { 1 << 15 };
    f64::from((i64::from(word) + half).checked_shr(16).unwrap_or(0) as i32)
}

/// The largest 16-bit fraction, which stands for 1.
const ONE: f64 = 32767.0;

/// e to the power of `a` in [-1/4, 0), a 16-bit fraction: the Taylor series around -1/8.
fn exp_in_last_quarter(a: &Tensor) -> Tensor {
    let x = a + f64::from(1 << 12);
    let x2 = product(&x, &x);
    let x3 = product(&x2, &x);
    let x4 = product(&x2, &x2);
    let thirds = product(&(divide_by_power(&x4, 2) + x3), constant(715_827_883));
    let tail = divide_by_power(&(thirds + x2), 1);
    let middle = x.full_like(constant(1_895_147_668));
    (&middle + product(&middle, &(x + tail))).clip(-32768.0, ONE)
}

/// e to the power of `a`, not above 0, a 16-bit number with `bits` bits before the point: a 16-bit fraction.
fn exp_not_positive(a: &Tensor, bits: i32) -> Tensor {
    let fraction_bits = 15 - bits;
    let quarter = f64::from(1 << (fraction_bits - 2));
    let rest = a.and(quarter - 1.0) - quarter;
    let mut y = exp_in_last_quarter(&(&rest * f64::from(1 << bits)));
    // The quarters that were left out, as a binary number: a factor for each bit.
    let quarters = rest - a;
    let factors = [1_672_461_947, 1_302_514_674, 790_015_084, 290_630_308, 39_332_535, 720_401, 242];
    for (exponent, factor) in (-2..).zip(factors).filter(|&(exponent, _)| bits > exponent) {
        let bit = quarters.and(f64::from(1 << (fraction_bits + exponent)));
        y = bit.equal(0.0).select(&y, product(&y, constant(factor)));
    }
    if bits > 5 {
        y = a.less(-f64::from(1 << (20 - bits))).select(0.0, &y);
    }
    a.equal(0.0).select(ONE, &y)
}

/// 2 / (1 + a) for a 16-bit fraction `a` in [0, 1], with two bits before the point: three steps of Newton and Raphson.
fn two_over_one_plus(a: &Tensor) -> Tensor {
    let half = shift_right(&(a + 32768.0), 1);
    let mut x = product(&half, constant(-1_010_580_540)) + constant(1_515_870_810);
    for _ in 0..3 {
        let error = 8192.0 - product(&half, &x);
        x = &x + product(&x, &error) * 4.0;
    }
    x
}

/// 1 / (1 + exp(-x)) of a 16-bit number with three bits before the point: a 16-bit fraction. In i32, as all of these.
pub(crate) fn logistic(x: &Tensor) -> Tensor {
    let up = (two_over_one_plus(&exp_not_positive(&-x.abs(), 3)) * 2.0).clip(-32768.0, ONE);
    let either = x.greater(0.0).select(&up, ONE - &up);
    x.equal(0.0).select(16384.0, &either)
}

/// The hyperbolic tangent of a 16-bit number with `bits` bits before the point: a 16-bit fraction.
pub(crate) fn tanh(x: &Tensor, bits: i32) -> Tensor {
    let down = -x.abs();
    // The exponential of twice the number is that of the same word with one more bit before the point.
    let y = ((two_over_one_plus(&exp_not_positive(&down, bits + 1)) - 8192.0) * 4.0).clip(-32768.0, ONE);
    x.equal(0.0).select(0.0, x.less(0.0).select(-&y, &y))
}
