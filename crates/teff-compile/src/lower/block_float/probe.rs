//! How far integers take the outputs off, on inputs that are tried when the network is compiled.
//!
//! The bound of a layer is a share of what its results can reach. What they do reach may be far less: where a bias cancels most of a
//! sum, as that of features far from zero does, or where what follows magnifies differences, as an instance norm does. No bound says
//! that without knowing the inputs. So the network is computed a few times as written, and again with what each layer loses, and the
//! difference is compared with the range of the outputs.

use super::choose::Candidate;
use super::format::Format;
use crate::lower::Lowering;
use std::cell::Cell;
use teff_graph::facts::work;
use teff_graph::{DType, NodeId, Num, Op, Output, Type, Value, evaluate_op, evaluate_with};

/// Elements that the plain evaluator may go through in all, which takes a second or two.
const PATIENCE: usize = 60_000_000;
/// Inputs that are tried at most; fewer where they could not be so many times.
const INPUTS: usize = 3;
const RUNS: usize = 4;
/// Outputs that hardly differ have a range of this share of the largest at least: a float has 24 bits.
const LEAST_RANGE: f64 = 1.0 / 256.0;

/// Outputs that are alike for one input, as a single one is, have this share of their range over all inputs: those differ more in kind
/// than the inputs that a network is used for.
const OF_ALL: f64 = 0.3;

/// The network on a few inputs.
pub(super) struct Probes {
    inputs: Vec<Vec<Value>>,
    /// Of each input the value of every node, as written.
    exact: Vec<Vec<Value>>,
    /// Of each input the range of every output; 0 where it does not count.
    ranges: Vec<Vec<f64>>,
    /// Layers whose features are far from zero or of different units.
    pub(super) far: Vec<NodeId>,
    /// Outputs are the same on all inputs: nothing can be seen.
    pub(super) silent: bool,
    /// Elements that one more run goes through; and how many may be.
    work: usize,
    left: Cell<usize>,
}

/// Layers with the formats that they may be computed in.
pub(super) type Formats<'a> = [(&'a Candidate, &'a Format)];

impl Lowering<'_> {
    /// The network on `inputs`, or on inputs that the weights suggest; `None` when it is too large to be tried.
    pub(super) fn probes(&self, given: &[Vec<Value>], candidates: &[Candidate]) -> Option<Probes> {
        let graph = self.scope.graph;
        let of_node = |id| work(&graph[id].op, &graph.operand_types(id), &graph[id].ty);
        let work = graph.ids().map(of_node).fold(0, usize::saturating_add).max(1);
        let count = (PATIENCE / RUNS / work).clamp(1, INPUTS);
        if 2 * work > PATIENCE || graph.nodes().iter().any(|n| matches!(n.op, Op::Random { .. })) {
            return None;
        }
        let features = self.features(candidates);
        let inputs: Vec<Vec<Value>> = match given.len() {
            0 => self.suggested(&features, count),
            n => (0..count.min(n)).map(|i| given[i * n / count.min(n)].clone()).collect(),
        };
        let exact =
            inputs.iter().map(|x| evaluate_with(graph, x, |_, _| None)).collect::<Result<Vec<_>, _>>();
        let exact = exact.ok()?;
        let range = |values: &Vec<Value>, id: usize| match values[id].len() {
            _ if !values[id].dtype().is_float() => 0.0,
            _ => range(std::iter::once(&values[id])).max(range(exact.iter().map(|v| &v[id])) * OF_ALL),
        };
        let of_input = |v| graph.outputs().iter().map(|o| range(v, o.node.index())).collect();
        let ranges = exact.iter().map(of_input).collect();
        let far = features.iter().flatten().filter(|f| f.are_far()).map(|f| f.layer).collect();
        let float = |o: &&Output| graph[o.node].ty.dtype.is_float();
        let same = |o: &Output| exact.iter().all(|v| v[o.node.index()] == exact[0][o.node.index()]);
        // One input shows nothing of that.
        let silent = exact.len() > 1 && graph.outputs().iter().filter(float).all(same);
        let work = inputs.len() * work;
        Some(Probes { inputs, exact, ranges, far, silent, work, left: Cell::new(PATIENCE) })
    }

    /// How far outputs are off with `layers` computed in their formats, the worst as a share of its range; `None` when there is no
    /// patience left.
    pub(super) fn off(&self, probes: &Probes, layers: &Formats) -> Option<f64> {
        if layers.is_empty() {
            return Some(0.0);
        }
        probes.left.set(probes.left.get().checked_sub(probes.work)?);
        let rounded: Vec<Value> = layers.iter().map(|(c, f)| self.rounded_weights(c, f)).collect();
        let mut most = 0f64;
        for ((inputs, exact), ranges) in probes.inputs.iter().zip(&probes.exact).zip(&probes.ranges) {
            let mut changed = vec![false; exact.len()];
            let values = evaluate_with(self.scope.graph, inputs, |id, operands| {
                let below = &self.node(id).operands;
                let layer = layers.iter().position(|(c, _)| c.node == id);
                changed[id.index()] = layer.is_some() || below.iter().any(|o| changed[o.index()]);
                if !changed[id.index()] {
                    return Some(exact[id.index()].clone());
                }
                let (candidate, format) = layers[layer?];
                let x = rounded_inputs(candidate, format, operands[(below[0] != candidate.layer.x) as usize]);
                let w = &rounded[layer?];
                let pair = if below[0] == candidate.layer.x { [&x, w] } else { [w, &x] };
                Some(evaluate_op(&self.node(id).op, &pair))
            });
            let Ok(values) = values else { return None };
            for (o, range) in self.scope.graph.outputs().iter().zip(ranges).filter(|(_, r)| **r > 0.0) {
                let (found, exact) = (values[o.node.index()].to_f64(), exact[o.node.index()].to_f64());
                let finite = found.into_iter().zip(exact).filter(|(_, e)| e.is_finite());
                let off = |(f, e): (f64, f64)| if f.is_finite() { (f - e).abs() } else { f64::INFINITY };
                most = finite.map(off).fold(most, |m, off| m.max(off / range));
            }
        }
        Some(most)
    }

    /// The weights that the integers of a layer stand for, as its operand has them.
    fn rounded_weights(&self, candidate: &Candidate, format: &Format) -> Value {
        let n = self.node(candidate.node);
        let operand =
            n.operands.iter().copied().find(|o| *o != candidate.layer.x).unwrap_or(candidate.layer.x);
        let terms = format.weights.len() / format.factors.len();
        let weight = |i: usize| {
            let power = candidate
                .layer
                .powers
                .as_ref()
                .map_or(1.0, |p| p.factor(candidate.layer.loops.channel_of(i, terms)));
            format.weights[i] as f64 * format.scale(i / terms) as f64 / power
        };
        let ty = &self.node(operand).ty;
        Value::from_fn(ty, |i| Num::Float(weight(candidate.layer.loops.weight_at(i))))
    }
}

/// From the least to the largest of what is finite, or the least that counts.
fn range<'v>(values: impl Iterator<Item = &'v Value>) -> f64 {
    let finite = values.flat_map(|v| v.to_f64()).filter(|y| y.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), y| (l.min(y), h.max(y)));
    (high - low).max(LEAST_RANGE * high.abs().max(low.abs()))
}

/// The inputs of a layer as the integers that they become stand for them.
fn rounded_inputs(candidate: &Candidate, format: &Format, x: &Value) -> Value {
    let ty = x.ty();
    let axis = candidate.layer.powers.as_ref().map_or(0, |p| p.axis);
    let inner: usize = ty.shape[axis + 1..].iter().product();
    let power = |i: usize| {
        let of = |channels: usize| i / inner % channels;
        candidate.layer.powers.as_ref().map_or(0, |p| p.of(of(ty.shape[axis])))
    };
    let values = x.to_f64();
    if values.iter().any(|x| !x.is_finite()) {
        return Value::full(&ty, Num::Float(f64::NAN));
    }
    let largest = values.iter().enumerate().fold(0f64, |m, (i, x)| m.max(x.abs() * 2f64.powi(-power(i))));
    if largest == 0.0 {
        return x.clone();
    }
    let exponent = ((largest as f32).to_bits() >> 23) as i32 - 126;
    let bits = format.width.input_bits as i32 - exponent;
    Value::from_fn(&Type::new(DType::F32, ty.shape.clone()), |i| {
        let unit = 2f64.powi(power(i) - bits);
        Num::Float((values[i] / unit).round() * unit)
    })
}
