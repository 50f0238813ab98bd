//! Pooling over the spatial axes. Padding has no part in a mean.

use super::convolution::window_padding;
use super::{Lower::One, Table, activated};
use crate::read::held::Held;
use crate::read::node::{Lowered, Node, floats, invalid, unsupported};
use crate::read::quantization::clamped;
use crate::schema::pool2d_options as o;
use teff_graph::{PoolKind, Tensor, Value, Window};

pub(super) const TABLE: Table =
    &[("AVERAGE_POOL_2D", One(average_pool)), ("L2_POOL_2D", One(l2_pool)), ("MAX_POOL_2D", One(max_pool))];

/// No axis has more windows than this where they differ.
const LONGEST: usize = 1 << 16;

/// The windows over `x`, which has channels first, and the activation.
fn window(n: &Node, x: &Tensor) -> Lowered<(Window, i8)> {
    let options = n.options(o::UNION)?;
    let size = vec![
        options.count(o::FILTER_HEIGHT, "filter_height")?,
        options.count(o::FILTER_WIDTH, "filter_width")?,
    ];
    let stride = vec![options.count(o::STRIDE_H, "stride_h")?, options.count(o::STRIDE_W, "stride_w")?];
    let (pad_low, pad_high) =
        window_padding(options.get(o::PADDING)?, &x.shape()[2..], &size, &stride, &[1, 1])?;
    let window = Window { pad_low, pad_high, ..Window::new(size, stride) };
    Ok((window, options.get(o::FUSED_ACTIVATION_FUNCTION)?))
}

fn image(x: Held) -> Lowered {
    match x.tensor.rank() {
        4 => Ok(x.into_channels_first()),
        _ => invalid(format!("its input {} must have four axes", x.tensor.ty())),
    }
}

/// The mean of each window over the elements inside.
fn mean(x: &Tensor, window: &Window) -> Lowered {
    let padded = window.pad_low.iter().chain(&window.pad_high).any(|&p| p > 0);
    if !padded {
        return Ok(x.avg_pool(window.clone(), true));
    }
    let sum = x.pool(PoolKind::Sum, window.clone()).ok()?;
    // How many elements a window has is a product of what it has along each axis.
    let along = |axis: usize| {
        let outputs = sum.shape()[axis + 2];
        if outputs > LONGEST {
            return unsupported(format!("{outputs} padded windows along one axis"), "use smaller inputs");
        }
        let inside = |at: usize| {
            let taps = (0..window.size[axis])
                .filter(|&tap| window.tap(axis, at, tap, x.shape()[axis + 2]).is_some());
            taps.count() as f32
        };
        let mut shape = vec![1; 4];
        shape[axis + 2] = outputs;
        Ok(Tensor::constant(Value::new(shape, (0..outputs).map(inside).collect::<Vec<f32>>())))
    };
    let counts = crate::read::constants::folded(along(0)? * along(1)?);
    Ok(sum / counts)
}

fn average_pool(n: &mut Node) -> Lowered<Held> {
    let x = floats(image(n.real(0)?)?, "its input")?;
    let (window, activation) = window(n, &x)?;
    Ok(Held::channels_first(activated(mean(&x, &window)?.ok()?, activation)?))
}

fn l2_pool(n: &mut Node) -> Lowered<Held> {
    let x = floats(image(n.real(0)?)?, "its input")?;
    let (window, activation) = window(n, &x)?;
    let y = mean(&x.square(), &window)?.ok()?.sqrt();
    Ok(Held::channels_first(activated(y, activation)?))
}

/// Of integers the largest integer.
fn max_pool(n: &mut Node) -> Lowered<Held> {
    let x = image(n.held(0)?)?;
    let (window, activation) = window(n, &x)?;
    let y = x.pool(PoolKind::Max, window).ok()?;
    let y = if y.dtype().is_float() {
        activated(y, activation)?
    } else {
        clamped(y, n.output_info(0)?, activation)?
    };
    Ok(Held::channels_first(y))
}
