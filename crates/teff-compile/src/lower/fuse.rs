//! What the kernels are: the nodes that each computes, which loop it is built around, and what it computes before and after that.

use super::memory::{Analysis, Read, analyse, depths, known_now, work};
use std::collections::{HashMap, HashSet};
use teff_graph::facts::{Class, multiply_accumulates};
use teff_graph::{Graph, NodeId, Op, PoolKind, Window};

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

/// The kernels of a graph.
pub(super) fn groups(graph: &Graph) -> Groups {
    let outputs: HashSet<NodeId> = graph.outputs().iter().map(|o| o.node).collect();
    let mut kept: HashSet<NodeId> = outputs.iter().copied().chain(depths(graph)).collect();
    let first = analyse(graph, &kept);
    kept.extend(ends_of_chains(graph, &outputs, &first));
    let Analysis { reads, apart } = analyse(graph, &kept);
    let mut found = Groups { list: Vec::new(), uses: graph.uses(), apart };
    absorb(graph, &reads, &outputs, &mut found);
    found
}

/// Where the results of loops are read by several kernels: the last of the functions they go through one by one before that.
/// Storing those instead takes no more memory, and computes them once.
fn ends_of_chains(graph: &Graph, outputs: &HashSet<NodeId>, found: &Analysis) -> Vec<NodeId> {
    let users = graph.users();
    let known = known_now(graph);
    let pools = graph.ids().filter_map(|id| pooled_convolution(graph, id, &found.apart, outputs));
    let pooled: HashSet<NodeId> = pools.collect();
    // The loop that each kernel will be built around, as `absorb` chooses among those whose results it takes as they come.
    let mut anchors: HashMap<NodeId, NodeId> = HashMap::new();
    for id in graph.ids().filter(|id| finishes(&graph[*id].op)) {
        if let [read] = found.reads[id.index()][..]
            && read.in_step
        {
            let anchor = anchors.entry(read.by).or_insert(id);
            if work(graph, id) > work(graph, *anchor) {
                *anchor = id;
            }
        }
    }
    let mut ends = Vec::new();
    for from in graph.ids().filter(|id| finishes(&graph[*id].op) && !pooled.contains(id)) {
        let reads = &found.reads[from.index()];
        let one = reads.first().is_none_or(|first| reads.iter().all(|r| r.by == first.by && r.in_step));
        // One kernel takes them as they come, if it is not built around another loop.
        let other =
            reads.first().and_then(|first| anchors.get(&first.by)).is_some_and(|anchor| *anchor != from);
        if one && !other {
            continue;
        }
        // Of all places on the way the last of those that take least memory.
        let (mut end, mut at) = (from, from);
        while let ([user], false) = (&users[at.index()][..], outputs.contains(&at)) {
            let node = &graph[*user];
            let operand = node.operands.iter().position(|o| *o == at).expect("a user has it as operand");
            if found.apart[user.index()] || !node.op.is_function_of(operand) {
                break;
            }
            let others = node.operands.iter().enumerate().filter(|(i, _)| *i != operand);
            if one && others.into_iter().any(|(_, o)| !known[o.index()]) {
                break;
            }
            at = *user;
            if graph[at].ty.bytes() <= graph[end].ty.bytes() {
                end = at;
            }
        }
        if end != from {
            ends.push(end);
        }
    }
    ends
}

/// Builds kernels around loops whose results are used in step, and pools convolutions in place.
fn absorb(graph: &Graph, reads: &[Vec<Read>], is_output: &HashSet<NodeId>, found: &mut Groups) {
    let mut anchor = vec![None; graph.nodes().len()];
    let mut gone = vec![false; graph.nodes().len()];
    let mut candidates: Vec<NodeId> =
        graph.ids().filter(|&id| finishes(&graph[id].op) && !is_output.contains(&id)).collect();
    // Of two that meet in one kernel, the larger becomes its loop.
    candidates.sort_by_key(|&id| std::cmp::Reverse(work(graph, id)));
    for id in candidates {
        let Some(first) = reads[id.index()].first() else { continue };
        let root = first.by;
        let together = reads[id.index()].iter().all(|r| r.by == root && r.in_step);
        if together
            && kind(&graph[root].op) == Kind::Element
            && !by_parts(&graph[root].op)
            && anchor[root.index()].is_none()
        {
            anchor[root.index()] = Some(id);
            gone[id.index()] = true;
        }
    }
    let mut inner = vec![None; graph.nodes().len()];
    for id in graph.ids() {
        if !found.apart[id.index()] || gone[id.index()] {
            continue;
        }
        let pool = anchor[id.index()].unwrap_or(id);
        inner[id.index()] = pooled_convolution(graph, pool, &found.apart, is_output);
        if let Some(conv) = inner[id.index()] {
            gone[conv.index()] = true;
            if let Some(old) = anchor.iter_mut().find(|h| **h == Some(conv)) {
                *old = None;
            }
        }
    }
    let roots = graph.ids().filter(|id| found.apart[id.index()] && !gone[id.index()]);
    let group =
        |root: NodeId| Group { anchor: anchor[root.index()], inner: inner[root.index()], ..Group::of(root) };
    found.list = roots.map(group).collect();
    compute_on_the_way(graph, reads, is_output, found);
}

/// Lets reductions compute their operands while they read them, where nobody needs those before.
fn compute_on_the_way(graph: &Graph, reads: &[Vec<Read>], is_output: &HashSet<NodeId>, found: &mut Groups) {
    for id in graph.ids() {
        let Op::Reduce { .. } = graph[id].op else { continue };
        let holds = |g: &Group, n: NodeId| [Some(g.root), g.anchor, g.inner].contains(&Some(n));
        let place = |n: NodeId| found.list.iter().position(|g| holds(g, n));
        let operand = graph[id].operands[0];
        let is_plain = kind(&graph[operand].op) == Kind::Element && !by_parts(&graph[operand].op);
        let (Some(own), Some(before)) = (place(id), place(operand)) else { continue };
        let alone = |g: &Group| g.root == operand && g.anchor.is_none() && g.inner.is_none();
        let later = |r: &Read| r.by == id || place(r.by).is_some_and(|p| p > own);
        if is_plain
            && alone(&found.list[before])
            && !is_output.contains(&operand)
            && reads[operand.index()].iter().all(later)
        {
            found.list[own].through = Some(operand);
            found.list.remove(before);
        }
    }
}

/// The convolution whose results only `pool` reads, each once, through functions of single elements.
fn pooled_convolution(
    graph: &Graph,
    pool: NodeId,
    apart: &[bool],
    is_output: &HashSet<NodeId>,
) -> Option<NodeId> {
    let Op::Pool { kind, window } = &graph[pool].op else { return None };
    if *kind == PoolKind::ArgMax || !apart_windows(window) {
        return None;
    }
    let users = graph.users();
    let mut chain = vec![graph[pool].operands[0]];
    let mut conv = None;
    let mut at = 0;
    while at < chain.len() {
        let id = chain[at];
        at += 1;
        if matches!(graph[id].op, Op::Conv(_)) && conv.is_none() && !is_output.contains(&id) {
            conv = Some(id);
        } else if !apart[id.index()] && graph[id].ty.shape == graph[chain[0]].ty.shape {
            let in_step =
                graph[id].operands.iter().enumerate().filter(|&(i, _)| graph[id].op.is_function_of(i));
            let new: Vec<NodeId> = in_step.map(|(_, &o)| o).filter(|o| !chain.contains(o)).collect();
            chain.extend(new);
        }
    }
    let conv = conv?;
    // Everything computed from it, up to the pool, is computed in the chain alone: nothing of it has memory that others could read.
    let mut seen = vec![conv];
    let mut at = 0;
    while at < seen.len() {
        for user in users[seen[at].index()].iter().filter(|u| **u != pool) {
            if !chain.contains(user) || apart[user.index()] {
                return None;
            }
            if !seen.contains(user) {
                seen.push(*user);
            }
        }
        at += 1;
    }
    Some(conv)
}

/// Windows that do not overlap, have no padding, and are few enough to keep in registers: a convolution is pooled by them as it is computed,
/// and what is pooled takes no memory.
pub(crate) fn apart_windows(w: &Window) -> bool {
    w.is_disjoint() && w.size.iter().product::<usize>() <= 16
}
