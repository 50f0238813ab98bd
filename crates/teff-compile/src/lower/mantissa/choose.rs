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
use teff_graph::{DType, NodeId, Op};

/// A layer that has mantissas.
struct Candidate {
    node: NodeId,
    source: NodeId,
    x: NodeId,
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
        let mut candidates = Vec::new();
        for group in self.groups.list.clone() {
            let product = group.inner.or(group.hero).unwrap_or(group.root);
            match self.candidate(product) {
                None => {}
                Some(Ok(c)) => candidates.push(c),
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
            let layer = Mantissas { format: c.format, source: c.source, x: c.x, loops: c.loops };
            self.set_layer(c.node, Layer::Mantissas(Arc::new(layer)));
        }
    }

    fn set_layer(&mut self, node: NodeId, layer: Layer) {
        self.layers.0.insert(std::ptr::from_ref(self.node(node)), layer);
    }

    /// What `node` is when it multiplies floats by weights; why it cannot be computed by mantissas.
    fn candidate(&self, node: NodeId) -> Option<Result<Candidate, &'static str>> {
        let n = self.node(node);
        let found = match &n.op {
            Op::MatMul if n.ty.dtype.is_float() => self.dense_weights(node),
            Op::Conv(geometry) if n.ty.dtype.is_float() => {
                let [x, w] = n.operands[..] else { unreachable!("a convolution has two operands") };
                match self.known(w).and_then(|v| v.as_slice::<f32>()) {
                    Some(weights) => Ok((w, x, Loops::Conv(geometry.clone()), weights.to_vec())),
                    None => Err("its weights are computed, or f64"),
                }
            }
            Op::ConvTranspose { .. } if n.ty.dtype.is_float() => Err("it is a transposed convolution"),
            Op::Scan(_) => Err("it is recurrent"),
            _ => return None,
        };
        Some(found.and_then(|(source, x, loops, weights)| {
            if n.ty.is_empty() || weights.is_empty() {
                return Err("it is empty");
            }
            let outputs = match &loops {
                Loops::Dense(dense) => dense.across,
                Loops::Conv(_) => self.node(source).ty.shape[0],
            };
            let terms = weights.len() / outputs;
            let wide = format(&weights, terms, Width::Wide)?;
            let narrow = format(&weights, terms, Width::Narrow).ok();
            Ok(Candidate { node, source, x, loops, format: wide, narrow })
        }))
    }

    /// The weights of a matrix product, all those of one output beside each other.
    fn dense_weights(&self, node: NodeId) -> Result<(NodeId, NodeId, Loops, Vec<f32>), &'static str> {
        let n = self.node(node);
        let [a, b] = n.operands[..] else { unreachable!("a product has two operands") };
        if n.ty.dtype != DType::F32 {
            return Err("it is f64");
        }
        let [batch @ .., rows, columns] = &n.ty.shape[..] else { unreachable!("a matrix") };
        if batch.iter().product::<usize>() != 1 {
            return Err("it is a batch of products");
        }
        let inner = *self.node(a).ty.shape.last().expect("a matrix");
        for (weights, x, of_columns) in [(b, a, true), (a, b, false)] {
            let (source, flipped) = self.transposed(weights);
            let Some(values) = self.known(source).and_then(|v| v.as_slice::<f32>()) else { continue };
            let (outer, across) = if of_columns { (*rows, *columns) } else { (*columns, *rows) };
            let by_input = of_columns != flipped;
            let at = |i: usize| {
                let (output, k) = (i / inner, i % inner);
                values[if by_input { k * across + output } else { i }]
            };
            let dense = Dense { of_columns, inner, outer, across };
            return Ok((source, x, Loops::Dense(dense), (0..across * inner).map(at).collect()));
        }
        Err("both its operands are computed")
    }
}
