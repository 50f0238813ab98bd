//! What ONNX has no operator for over windows, as operations tap by tap: [`super::legalise`] calls for it.

use super::widen::product;
use teff_graph::{ConvGeometry, DType, Op, PadAxis, SliceAxis, Tensor, Type, Window};

/// What each window sees at each of its taps: for every tap a strided slice of the padded input, `[N, C, E..]`.
fn taps(x: &Tensor, window: &Window, fill: &Tensor) -> Vec<Tensor> {
    let axes = window.size.len();
    let spatial = &x.shape()[2..];
    let Ok(output) = window.output(spatial) else { return vec![] };
    let none = PadAxis::default();
    let pads = (0..axes).map(|i| PadAxis { low: window.pad_low[i], high: window.pad_high[i], interior: 0 });
    let pads: Vec<PadAxis> = [none, none].into_iter().chain(pads).collect();
    let padded = if pads.iter().all(|p| *p == none) {
        x.clone()
    } else {
        Tensor::apply(Op::Pad(pads), &[x.clone(), fill.clone()])
    };
    let count: usize = window.size.iter().product();
    let tap = |mut t: usize| {
        let mut cut: Vec<SliceAxis> = x.shape()[..2].iter().map(|&len| SliceAxis::whole(len)).collect();
        let mut starts = vec![0; axes];
        for i in (0..axes).rev() {
            starts[i] = t % window.size[i] * window.dilation[i];
            t /= window.size[i];
        }
        cut.extend((0..axes).map(|i| SliceAxis {
            start: starts[i],
            step: window.stride[i] as isize,
            len: output[i],
        }));
        padded.slice_axes(cut)
    };
    (0..count).map(tap).collect()
}

/// ONNX convolves floats only (and 8-bit integers without wrapping): a matrix product a tap.
pub(crate) fn integer_conv(g: &ConvGeometry, x: &Tensor, w: &Tensor) -> Tensor {
    let window = g.window(&w.shape()[2..]);
    let zero = Tensor::full(Type::new(x.dtype(), []), 0.0);
    let (n, o, per) = (x.shape()[0], w.shape()[0], w.shape()[1]);
    let count: usize = window.size.iter().product();
    let flat_w = w.reshape(&[g.groups, o / g.groups.max(1), per, count]);
    let parts = taps(x, &window, &zero);
    let output: Vec<usize> = parts.first().map_or(vec![], |t| t.shape()[2..].to_vec());
    let area: usize = output.iter().product();
    let products = parts.iter().enumerate().map(|(t, part)| {
        let weights = flat_w.narrow(3, t, 1).reshape(&[1, g.groups, o / g.groups, per]);
        let columns = part.reshape(&[n, g.groups, per, area]);
        let shape = [n, g.groups, o / g.groups, per];
        let weights = weights.broadcast_to(&shape);
        product(&weights, &columns).unwrap_or_else(|| weights.matmul(&columns))
    });
    let sum = products.reduce(|a, b| a + b).unwrap_or(zero);
    sum.reshape(&[&[n, o], &output[..]].concat())
}

pub(crate) fn integer_conv_sum(x: &Tensor, window: &Window) -> Tensor {
    let zero = Tensor::full(Type::new(x.dtype(), []), 0.0);
    taps(x, window, &zero).into_iter().reduce(|a, b| a + b).unwrap_or(zero)
}

/// The position of the first largest element of each window: a running comparison over the taps, in their order.
pub(crate) fn arg_max_pool(x: &Tensor, window: &Window) -> Tensor {
    let plane: usize = x.shape()[2..].iter().product();
    let position =
        Tensor::iota(Type::new(DType::I64, [plane]), 0).reshape(&[&[1, 1], &x.shape()[2..]].concat());
    // Of the padding the position is -1: it never wins.
    let outside = Tensor::full(Type::new(DType::I64, []), -1.0);
    let zero = Tensor::full(Type::new(x.dtype(), []), 0.0);
    let all = taps(x, window, &zero).into_iter().zip(taps(&position, window, &outside));
    let best = all.reduce(|(best, best_at), (value, at)| {
        let at = at.broadcast_to(value.shape());
        let best_at = best_at.broadcast_to(value.shape());
        let none = best_at.less(&best_at.full_like(0.0));
        let there = at.full_like(0.0).less_equal(&at);
        let larger = best.less(&value);
        let wins = there.and(&none.or(&if x.dtype().is_float() {
            larger.or(&value.is_nan().and(&best.is_nan().not()))
        } else {
            larger
        }));
        (wins.select(&value, &best), wins.select(&at, &best_at))
    });
    best.map_or(outside, |(value, at)| at.broadcast_to(value.shape()))
}
