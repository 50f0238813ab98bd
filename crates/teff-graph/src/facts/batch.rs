//! Which values have one row a sample.

use super::axis_after;
use crate::dtype::Type;
use crate::graph::{Graph, NodeId};
use crate::op::Op;

/// For each node of a graph for one sample whether axis 0 of its value counts samples, as that of every input does: each row is computed
/// from the same row of the inputs alone. Other values do not depend on the inputs, and serve every sample.
///
/// # Errors
/// The first node that mixes samples or needs to know how many there are; an input without an axis 0 of size 1.
pub fn counts_samples(graph: &Graph) -> Result<Vec<bool>, NodeId> {
    let mut all: Vec<bool> = Vec::with_capacity(graph.nodes().len());
    for id in graph.ids() {
        let operands: Vec<bool> = graph[id].operands.iter().map(|o| all[o.index()]).collect();
        all.push(rule(graph, id, &operands).ok_or(id)?);
    }
    Ok(all)
}

fn rule(graph: &Graph, id: NodeId, operands: &[bool]) -> Option<bool> {
    let node = &graph[id];
    let types = graph.operand_types(id);
    let one = |ty: &Type| ty.shape.first() == Some(&1);
    if let Op::Input { .. } = node.op {
        return one(&node.ty).then_some(true);
    }
    if !operands.contains(&true) {
        return Some(false);
    }
    if let Op::Reshape(_) | Op::Broadcast(_) | Op::Slice(_) = node.op {
        // Its shape names the one sample, and is to name as many as there are.
        let leads = one(&node.ty) && (types[0].rank() == node.ty.rank() || matches!(node.op, Op::Reshape(_)));
        return leads.then_some(true);
    }
    let fits = |(i, counts): (usize, &bool)| match counts {
        true => axis_after(&node.op, i, 0, &types) == Some(0),
        false => {
            i > 0 && !takes_rows(&node.op, i, &types) || takes_rows(&node.op, i, &types) && one(&types[i])
        }
    };
    operands.iter().enumerate().all(fits).then_some(true)
}

/// Whether operand `i` takes part row by row, so that one that serves every sample is repeated beside those that count samples.
pub(crate) fn takes_rows(op: &Op, i: usize, operands: &[Type]) -> bool {
    let joins = matches!(op, Op::Binary(_) | Op::Select | Op::Concat { .. } | Op::MatMul);
    joins && axis_after(op, i, 0, operands) == Some(0)
}
