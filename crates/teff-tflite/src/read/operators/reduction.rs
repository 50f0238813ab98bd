//! What combines the elements along axes.

use super::*;

pub(super) const TABLE: Table = &[
    ("ARG_MAX", One(|n| arg_reduce(n, false))),
    ("ARG_MIN", One(|n| arg_reduce(n, true))),
    ("CUMSUM", One(cumsum)),
    ("L2_NORMALIZATION", One(l2_normalization)),
    ("LOCAL_RESPONSE_NORMALIZATION", One(local_response_normalization)),
    ("MEAN", One(mean)),
    ("REDUCE_ALL", One(|n| logical(n, ReduceKind::Min))),
    ("REDUCE_ANY", One(|n| logical(n, ReduceKind::Max))),
    ("REDUCE_MAX", One(|n| reduce(n, n.held(0)?, |x, axes| x.reduce(ReduceKind::Max, axes)))),
    ("REDUCE_MIN", One(|n| reduce(n, n.held(0)?, |x, axes| x.reduce(ReduceKind::Min, axes)))),
    ("REDUCE_PROD", One(|n| reduce(n, n.real(0)?, |x, axes| x.reduce(ReduceKind::Prod, axes)))),
    ("SUM", One(|n| reduce(n, n.real(0)?, |x, axes| x.reduce(ReduceKind::Sum, axes)))),
];

/// `f` over the axes of input 1, which leave unless the options keep them.
fn reduce(n: &Node, x: Held, f: impl FnOnce(&Tensor, &[usize]) -> Tensor) -> Lowered<Held> {
    let keep = n.get(reducer_options::KEEP_DIMS)?;
    let axes = axes_of(&n.ints_of(1, "axes")?, x.tensor.rank())?;
    let mut positions: Vec<usize> = axes.iter().map(|&axis| x.position(axis)).collect();
    positions.sort_unstable();
    let layout = x.layout;
    let kept = Held { tensor: f(&x.tensor, &positions).ok()?, layout };
    if keep {
        return Ok(kept);
    }
    Ok(Held::plain(kept.into_plain().without(&axes)))
}

/// The sum over the number of elements; of integers without a scale the quotient is truncated.
fn mean(n: &mut Node) -> Lowered<Held> {
    reduce(n, n.real(0)?, |x, axes| {
        let count: usize = axes.iter().map(|&axis| x.shape()[axis]).product();
        x.reduce(ReduceKind::Sum, axes) / count as f64
    })
}

fn logical(n: &mut Node, kind: ReduceKind) -> Lowered<Held> {
    let x = n.held(0)?;
    ensure!(x.tensor.dtype() == DType::Bool, "its input is {}, and must be bool", x.tensor.dtype());
    reduce(n, x, |x, axes| x.reduce(kind, axes))
}

/// The first of equal elements.
fn arg_reduce(n: &mut Node, min: bool) -> Lowered<Held> {
    let x = n.held(0)?;
    let axis = axis_of(n.int_of(1, "axis")?, x.tensor.rank())?;
    let position = x.position(axis);
    let kept = Held { tensor: x.tensor.arg_reduce(min, position, false).ok()?, layout: x.layout };
    let y = kept.into_plain().squeeze(axis as isize);
    Ok(Held::plain(cast_to(y, n.output_info(0)?)?))
}

fn cumsum(n: &mut Node) -> Lowered<Held> {
    use cumsum_options as o;
    let x = n.real(0)?;
    let axis = x.position(axis_of(n.int_of(1, "axis")?, x.tensor.rank())?);
    let (exclusive, reverse) = (n.get(o::EXCLUSIVE)?, n.get(o::REVERSE)?);
    Ok(x.map(|x| x.cumsum(axis as isize, exclusive, reverse)))
}

/// x over its Euclidean length along the last axis. A length below 1e-3 counts as that, as the runtime has it.
fn l2_normalization(n: &mut Node) -> Lowered<Held> {
    along_last(n, |x, axis| x / x.square().sum_keep(&[axis]).maximum(1e-6).sqrt())
}

/// `x / (bias + alpha * s)^beta`, s the sum of the squares in the channels not further away than the radius.
fn local_response_normalization(n: &mut Node) -> Lowered<Held> {
    use local_response_normalization_options as o;
    let x = floats(n.x(0)?, "its input")?;
    let Some((&channels, rest)) = x.shape().split_last() else { return invalid!("its input is a scalar") };
    let radius = usize::try_from(n.get(o::RADIUS)?).unwrap_or(0).min(channels);
    let [bias, alpha, beta] = [o::BIAS, o::ALPHA, o::BETA].map(|field| n.get(field).map(f64::from));
    Ok(Held::plain(x.local_response_norm(rest.len(), (radius, radius), alpha?, beta?, bias?)))
}
