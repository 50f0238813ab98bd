//! How much work an operation is.

use super::traits::Class;
use crate::dtype::Type;
use crate::geometry::Window;
use crate::graph::{Graph, NodeId};
use crate::op::Op;

/// About how many elements [`crate::evaluate_op`] goes through to compute `op` on operands of these types: for who computes only what is
/// small. No work is less than 1.
pub fn work(op: &Op, operands: &[Type], result: &Type) -> usize {
    let moved = operands.iter().fold(result.len().saturating_add(1), |n, t| n.saturating_add(t.len()));
    let products = match op {
        Op::Pool { window, .. } => result.len().saturating_mul(taps(window, &operands[0])),
        Op::SumPoolGrad { window, .. } => operands[0].len().saturating_mul(taps(window, result)),
        Op::MaxPoolGrad { window } => operands[0].len().saturating_mul(taps(window, result)),
        Op::ArgSort { .. } => result.len().saturating_mul(result.len().max(1).ilog2() as usize),
        Op::Scan(scan) => {
            let body = &scan.body;
            let one = body.ids().map(|id| work(&body[id].op, &body.operand_types(id), &body[id].ty));
            scan.length.saturating_mul(one.fold(1, usize::saturating_add))
        }
        // What has no products passes over its elements once.
        op => products(op, operands, result),
    };
    moved.saturating_add(products)
}

/// Multiply-accumulates of a matrix product or convolution, 0 of any other operation.
fn products(op: &Op, operands: &[Type], result: &Type) -> usize {
    // Elements of the weights `ty` that go into one output.
    let each = |ty: &Type| ty.shape.iter().skip(1).fold(1usize, |n, &d| n.saturating_mul(d));
    match op {
        Op::MatMul => result.len().saturating_mul(operands[0].shape.last().copied().unwrap_or(1)),
        Op::Conv(_) => result.len().saturating_mul(each(&operands[1])),
        Op::ConvTranspose { .. } => operands[0].len().saturating_mul(each(&operands[1])),
        Op::ConvWeightGrad { .. } => operands[1].len().saturating_mul(each(result)),
        // What multiplies and accumulates is above, as the table of operations says.
        op => {
            debug_assert!(op.traits().class != Class::Product);
            0
        }
    }
}

/// The axis of a layer's weights that counts its output channels, and that of its result, of tensors of these ranks. `None` where one
/// weight serves several channels or `op` is no layer: a product, a convolution, or a transposed one without groups.
pub fn channel_axes(op: &Op, weights: usize, result: usize) -> Option<(usize, usize)> {
    match op {
        Op::MatMul => Some((weights - 1, result - 1)),
        Op::Conv(_) => Some((0, 1)),
        Op::ConvTranspose { geometry, .. } => (geometry.groups == 1).then_some((1, 1)),
        // No other has weights.
        _ => None,
    }
}

/// Whether a node is a layer in the sense of [`channel_axes`].
pub fn is_layer(op: &Op) -> bool {
    channel_axes(op, 2, 2).is_some()
}

/// Multiply-accumulates of a node, of a loop those of all its rounds; 0 where nothing is multiplied and summed.
pub fn multiply_accumulates(graph: &Graph, id: NodeId) -> u64 {
    let node = &graph[id];
    if let Op::Scan(scan) = &node.op {
        let one: u64 = scan.body.ids().map(|inner| multiply_accumulates(&scan.body, inner)).sum();
        return one.saturating_mul(scan.length as u64);
    }
    products(&node.op, &graph.operand_types(id), &node.ty) as u64
}

/// Elements of `x` that a window sees at most.
fn taps(window: &Window, x: &Type) -> usize {
    let spatial = x.shape.iter().skip(2);
    window.size.iter().zip(spatial).fold(1, |n, (&size, &d)| n.saturating_mul(size.min(d)))
}
