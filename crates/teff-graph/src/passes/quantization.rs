//! `Quantize` and `Dequantize` as the arithmetic they are, for executors that have no faster way to compute them.

use crate::dtype::DType;
use crate::facts::Known;
use crate::graph::Graph;
use crate::op::Op;
use crate::tensor::Tensor;

/// The graph with the same bits and without quantisation operations: constants are dequantised now, the rest is divisions, roundings and
/// casts of single elements. What has a scale for each block of elements stays as it is.
///
/// # Errors
/// None on a graph that passed its verifier; one here is a defect.
pub fn unfold_quantization(graph: &Graph) -> crate::Result<Graph> {
    let known = Known::new(graph);
    graph.rewritten(|id, operands, tensor| {
        let rewritten =
            if let (Op::Quantize { dtype, low, high }, [x, scale, zero]) = (&graph[id].op, operands) {
                quantized(x, scale, zero, *dtype, (*low, *high))
            } else if let (Op::Dequantize, [q, scale, zero]) = (&graph[id].op, operands) {
                known.value(id).map(Tensor::constant).or_else(|| dequantized(q, scale, zero))
            } else {
                None
            };
        rewritten.unwrap_or(tensor)
    })
}

/// Scale or zero point for each element, unless they serve blocks.
fn spread(p: &Tensor, x: &Tensor) -> Option<Tensor> {
    let whole = p.shape().iter().zip(x.shape()).all(|(&n, &of)| n == 1 || n == of);
    whole.then(|| p.broadcast_to(x.shape()))
}

/// In f32: the quotient is below 2^24 where it is not clamped, so that adding the zero point is exact.
fn quantized(x: &Tensor, scale: &Tensor, zero: &Tensor, dtype: DType, range: (i32, i32)) -> Option<Tensor> {
    if x.dtype() != DType::F32 || dtype.size() > 2 {
        return None;
    }
    let (scale, zero) = (spread(scale, x)?, spread(&zero.cast(DType::F32), x)?);
    Some(((x / scale).round() + zero).clip(range.0.into(), range.1.into()).cast(dtype))
}

fn dequantized(q: &Tensor, scale: &Tensor, zero: &Tensor) -> Option<Tensor> {
    // Wider integers are subtracted with wrapping.
    if q.dtype().size() > 2 {
        return None;
    }
    let (scale, zero) = (spread(scale, q)?, spread(&zero.cast(scale.dtype()), q)?);
    Some((q.cast(scale.dtype()) - zero) * scale)
}
