//! Where an axis goes.

use crate::dtype::Type;
use crate::op::Op;

/// The axis of the result of `op` that `axis` of operand `i` becomes: slice k of the operand along its axis is all that slice k of the
/// result depends on, as far as that operand goes, and there are as many. `None` where slices are mixed, moved, repeated or left out.
pub fn axis_after(op: &Op, i: usize, axis: usize, operands: &[Type]) -> Option<usize> {
    let shape = &operands[i].shape;
    let rank = shape.len();
    let stays = |stays: bool| stays.then_some(axis);
    match op {
        Op::Unary(_) | Op::Binary(_) | Op::Select | Op::Cast(_) => Some(axis),
        // Scale and zero point serve blocks, and go their own way.
        Op::Quantize { .. } | Op::Dequantize => stays(i == 0),
        Op::Reshape(to) => reshaped(shape, to, axis),
        Op::Permute(perm) => perm.iter().position(|&from| from == axis),
        Op::Broadcast(to) => {
            let to_axis = axis + to.len() - rank;
            (to[to_axis] == shape[axis]).then_some(to_axis)
        }
        Op::Slice(axes) => {
            let a = &axes[axis];
            stays((a.start, a.step, a.len) == (0, 1, shape[axis]))
        }
        Op::Pad(axes) => stays(i == 0 && (axes[axis].low, axes[axis].high, axes[axis].interior) == (0, 0, 0)),
        Op::Concat { axis: along } => stays(*along != axis),
        Op::Reduce { axes, .. } => stays(!axes.contains(&axis)),
        Op::ArgReduce { axis: along, .. } | Op::ArgSort { axis: along, .. } => stays(*along != axis),
        Op::Gather { axis: along } => stays(i == 0 && *along != axis),
        // Leading axes; the rows of the first operand, the columns of the second.
        Op::MatMul => stays(axis + 2 < rank || axis + 2 == rank && i == 0 || axis + 1 == rank && i == 1),
        Op::Conv(g) => match (i, axis) {
            (0, 0) => Some(0),
            // A channel of its own for each channel.
            (0, 1) => (g.groups == shape[1] && operands[1].shape[0] == shape[1]).then_some(1),
            (1, 0) => Some(1),
            _ => None,
        },
        Op::ConvTranspose { .. } => stays((i, axis) == (0, 0)),
        Op::ConvWeightGrad { .. } => None,
        Op::Pool { .. } | Op::SumPoolGrad { .. } | Op::MaxPoolGrad { .. } => stays(axis < 2),
        Op::Input { .. } | Op::Constant(_) | Op::Param(_) | Op::Iota { .. } | Op::Random { .. } => None,
        Op::Scatter { .. } | Op::Scan(_) | Op::Project(_) => None,
    }
}

/// The axis of `to` that holds what `axis` held in `from`, when as much lies before it and it has its size.
fn reshaped(from: &[usize], to: &[usize], axis: usize) -> Option<usize> {
    let before: usize = from[..axis].iter().product();
    let mut seen = 1;
    for (i, &n) in to.iter().enumerate() {
        if seen == before && n == from[axis] {
            return Some(i);
        }
        seen *= n;
    }
    None
}
