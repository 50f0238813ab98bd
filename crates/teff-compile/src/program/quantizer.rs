//! From a float to the integer that stands for it, as ONNX QuantizeLinear defines it, in integer arithmetic.
//!
//! The quotient x / scale is the float nearest to the exact one; that is rounded to the nearest integer, halves to even. Generated code
//! has it by the bits of the two floats, in about 75 cycles on a Cortex-M0+, where a division and a rounding of software floats take
//! 1 000. Of positive x (negative ones are their mirror image):
//!
//! - x = m 2^e' and scale = s 2^e'' with m, s in [2^23, 2^24), so that the exact quotient is r = m / s 2^e, e = e' - e'', between 2^(e-1)
//!   and 2^(e+1). With e < -1 it is below 1/2, and no such quotient is rounded to 1/2: the result is 0. With e above 8 (16 for integers
//!   of 16 bits) it is more than 2^8 (2^16), so that the result is the least or the largest integer whatever the zero point.
//! - Otherwise k = floor(r'), where r' <= r comes from the reciprocal ⌊(2^55 - 1) / s⌋, a table's value. For 8 bits the upper 16 bits of m
//!   and of the reciprocal are multiplied: each is short by less than 2^-15 of itself, so r - r' < 2^-14 r < 2^-5, as r < 2^9. For 16
//!   bits the product of 32 bits is short by less than 2^-30 r < 2^-13. So k <= r < k + 1 + 2^-5.
//! - Which of k and k + 1 is nearer is decided exactly: d = m 2^(e+1) - s (2k + 1) has the sign of r - (k + 1/2), and as |d| < 2^25, 32
//!   bits that wrap hold it. The float nearest to r is k + 1/2 itself where |r - (k + 1/2)| is less than half a unit in the last
//!   place, 2^(j-24) with j = ⌊log2 r⌋, which is e if m >= s, else e - 1: where |d| < s 2^(j-23). No quotient of floats lies in the middle
//!   between two floats, so for the integer d that is |d| <= ⌊s 2^(j-23)⌋ = near. Then the even one is taken: k + 1 where k is odd,
//!   for which d > -near - 1 = ~near is the test, and k otherwise, for which d > near is.
//!
//! Scales below 2^-100 or from 2^100 on are brought near 1 first, and x by the same power of two: that is exact but for x so large or so
//! small that the result is clear, and nothing else need be said of subnormal numbers.

use teff_graph::DType;
use teff_graph::facts::Quantization;

/// How an f32 becomes an integer of 8 or 16 bits: clamp(round_half_even(x / scale) + zero, low, high); NaN becomes `zero`, as in the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Quantizer {
    /// The bits of the scale, a positive f32.
    scale: u32,
    zero: i32,
    low: i32,
    high: i32,
    dtype: DType,
}

impl Quantizer {
    /// For a positive finite scale and results of at most 16 bits that have the zero point; nothing otherwise.
    pub fn new(scale: f32, zero: i32, (low, high): (i32, i32), dtype: DType) -> Option<Quantizer> {
        let (least, most) = dtype.int_range().filter(|_| dtype.is_int() && dtype.size() <= 2)?;
        let holds = |n: i32| (least..=most).contains(&i128::from(n));
        let usable =
            scale > 0.0 && scale.is_finite() && holds(low) && holds(high) && low <= high && holds(zero);
        usable.then(|| Quantizer { scale: scale.to_bits(), zero, low, high, dtype })
    }

    /// For each of the scales of an end; nothing where one of them cannot be used.
    pub(crate) fn all(of: &Quantization) -> Option<Vec<Quantizer>> {
        if of.scale.dtype() != DType::F32 {
            return None;
        }
        let one = |i| {
            Quantizer::new(
                of.scale.get(i).as_f64() as f32,
                of.zero.get(i).as_int() as i32,
                of.range,
                of.dtype,
            )
        };
        (0..of.scale.len()).map(one).collect()
    }

    /// The integers' type.
    pub fn dtype(self) -> DType {
        self.dtype
    }

    /// The scale.
    pub fn scale(self) -> f32 {
        f32::from_bits(self.scale)
    }

    /// The integer for 0.
    pub fn zero(self) -> i32 {
        self.zero
    }

    /// The least and the largest integer.
    pub fn range(self) -> (i32, i32) {
        (self.low, self.high)
    }

    /// The result, by a division of floats.
    pub fn quantize(self, x: f32) -> i32 {
        let ratio = (x / self.scale()).round_ties_even();
        // A NaN becomes 0, what is too large the largest.
        (ratio as i32).saturating_add(self.zero).clamp(self.low, self.high)
    }

    /// What scale and x are multiplied by before: a power of two.
    pub(crate) fn factor(self) -> f32 {
        match self.scale() {
            s if s < 2f32.powi(-100) => 2f32.powi(64),
            s if s >= 2f32.powi(100) => 2f32.powi(-64),
            _ => 1.0,
        }
    }

    /// The bits of the scale times `factor`.
    pub(crate) fn scale_bits(self, factor: f32) -> u32 {
        (self.scale() * factor).to_bits()
    }

    /// ⌊(2^55 - 1) / s⌋, s being the scale's 24 bits.
    pub(crate) fn reciprocal(self, factor: f32) -> u32 {
        let s = self.scale_bits(factor) & 0x7f_ffff | 0x80_0000;
        (((1u64 << 55) - 1) / u64::from(s)) as u32
    }

    /// Bits of the results: 8 or 16.
    pub(crate) fn bits(self) -> usize {
        8 * self.dtype.size()
    }
}
