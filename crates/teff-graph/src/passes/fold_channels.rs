//! Scales and offsets of channels, such as a batch norm that no longer trains, become part of the weights and bias before them.

use crate::dtype::Type;
use crate::facts::Known;
use crate::graph::{Graph, Node, NodeId};
use crate::op::{Binary, Op};
use crate::tensor::Tensor;
use crate::value::{Num, Value};

/// The graph with `(conv(x, w) + b) * f + o` as `conv(x, w * f) + (b * f + o)`, and the same for products with a constant matrix.
/// f, b and o are constants that differ by output channel alone. Float results agree within rounding; integers are left alone.
pub fn fold_channels(graph: &Graph) -> Graph {
    let (known, uses) = (Known::new(graph), graph.uses());
    let mut made: Vec<Tensor> = Vec::new();
    let folded = graph.rewritten(|id, _, tensor| {
        let affine = affine(graph, &known, &uses, id).filter(|a| a.worthwhile(graph));
        let tensor = affine.map_or(tensor, |a| a.build(graph, &made, &graph[id]));
        made.push(tensor.clone());
        tensor
    });
    folded.expect("the types are those of a checked graph")
}

/// `source * scale + offset`, both per channel of the source's result.
struct PerChannel {
    source: NodeId,
    scale: Vec<f64>,
    offset: Option<Vec<f64>>,
    /// Multiplications and additions on the way.
    steps: usize,
}

impl PerChannel {
    /// A lone bias is as good as it is.
    fn worthwhile(&self, graph: &Graph) -> bool {
        let source = &graph[self.source];
        self.steps > usize::from(self.offset.is_some()) && source.ty.dtype.is_float()
    }

    /// `made` has what the nodes before have become; `last` is the node that this is the value of.
    fn build(self, graph: &Graph, made: &[Tensor], last: &Node) -> Tensor {
        let source = &graph[self.source];
        let axis = channel_axis(&source.op, source.ty.rank());
        let [x, w] = source.operands[..] else { unreachable!("a convolution or product has two operands") };
        let Op::Constant(old) = &graph[w].op else { unreachable!("the weights are constant") };
        let named = |t: Tensor, label: Option<&str>| label.map_or(t.clone(), |label| t.named(label));
        let per_channel = old.len() / self.scale.len().max(1);
        let channel =
            |i: usize| if matches!(source.op, Op::MatMul) { i % self.scale.len() } else { i / per_channel };
        let scaled = Value::from_fn(&old.ty(), |i| Num::Float(old.get(i).as_f64() * self.scale[channel(i)]));
        let (of_weights, of_last) = (graph[w].label.as_deref(), last.label.as_deref());
        let weights = named(Tensor::constant(scaled), of_weights);
        let result = Tensor::apply(source.op.clone(), &[made[x.index()].clone(), weights]);
        let result = named(result, source.label.as_deref().or(of_last));
        let Some(offset) = self.offset else { return result };
        let mut shape = vec![1; source.ty.rank()];
        shape[axis] = offset.len();
        let label = of_weights.and_then(|l| Some(format!("{}bias", l.strip_suffix("weight")?)));
        let offset = Value::from_fn(&Type::new(source.ty.dtype, shape), |i| Num::Float(offset[i]));
        let offset = named(Tensor::constant(offset), label.as_deref()).broadcast_to(&source.ty.shape);
        result + named(offset, of_last)
    }
}

/// What `id` is of a convolution or product with constant weights, through nodes that nobody else uses.
fn affine(graph: &Graph, known: &Known, uses: &[usize], id: NodeId) -> Option<PerChannel> {
    let node = &graph[id];
    if let Op::Conv(_) | Op::MatMul = node.op {
        let w = node.operands[1];
        let is_matrix = node.ty.rank() == 2 || !matches!(node.op, Op::MatMul);
        let fixed = matches!(graph[w].op, Op::Constant(_)) && uses[w.index()] == 1 && is_matrix;
        let channels = node.ty.shape[channel_axis(&node.op, node.ty.rank())];
        return fixed.then(|| PerChannel { source: id, scale: vec![1.0; channels], offset: None, steps: 0 });
    }
    // Only sums and factors can go into weights.
    let Op::Binary(op @ (Binary::Add | Binary::Sub | Binary::Mul | Binary::Div)) = node.op else {
        return None;
    };
    let both_ways = matches!(op, Binary::Add | Binary::Mul);
    let (a, b) = (node.operands[0], node.operands[1]);
    let orders: &[(NodeId, NodeId)] = if both_ways { &[(a, b), (b, a)] } else { &[(a, b)] };
    orders.iter().filter(|(x, _)| uses[x.index()] == 1).find_map(|&(x, constant)| {
        let inner = affine(graph, known, uses, x)?;
        let source = &graph[inner.source];
        let axis = channel_axis(&source.op, source.ty.rank());
        let c = by_channel(known, constant, axis, inner.scale.len())?;
        Some(inner.then(op, &c))
    })
}

impl PerChannel {
    fn then(mut self, op: Binary, c: &[f64]) -> PerChannel {
        self.steps += 1;
        if let Binary::Add | Binary::Sub = op {
            let sign = if op == Binary::Add { 1.0 } else { -1.0 };
            let old = self.offset.unwrap_or_else(|| vec![0.0; c.len()]);
            self.offset = Some(old.iter().zip(c).map(|(o, c)| o + sign * c).collect());
        } else {
            let factor = |c: f64| if op == Binary::Mul { c } else { 1.0 / c };
            self.scale.iter_mut().zip(c).for_each(|(s, &c)| *s *= factor(c));
            self.offset.iter_mut().for_each(|o| o.iter_mut().zip(c).for_each(|(o, &c)| *o *= factor(c)));
        }
        self
    }
}

fn channel_axis(op: &Op, rank: usize) -> usize {
    if matches!(op, Op::MatMul) { rank - 1 } else { 1 }
}

/// The constant `id` by channel, when it differs along `axis` alone.
fn by_channel(known: &Known, id: NodeId, axis: usize, channels: usize) -> Option<Vec<f64>> {
    match known.along(id, axis)? {
        one if one.len() == 1 => Some(vec![one[0]; channels]),
        all => (all.len() == channels).then_some(all),
    }
}
