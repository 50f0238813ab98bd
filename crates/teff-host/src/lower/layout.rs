//! Choosing layouts: in which order the axes of a value are best stored.

use super::patterns::suits_batch_layout;
use super::units::Role;
use crate::view::identity;
use teff_graph::{Graph, NodeId, Op};

/// For each node the order of axes, outermost first, that its users read fastest; `None` when all read any order as fast.
///
/// Wishes travel from users to operands: a transposed result is wanted transposed. Where users differ the last has its way.
pub(super) fn wishes(graph: &Graph, class: &[Role]) -> Vec<Option<Vec<usize>>> {
    let mut wishes: Vec<Option<Vec<usize>>> = vec![None; graph.nodes().len()];
    for o in graph.outputs() {
        wishes[o.node.index()] = Some(identity(graph[o.node].ty.rank()));
    }
    for id in graph.ids().rev() {
        let mine = wishes[id.index()].clone();
        for (i, &o) in graph[id].operands.iter().enumerate() {
            let wish = wish_for(graph, id, class[id.index()], mine.as_deref(), i);
            if wishes[o.index()].is_none() && wish.as_ref().is_some_and(|w| w.len() == graph[o].ty.rank()) {
                wishes[o.index()] = wish;
            }
        }
    }
    wishes
}

/// The order in which node `id`, whose own result is wanted as `mine`, wants its i-th operand.
fn wish_for(graph: &Graph, id: NodeId, class: Role, mine: Option<&[usize]>, i: usize) -> Option<Vec<usize>> {
    let node = &graph[id];
    let from = &graph[node.operands[i]].ty.shape;
    match (&node.op, class) {
        (Op::Conv(_) | Op::ConvTranspose { .. } | Op::ConvWeightGrad { .. }, _) => {
            let is_data = i == 0 || matches!(node.op, Op::ConvWeightGrad { .. });
            let batch = is_data && suits_batch_layout(graph, id);
            Some(if batch { batch_innermost(from.len()) } else { identity(from.len()) })
        }
        (Op::Pool { .. } | Op::SumPoolGrad { .. } | Op::MaxPoolGrad { .. }, _) => {
            let batch = suits_batch_layout(graph, id);
            Some(if batch { batch_innermost(from.len()) } else { identity(from.len()) })
        }
        (Op::Permute(perm), _) => mine.map(|order| order.iter().map(|&a| perm[a]).collect()),
        (Op::Reshape(_), _) => {
            let keeps_batch = from.len() > 1 && from.first() == node.ty.shape.first();
            let wanted = mine.is_none_or(|m| *m == *batch_innermost(node.ty.rank()));
            match keeps_batch && wanted {
                true => mine.map(|_| batch_innermost(from.len())),
                false => Some(identity(from.len())),
            }
        }
        (_, Role::Pointwise | Role::Inline | Role::Absorbed) => mine.map(<[usize]>::to_vec),
        (Op::MatMul | Op::Reduce { .. } | Op::Broadcast(_) | Op::Slice(_) | Op::Project(_), _) => None,
        // What is computed by itself reads its operands row by row.
        _ => Some(identity(from.len())),
    }
}

/// The first axis innermost, the others in order.
pub(crate) fn batch_innermost(rank: usize) -> Vec<usize> {
    (1..rank).chain([0]).collect()
}
