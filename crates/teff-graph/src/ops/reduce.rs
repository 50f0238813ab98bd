//! Combining the elements along axes.

use super::Rule;
use crate::dtype::{DType, Type, for_each_index, offset, strides};
use crate::op::{Binary, ReduceKind};
use crate::ops::pointwise::binary;
use crate::tensor::Tensor;
use crate::value::{Num, Value};
use std::cmp::Ordering;

pub(super) fn reduce_rule(kind: ReduceKind, axes: &[usize], x: &Type) -> Rule {
    if !axes.is_sorted_by(|a, b| a < b) || axes.last().is_some_and(|&a| a >= x.rank()) {
        return Err(format!("axes {axes:?} must ascend and be below {}", x.rank()));
    }
    if x.dtype == DType::Bool && matches!(kind, ReduceKind::Sum | ReduceKind::Prod) {
        return Err("booleans have no sum or product; cast them to integers".into());
    }
    let mut shape = x.shape.clone();
    axes.iter().for_each(|&a| shape[a] = 1);
    Ok(Type::new(x.dtype, shape))
}

/// What a reduction of nothing gives.
fn identity(kind: ReduceKind, dtype: DType) -> Num {
    let range = dtype.int_range().map(|(low, high)| (Num::Int(low), Num::Int(high)));
    let (least, most) = range.unwrap_or((Num::Float(f64::NEG_INFINITY), Num::Float(f64::INFINITY)));
    match kind {
        ReduceKind::Sum => Num::of(0.0, dtype),
        ReduceKind::Prod => Num::of(1.0, dtype),
        ReduceKind::Max => least,
        ReduceKind::Min => most,
    }
}

pub(super) fn reduce(kind: ReduceKind, axes: &[usize], ty: &Type, x: &Value) -> Value {
    let step = match kind {
        ReduceKind::Sum => Binary::Add,
        ReduceKind::Prod => Binary::Mul,
        ReduceKind::Max => Binary::Max,
        ReduceKind::Min => Binary::Min,
    };
    let mut to = strides(&ty.shape);
    axes.iter().for_each(|&a| to[a] = 0);
    let mut sums = vec![identity(kind, ty.dtype); ty.len()];
    let mut i = 0;
    for_each_index(x.shape(), |index| {
        let sum = &mut sums[offset(index, &to)];
        *sum = binary(step, *sum, x.get(i), ty.dtype);
        i += 1;
    });
    Value::from_fn(ty, |i| sums[i])
}

pub(super) fn reduce_gradient(
    kind: ReduceKind,
    axes: &[usize],
    x: &Tensor,
    out: &Tensor,
    g: &Tensor,
) -> Tensor {
    match kind {
        ReduceKind::Sum => g.broadcast_to(x.shape()),
        ReduceKind::Prod => g * product_of_others(axes, x),
        // Equal elements share the gradient.
        ReduceKind::Max | ReduceKind::Min => {
            let winners = x.equal(out).cast(x.dtype());
            g / winners.reduce(ReduceKind::Sum, axes) * winners
        }
    }
}

/// For each element the product of all others along `axes`: computed pairwise, so that zeros are no division by zero.
fn product_of_others(axes: &[usize], x: &Tensor) -> Tensor {
    let kept: Vec<usize> = (0..x.rank()).filter(|a| !axes.contains(a)).collect();
    let order: Vec<usize> = kept.iter().chain(axes).copied().collect();
    let moved = x.permute(&order);
    let outer: usize = kept.iter().map(|&a| x.shape()[a]).product();
    let n: usize = axes.iter().map(|&a| x.shape()[a]).product();
    let pairs = moved.reshape(&[outer, 1, n]).broadcast_to(&[outer, n, n]);
    let i = Tensor::iota(Type::new(DType::I64, [1, n, n]), 1);
    let j = Tensor::iota(Type::new(DType::I64, [1, n, n]), 2);
    let others = i.equal(&j).broadcast_to(&[outer, n, n]).select(1.0, &pairs);
    let products = others.reduce(ReduceKind::Prod, &[2]).reshape(moved.shape());
    super::movement::permute_gradient(&order, &products)
}

pub(super) fn arg_rule(axis: usize, x: &Type) -> Rule {
    super::check_axis(axis, x)?;
    if x.shape[axis] == 0 {
        return Err(format!("axis {axis} is empty"));
    }
    let mut shape = x.shape.clone();
    shape[axis] = 1;
    Ok(Type::new(DType::I64, shape))
}

pub(super) fn arg_reduce(min: bool, axis: usize, last: bool, ty: &Type, x: &Value) -> Value {
    let stride = strides(x.shape())[axis];
    let beats = |new: Num, best: Num| match (new.as_f64().is_nan(), best.as_f64().is_nan()) {
        (false, false) => match new.compare(best) {
            Ordering::Less => min,
            Ordering::Equal => last,
            Ordering::Greater => !min,
        },
        (is_nan, was_nan) => is_nan && (last || !was_nan),
    };
    Value::from_fn(ty, |i| {
        let first = i / stride * stride * x.shape()[axis] + i % stride;
        let mut best = 0;
        for k in 1..x.shape()[axis] {
            if beats(x.get(first + k * stride), x.get(first + best * stride)) {
                best = k;
            }
        }
        Num::Int(best as i128)
    })
}
