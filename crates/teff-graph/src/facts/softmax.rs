//! Which nodes are a softmax.

use crate::graph::{Graph, NodeId};
use crate::op::{Binary, Op, ReduceKind, Unary};

/// `exp(a - max(a)) / sum(exp(a - max(a)))`, maximum and sum over the same axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Softmax<'g> {
    /// a.
    pub of: NodeId,
    /// The axes that are summed over.
    pub axes: &'g [usize],
    /// The nodes between a and the quotient.
    pub within: Vec<NodeId>,
}

/// The operands of `id`, if it is this operation.
fn binary(graph: &Graph, id: NodeId, op: Binary) -> Option<(NodeId, NodeId)> {
    let &[a, b] = &graph[id].operands[..] else { return None };
    (graph[id].op == Op::Binary(op)).then_some((a, b))
}

/// What `id` is the softmax of, if it is the quotient of one.
pub fn softmax(graph: &Graph, id: NodeId) -> Option<Softmax<'_>> {
    let (exp, sum) = binary(graph, id, Binary::Div)?;
    let Op::Unary(Unary::Exp) = graph[exp].op else { return None };
    of_shifted(graph, graph[exp].operands[0], exp, sum)
}

/// What `id` is the logarithm of the softmax of: `s - log(sum(exp(s)))` with `s = a - max(a)`.
pub fn log_softmax(graph: &Graph, id: NodeId) -> Option<Softmax<'_>> {
    let (shifted, log) = binary(graph, id, Binary::Sub)?;
    let log = &graph[graph.unrepeated(log)];
    let sum = if let Op::Unary(Unary::Log) = log.op { log.operands[0] } else { return None };
    let &exp = graph[graph.unrepeated(sum)].operands.first()?;
    let is_exp = graph[exp].op == Op::Unary(Unary::Exp) && graph[exp].operands[0] == shifted;
    is_exp.then(|| of_shifted(graph, shifted, exp, sum))?
}

/// What `exp` and its sum are of: the exponential of `shifted`, which is less its maximum.
fn of_shifted(graph: &Graph, shifted: NodeId, exp: NodeId, sum: NodeId) -> Option<Softmax<'_>> {
    let mut within = Vec::new();
    let (axes, of_sum) = reduced(graph, sum, ReduceKind::Sum, &mut within)?;
    let (of, largest) = binary(graph, shifted, Binary::Sub)?;
    let (max_axes, of_max) = reduced(graph, largest, ReduceKind::Max, &mut within)?;
    within.extend([exp, shifted]);
    (of_sum == exp && of_max == of && max_axes == axes).then_some(Softmax { of, axes, within })
}

/// The axes and the operand of a reduction that is spread again, its gradient stopped or not.
fn reduced<'g>(
    graph: &'g Graph,
    id: NodeId,
    kind: ReduceKind,
    within: &mut Vec<NodeId>,
) -> Option<(&'g [usize], NodeId)> {
    let mut at = id;
    within.push(at);
    while let Op::Broadcast(_) | Op::Unary(Unary::StopGradient) = graph[at].op {
        at = graph[at].operands[0];
        within.push(at);
    }
    let Op::Reduce { kind: k, axes } = &graph[at].op else { return None };
    (*k == kind).then(|| (&axes[..], graph[at].operands[0]))
}
