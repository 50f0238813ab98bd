//! Which layers are computed by mantissas, and how wide those are.
//!
//! The whole network is given an error. Two things stay below it: the sum of the bounds of all layers, each a share of what the layer's
//! results can reach; and 70 % of it what the outputs are off by on the inputs that are tried, as a share of the range that they have
//! there. All layers begin wide, those with most weights become narrow while there is room, and what even wide ones take too far off
//! stays in floats.

use super::format::{Format, Width, format};
use super::loops::Dense;
use super::magnify::FURTHEST;
use super::powers::Powers;
use super::probe::Probes;
use super::{BlockFloat, Layer, Loops};
use crate::lower::Lowering;
use crate::target::Floats;
use std::sync::Arc;
use teff_graph::facts::Class;
use teff_graph::{DType, Node, NodeId, Num, Op, Value, evaluate_op};

/// Why a layer without constant weights stays as it is.
const COMPUTED: &str = "its weights are computed";

/// Constant weights, those of one output beside each other.
struct Weights {
    /// The constant they come from.
    source: NodeId,
    weights: Vec<f32>,
    /// Steps from the zero point, of weights that were quantised to 8 bits.
    steps: Option<Vec<i32>>,
}

/// Inputs, loops and weights of a layer.
type Layered = (NodeId, Loops, Weights);

/// A layer that may have mantissas.
pub(super) struct Candidate {
    pub(super) node: NodeId,
    pub(super) layer: BlockFloat,
    /// Narrow ones, beside the wide ones of `layer`.
    pub(super) narrow: Option<Format>,
}

impl<'a> Lowering<'a> {
    /// Decides for every layer of the network. Layers in the body of a scan are computed by floats.
    pub(in crate::lower) fn choose_block_floats(&mut self, floats: Floats, inputs: &[Vec<Value>]) {
        let Floats::Mantissas { error } = floats else { return };
        if self.target.float_unit {
            return;
        }
        let users = self.scope.graph.users();
        let mut candidates = Vec::new();
        for group in self.scope.groups.list.clone() {
            let product = group.innermost();
            let Some(found) = self.candidate(product) else { continue };
            match found.and_then(|c| self.magnified(&users, &c).map_or(Ok(c), Err)) {
                Ok(candidate) => candidates.push(candidate),
                Err(reason) => self.set_layer(product, Layer::Software(reason)),
            }
        }
        self.drop_beyond(&mut candidates, error);
        self.layers.off = self.choose_widths(&mut candidates, error, inputs);
        for c in candidates {
            self.set_layer(c.node, Layer::BlockFloat(Arc::new(c.layer)));
        }
    }

    /// Leaves the least precise layers to floats until the bounds of the others sum up to no more than `error`.
    fn drop_beyond(&mut self, candidates: &mut Vec<Candidate>, error: f64) {
        while candidates.iter().map(|c| c.layer.format.error).sum::<f64>() > error {
            let errors = candidates.iter().map(|c| c.layer.format.error).enumerate();
            let Some((worst, _)) = errors.max_by(|a, b| a.1.total_cmp(&b.1)) else { break };
            let dropped = candidates.remove(worst);
            self.set_layer(
                dropped.node,
                Layer::Software("the error given for the network has no room for it"),
            );
        }
    }

    pub(super) fn set_layer(&mut self, node: NodeId, layer: Layer) {
        self.layers.of_product.insert(std::ptr::from_ref(self.node(node)), layer);
    }

    /// What `node` is when it multiplies floats by weights; why it cannot be computed by mantissas.
    pub(super) fn candidate(&self, node: NodeId) -> Option<Result<Candidate, &'static str>> {
        let n = self.node(node);
        if let Op::Scan(scan) = &n.op {
            let product = |n: &Node| matches!(n.op, Op::MatMul | Op::Conv(_)) && n.ty.dtype.is_float();
            return scan.body.nodes().iter().any(product).then_some(Err("it is recurrent"));
        }
        if !n.ty.dtype.is_float() {
            return None;
        }
        let found = match &n.op {
            Op::MatMul => self.dense_weights(node),
            Op::Conv(geometry) => self.weights(n.operands[1]).ok_or(COMPUTED).map(|weights| {
                let kernel = self.node(n.operands[1]).ty.shape.clone();
                (n.operands[0], Loops::Conv(geometry.clone(), kernel), weights)
            }),
            Op::ConvTranspose { .. } => Err("it is a transposed convolution"),
            // Nothing else multiplies by weights.
            _ => return None,
        };
        Some(found.and_then(|layered| self.formatted(node, layered)))
    }

    /// A layer in the widest format that it has.
    fn formatted(&self, node: NodeId, (x, loops, weights): Layered) -> Result<Candidate, &'static str> {
        let Weights { source, weights, steps } = weights;
        let ty = &self.node(node).ty;
        if ty.dtype != DType::F32 {
            return Err("it is f64");
        }
        if ty.is_empty() || weights.is_empty() {
            return Err("it is empty");
        }
        let terms = weights.len() / loops.outputs();
        let positive = self.never_negative(x, FURTHEST);
        let powers = self.powers(x, &loops, &weights, terms);
        // Scaled they are no multiples of the steps any more.
        let steps = steps.filter(|_| powers.is_none());
        let weights = powers.as_ref().map_or(weights.clone(), |p| p.scaled(&loops, &weights, terms));
        let wide = format(&weights, terms, Width::WIDE, None, positive)?;
        let bytes = steps.and_then(|s| format(&weights, terms, Width::BYTE, Some(&s), positive).ok());
        let bytes = bytes.filter(|bytes| bytes.error <= wide.error);
        // Features far from zero leave no bits to spare.
        let spare = bytes.is_none() && !powers.as_ref().is_some_and(Powers::of_sensors);
        let narrow = spare.then(|| format(&weights, terms, Width::NARROW, None, positive).ok()).flatten();
        let layer = BlockFloat { format: bytes.unwrap_or(wide), source, x, positive, powers, loops };
        Ok(Candidate { node, layer, narrow })
    }

    /// The weights of a matrix product, all those of one output beside each other.
    fn dense_weights(&self, node: NodeId) -> Result<Layered, &'static str> {
        let n = self.node(node);
        let [a, b] = n.operands[..] else { unreachable!("a product has two operands") };
        let [batch @ .., rows, columns] = &n.ty.shape[..] else { unreachable!("a matrix") };
        let inner = *self.node(a).ty.shape.last().expect("a matrix");
        for (weights, x, of_columns) in [(b, a, true), (a, b, false)] {
            // The same weights for each product of a batch, or only one product.
            let repeated = matches!(self.node(weights).op, Op::Broadcast(_));
            let shared = if repeated { self.node(weights).operands[0] } else { weights };
            let shape = &self.node(shared).ty.shape;
            let whole = &self.node(weights).ty.shape;
            if shape.len() < 2 || shape[shape.len() - 2..] != whole[whole.len() - 2..] {
                continue;
            }
            if shape[..shape.len() - 2].iter().product::<usize>() != 1
                || self.node(x).ty.rank() != n.ty.rank()
            {
                continue;
            }
            let Some(Weights { source, weights, steps }) = self.weights(shared) else { continue };
            let (outer, across) = if of_columns { (*rows, *columns) } else { (*columns, *rows) };
            let at = |i: usize| if of_columns { i % inner * across + i / inner } else { i };
            let all = 0..across * inner;
            let weights = Weights {
                source,
                weights: all.clone().map(|i| weights[at(i)]).collect(),
                steps: steps.map(|s| all.map(|i| s[at(i)]).collect()),
            };
            let outer = batch.iter().copied().chain([outer]).collect();
            let dense = Dense { of_columns, inner, outer, across };
            return Ok((x, Loops::Dense(dense), weights));
        }
        Err(COMPUTED)
    }

    /// The elements of a node that are known now.
    fn weights(&self, node: NodeId) -> Option<Weights> {
        let value = self.scope.known.value(node)?;
        let source = self.source_of(node);
        let steps = self.steps_of(node).map(|v| v.to_f64()).filter(|steps| {
            let byte = |s: &f64| s.fract() == 0.0 && (-128.0..=127.0).contains(s);
            matches!(self.node(source).ty.dtype, DType::I8 | DType::U8) && steps.iter().all(byte)
        });
        Some(Weights {
            source,
            weights: value.to_f64().into_iter().map(|x| x as f32).collect(),
            steps: steps.map(|s| s.into_iter().map(|s| s as i32).collect()),
        })
    }

    /// The steps from the zero point of a node that moves quantised constants.
    fn steps_of(&self, node: NodeId) -> Option<Value> {
        let n = self.node(node);
        if n.op == Op::Dequantize {
            let of = |i: usize| self.scope.known.value(n.operands[i]);
            let (x, scale, zero) = (of(0)?, of(1)?, of(2)?);
            let one = Value::full(&scale.ty(), Num::Int(1));
            return Some(evaluate_op(&n.op, &[&x, &one, &zero]));
        }
        let moves = n.op.traits().class == Class::View;
        moves.then(|| Some(evaluate_op(&n.op, &[&self.steps_of(n.operands[0])?])))?
    }
}

/// Of the error given, the share that outputs may be off by on the inputs tried: others may do worse. Of features far from zero much
/// worse, for how far can be told from the weights but roughly.
const SHARE: f64 = 0.7;
const SHARE_OF_FAR: f64 = 0.2;

/// Why layers stay in floats.
const TOO_FAR: &str = "integers took the outputs too far off on the inputs tried";
const UNSEEN: &str = "its inputs are far from zero, and the outputs were the same for all inputs tried";

impl Lowering<'_> {
    /// Makes layers narrow where `error` has room, and leaves to floats what takes the outputs too far off even if wide. How far outputs
    /// are off on the inputs tried, as a share of their range; `None` when the network is too large to be tried, or that shows nothing.
    pub(super) fn choose_widths(
        &mut self,
        candidates: &mut Vec<Candidate>,
        error: f64,
        inputs: &[Vec<Value>],
    ) -> Option<f64> {
        if candidates.is_empty() {
            return None;
        }
        let probes = self.probes(inputs, candidates)?;
        if probes.silent && !probes.far.is_empty() {
            let far: Vec<_> = candidates.extract_if(.., |c| probes.far.contains(&c.node)).collect();
            far.iter().for_each(|c| self.set_layer(c.node, Layer::Software(UNSEEN)));
            return None;
        }
        let most = error * if probes.far.is_empty() { SHARE } else { SHARE_OF_FAR };
        // All that the bounds allow; mostly that will do.
        let mut narrow = vec![false; candidates.len()];
        for i in largest_first(candidates) {
            narrow[i] = true;
            narrow[i] = bound(candidates, &narrow) <= error;
        }
        let mut off = self.off_with(&probes, candidates, &narrow);
        if off.is_none_or(|off| off > most) {
            off = self.keep_within(&probes, candidates, most);
            narrow = vec![false; candidates.len()];
            for i in largest_first(candidates) {
                narrow[i] = candidates[i].narrow.is_some();
                let more = (narrow[i] && bound(candidates, &narrow) <= error)
                    .then(|| self.off_with(&probes, candidates, &narrow))
                    .flatten();
                match more {
                    Some(more) if more <= most => off = Some(more),
                    _ => narrow[i] = false,
                }
            }
        }
        for (c, narrow) in candidates.iter_mut().zip(narrow) {
            if let Some(format) = c.narrow.take().filter(|_| narrow) {
                c.layer.format = format;
            }
        }
        off
    }

    /// Leaves layers to floats until wide ones take the outputs no further off than they may be; how far that is.
    fn keep_within(&mut self, probes: &Probes, candidates: &mut Vec<Candidate>, most: f64) -> Option<f64> {
        let mut off = self.off_with(probes, candidates, &[]);
        let mut at = 0;
        while off.is_some_and(|off| off > most) && at < candidates.len() {
            // Each alone: mostly it is the first layer, or one.
            let Some(alone) = self.off(probes, &[(&candidates[at], &candidates[at].layer.format)]) else {
                break;
            };
            if alone <= most / candidates.len() as f64 {
                at += 1;
                continue;
            }
            let dropped = candidates.remove(at);
            self.set_layer(dropped.node, Layer::Software(TOO_FAR));
            // Without patience to see what that did, it is what it was at most.
            off = self.off_with(probes, candidates, &[]).or(off);
        }
        off
    }

    fn off_with(&self, probes: &Probes, candidates: &[Candidate], narrow: &[bool]) -> Option<f64> {
        let layers: Vec<_> = candidates.iter().enumerate().map(|(i, c)| (c, chosen(c, narrow, i))).collect();
        self.off(probes, &layers)
    }
}

/// The order in which layers become narrow.
fn largest_first(candidates: &[Candidate]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(candidates[i].layer.format.weights.len()));
    order
}

/// The format of candidate `i`.
fn chosen<'c>(candidate: &'c Candidate, narrow: &[bool], i: usize) -> &'c Format {
    let narrow = candidate.narrow.as_ref().filter(|_| narrow.get(i).copied().unwrap_or(false));
    narrow.unwrap_or(&candidate.layer.format)
}

/// What the bounds sum up to.
fn bound(candidates: &[Candidate], narrow: &[bool]) -> f64 {
    candidates.iter().enumerate().map(|(i, c)| chosen(c, narrow, i).error).sum()
}
