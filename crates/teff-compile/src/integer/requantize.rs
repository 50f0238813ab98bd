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

use super::affine::{Affine, MOST, along, at};
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

/// Bits of products, with which sums with what is added stay in 32.
const PRODUCT: u32 = 30;
/// Most bits of integers for which multipliers have the bits it takes, and which are few enough to try them all.
const NARROW: u32 = 12;

/// Integers of few bits, and what is to become of each.
pub(super) struct Narrow<'a> {
    a: &'a Affine,
    ratios: &'a [f64],
    /// Bounds of the results, without the zero point.
    low: i64,
    high: i64,
}

impl<'a> Narrow<'a> {
    /// Of integers that are narrow enough.
    pub(super) fn new(a: &'a Affine, ratios: &'a [f64], target: &Quantization) -> Option<Narrow<'a>> {
        let bound = |x: i32| i64::from(x) - i64::from(target.zero);
        let (low, high) = (bound(target.low), bound(target.high));
        (a.bits() <= NARROW).then_some(Narrow { a, ratios, low, high })
    }

    /// Multipliers with which every integer of the range becomes what it must, if there are.
    pub(super) fn rounding(&self) -> Option<Rounding> {
        let (m, n) = factors(self.ratios, (PRODUCT - self.a.bits()) as i32, PRODUCT as i32)?;
        let channels = m.len().max(self.a.fraction.len());
        let starts: Option<Vec<(i64, i64)>> = (0..channels).map(|i| self.starts(i, at(&m, i), n)).collect();
        let Some(starts) = starts else { return self.with_halves(m, n) };
        let half = 1i64 << (n - 1);
        let common = starts.iter().fold((i64::MIN, i64::MAX), |c, r| (c.0.max(r.0), c.1.min(r.1)));
        let c = match common.0 <= common.1 {
            true => vec![half.clamp(common.0, common.1)],
            false => starts.iter().map(|r| half.clamp(r.0, r.1)).collect(),
        };
        // What all multipliers have below their last bit is of no use.
        let spare = m.iter().map(|m| m.trailing_zeros()).min().unwrap_or(0).min(n - 1);
        let less = |all: Vec<i64>| all.into_iter().map(|x| x >> spare).collect();
        Some(Rounding { m: less(m), c: less(c), n: n - spare, dtype: DType::I32 })
    }

    /// The same of factors that are exact, with halves told apart.
    fn with_halves(&self, m: Vec<i64>, n: u32) -> Option<Rounding> {
        let rounded = |m: i64, x: i64| (x * m + ((x * m) >> n & 1) + (1 << (n - 1)) - 1) >> n;
        let fits = |i: usize, x: i64| {
            let (least, most) = self.wanted(i, x, n);
            (least..=most).contains(&rounded(m[i], x).clamp(self.low, self.high))
        };
        let right = self.a.fraction.is_empty()
            && (0..m.len()).all(|i| (self.a.range.0..=self.a.range.1).all(|x| fits(i, x)));
        let spare = m.iter().map(|m| m.trailing_zeros()).min()?.min(n - 1);
        let m = m.into_iter().map(|m| m >> spare).collect();
        right.then_some(Rounding { m, c: Vec::new(), n: n - spare, dtype: DType::I32 })
    }

    /// The least and the largest c with which `(x * m + c) >> n` is right for every x of channel `i`.
    fn starts(&self, i: usize, m: i64, n: u32) -> Option<(i64, i64)> {
        let mut starts = (-1i64 << PRODUCT, 1i64 << PRODUCT);
        for x in self.a.range.0..=self.a.range.1 {
            let (least, most) = self.wanted(i, x, n);
            // What lies beyond a bound becomes the bound.
            if least > self.low {
                starts.0 = starts.0.max((least << n) - x * m);
            }
            if most < self.high {
                starts.1 = starts.1.min(((most + 1) << n) - 1 - x * m);
            }
        }
        (starts.0 <= starts.1).then_some(starts)
    }

    /// What x of channel `i` may become: one integer, or one of two where it is as good as halfway between them. Factors of so many bits
    /// behind the point say exactly where that is: then it is the even one.
    fn wanted(&self, i: usize, x: i64, n: u32) -> (i64, i64) {
        let ratio = at(self.ratios, i);
        let exact = (ratio * 2f64.powi(n as i32)).fract() == 0.0;
        let y = (x as f64 + at(&self.a.fraction, i)) * ratio;
        let halfway = (y - y.floor() - 0.5).abs() <= 1e-11 * y.abs().max(1.0);
        let (least, most) = match (halfway, exact) {
            (true, false) => (y.floor(), y.ceil()),
            (true, true) => ((y.floor() + 0.5).round_ties_even(), (y.floor() + 0.5).round_ties_even()),
            (false, _) => (y.round(), y.round()),
        };
        ((least as i64).clamp(self.low, self.high), (most as i64).clamp(self.low, self.high))
    }
}
