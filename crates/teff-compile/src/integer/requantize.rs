//! The one place where integers are brought from one scale to another.
//!
//! `y = clamp(round(a * r) + zero, low, high)` with r = (scale of a) / (scale of y), where r is m / 2^n with an integer m, so that the
//! result is `(a * m + c) >> n`. Rounding is to nearest, halves to the even integer as ONNX has it:
//!
//! - Products of 30 bits take m, n and c with which the result is right for every a that there can be ([`Narrow`]); c holds what an offset
//!   of a has besides whole numbers.
//! - Where there are none, or products are wider, m has 31 bits and c is 2^(n-1): right but where a product lies within 2^-31 of the range
//!   of a from the border between two integers. An offset's fraction is in a, in smaller steps.
//! - Where r is a power of two or a sum of few of them, a product can lie on that border; then halves are told apart.

use super::affine::{Affine, MOST, along};
use super::narrow::Narrow;
use teff_graph::{Binary, DType, Op, Tensor};

/// What the result is.
#[derive(Clone)]
pub(super) struct Quantization {
    pub(super) dtype: DType,
    pub(super) low: i32,
    pub(super) high: i32,
    pub(super) scale: f64,
    pub(super) zero: i32,
}

/// How integers become those of another scale: `(a * m + c) >> n`, for each channel or for all.
pub(super) struct Rounding {
    pub(super) m: Vec<i64>,
    /// When it is empty halves are told apart: 2^(n-1) is added where the integer below is odd, one less where it is even.
    pub(super) c: Vec<i64>,
    pub(super) n: u32,
    pub(super) dtype: DType,
}

/// The integers of `target` for what `a` stands for; `None` when the scales are too far apart.
pub(super) fn requantize(a: &Affine, target: &Quantization) -> Option<Tensor> {
    let ratios: Vec<f64> = a.scale.values.iter().map(|s| s / target.scale).collect();
    if ratios == [1.0] && a.fraction.is_empty() {
        let whole = target.dtype.int_range() == Some((target.low.into(), target.high.into()));
        if whole && a.q.dtype() == target.dtype && a.zero == target.zero && a.offset.is_empty() {
            return Some(a.q.clone());
        }
        return Some(clamped(&a.int(), target));
    }
    if let Some(rounding) = Narrow::new(a, &ratios, target).and_then(|n| n.rounding()) {
        return Some(clamped(&rounding.of(&a.int(), a.scale.axis).cast(DType::I32), target));
    }
    let a = match a.fraction.is_empty() {
        true => a.settled(MOST),
        false => a.refined(a.finer(MOST)),
    };
    let ratios: Vec<f64> = a.scale.values.iter().map(|s| s / target.scale).collect();
    let (m, n) = factors(&ratios, 31, 61)?;
    let spare = m.iter().map(|m| m.trailing_zeros()).min()?.min(n - 1);
    let (m, n) = (m.into_iter().map(|m| m >> spare).collect::<Vec<i64>>(), n - spare);
    // A channel has halves if its factor is exact and a product can have half the last bit that is shifted out.
    let exact = |(m, r): (&i64, &f64)| *m as f64 / 2f64.powi(n as i32) == *r;
    let reach = |m: i64| n > m.trailing_zeros() && a.bits() >= n - m.trailing_zeros();
    let halves = m.iter().zip(&ratios).any(|(m, r)| exact((m, r)) && reach(*m));
    let c = if halves { Vec::new() } else { vec![1 << (n - 1)] };
    let rounded = Rounding { m, c, n, dtype: DType::I64 }.of(&a.q, a.scale.axis);
    // Steps so small that the largest result has more than 32 bits.
    let beyond = a.bound() as f64 * ratios.iter().copied().fold(0.0, f64::max) >= 2f64.powi(30);
    let bound = |x: i32| f64::from(x) - f64::from(target.zero);
    let rounded = if beyond { rounded.clip(bound(target.low), bound(target.high)) } else { rounded };
    Some(clamped(&rounded.cast(DType::I32), target))
}

/// Multipliers m of at most `bits` bits and the n, at most `places`, for which ratios are nearest to m / 2^n.
pub(super) fn factors(ratios: &[f64], bits: i32, places: i32) -> Option<(Vec<i64>, u32)> {
    let largest = ratios.iter().copied().fold(0.0, f64::max);
    if largest <= 0.0 || !largest.is_finite() {
        return None;
    }
    // largest * 2^n is less than 2^bits, but may be rounded to that.
    let n = (bits - 1 - largest.log2().floor() as i32).min(places);
    let n = if (largest * 2f64.powi(n)).round() < 2f64.powi(bits) { n } else { n - 1 };
    let m = ratios.iter().map(|r| (r * 2f64.powi(n)).round() as i64).collect();
    (n >= 1).then_some((m, n as u32))
}

impl Rounding {
    fn of(&self, x: &Tensor, axis: usize) -> Tensor {
        let along = |all: &[i64], dtype: DType| {
            let all = if all.iter().all(|x| *x == all[0]) { &all[..1] } else { all };
            along(all.iter().map(|x| *x as i32).collect(), axis, x.rank()).cast(dtype)
        };
        if let Some((m, n)) = self.by_upper_half() {
            let m = along(&m, DType::I32).broadcast_to(x.shape());
            let high = Tensor::apply(Op::Binary(Binary::MulHigh), &[x.cast(DType::I32), m]);
            return shifted(&(high + f64::from(1 << (n - 1))), f64::from(n));
        }
        let n = f64::from(self.n);
        let product = x.cast(self.dtype) * along(&self.m, self.dtype);
        let half = 2f64.powi(self.n as i32 - 1);
        let rounded = match self.c[..] {
            [] => {
                let one = product.full_like(1.0);
                let odd = Tensor::apply(Op::Binary(Binary::And), &[shifted(&product, n), one]);
                &(&product + odd) + (half - 1.0)
            }
            [c] => &product + c as f64,
            _ => &product + &along(&self.c, self.dtype),
        };
        shifted(&rounded, n)
    }

    /// The same by the upper 32 bits of the product alone, as multipliers and what these are to be shifted by further: where c has no bits in
    /// the lower half, what is shifted out of that carries nothing. A shift of less than 33 takes a power of two into the multipliers.
    fn by_upper_half(&self) -> Option<(Vec<i64>, u32)> {
        let nearest = self.dtype == DType::I64 && self.c == [1 << (self.n - 1)];
        let up = 33u32.saturating_sub(self.n);
        let m: Vec<i64> = self.m.iter().map(|m| m << up).collect();
        (nearest && m.iter().all(|m| (0..1 << 31).contains(m))).then_some((m, self.n + up - 32))
    }
}

/// x / 2^n, towards minus infinity.
fn shifted(x: &Tensor, n: f64) -> Tensor {
    Tensor::apply(Op::Binary(Binary::Shr), &[x.clone(), x.full_like(n)])
}

fn clamped(x: &Tensor, target: &Quantization) -> Tensor {
    let x = if target.zero == 0 { x.clone() } else { x + target.zero };
    x.clip(f64::from(target.low), f64::from(target.high)).cast(target.dtype)
}
