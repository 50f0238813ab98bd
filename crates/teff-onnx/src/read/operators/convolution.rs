//! Convolution and transposed convolution.

use super::*;

pub(super) const TABLE: Table = &[("Conv", OfTwo(conv)), ("ConvTranspose", OfTwo(conv_transpose))];

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
