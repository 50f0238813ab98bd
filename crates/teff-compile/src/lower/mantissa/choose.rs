//! Which layers are computed by mantissas, and how wide those are.
//!
//! The whole network is given an error, as a share of the range of its outputs. Errors of layers add up along a chain of dense layers,
//! convolutions, rectifiers, maxima and sums: such a layer's result moves by no more than its range does when its inputs move by that
//! share of theirs. So the bounds of all layers together stay below what is given: all begin wide, those with most weights become
//! narrow while there is room, and, should there be too many layers for even that, the least precise stay in floats.

use super::dense::Dense;
use super::format::{Format, Width, format};
use super::{Layer, Loops, Mantissas};
use crate::lower::Lowering;
use crate::target::Floats;
use std::sync::Arc;
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

/// A layer that has mantissas.
pub(super) struct Candidate {
    pub(super) node: NodeId,
    source: NodeId,
    pub(super) x: NodeId,
    positive: bool,
    loops: Loops,
    format: Format,
    narrow: Option<Format>,
}

impl<'a> Lowering<'a> {
    /// Decides for every layer of the network. Layers in the body of a scan are computed by floats.
    pub(in crate::lower) fn choose_mantissas(&mut self, floats: Floats) {
        let Floats::Mantissas { error } = floats else { return };
        if self.target.float_unit {
            return;
        }
        let users = self.graph.users();
        let mut candidates = Vec::new();
        for group in self.groups.list.clone() {
            let product = group.inner.or(group.hero).unwrap_or(group.root);
            match self.candidate(product) {
                None => {}
                Some(Ok(c)) => match self.magnified(&users, &c) {
                    Some(reason) => self.set_layer(product, Layer::Software(reason)),
                    None => candidates.push(c),
                },
                Some(Err(reason)) => self.set_layer(product, Layer::Software(reason)),
            }
        }
        let mut total: f64 = candidates.iter().map(|c| c.format.error).sum();
        while total > error {
            let errors = candidates.iter().map(|c| c.format.error).enumerate();
            let Some((worst, _)) = errors.max_by(|a, b| a.1.total_cmp(&b.1)) else { break };
            let dropped = candidates.remove(worst);
            total = candidates.iter().map(|c| c.format.error).sum();
            self.set_layer(
                dropped.node,
                Layer::Software("the error given for the network has no room for it"),
            );
        }
        let mut order: Vec<usize> = (0..candidates.len()).collect();
        order.sort_by_key(|&i| std::cmp::Reverse(candidates[i].format.weights.len()));
        for i in order {
            let c = &mut candidates[i];
            let Some(narrow) = c.narrow.take() else { continue };
            let more = narrow.error - c.format.error;
            if total + more <= error {
                total += more;
                c.format = narrow;
            }
        }
        for c in candidates {
            let Candidate { node, source, x, positive, loops, format, .. } = c;
            let layer = Mantissas { format, source, x, positive, loops };
            self.set_layer(node, Layer::Mantissas(Arc::new(layer)));
        }
    }

    fn set_layer(&mut self, node: NodeId, layer: Layer) {
        self.layers.0.insert(std::ptr::from_ref(self.node(node)), layer);
    }

    /// What `node` is when it multiplies floats by weights; why it cannot be computed by mantissas.
    fn candidate(&self, node: NodeId) -> Option<Result<Candidate, &'static str>> {
        let n = self.node(node);
        if let Op::Scan(scan) = &n.op {
            let product = |n: &Node| matches!(n.op, Op::MatMul | Op::Conv(_)) && n.ty.dtype.is_float();
            return scan.body.nodes().iter().any(product).then_some(Err("it is recurrent"));
        }
        if !n.ty.dtype.is_float() {
            return None;
        }
        let found: Result<Layered, _> = match &n.op {
            Op::MatMul => self.dense_weights(node),
            Op::Conv(geometry) => match self.weights(n.operands[1]) {
                Some(weights) => {
                    let kernel = self.node(n.operands[1]).ty.shape.clone();
                    Ok((n.operands[0], Loops::Conv(geometry.clone(), kernel), weights))
                }
                None => Err(COMPUTED),
            },
            Op::ConvTranspose { .. } => Err("it is a transposed convolution"),
            _ => return None,
        };
        Some(found.and_then(|(x, loops, Weights { source, weights, steps })| {
            if n.ty.dtype != DType::F32 {
                return Err("it is f64");
            }
            if n.ty.is_empty() || weights.is_empty() {
                return Err("it is empty");
            }
            let outputs = match &loops {
                Loops::Dense(dense) => dense.across,
                Loops::Conv(_, kernel) => kernel[0],
            };
            let terms = weights.len() / outputs;
            let positive = self.never_negative(x, 8);
            let wide = format(&weights, terms, Width::WIDE, None, positive)?;
            let steps = steps.as_deref();
            let quantised = steps.and_then(|s| format(&weights, terms, Width::BYTE, Some(s), positive).ok());
            match quantised.filter(|q| q.error <= wide.error) {
                Some(bytes) => {
                    Ok(Candidate { node, source, x, positive, loops, format: bytes, narrow: None })
                }
                None => {
                    let narrow = format(&weights, terms, Width::NARROW, None, positive).ok();
                    Ok(Candidate { node, source, x, positive, loops, format: wide, narrow })
                }
            }
        }))
    }

    /// The weights of a matrix product, all those of one output beside each other.
    fn dense_weights(&self, node: NodeId) -> Result<Layered, &'static str> {
        let n = self.node(node);
        let [a, b] = n.operands[..] else { unreachable!("a product has two operands") };
        let [batch @ .., rows, columns] = &n.ty.shape[..] else { unreachable!("a matrix") };
        let inner = *self.node(a).ty.shape.last().expect("a matrix");
        for (weights, x, of_columns) in [(b, a, true), (a, b, false)] {
            // The same weights for each product of a batch, or only one product.
            let shared = match &self.node(weights).op {
                Op::Broadcast(_) => self.node(weights).operands[0],
                _ => weights,
            };
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
        let value = self.evaluated(node, 8, false)?;
        let mut source = node;
        while let Some(&below) = self.node(source).operands.first() {
            source = below;
        }
        let steps = self.evaluated(node, 8, true).map(|v| v.to_f64()).filter(|steps| {
            let byte = |s: &f64| s.fract() == 0.0 && (-128.0..=127.0).contains(s);
            matches!(self.node(source).ty.dtype, DType::I8 | DType::U8) && steps.iter().all(byte)
        });
        Some(Weights {
            source,
            weights: value.to_f64().into_iter().map(|x| x as f32).collect(),
            steps: steps.map(|s| s.into_iter().map(|s| s as i32).collect()),
        })
    }

    /// The value of a node that moves, scales or converts constants, at most `depth` operations from them; or, of a node that moves
    /// quantised ones, the `steps` from the zero point.
    pub(super) fn evaluated(&self, node: NodeId, depth: usize, steps: bool) -> Option<Value> {
        let n = self.node(node);
        let operands = || -> Option<Vec<Value>> {
            n.operands.iter().map(|&o| self.evaluated(o, depth.checked_sub(1)?, steps)).collect()
        };
        match &n.op {
            Op::Constant(v) => Some(v.as_ref().clone()),
            Op::Dequantize if steps => {
                let [x, scale, zero] = &operands()?[..] else { unreachable!("takes three operands") };
                let one = Value::full(&scale.ty(), Num::Int(1));
                Some(evaluate_op(&n.op, &[x, &one, zero]))
            }
            Op::Cast(_) | Op::Binary(_) if steps => None,
            Op::Reshape(_)
            | Op::Permute(_)
            | Op::Slice(_)
            | Op::Broadcast(_)
            | Op::Dequantize
            | Op::Cast(_) => Some(evaluate_op(&n.op, &operands()?.iter().collect::<Vec<_>>())),
            Op::Binary(_) => Some(evaluate_op(&n.op, &operands()?.iter().collect::<Vec<_>>())),
            _ => None,
        }
    }
}
