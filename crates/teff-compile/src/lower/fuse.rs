//! Which nodes get memory, and which are computed where they are read.

use std::collections::HashSet;
use teff_graph::{Binary, Graph, NodeId, Op, PoolKind, Unary, Window};

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
}

impl Group {
    pub(super) fn of(root: NodeId) -> Group {
        Group { root, hero: None, inner: None }
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
    let n = graph.nodes().len();
    let mut uses = vec![0; n];
    graph.nodes().iter().flat_map(|n| &n.operands).for_each(|o| uses[o.index()] += 1);
    graph.outputs().iter().for_each(|o| uses[o.node.index()] += 1);
    let is_output: HashSet<NodeId> = graph.outputs().iter().map(|o| o.node).collect();
    let weights = weights(graph);
    let mut reads: Vec<Vec<Read>> = vec![Vec::new(); n];
    let mut apart = vec![false; n];
    let mut forced = vec![false; n];
    for id in graph.ids().rev() {
        let node = &graph[id];
        apart[id.index()] = match kind(&node.op) {
            Kind::Source => forced[id.index()] && matches!(node.op, Op::Iota { .. }),
            Kind::Loop => true,
            Kind::Element if is_output.contains(&id) || forced[id.index()] => true,
            Kind::Element => !known_now(graph, id) && recomputed(&reads[id.index()], weights[id.index()]),
        };
        if matches!(node.op, Op::Pad(ref axes) if axes.iter().any(|a| a.interior > 0)) {
            apart[id.index()] = true;
        }
        for (i, &o) in node.operands.iter().enumerate() {
            forced[o.index()] |= matches!(node.op, Op::Scan(_));
            let (in_step, times) = reading(graph, id, i);
            let through: Vec<Read> = if apart[id.index()] {
                vec![Read { by: id, in_step, times }]
            } else {
                let of_users = &reads[id.index()];
                of_users
                    .iter()
                    .map(|r| Read { by: r.by, in_step: r.in_step && in_step, times: r.times * times })
                    .collect()
            };
            reads[o.index()].extend(through);
        }
    }
    let mut found = Groups { list: Vec::new(), uses, apart };
    absorb(graph, &reads, &is_output, &mut found);
    found
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

/// The last of the functions that a loop's results go through one by one before anything else sees them: storing that instead
/// takes no more memory, and computes it once.
fn end_of_chain(
    graph: &Graph,
    users: &[Vec<NodeId>],
    is_output: &HashSet<NodeId>,
    apart: &[bool],
    from: NodeId,
) -> NodeId {
    let mut end = from;
    loop {
        let [user] = users[end.index()][..] else { return end };
        let node = &graph[user];
        let operand = node.operands.iter().position(|o| *o == end).expect("a user has it as operand");
        let smaller = node.ty.bytes() <= graph[from].ty.bytes();
        if is_output.contains(&end) || apart[user.index()] || !is_function(&node.op, operand) || !smaller {
            return end;
        }
        end = user;
    }
}

/// Builds kernels around loops whose results are used in step, and pools convolutions in place.
fn absorb(graph: &Graph, reads: &[Vec<Read>], is_output: &HashSet<NodeId>, found: &mut Groups) {
    let mut hero = vec![None; graph.nodes().len()];
    let mut gone = vec![false; graph.nodes().len()];
    let users = graph.users();
    let pools = graph.ids().filter_map(|id| pooled_convolution(graph, id, &found.apart, is_output));
    let pooled: HashSet<NodeId> = pools.collect();
    let mut candidates: Vec<NodeId> =
        graph.ids().filter(|&id| finishes(&graph[id].op) && !is_output.contains(&id)).collect();
    // Of two that meet in one kernel, the larger becomes its loop.
    candidates.sort_by_key(|&id| std::cmp::Reverse(work(graph, id)));
    for id in candidates {
        let Some(first) = reads[id.index()].first() else { continue };
        let root = first.by;
        let together = reads[id.index()].iter().all(|r| r.by == root && r.in_step);
        let is_pooled = pooled.contains(&id);
        if together
            && kind(&graph[root].op) == Kind::Element
            && !by_parts(&graph[root].op)
            && hero[root.index()].is_none()
        {
            hero[root.index()] = Some(id);
            gone[id.index()] = true;
        } else if !is_pooled {
            let end = end_of_chain(graph, &users, is_output, &found.apart, id);
            if end != id && hero[end.index()].is_none() {
                found.apart[end.index()] = true;
                hero[end.index()] = Some(id);
                gone[id.index()] = true;
            }
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
    found.list =
        roots.map(|root| Group { root, hero: hero[root.index()], inner: inner[root.index()] }).collect();
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
                graph[id].operands.iter().enumerate().filter(|&(i, _)| is_function(&graph[id].op, i));
            chain.extend(in_step.map(|(_, &o)| o));
        }
    }
    let conv = conv?;
    let inside = |u: &NodeId| *u == pool || chain.contains(u) && !apart[u.index()];
    users[conv.index()].iter().all(inside).then_some(conv)
}

/// Windows that do not overlap, have no padding, and are few enough to keep in registers.
fn apart_windows(w: &Window) -> bool {
    let distinct = w.size.iter().zip(&w.stride).all(|(size, stride)| size <= stride);
    let whole = w.pad_low.iter().chain(&w.pad_high).all(|&p| p == 0) && w.dilation.iter().all(|&d| d == 1);
    distinct && whole && w.size.iter().product::<usize>() <= 16
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Needs no computing.
    Source,
    /// An element of the result follows from few elements of the operands.
    Element,
    /// Needs loops of its own.
    Loop,
}

fn kind(op: &Op) -> Kind {
    match op {
        Op::Input { .. } | Op::Constant(_) | Op::Param(_) | Op::Iota { .. } => Kind::Source,
        Op::Unary(_) | Op::Binary(_) | Op::Select | Op::Cast(_) | Op::Quantize { .. } | Op::Dequantize => {
            Kind::Element
        }
        Op::Reshape(_)
        | Op::Permute(_)
        | Op::Broadcast(_)
        | Op::Slice(_)
        | Op::Pad(_)
        | Op::Concat { .. } => Kind::Element,
        Op::Gather { .. } => Kind::Element,
        // Its scan has written its memory.
        Op::Project(_) => Kind::Source,
        Op::Random { .. } | Op::Reduce { .. } | Op::ArgReduce { .. } | Op::MatMul | Op::Conv(_) => Kind::Loop,
        Op::ConvTranspose { .. } | Op::ConvWeightGrad { .. } | Op::Pool { .. } | Op::SumPoolGrad { .. } => {
            Kind::Loop
        }
        Op::MaxPoolGrad { .. } | Op::Scatter { .. } | Op::ArgSort { .. } | Op::Scan(_) => Kind::Loop,
    }
}

/// Loops that end with one value for each element of the result, so that more can be done with it before it is stored.
fn finishes(op: &Op) -> bool {
    match op {
        Op::Reduce { .. } | Op::ArgReduce { .. } | Op::MatMul | Op::Conv(_) | Op::Pool { .. } => true,
        Op::ConvTranspose { .. } | Op::ConvWeightGrad { .. } | Op::SumPoolGrad { .. } => true,
        Op::MaxPoolGrad { .. }
        | Op::Scatter { .. }
        | Op::ArgSort { .. }
        | Op::Scan(_)
        | Op::Random { .. } => false,
        Op::Input { .. } | Op::Constant(_) | Op::Param(_) | Op::Iota { .. } | Op::Project(_) => false,
        Op::Unary(_) | Op::Binary(_) | Op::Select | Op::Cast(_) | Op::Quantize { .. } | Op::Dequantize => {
            false
        }
        Op::Reshape(_) | Op::Permute(_) | Op::Broadcast(_) | Op::Slice(_) | Op::Pad(_) => false,
        Op::Concat { .. } | Op::Gather { .. } => false,
    }
}

/// Roots that are written part by part, not element by element in order.
fn by_parts(op: &Op) -> bool {
    matches!(op, Op::Concat { .. } | Op::Pad(_))
}

/// True when operand `i` is read at the index that is computed, by a function of single elements.
fn is_function(op: &Op, i: usize) -> bool {
    match op {
        Op::Unary(_) | Op::Binary(_) | Op::Select | Op::Cast(_) => true,
        Op::Quantize { .. } | Op::Dequantize => i == 0,
        _ => false,
    }
}

/// Whether operand `i` is read in step, and how often each of its elements is read.
fn reading(graph: &Graph, id: NodeId, i: usize) -> (bool, f64) {
    let node = &graph[id];
    let size = |n: usize| n.max(1) as f64;
    let operand = &graph[node.operands[i]].ty;
    let ratio = size(node.ty.len()) / size(operand.len());
    match &node.op {
        Op::Reshape(_) => (true, 1.0),
        op if is_function(op, i) => (true, 1.0),
        Op::Quantize { .. } | Op::Dequantize | Op::Broadcast(_) => (false, ratio),
        Op::Permute(_) | Op::Slice(_) | Op::Concat { .. } | Op::Project(_) => (false, 1.0),
        Op::Pad(_) if i == 0 => (false, 1.0),
        Op::Pad(_) => (false, size(node.ty.len())),
        Op::Gather { .. } => (false, ratio.max(1.0)),
        Op::Reduce { .. } | Op::ArgReduce { .. } => (false, 1.0),
        Op::MatMul => (false, size(node.ty.shape[node.ty.rank() - 2 + (1 - i)])),
        Op::Pool { window, .. } => {
            let pairs = window.size.iter().zip(&window.stride);
            (
                false,
                if apart_windows(window) { 1.0 } else { pairs.map(|(s, t)| s.div_ceil(*t) as f64).product() },
            )
        }
        Op::Conv(_) | Op::ConvTranspose { .. } | Op::ConvWeightGrad { .. } => (false, f64::INFINITY),
        Op::SumPoolGrad { .. } | Op::MaxPoolGrad { .. } | Op::ArgSort { .. } | Op::Scan(_) => {
            (false, f64::INFINITY)
        }
        Op::Scatter { .. } if i == 1 => (false, size(graph[node.operands[2]].ty.len()) / size(operand.len())),
        Op::Scatter { .. } => (false, 1.0),
        Op::Input { .. } | Op::Constant(_) | Op::Param(_) | Op::Iota { .. } | Op::Random { .. } => {
            (false, 1.0)
        }
        Op::Unary(_) | Op::Binary(_) | Op::Select | Op::Cast(_) => (true, 1.0),
    }
}

/// For each node, how much work one of its elements is when all below it that can be is computed on the way; an addition is 1.
fn weights(graph: &Graph) -> Vec<f64> {
    let mut weights: Vec<f64> = Vec::new();
    for node in graph.nodes() {
        let own = match &node.op {
            Op::Unary(u) => match u {
                Unary::Neg | Unary::Abs | Unary::Sign | Unary::Not | Unary::IsNan | Unary::IsInf => 1.0,
                Unary::StopGradient => 0.0,
                Unary::Floor | Unary::Ceil | Unary::Round => 2.0,
                Unary::Sqrt | Unary::Exp | Unary::Log | Unary::Sin | Unary::Cos | Unary::Tan => 20.0,
                Unary::Asin | Unary::Acos | Unary::Atan | Unary::Sinh | Unary::Cosh | Unary::Tanh => 20.0,
                Unary::Asinh | Unary::Acosh | Unary::Atanh | Unary::Erf | Unary::Sigmoid => 20.0,
            },
            Op::Binary(Binary::Div | Binary::Rem) => 8.0,
            Op::Binary(Binary::Pow) => 40.0,
            Op::Binary(_) | Op::Select | Op::Pad(_) | Op::Concat { .. } | Op::Gather { .. } => 1.0,
            Op::Quantize { .. } => 12.0,
            Op::Dequantize => 2.0,
            Op::Cast(_) => 0.5,
            _ => 0.0,
        };
        let below = node.operands.iter().filter(|o| kind(&graph[**o].op) == Kind::Element);
        weights.push(own + below.map(|o| weights[o.index()]).sum::<f64>());
    }
    weights
}

/// True when it is computed from constants alone: memory would hold what flash already says.
fn known_now(graph: &Graph, id: NodeId) -> bool {
    let node = &graph[id];
    match kind(&node.op) {
        Kind::Source => matches!(node.op, Op::Constant(_) | Op::Iota { .. }),
        Kind::Element => node.operands.iter().all(|&o| known_now(graph, o)),
        Kind::Loop => false,
    }
}

/// Multiply-accumulates, or elements read, of a loop.
pub(super) fn work(graph: &Graph, id: NodeId) -> u64 {
    let node = &graph[id];
    let shape = |i: usize| &graph[node.operands[i]].ty.shape;
    let product = |s: &[usize]| s.iter().product::<usize>() as u64;
    match &node.op {
        Op::MatMul => product(&node.ty.shape) * *shape(0).last().expect("a matrix") as u64,
        Op::Conv(_) => product(&node.ty.shape) * product(&shape(1)[1..]),
        Op::ConvTranspose { .. } => product(shape(0)) * product(&shape(1)[1..]),
        Op::ConvWeightGrad { .. } => product(shape(1)) * product(&node.ty.shape[1..]),
        _ => node.operands.first().map_or(0, |_| product(shape(0))),
    }
}

/// Multiply-accumulates of a kernel.
pub(super) fn macs(graph: &Graph, group: &Group) -> u64 {
    let hero = group.hero.unwrap_or(group.root);
    let id = group.inner.unwrap_or(hero);
    let pool = group.inner.map(|_| hero);
    match &graph[id].op {
        Op::Conv(_) => match pool.map(|p| (&graph[p].op, &graph[p].ty.shape)) {
            // Only what the pool keeps is computed.
            Some((Op::Pool { window, .. }, shape)) => {
                let w = graph[id].operands[1];
                let taps: usize = graph[w].ty.shape[1..].iter().product();
                (shape.iter().product::<usize>() * window.size.iter().product::<usize>() * taps) as u64
            }
            _ => work(graph, id),
        },
        Op::MatMul | Op::ConvTranspose { .. } | Op::ConvWeightGrad { .. } => work(graph, id),
        _ => 0,
    }
}

/// The operations a kernel computes, from first to last, moves left out.
pub(super) fn operations(graph: &Graph, groups: &Groups, group: &Group) -> Vec<&'static str> {
    let stops = |id: NodeId| groups.apart[id.index()] && group.hero != Some(id) && group.inner != Some(id);
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
