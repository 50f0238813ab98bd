//! Sums, extremes, norms and positions of extremes along axes.

use super::*;

pub(super) const TABLE: Table = &[
    ("ArgMax", One(|n| arg(n, false))),
    ("ArgMin", One(|n| arg(n, true))),
    ("CumProd", One(|n| cumulated(n, Tensor::cumprod))),
    ("CumSum", One(|n| cumulated(n, Tensor::cumsum))),
    ("ReduceL1", One(|n| reduced(n, |x, axes| x.abs().reduce(ReduceKind::Sum, axes)))),
    ("ReduceL2", One(|n| reduced(n, l2))),
    ("ReduceLogSum", One(|n| reduced(n, |x, axes| x.reduce(ReduceKind::Sum, axes).log()))),
    ("ReduceLogSumExp", One(|n| reduced(n, Tensor::log_sum_exp))),
    ("ReduceMax", One(|n| reduced(n, |x, axes| x.reduce(ReduceKind::Max, axes)))),
    ("ReduceMean", One(|n| reduced(n, mean))),
    ("ReduceMin", One(|n| reduced(n, |x, axes| x.reduce(ReduceKind::Min, axes)))),
    ("ReduceProd", One(|n| reduced(n, |x, axes| x.reduce(ReduceKind::Prod, axes)))),
    ("ReduceSum", One(|n| reduced(n, |x, axes| x.reduce(ReduceKind::Sum, axes)))),
    ("ReduceSumSquare", One(|n| reduced(n, |x, axes| x.square().reduce(ReduceKind::Sum, axes)))),
];

/// Axes are an attribute or, since version 13 for sums and 18 for the rest, an input. None means all, unless
/// `noop_with_empty_axes` says that nothing is combined.
fn reduced(n: &mut Node, f: impl Fn(&Tensor, &[usize]) -> Tensor) -> Lowered {
    let x = n.x(0)?;
    let axes = n.ints_at("axes", 1)?;
    let noop = n.flag("noop_with_empty_axes", false);
    let keep = n.flag("keepdims", true);
    let axes = match axes {
        Some(list) if !list.is_empty() => axes_of(&list, x.rank())?,
        _ if noop => vec![],
        _ => (0..x.rank()).collect(),
    };
    let out = f(&x, &axes);
    Ok(if keep { out } else { out.without(&axes) })
}

fn l2(x: &Tensor, axes: &[usize]) -> Tensor {
    let wide = if x.dtype().is_float() { x.dtype() } else { DType::F64 };
    x.cast(wide).square().reduce(ReduceKind::Sum, axes).sqrt().cast(x.dtype())
}

fn mean(x: &Tensor, axes: &[usize]) -> Tensor {
    let sum = x.reduce(ReduceKind::Sum, axes);
    let n = x.len() as f64 / sum.len().max(1) as f64;
    sum / n
}

fn arg(n: &mut Node, min: bool) -> Lowered {
    let x = n.x(0)?;
    let axis = axis_of(n.int("axis", 0), x.rank())?;
    let keep = n.flag("keepdims", true);
    let out = x.arg_reduce(min, axis, n.flag("select_last_index", false));
    Ok(if keep { out } else { out.squeeze(axis as isize) })
}

fn cumulated(n: &mut Node, f: impl Fn(&Tensor, isize, bool, bool) -> Tensor) -> Lowered {
    let x = n.x(0)?;
    let axis = axis_of(n.int_of(1, "axis")?, x.rank())?;
    Ok(f(&x, axis as isize, n.flag("exclusive", false), n.flag("reverse", false)))
}
