//! Sliding windows: convolution and transposed convolution, pooling.

use super::*;

pub(super) const TABLE: Table = &[
    ("AveragePool", One(average_pool)),
    ("Conv", OfTwo(conv)),
    ("ConvTranspose", OfTwo(conv_transpose)),
    ("GlobalAveragePool", One(|n| Ok(spatial(n)?.global_avg_pool()))),
    ("GlobalLpPool", One(global_lp_pool)),
    ("GlobalMaxPool", One(|n| spatial(n).map(|x| x.max_keep(&spatial_axes(&x))))),
    ("LpPool", One(lp_pool)),
    ("MaxPool", Many(max_pool)),
    ("MaxUnpool", OfTwo(max_unpool)),
];

/// Padding before and after each spatial axis.
pub(super) struct Pads {
    pub(super) low: Vec<usize>,
    pub(super) high: Vec<usize>,
}

/// What `auto_pad` asks for.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum AutoPad {
    NotSet,
    SameUpper,
    SameLower,
    Valid,
}

pub(super) fn auto_pad(n: &Node) -> Lowered<AutoPad> {
    let modes = [
        ("NOTSET", AutoPad::NotSet),
        ("", AutoPad::NotSet),
        ("SAME_UPPER", AutoPad::SameUpper),
        ("SAME_LOWER", AutoPad::SameLower),
        ("VALID", AutoPad::Valid),
    ];
    n.choice("auto_pad", "NOTSET", &modes)
}

/// A list with an entry for each of `axes` spatial axes; all `default` when not given.
pub(super) fn per_axis(n: &Node, name: &str, axes: usize, default: usize) -> Lowered<Vec<usize>> {
    match n.sizes(name)? {
        None => Ok(vec![default; axes]),
        Some(list) if list.len() == axes => Ok(list),
        Some(list) => invalid!("{name} has {} entries for {axes} spatial axes", list.len()),
    }
}

/// Explicit padding, negative entries (which crop) refused.
pub(super) fn explicit_pads(n: &Node, axes: usize) -> Lowered<Pads> {
    let list = per_axis(n, "pads", 2 * axes, 0)?;
    Ok(Pads { low: list[..axes].to_vec(), high: list[axes..].to_vec() })
}

/// Splits `total` elements of padding; the odd one goes after for SAME_UPPER.
fn split(total: usize, mode: AutoPad) -> (usize, usize) {
    let less = total / 2;
    if mode == AutoPad::SameLower { (total - less, less) } else { (less, total - less) }
}

/// Padding for windows over spatial sizes `spatial`.
pub(super) fn window_pads(
    n: &Node,
    spatial: &[usize],
    size: &[usize],
    stride: &[usize],
    dilation: &[usize],
) -> Lowered<Pads> {
    let axes = spatial.len();
    let mode = auto_pad(n)?;
    let explicit = explicit_pads(n, axes)?;
    match mode {
        AutoPad::NotSet => Ok(explicit),
        AutoPad::Valid => Ok(Pads { low: vec![0; axes], high: vec![0; axes] }),
        AutoPad::SameUpper | AutoPad::SameLower => {
            let total = |i: usize| same_padding(spatial[i], size[i], stride[i], dilation[i]);
            let totals: Option<Vec<usize>> = (0..axes).map(total).collect();
            let Some(totals) = totals else { return invalid!("the windows are too large") };
            let (low, high) = totals.into_iter().map(|t| split(t, mode)).unzip();
            Ok(Pads { low, high })
        }
    }
}

/// The geometry of a convolution of `x` `[N, C, D..]` with `w`.
pub(super) fn geometry(n: &Node, x: &Tensor, w: &Tensor) -> Lowered<ConvGeometry> {
    ensure!(
        x.rank() >= 3 && w.rank() == x.rank(),
        "takes X [N, C, D..] and W of as many axes, not {x} and {w}"
    );
    let mut geometry = unpadded(n, w)?;
    let ConvGeometry { stride, dilation, .. } = &geometry;
    let pads = window_pads(n, &x.shape()[2..], &w.shape()[2..], stride, dilation)?;
    (geometry.pad_low, geometry.pad_high) = (pads.low, pads.high);
    Ok(geometry)
}

/// The same without padding.
fn unpadded(n: &Node, w: &Tensor) -> Lowered<ConvGeometry> {
    let (axes, kernel) = (w.rank() - 2, &w.shape()[2..]);
    ensure!(
        n.sizes("kernel_shape")?.is_none_or(|k| k == kernel),
        "kernel_shape is not that of W, {kernel:?}"
    );
    let (stride, dilation) = (per_axis(n, "strides", axes, 1)?, per_axis(n, "dilations", axes, 1)?);
    Ok(ConvGeometry { stride, dilation, groups: n.size("group", 1), ..ConvGeometry::new(axes) })
}

fn conv(n: &mut Node, x: Tensor, w: Tensor) -> Lowered {
    let geometry = geometry(n, &x, &w)?;
    let y = x.conv_general(&w, geometry);
    with_bias(y, n.optional(2)?)
}

/// `y` plus one number a channel.
pub(super) fn with_bias(y: Tensor, bias: Option<Tensor>) -> Lowered {
    y.check()?;
    match bias {
        None => Ok(y),
        Some(b) if b.rank() == 1 && b.len() == y.shape()[1] => Ok(&y + b.per_channel(y.rank())),
        Some(b) => invalid!("the bias must have {} elements, not {b}", y.shape()[1]),
    }
}

/// Weights are `[C, O/groups, K..]`, the adjoint's order. Padding that is not said follows from `output_shape`.
fn conv_transpose(n: &mut Node, x: Tensor, w: Tensor) -> Lowered {
    ensure!(
        x.rank() >= 3 && w.rank() == x.rank() && w.shape()[0] == x.shape()[1],
        "takes X [N, C, D..] and W [C, O/group, K..], not {x} and {w}"
    );
    let mut geometry = unpadded(n, &w)?;
    let (axes, kernel) = (x.rank() - 2, &w.shape()[2..]);
    let extra = per_axis(n, "output_padding", axes, 0)?;
    // The size without padding, and with it.
    let full = |i: usize| {
        let span = kernel[i].checked_sub(1)?.checked_mul(geometry.dilation[i])?.checked_add(1)?;
        x.shape()[i + 2].checked_sub(1)?.checked_mul(geometry.stride[i])?.checked_add(span)
    };
    let full: Option<Vec<usize>> = (0..axes).map(full).collect();
    let Some(full) = full else { return invalid!("the windows are empty or too large") };
    let explicit = explicit_pads(n, axes)?;
    let spatial: Option<Vec<usize>> = match wanted_sizes(n, &x.shape()[2..], &geometry.stride)? {
        Some(wanted) => {
            pad_to(n, &wanted, &full, &extra, (&x, &w), &mut geometry)?;
            Some(wanted)
        }
        None => {
            (geometry.pad_low, geometry.pad_high) = (explicit.low, explicit.high);
            let (low, high) = (&geometry.pad_low, &geometry.pad_high);
            let size = |i: usize| full[i].checked_add(extra[i])?.checked_sub(low[i])?.checked_sub(high[i]);
            (0..axes).map(size).collect()
        }
    };
    let Some(spatial) = spatial else {
        return invalid!("the padding is larger than the result, or that too large");
    };
    with_bias(transposed(&x, &w, geometry, &full, &spatial)?, n.optional(2)?)
}

/// The spatial sizes of the result of a transposed convolution, where they are said or follow from SAME padding.
fn wanted_sizes(n: &Node, from: &[usize], stride: &[usize]) -> Lowered<Option<Vec<usize>>> {
    let axes = from.len();
    Ok(match (n.sizes("output_shape")?, auto_pad(n)?) {
        // Some exporters include N and C.
        (Some(shape), _) if shape.len() == axes + 2 => Some(shape[2..].to_vec()),
        (Some(shape), _) if shape.len() == axes => Some(shape),
        (Some(shape), _) => return invalid!("output_shape {shape:?} for {axes} spatial axes"),
        (None, AutoPad::SameUpper | AutoPad::SameLower) => {
            Some(from.iter().zip(stride).map(|(n, s)| n.saturating_mul(*s)).collect())
        }
        (None, AutoPad::NotSet | AutoPad::Valid) => None,
    })
}

/// Padding that makes these sizes of a whole transposed convolution. A result larger than everything reached is padded with zeros at the
/// end.
fn pad_to(
    n: &Node,
    wanted: &[usize],
    full: &[usize],
    extra: &[usize],
    (x, w): (&Tensor, &Tensor),
    geometry: &mut ConvGeometry,
) -> Lowered<()> {
    let upper = auto_pad(n)? == AutoPad::SameUpper;
    for i in 0..wanted.len() {
        let stride = geometry.stride[i];
        let most = full[i].saturating_add(extra[i].max(stride.saturating_sub(1)));
        ensure!(
            wanted[i] <= most,
            "output_shape asks for {} elements on spatial axis {i}, but {} of the input, a kernel of {} (dilation {}), a \
             stride of {stride} and an output_padding of {} give {most} at most; leave output_shape out or make it smaller",
            wanted[i],
            x.shape()[i + 2],
            w.shape()[i + 2],
            geometry.dilation[i],
            extra[i]
        );
        let total = full[i].saturating_add(extra[i]).saturating_sub(wanted[i]);
        // Unlike for windows, SAME_UPPER and only it puts the odd one after; see the operator's formula.
        let less = total / 2;
        (geometry.pad_low[i], geometry.pad_high[i]) =
            if upper { (less, total - less) } else { (total - less, less) };
    }
    Ok(())
}

/// The whole transposed convolution, then cut or padded to `spatial`: output padding may be larger than a stride, where no
/// convolution has it as its adjoint.
fn transposed(x: &Tensor, w: &Tensor, geometry: ConvGeometry, full: &[usize], spatial: &[usize]) -> Lowered {
    let axes = full.len();
    let fits = geometry.window(&w.shape()[2..]).output(spatial).is_ok_and(|out| out == x.shape()[2..]);
    if fits {
        return Ok(x.conv_adjoint(w, geometry, spatial));
    }
    let whole = ConvGeometry { pad_low: vec![0; axes], pad_high: vec![0; axes], ..geometry.clone() };
    let y = x.conv_adjoint(w, whole, full).ok()?;
    let mut pads = vec![PadAxis::default(); 2];
    let mut cut: Vec<SliceAxis> = y.shape()[..2].iter().map(|&len| SliceAxis::whole(len)).collect();
    for i in 0..axes {
        let end = geometry.pad_low[i].saturating_add(spatial[i]);
        pads.push(PadAxis { high: end.saturating_sub(full[i]), ..PadAxis::default() });
        cut.push(SliceAxis { start: geometry.pad_low[i], step: 1, len: spatial[i] });
    }
    Ok(y.pad_axes(pads, 0.0).slice_axes(cut))
}

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
        let digit = rest.rem(size as f64);
        rest = rest / size as f64;
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
