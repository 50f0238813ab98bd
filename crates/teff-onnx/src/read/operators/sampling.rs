//! Sampling of images at positions between their elements.

use super::*;

pub(super) const TABLE: Table =
    &[("AffineGrid", Of(affine_grid)), ("DeformConv", One(deform_conv)), ("GridSample", OfTwo(grid_sample))];

/// What elements outside an image are.
#[derive(Clone, Copy, PartialEq)]
enum PaddingMode {
    Zeros,
    /// The outermost elements. Unless `clipped`, a position less than half an element outside stays where it is, for kernels that
    /// reach further than the next element.
    Border {
        clipped: bool,
    },
    /// Mirrored at the edges; at the centres of the outermost elements when corners are aligned.
    Reflection {
        aligned: bool,
    },
}

impl PaddingMode {
    /// Positions brought inside an axis of `size` elements, where that is what is asked for.
    fn inside(self, at: &Tensor, size: usize) -> Tensor {
        match self {
            PaddingMode::Zeros => at.clone(),
            PaddingMode::Border { clipped } => {
                let last = size as f64 - 1.0;
                let inside = at.clip(0.0, last);
                if clipped {
                    return inside;
                }
                let near = at.greater_equal(-0.5).and(at.less_equal(last + 0.5));
                near.select(at, &inside)
            }
            PaddingMode::Reflection { aligned } => {
                let (low, high) = if aligned { (0.0, size as f64 - 1.0) } else { (-0.5, size as f64 - 0.5) };
                if high <= low {
                    return at.full_like(0.0);
                }
                let distance = (at - low).abs();
                let times = (&distance / (high - low)).floor();
                let rest = &distance - &times * (high - low);
                let even = (&times * 0.5).floor() * 2.0;
                let mirrored = even.equal(&times).select(&(&rest + low), &(-&rest + high));
                let within = at.greater_equal(low).and(at.less_equal(high));
                within.select(at, &mirrored)
            }
        }
    }
}

/// Elements of `x` `[N, C, D..]` at whole positions, one list `[N, Q]` an axis: `[N, C, Q]`.
fn at_whole(x: &Tensor, positions: &[Tensor], outside: PaddingMode) -> Tensor {
    if let Some(invalid) = [x].into_iter().chain(positions).find(|t| t.check().is_err()) {
        return invalid.clone();
    }
    let spatial = &x.shape()[2..];
    let steps = strides(spatial);
    let (batch, channels, count) = (x.shape()[0], x.shape()[1], positions[0].shape()[1]);
    let mut flat: Option<Tensor> = None;
    let mut valid: Option<Tensor> = None;
    for (axis, at) in positions.iter().enumerate() {
        let last = spatial[axis] as f64 - 1.0;
        if outside == PaddingMode::Zeros {
            let here = at.greater_equal(0.0).and(at.less_equal(last));
            valid = Some(valid.map_or(here.clone(), |v| v.and(&here)));
        }
        let index = outside.inside(at, spatial[axis]).clip(0.0, last).cast(DType::I64) * steps[axis] as f64;
        flat = Some(flat.map_or(index.clone(), |f| f + index));
    }
    let planes = x.reshape(&[batch, channels, spatial.iter().product()]);
    let index = flat.expect("there is an axis").unsqueeze(1).broadcast_to(&[batch, channels, count]);
    let picked = planes.take_along(&index, 2);
    match valid {
        Some(v) => v.unsqueeze(1).select(picked, 0.0),
        None => picked,
    }
}

/// Elements of `x` between positions: the sum over all combinations of one tap an axis. `taps` gives for the fractional part of a
/// position the offsets and weights along an axis.
fn between(
    x: &Tensor,
    positions: &[Tensor],
    outside: PaddingMode,
    taps: impl Fn(&Tensor) -> Vec<(f64, Tensor)>,
) -> Tensor {
    let per_axis: Vec<Vec<(Tensor, Tensor)>> = positions
        .iter()
        .map(|at| {
            let floor = at.floor();
            taps(&(at - &floor)).into_iter().map(|(offset, weight)| (&floor + offset, weight)).collect()
        })
        .collect();
    let mut combinations: Vec<(Vec<Tensor>, Option<Tensor>)> = vec![(vec![], None)];
    for axis in &per_axis {
        combinations = combinations
            .into_iter()
            .flat_map(|(at, weight)| {
                axis.iter().map(move |(p, w)| {
                    let at: Vec<Tensor> = at.iter().chain([p]).cloned().collect();
                    (at, Some(weight.as_ref().map_or(w.clone(), |weight| weight * w)))
                })
            })
            .collect();
    }
    let terms = combinations.into_iter().map(|(at, weight)| {
        let weight = weight.expect("there is an axis").cast(x.dtype()).unsqueeze(1);
        at_whole(x, &at, outside) * weight
    });
    terms.reduce(|a, b| a + b).expect("there is a tap")
}

fn linear_taps(part: &Tensor) -> Vec<(f64, Tensor)> {
    vec![(0.0, 1.0 - part), (1.0, part.clone())]
}

/// Keys' kernel with a = -0.75.
fn cubic_taps(part: &Tensor) -> Vec<(f64, Tensor)> {
    let a = -0.75;
    let near = |d: &Tensor| (d * (a + 2.0) - (a + 3.0)) * d * d + 1.0;
    let far = |d: &Tensor| ((d * a - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a;
    let rest = 1.0 - part;
    vec![(-1.0, far(&(part + 1.0))), (0.0, near(part)), (1.0, near(&rest)), (2.0, far(&(&rest + 1.0)))]
}

/// The grid's last axis names positions from -1 to 1, the innermost axis first.
fn grid_sample(n: &mut Node, x: Tensor, grid: Tensor) -> Lowered {
    let axes = x.rank().saturating_sub(2);
    let fits = axes > 0
        && grid.rank() == axes + 2
        && grid.shape()[axes + 1] == axes
        && grid.shape()[0] == x.shape()[0];
    ensure!(fits, "takes X [N, C, D..] and a grid [N, E.., {axes}], not {x} and {grid}");
    let aligned = n.flag("align_corners", false);
    let mode = resize::mode(n, "linear")?;
    let outsides = [
        ("zeros", PaddingMode::Zeros),
        ("border", PaddingMode::Border { clipped: aligned || mode != Mode::Cubic }),
        ("reflection", PaddingMode::Reflection { aligned }),
    ];
    let outside = n.choice("padding_mode", "zeros", &outsides)?;
    let batch = x.shape()[0];
    let spatial = grid.shape()[1..=axes].to_vec();
    // A cubic kernel has four taps an axis, and every combination of them is computed.
    n.spend_tensors(16usize.saturating_mul(axes).saturating_mul(4usize.saturating_pow(axes as u32)))?;
    let count = spatial.iter().fold(1usize, |n, &d| n.saturating_mul(d));
    let lists = grid.reshape(&[batch, count, axes]);
    let position = |axis: usize| {
        let from = lists.narrow(2, axes - 1 - axis, 1).reshape(&[batch, count]);
        let size = x.shape()[axis + 2] as f64;
        if aligned { (from + 1.0) * ((size - 1.0) / 2.0) } else { ((from + 1.0) * size - 1.0) / 2.0 }
    };
    let positions: Vec<Tensor> = (0..axes)
        .map(|axis| {
            let at = position(axis);
            outside.inside(&if mode == Mode::Nearest { at.round() } else { at }, x.shape()[axis + 2])
        })
        .collect();
    let y = match mode {
        // Reflected positions are not whole; they are cut, as onnxruntime does.
        Mode::Nearest => at_whole(&x, &positions, outside),
        Mode::Linear => between(&x, &positions, outside, linear_taps),
        Mode::Cubic => between(&x, &positions, outside, cubic_taps),
    };
    Ok(y.reshape(&[&x.shape()[..2], &spatial].concat()))
}

/// Positions that an affine map gives for the elements of an image, for `GridSample`.
fn affine_grid(n: &mut Node, theta: Tensor) -> Lowered {
    let size = n.sizes_of(1, "size")?;
    let aligned = n.flag("align_corners", false);
    let Some(spatial) = size.get(2..).filter(|s| s.len() == 2 || s.len() == 3) else {
        return invalid!("size {size:?} is not that of a 2-D or 3-D image");
    };
    let axes = spatial.len();
    ensure!(
        theta.shape() == [size[0], axes, axes + 1],
        "theta must be [{}, {axes}, {}], not {theta}",
        size[0],
        axes + 1
    );
    let count = spatial.iter().fold(1usize, |n, &d| n.saturating_mul(d));
    n.spend(count.saturating_mul(axes + 1))?;
    let steps = strides(spatial);
    // Rows: innermost axis first, then ones.
    let points = Value::from_fn(&Type::new(theta.dtype(), [axes + 1, count]), |i| {
        let (row, at) = (i / count, i % count);
        if row == axes {
            return Num::Float(1.0);
        }
        let axis = axes - 1 - row;
        let (index, n) = ((at / steps[axis] % spatial[axis]) as f64, spatial[axis] as f64);
        Num::Float(if aligned {
            2.0 * index / (n - 1.0).max(1.0) - 1.0
        } else {
            (2.0 * index + 1.0) / n - 1.0
        })
    });
    let grid = theta.matmul(&Tensor::constant(points)).permute(&[0, 2, 1]);
    Ok(grid.reshape(&[&[size[0]], spatial, &[axes]].concat()))
}

/// A convolution each tap of which is moved by an offset of its own, and weighted by a mask.
fn deform_conv(n: &mut Node) -> Lowered {
    let (x, w, offset) = (n.x(0)?, n.x(1)?, n.x(2)?);
    ensure!(
        x.rank() >= 3 && w.rank() == x.rank() && offset.rank() == x.rank(),
        "X, W and offset must have as many axes, not {x}, {w} and {offset}"
    );
    let axes = x.rank() - 2;
    let kernel = w.shape()[2..].to_vec();
    n.ignore(&["kernel_shape"]);
    let stride = per_axis(n, "strides", axes, 1)?;
    let dilation = per_axis(n, "dilations", axes, 1)?;
    let pads = explicit_pads(n, axes)?;
    let (groups, offset_groups) = (n.size("group", 1), n.size("offset_group", 1));
    let (batch, channels, outputs) = (x.shape()[0], x.shape()[1], w.shape()[0]);
    let taps: usize = kernel.iter().product();
    let spatial = offset.shape()[2..].to_vec();
    let count: usize = spatial.iter().product();
    let fits = groups > 0
        && offset_groups > 0
        && w.shape()[1].checked_mul(groups) == Some(channels)
        && channels % offset_groups == 0
        && outputs % groups == 0
        && offset.shape()[..2] == [batch, offset_groups.saturating_mul(taps).saturating_mul(axes)];
    ensure!(fits, "X {x}, W {w} and offset {offset} do not fit");
    let samplings = taps.saturating_mul(offset_groups * axes);
    n.spend_tensors(samplings.saturating_mul(8).saturating_mul(2usize.saturating_pow(axes as u32)))?;
    n.spend(samplings.saturating_mul(count))?;
    let offsets = offset.reshape(&[batch, offset_groups, taps, axes, count]);
    let mask = n.optional(4)?.map(|m| m.reshape(&[batch, offset_groups, taps, count]));
    let weights = w.reshape(&[groups, outputs / groups, channels / groups, taps]);
    let (out_steps, tap_steps) = (strides(&spatial), strides(&kernel));
    let mut sum: Option<Tensor> = None;
    for tap in 0..taps {
        let mut columns = Vec::new();
        for group in 0..offset_groups {
            let positions: Vec<Tensor> = (0..axes)
                .map(|axis| {
                    let at = |i: usize| {
                        let out = (i / out_steps[axis] % spatial[axis]) as f64 * stride[axis] as f64;
                        let inside = (tap / tap_steps[axis] % kernel[axis]) as f64 * dilation[axis] as f64;
                        Num::Float(out + inside - pads.low[axis] as f64)
                    };
                    let base = Tensor::constant(Value::from_fn(&Type::new(x.dtype(), [count]), at));
                    base + offsets.pick(1, group).pick(1, tap).pick(1, axis)
                })
                .collect();
            let per = channels / offset_groups;
            let part = between(&x.narrow(1, group * per, per), &positions, PaddingMode::Zeros, linear_taps);
            columns.push(match &mask {
                Some(m) => part * m.pick(1, group).pick(1, tap).unsqueeze(1),
                None => part,
            });
        }
        let columns = Tensor::concat(&columns, 1).reshape(&[batch, groups, channels / groups, count]);
        let product = weights.pick(3, tap).matmul(&columns);
        sum = Some(sum.map_or(product.clone(), |s| s + product));
    }
    let Some(sum) = sum else { return invalid!("the kernel is empty") };
    with_bias(sum.reshape(&[&[batch, outputs], &spatial[..]].concat()), n.optional(3)?)
}
