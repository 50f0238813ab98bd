//! Patterns of several nodes that are quantised as one, or not at all.

use crate::error::Result;
use teff_graph::facts::Known;
use teff_graph::{Binary, Graph, NodeId, Op, PoolKind, ReduceKind, Tensor, Unary};

/// The nodes of a normalisation whose last is `id`, that before it aside: `(x - mean(x)) / sqrt(mean((x - mean(x))^2) + epsilon)`, with or
/// without the mean taken off, or `x / max(sqrt(sum(x^2)), epsilon)`. Squares and means of 8 bits would leave little of it.
pub(super) fn normalisation(graph: &Graph, known: &Known, id: NodeId) -> Option<Vec<NodeId>> {
    let Op::Binary(Binary::Div) = graph[id].op else { return None };
    let (centred, deviation) = (graph[id].operands[0], graph[id].operands[1]);
    let mut within = vec![id];
    let squared = down_to(graph, known, deviation, &mut within, |op| matches!(op, Op::Binary(Binary::Mul)))?;
    let has_root = within.iter().any(|n| matches!(graph[*n].op, Op::Unary(Unary::Sqrt)));
    if !has_root || graph[squared].operands.iter().any(|o| *o != centred) {
        return None;
    }
    if let Op::Binary(Binary::Sub) = graph[centred].op {
        let (x, mean) = (graph[centred].operands[0], graph[centred].operands[1]);
        let mut between = Vec::new();
        if let Some(sum) = down_to(graph, known, mean, &mut between, |op| matches!(op, Op::Reduce { .. }))
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
    known: &Known,
    from: NodeId,
    within: &mut Vec<NodeId>,
    wanted: impl Fn(&Op) -> bool,
) -> Option<NodeId> {
    let constant = |id: NodeId| known.compact(id).is_some();
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
            Op::Binary(Binary::Add | Binary::Mul | Binary::Div | Binary::Max) if alone => at = next,
            // Anything else makes of it what no normalisation does.
            _ => return None,
        }
    }
}

/// The graph with `max(pool(x), 0)` as `pool(max(x, 0))`, so that what is quantised before the pooling has no negative part to spend steps on.
pub(super) fn rectify_first(graph: &Graph) -> Result<Graph> {
    let uses = graph.uses();
    // The pool before a rectifier that alone uses it.
    let pooled = |id: NodeId| {
        let Op::Binary(Binary::Max) = graph[id].op else { return None };
        let pool = graph[id]
            .operands
            .iter()
            .copied()
            .zip(graph[id].operands.iter().rev())
            .find(|(_, z)| graph.is_filled_with(**z, 0))?
            .0;
        (uses[pool.index()] == 1 && matches!(graph[pool].op, Op::Pool { kind: PoolKind::Max, .. }))
            .then_some(pool)
    };
    Ok(graph.rewritten(|id, operands, tensor| match pooled(id) {
        Some(pool) => {
            let at = graph[id].operands.iter().position(|o| *o == pool).expect("the pool is an operand");
            Tensor::apply(graph[pool].op.clone(), &[operands[at].operands()[0].relu()])
        }
        None => tensor,
    })?)
}
