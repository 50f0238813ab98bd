//! Pooling over the spatial axes. Padding has no part in a mean.

use super::*;
use crate::schema::pool2d_options as o;

pub(super) const TABLE: Table =
    &[("AVERAGE_POOL_2D", One(average_pool)), ("L2_POOL_2D", One(l2_pool)), ("MAX_POOL_2D", One(max_pool))];

/// No axis has more windows than this where they differ.
const LONGEST: usize = 1 << 16;

/// The windows over `x`, which has channels first, and the activation.
fn window(n: &Node, x: &Tensor) -> Lowered<(Window, i8)> {
    let size = n.counts(&[(o::FILTER_HEIGHT, "filter_height"), (o::FILTER_WIDTH, "filter_width")])?;
    let stride = n.counts(&[(o::STRIDE_H, "stride_h"), (o::STRIDE_W, "stride_w")])?;
    let (pad_low, pad_high) = window_padding(n.get(o::PADDING)?, &x.shape()[2..], &size, &stride, &[1, 1])?;
    let window = Window { pad_low, pad_high, ..Window::new(size, stride) };
    Ok((window, n.get(o::FUSED_ACTIVATION_FUNCTION)?))
}

fn image(x: Held) -> Lowered {
    match x.tensor.rank() {
        4 => Ok(x.into_channels_first()),
        _ => invalid!("its input {} must have four axes", x.tensor.ty()),
    }
}

/// How many elements each window over `x` has, which differs where padding has a part in it: to broadcast against the pooled.
fn counts(n: &Node, x: &Tensor, window: &Window) -> Lowered {
    let spatial = &x.shape()[2..];
    let outputs = window.output(spatial).map_err(Fault::Invalid)?;
    // A product of what a window has along each axis.
    let along = |axis: usize| {
        if outputs[axis] > LONGEST {
            return unsupported(
                format!("{} padded windows along one axis", outputs[axis]),
                "use smaller inputs",
            );
        }
        // The first and the last element of window `at`, counted with the padding, held within the input.
        let inside = |at: usize| {
            let (first, low) = (at * window.stride[axis], window.pad_low[axis]);
            let last = first.saturating_add(window.size[axis]).min(low + spatial[axis]);
            last.saturating_sub(first.max(low)) as i32
        };
        let mut shape = vec![1; 4];
        shape[axis + 2] = outputs[axis];
        n.reading.made(Value::new(shape, (0..outputs[axis]).map(inside).collect::<Vec<i32>>()))
    };
    let padded = window.pad_low.iter().chain(&window.pad_high).any(|&p| p > 0);
    if padded {
        Ok(n.reading.folded(along(0)? * along(1)?))
    } else {
        let all: usize = window.size.iter().product();
        Ok(Tensor::full(Type::new(DType::I32, [1; 4]), all as f64))
    }
}

/// The mean of each window over the elements inside.
fn mean(n: &Node, x: &Tensor, window: &Window) -> Lowered {
    let sum = x.pool(PoolKind::Sum, window.clone()).ok()?;
    Ok(sum / n.reading.folded(counts(n, x, window)?.cast(x.dtype())))
}

/// Of integers that mean the same before and after, halves are rounded away from zero, zero being the integer 0: so the runtime has
/// it, and of a few elements many a mean ends in a half.
fn average_pool(n: &mut Node) -> Lowered<Held> {
    let (held, y_info) = (n.held(0)?, n.output_info(0)?);
    let dtype = held.tensor.dtype();
    if matches!(dtype, DType::I8 | DType::U8) && same(n.input_info(0)?, y_info) {
        let x = image(held)?.cast(DType::I32);
        let (window, activation) = window(n, &x)?;
        let (sum, counts) = (x.pool(PoolKind::Sum, window.clone()).ok()?, counts(n, &x, &window)?);
        let half = n.reading.folded(&counts / 2);
        let rounded = sum.greater(0.0).select(&(&sum + &half), &(&sum - &half)) / counts;
        return Ok(Held::channels_first(clamped(rounded, y_info, activation)?.cast(dtype)));
    }
    let x = floats(image(n.real(0)?)?, "its input")?;
    let (window, activation) = window(n, &x)?;
    Ok(Held::channels_first(activated(mean(n, &x, &window)?.ok()?, activation)?))
}

fn l2_pool(n: &mut Node) -> Lowered<Held> {
    let x = floats(image(n.real(0)?)?, "its input")?;
    let (window, activation) = window(n, &x)?;
    let y = mean(n, &x.square(), &window)?.ok()?.sqrt();
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
