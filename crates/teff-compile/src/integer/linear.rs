//! Sums and products of integers with scales.

use super::affine::{Affine, Scale};
use teff_graph::{Binary, ConvGeometry, DType, Tensor};

/// A matrix product; `weights` are the elements of b when they are known.
pub(super) fn matmul(a: &Affine, b: &Affine, weights: Option<Vec<i64>>) -> Option<Affine> {
    let (rank, shape) = (b.q.rank(), b.q.shape());
    let (k, n) = (shape[rank - 2], shape[rank - 1]);
    let (sa, last) = (a.scale.single()?, rank - 1);
    if b.scale.values.len() > 1 && b.scale.axis != last {
        return None;
    }
    let scale = Scale { axis: last, values: b.scale.values.iter().map(|s| s * sa).collect() };
    let column = |w: &[i64], j: usize| -> Vec<i64> { w.iter().skip(j).step_by(n).copied().collect() };
    // Weights that differ along a batch have no one offset for a column.
    let columns: Option<Vec<Vec<i64>>> =
        weights.filter(|w| w.len() == k * n).map(|w| (0..n).map(|j| column(&w, j)).collect());
    // Where the least integer stands for 0, as for pictures and behind a rectifier, many inputs are 0, and kernels skip those.
    let least = a.q.dtype().int_range().is_some_and(|(low, _)| low == i128::from(a.zero));
    let a = if least && a.offset.is_empty() && a.zero != 0 { a.settled() } else { a.clone() };
    product_of(&a, b, columns, k, scale, |a, b| a.matmul(b))
}

/// A convolution; `weights` are those of each channel, one after another, when they are known.
pub(super) fn conv(
    a: &Affine,
    w: &Affine,
    geometry: &ConvGeometry,
    weights: Option<Vec<i64>>,
) -> Option<Affine> {
    let sa = a.scale.single()?;
    if w.scale.values.len() > 1 && w.scale.axis != 0 {
        return None;
    }
    let scale = Scale { axis: 1, values: w.scale.values.iter().map(|s| s * sa).collect() };
    let k: usize = w.q.shape()[1..].iter().product();
    let channels = weights.map(|w| w.chunks_exact(k.max(1)).map(<[i64]>::to_vec).collect());
    let padded = geometry.pad_low.iter().chain(&geometry.pad_high).any(|p| *p != 0);
    // What is put around is 0, so that `a` must be without its zero.
    let a = if padded && (a.zero != 0 || !a.offset.is_empty()) { a.settled() } else { a.clone() };
    product_of(&a, w, channels, k, scale, |a, w| a.conv_general(w, geometry.clone()))
}

/// Sums of `k` products. `columns` are the weights that go into each channel of the result.
fn product_of(
    a: &Affine,
    b: &Affine,
    columns: Option<Vec<Vec<i64>>>,
    k: usize,
    scale: Scale,
    multiply: impl Fn(&Tensor, &Tensor) -> Tensor,
) -> Option<Affine> {
    let Some(columns) = columns else {
        let bound = a.bound().checked_mul(b.bound())?.checked_mul(k as i64)?;
        let q = multiply(&a.int(), &b.int());
        let range = (-bound, bound);
        return (bound < 1 << 31).then_some(Affine { q, zero: 0, offset: Vec::new(), scale, range });
    };
    // In 128 bits: what a file says may be anything.
    let reach = |w: &Vec<i64>| -> (i128, i128) {
        let (low, high) = (i128::from(a.range.0), i128::from(a.range.1));
        let least = w.iter().map(|w| (i128::from(*w) * low).min(i128::from(*w) * high)).sum::<i128>();
        let most = w.iter().map(|w| (i128::from(*w) * low).max(i128::from(*w) * high)).sum::<i128>();
        (least.min(0), most.max(0))
    };
    let range = columns.iter().map(reach).fold((0, 0), |r, x| (r.0.min(x.0), r.1.max(x.1)));
    if range.0.abs().max(range.1) >= 1 << 31 {
        return None;
    }
    let range = (range.0 as i64, range.1 as i64);
    if !a.offset.is_empty() {
        let q = multiply(&a.int(), &b.int());
        return Some(Affine { q, zero: 0, offset: Vec::new(), scale, range });
    }
    // The zero of `a` is taken off once for each sum, not once for each product. Only the last 32 bits of an offset count.
    let q = multiply(&a.q.cast(DType::I32), &b.int());
    let offset: Vec<i64> = columns
        .iter()
        .map(|w| w.iter().fold(0i64, |sum, w| sum.wrapping_add(*w)).wrapping_mul(-i64::from(a.zero)))
        .collect();
    Some(Affine { q, zero: 0, offset, scale, range })
}

/// a + b or a - b, on the larger scale divided by a power of two that leaves room in 31 bits.
pub(super) fn sum(a: &Affine, b: &Affine, op: Binary) -> Option<Affine> {
    let subtract = op == Binary::Sub;
    let join = |x: &Tensor, y: &Tensor| if subtract { x - y } else { x + y };
    let reach = |x: (i64, i64), y: (i64, i64)| {
        if subtract { (x.0 - y.1, x.1 - y.0) } else { (x.0 + y.0, x.1 + y.1) }
    };
    if a.scale == b.scale {
        let q = join(&a.int(), &b.int());
        return Some(Affine {
            q,
            zero: 0,
            offset: Vec::new(),
            scale: a.scale.clone(),
            range: reach(a.range, b.range),
        });
    }
    let (sa, sb) = (a.scale.single()?, b.scale.single()?);
    let total = (a.bound() as f64 * sa + b.bound() as f64 * sb) / sa.max(sb);
    let bits = 29 - total.log2().ceil() as i32;
    if bits < 16 {
        return None;
    }
    let unit = sa.max(sb) / 2f64.powi(bits.min(24));
    let (ma, mb) = ((sa / unit).round(), (sb / unit).round());
    if ma < 256.0 || mb < 256.0 {
        return None;
    }
    let q = join(&(&a.int() * ma), &(&b.int() * mb));
    let times = |r: (i64, i64), m: f64| (r.0 * m as i64, r.1 * m as i64);
    let range = reach(times(a.range, ma), times(b.range, mb));
    Some(Affine { q, zero: 0, offset: Vec::new(), scale: Scale { axis: 0, values: vec![unit] }, range })
}

/// a * b, element by element.
pub(super) fn product(a: &Affine, b: &Affine) -> Option<Affine> {
    let scale = a.scale.single()? * b.scale.single()?;
    let bound = a.bound().checked_mul(b.bound()).filter(|n| *n < 1 << 31)?;
    let q = &a.int() * &b.int();
    let scale = Scale { axis: 0, values: vec![scale] };
    Some(Affine { q, zero: 0, offset: Vec::new(), scale, range: (-bound, bound) })
}
