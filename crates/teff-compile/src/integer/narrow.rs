//! Multipliers of few bits that round right.

use super::affine::Affine;
use super::requantize::{Quantization, Rounding, factors};
use teff_graph::DType;

/// Bits of products, with which sums with what is added stay in 32.
const PRODUCT: u32 = 30;
/// Most bits of integers for which multipliers have the bits it takes, and which are few enough to try them all.
const MOST: u32 = 12;

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
        (a.bits() <= MOST).then_some(Narrow { a, ratios, low, high })
    }

    /// Multipliers with which every integer of the range becomes what it must, if there are.
    pub(super) fn rounding(&self) -> Option<Rounding> {
        let (m, n) = factors(self.ratios, (PRODUCT - self.a.bits()) as i32, PRODUCT as i32)?;
        let channels = m.len().max(self.a.fraction.len());
        let at = |i: usize| if m.len() > 1 { m[i] } else { m[0] };
        let starts: Option<Vec<(i64, i64)>> = (0..channels).map(|i| self.starts(i, at(i), n)).collect();
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
        let at = |all: &[f64]| if all.len() > 1 { all[i] } else { all.first().copied().unwrap_or(0.0) };
        let ratio = at(self.ratios);
        let exact = (ratio * 2f64.powi(n as i32)).fract() == 0.0;
        let y = (x as f64 + at(&self.a.fraction)) * ratio;
        let halfway = (y - y.floor() - 0.5).abs() <= 1e-11 * y.abs().max(1.0);
        let (least, most) = match (halfway, exact) {
            (true, false) => (y.floor(), y.ceil()),
            (true, true) => ((y.floor() + 0.5).round_ties_even(), (y.floor() + 0.5).round_ties_even()),
            (false, _) => (y.round(), y.round()),
        };
        ((least as i64).clamp(self.low, self.high), (most as i64).clamp(self.low, self.high))
    }
}
