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

/// What `id` is the softmax of, if it is the quotient of one.
pub fn softmax(graph: &Graph, id: NodeId) -> Option<Softmax<'_>> {
    let operands = |id: NodeId, op: Binary| match graph[id].operands[..] {
        [a, b] if graph[id].op == Op::Binary(op) => Some((a, b)),
        _ => None,
    };
    let mut within = Vec::new();
    let (exp, sum) = operands(id, Binary::Div)?;
    let (axes, of_sum) = reduced(graph, sum, ReduceKind::Sum, &mut within)?;
    let Op::Unary(Unary::Exp) = graph[exp].op else { return None };
    let difference = graph[exp].operands[0];
    let (of, largest) = operands(difference, Binary::Sub)?;
    let (max_axes, of_max) = reduced(graph, largest, ReduceKind::Max, &mut within)?;
    within.extend([exp, difference]);
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
