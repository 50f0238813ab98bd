//! Smaller graphs that compute the same: constants folded, equal nodes merged, moves that cancel removed, what no output needs
//! dropped.

use crate::facts;
use crate::graph::{Graph, NodeId};
use crate::op::{Binary, Op, Unary};
use crate::ops;
use crate::scan::Scan;
use crate::value::Value;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// Constants are folded when the result is not larger than this, in bytes, or than what it is computed from.
const SMALL: usize = 256;
/// What is folded takes no more room than this, in bytes, or than a few times the constants there are: a chain of operations on a
/// large constant stays one.
const MOST_ROOM: usize = 1 << 26;
/// ... and no more work than this beyond a look at each element.
const MOST_WORK: usize = 1 << 25;

/// Simplifies until nothing changes. Inputs stay, used or not, in their order.
pub fn simplify(graph: &Graph) -> Graph {
    settled(graph, false)
}

/// As [`simplify`], but constants that are stored as integers and dequantised stay so however small they are, for what is to be
/// written to a file or lowered to integers.
pub fn simplify_stored(graph: &Graph) -> Graph {
    settled(graph, true)
}

fn settled(graph: &Graph, stored: bool) -> Graph {
    let constants = graph.nodes().iter().filter(|n| matches!(n.op, Op::Constant(_)));
    let given = constants.fold(0, |sum: usize, n| sum.saturating_add(n.ty.bytes()));
    rounds(graph, stored, &mut Left { room: MOST_ROOM.max(given.saturating_mul(4)), work: MOST_WORK })
}

/// What constants may still be folded.
struct Left {
    room: usize,
    work: usize,
}

fn rounds(graph: &Graph, stored: bool, left: &mut Left) -> Graph {
    let mut now = once(graph, stored, left);
    // Each round removes nodes or moves a broadcast towards the outputs, so it ends by itself; the bound is for safety.
    for _ in 0..16 {
        let next = once(&now, stored, left);
        if next.nodes().len() == now.nodes().len()
            && next.nodes().iter().zip(now.nodes()).all(|(a, b)| a.op == b.op)
        {
            break;
        }
        now = next;
    }
    now
}

fn once(graph: &Graph, stored: bool, left: &mut Left) -> Graph {
    let empty = Graph::new(&graph.name);
    let mut to = Rewriter { graph: empty, known: HashMap::new(), stored, left };
    let mut needed = vec![false; graph.nodes().len()];
    graph.outputs().iter().for_each(|o| needed[o.node.index()] = true);
    for id in graph.ids().rev() {
        needed[id.index()] |= matches!(graph[id].op, Op::Input { .. });
        if needed[id.index()] {
            graph[id].operands.iter().for_each(|o| needed[o.index()] = true);
        }
    }
    let mut new_ids: Vec<Option<NodeId>> = vec![None; graph.nodes().len()];
    for id in graph.ids().filter(|id| needed[id.index()]) {
        let node = &graph[id];
        let operands: Vec<NodeId> =
            node.operands.iter().map(|o| new_ids[o.index()].expect("operands come first")).collect();
        let op = match &node.op {
            Op::Scan(s) => Op::Scan(Scan { body: simplified_body(&s.body, stored, to.left), ..s.clone() }),
            // No other has a graph inside.
            op => op.clone(),
        };
        new_ids[id.index()] = Some(to.add(op, &operands, &node.label));
    }
    for o in graph.outputs() {
        to.graph.add_output(&o.name, new_ids[o.node.index()].expect("outputs are needed"));
    }
    to.graph
}

/// The same body when there is nothing to simplify, so that rounds come to an end and equal scans stay equal.
fn simplified_body(body: &Arc<Graph>, stored: bool, left: &mut Left) -> Arc<Graph> {
    let simple = rounds(body, stored, left);
    if simple.nodes().len() == body.nodes().len() { body.clone() } else { Arc::new(simple) }
}

struct Rewriter<'l> {
    graph: Graph,
    /// Nodes by what they compute.
    known: HashMap<String, NodeId>,
    /// Constants that are dequantised stay integers.
    stored: bool,
    left: &'l mut Left,
}

impl Rewriter<'_> {
    /// A node that computes `op` of `operands`: an old one, a simpler one, or a new one.
    fn add(&mut self, op: Op, operands: &[NodeId], label: &Option<Arc<str>>) -> NodeId {
        if let Some(id) = self.shortcut(&op, operands) {
            return id;
        }
        if let Some((op, operands)) = self.rewrite(&op, operands, label) {
            return self.add(op, &operands, label);
        }
        if let Some(value) = self.fold(&op, operands) {
            let label = label.clone().or_else(|| self.graph[operands[0]].label.clone());
            return self.add(Op::Constant(Arc::new(value)), &[], &label);
        }
        let key = self.key(&op, operands);
        if let Some(&id) = key.as_ref().and_then(|k| self.known.get(k)) {
            return id;
        }
        let id = self.graph.push(op, operands, label.clone()).expect("a rewrite keeps types valid");
        if let Some(key) = key {
            self.known.insert(key, id);
        }
        id
    }

    fn op(&self, id: NodeId) -> &Op {
        &self.graph[id].op
    }

    fn shape(&self, id: NodeId) -> &[usize] {
        &self.graph[id].ty.shape
    }

    /// Equal keys compute equal values; `None` for what must stay apart.
    fn key(&self, op: &Op, operands: &[NodeId]) -> Option<String> {
        let what = match op {
            Op::Input { .. } => return None,
            Op::Constant(v) if v.len() <= 16 => format!("{} {:?}", v.ty(), v.to_le_bytes()),
            Op::Constant(v) => format!("{:p}", Arc::as_ptr(v)),
            Op::Param(p) => format!("param {}", p.id()),
            Op::Scan(s) => {
                format!("{:p} {} {} {} {}", Arc::as_ptr(&s.body), s.states, s.scanned, s.length, s.reverse)
            }
            // Of all others, what is printed is all there is.
            op => format!("{op:?}"),
        };
        Some(format!("{what} {operands:?}"))
    }

    /// An operand, or another node, that already is the result.
    fn shortcut(&self, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
        let &x = operands.first()?;
        let same = match op {
            Op::Unary(Unary::StopGradient) => true,
            Op::Cast(dtype) => self.graph[x].ty.dtype == *dtype,
            Op::Reshape(shape) | Op::Broadcast(shape) => self.shape(x) == shape,
            Op::Permute(perm) => perm.is_sorted(),
            Op::Slice(axes) => {
                axes.iter().zip(self.shape(x)).all(|(a, &n)| a.start == 0 && a.step == 1 && a.len == n)
            }
            Op::Pad(axes) => axes.iter().all(|a| (a.low, a.high, a.interior) == (0, 0, 0)),
            Op::Concat { .. } => operands.len() == 1,
            Op::Reduce { axes, .. } => axes.iter().all(|&a| self.shape(x)[a] == 1),
            Op::Binary(Binary::Add) if self.graph.is_filled_with(x, 0) => return Some(operands[1]),
            Op::Binary(Binary::Mul) if self.graph.is_filled_with(x, 1) => return Some(operands[1]),
            Op::Binary(Binary::Add | Binary::Sub) => self.graph.is_filled_with(operands[1], 0),
            Op::Binary(Binary::Mul | Binary::Div) => self.graph.is_filled_with(operands[1], 1),
            Op::Select if self.graph.is_filled_with(x, 1) => return Some(operands[1]),
            Op::Select if self.graph.is_filled_with(x, 0) => return Some(operands[2]),
            // Others always change something.
            _ => false,
        };
        same.then_some(x)
    }

    /// The same as one operation on other operands.
    fn rewrite(
        &mut self,
        op: &Op,
        operands: &[NodeId],
        label: &Option<Arc<str>>,
    ) -> Option<(Op, Vec<NodeId>)> {
        let &x = operands.first()?;
        let inner = self.graph[x].operands.clone();
        match (op, self.op(x).clone()) {
            (Op::Reshape(shape), Op::Reshape(_)) => Some((Op::Reshape(shape.clone()), inner)),
            (Op::Broadcast(shape), Op::Broadcast(_)) => Some((Op::Broadcast(shape.clone()), inner)),
            (Op::Permute(outer), Op::Permute(first)) => {
                Some((Op::Permute(outer.iter().map(|&a| first[a]).collect()), inner))
            }
            // Only axes of size 1 change their place.
            (Op::Permute(perm), _) => {
                let moved: Vec<usize> = perm.iter().copied().filter(|&a| self.shape(x)[a] != 1).collect();
                let shape = perm.iter().map(|&a| self.shape(x)[a]).collect();
                moved.is_sorted().then(|| (Op::Reshape(shape), vec![x]))
            }
            // A function of repeated elements is computed once and repeated. A broadcast scalar needs no place of its own.
            (Op::Unary(_) | Op::Cast(_), Op::Broadcast(shape)) => {
                let inside = self.add(op.clone(), &inner, label);
                Some((Op::Broadcast(shape), vec![inside]))
            }
            (Op::Binary(b), Op::Broadcast(shape)) => {
                let Op::Broadcast(_) = self.op(operands[1]) else { return None };
                let other = self.graph[operands[1]].operands[0];
                let both = crate::broadcast_shape(self.shape(inner[0]), self.shape(other))?;
                if both.iter().product::<usize>() == shape.iter().product::<usize>() {
                    return None;
                }
                let left = self.add(Op::Broadcast(both.clone()), &inner, label);
                let right = self.add(Op::Broadcast(both), &[other], label);
                let inside = self.add(Op::Binary(*b), &[left, right], label);
                Some((Op::Broadcast(shape), vec![inside]))
            }
            (Op::Reduce { kind: k, axes }, Op::Reduce { kind, axes: first }) if *k == kind => {
                let mut all: Vec<usize> = axes.iter().copied().chain(first).collect();
                all.sort_unstable();
                all.dedup();
                Some((Op::Reduce { kind, axes: all }, inner))
            }
            // No other pair is known to be one operation.
            _ => None,
        }
    }

    /// The value of an operation on constants, unless it would be larger than they are.
    fn fold(&mut self, op: &Op, operands: &[NodeId]) -> Option<Value> {
        if self.stored && matches!(op, Op::Dequantize) {
            return None;
        }
        // A broadcast of a scalar says more than its elements do.
        if operands.is_empty() || matches!(op, Op::Scan(_) | Op::Project(_) | Op::Broadcast(_)) {
            return None;
        }
        // Beside a constant of full size, a repeated one is taken as its elements.
        let repeated = |o: NodeId| {
            let Op::Broadcast(_) = self.op(o) else { return None };
            let Op::Constant(v) = self.op(self.graph[o].operands[0]) else { return None };
            Some(Cow::Owned(ops::evaluate(self.op(o), &[v])))
        };
        let is_full = |&o: &NodeId| matches!(self.op(o), Op::Constant(_));
        let mixes = matches!(op, Op::Binary(_) | Op::Select) && operands.iter().any(is_full);
        let values = operands.iter().map(|&o| {
            if let Op::Constant(v) = self.op(o) {
                return Some(Cow::Borrowed(v.as_ref()));
            }
            // Only then: alone it may be of any size.
            if mixes { repeated(o) } else { None }
        });
        let values: Vec<Cow<Value>> = values.collect::<Option<_>>()?;
        let values: Vec<&Value> = values.iter().map(AsRef::as_ref).collect();
        let types: Vec<_> = values.iter().map(|v| v.ty()).collect();
        let ty = ops::infer(op, &types).ok()?;
        let given: usize = types.iter().map(|t| t.bytes()).sum();
        let elements = types.iter().fold(ty.len(), |n, t| n.saturating_add(t.len()));
        let work = facts::work(op, &types, &ty).saturating_sub(elements);
        if ty.bytes() > SMALL.max(given) || ty.bytes() > self.left.room || work > self.left.work {
            return None;
        }
        let value = ops::evaluate(op, &values);
        self.left.room -= ty.bytes();
        self.left.work -= work;
        Some(value)
    }
}
