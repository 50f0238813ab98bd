//! What would become integers, asked node by node by who decides which tensors of a float network are quantised.

use super::IntegerPass;
use super::affine::{Affine, Scale};
use teff_graph::facts::{channel_axes, is_layer};
use teff_graph::{DType, Graph, NodeId, Num, Tensor, Type, Value};

/// What the rewriting to integers makes of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Known now.
    Constant,
    /// The 8-bit integers of a quantised tensor, moved or picked.
    Quantised,
    /// Sums of integers with scales, which a `Quantize` brings to 8 bits.
    Sums,
    /// A function of each element of a quantised tensor, this one: a table.
    Function(NodeId),
    /// It stays a float.
    Float,
}

/// A float graph of which some tensors are taken to be quantised to 8 bits, on grids that are not chosen yet, and weights to 8 bits with a
/// scale for each output channel.
pub struct Prospect<'g>(IntegerPass<'g>);

impl<'g> Prospect<'g> {
    /// Nothing of `graph` is quantised.
    pub fn new(graph: &'g Graph) -> Prospect<'g> {
        Prospect(IntegerPass::new(graph))
    }

    /// What node `id` becomes as its operands are now. Nodes are asked for in order; after an operand is quantised, from there on again.
    ///
    /// # Panics
    /// When a node before `id` was never asked for.
    pub fn follow(&mut self, id: NodeId) -> Form {
        let walk = &mut self.0;
        let node = &walk.graph[id];
        if id.index() == walk.made.len() {
            let operands: Vec<Tensor> = node.operands.iter().map(|o| walk.made(*o).clone()).collect();
            walk.made.push(Tensor::apply(node.op.clone(), &operands));
            walk.affine.push(None);
        }
        walk.sources.note(walk.graph, id, &walk.known);
        if walk.known.compact(id).is_some() {
            return Form::Constant;
        }
        if is_layer(&node.op) {
            let weights = node.operands[1];
            let axes = channel_axes(&node.op, walk.graph[weights].ty.rank(), node.ty.rank());
            let axis = axes.expect("it is a layer").0;
            if let Some(value) = walk.known.value(weights) {
                walk.affine[weights.index()] = Some(stored(&value, axis));
            }
        }
        walk.affine[id.index()] = walk.followed(id);
        if let Some(source) = walk.sources.source(id) {
            return Form::Function(source);
        }
        match walk.affine(id) {
            Some(a) if a.q.dtype().size() == 1 && a.offset.is_empty() && a.scale.values == [1.0] => {
                walk.sources.begin(id);
                Form::Quantised
            }
            Some(_) => Form::Sums,
            None => Form::Float,
        }
    }

    /// Takes `id` as a quantised tensor from here on.
    pub fn quantise(&mut self, id: NodeId) {
        let q = Tensor::input("", DType::I8, &self.0.graph[id].ty.shape);
        // As behind a rectifier, whose zero point is the lowest integer: then integers reach farthest.
        self.0.affine[id.index()] = Some(Affine { range: (0, 255), ..Affine::plain(&q) });
        self.0.sources.begin(id);
    }

    /// What `id` would become if its operands of floats, constants aside, were quantised.
    pub fn if_quantised(&mut self, id: NodeId) -> Form {
        let walk = &self.0;
        let is_float = |o: &NodeId| walk.graph[*o].ty.dtype == DType::F32 && walk.known.compact(*o).is_none();
        let floats: Vec<NodeId> = walk.graph[id].operands.iter().copied().filter(is_float).collect();
        let before: Vec<_> =
            floats.iter().map(|o| (walk.affine(*o).cloned(), walk.sources.get(*o))).collect();
        floats.iter().for_each(|o| self.quantise(*o));
        let form = self.follow(id);
        for (o, (affine, source)) in floats.into_iter().zip(before) {
            self.0.affine[o.index()] = affine;
            self.0.sources.set(o, source);
        }
        // Of the node itself nothing that was only supposed is kept.
        self.follow(id);
        form
    }
}

/// Weights in 8 bits, with a scale for each index along `axis`.
fn stored(value: &Value, axis: usize) -> Affine {
    let (shape, elements) = (value.shape(), value.to_f64());
    let inner: usize = shape[axis + 1..].iter().product();
    let channel = |i: usize| i / inner % shape[axis];
    let mut values = vec![0f64; shape[axis]];
    elements
        .iter()
        .enumerate()
        .for_each(|(i, w)| values[channel(i)] = values[channel(i)].max(w.abs() / 127.0));
    // A channel that is as good as dead takes a wider scale, as that of its bias is.
    let most = values.iter().copied().fold(0.0, f64::max);
    values.iter_mut().for_each(|s| *s = if most > 0.0 { s.max(most / 256.0) } else { 1.0 });
    let q = Value::from_fn(&Type::new(DType::I8, shape), |i| {
        Num::Int((elements[i] / values[channel(i)]).round_ties_even() as i128)
    });
    Affine { scale: Scale { axis, values }, ..Affine::of(Tensor::constant(q), (-127, 127)) }
}
