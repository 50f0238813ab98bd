//! What combines elements along axes: sums, extremes, norms, positions of extremes; normalisations.

use super::*;

pub(super) const TABLE: Table = &[
    ("ArgMax", One(|n| arg(n, false))),
    ("ArgMin", One(|n| arg(n, true))),
    ("BatchNormalization", Many(batch_normalization)),
    ("CumProd", One(|n| cumulated(n, Tensor::cumprod))),
    ("CumSum", One(|n| cumulated(n, Tensor::cumsum))),
    ("GroupNormalization", One(group_normalization)),
    ("InstanceNormalization", One(instance_normalization)),
    ("LRN", Of(local_response)),
    ("LayerNormalization", Many(layer_normalization)),
    ("LpNormalization", Of(lp_normalization)),
    ("MeanVarianceNormalization", Of(mean_variance)),
    ("RMSNormalization", One(rms_normalization)),
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

/// With `training_mode` the statistics are those of the batch, and the running ones are outputs too.
fn batch_normalization(n: &mut Node) -> Lowered<Outputs> {
    let (x, scale, shift) = (n.x(0)?, n.x(1)?, n.x(2)?);
    let (mean, variance) = (n.x(3)?, n.x(4)?);
    let epsilon = n.float("epsilon", 1e-5);
    let momentum = n.float("momentum", f64::from(0.9f32));
    n.ignore(&["consumed_inputs"]);
    if n.version < 9 && !n.flag("spatial", true) {
        return unsupported("spatial=0", "export with opset 9 or newer");
    }
    let channels = if x.rank() > 1 { x.shape()[1] } else { 1 };
    ensure!(
        [&scale, &shift, &mean, &variance].iter().all(|t| t.shape() == [channels]),
        "scale, shift, mean and variance must have {channels} elements each"
    );
    let training = n.flag("training_mode", false) || n.version < 7 && !n.flag("is_test", true);
    n.ignore(&["is_test"]);
    if !training {
        return Ok(vec![n.carried(x.batch_norm(&mean, &variance, &scale, &shift, epsilon))]);
    }
    let axes: Vec<isize> = (0..x.rank() as isize).filter(|&a| a != 1).collect();
    let batch_mean = x.mean_keep(&axes).reshape(&[channels]);
    let batch_variance = x.variance_keep(&axes).reshape(&[channels]);
    let y = x.batch_norm(&batch_mean, &batch_variance, &scale, &shift, epsilon);
    let running = |old: &Tensor, new: &Tensor| old * momentum + new * (1.0 - momentum);
    Ok(vec![y.into(), running(&mean, &batch_mean).into(), running(&variance, &batch_variance).into()])
}

fn instance_normalization(n: &mut Node) -> Lowered {
    let (x, scale, shift) = (n.x(0)?, n.x(1)?, n.x(2)?);
    n.ignore(&["consumed_inputs"]);
    ensure!(x.rank() >= 3, "takes [N, C, D..], not {x}");
    let y = x.standardize(&spatial_axes(&x), n.float("epsilon", 1e-5));
    Ok(y * scale.per_channel(x.rank()) + shift.per_channel(x.rank()))
}

/// Scale and shift are one a channel since version 21, one a group before.
fn group_normalization(n: &mut Node) -> Lowered {
    let (x, mut scale, mut shift) = (n.x(0)?, n.x(1)?, n.x(2)?);
    n.ignore(&["stash_type"]);
    let groups = n.size("num_groups", 0);
    let y = x.group_norm(groups, n.float("epsilon", 1e-5));
    y.check()?;
    let channels = x.shape()[1];
    if n.version < 21 && scale.len() == groups && groups != channels {
        let spread = |t: &Tensor| {
            t.reshape(&[groups, 1]).broadcast_to(&[groups, channels / groups]).reshape(&[channels])
        };
        (scale, shift) = (spread(&scale), spread(&shift));
    }
    Ok(y * scale.per_channel(x.rank()) + shift.per_channel(x.rank()))
}

/// Over all axes from `axis` on; mean and 1 / standard deviation are outputs too.
fn layer_normalization(n: &mut Node) -> Lowered<Outputs> {
    let (x, scale) = (n.x(0)?, n.x(1)?);
    n.ignore(&["stash_type"]);
    let axes = n.trailing_axes(x.rank())?;
    let mean = x.mean_keep(&axes);
    let centred = &x - &mean;
    let variance = centred.square().mean_keep(&axes);
    let deviation = (variance + n.float("epsilon", 1e-5)).sqrt();
    let y = &centred / &deviation * &scale;
    let y = n.plus(y, 2)?;
    Ok(vec![n.carried(y), n.carried(mean), n.carried(deviation.recip())])
}

pub(super) fn rms_normalization(n: &mut Node) -> Lowered {
    let (x, scale) = (n.x(0)?, n.x(1)?);
    n.ignore(&["stash_type"]);
    let axes = n.trailing_axes(x.rank())?;
    Ok(x.rms_normalize(&axes, n.float("epsilon", 1e-5)) * scale)
}

/// x / (bias + alpha / size * sum of squares over `size` neighbouring channels)^beta.
fn local_response(n: &mut Node, x: Tensor) -> Lowered {
    let size = n.size("size", 0);
    let (alpha, beta, bias) =
        (n.float("alpha", f64::from(1e-4f32)), n.float("beta", 0.75), n.float("bias", 1.0));
    ensure!(
        x.rank() >= 2 && size != 0 && size <= 1 << 20,
        "takes [N, C, D..] and a size of at least 1, not {x} and {size}"
    );
    let before = (size - 1) / 2;
    Ok(x.local_response_norm(1, (before, size - 1 - before), alpha / size as f64, beta, bias))
}

fn lp_normalization(n: &mut Node, x: Tensor) -> Lowered {
    let axis = axis_of(n.int("axis", -1), x.rank())? as isize;
    match n.int("p", 2) {
        1 => Ok(normalized(&x, l1_norm(&x, &[axis]))),
        2 => Ok(normalized(&x, l2_norm(&x, &[axis]))),
        p => unsupported(format!("p={p}"), "use 1 or 2"),
    }
}

/// A norm along axes, which stay.
pub(super) type Norm = fn(&Tensor, &[isize]) -> Tensor;

pub(super) fn l1_norm(x: &Tensor, axes: &[isize]) -> Tensor {
    x.abs().sum_keep(axes)
}

pub(super) fn l2_norm(x: &Tensor, axes: &[isize]) -> Tensor {
    x.square().sum_keep(axes).sqrt()
}

/// `x` by its norm; of zeros, zeros.
pub(super) fn normalized(x: &Tensor, norm: Tensor) -> Tensor {
    x / norm.equal(0.0).select(1.0, &norm)
}

fn mean_variance(n: &mut Node, x: Tensor) -> Lowered {
    let axes = axes_of(n.ints("axes").unwrap_or(&[0, 2, 3]), x.rank())?;
    let axes: Vec<isize> = axes.into_iter().map(|a| a as isize).collect();
    let centred = &x - x.mean_keep(&axes);
    let deviation = centred.square().mean_keep(&axes).sqrt();
    Ok(centred / (deviation + 1e-9))
}

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
