//! Softmax of 8-bit elements in integers.

use super::IntegerPass;
use super::requantize::Quantization;
use teff_graph::facts::{Softmax, softmax};
use teff_graph::{DType, NodeId, ReduceKind, Tensor, Value};

/// Bits of an exponential; with at most 2^9 of them times 2^10 steps, sums and products stay in 31 bits.
const BITS: i32 = 20;

/// `x` quantised, if it is `exp(a - max(a)) / sum(exp(a - max(a)))` of 8-bit elements: exponentials come from a table of 2^20 exp(-d s) for
/// each distance d from the largest, and the quotient is rounded to nearest.
pub(super) fn quantized(walk: &IntegerPass, x: NodeId, target: &Quantization) -> Option<Tensor> {
    let Softmax { of, axes, .. } = softmax(walk.graph, x)?;
    let affine = walk.affine(of)?;
    let scale = affine.scale.single()?;
    let steps = 1.0 / target.scale;
    let shape = affine.q.shape();
    let elements: usize = axes.iter().map(|i| shape[*i]).product();
    let narrow = affine.q.dtype().size() == 1 && affine.offset.is_empty();
    let fits = steps.fract() == 0.0 && steps <= 1024.0 && elements <= 1 << 9;
    if !narrow || !fits {
        return None;
    }
    let table: Vec<i32> =
        (0..256).map(|d| (2f64.powi(BITS) * (-f64::from(d) * scale).exp()).round() as i32).collect();
    let q = affine.q.cast(DType::I32);
    let distance = q.reduce(ReduceKind::Max, axes) - &q;
    let index = distance.flatten_all();
    let e = Tensor::constant(Value::new([256], table)).gather(&index, 0).reshape(shape);
    let sum = e.reduce(ReduceKind::Sum, axes);
    // (2 e n + s) / 2 s is e n / s rounded to nearest; the sum is at least the largest exponential, 2^20.
    let half = &sum / 2;
    let y = (&e * steps + half.broadcast_to(shape)) / sum.broadcast_to(shape);
    Some((y + target.zero).clip(f64::from(target.low), f64::from(target.high)).cast(target.dtype))
}
