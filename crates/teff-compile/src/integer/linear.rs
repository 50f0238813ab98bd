//! Sums and products of integers with scales.

use super::affine::{Affine, MOST, Scale, at};
use teff_graph::{Binary, ConvGeometry, DType, Tensor};

/// A matrix product; `weights` are the elements of b when they are known.
pub(super) fn matmul(a: &Affine, b: &Affine, weights: Option<Vec<i64>>) -> Option<Affine> {
    let (rank, shape) = (b.q.rank(), b.q.shape());
    let (k, n) = (shape[rank - 2], shape[rank - 1]);
    let (a, b) = (&whole(a, b, k)?, &whole(b, a, k)?);
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
    let a = if least && a.offset.is_empty() && a.zero != 0 { a.settled(MOST) } else { a.clone() };
    product_of(&a, b, columns, k, scale, |a, b| a.matmul(b))
}

/// A convolution; `weights` are those of each channel, one after another, when they are known.
pub(super) fn conv(
    a: &Affine,
    w: &Affine,
    geometry: &ConvGeometry,
    weights: Option<Vec<i64>>,
) -> Option<Affine> {
    let k: usize = w.q.shape()[1..].iter().product();
    let (a, w) = (&whole(a, w, k)?, &whole(w, a, k)?);
    let sa = a.scale.single()?;
    if w.scale.values.len() > 1 && w.scale.axis != 0 {
        return None;
    }
    let scale = Scale { axis: 1, values: w.scale.values.iter().map(|s| s * sa).collect() };
    let channels = weights.map(|w| w.chunks_exact(k.max(1)).map(<[i64]>::to_vec).collect());
    let padded = geometry.pad_low.iter().chain(&geometry.pad_high).any(|p| *p != 0);
    // What is put around is 0, so that `a` must be without its zero.
    let a = if padded && (a.zero != 0 || !a.offset.is_empty()) { a.settled(MOST) } else { a.clone() };
    product_of(&a, w, channels, k, scale, |a, w| a.conv_general(w, geometry.clone()))
}

/// A transposed convolution; `weights` are those of each of its inputs, one after another, when they are known.
pub(super) fn conv_transpose(
    y: &Affine,
    w: &Affine,
    geometry: &ConvGeometry,
    spatial: &[usize],
    weights: Option<Vec<i64>>,
) -> Option<Affine> {
    let shape = w.q.shape();
    let (inputs, outputs) = (shape[0] / geometry.groups, shape[1]);
    let taps: usize = shape[2..].iter().product();
    let k = inputs * taps;
    let (y, w) = (&whole(y, w, k)?, &whole(w, y, k)?);
    let sy = y.scale.single()?;
    if w.scale.values.len() > 1 && w.scale.axis != 1 {
        return None;
    }
    // Channels of all groups, one group after another.
    let groups = if w.scale.values.len() > 1 { geometry.groups } else { 1 };
    let scale = Scale { axis: 1, values: w.scale.values.repeat(groups).iter().map(|s| s * sy).collect() };
    let of_channel = |weights: &[i64], channel: usize| -> Vec<i64> {
        let first = channel / outputs * inputs;
        let of = |input: usize| &weights[((first + input) * outputs + channel % outputs) * taps..][..taps];
        (0..inputs).flat_map(of).copied().collect()
    };
    let channels =
        weights.map(|w| (0..outputs * geometry.groups).map(|channel| of_channel(&w, channel)).collect());
    // Not every element is seen through every tap, so that `y` must be without its zero.
    let y = if y.zero != 0 || !y.offset.is_empty() { y.settled(MOST) } else { y.clone() };
    product_of(&y, w, channels, k, scale, |y, w| y.conv_adjoint(w, geometry.clone(), spatial))
}

/// `a` without a fraction, in steps that leave room for sums of `k` products with `b`; `None` where that would keep little of the fraction.
fn whole(a: &Affine, b: &Affine, k: usize) -> Option<Affine> {
    if a.fraction.is_empty() {
        return Some(a.clone());
    }
    let room = MOST.saturating_sub(b.bits() + usize::BITS - k.leading_zeros());
    (a.bits() + 9 <= room).then(|| a.refined(a.finer(room)))
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
        return Some(Affine { scale, ..Affine::of(q, (-bound, bound)) });
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
        return Some(Affine { scale, ..Affine::of(q, range) });
    }
    // The zero of `a` is taken off once for each sum, not once for each product. Only the last 32 bits of an offset count.
    let q = multiply(&a.q.cast(DType::I32), &b.int());
    let offset: Vec<i64> = columns
        .iter()
        .map(|w| w.iter().fold(0i64, |sum, w| sum.wrapping_add(*w)).wrapping_mul(-i64::from(a.zero)))
        .collect();
    Some(Affine { offset, scale, ..Affine::of(q, range) })
}

/// a + b or a - b: in steps of which both scales are whole multiples, exactly or to some 2^-30 of what is added.
pub(super) fn sum(a: &Affine, b: &Affine, op: Binary) -> Option<Affine> {
    let subtract = op == Binary::Sub;
    let join = |x: &Tensor, y: &Tensor| if subtract { x - y } else { x + y };
    let fractions = |a: f64, b: f64| if subtract { a - b } else { a + b };
    let reach = |x: (i64, i64), y: (i64, i64)| {
        if subtract { (x.0 - y.1, x.1 - y.0) } else { (x.0 + y.0, x.1 + y.1) }
    };
    let channels = a.fraction.len().max(b.fraction.len());
    let varies = |x: &Affine| x.fraction.len() > 1;
    if varies(a) && varies(b) && a.scale.axis != b.scale.axis {
        return None;
    }
    let axis = if varies(a) { a.scale.axis } else { b.scale.axis };
    let alike = a.scale.values == b.scale.values;
    if alike && (a.scale.values.len() == 1 || a.scale.axis == b.scale.axis) {
        let by: Vec<f64> = (0..channels).map(|i| fractions(at(&a.fraction, i), at(&b.fraction, i))).collect();
        let q = join(&a.int(), &b.int());
        let scale = Scale { axis, ..a.scale.clone() };
        return Some(Affine { scale, ..Affine::of(q, reach(a.range, b.range)) }.shifted(&by));
    }
    let (sa, sb) = (a.scale.single()?, b.scale.single()?);
    let total = (a.bound() as f64 * sa + b.bound() as f64 * sb) / sa.max(sb);
    let bits = (29 - total.log2().ceil() as i32).min(24);
    if bits < 16 {
        return None;
    }
    let (ma, mb) = multiples(sa / sb, 2f64.powi(bits))?;
    let unit = if ma > mb { sa / ma } else { sb / mb };
    let by: Vec<f64> =
        (0..channels).map(|i| fractions(at(&a.fraction, i) * ma, at(&b.fraction, i) * mb)).collect();
    let q = join(&(&a.int() * ma), &(&b.int() * mb));
    let times = |r: (i64, i64), m: f64| (r.0 * m as i64, r.1 * m as i64);
    let range = reach(times(a.range, ma), times(b.range, mb));
    Some(Affine { scale: Scale { axis, values: vec![unit] }, ..Affine::of(q, range) }.shifted(&by))
}

/// Whole numbers up to `most` whose quotient is nearest to `ratio`: the last of its continued fraction that fits.
pub(super) fn multiples(ratio: f64, most: f64) -> Option<(f64, f64)> {
    let ((mut p, mut q), mut before, mut x) = ((1.0, 0.0), (0.0, 1.0), ratio);
    loop {
        let whole = x.floor();
        let next = (whole * p + before.0, whole * q + before.1);
        if !(next.0 <= most && next.1 <= most) {
            break;
        }
        (before, (p, q)) = ((p, q), next);
        // Of a quotient that is met, roundings are left: so little that what follows exceeds `most`, or is no number.
        x = 1.0 / (x - whole);
    }
    (p >= 1.0 && q >= 1.0).then_some((p, q))
}

/// a * b, element by element.
pub(super) fn product(a: &Affine, b: &Affine) -> Option<Affine> {
    let (a, b) = (&whole(a, b, 1)?, &whole(b, a, 1)?);
    let values = vec![a.scale.single()? * b.scale.single()?];
    let bound = a.bound().checked_mul(b.bound())?;
    let scale = Scale { axis: 0, values };
    Some(Affine { scale, ..Affine::of(&a.int() * &b.int(), (-bound, bound)) })
}
