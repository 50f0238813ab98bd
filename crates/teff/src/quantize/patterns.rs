//! Patterns of several nodes that are quantised as one, or not at all.

use crate::error::Result;
use teff_graph::{Binary, Graph, NodeId, Op, PoolKind, ReduceKind, Tensor, Unary};

/// The nodes of a normalisation whose last is `id`, that before it aside: `(x - mean(x)) / sqrt(mean((x - mean(x))^2) + epsilon)`, with or
/// without the mean taken off. Squares and means of 8 bits would leave little of it.
pub(super) fn normalisation(graph: &Graph, id: NodeId) -> Option<Vec<NodeId>> {
    let Op::Binary(Binary::Div) = graph[id].op else { return None };
    let (centred, deviation) = (graph[id].operands[0], graph[id].operands[1]);
    let mut within = vec![id];
    let squared = down_to(graph, deviation, &mut within, |op| matches!(op, Op::Binary(Binary::Mul)))?;
    let has_root = within.iter().any(|n| matches!(graph[*n].op, Op::Unary(Unary::Sqrt)));
    if !has_root || graph[squared].operands.iter().any(|o| *o != centred) {
        return None;
    }
    if let Op::Binary(Binary::Sub) = graph[centred].op {
        let (x, mean) = (graph[centred].operands[0], graph[centred].operands[1]);
        let mut between = Vec::new();
        if let Some(sum) = down_to(graph, mean, &mut between, |op| matches!(op, Op::Reduce { .. }))
            && graph[sum].operands[0] == x
        {
            within.extend(between);
            within.push(centred);
        }
    }
    Some(within)
}

/// Follows what is repeated, rooted, summed or combined with a constant down to the first operation of this kind that no constant takes part in;
/// notes all on the way.
fn down_to(
    graph: &Graph,
    from: NodeId,
    within: &mut Vec<NodeId>,
    wanted: impl Fn(&Op) -> bool,
) -> Option<NodeId> {
    let constant = |id: NodeId| {
        let bare = if let Op::Broadcast(_) = graph[id].op { graph[id].operands[0] } else { id };
        matches!(graph[bare].op, Op::Constant(_))
    };
    let mut at = from;
    loop {
        within.push(at);
        let node = &graph[at];
        let mut computed = node.operands.iter().copied().filter(|o| !constant(*o));
        let next = computed.next()?;
        let alone = computed.next().is_none();
        if wanted(&node.op) && (!alone || matches!(node.op, Op::Reduce { .. })) {
            return Some(at);
        }
        match node.op {
            Op::Broadcast(_)
            | Op::Reshape(_)
            | Op::Unary(Unary::Sqrt)
            | Op::Reduce { kind: ReduceKind::Sum, .. } => at = next,
            Op::Binary(Binary::Add | Binary::Mul | Binary::Div) if alone => at = next,
            _ => return None,
        }
    }
}

/// What `id` is the softmax of, and the nodes in between, if it is `exp(a - max(a)) / sum(exp(a - max(a)))`.
pub(super) fn softmax(graph: &Graph, id: NodeId) -> Option<(NodeId, Vec<NodeId>)> {
    let operands = |id: NodeId, op: Binary| match graph[id].op {
        Op::Binary(b) if b == op => Some((graph[id].operands[0], graph[id].operands[1])),
        _ => None,
    };
    let mut within = Vec::new();
    let mut reduced = |id: NodeId, kind: ReduceKind| {
        let mut id = id;
        loop {
            within.push(id);
            match &graph[id].op {
                Op::Broadcast(_) | Op::Unary(Unary::StopGradient) => id = graph[id].operands[0],
                Op::Reduce { kind: k, axes } if *k == kind => {
                    return Some((axes.clone(), graph[id].operands[0]));
                }
                _ => return None,
            }
        }
    };
    let (exp, sum) = operands(id, Binary::Div)?;
    let (sum_axes, sum_of) = reduced(sum, ReduceKind::Sum)?;
    let Op::Unary(Unary::Exp) = graph[exp].op else { return None };
    let difference = graph[exp].operands[0];
    let (a, largest) = operands(difference, Binary::Sub)?;
    let (max_axes, max_of) = reduced(largest, ReduceKind::Max)?;
    within.extend([exp, difference]);
    (sum_of == exp && max_of == a && sum_axes == max_axes).then_some((a, within))
}

/// The graph with `max(pool(x), 0)` as `pool(max(x, 0))`, so that what is quantised before the pooling has no negative part to spend steps on.
pub(super) fn rectify_first(graph: &Graph) -> Result<Graph> {
    let users = graph.users();
    let zero = |id: NodeId| match &graph[id].op {
        Op::Broadcast(_) => {
            matches!(&graph[graph[id].operands[0]].op, Op::Constant(v) if v.len() == 1 && v.get(0).as_f64() == 0.0)
        }
        Op::Constant(v) => v.len() == 1 && v.get(0).as_f64() == 0.0,
        _ => false,
    };
    // The pool before a rectifier that alone uses it.
    let pooled = |id: NodeId| {
        let Op::Binary(Binary::Max) = graph[id].op else { return None };
        let pool = graph[id]
            .operands
            .iter()
            .copied()
            .zip(graph[id].operands.iter().rev())
            .find(|(_, z)| zero(**z))?
            .0;
        let alone = users[pool.index()].len() == 1 && graph.outputs().iter().all(|o| o.node != pool);
        (alone && matches!(graph[pool].op, Op::Pool { kind: PoolKind::Max, .. })).then_some(pool)
    };
    Ok(graph.rewritten(|id, operands, tensor| match pooled(id) {
        Some(pool) => {
            let at = graph[id].operands.iter().position(|o| *o == pool).expect("the pool is an operand");
            Tensor::apply(graph[pool].op.clone(), &[operands[at].operands()[0].relu()])
        }
        None => tensor,
    })?)
}
