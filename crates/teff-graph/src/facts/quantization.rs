//! What the integers of a quantised network's ends stand for.

use super::{Class, Known};
use crate::dtype::DType;
use crate::graph::{Graph, NodeId};
use crate::op::Op;
use crate::ops;
use crate::value::Value;

/// How floats become the integers of a tensor: element q stands for (q - zero) * scale, in blocks as [`Op::Quantize`] has them.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantization {
    /// The integers' type.
    pub dtype: DType,
    /// The least and the largest integer.
    pub range: (i32, i32),
    /// Of the tensor's rank, each axis 1 or a divisor of the tensor's.
    pub scale: Value,
    /// Of the scale's shape.
    pub zero: Value,
}

impl Quantization {
    /// The integers for `x`, as ONNX QuantizeLinear rounds: to nearest, halves to even.
    pub fn quantize(&self, x: &Value) -> Value {
        let (low, high) = self.range;
        ops::evaluate(&Op::Quantize { dtype: self.dtype, low, high }, &[x, &self.scale, &self.zero])
    }

    /// What the integers `q` stand for.
    pub fn dequantize(&self, q: &Value) -> Value {
        ops::evaluate(&Op::Dequantize, &[q, &self.scale, &self.zero])
    }

    /// Scale and zero point, where all elements have the same.
    pub fn single(&self) -> Option<(f64, i64)> {
        let one = self.scale.len() == 1;
        one.then(|| (self.scale.get(0).as_f64(), self.zero.get(0).as_int() as i64))
    }

    /// The same for a tensor of this rank, if all elements have one scale.
    fn of_rank(self, rank: usize) -> Option<Quantization> {
        self.single()?;
        let flat = |v: Value| v.reshape(vec![1; rank]);
        Some(Quantization { scale: flat(self.scale), zero: flat(self.zero), ..self })
    }
}

/// What the integers of an input stand for, by the first thing that is done with them, or those of an output by the last; elements may have
/// been moved between.
pub fn quantization(graph: &Graph, id: NodeId) -> Option<Quantization> {
    let is_input = matches!(graph[id].op, Op::Input { .. });
    let users = graph.users();
    let mut at = id;
    loop {
        // The node that may be the conversion, and the one behind it.
        let (node, on) = if is_input {
            let user = *users[at.index()].first()?;
            (user, user)
        } else {
            (at, graph[at].operands.first().copied()?)
        };
        let range = match graph[node].op {
            Op::Dequantize if is_input => graph[id].ty.dtype.int_range().map(|(l, h)| (l as i32, h as i32)),
            Op::Quantize { low, high, .. } if !is_input => Some((low, high)),
            // Only those two convert.
            _ => None,
        };
        if let Some(range) = range {
            let known = Known::new(graph);
            let of = |i: usize| known.value(graph[node].operands[i]).map(|v| v.as_ref().clone());
            let found = Quantization { dtype: graph[id].ty.dtype, range, scale: of(1)?, zero: of(2)? };
            return if at == id { Some(found) } else { found.of_rank(graph[id].ty.rank()) };
        }
        if graph[node].op.traits().class != Class::View {
            return None;
        }
        at = on;
    }
}
