//! Operators of StableHLO that runtimes have too, as converters from PyTorch and JAX leave them.

use super::operators::{Lower, Table};
use super::reader::Reader;
use super::subgraph::{Subgraph, run_whole};
use crate::schema::{
    stable_hlo_composite_options as composite_options, stablehlo_reduce_window_options as o,
};
use teff_graph::{PadAxis, PoolKind, Tensor, Window};
use teff_reader::{Lowered, ensure, invalid, sizes, unsupported};

pub(super) const TABLE: Table = &[
    ("STABLEHLO_COMPOSITE", Lower::Subgraphs(composite)),
    ("STABLEHLO_REDUCE_WINDOW", Lower::Subgraphs(reduce_window)),
];

/// Something with a name of its own, and the sub-graph that says what it computes.
fn composite(reader: &mut Reader, i: usize, inputs: Vec<Tensor>) -> Lowered<Vec<Tensor>> {
    let info = reader.file.operators[i];
    let index =
        info.options_2(composite_options::UNION_2)?.get(composite_options::DECOMPOSITION_SUBGRAPH_INDEX)?;
    run_whole(reader, index, &inputs, info.outputs.len())
}

/// How a sub-graph of two scalars combines them: the pool of what is multiplied by a sign, which turns the smallest into the largest, and
/// what changes nothing.
fn combine(sub: &Subgraph) -> Lowered<(PoolKind, f64, f64)> {
    let name = match &sub.file.operators[..] {
        [only] if only.inputs.len() == 2 => only.name.unwrap_or_default(),
        _ => "more than one operator",
    };
    match name {
        "ADD" | "STABLEHLO_ADD" => Ok((PoolKind::Sum, 1.0, 0.0)),
        "MAXIMUM" | "STABLEHLO_MAXIMUM" => Ok((PoolKind::Max, 1.0, f64::NEG_INFINITY)),
        "MINIMUM" | "STABLEHLO_MINIMUM" => Ok((PoolKind::Max, -1.0, f64::INFINITY)),
        other => {
            unsupported(format!("windows combined by {other}"), "use sums, largest or smallest elements")
        }
    }
}

/// Elements of windows combined, along any axes.
fn reduce_window(reader: &mut Reader, i: usize, inputs: Vec<Tensor>) -> Lowered<Vec<Tensor>> {
    let [x, start] = &inputs[..] else { return invalid!("it has {} inputs, not two", inputs.len()) };
    let options = reader.file.operators[i].options_2(o::UNION_2)?;
    let sub = Subgraph::new(reader, options.get(o::BODY_SUBGRAPH_INDEX)?, 2, 1)?;
    let (kind, sign, neutral) = combine(&sub)?;
    let rank = x.rank();
    let list = |field, default: i64, len: usize, what: &str| -> Lowered<Vec<usize>> {
        let list =
            options.vector::<i64>(field)?.filter(|l| !l.is_empty()).unwrap_or_else(|| vec![default; len]);
        match sizes(&list, what)? {
            list if list.len() == len => Ok(list),
            list => invalid!("{what} {list:?} for an input with {rank} axes"),
        }
    };
    let size = list(o::WINDOW_DIMENSIONS, 1, rank, "window_dimensions")?;
    let stride = list(o::WINDOW_STRIDES, 1, rank, "window_strides")?;
    let dilation = list(o::WINDOW_DILATIONS, 1, rank, "window_dilations")?;
    let spread = list(o::BASE_DILATIONS, 1, rank, "base_dilations")?;
    let pads = list(o::PADDING, 0, 2 * rank, "padding")?;
    ensure!(
        ![&size, &stride, &dilation, &spread].into_iter().flatten().any(|&n| n == 0),
        "a size, stride or dilation of 0"
    );
    if !x.dtype().is_float() {
        return unsupported(format!("windows of {}", x.dtype()), "use floats");
    }
    let starts = reader.reading.value(start).filter(|v| v.len() == 1).map(|v| v.get(0).as_f64());
    let lowest = f64::from(f32::MIN);
    let is_neutral = |v: f64| v == neutral || neutral.is_infinite() && v == lowest.copysign(neutral);
    if !starts.is_some_and(is_neutral) {
        return unsupported(format!("windows that begin with {starts:?}"), "begin with what changes nothing");
    }
    let axes: Vec<PadAxis> = (0..rank)
        .map(|a| PadAxis { low: pads[2 * a], high: pads[2 * a + 1], interior: spread[a] - 1 })
        .collect();
    let padded = (x * sign).pad_axes(axes, neutral * sign);
    let y = pooled(&padded.ok()?, kind, &size, &stride, &dilation)? * sign;
    Ok(vec![y])
}

/// The axes that have windows last, the others together as a batch.
fn pooled(x: &Tensor, kind: PoolKind, size: &[usize], stride: &[usize], dilation: &[usize]) -> Lowered {
    let moves = |&a: &usize| size[a] > 1 || stride[a] > 1;
    let rank = x.rank();
    let (windowed, whole): (Vec<usize>, Vec<usize>) = (0..rank).partition(moves);
    if windowed.is_empty() {
        return Ok(x.clone());
    }
    let order: Vec<usize> = whole.iter().chain(&windowed).copied().collect();
    let of = |list: &[usize], axes: &[usize]| axes.iter().map(|&a| list[a]).collect::<Vec<_>>();
    let batch: usize = of(x.shape(), &whole).iter().product();
    let lined = x.permute(&order).reshape(&[&[batch, 1], &of(x.shape(), &windowed)[..]].concat());
    let window = Window {
        dilation: of(dilation, &windowed),
        ..Window::new(of(size, &windowed), of(stride, &windowed))
    };
    let y = lined.pool(kind, window).ok()?;
    let shape = [of(x.shape(), &whole), y.shape()[2..].to_vec()].concat();
    let mut back = vec![0; rank];
    order.iter().enumerate().for_each(|(at, &axis)| back[axis] = at);
    Ok(y.reshape(&shape).permute(&back))
}
