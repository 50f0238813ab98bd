//! How much work the plain evaluation of an operation is.

use crate::dtype::Type;
use crate::geometry::Window;
use crate::op::Op;

/// About how many elements [`super::evaluate`] goes through to compute `op` on operands of these types: for who computes only what is
/// small. No work is less than 1.
pub fn work(op: &Op, operands: &[Type], result: &Type) -> usize {
    let moved = operands.iter().fold(result.len().saturating_add(1), |n, t| n.saturating_add(t.len()));
    let of = |i: usize| operands.get(i).map_or(0, Type::len);
    // Elements of the weights `ty` that go into one output.
    let each = |ty: &Type| ty.shape.iter().skip(1).fold(1usize, |n, &d| n.saturating_mul(d));
    let products = match op {
        Op::MatMul => result.len().saturating_mul(operands[0].shape.last().copied().unwrap_or(1)),
        Op::Conv(_) => result.len().saturating_mul(each(&operands[1])),
        Op::ConvTranspose { .. } => of(0).saturating_mul(each(&operands[1])),
        Op::ConvWeightGrad { .. } => of(1).saturating_mul(each(result)),
        Op::Pool { window, .. } => result.len().saturating_mul(taps(window, &operands[0])),
        Op::SumPoolGrad { window, .. } => of(0).saturating_mul(taps(window, result)),
        Op::MaxPoolGrad { window } => of(0).saturating_mul(taps(window, result)),
        Op::ArgSort { .. } => result.len().saturating_mul(result.len().max(1).ilog2() as usize),
        // As much as the slowest of formats.
        Op::DecodePicture(picture) => picture.len().saturating_mul(1 << 8),
        Op::Scan(scan) => {
            let body = &scan.body;
            let one = body.ids().map(|id| work(&body[id].op, &body.operand_types(id), &body[id].ty));
            scan.length.saturating_mul(one.fold(1, usize::saturating_add))
        }
        Op::Input { .. }
        | Op::Constant(_)
        | Op::Param(_)
        | Op::Iota { .. }
        | Op::Random { .. }
        | Op::Unary(_)
        | Op::Binary(_)
        | Op::Select
        | Op::Cast(_)
        | Op::Reshape(_)
        | Op::Permute(_)
        | Op::Broadcast(_)
        | Op::Slice(_)
        | Op::Pad(_)
        | Op::Concat { .. }
        | Op::Reduce { .. }
        | Op::ArgReduce { .. }
        | Op::Gather { .. }
        | Op::Scatter { .. }
        | Op::Quantize { .. }
        | Op::Dequantize
        | Op::Project(_) => 0,
    };
    moved.saturating_add(products)
}

/// Elements of `x` that a window sees at most.
fn taps(window: &Window, x: &Type) -> usize {
    let spatial = x.shape.iter().skip(2);
    window.size.iter().zip(spatial).fold(1, |n, (&size, &d)| n.saturating_mul(size.min(d)))
}
