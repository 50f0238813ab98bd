//! Functions of a single quantised element, and the softmax of several, by tables.

use super::IntegerPass;
use super::requantize::Quantization;
use std::collections::HashMap;
use teff_graph::facts::{self, Known, Softmax};
use teff_graph::{DType, Graph, Node, NodeId, Op, ReduceKind, Tensor, Type, Value, evaluate};

/// Which 8-bit tensor each node is a function of, element by element and the same for all elements.
#[derive(Default)]
pub(super) struct Sources {
    /// The tensor, and how many operations there are from it, those on several ways counted on each.
    of: HashMap<NodeId, (NodeId, usize)>,
}

/// Functions of more operations are not made tables.
const LONGEST: usize = 200;

impl Sources {
    /// Notes the node if it is such a function of one tensor; `known` are constants.
    pub(super) fn note(&mut self, graph: &Graph, id: NodeId, known: &Known) {
        let node = &graph[id];
        // Others read elements elsewhere, or with a scale that is another tensor.
        let source = if node.op == Op::Dequantize {
            let q = node.operands[0];
            let one = |o: &NodeId| known.uniform(*o).is_some();
            let narrow = matches!(graph[q].ty.dtype, DType::I8 | DType::U8) && known.compact(q).is_none();
            (narrow && node.operands[1..].iter().all(one)).then_some((q, 1))
        } else if let Op::Unary(_) | Op::Binary(_) | Op::Select | Op::Cast(_) = node.op {
            self.shared(node, known)
        } else {
            None
        };
        self.set(id, source.filter(|(_, length)| *length <= LONGEST));
    }

    /// `id` is the tensor that what follows is a function of.
    pub(super) fn begin(&mut self, id: NodeId) {
        self.set(id, Some((id, 1)));
    }

    /// What is noted of `id`.
    pub(super) fn get(&self, id: NodeId) -> Option<(NodeId, usize)> {
        self.of.get(&id).copied()
    }

    /// Notes `source` of `id` instead of what was noted before.
    pub(super) fn set(&mut self, id: NodeId, source: Option<(NodeId, usize)>) {
        match source {
            Some(source) => self.of.insert(id, source),
            None => self.of.remove(&id),
        };
    }

    /// The tensor that all operands are functions of, constants of one value aside.
    fn shared(&self, node: &Node, known: &Known) -> Option<(NodeId, usize)> {
        let mut source: Option<(NodeId, usize)> = None;
        for o in &node.operands {
            match self.of.get(o) {
                Some((q, n)) if source.is_none_or(|s| s.0 == *q) => {
                    source = Some((*q, n + source.map_or(0, |s| s.1)));
                }
                Some(_) => return None,
                None => {
                    known.uniform(*o)?;
                }
            }
        }
        source.map(|(q, n)| (q, n + 1))
    }

    /// The tensor that `id` is a function of.
    pub(super) fn source(&self, id: NodeId) -> Option<NodeId> {
        self.of.get(&id).map(|(q, _)| *q)
    }

    /// What `last`, a `Quantize` of such a function, gives for each of the 256 values of its source, smallest first.
    pub(super) fn table(&self, graph: &Graph, last: NodeId, known: &Known) -> Option<Value> {
        let source = self.source(graph[last].operands[0])?;
        let (low, _) = graph[source].ty.dtype.int_range()?;
        let all = Value::from_fn(&Type::new(graph[source].ty.dtype, [256]), |i| {
            teff_graph::Num::Int(low + i as i128)
        });
        let mut made: HashMap<NodeId, Tensor> = HashMap::from([(source, Tensor::constant(all))]);
        let mut open = vec![last];
        while let Some(&id) = open.last() {
            let node = &graph[id];
            let missing: Vec<NodeId> =
                node.operands.iter().copied().filter(|o| !made.contains_key(o)).collect();
            if made.contains_key(&id) {
                open.pop();
                continue;
            }
            if let Some(constant) = known.uniform(id) {
                // Scales and zeros too: one for each element.
                let value = Value::full(&Type::new(node.ty.dtype, [256]), constant);
                made.insert(id, Tensor::constant(value));
                open.pop();
            } else if missing.is_empty() {
                let operands: Vec<Tensor> = node.operands.iter().map(|o| made[o].clone()).collect();
                made.insert(id, Tensor::apply(node.op.clone(), &operands));
                open.pop();
            } else {
                open.extend(missing);
            }
        }
        let table = Graph::from_tensors("table", &[], &[("", made[&last].clone())]).ok()?;
        evaluate(&table, &[]).ok()?.pop()
    }
}

/// Looks each element of `q` up.
pub(super) fn look_up(q: &Tensor, table: Value) -> Tensor {
    let (low, _) = q.dtype().int_range().expect("an integer tensor");
    let index = q.cast(DType::I32) - (low as i32);
    let shape = q.shape().to_vec();
    Tensor::constant(table).gather(&index.flatten_all(), 0).reshape(&shape)
}

/// Bits of an exponential; with at most 2^9 of them times 2^10 steps, sums and products stay in 31 bits.
const BITS: i32 = 20;

/// `x` quantised, if it is `exp(a - max(a)) / sum(exp(a - max(a)))` of 8-bit elements: exponentials come from a table of 2^20 exp(-d s) for
/// each distance d from the largest, and the quotient is rounded to nearest.
pub(super) fn softmax(walk: &IntegerPass, x: NodeId, target: &Quantization) -> Option<Tensor> {
    let Softmax { of, axes, .. } = facts::softmax(walk.graph, x)?;
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
