//! Networks for one sample become networks for many.

use crate::graph::{Graph, NodeId};
use crate::op::Op;
use crate::tensor::Tensor;

/// The graph that computes for `n` samples what `graph` computes for one: axis 0 of every input and output has size 1 there and `n`
/// here, and sample i of the outputs is computed from sample i of the inputs. `None` where an operation mixes the leading axis with
/// others or depends on random numbers or a loop, so that this cannot be seen.
pub fn for_batch(graph: &Graph, n: usize) -> Option<Graph> {
    let mut made: Vec<Item> = Vec::with_capacity(graph.nodes().len());
    for id in graph.ids() {
        let item = item(graph, id, &made, n)?;
        item.tensor.check().ok()?;
        made.push(match &graph[id].label {
            Some(label) => Item { tensor: item.tensor.named(label), ..item },
            None => item,
        });
    }
    let all: Vec<&Item> = graph.outputs().iter().map(|o| &made[o.node.index()]).collect();
    if !all.iter().all(|item| item.batched) {
        return None;
    }
    let inputs: Vec<Tensor> = graph.inputs().iter().map(|i| made[i.index()].tensor.clone()).collect();
    let outputs: Vec<(&str, Tensor)> =
        graph.outputs().iter().zip(all).map(|(o, item)| (&*o.name, item.tensor.clone())).collect();
    Graph::from_tensors(&graph.name, &inputs, &outputs).ok()
}

/// What stands for a node: for all samples, or the same for each.
struct Item {
    tensor: Tensor,
    batched: bool,
}

impl Item {
    /// Its value for each of `n` samples.
    fn repeated(&self, n: usize) -> Option<Tensor> {
        if self.batched {
            return Some(self.tensor.clone());
        }
        let mut shape = self.tensor.shape().to_vec();
        if shape.first() != Some(&1) {
            return None;
        }
        shape[0] = n;
        Some(self.tensor.broadcast_to(&shape))
    }
}

fn item(graph: &Graph, id: NodeId, made: &[Item], n: usize) -> Option<Item> {
    let node = &graph[id];
    let operands: Vec<&Item> = node.operands.iter().map(|o| &made[o.index()]).collect();
    if let Op::Input { name, ty } = &node.op {
        let mut shape = ty.shape.clone();
        *shape.first_mut().filter(|first| **first == 1)? = n;
        return Some(Item { tensor: Tensor::input(name, ty.dtype, &shape), batched: true });
    }
    if matches!(node.op, Op::Random { .. }) {
        return None;
    }
    let plain: Vec<Tensor> = operands.iter().map(|o| o.tensor.clone()).collect();
    if operands.iter().all(|o| !o.batched) {
        return Some(Item { tensor: Tensor::apply(node.op.clone(), &plain), batched: false });
    }
    // Only the first operand may differ by sample.
    let first = |allowed: bool| {
        (allowed && operands[0].batched && operands[1..].iter().all(|o| !o.batched)).then_some(())
    };
    let every = || operands.iter().map(|o| o.repeated(n)).collect::<Option<Vec<Tensor>>>();
    let (op, operands) = match &node.op {
        Op::Unary(_) | Op::Cast(_) | Op::Conv(_) | Op::ConvTranspose { .. } | Op::Pool { .. } => {
            first(true)?;
            (node.op.clone(), plain)
        }
        Op::Binary(_) | Op::Select => (node.op.clone(), every()?),
        Op::Concat { axis } => (*axis != 0).then(|| every().map(|all| (node.op.clone(), all)))??,
        Op::Reshape(shape) => (Op::Reshape(leading(shape, n)?), plain),
        Op::Broadcast(shape) => {
            first(plain[0].rank() == shape.len())?;
            (Op::Broadcast(leading(shape, n)?), plain)
        }
        Op::Permute(perm) => first(perm.first() == Some(&0)).map(|()| (node.op.clone(), plain))?,
        Op::Slice(axes) => {
            let mut axes = axes.clone();
            let lead = axes.first_mut().filter(|a| (a.start, a.step, a.len) == (0, 1, 1))?;
            lead.len = n;
            (Op::Slice(axes), plain)
        }
        Op::Pad(axes) => {
            first(axes.first().is_some_and(|a| (a.low, a.high, a.interior) == (0, 0, 0)))?;
            (node.op.clone(), plain)
        }
        Op::Reduce { axes, .. } => first(!axes.contains(&0)).map(|()| (node.op.clone(), plain))?,
        Op::ArgReduce { axis, .. } | Op::ArgSort { axis, .. } | Op::Gather { axis } => {
            first(*axis != 0)?;
            (node.op.clone(), plain)
        }
        Op::Quantize { .. } | Op::Dequantize => {
            first(plain[1].shape().first() == Some(&1))?;
            (node.op.clone(), plain)
        }
        Op::MatMul if plain[0].rank() == 2 => first(true).map(|()| (Op::MatMul, plain))?,
        Op::MatMul => (Op::MatMul, every()?),
        Op::Input { .. } | Op::Constant(_) | Op::Param(_) | Op::Iota { .. } | Op::Random { .. } => {
            return None;
        }
        Op::Scatter { .. } | Op::ConvWeightGrad { .. } | Op::SumPoolGrad { .. } => return None,
        Op::MaxPoolGrad { .. } | Op::DecodePicture(_) | Op::Scan(_) | Op::Project(_) => return None,
    };
    Some(Item { tensor: Tensor::apply(op, &operands), batched: true })
}

/// The shape with `n` samples instead of one.
fn leading(shape: &[usize], n: usize) -> Option<Vec<usize>> {
    let mut shape = shape.to_vec();
    *shape.first_mut().filter(|first| **first == 1)? = n;
    Some(shape)
}
