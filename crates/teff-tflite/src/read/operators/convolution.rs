//! Convolutions. Weights are `[O, H, W, I]` in the file; what is convolved is taken and given with channels first.

use super::{Lower::One, Table, activated};
use crate::read::held::{Held, permuted};
use crate::read::node::{Lowered, Node, Operands, ensure, floats, invalid};
use crate::read::quantization::{bias_scale, dequantized};
use crate::schema::{conv2d_options, depthwise_conv2d_options, padding, transpose_conv_options};
use teff_graph::{ConvGeometry, DType, Tensor, Type, Value};

pub(super) const TABLE: Table = &[
    ("CONV_2D", One(conv_2d)),
    ("DEPTHWISE_CONV_2D", One(depthwise_conv_2d)),
    ("TRANSPOSE_CONV", One(transpose_conv)),
];

/// Input `i`, weights with as many axes as `perm`, as floats with axes in that order.
pub(super) fn weights(n: &Node, i: usize, perm: &[usize]) -> Lowered {
    let (w, info) = (n.x(i)?, n.input_info(i)?);
    ensure!(w.rank() == perm.len(), "its weights {w} must have {} axes", perm.len());
    let moved = permuted(&w, perm);
    if w.dtype().is_float() {
        return Ok(moved);
    }
    dequantized(&moved, info, n.reading, |axis| perm.iter().position(|&a| a == axis).unwrap_or(axis))
}

/// The values that input `i`, a bias, adds to the channels of sums of products of inputs `x` and `w`, to broadcast against
/// `[N, C, ..]` (`rank` axes). Runtimes add integers to their integer sums, whatever scale the file gives the bias.
pub(super) fn bias(n: &Node, i: usize, (x, w): (usize, usize), rank: usize) -> Lowered<Option<Tensor>> {
    let Some(b) = n.optional(i) else { return Ok(None) };
    let b = b.into_plain();
    let mut shape = vec![1; rank];
    shape[1.min(rank - 1)] = b.len();
    let b = b.reshape(&shape);
    if b.dtype().is_float() {
        return Ok(Some(b));
    }
    ensure!(matches!(b.dtype(), DType::I32 | DType::I64), "its bias is {}", b.dtype());
    let scales = bias_scale(n.input_info(x)?, n.input_info(w)?, b.len())?;
    let mut aside = vec![1; rank];
    aside[1.min(rank - 1)] = scales.len();
    let zero = Tensor::constant(Value::zeros(&Type::new(b.dtype(), aside.clone())));
    let scale = Tensor::constant(Value::new(aside, scales));
    Ok(Some(b.dequantize(&scale, &zero)))
}

/// `total` zeros that make `output` windows of `span` elements, `stride` apart, out of `size` elements: before and after.
pub(super) fn same_padding(size: usize, output: usize, span: usize, stride: usize) -> (usize, usize) {
    let total = output.saturating_sub(1).saturating_mul(stride).saturating_add(span).saturating_sub(size);
    (total / 2, total - total / 2)
}

/// Zeros around the spatial axes `[H, W]` of the input for each way of padding.
pub(super) fn window_padding(
    way: i8,
    spatial: &[usize],
    kernel: &[usize],
    stride: &[usize],
    dilation: &[usize],
) -> Lowered<(Vec<usize>, Vec<usize>)> {
    let one = |i: usize| match way {
        padding::SAME => {
            let span = kernel[i].saturating_sub(1).saturating_mul(dilation[i]).saturating_add(1);
            Ok(same_padding(spatial[i], spatial[i].div_ceil(stride[i]), span, stride[i]))
        }
        padding::VALID => Ok((0, 0)),
        other => invalid!("padding {other} is neither SAME (0) nor VALID (1)"),
    };
    Ok((0..spatial.len()).map(one).collect::<Lowered<Vec<_>>>()?.into_iter().unzip())
}

/// The input of a convolution, as floats with channels first.
fn image(n: &Node, i: usize) -> Lowered {
    let x = n.real(i)?;
    ensure!(x.tensor.rank() == 4, "its input {} must have four axes", x.tensor.ty());
    floats(x.into_channels_first(), "its input")
}

fn convolved(n: &Node, x: &Tensor, w: &Tensor, geometry: ConvGeometry, activation: i8) -> Lowered<Held> {
    let y = x.conv_general(w, geometry).ok()?;
    let y = match bias(n, 2, (0, 1), 4)? {
        Some(b) => (y + b).ok()?,
        None => y,
    };
    Ok(Held::channels_first(activated(y, activation)?))
}

/// The geometry of a convolution of x by w, in as many groups as its weights say.
pub(super) fn grouped(
    x: &Tensor,
    w: &Tensor,
    stride: Vec<usize>,
    dilation: Vec<usize>,
    way: i8,
) -> Lowered<ConvGeometry> {
    let (channels, inside) = (x.shape()[1], w.shape()[1]);
    ensure!(
        inside != 0 && channels.is_multiple_of(inside),
        "its input has {channels} channels, its weights take {inside}"
    );
    let (pad_low, pad_high) = window_padding(way, &x.shape()[2..], &w.shape()[2..], &stride, &dilation)?;
    Ok(ConvGeometry { stride, dilation, pad_low, pad_high, groups: channels / inside })
}

fn conv_2d(n: &mut Node) -> Lowered<Held> {
    use conv2d_options as o;
    let options = n.options(o::UNION)?;
    let stride = vec![options.count(o::STRIDE_H, "stride_h")?, options.count(o::STRIDE_W, "stride_w")?];
    let dilation = vec![
        options.count(o::DILATION_H_FACTOR, "dilation_h")?,
        options.count(o::DILATION_W_FACTOR, "dilation_w")?,
    ];
    let (x, w) = (image(n, 0)?, weights(n, 1, &[0, 3, 1, 2])?);
    let geometry = grouped(&x, &w, stride, dilation, options.get(o::PADDING)?)?;
    convolved(n, &x, &w, geometry, options.get(o::FUSED_ACTIVATION_FUNCTION)?)
}

/// Weights are `[1, H, W, C * multiplier]`; output channel `c * multiplier + m` sees input channel `c`.
fn depthwise_conv_2d(n: &mut Node) -> Lowered<Held> {
    use depthwise_conv2d_options as o;
    let options = n.options(o::UNION)?;
    let stride = vec![options.count(o::STRIDE_H, "stride_h")?, options.count(o::STRIDE_W, "stride_w")?];
    let dilation = vec![
        options.count(o::DILATION_H_FACTOR, "dilation_h")?,
        options.count(o::DILATION_W_FACTOR, "dilation_w")?,
    ];
    let (x, w) = (image(n, 0)?, weights(n, 1, &[3, 0, 1, 2])?);
    let channels = x.shape()[1];
    ensure!(
        w.shape()[1] == 1 && channels != 0 && w.shape()[0].is_multiple_of(channels),
        "its weights have {} channels for {channels} of the input",
        w.shape()[0]
    );
    let (pad_low, pad_high) =
        window_padding(options.get(o::PADDING)?, &x.shape()[2..], &w.shape()[2..], &stride, &dilation)?;
    let geometry = ConvGeometry { stride, dilation, pad_low, pad_high, groups: channels };
    convolved(n, &x, &w, geometry, options.get(o::FUSED_ACTIVATION_FUNCTION)?)
}

/// The adjoint of a convolution of the output, whose size is given as input 0.
fn transpose_conv(n: &mut Node) -> Lowered<Held> {
    use transpose_conv_options as o;
    let options = n.options(o::UNION)?;
    let stride = vec![options.count(o::STRIDE_H, "stride_h")?, options.count(o::STRIDE_W, "stride_w")?];
    let shape = n.sizes_of(0, "output shape")?;
    let (w, x) = (weights(n, 1, &[3, 0, 1, 2])?, image(n, 2)?);
    let [batch, height, width, channels] = shape[..] else {
        return invalid!("its output shape {shape:?} must have four sizes");
    };
    ensure!(
        batch == x.shape()[0] && channels == w.shape()[1],
        "its output shape {shape:?} does not fit input {x} and weights {w}"
    );
    let spatial = [height, width];
    let way = options.get(o::PADDING)?;
    let pad = |i: usize| match way {
        padding::SAME => Ok(same_padding(spatial[i], x.shape()[i + 2], w.shape()[i + 2], stride[i])),
        padding::VALID => Ok((0, 0)),
        other => invalid!("padding {other} is neither SAME (0) nor VALID (1)"),
    };
    let (pad_low, pad_high) = (0..2).map(pad).collect::<Lowered<Vec<_>>>()?.into_iter().unzip();
    let geometry = ConvGeometry { stride, pad_low, pad_high, ..ConvGeometry::new(2) };
    let y = x.conv_adjoint(&w, geometry, &spatial).ok()?;
    let y = match bias(n, 3, (2, 1), 4)? {
        Some(b) => (y + b).ok()?,
        None => y,
    };
    Ok(Held::channels_first(activated(y, options.get(o::FUSED_ACTIVATION_FUNCTION)?)?))
}
