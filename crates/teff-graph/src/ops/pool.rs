//! Sliding windows without weights, and their adjoints.

use super::{Gradients, Rule};
use crate::dtype::{DType, Type, for_each_index, offset, strides};
use crate::geometry::Window;
use crate::op::PoolKind;
use crate::tensor::Tensor;
use crate::value::{Num, Value};

/// No more windows than this are looked at one by one.
const MOST_SPARSE: usize = 1 << 12;

pub(super) fn pool_rule(kind: PoolKind, window: &Window, x: &Type) -> Rule {
    if x.dtype == DType::Bool || x.rank() < 2 {
        return Err("takes numbers of shape [N, C, D..]".into());
    }
    let mut shape = x.shape[..2].to_vec();
    shape.extend(window.output(&x.shape[2..])?);
    // Every window must see an element: a maximum of padding alone means nothing.
    let full = (0..window.size.len()).all(|i| {
        let span = (window.size[i] - 1) * window.dilation[i];
        let (size, windows) = (x.shape[i + 2], shape[i + 2]);
        // Taps further apart than there are elements can miss them all.
        let sees = |at: usize| !window.taps_inside(i, at, size).is_empty();
        window.pad_low[i] <= span
            && window.pad_high[i] <= span
            && (window.dilation[i] <= size || windows <= MOST_SPARSE && (0..windows).all(sees))
    });
    if kind != PoolKind::Sum && !full {
        return Err("padding as wide as the window leaves windows that see nothing".into());
    }
    Ok(Type::new(if kind == PoolKind::ArgMax { DType::I64 } else { x.dtype }, shape))
}

pub(super) fn sum_grad_rule(window: &Window, spatial: &[usize], y: &Type) -> Rule {
    if y.dtype == DType::Bool || y.rank() < 2 || y.shape[2..] != window.output(spatial)?[..] {
        return Err(format!("the operand must be [N, C] followed by {:?}", window.output(spatial)?));
    }
    let mut shape = y.shape[..2].to_vec();
    shape.extend(spatial);
    Ok(Type::new(y.dtype, shape))
}

pub(super) fn max_grad_rule(window: &Window, y: &Type, x: &Type) -> Rule {
    let pooled = pool_rule(PoolKind::Max, window, x)?;
    if *y != pooled {
        return Err(format!("the gradient must be {pooled}, as the pool of the input is"));
    }
    Ok(x.clone())
}

/// Calls `f(y, plane, i)` for every element `i` of input plane `plane` that the window of output `y` sees, window by window in
/// row-major order.
fn for_each_tap(window: &Window, x: &[usize], y: &[usize], mut f: impl FnMut(usize, usize, usize)) {
    let (ys, spatial) = (strides(y), strides(&x[2..]));
    for_each_index(y, |out| {
        let axes = 0..window.size.len();
        let inside: Vec<_> = axes.map(|axis| window.taps_inside(axis, out[axis + 2], x[axis + 2])).collect();
        let counts: Vec<usize> = inside.iter().map(ExactSizeIterator::len).collect();
        for_each_index(&counts, |tap| {
            let at = |axis: usize| {
                let tap = inside[axis].start + tap[axis];
                out[axis + 2] * window.stride[axis] + tap * window.dilation[axis] - window.pad_low[axis]
            };
            let at = (0..counts.len()).map(|axis| at(axis) * spatial[axis]).sum();
            f(offset(out, &ys), out[0] * x[1] + out[1], at);
        });
    });
}

pub(super) fn pool(kind: PoolKind, window: &Window, ty: &Type, x: &Value) -> Value {
    let plane: usize = x.shape()[2..].iter().product();
    if kind == PoolKind::Sum {
        let mut sums = vec![Num::of(0.0, ty.dtype); ty.len()];
        for_each_tap(window, x.shape(), &ty.shape, |y, p, i| {
            sums[y] = super::pointwise::add(sums[y], x.get(p * plane + i));
        });
        return Value::from_fn(ty, |i| sums[i]);
    }
    let winners = winners(window, x, &ty.shape);
    Value::from_fn(ty, |i| {
        let (p, at) = winners[i];
        if kind == PoolKind::ArgMax { Num::Int(at as i128) } else { x.get(p * plane + at) }
    })
}

/// For each window the plane and position of its first largest element; NaN is largest.
fn winners(window: &Window, x: &Value, y: &[usize]) -> Vec<(usize, usize)> {
    let plane: usize = x.shape()[2..].iter().product();
    let mut best: Vec<Option<(usize, usize)>> = vec![None; y.iter().product()];
    for_each_tap(window, x.shape(), y, |y, p, i| {
        if best[y].is_none_or(|(_, b)| x.get(p * plane + i).compare(x.get(p * plane + b)).is_gt()) {
            best[y] = Some((p, i));
        }
    });
    best.into_iter().map(|b| b.expect("the shape rule lets no window see nothing")).collect()
}

pub(super) fn sum_grad(window: &Window, ty: &Type, y: &Value) -> Value {
    let plane: usize = ty.shape[2..].iter().product();
    let mut sums = vec![Num::of(0.0, ty.dtype); ty.len()];
    for_each_tap(window, &ty.shape, y.shape(), |out, p, i| {
        sums[p * plane + i] = super::pointwise::add(sums[p * plane + i], y.get(out));
    });
    Value::from_fn(ty, |i| sums[i])
}

pub(super) fn max_grad(window: &Window, y: &Value, x: &Value) -> Value {
    let plane: usize = x.shape()[2..].iter().product();
    let mut sums = vec![Num::of(0.0, x.dtype()); x.len()];
    for (out, (p, i)) in winners(window, x, y.shape()).into_iter().enumerate() {
        sums[p * plane + i] = super::pointwise::add(sums[p * plane + i], y.get(out));
    }
    Value::from_fn(&x.ty(), |i| sums[i])
}

pub(super) fn pool_gradient(kind: PoolKind, window: &Window, x: &Tensor, g: &Tensor) -> Option<Tensor> {
    match kind {
        PoolKind::Sum => Some(g.sum_pool_grad(window.clone(), x.shape().get(2..).unwrap_or_default())),
        PoolKind::Max => Some(g.max_pool_grad(x, window.clone())),
        PoolKind::ArgMax => None,
    }
}

/// The winners do not move, so the gradient picks them out of `g`.
pub(super) fn max_grad_gradient(window: &Window, x: &Tensor, g: &Tensor) -> Gradients {
    let winners = x.pool(PoolKind::ArgMax, window.clone());
    let planes: usize = x.shape()[..2].iter().product();
    let plane: usize = x.shape()[2..].iter().product();
    let windows: usize = winners.shape()[2..].iter().product();
    let base = Tensor::iota(Type::new(DType::I64, [planes, windows]), 0) * plane as f64;
    let at = (base + winners.reshape(&[planes, windows])).flatten_all();
    vec![Some(g.flatten_all().gather(&at, 0).reshape(winners.shape())), None]
}
