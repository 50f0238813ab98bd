//! Networks for one sample become networks for many.

use crate::facts::{counts_samples, takes_rows};
use crate::graph::Graph;
use crate::op::Op;
use crate::tensor::Tensor;

/// The graph that computes for `n` samples what `graph` computes for one: axis 0 of every input and output has size 1 there and `n`
/// here, and sample i of the outputs is computed from sample i of the inputs. `None` where an operation mixes the leading axis with
/// others or is a loop, so that this cannot be seen.
pub fn for_batch(graph: &Graph, n: usize) -> Option<Graph> {
    let counts = counts_samples(graph).ok()?;
    if !graph.outputs().iter().all(|o| counts[o.node.index()]) {
        return None;
    }
    let made = graph.replayed(|id, operands| {
        let (node, counts_here, types) = (&graph[id], counts[id.index()], graph.operand_types(id));
        let beside = |(i, t): (usize, &Tensor)| {
            let repeated =
                counts_here && !counts[node.operands[i].index()] && takes_rows(&node.op, i, &types);
            if repeated { t.broadcast_to(&leading(t.shape(), n)) } else { t.clone() }
        };
        let operands: Vec<Tensor> = operands.iter().enumerate().map(beside).collect();
        let op = if counts_here { for_many(&node.op, n) } else { node.op.clone() };
        node.labelled(Tensor::apply(op, &operands))
    });
    let inputs: Vec<Tensor> = graph.inputs().iter().map(|i| made[i.index()].clone()).collect();
    graph.of_replayed(&inputs, &made).ok()
}

/// The operation with `n` samples where it names the one.
fn for_many(op: &Op, n: usize) -> Op {
    match op {
        Op::Input { name, ty } => {
            let ty = crate::Type::new(ty.dtype, leading(&ty.shape, n));
            Op::Input { name: name.clone(), ty }
        }
        Op::Reshape(shape) => Op::Reshape(leading(shape, n)),
        Op::Broadcast(shape) => Op::Broadcast(leading(shape, n)),
        Op::Slice(axes) => {
            let mut axes = axes.clone();
            axes[0].len = n;
            Op::Slice(axes)
        }
        // Others follow their operands.
        op => op.clone(),
    }
}

/// The shape with `n` samples instead of one.
fn leading(shape: &[usize], n: usize) -> Vec<usize> {
    let mut shape = shape.to_vec();
    shape.iter_mut().take(1).for_each(|samples| *samples = n);
    shape
}
