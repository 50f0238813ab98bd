//! Chains that one step computes: a convolution with what follows it, the adjoint of a pool with that of the rectifier before it.

use crate::windows::SMALLEST_BATCH;
use std::collections::HashMap;
use teff_graph::{Binary, DType, Graph, NodeId, Op};

/// A convolution and what is done to its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConvChain {
    pub(crate) conv: NodeId,
    /// One number for each channel.
    pub(crate) bias: Option<NodeId>,
    pub(crate) relu: bool,
}

/// The chains of a graph, by their last nodes.
#[derive(Default)]
pub(crate) struct Patterns {
    pub(crate) convs: HashMap<NodeId, ConvChain>,
    /// From a select to the adjoint of a max pool it masks.
    pub(crate) masked_pools: HashMap<NodeId, NodeId>,
    /// Nodes before the last of a chain, which nothing else reads.
    pub(crate) absorbed: Vec<bool>,
}

impl Patterns {
    pub(crate) fn new(graph: &Graph) -> Patterns {
        let mut patterns = Patterns { absorbed: vec![false; graph.nodes().len()], ..Patterns::default() };
        let only_users = graph.only_users();
        let only_user = |id: NodeId| only_users[id.index()];
        for id in graph.ids() {
            if let Op::Conv(_) = graph[id].op
                && suits_windows(graph, id)
            {
                let mut chain = ConvChain { conv: id, bias: None, relu: false };
                let mut last = id;
                if let Some((user, bias)) =
                    only_user(last).and_then(|u| Some((u, added_bias(graph, u, last)?)))
                {
                    patterns.absorbed[last.index()] = true;
                    chain.bias = Some(bias);
                    last = user;
                }
                if let Some(user) = only_user(last).filter(|&u| is_rectifier(graph, u, last)) {
                    patterns.absorbed[last.index()] = true;
                    chain.relu = true;
                    last = user;
                }
                patterns.convs.insert(last, chain);
            } else if suits_batch_layout(graph, id)
                && let Op::MaxPoolGrad { .. } = graph[id].op
                && let Some(user) = only_user(id).filter(|&u| masks(graph, u, id))
            {
                patterns.absorbed[id.index()] = true;
                patterns.masked_pools.insert(user, id);
            }
        }
        patterns
    }
}

/// True when a node, if it is a convolution or pool, is one that `windows` computes, batch innermost.
pub(crate) fn suits_batch_layout(graph: &Graph, id: NodeId) -> bool {
    let batch = |o: &NodeId| graph[*o].ty.shape.first().is_some_and(|n| *n >= SMALLEST_BATCH);
    suits_windows(graph, id) && graph[id].operands.first().is_some_and(batch)
}

/// True when a node, if it is a convolution or pool, is of f32 along one or two spatial axes.
pub(crate) fn suits_windows(graph: &Graph, id: NodeId) -> bool {
    let data = usize::from(matches!(graph[id].op, Op::MaxPoolGrad { .. }));
    let Some(&data) = graph[id].operands.get(data) else { return false };
    let ty = &graph[data].ty;
    ty.dtype == DType::F32
        && graph[id].ty.dtype == DType::F32
        && (ty.rank() == 3 || ty.rank() == 4)
        && !ty.is_empty()
        && !graph[id].ty.is_empty()
}

/// The operand that `add` adds to each channel of `x`.
fn added_bias(graph: &Graph, add: NodeId, x: NodeId) -> Option<NodeId> {
    let Op::Binary(Binary::Add) = graph[add].op else { return None };
    let other = *graph[add].operands.iter().find(|o| **o != x)?;
    let Op::Broadcast(to) = &graph[other].op else { return None };
    let source = graph[other].operands[0];
    let shape = &graph[source].ty.shape;
    let channel_axis = (1 + shape.len()).checked_sub(to.len())?;
    let fits = graph[source].ty.len() == to[1] && shape.get(channel_axis) == Some(&to[1]);
    fits.then_some(source)
}

fn is_rectifier(graph: &Graph, max: NodeId, x: NodeId) -> bool {
    let node = &graph[max];
    node.op == Op::Binary(Binary::Max) && node.operands[0] == x && graph.is_filled_with(node.operands[1], 0)
}

/// True when `select` keeps `grad`, the adjoint of a max pool, where the pool's input is above 0, and is 0 elsewhere.
fn masks(graph: &Graph, select: NodeId, grad: NodeId) -> bool {
    let node = &graph[select];
    if node.op != Op::Select || node.operands[1] != grad || !graph.is_filled_with(node.operands[2], 0) {
        return false;
    }
    let condition = &graph[node.operands[0]];
    condition.op == Op::Binary(Binary::Lt)
        && graph.is_filled_with(condition.operands[0], 0)
        && condition.operands[1] == graph[grad].operands[1]
}
