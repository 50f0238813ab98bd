//! Scales and offsets of channels, such as a batch norm that no longer trains, become part of the weights and bias before them.

use crate::dtype::Type;
use crate::facts::Known;
use crate::graph::{Graph, Node, NodeId};
use crate::op::{Binary, Op};
use crate::value::{Num, Value};
use std::sync::Arc;

/// The graph with `(conv(x, w) + b) * f + o` as `conv(x, w * f) + (b * f + o)`, and the same for products with a constant matrix.
/// f, b and o are constants that differ by output channel alone. Float results agree within rounding; integers are left alone.
pub fn fold_channels(graph: &Graph) -> Graph {
    let (known, uses) = (Known::new(graph), graph.uses());
    let mut to = Graph::new(&graph.name);
    let mut ids: Vec<NodeId> = Vec::new();
    for id in graph.ids() {
        let node = &graph[id];
        let folded = affine(graph, &known, &uses, id)
            .filter(|a| a.worthwhile(graph))
            .map(|a| a.build(graph, &mut to, &ids, node));
        let new = folded.unwrap_or_else(|| {
            let operands: Vec<NodeId> = node.operands.iter().map(|o| ids[o.index()]).collect();
            to.push(node.op.clone(), &operands, node.label.clone())
                .expect("types are those of a checked graph")
        });
        ids.push(new);
    }
    graph.outputs().iter().for_each(|o| to.add_output(&o.name, ids[o.node.index()]));
    to
}

/// `source * scale + offset`, both per channel of the source's result.
struct PerChannel {
    source: NodeId,
    scale: Vec<f64>,
    offset: Option<Vec<f64>>,
    /// Multiplications and additions on the way.
    steps: usize,
}

impl PerChannel {
    /// A lone bias is as good as it is.
    fn worthwhile(&self, graph: &Graph) -> bool {
        let source = &graph[self.source];
        self.steps > usize::from(self.offset.is_some()) && source.ty.dtype.is_float()
    }

    fn build(self, graph: &Graph, to: &mut Graph, ids: &[NodeId], last: &Node) -> NodeId {
        let source = &graph[self.source];
        let axis = channel_axis(&source.op, source.ty.rank());
        let [x, w] = source.operands[..] else { unreachable!("a convolution or product has two operands") };
        let Op::Constant(old) = &graph[w].op else { unreachable!("the weights are constant") };
        let per_channel = old.len() / self.scale.len().max(1);
        let channel =
            |i: usize| if matches!(source.op, Op::MatMul) { i % self.scale.len() } else { i / per_channel };
        let scaled = Value::from_fn(&old.ty(), |i| Num::Float(old.get(i).as_f64() * self.scale[channel(i)]));
        let mut constant = |value: Value, label| {
            to.push(Op::Constant(Arc::new(value)), &[], label).expect("a constant is valid")
        };
        let weights = constant(scaled, graph[w].label.clone());
        let offset = self.offset.map(|offset| {
            let mut shape = vec![1; source.ty.rank()];
            shape[axis] = offset.len();
            let label = graph[w]
                .label
                .as_ref()
                .and_then(|l| l.strip_suffix("weight").map(|l| format!("{l}bias").into()));
            constant(Value::from_fn(&Type::new(source.ty.dtype, shape), |i| Num::Float(offset[i])), label)
        });
        let label = source.label.as_ref().or(last.label.as_ref());
        let mut push = |op: Op, operands: &[NodeId], label: Option<&Arc<str>>| {
            to.push(op, operands, label.cloned()).expect("the types stay")
        };
        let result = push(source.op.clone(), &[ids[x.index()], weights], label);
        match offset {
            None => result,
            Some(offset) => {
                let offset = push(Op::Broadcast(source.ty.shape.clone()), &[offset], last.label.as_ref());
                push(Op::Binary(Binary::Add), &[result, offset], last.label.as_ref())
            }
        }
    }
}

/// What `id` is of a convolution or product with constant weights, through nodes that nobody else uses.
fn affine(graph: &Graph, known: &Known, uses: &[usize], id: NodeId) -> Option<PerChannel> {
    let node = &graph[id];
    match &node.op {
        Op::Conv(_) | Op::MatMul => {
            let w = node.operands[1];
            let is_matrix = node.ty.rank() == 2 || !matches!(node.op, Op::MatMul);
            let fixed = matches!(graph[w].op, Op::Constant(_)) && uses[w.index()] == 1 && is_matrix;
            let channels = node.ty.shape[channel_axis(&node.op, node.ty.rank())];
            fixed.then(|| PerChannel { source: id, scale: vec![1.0; channels], offset: None, steps: 0 })
        }
        Op::Binary(op @ (Binary::Add | Binary::Sub | Binary::Mul | Binary::Div)) => {
            let both_ways = matches!(op, Binary::Add | Binary::Mul);
            let (a, b) = (node.operands[0], node.operands[1]);
            let orders: &[(NodeId, NodeId)] = if both_ways { &[(a, b), (b, a)] } else { &[(a, b)] };
            orders.iter().find_map(|&(x, constant)| {
                if uses[x.index()] != 1 {
                    return None;
                }
                let inner = affine(graph, known, uses, x)?;
                let source = &graph[inner.source];
                let c = by_channel(
                    known,
                    constant,
                    channel_axis(&source.op, source.ty.rank()),
                    inner.scale.len(),
                )?;
                Some(inner.then(*op, &c))
            })
        }
        // Only sums and factors can go into weights.
        _ => None,
    }
}

impl PerChannel {
    fn then(mut self, op: Binary, c: &[f64]) -> PerChannel {
        self.steps += 1;
        match op {
            Binary::Add | Binary::Sub => {
                let sign = if op == Binary::Add { 1.0 } else { -1.0 };
                let old = self.offset.unwrap_or_else(|| vec![0.0; c.len()]);
                self.offset = Some(old.iter().zip(c).map(|(o, c)| o + sign * c).collect());
            }
            // A product or quotient.
            _ => {
                let factor = |c: f64| if op == Binary::Mul { c } else { 1.0 / c };
                self.scale.iter_mut().zip(c).for_each(|(s, &c)| *s *= factor(c));
                self.offset.iter_mut().for_each(|o| o.iter_mut().zip(c).for_each(|(o, &c)| *o *= factor(c)));
            }
        }
        self
    }
}

fn channel_axis(op: &Op, rank: usize) -> usize {
    if matches!(op, Op::MatMul) { rank - 1 } else { 1 }
}

/// The constant `id` by channel, when it differs along `axis` alone.
fn by_channel(known: &Known, id: NodeId, axis: usize, channels: usize) -> Option<Vec<f64>> {
    match known.along(id, axis)? {
        one if one.len() == 1 => Some(vec![one[0]; channels]),
        all => (all.len() == channels).then_some(all),
    }
}
