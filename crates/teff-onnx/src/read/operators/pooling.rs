//! Sliding windows without weights.

use super::*;

pub(super) const TABLE: Table = &[
    ("AveragePool", One(average_pool)),
    ("GlobalAveragePool", One(|n| Ok(spatial(n)?.global_avg_pool()))),
    ("GlobalLpPool", One(global_lp_pool)),
    ("GlobalMaxPool", One(|n| spatial(n).map(|x| x.max_keep(&spatial_axes(&x))))),
    ("LpPool", One(lp_pool)),
    ("MaxPool", Many(max_pool)),
    ("MaxUnpool", OfTwo(max_unpool)),
];

/// Input 0, which has spatial axes.
fn spatial(n: &Node) -> Lowered {
    let x = n.x(0)?;
    if x.rank() < 3 { invalid!("takes [N, C, D..], not {x}") } else { Ok(x) }
}

pub(super) fn spatial_axes(x: &Tensor) -> Vec<isize> {
    (2..x.rank() as isize).collect()
}

/// The windows over `x`, and for each axis how many of the padded elements at the end are there only because `ceil_mode` rounds up.
fn windows(n: &Node, x: &Tensor) -> Lowered<(Window, Vec<usize>)> {
    let axes = x.rank() - 2;
    let Some(size) = n.sizes("kernel_shape")? else { return invalid!("kernel_shape is missing") };
    ensure!(size.len() == axes && !size.contains(&0), "kernel_shape {size:?} for {axes} spatial axes");
    let stride = per_axis(n, "strides", axes, 1)?;
    let dilation = per_axis(n, "dilations", axes, 1)?;
    ensure!(!stride.contains(&0) && !dilation.contains(&0), "strides and dilations must be at least 1");
    let mut pads = window_pads(n, &x.shape()[2..], &size, &stride, &dilation)?;
    let ceil = n.flag("ceil_mode", false) && auto_pad(n)? == AutoPad::NotSet;
    let mut beyond = vec![0; axes];
    for i in (0..axes).filter(|_| ceil) {
        let before_end = x.shape()[i + 2].saturating_add(pads.low[i]);
        let padded = before_end.saturating_add(pads.high[i]);
        let span = (size[i] - 1).saturating_mul(dilation[i]).saturating_add(1);
        let steps = padded.saturating_sub(span);
        let mut last = steps.div_ceil(stride[i]).saturating_mul(stride[i]);
        // A window that would start in the padding after the end is left out.
        if last >= before_end {
            last = last.saturating_sub(stride[i]);
        }
        // What is left to a window that is larger than the axis must be less than a stride, or there is none.
        if padded < span && span - padded >= stride[i] {
            continue;
        }
        beyond[i] = last.saturating_add(span).saturating_sub(padded);
        pads.high[i] = pads.high[i].saturating_add(beyond[i]);
    }
    Ok((Window { size, stride, dilation, pad_low: pads.low, pad_high: pads.high }, beyond))
}

/// Values, and on request the positions of the largest: over the whole tensor, row-major, or with `storage_order` column-major
/// within each plane.
fn max_pool(n: &mut Node) -> Lowered<Outputs> {
    let x = spatial(n)?;
    let (window, _) = windows(n, &x)?;
    let column_major = n.flag("storage_order", false);
    let values = x.pool(PoolKind::Max, window.clone());
    if !n.wants(1) {
        return Ok(vec![n.carried(values)]);
    }
    let winners = x.pool(PoolKind::ArgMax, window);
    winners.check()?;
    let planes: usize = x.shape()[..2].iter().product();
    let plane: usize = x.shape()[2..].iter().product();
    let within =
        if column_major { column_major_position(&winners, &x.shape()[2..]) } else { winners.clone() };
    let mut each = winners.shape()[..2].to_vec();
    each.resize(x.rank(), 1);
    let starts = Tensor::iota(Type::new(teff_graph::DType::I64, [planes]), 0) * plane as f64;
    Ok(vec![n.carried(values), (within + starts.reshape(&each)).into()])
}

/// Row-major positions within a plane, counted column-major instead.
fn column_major_position(at: &Tensor, plane: &[usize]) -> Tensor {
    let mut rest = at.clone();
    let mut out = at.full_like(0.0);
    // Digits come off from the last axis, which weighs most in the other order.
    let mut weight: usize = plane.iter().product();
    for &size in plane.iter().rev() {
        weight /= size.max(1);
        let digit = rest.rem(&rest.full_like(size as f64));
        rest = &rest / &rest.full_like(size as f64);
        out = out + digit * weight as f64;
    }
    out
}

fn average_pool(n: &mut Node) -> Lowered {
    let x = spatial(n)?;
    averaged(n, &x)
}

/// The means of windows over `x` `[N, C, D..]`, by the attributes of the node.
pub(super) fn averaged(n: &Node, x: &Tensor) -> Lowered {
    let (window, beyond) = windows(n, x)?;
    let count_padding = n.flag("count_include_pad", false);
    if !count_padding || beyond.iter().all(|&b| b == 0) {
        return Ok(x.avg_pool(window, count_padding));
    }
    // Declared padding counts, what rounding up adds does not.
    let sum = x.pool(PoolKind::Sum, window.clone()).ok()?;
    let explicit: Vec<usize> = window.pad_high.iter().zip(&beyond).map(|(h, b)| h - b).collect();
    let mut shape = vec![1, 1];
    shape.extend((0..beyond.len()).map(|i| x.shape()[i + 2] + window.pad_low[i] + explicit[i]));
    let counted = Window { pad_low: vec![0; beyond.len()], pad_high: beyond, ..window };
    let counts = Tensor::full(Type::new(x.dtype(), shape), 1.0).pool(PoolKind::Sum, counted);
    Ok(sum / counts)
}

/// p of the Lp norm, at least 1.
fn norm_order(n: &Node) -> Lowered<i64> {
    // A float in version 1.
    let p = n.attribute("p").map_or(2, |a| if a.i != 0 { a.i } else { a.f as i64 });
    if p < 1 { unsupported(format!("p={p}"), "use p of at least 1") } else { Ok(p) }
}

fn power(x: &Tensor, p: i64) -> Tensor {
    match p {
        1 => x.abs(),
        2 => x.square(),
        p => x.abs().pow(p as f64),
    }
}

fn root(x: &Tensor, p: i64) -> Tensor {
    match p {
        1 => x.clone(),
        2 => x.sqrt(),
        p => x.pow(1.0 / p as f64),
    }
}

fn lp_pool(n: &mut Node) -> Lowered {
    let x = spatial(n)?;
    let p = norm_order(n)?;
    let (window, _) = windows(n, &x)?;
    Ok(root(&power(&x, p).pool(PoolKind::Sum, window), p))
}

fn global_lp_pool(n: &mut Node) -> Lowered {
    let x = spatial(n)?;
    let p = norm_order(n)?;
    Ok(root(&power(&x, p).sum_keep(&spatial_axes(&x)), p))
}

/// Puts each element back where `MaxPool` took it from. Indices count over the whole tensor of the size that kernel, strides and
/// pads imply; a larger `output_shape` is filled with zeros at the ends.
fn max_unpool(n: &mut Node, x: Tensor, indices: Tensor) -> Lowered {
    ensure!(
        x.rank() >= 3 && indices.shape() == x.shape(),
        "takes X [N, C, D..] and indices of its shape, not {x} and {indices}"
    );
    let axes = x.rank() - 2;
    let Some(size) = n.sizes("kernel_shape")? else { return invalid!("kernel_shape is missing") };
    ensure!(size.len() == axes, "kernel_shape {size:?} for {axes} spatial axes");
    let stride = per_axis(n, "strides", axes, 1)?;
    let pads = explicit_pads(n, axes)?;
    let mut shape = x.shape()[..2].to_vec();
    for i in 0..axes {
        let reach = x.shape()[i + 2].saturating_sub(1).saturating_mul(stride[i]).saturating_add(size[i]);
        shape.push(reach.saturating_sub(pads.low[i]).saturating_sub(pads.high[i]));
    }
    let wanted = n.optional_ints_of(2, "output_shape")?;
    let wanted = wanted.map(|w| crate::read::node::sizes(&w, "output_shape")).transpose()?;
    let count = shape.iter().fold(1usize, |n, &d| n.saturating_mul(d));
    let zeros = Tensor::full(Type::new(x.dtype(), [count]), 0.0);
    let out = zeros.scatter(&indices.flatten_all(), &x.flatten_all(), 0, ScatterKind::Set).reshape(&shape);
    let Some(wanted) = wanted else { return Ok(out) };
    ensure!(
        wanted.len() == shape.len() && wanted.iter().zip(&shape).all(|(w, s)| w >= s),
        "output_shape {wanted:?} is smaller than {shape:?}"
    );
    let widths: Vec<(usize, usize)> = wanted.iter().zip(&shape).map(|(w, s)| (0, w - s)).collect();
    Ok(out.pad(&widths, 0.0))
}
