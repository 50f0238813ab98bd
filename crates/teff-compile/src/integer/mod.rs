//! Quantised graphs in integers.
//!
//! What ONNX and TFLite say with floats between `Dequantize` and `Quantize` is rewritten so that no float is left but where the network's
//! interface has floats. Every float node is followed as integers times a scale ([`affine::Affine`]) for as long as that is exact to the
//! 31 bits that integers have; a `Quantize` then brings the integers to its own scale ([`requantize`], which is where rounding is
//! said). Functions of one 8-bit element become tables ([`table`]), computed by the reference evaluator. What can be followed by
//! neither stays as it is.
//!
//! Results are those of the formula in real numbers. They may differ from those of the float graph by one step, where a float lies
//! within its own rounding of the border between two integers. The rewritten graph is what evaluator, C and Rust agree on to the bit.

mod affine;
mod left;
mod linear;
mod narrow;
mod prospect;
mod requantize;
mod softmax;
mod table;
#[cfg(test)]
mod tests;

use affine::{Affine, MOST, Scale, along, is_whole};
pub use left::{left_in_floats, quantizes_floats};
pub use prospect::{Form, Prospect};
use requantize::{Quantization, requantize};
use std::collections::HashMap;
use table::Sources;
use teff_graph::facts::Known;
use teff_graph::{Binary, DType, Graph, NodeId, Op, PoolKind, ReduceKind, Tensor, Unary};

/// The graph with everything quantised computed in integers.
///
/// # Errors
/// None on a graph that passed its verifier; one here is a defect.
pub fn integer(graph: &Graph) -> Result<Graph, teff_graph::Error> {
    let quantised = |op: &Op| matches!(op, Op::Quantize { .. } | Op::Dequantize);
    if !graph.nodes().iter().any(|n| quantised(&n.op)) {
        return Ok(graph.clone());
    }
    let walk = IntegerPass::of(graph);
    let tensor = |id: &NodeId| walk.made[id.index()].clone();
    let inputs: Vec<Tensor> = graph.inputs().iter().map(tensor).collect();
    let outputs: Vec<(&str, Tensor)> = graph.outputs().iter().map(|o| (&*o.name, tensor(&o.node))).collect();
    Graph::from_tensors(&graph.name, &inputs, &outputs)
}

struct IntegerPass<'a> {
    graph: &'a Graph,
    /// What computes each node now.
    made: Vec<Tensor>,
    /// The integers behind each node, where there are.
    affine: Vec<Option<Affine>>,
    known: Known<'a>,
    sources: Sources,
    /// What a `Quantize` was made from, and for what.
    before: HashMap<NodeId, (Affine, Quantization)>,
    uses: Vec<usize>,
}

impl<'g> IntegerPass<'g> {
    /// A walk that has not begun.
    fn new(graph: &'g Graph) -> IntegerPass<'g> {
        IntegerPass {
            graph,
            made: Vec::new(),
            affine: Vec::new(),
            known: Known::new(graph),
            sources: Sources::default(),
            before: HashMap::new(),
            uses: graph.users().iter().map(Vec::len).collect(),
        }
    }

    fn of(graph: &'g Graph) -> IntegerPass<'g> {
        let mut walk = IntegerPass::new(graph);
        graph.ids().for_each(|id| walk.node(id));
        walk
    }

    fn node(&mut self, id: NodeId) {
        let node = &self.graph[id];
        self.sources.note(self.graph, id, &self.known);
        let operands: Vec<Tensor> = node.operands.iter().map(|o| self.made[o.index()].clone()).collect();
        let in_integers = match &node.op {
            Op::Quantize { .. } => self.quantized(id),
            Op::Pool { kind: PoolKind::Max, .. } => self.pooled_integers(id),
            // All else is what its operands are made of.
            _ => None,
        };
        let tensor = in_integers.unwrap_or_else(|| Tensor::apply(node.op.clone(), &operands));
        self.made.push(tensor);
        let affine = self.followed(id);
        if let Some(label) = &node.label {
            self.made[id.index()].named(label);
            if let Some(a) = &affine {
                a.q.named(label);
            }
        }
        // Products of integers are computed the better way, whoever uses them.
        if let (Some(a), DType::I32, Op::MatMul | Op::Conv(_)) = (&affine, node.ty.dtype, &node.op) {
            self.made[id.index()] = a.int();
        }
        self.affine.push(affine);
    }

    fn made(&self, id: NodeId) -> &Tensor {
        &self.made[id.index()]
    }

    fn affine(&self, id: NodeId) -> Option<&Affine> {
        self.affine[id.index()].as_ref()
    }

    /// A `Quantize` in integers.
    fn quantized(&mut self, id: NodeId) -> Option<Tensor> {
        let node = &self.graph[id];
        let [x, scale, zero] = node.operands[..] else { return None };
        let Op::Quantize { dtype, low, high } = node.op else { return None };
        if let Some(source) = self.sources.source(x)
            && let Some(values) = self.sources.table(self.graph, id, &self.known)
        {
            return Some(table::look_up(self.made(source), values));
        }
        let scale = Scale::of(&*self.known.compact(scale)?, &self.graph[x].ty)?.single()?;
        let zero = self.known.uniform(zero)?.as_int() as i32;
        let target = Quantization { dtype, low, high, scale, zero };
        let (x, target) = self.unclamped(x, target);
        let Some(a) = self.affine(x).cloned() else {
            return self.joined_quantized(x, &target).or_else(|| softmax::quantized(self, x, &target));
        };
        let tensor = requantize(&a, &target)?;
        self.before.insert(id, (a, target));
        Some(tensor)
    }

    /// Tensors on scales of their own, joined: each is brought to the scale of all.
    fn joined_quantized(&self, x: NodeId, target: &Quantization) -> Option<Tensor> {
        let Op::Concat { axis } = self.graph[x].op else { return None };
        let part = |o: &NodeId| requantize(self.affine(*o)?, target);
        let parts: Vec<Tensor> = self.graph[x].operands.iter().map(part).collect::<Option<_>>()?;
        Some(Tensor::concat(&parts, axis))
    }

    /// What is brought to the target's range instead of `x`, and that range: bounds of `x` that are the same everywhere are bounds of the
    /// result, rounded as any element.
    fn unclamped(&self, x: NodeId, target: Quantization) -> (NodeId, Quantization) {
        let node = &self.graph[x];
        let (least, [a, b]) = match (&node.op, &node.operands[..]) {
            (Op::Binary(Binary::Max), [a, b]) => (true, [*a, *b]),
            (Op::Binary(Binary::Min), [a, b]) => (false, [*a, *b]),
            // Nothing else bounds it.
            _ => return (x, target),
        };
        let bound = |id| self.known.uniform(id).map(|c| c.as_f64()).filter(|c| !c.is_nan());
        let (inner, bound) = match (bound(a), bound(b)) {
            (_, Some(bound)) => (a, bound),
            (Some(bound), None) => (b, bound),
            (None, None) => return (x, target),
        };
        // The quotient is rounded to a float first, as in the float graph.
        let step = f64::from((bound / target.scale) as f32).round_ties_even() + f64::from(target.zero);
        let step = step.clamp(target.low.into(), target.high.into()) as i32;
        let target =
            if least { Quantization { low: step, ..target } } else { Quantization { high: step, ..target } };
        self.unclamped(inner, target)
    }

    /// The largest elements of windows. Where nothing else needs what is pooled, it is requantised once a window, not once an element: a
    /// larger integer is never requantised to a smaller one.
    fn pooled(&self, id: NodeId) -> Option<Affine> {
        let node = &self.graph[id];
        let x = node.operands[0];
        let a = self.affine(x)?;
        let [q, ..] = self.graph[x].operands[..] else { return a.moved(&node.op, &[]) };
        let alone = self.uses[x.index()] == 1 && self.uses[q.index()] == 1;
        match self.before.get(&q).filter(|_| alone && self.graph[x].op == Op::Dequantize) {
            Some((before, target)) => {
                let q = requantize(&before.moved(&node.op, &[])?, target)?;
                Some(Affine { q, ..a.clone() })
            }
            None => a.moved(&node.op, &[]),
        }
    }

    /// The largest integers of windows, requantised once a window where nothing else needs what is pooled.
    fn pooled_integers(&self, id: NodeId) -> Option<Tensor> {
        let node = &self.graph[id];
        let q = node.operands[0];
        let (before, target) = self.before.get(&q).filter(|_| self.uses[q.index()] == 1)?;
        requantize(&before.moved(&node.op, &[])?, target)
    }

    /// The integers behind a node, if they have 32 bits at most.
    fn followed(&self, id: NodeId) -> Option<Affine> {
        self.follow(id).filter(|a| a.bound() < 1 << 31 && a.q.check().is_ok())
    }

    fn follow(&self, id: NodeId) -> Option<Affine> {
        let node = &self.graph[id];
        let operand = |i: usize| self.affine(node.operands[i]);
        match &node.op {
            Op::Dequantize => self.dequantized(id),
            Op::Cast(DType::I32) if self.graph[node.operands[0]].ty.dtype.size() == 1 => {
                Some(Affine::plain(self.made(node.operands[0])))
            }
            Op::Cast(DType::F32) => operand(0).cloned(),
            Op::MatMul => linear::matmul(operand(0)?, operand(1)?, self.weights(node.operands[1])),
            Op::Conv(geometry) => {
                linear::conv(operand(0)?, operand(1)?, geometry, self.weights(node.operands[1]))
            }
            Op::Unary(Unary::Neg) => Some(operand(0)?.signed(vec![-1], 0)),
            Op::Binary(op) => self.binary(*op, node.operands[0], node.operands[1]),
            Op::Pad(_) => self
                .known
                .uniform(node.operands[1])
                .filter(|p| p.as_f64() == 0.0)
                .and(operand(0))?
                .moved(&node.op, &[]),
            Op::Gather { .. } => operand(0)?.moved(&node.op, &[self.made(node.operands[1]).clone()]),
            Op::Reshape(_) | Op::Permute(_) | Op::Broadcast(_) | Op::Slice(_) => {
                operand(0)?.moved(&node.op, &[])
            }
            Op::Concat { axis } => self.joined(&node.operands, *axis),
            Op::Pool { kind: PoolKind::Max, .. } => self.pooled(id),
            Op::Pool { kind: PoolKind::Sum, window } => {
                let times = window.size.iter().fold(1i64, |n, s| n.saturating_mul(*s as i64));
                self.summed(operand(0)?, &node.op, times)
            }
            Op::Reduce { kind: ReduceKind::Sum, axes } => {
                let a = operand(0)?;
                let times: usize = axes.iter().map(|x| a.q.shape()[*x]).product();
                self.summed(a, &node.op, times as i64)
            }
            Op::Reduce { kind: ReduceKind::Max | ReduceKind::Min, .. } => operand(0)?.moved(&node.op, &[]),
            // What else there is of integers becomes tables, or stays in floats.
            _ => None,
        }
    }

    /// The elements of a constant operand, as integers without their zero, if it is one.
    fn weights(&self, id: NodeId) -> Option<Vec<i64>> {
        let a = self.affine(id)?;
        self.known.compact(id)?;
        let graph = Graph::from_tensors("weights", &[], &[("", a.int())]).ok()?;
        Some(teff_graph::evaluate(&graph, &[]).ok()?.pop()?.to_i64())
    }

    fn dequantized(&self, id: NodeId) -> Option<Affine> {
        let [q, scale, zero] = self.graph[id].operands[..] else { return None };
        let scale = Scale::of(&*self.known.compact(scale)?, &self.graph[q].ty)?;
        let zero = self.known.uniform(zero)?.as_int();
        let plain = Affine::plain(self.made(q));
        let zero = i64::try_from(zero).ok().filter(|z| z.abs() < 1 << 16)?;
        let range = (plain.range.0 - zero, plain.range.1 - zero);
        Some(Affine { zero: zero as i32, scale, range, ..plain })
    }

    /// Sums of `times` elements; of different scales only if those stay apart.
    fn summed(&self, a: &Affine, op: &Op, times: i64) -> Option<Affine> {
        let a = &a.settled(MOST.saturating_sub(i64::BITS - times.leading_zeros()));
        let single = a.scale.single().is_some();
        let range = (a.range.0.min(0).checked_mul(times)?, a.range.1.max(0).checked_mul(times)?);
        (single && range.0.saturating_abs().max(range.1) < 1 << 31).then(|| {
            let q = Tensor::apply(op.clone(), std::slice::from_ref(&a.q));
            Affine { q, range, ..a.clone() }
        })
    }

    fn joined(&self, operands: &[NodeId], axis: usize) -> Option<Affine> {
        let all: Vec<&Affine> = operands.iter().map(|o| self.affine(*o)).collect::<Option<_>>()?;
        let first = all[0];
        let alike = |a: &&Affine| {
            (a.zero, &a.scale, a.q.dtype()) == (first.zero, &first.scale, first.q.dtype())
                && a.offset.is_empty()
        };
        if !all.iter().all(alike) || first.scale.single().is_none() {
            return None;
        }
        let parts: Vec<Tensor> = all.iter().map(|a| a.q.clone()).collect();
        let range = all.iter().fold(first.range, |r, a| (r.0.min(a.range.0), r.1.max(a.range.1)));
        Some(Affine { q: Tensor::concat(&parts, axis), range, ..first.clone() })
    }

    fn binary(&self, op: Binary, x: NodeId, y: NodeId) -> Option<Affine> {
        let is_known = |id| self.known.compact(id).is_some();
        match (self.affine(x), self.affine(y), op) {
            (Some(a), _, op) if is_known(y) => self.with_constant(op, a, y),
            (_, Some(a), Binary::Add | Binary::Mul | Binary::Max | Binary::Min) if is_known(x) => {
                self.with_constant(op, a, x)
            }
            (_, Some(a), Binary::Sub) if is_known(x) => {
                self.with_constant(Binary::Add, &a.signed(vec![-1], 0), x)
            }
            (Some(a), Some(b), Binary::Add | Binary::Sub) => linear::sum(a, b, op),
            (Some(a), Some(b), Binary::Mul) => linear::product(a, b),
            // Quotients and comparisons of two tensors are no integers times a scale.
            _ => None,
        }
    }

    /// An operation with a constant that differs by channel at most.
    fn with_constant(&self, op: Binary, a: &Affine, constant: NodeId) -> Option<Affine> {
        let c = self.known.compact(constant)?;
        let axis = c.shape().iter().position(|n| *n != 1).unwrap_or(0);
        let numbers = self.known.along(constant, axis).filter(|n| !n.is_empty())?;
        let varies = numbers.len() > 1;
        let axis = if varies { axis } else { a.scale.axis };
        let channels = if varies { numbers.len() } else { a.scale.values.len() };
        let a = if a.offset.is_empty() || a.scale.axis == axis { a } else { &a.settled(MOST) };
        let numbers = if varies { numbers } else { vec![numbers[0]; channels] };
        if let Binary::Mul | Binary::Div = op {
            let signs: Vec<i32> = numbers.iter().map(|n| n.signum() as i32).collect();
            let a = if signs.contains(&-1) { a.signed(signs, axis) } else { a.clone() };
            let by = |(s, n): (f64, &f64)| if op == Binary::Mul { s * n.abs() } else { s / n.abs() };
            let values = a.scales(axis, channels)?.into_iter().zip(&numbers).map(by).collect();
            let factors = numbers.iter().all(|n| *n != 0.0 && n.is_finite()) && c.dtype().is_float();
            return factors.then(|| Affine { scale: Scale { axis, values }, ..a });
        }
        let steps = |a: &Affine| -> Option<Vec<f64>> {
            let steps = numbers.iter().zip(a.scales(axis, channels)?).map(|(n, s)| n / s);
            Some(steps.collect::<Vec<_>>()).filter(|all| all.iter().all(|x| x.abs() < 2f64.powi(31)))
        };
        match op {
            Binary::Add | Binary::Sub => {
                let sign = if op == Binary::Add { 1.0 } else { -1.0 };
                let by: Vec<f64> = steps(a)?.iter().map(|x| sign * x).collect();
                Some(Affine { scale: Scale { axis, ..a.scale.clone() }, ..a.clone() }.shifted(&by))
            }
            Binary::Max | Binary::Min => {
                // A bound that is no whole number of steps is rounded to smaller ones.
                let a = if steps(a)?.iter().all(|x| is_whole(*x)) {
                    a.settled(MOST)
                } else {
                    a.refined(a.room())
                };
                let steps: Vec<i64> = steps(&a)?.iter().map(|x| x.round() as i64).collect();
                let (least, most) = (*steps.iter().min()?, *steps.iter().max()?);
                let bounds = along(steps.iter().map(|b| *b as i32).collect(), axis, a.q.rank());
                let (q, range) = if op == Binary::Max {
                    (a.int().maximum(&bounds), (a.range.0.max(least), a.range.1.max(most)))
                } else {
                    (a.int().minimum(&bounds), (a.range.0.min(least), a.range.1.min(most)))
                };
                Some(Affine { scale: a.scale.clone(), ..Affine::of(q, range) })
            }
            // Factors are seen to above; others are no integers times a scale.
            _ => None,
        }
    }
}
