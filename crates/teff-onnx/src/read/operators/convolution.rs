//! Convolution and transposed convolution.

use super::{Lower::One, Table};
use crate::read::node::{Lowered, Node, Operands, ensure, invalid};
use teff_graph::{ConvGeometry, PadAxis, SliceAxis, Tensor};

pub(super) const TABLE: Table = &[("Conv", One(conv)), ("ConvTranspose", One(conv_transpose))];

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
            let total = |i: usize| {
                let span = size[i].saturating_sub(1).checked_mul(dilation[i])?.checked_add(1)?;
                let reach = spatial[i].div_ceil(stride[i].max(1)).saturating_sub(1).checked_mul(stride[i])?;
                Some(reach.checked_add(span)?.saturating_sub(spatial[i]))
            };
            let totals: Option<Vec<usize>> = (0..axes).map(total).collect();
            let totals = totals
                .ok_or_else(|| crate::read::node::Fault::Invalid("the windows are too large".into()))?;
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
    let axes = x.rank() - 2;
    let kernel = &w.shape()[2..];
    ensure!(
        n.sizes("kernel_shape")?.is_none_or(|k| k == kernel),
        "kernel_shape is not that of W, {kernel:?}"
    );
    let stride = per_axis(n, "strides", axes, 1)?;
    let dilation = per_axis(n, "dilations", axes, 1)?;
    let groups = n.size("group", 1);
    let pads = window_pads(n, &x.shape()[2..], kernel, &stride, &dilation)?;
    Ok(ConvGeometry { stride, dilation, pad_low: pads.low, pad_high: pads.high, groups })
}

fn conv(n: &mut Node) -> Lowered {
    let (x, w) = (n.x(0)?, n.x(1)?);
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
fn conv_transpose(n: &mut Node) -> Lowered {
    let (x, w) = (n.x(0)?, n.x(1)?);
    ensure!(
        x.rank() >= 3 && w.rank() == x.rank() && w.shape()[0] == x.shape()[1],
        "takes X [N, C, D..] and W [C, O/group, K..], not {x} and {w}"
    );
    let axes = x.rank() - 2;
    let kernel = &w.shape()[2..];
    ensure!(
        n.sizes("kernel_shape")?.is_none_or(|k| k == kernel),
        "kernel_shape is not that of W, {kernel:?}"
    );
    let stride = per_axis(n, "strides", axes, 1)?;
    let dilation = per_axis(n, "dilations", axes, 1)?;
    let extra = per_axis(n, "output_padding", axes, 0)?;
    let groups = n.size("group", 1);
    let mode = auto_pad(n)?;
    let explicit = explicit_pads(n, axes)?;
    // The size without padding, and with it.
    let full = |i: usize| {
        let span = kernel[i].checked_sub(1)?.checked_mul(dilation[i])?.checked_add(1)?;
        x.shape()[i + 2].checked_sub(1)?.checked_mul(stride[i])?.checked_add(span)
    };
    let full: Option<Vec<usize>> = (0..axes).map(full).collect();
    let Some(full) = full else { return invalid!("the windows are empty or too large") };
    let wanted = match (n.sizes("output_shape")?, mode) {
        // Some exporters include N and C.
        (Some(shape), _) if shape.len() == axes + 2 => Some(shape[2..].to_vec()),
        (Some(shape), _) if shape.len() == axes => Some(shape),
        (Some(shape), _) => return invalid!("output_shape {shape:?} for {axes} spatial axes"),
        (None, AutoPad::SameUpper | AutoPad::SameLower) => {
            Some((0..axes).map(|i| x.shape()[i + 2].saturating_mul(stride[i])).collect())
        }
        (None, AutoPad::NotSet | AutoPad::Valid) => None,
    };
    let (mut low, mut high) = (explicit.low, explicit.high);
    if let Some(wanted) = wanted {
        for i in 0..axes {
            let most = full[i].saturating_add(extra[i].max(stride[i].saturating_sub(1)));
            ensure!(
                wanted[i] <= most,
                "output_shape asks for {} elements on spatial axis {i}, but {} of the input, a kernel of {} (dilation {}), a \
                     stride of {} and an output_padding of {} give {most} at most; leave output_shape out or make it smaller",
                wanted[i],
                x.shape()[i + 2],
                kernel[i],
                dilation[i],
                stride[i],
                extra[i]
            );
            let total = full[i].saturating_add(extra[i]).saturating_sub(wanted[i]);
            // Unlike for windows, SAME_UPPER and only it puts the odd one after; see the operator's formula.
            let less = total / 2;
            (low[i], high[i]) =
                if mode == AutoPad::SameUpper { (less, total - less) } else { (total - less, less) };
        }
        // A result larger than everything reached is padded with zeros at the end.
        let spatial: Vec<usize> = wanted;
        return transposed(
            n,
            &x,
            &w,
            ConvGeometry { stride, dilation, pad_low: low, pad_high: high, groups },
            &full,
            &spatial,
        );
    }
    let spatial: Option<Vec<usize>> =
        (0..axes).map(|i| full[i].checked_add(extra[i])?.checked_sub(low[i])?.checked_sub(high[i])).collect();
    let Some(spatial) = spatial else {
        return invalid!("the padding is larger than the result, or that too large");
    };
    transposed(
        n,
        &x,
        &w,
        ConvGeometry { stride, dilation, pad_low: low, pad_high: high, groups },
        &full,
        &spatial,
    )
}

/// The whole transposed convolution, then cut or padded to `spatial`: output padding may be larger than a stride, where no
/// convolution has it as its adjoint.
fn transposed(
    n: &mut Node,
    x: &Tensor,
    w: &Tensor,
    geometry: ConvGeometry,
    full: &[usize],
    spatial: &[usize],
) -> Lowered {
    let axes = full.len();
    let fits = geometry.window(&w.shape()[2..]).output(spatial).is_ok_and(|out| out == x.shape()[2..]);
    if fits {
        return with_bias(x.conv_adjoint(w, geometry, spatial), n.optional(2)?);
    }
    let whole = ConvGeometry { pad_low: vec![0; axes], pad_high: vec![0; axes], ..geometry.clone() };
    let y = x.conv_adjoint(w, whole, full);
    y.check()?;
    let mut pads = vec![PadAxis::default(); 2];
    let mut cut: Vec<SliceAxis> =
        y.shape()[..2].iter().map(|&len| SliceAxis { start: 0, step: 1, len }).collect();
    for i in 0..axes {
        let end = geometry.pad_low[i].saturating_add(spatial[i]);
        pads.push(PadAxis { low: 0, high: end.saturating_sub(full[i]), interior: 0 });
        cut.push(SliceAxis { start: geometry.pad_low[i], step: 1, len: spatial[i] });
    }
    with_bias(y.pad_axes(pads, 0.0).slice_axes(cut), n.optional(2)?)
}
