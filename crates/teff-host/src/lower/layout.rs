//! Choosing layouts: in which order the axes of a value are best stored.

use super::units::Class;
use crate::view::identity;
use teff_graph::{Graph, NodeId, Op};

/// For each node the order of axes, outermost first, that its users would read fastest; `None` is row-major.
///
/// Wishes travel from users to operands: a transposed result is wanted transposed.
pub(super) fn wishes(graph: &Graph, class: &[Class]) -> Vec<Option<Vec<usize>>> {
    let mut wishes: Vec<Option<Vec<usize>>> = vec![None; graph.nodes().len()];
    for id in graph.ids().rev() {
        let mine = wishes[id.index()].clone();
        for (i, &o) in graph[id].operands.iter().enumerate() {
            let wish = wish_for(graph, id, class[id.index()], mine.as_deref(), i);
            let known = &mut wishes[o.index()];
            if known.is_none() && wish.as_ref().is_some_and(|w| w.len() == graph[o].ty.rank()) {
                *known = wish;
            }
        }
    }
    wishes
}

fn wish_for(graph: &Graph, id: NodeId, class: Class, mine: Option<&[usize]>, operand: usize) -> Option<Vec<usize>> {
    let node = &graph[id];
    match &node.op {
        Op::Permute(perm) => {
            let order = mine.map_or_else(|| identity(perm.len()), <[usize]>::to_vec);
            Some(order.iter().map(|&a| perm[a]).collect())
        }
        Op::Reshape(_) => {
            let from = &graph[node.operands[0]].ty.shape;
            let keeps_batch = from.len() > 1 && from.first() == node.ty.shape.first();
            let wanted = mine.is_some_and(|m| *m == *batch_innermost(node.ty.rank()));
            (keeps_batch && wanted).then(|| batch_innermost(from.len()))
        }
        _ if matches!(class, Class::Pointwise | Class::Inline) => mine.map(<[usize]>::to_vec),
        _ => {
            let _ = operand;
            None
        }
    }
}

/// The first axis innermost, the others in order.
pub(crate) fn batch_innermost(rank: usize) -> Vec<usize> {
    (1..rank).chain([0]).collect()
}
