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

/// What the integers of an input stand for, by what dequantises them first, or those of an output by what quantised them last; elements
/// may have been moved between, and others added at the sides.
pub fn quantization(graph: &Graph, id: NodeId) -> Option<Quantization> {
    let is_input = matches!(graph[id].op, Op::Input { .. });
    let node = if is_input { dequantizes(graph, id)? } else { quantizes(graph, id) };
    let range = match graph[node].op {
        // Wider integers are counts or indices.
        Op::Dequantize if is_input => {
            let (low, high) = graph[id].ty.dtype.int_range()?;
            Some((low.try_into().ok()?, high.try_into().ok()?))
        }
        Op::Quantize { low, high, .. } if !is_input => Some((low, high)),
        // An input with nothing behind it, or an output of no integers with a scale.
        _ => None,
    }?;
    let known = Known::new(graph);
    let of = |i: usize| known.value(graph[node].operands[i]).map(|v| v.as_ref().clone());
    let found = Quantization { dtype: graph[id].ty.dtype, range, scale: of(1)?, zero: of(2)? };
    let at_end = if is_input { graph[node].operands[0] == id } else { node == id };
    if at_end { Some(found) } else { found.of_rank(graph[id].ty.rank()) }
}

/// Whether the elements are those of the first operand, but for a border.
fn moves(op: &Op) -> bool {
    op.traits().class == Class::View || matches!(op, Op::Pad(_))
}

/// The first of all that dequantise the input.
fn dequantizes(graph: &Graph, input: NodeId) -> Option<NodeId> {
    let mut carries = vec![false; graph.nodes().len()];
    carries[input.index()] = true;
    graph.ids().find(|id| {
        let node = &graph[*id];
        let takes = node.operands.first().is_some_and(|x| carries[x.index()]);
        carries[id.index()] |= takes && moves(&node.op);
        takes && node.op == Op::Dequantize
    })
}

/// What the elements of the output come from.
fn quantizes(graph: &Graph, mut id: NodeId) -> NodeId {
    while moves(&graph[id].op) {
        id = graph[id].operands[0];
    }
    id
}
