//! Where an axis goes, and which values have one row a sample.

use crate::dtype::Type;
use crate::graph::{Graph, NodeId};
use crate::op::Op;

/// The axis of the result of `op` that `axis` of operand `i` becomes: slice k of the operand along its axis is all that slice k of the
/// result depends on, as far as that operand goes, and there are as many. `None` where slices are mixed, moved, repeated or left out.
pub fn axis_after(op: &Op, i: usize, axis: usize, operands: &[Type]) -> Option<usize> {
    let shape = &operands[i].shape;
    let rank = shape.len();
    let stays = |stays: bool| stays.then_some(axis);
    match op {
        Op::Unary(_) | Op::Binary(_) | Op::Select | Op::Cast(_) => Some(axis),
        // Scale and zero point serve blocks, and go their own way.
        Op::Quantize { .. } | Op::Dequantize => stays(i == 0),
        Op::Reshape(to) => reshaped(shape, to, axis),
        Op::Permute(perm) => perm.iter().position(|&from| from == axis),
        Op::Broadcast(to) => {
            let to_axis = axis + to.len() - rank;
            (to[to_axis] == shape[axis]).then_some(to_axis)
        }
        Op::Slice(axes) => {
            let a = &axes[axis];
            stays((a.start, a.step, a.len) == (0, 1, shape[axis]))
        }
        Op::Pad(axes) => stays(i == 0 && (axes[axis].low, axes[axis].high, axes[axis].interior) == (0, 0, 0)),
        Op::Concat { axis: along } => stays(*along != axis),
        Op::Reduce { axes, .. } => stays(!axes.contains(&axis)),
        Op::ArgReduce { axis: along, .. } | Op::ArgSort { axis: along, .. } => stays(*along != axis),
        Op::Gather { axis: along } => stays(i == 0 && *along != axis),
        // Leading axes; the rows of the first operand, the columns of the second.
        Op::MatMul => stays(axis + 2 < rank || axis + 2 == rank && i == 0 || axis + 1 == rank && i == 1),
        Op::Conv(g) => match (i, axis) {
            (0, 0) => Some(0),
            // A channel of its own for each channel.
            (0, 1) => (g.groups == shape[1] && operands[1].shape[0] == shape[1]).then_some(1),
            (1, 0) => Some(1),
            _ => None,
        },
        Op::ConvTranspose { .. } => stays((i, axis) == (0, 0)),
        Op::ConvWeightGrad { .. } => None,
        Op::Pool { .. } | Op::SumPoolGrad { .. } | Op::MaxPoolGrad { .. } => stays(axis < 2),
        Op::Input { .. } | Op::Constant(_) | Op::Param(_) | Op::Iota { .. } | Op::Random { .. } => None,
        Op::Scatter { .. } | Op::Scan(_) | Op::Project(_) => None,
    }
}

/// The axis of `to` that holds what `axis` held in `from`, when as much lies before it and it has its size.
fn reshaped(from: &[usize], to: &[usize], axis: usize) -> Option<usize> {
    let before: usize = from[..axis].iter().product();
    let mut seen = 1;
    for (i, &n) in to.iter().enumerate() {
        if seen == before && n == from[axis] {
            return Some(i);
        }
        seen *= n;
    }
    None
}

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
