//! Matrix products and convolutions. What is convolved is taken and given with channels first.

use super::*;
use crate::read::held::permuted;
use crate::schema::fully_connected_options_weights_format as format;
use crate::schema::padding;

pub(super) const TABLE: Table = &[
    ("BATCH_MATMUL", One(batch_matmul)),
    ("CONV_2D", One(|n| convolution(n, &CONV_2D))),
    ("CONV_3D", One(|n| convolution(n, &CONV_3D))),
    ("CONV_3D_TRANSPOSE", One(|n| transposed(n, &CONV_3D))),
    ("DEPTHWISE_CONV_2D", One(|n| convolution(n, &DEPTHWISE_CONV_2D))),
    ("FULLY_CONNECTED", One(fully_connected)),
    ("TRANSPOSE_CONV", One(|n| transposed(n, &TRANSPOSE_CONV))),
];

/// Where the options of an operator are, and how its weights lie.
struct Form {
    /// Fields by spatial axis, with their names; of dilations none where there are none.
    stride: &'static [(Scalar<i32>, &'static str)],
    dilation: &'static [(Scalar<i32>, &'static str)],
    padding: Scalar<i8>,
    activation: Scalar<i8>,
    /// Axes of the weights in the order `[O, I, ..]`; in that of the adjoint for transposed ones.
    weights: &'static [usize],
}

/// The form of the operator with this table of options, whose fields are called as messages call them.
macro_rules! form {
    ($table:ident, [$($stride:ident $s:literal),*], [$($dilation:ident $d:literal),*], $weights:expr) => {
        Form {
            stride: &[$(($table::$stride, $s)),*],
            dilation: &[$(($table::$dilation, $d)),*],
            padding: $table::PADDING,
            activation: $table::FUSED_ACTIVATION_FUNCTION,
            weights: &$weights,
        }
    };
}

const CONV_2D: Form = form!(
    conv2d_options,
    [STRIDE_H "stride_h", STRIDE_W "stride_w"],
    [DILATION_H_FACTOR "dilation_h", DILATION_W_FACTOR "dilation_w"],
    [0, 3, 1, 2]
);

/// Weights are `[1, H, W, C * multiplier]`; output channel `c * multiplier + m` sees input channel `c`.
const DEPTHWISE_CONV_2D: Form = form!(
    depthwise_conv2d_options,
    [STRIDE_H "stride_h", STRIDE_W "stride_w"],
    [DILATION_H_FACTOR "dilation_h", DILATION_W_FACTOR "dilation_w"],
    [3, 0, 1, 2]
);

const TRANSPOSE_CONV: Form =
    form!(transpose_conv_options, [STRIDE_H "stride_h", STRIDE_W "stride_w"], [], [3, 0, 1, 2]);

/// Of volumes `[N, D, H, W, C]`, with weights `[D, H, W, I, O]`, or `[D, H, W, O, I]` where it is transposed.
const CONV_3D: Form = form!(
    conv3d_options,
    [STRIDE_D "stride_d", STRIDE_H "stride_h", STRIDE_W "stride_w"],
    [DILATION_D_FACTOR "dilation_d", DILATION_H_FACTOR "dilation_h", DILATION_W_FACTOR "dilation_w"],
    [4, 3, 0, 1, 2]
);

/// Input `i`, weights with as many axes as `perm`, as floats with axes in that order.
fn weights(n: &Node, i: usize, perm: &[usize]) -> Lowered {
    let (w, info) = (n.x(i)?, n.input_info(i)?);
    ensure!(w.rank() == perm.len(), "its weights {w} must have {} axes", perm.len());
    let moved = permuted(&w, perm);
    if w.dtype().is_float() {
        return Ok(moved);
    }
    dequantized(&moved, info, n.reading, |axis| perm.iter().position(|&a| a == axis).unwrap_or(axis))
}

/// Zeros around the spatial axes of what windows see, for each way of padding.
pub(super) fn window_padding(
    way: i8,
    spatial: &[usize],
    kernel: &[usize],
    stride: &[usize],
    dilation: &[usize],
) -> Lowered<(Vec<usize>, Vec<usize>)> {
    let one = |i: usize| match way {
        padding::SAME => {
            let total = same_padding(spatial[i], kernel[i], stride[i], dilation[i]);
            let Some(total) = total else { return invalid!("the windows are too large") };
            Ok((total / 2, total - total / 2))
        }
        padding::VALID => Ok((0, 0)),
        other => invalid!("padding {other} is neither SAME (0) nor VALID (1)"),
    };
    Ok((0..spatial.len()).map(one).collect::<Lowered<Vec<_>>>()?.into_iter().unzip())
}

impl Form {
    /// Input `i`, as floats with channels first.
    fn input(&self, n: &Node, i: usize) -> Lowered {
        let (x, axes) = (n.real(i)?, self.weights.len());
        ensure!(x.tensor.rank() == axes, "its input {} must have {axes} axes", x.tensor);
        floats(x.into_channels_first(), "its input")
    }

    /// The geometry of a convolution of a tensor with these sizes by w, in one group.
    fn geometry(&self, n: &Node, spatial: &[usize], w: &Tensor) -> Lowered<ConvGeometry> {
        let (stride, mut dilation) = (n.counts(self.stride)?, n.counts(self.dilation)?);
        dilation.resize(stride.len(), 1);
        let way = n.get(self.padding)?;
        let (pad_low, pad_high) = window_padding(way, spatial, &w.shape()[2..], &stride, &dilation)?;
        Ok(ConvGeometry { stride, dilation, pad_low, pad_high, groups: 1 })
    }

    /// With the bias that input `i` is, and the activation.
    fn finished(&self, n: &Node, y: Tensor, i: usize, factors: (usize, usize)) -> Lowered<Held> {
        let activation = n.get(self.activation)?;
        Ok(Held::channels_first(activated(with_bias(n, y, i, factors)?, activation)?))
    }
}

/// In as many groups as the weights say.
fn convolution(n: &mut Node, form: &Form) -> Lowered<Held> {
    let (x, w) = (form.input(n, 0)?, weights(n, 1, form.weights)?);
    let (channels, inside) = (x.shape()[1], w.shape()[1]);
    ensure!(
        inside != 0 && channels.is_multiple_of(inside),
        "its input has {channels} channels, its weights take {inside}"
    );
    let geometry = ConvGeometry { groups: channels / inside, ..form.geometry(n, &x.shape()[2..], &w)? };
    form.finished(n, x.conv_general(&w, geometry), 2, (0, 1))
}

/// The adjoint of a convolution of the output, whose size is given as input 0.
fn transposed(n: &mut Node, form: &Form) -> Lowered<Held> {
    let shape = n.sizes_of(0, "output shape")?;
    let (w, x) = (weights(n, 1, form.weights)?, form.input(n, 2)?);
    let axes = x.rank();
    ensure!(
        shape.len() == axes && shape[0] == x.shape()[0] && shape[axes - 1] == w.shape()[1],
        "its output shape {shape:?} does not fit input {x} and weights {w}"
    );
    let spatial = &shape[1..axes - 1];
    let geometry = form.geometry(n, spatial, &w)?;
    form.finished(n, x.conv_adjoint(&w, geometry, spatial), 3, (2, 1))
}

/// `y` `[N, C, ..]`, sums of products of inputs `x` and `w`, plus the bias that input `i` is. Runtimes add integers to their integer sums,
/// whatever scale the file gives the bias.
fn with_bias(n: &Node, y: Tensor, i: usize, (x, w): (usize, usize)) -> Lowered {
    y.check()?;
    let Some(b) = n.optional(i) else { return Ok(y) };
    let b = b.into_plain();
    let beside = |len: usize| {
        let mut shape = vec![1; y.rank()];
        shape[1.min(y.rank() - 1)] = len;
        shape
    };
    let b = b.reshape(&beside(b.len()));
    if b.dtype().is_float() {
        return Ok((y + b).ok()?);
    }
    ensure!(matches!(b.dtype(), DType::I32 | DType::I64), "its bias is {}", b.dtype());
    let scales = bias_scale(n.input_info(x)?, n.input_info(w)?, b.len())?;
    let zero = Tensor::constant(Value::zeros(&Type::new(b.dtype(), beside(scales.len()))));
    let scale = Tensor::constant(Value::new(beside(scales.len()), scales));
    Ok((y + b.dequantize(&scale, &zero)).ok()?)
}

/// Rows of as many elements as the weights `[O, I]` take; the axes before stay only if the options say so.
fn fully_connected(n: &mut Node) -> Lowered<Held> {
    use fully_connected_options as o;
    if n.get(o::WEIGHTS_FORMAT)? != format::DEFAULT {
        return unsupported("shuffled weights", "convert the model for all processors, not for one");
    }
    let (x, w) = (floats(n.real_plain(0)?, "its input")?, n.x(1)?);
    let &[outputs, inputs] = w.shape() else {
        return invalid!("its weights {w} must have two axes");
    };
    ensure!(
        inputs != 0 && x.len().is_multiple_of(inputs),
        "its weights {w} take rows of {inputs}, its input is {x}"
    );
    let mut shape = vec![x.len() / inputs, outputs];
    if n.get(o::KEEP_NUM_DIMS)? {
        let Some((_, front)) = x.shape().split_last().filter(|(last, _)| **last == inputs) else {
            return invalid!("its input {x} keeps its axes and must end with {inputs}");
        };
        shape = [front, &[outputs]].concat();
    }
    let w = if w.dtype().is_float() { w } else { dequantized(&w, n.input_info(1)?, n.reading, |axis| axis)? };
    let y = x.reshape(&[x.len() / inputs, inputs]).matmul(&w.transpose());
    let y = with_bias(n, y, 2, (0, 1))?;
    Ok(Held::plain(activated(y, n.get(o::FUSED_ACTIVATION_FUNCTION)?)?.reshape(&shape)))
}

fn batch_matmul(n: &mut Node) -> Lowered<Held> {
    use batch_mat_mul_options as o;
    let (a, b) = (matrices(n, 0, n.get(o::ADJ_X)?)?, matrices(n, 1, n.get(o::ADJ_Y)?)?);
    Ok(Held::plain(a.matmul(&b)))
}

/// Input `i` as floats, its last two axes exchanged if it is to be transposed.
fn matrices(n: &Node, i: usize, transposed: bool) -> Lowered<Tensor> {
    let x = n.real_plain(i)?;
    ensure!(x.rank() >= 2, "input {i} is {x} and must have at least two axes");
    Ok(if transposed { x.transpose() } else { x })
}
