//! A network that takes one sample, applied to a batch.
//!
//! In a graph that takes `[1, ..]`, everything computed from the input keeps the sample's axis in front. Each operation is applied
//! again to operands whose first axis is longer; what does not come from the input is repeated where the two meet. An operation that
//! moves the axis or mixes samples cannot be, and is named.

use teff_graph::{Op, Tensor};

/// One operation on operands for a batch of `n`. `varies` says for each operand whether it comes from the input; at least one does.
pub(super) fn apply(op: &Op, operands: &[Tensor], varies: &[bool], n: usize) -> Result<Tensor, String> {
    let mixes = || Err(format!("{} mixes or moves samples, so that the network cannot take a batch", op.name()));
    let led = |shape: &[usize]| -> Vec<usize> { std::iter::once(n).chain(shape[1..].iter().copied()).collect() };
    // An operand that is the same for all samples, once for each.
    let repeated = || -> Vec<Tensor> {
        let one = |(t, varies): (&Tensor, &bool)| match t.shape().first() {
            Some(1) if !varies => t.broadcast_to(&led(t.shape())),
            _ => t.clone(),
        };
        operands.iter().zip(varies).map(one).collect()
    };
    let only_first = varies[0] && !varies[1..].contains(&true);
    let as_is = |fits: bool| if fits { Ok(Tensor::apply(op.clone(), operands)) } else { mixes() };
    match op {
        Op::Unary(_) | Op::Cast(_) | Op::Pool { .. } | Op::SumPoolGrad { .. } => as_is(true),
        Op::Binary(_) | Op::Select | Op::MaxPoolGrad { .. } => Ok(Tensor::apply(op.clone(), &repeated())),
        Op::Reshape(shape) => match shape.first() {
            Some(1) => Ok(operands[0].reshape(&led(shape))),
            _ => mixes(),
        },
        Op::Broadcast(shape) if shape.len() == operands[0].rank() && shape[0] == 1 => {
            Ok(operands[0].broadcast_to(&led(shape)))
        }
        Op::Broadcast(_) => mixes(),
        Op::Permute(perm) => as_is(perm.first() == Some(&0)),
        Op::Slice(axes) => {
            let mut axes = axes.clone();
            if axes[0].len != 1 {
                return mixes();
            }
            (axes[0].start, axes[0].step, axes[0].len) = (0, 1, n);
            Ok(Tensor::apply(Op::Slice(axes), operands))
        }
        Op::Pad(axes) => as_is(axes[0] == Default::default() && only_first),
        Op::Concat { axis } if *axis != 0 => Ok(Tensor::apply(op.clone(), &repeated())),
        Op::Reduce { axes, .. } => as_is(!axes.contains(&0)),
        Op::Concat { axis } | Op::ArgReduce { axis, .. } | Op::ArgSort { axis, .. } => as_is(*axis != 0),
        Op::MatMul if operands[0].rank() == 2 => as_is(only_first),
        Op::MatMul => Ok(Tensor::apply(op.clone(), &repeated())),
        Op::Conv(_) | Op::ConvTranspose { .. } => as_is(only_first),
        Op::Gather { axis } => as_is(*axis != 0 && only_first),
        Op::Quantize { .. } | Op::Dequantize => as_is(only_first && operands[1].shape().first() == Some(&1)),
        Op::ConvWeightGrad { .. } | Op::Scatter { .. } | Op::Scan(_) | Op::Project(_) => mixes(),
        Op::Input { .. } | Op::Constant(_) | Op::Param(_) | Op::Iota { .. } | Op::Random { .. } => {
            unreachable!("has no operands that vary")
        }
    }
}
