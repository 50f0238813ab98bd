//! Which nodes get memory, and which are computed where they are read.

use super::work::{depths, weights, work};
use std::collections::{HashMap, HashSet};
use teff_graph::facts::Class;
use teff_graph::{Binary, Graph, NodeId, Op, PoolKind, Window};

/// A kernel to be: everything computed between reading memory and writing the result of `root`.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// The node that gets memory.
    pub(super) root: NodeId,
    /// The sum, convolution or pool the kernel is built around, when that is not the root: what follows it, up to the root, is
    /// computed element by element as its results appear.
    pub(super) hero: Option<NodeId>,
    /// The convolution whose results the hero pools as they appear.
    pub(super) inner: Option<NodeId>,
    /// The operand of a reduction that has memory but is computed on the way: stored and summed in one loop.
    pub(super) through: Option<NodeId>,
}

impl Group {
    pub(super) fn of(root: NodeId) -> Group {
        Group { root, hero: None, inner: None, through: None }
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

/// How a kernel reads a node that has no memory.
#[derive(Clone, Copy, PartialEq)]
struct Read {
    by: NodeId,
    /// Each element once and in order, through functions of single elements and reshapes alone.
    in_step: bool,
    /// How often each element is computed.
    times: f64,
}

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

/// What reads each node, and which nodes are computed apart from their readers.
struct Analysis {
    reads: Vec<Vec<Read>>,
    apart: Vec<bool>,
}

/// From the outputs back; `kept` are nodes that get memory whatever reads them.
fn analyse(graph: &Graph, kept: &HashSet<NodeId>) -> Analysis {
    let n = graph.nodes().len();
    let weights = weights(graph);
    let known = known_now(graph);
    let mut reads: Vec<Vec<Read>> = vec![Vec::new(); n];
    let mut apart = vec![false; n];
    let mut scanned = vec![false; n];
    for id in graph.ids().rev() {
        let node = &graph[id];
        apart[id.index()] = match kind(&node.op) {
            Kind::Source => scanned[id.index()] && matches!(node.op, Op::Iota { .. }),
            Kind::Loop => true,
            Kind::Element if kept.contains(&id) || scanned[id.index()] => true,
            Kind::Element if matches!(&node.op, Op::Pad(axes) if axes.iter().any(|a| a.interior > 0)) => true,
            Kind::Element if widens(graph, &known, id) => false,
            Kind::Element => !known[id.index()] && recomputed(&reads[id.index()], weights[id.index()]),
        };
        for (i, &o) in node.operands.iter().enumerate() {
            scanned[o.index()] |= matches!(node.op, Op::Scan(_));
            let teff_graph::facts::Read { in_step, times } = graph.reads(id, i);
            let through: Vec<Read> = if apart[id.index()] {
                vec![Read { by: id, in_step, times }]
            } else {
                let further =
                    |r: &Read| Read { by: r.by, in_step: r.in_step && in_step, times: r.times * times };
                reads[id.index()].iter().map(further).collect()
            };
            through.into_iter().for_each(|r| add_read(&mut reads[o.index()], r));
        }
    }
    Analysis { reads, apart }
}

/// A wider form of a narrower integer, less a constant at most: memory holds the narrow one, and each reader widens it.
fn widens(graph: &Graph, known: &[bool], id: NodeId) -> bool {
    let node = &graph[id];
    match (&node.op, &node.operands[..]) {
        (Op::Cast(to), [x]) => {
            let from = graph[*x].ty.dtype;
            let integers = from.int_range().is_some() && to.int_range().is_some();
            integers && from.size() < to.size() && !known[x.index()]
        }
        (Op::Binary(Binary::Add | Binary::Sub), [x, c]) => {
            let spread = |o: NodeId| matches!(graph[o].op, Op::Broadcast(_)).then(|| graph[o].operands[0]);
            let one = spread(*c).is_some_and(|c| graph[c].ty.len() == 1 && known[c.index()]);
            one && matches!(graph[*x].op, Op::Cast(_)) && widens(graph, known, *x)
        }
        _ => false,
    }
}

/// Adds a read to those of a node. Paths of one kind to one kernel are one entry: there may be exponentially many paths.
fn add_read(reads: &mut Vec<Read>, new: Read) {
    match reads.iter_mut().find(|r| r.by == new.by && r.in_step == new.in_step) {
        Some(known) => known.times += new.times,
        None => reads.push(new),
    }
}

/// Computing an element of a chain of this weight as often as it is read costs more than memory does.
fn recomputed(reads: &[Read], weight: f64) -> bool {
    let mut in_step: Vec<NodeId> = Vec::new();
    let mut times = 0.0;
    for r in reads {
        if !r.in_step {
            times += r.times;
        } else if !in_step.contains(&r.by) {
            in_step.push(r.by);
            times += 1.0;
        }
    }
    (times - 1.0) * weight > 2.0
}

/// Where the results of loops are read by several kernels: the last of the functions they go through one by one before that.
/// Storing those instead takes no more memory, and computes them once.
fn ends_of_chains(graph: &Graph, outputs: &HashSet<NodeId>, found: &Analysis) -> Vec<NodeId> {
    let users = graph.users();
    let known = known_now(graph);
    let pools = graph.ids().filter_map(|id| pooled_convolution(graph, id, &found.apart, outputs));
    let pooled: HashSet<NodeId> = pools.collect();
    // The loop that each kernel will be built around, as `absorb` chooses among those whose results it takes as they come.
    let mut heroes: HashMap<NodeId, NodeId> = HashMap::new();
    for id in graph.ids().filter(|id| finishes(&graph[*id].op)) {
        if let [read] = found.reads[id.index()][..]
            && read.in_step
        {
            let hero = heroes.entry(read.by).or_insert(id);
            if work(graph, id) > work(graph, *hero) {
                *hero = id;
            }
        }
    }
    let mut ends = Vec::new();
    for from in graph.ids().filter(|id| finishes(&graph[*id].op) && !pooled.contains(id)) {
        let reads = &found.reads[from.index()];
        let one = reads.first().is_none_or(|first| reads.iter().all(|r| r.by == first.by && r.in_step));
        // One kernel takes them as they come, if it is not built around another loop.
        let other = reads.first().and_then(|first| heroes.get(&first.by)).is_some_and(|hero| *hero != from);
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
    let mut hero = vec![None; graph.nodes().len()];
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
            && hero[root.index()].is_none()
        {
            hero[root.index()] = Some(id);
            gone[id.index()] = true;
        }
    }
    let mut inner = vec![None; graph.nodes().len()];
    for id in graph.ids() {
        if !found.apart[id.index()] || gone[id.index()] {
            continue;
        }
        let pool = hero[id.index()].unwrap_or(id);
        inner[id.index()] = pooled_convolution(graph, pool, &found.apart, is_output);
        if let Some(conv) = inner[id.index()] {
            gone[conv.index()] = true;
            if let Some(old) = hero.iter_mut().find(|h| **h == Some(conv)) {
                *old = None;
            }
        }
    }
    let roots = graph.ids().filter(|id| found.apart[id.index()] && !gone[id.index()]);
    let group =
        |root: NodeId| Group { hero: hero[root.index()], inner: inner[root.index()], ..Group::of(root) };
    found.list = roots.map(group).collect();
    compute_on_the_way(graph, reads, is_output, found);
}

/// Lets reductions compute their operands while they read them, where nobody needs those before.
fn compute_on_the_way(graph: &Graph, reads: &[Vec<Read>], is_output: &HashSet<NodeId>, found: &mut Groups) {
    for id in graph.ids() {
        let Op::Reduce { .. } = graph[id].op else { continue };
        let holds = |g: &Group, n: NodeId| [Some(g.root), g.hero, g.inner].contains(&Some(n));
        let place = |n: NodeId| found.list.iter().position(|g| holds(g, n));
        let operand = graph[id].operands[0];
        let is_plain = kind(&graph[operand].op) == Kind::Element && !by_parts(&graph[operand].op);
        let (Some(own), Some(before)) = (place(id), place(operand)) else { continue };
        let alone = |g: &Group| g.root == operand && g.hero.is_none() && g.inner.is_none();
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

/// Windows that do not overlap, have no padding, and are few enough to keep in registers.
fn apart_windows(w: &Window) -> bool {
    w.is_disjoint() && w.size.iter().product::<usize>() <= 16
}

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
fn finishes(op: &Op) -> bool {
    matches!(op.traits().class, Class::Reduction | Class::Product)
}

/// Roots that are written part by part, not element by element in order.
fn by_parts(op: &Op) -> bool {
    matches!(op, Op::Concat { .. } | Op::Pad(_))
}

/// For each node whether it is computed from constants alone: memory would hold what flash already says.
fn known_now(graph: &Graph) -> Vec<bool> {
    let mut known: Vec<bool> = Vec::with_capacity(graph.nodes().len());
    for node in graph.nodes() {
        known.push(match kind(&node.op) {
            Kind::Source => matches!(node.op, Op::Constant(_) | Op::Iota { .. }),
            Kind::Element => node.operands.iter().all(|o| known[o.index()]),
            Kind::Loop => false,
        });
    }
    known
}

/// The operations a kernel computes, from first to last, moves left out.
pub(super) fn operations(graph: &Graph, groups: &Groups, group: &Group) -> Vec<&'static str> {
    let inside = [group.hero, group.inner, group.through];
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
    ids.into_iter().filter(|id| computes(&graph[*id].op)).map(|id| graph[id].op.name()).collect()
}
