//! What kernels are made of: the nodes that one computes, and what kind of loop a node needs.

use std::collections::HashSet;
use teff_graph::facts::{Class, multiply_accumulates};
use teff_graph::{Graph, NodeId, Op};

/// A kernel to be: everything computed between reading memory and writing the result of `root`.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// The node that gets memory.
    pub(super) root: NodeId,
    /// The sum, convolution or pool the kernel is built around, when that is not the root: what follows it, up to the root, is
    /// computed element by element as its results appear.
    pub(super) anchor: Option<NodeId>,
    /// The convolution whose results the anchor pools as they appear.
    pub(super) inner: Option<NodeId>,
    /// The operand of a reduction that has memory but is computed on the way: stored and summed in one loop.
    pub(super) through: Option<NodeId>,
}

impl Group {
    pub(super) fn of(root: NodeId) -> Group {
        Group { root, anchor: None, inner: None, through: None }
    }

    /// The node the loops are built around.
    pub(super) fn anchor(&self) -> NodeId {
        self.anchor.unwrap_or(self.root)
    }

    /// The node whose elements the innermost loops sum: that which is pooled, or the anchor.
    pub(super) fn innermost(&self) -> NodeId {
        self.inner.unwrap_or(self.anchor())
    }
}

/// All kernels to be, in order.
#[derive(Clone, Debug)]
pub(super) struct Groups {
    pub(super) list: Vec<Group>,
    /// How often each node is used; being an output counts.
    pub(super) uses: Vec<usize>,
    /// Nodes that are not computed where they are read: those with memory, and those a kernel is built around.
    pub(super) apart: Vec<bool>,
}

/// How a node is computed.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// Needs no computing.
    Source,
    /// An element of the result follows from few elements of the operands.
    Element,
    /// Needs loops of its own.
    Loop,
}

pub(super) fn kind(op: &Op) -> Kind {
    match op.traits().class {
        Class::Source => Kind::Source,
        Class::Pointwise | Class::View | Class::Copy => Kind::Element,
        Class::Reduction | Class::Product | Class::Other => Kind::Loop,
    }
}

/// Loops that end with one value for each element of the result, so that more can be done with it before it is stored.
pub(super) fn finishes(op: &Op) -> bool {
    matches!(op.traits().class, Class::Reduction | Class::Product)
}

/// Roots that are written part by part, not element by element in order.
pub(super) fn by_parts(op: &Op) -> bool {
    matches!(op, Op::Concat { .. } | Op::Pad(_))
}

/// The nodes a kernel computes, from first to last, moves left out.
pub(super) fn computed(graph: &Graph, groups: &Groups, group: &Group) -> Vec<NodeId> {
    let inside = [group.anchor, group.inner, group.through];
    let stops = |id: NodeId| groups.apart[id.index()] && !inside.contains(&Some(id));
    let mut seen = HashSet::new();
    let mut open = vec![group.root];
    while let Some(id) = open.pop() {
        if seen.insert(id) {
            open.extend(graph[id].operands.iter().filter(|o| !stops(**o)));
        }
    }
    let mut ids: Vec<NodeId> = seen.into_iter().collect();
    ids.sort_unstable();
    let computes = |op: &Op| kind(op) != Kind::Source && !matches!(op, Op::Reshape(_) | Op::Broadcast(_));
    ids.retain(|id| computes(&graph[*id].op));
    ids
}

/// Multiply-accumulates of a kernel.
pub(super) fn macs(graph: &Graph, group: &Group) -> u64 {
    let all = multiply_accumulates(graph, group.innermost());
    let (Op::Pool { window, .. }, Some(conv)) = (&graph[group.anchor()].op, group.inner) else { return all };
    // Only what the pool keeps is computed.
    let each = all / graph[conv].ty.len().max(1) as u64;
    graph[group.anchor()].ty.len() as u64 * window.size.iter().product::<usize>() as u64 * each
}
