//! Convolutions of volumes, of floats: `[N, D, H, W, C]`.

use super::convolution::{bias, grouped, same_padding, weights};
use super::{Lower::One, Table, activated};
use crate::read::held::{Held, permuted};
use crate::read::node::{Lowered, Node, Operands, Options, floats, invalid};
use crate::schema::{conv3d_options as o, padding};
use teff_graph::{ConvGeometry, Tensor};

pub(super) const TABLE: Table = &[("CONV_3D", One(conv_3d)), ("CONV_3D_TRANSPOSE", One(conv_3d_transpose))];

/// From `[D, H, W, I, O]` of the file, or `[D, H, W, O, I]` of the adjoint.
const WEIGHTS: [usize; 5] = [4, 3, 0, 1, 2];
const CHANNELS_FIRST: [usize; 5] = [0, 4, 1, 2, 3];
const CHANNELS_LAST: [usize; 5] = [0, 2, 3, 4, 1];

fn volume(n: &Node, i: usize) -> Lowered {
    let x = floats(n.x(i)?, "its input")?;
    match x.rank() {
        5 => Ok(permuted(&x, &CHANNELS_FIRST)),
        _ => invalid!("its input {x} must have five axes"),
    }
}

/// Stride and dilation.
fn steps(options: &Options) -> Lowered<(Vec<usize>, Vec<usize>)> {
    let stride = [(o::STRIDE_D, "stride_d"), (o::STRIDE_H, "stride_h"), (o::STRIDE_W, "stride_w")];
    let dilation = [
        (o::DILATION_D_FACTOR, "dilation_d"),
        (o::DILATION_H_FACTOR, "dilation_h"),
        (o::DILATION_W_FACTOR, "dilation_w"),
    ];
    let counts = |list: [_; 3]| {
        list.into_iter().map(|(field, what)| options.count(field, what)).collect::<Lowered<_>>()
    };
    Ok((counts(stride)?, counts(dilation)?))
}

/// With bias, activation, and axes as in the file.
fn finished(n: &Node, y: Tensor, i: usize, pair: (usize, usize), options: &Options) -> Lowered<Held> {
    let y = match bias(n, i, pair, 5)? {
        Some(b) => (y + b).ok()?,
        None => y,
    };
    let y = activated(y, options.get(o::FUSED_ACTIVATION_FUNCTION)?)?;
    Ok(Held::plain(permuted(&y, &CHANNELS_LAST)))
}

fn conv_3d(n: &mut Node) -> Lowered<Held> {
    let options = n.options(o::UNION)?;
    let (stride, dilation) = steps(&options)?;
    let (x, w) = (volume(n, 0)?, weights(n, 1, &WEIGHTS)?);
    let geometry = grouped(&x, &w, stride, dilation, options.get(o::PADDING)?)?;
    finished(n, x.conv_general(&w, geometry).ok()?, 2, (0, 1), &options)
}

/// The adjoint of a convolution of the output, whose size is given as input 0.
fn conv_3d_transpose(n: &mut Node) -> Lowered<Held> {
    let options = n.options(o::UNION)?;
    let (stride, dilation) = steps(&options)?;
    let shape = n.sizes_of(0, "output shape")?;
    let (w, x) = (weights(n, 1, &WEIGHTS)?, volume(n, 2)?);
    if shape.len() != 5 || shape[0] != x.shape()[0] || shape[4] != w.shape()[1] {
        let (x, w) = (x.ty(), w.ty());
        return invalid!("its output shape {shape:?} does not fit input {x} and weights {w}");
    }
    let spatial = &shape[1..4];
    let way = options.get(o::PADDING)?;
    let pad = |i: usize| match way {
        padding::SAME => {
            let span = w.shape()[i + 2].saturating_sub(1).saturating_mul(dilation[i]).saturating_add(1);
            Ok(same_padding(spatial[i], x.shape()[i + 2], span, stride[i]))
        }
        padding::VALID => Ok((0, 0)),
        other => invalid!("padding {other} is neither SAME (0) nor VALID (1)"),
    };
    let (pad_low, pad_high) = (0..3).map(pad).collect::<Lowered<Vec<_>>>()?.into_iter().unzip();
    let geometry = ConvGeometry { stride, dilation, pad_low, pad_high, groups: 1 };
    finished(n, x.conv_adjoint(&w, geometry, spatial).ok()?, 3, (2, 1), &options)
}
