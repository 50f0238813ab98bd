//! The graph without some of its channels.

use super::units::{Axis, Coupled};
use crate::error::Result;
use std::collections::HashSet;
use teff_graph::{Graph, NodeId, Op, Tensor, Value, evaluate_op};

/// `graph`, whose layers have constant weights, without the units whose roots are in `removed`.
pub(super) fn cut(
    graph: &Graph,
    varies: impl Fn(NodeId) -> bool,
    layers: &[NodeId],
    units: &Coupled,
    removed: &HashSet<usize>,
) -> Result<Graph> {
    let cut = Cut { graph, units, removed };
    let smaller = graph.rewritten(|id, operands, tensor| {
        let node = &graph[id];
        if !varies(id) || node.operands.is_empty() {
            return tensor;
        }
        let of = |(i, o): (usize, &NodeId)| match varies(*o) {
            true => operands[i].clone(),
            false if layers.contains(&id) && i == 1 => cut.weights(id, *o),
            false => cut.beside(id, *o),
        };
        let operands: Vec<Tensor> = node.operands.iter().enumerate().map(of).collect();
        Tensor::apply(cut.op(id, &operands), &operands)
    });
    Ok(smaller?)
}

struct Cut<'a> {
    graph: &'a Graph,
    units: &'a Coupled,
    removed: &'a HashSet<usize>,
}

impl Cut<'_> {
    /// The indices along an axis of size `n` that stay.
    fn kept(&self, axis: &Axis, n: usize) -> Vec<usize> {
        let stays = |i: &usize| match axis {
            Some(units) => !self.removed.contains(&self.units.root(units[*i])),
            None => true,
        };
        (0..n).filter(stays).collect()
    }

    /// What stays along each axis of a node that comes from the input.
    fn kept_of(&self, id: NodeId) -> Vec<Vec<usize>> {
        let shape = &self.graph[id].ty.shape;
        self.units.axes[id.index()].iter().zip(shape).map(|(a, n)| self.kept(a, *n)).collect()
    }

    fn op(&self, id: NodeId, operands: &[Tensor]) -> Op {
        let node = &self.graph[id];
        let shape = || self.kept_of(id).iter().map(Vec::len).collect::<Vec<usize>>();
        match &node.op {
            Op::Reshape(_) => Op::Reshape(shape()),
            Op::Broadcast(_) => Op::Broadcast(shape()),
            Op::Slice(axes) => {
                let sizes = axes.iter().zip(shape()).map(|(a, len)| teff_graph::SliceAxis { len, ..*a });
                Op::Slice(sizes.collect())
            }
            Op::Conv(geometry) if geometry.groups > 1 => {
                // A depthwise convolution has a group for each channel that is left.
                let whole = self.graph[node.operands[0]].ty.shape[1];
                let groups = if geometry.groups == whole { operands[0].shape()[1] } else { geometry.groups };
                Op::Conv(teff_graph::ConvGeometry { groups, ..geometry.clone() })
            }
            // All others say nothing of sizes.
            op => op.clone(),
        }
    }

    /// The weights of layer `id` without the outputs and inputs that are gone.
    fn weights(&self, id: NodeId, weights: NodeId) -> Tensor {
        let node = &self.graph[id];
        let value = self.value(weights);
        let out = self.kept_of(id);
        let x = self.kept_of(node.operands[0]);
        let mut kept: Vec<Vec<usize>> = value.shape().iter().map(|n| (0..*n).collect()).collect();
        if let Op::Conv(geometry) = &node.op {
            kept[0].clone_from(&out[1]);
            if geometry.groups == 1 {
                kept[1].clone_from(&x[1]);
            }
        } else {
            // All other layers are products.
            let rank = kept.len();
            kept[rank - 1].clone_from(out.last().expect("a matrix"));
            kept[rank - 2].clone_from(x.last().expect("a matrix"));
        }
        let tensor = Tensor::constant(picked(&value, &kept));
        self.graph[weights].label.iter().fold(tensor, |t, l| t.named(l))
    }

    /// A constant that meets the result of `id` element by element, without what is gone there; another constant as it is.
    fn beside(&self, id: NodeId, constant: NodeId) -> Tensor {
        let value = self.value(self.graph.unrepeated(constant));
        let node = &self.graph[id];
        let meets =
            matches!(node.op, Op::Binary(_) | Op::Select) && self.graph[constant].ty.shape == node.ty.shape;
        let name = |t: Tensor| self.graph[constant].label.iter().fold(t, |t, l| t.named(l));
        if !meets {
            return name(Tensor::constant(self.value(constant)));
        }
        let out = self.kept_of(id);
        let lead = out.len() - value.shape().len();
        let axis = |(i, n): (usize, &usize)| if *n == 1 { vec![0] } else { out[i + lead].clone() };
        let kept: Vec<Vec<usize>> = value.shape().iter().enumerate().map(axis).collect();
        let shape: Vec<usize> = out.iter().map(Vec::len).collect();
        name(Tensor::constant(picked(&value, &kept))).broadcast_to(&shape)
    }

    fn value(&self, id: NodeId) -> Value {
        let node = &self.graph[id];
        let operands: Vec<Value> = node.operands.iter().map(|o| self.value(*o)).collect();
        evaluate_op(&node.op, &operands.iter().collect::<Vec<_>>())
    }
}

/// The elements of `value` at these indices of each axis.
fn picked(value: &Value, kept: &[Vec<usize>]) -> Value {
    let steps = teff_graph::strides(value.shape());
    let shape: Vec<usize> = kept.iter().map(Vec::len).collect();
    let inner = teff_graph::strides(&shape);
    let ty = teff_graph::Type::new(value.dtype(), shape.clone());
    Value::from_fn(&ty, |i| {
        let at: usize = (0..shape.len()).map(|a| kept[a][i / inner[a] % shape[a]] * steps[a]).sum();
        value.get(at)
    })
}
