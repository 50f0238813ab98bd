//! The one place where integers are brought from one scale to another.
//!
//! `y = clamp(round(a * r) + zero, low, high)` with r = (scale of a) / (scale of y), where r is m / 2^n with an integer m of up to 31
//! bits, so that the result is `(a * m + 2^(n-1)) >> n`: rounded to nearest, halves upwards. Where r is a power of two or a sum of
//! few of them, a product can lie exactly between two integers; then halves go to the even one, as ONNX rounds, for as long as
//! m has at most 8 significant bits. Products of a few bits stay in 32 bits.

use super::affine::{Affine, along};
use teff_graph::{DType, Op, Tensor};

/// What the result is.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) dtype: DType,
    pub(super) low: i32,
    pub(super) high: i32,
    pub(super) scale: f64,
    pub(super) zero: i32,
}

/// The multipliers m, and n.
struct Factors {
    m: Vec<i64>,
    n: u32,
}

impl Factors {
    /// `bits` is the most that m may have.
    fn of(ratios: &[f64], bits: i32) -> Option<Factors> {
        let largest = ratios.iter().copied().fold(0.0, f64::max);
        if largest <= 0.0 || !largest.is_finite() {
            return None;
        }
        // largest * 2^n is less than 2^bits.
        let n = (bits - 1 - largest.log2().floor() as i32).min(61);
        if n < 1 {
            return None;
        }
        let mut m: Vec<i64> = ratios.iter().map(|r| (r * 2f64.powi(n)).round() as i64).collect();
        let mut n = n as u32;
        while n > 1 && m.iter().all(|x| x % 2 == 0) {
            m.iter_mut().for_each(|x| *x /= 2);
            n -= 1;
        }
        m.iter().all(|x| *x < 1 << 31).then_some(Factors { m, n })
    }

    /// Whether products can lie exactly between two integers.
    fn has_ties(&self, ratios: &[f64]) -> bool {
        let exact = |(m, r): (&i64, &f64)| *m < 1 << 8 && *m as f64 / 2f64.powi(self.n as i32) == *r;
        self.m.iter().zip(ratios).any(exact)
    }
}

/// The integers of `target` for what `a` stands for; `None` when the scales are too far apart.
pub(super) fn requantize(a: &Affine, target: &Target) -> Option<Tensor> {
    let ratios: Vec<f64> = a.scale.values.iter().map(|s| s / target.scale).collect();
    if ratios == [1.0] {
        let whole = target.dtype.int_range() == Some((target.low.into(), target.high.into()));
        if whole && a.q.dtype() == target.dtype && a.zero == target.zero && a.offset.is_empty() {
            return Some(a.q.clone());
        }
        return Some(clamped(&a.int(), target));
    }
    // Sums of products stay below 2^30, if that leaves m at least 18 bits.
    let own = 64 - (a.bound().max(1) as u64).leading_zeros() as i32;
    let narrow = 30 - own;
    let (factors, wide) = match narrow {
        18.. => (Factors::of(&ratios, narrow)?, false),
        _ => (Factors::of(&ratios, 31)?, true),
    };
    let dtype = if wide { DType::I64 } else { DType::I32 };
    let x = a.int();
    let m = along(factors.m.iter().map(|m| *m as i32).collect(), a.scale.axis, x.rank()).cast(dtype);
    let n = f64::from(factors.n);
    let half = 2f64.powi(factors.n as i32 - 1);
    let product = x.cast(dtype) * m;
    let rounded = if factors.has_ties(&ratios) {
        let odd = Tensor::apply(
            Op::Binary(teff_graph::Binary::And),
            &[shifted(&product, n), product.full_like(1.0)],
        );
        shifted(&(&(&product + odd) + (half - 1.0)), n)
    } else {
        shifted(&(&product + half), n)
    };
    Some(clamped(&rounded.cast(DType::I32), target))
}

/// x / 2^n, towards minus infinity.
fn shifted(x: &Tensor, n: f64) -> Tensor {
    Tensor::apply(Op::Binary(teff_graph::Binary::Shr), &[x.clone(), x.full_like(n)])
}

fn clamped(x: &Tensor, target: &Target) -> Tensor {
    let x = if target.zero == 0 { x.clone() } else { x + target.zero };
    x.clip(f64::from(target.low), f64::from(target.high)).cast(target.dtype)
}
