//! Operators that move elements.

use super::*;

pub(super) const TABLE: Table = &[
    ("CenterCropPad", Of(center_crop_pad)),
    ("Concat", One(concat)),
    ("DepthToSpace", One(|n| Ok(n.x(0)?.depth_to_space(n.size("blocksize", 0), place_first(n)?)))),
    ("Expand", Of(expand)),
    ("Flatten", Of(flatten)),
    ("Identity", Many(|n| Ok(vec![n.item(0)]))),
    ("Pad", Of(pad)),
    ("Reshape", Of(reshape)),
    ("Slice", Of(slice)),
    ("SpaceToDepth", One(|n| Ok(n.x(0)?.space_to_depth(n.size("blocksize", 0), place_first(n)?)))),
    ("Split", Many(split)),
    ("Squeeze", Of(squeeze)),
    ("Tile", Of(tile)),
    ("Transpose", Of(transpose)),
    ("Trilu", Of(trilu)),
    ("Unsqueeze", Of(unsqueeze)),
];

fn concat(n: &mut Node) -> Lowered {
    let parts = n.tensors(0)?;
    let Some(first) = parts.first() else { return invalid!("takes at least one input") };
    let axis = axis_of(n.int("axis", 1), first.rank())?;
    Ok(Tensor::concat(&parts, axis))
}

fn expand(n: &mut Node, x: Tensor) -> Lowered {
    let shape = n.sizes_of(1, "shape")?;
    match teff_graph::broadcast_shape(x.shape(), &shape) {
        Some(shape) => Ok(x.broadcast_to(&shape)),
        None => invalid!("{x} does not broadcast with {shape:?}"),
    }
}

fn flatten(n: &mut Node, x: Tensor) -> Lowered {
    let axis = n.int("axis", 1);
    // One past the last axis is allowed.
    let axis = if axis == x.rank() as i64 { x.rank() } else { axis_of(axis, x.rank())? };
    let (rows, columns) = x.shape().split_at(axis);
    Ok(x.reshape(&[rows.iter().product(), columns.iter().product()]))
}

/// 0 keeps a size (unless `allowzero`), one -1 takes what is left.
fn reshape(n: &mut Node, x: Tensor) -> Lowered {
    let wanted = match n.ints("shape") {
        Some(list) if n.version < 5 => list.to_vec(),
        _ => n.ints_of(1, "shape")?,
    };
    n.ignore(&["consumed_inputs"]);
    let allow_zero = n.flag("allowzero", false);
    let size = |(i, &d): (usize, &i64)| {
        if d == 0 && !allow_zero { x.shape().get(i).map(|&s| s as i64) } else { Some(d) }
    };
    let shape: Option<Vec<i64>> = wanted.iter().enumerate().map(size).collect();
    let Some(mut shape) = shape else {
        return invalid!("shape {wanted:?} keeps an axis that {x} lacks");
    };
    if let Some(free) = shape.iter().position(|&d| d == -1) {
        let known = shape.iter().filter(|&&d| d != -1).try_fold(1i64, |n, &d| n.checked_mul(d));
        shape[free] = match known {
            Some(known) if known > 0 => x.len() as i64 / known,
            _ => return invalid!("{x} cannot be given the shape {wanted:?}"),
        };
    }
    Ok(x.reshape(&sizes(&shape, "shape")?))
}

/// Starts, ends, axes and steps are attributes before version 10.
fn slice(n: &mut Node, x: Tensor) -> Lowered {
    let (starts, ends, axes, steps) = if n.version < 10 {
        let list = |name: &str| n.ints(name).map(<[i64]>::to_vec);
        let (Some(starts), Some(ends)) = (list("starts"), list("ends")) else {
            return invalid!("starts or ends are missing");
        };
        (starts, ends, list("axes"), None)
    } else {
        let (starts, ends) = (n.ints_of(1, "starts")?, n.ints_of(2, "ends")?);
        (starts, ends, n.optional_ints_of(3, "axes")?, n.optional_ints_of(4, "steps")?)
    };
    let axes = axes.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = steps.unwrap_or_else(|| vec![1; starts.len()]);
    ensure!(
        [ends.len(), axes.len(), steps.len()] == [starts.len(); 3],
        "starts, ends, axes and steps differ in length"
    );
    let mut whole: Vec<SliceAxis> = x.shape().iter().map(|&len| SliceAxis::whole(len)).collect();
    for (i, &axis) in axes.iter().enumerate() {
        let axis = axis_of(axis, x.rank())?;
        ensure!(steps[i] != 0, "a step is 0");
        let small = |v: i64| v.clamp(-(1 << 62), 1 << 62) as isize;
        whole[axis] = SliceAxis::clamped(x.shape()[axis], small(starts[i]), small(ends[i]), small(steps[i]));
    }
    Ok(x.slice_axes(whole))
}

/// Sizes are an attribute before version 13, then an input; without them the axis is split evenly, the last part taking the rest.
fn split(n: &mut Node) -> Lowered<Outputs> {
    let Typed { tensor: x, element } = n.typed(0)?;
    let axis = axis_of(n.int("axis", 0), x.rank())?;
    let given = n.ints_at("split", 1)?;
    let size = x.shape()[axis];
    let sizes = match given {
        Some(list) => {
            n.spend_tensors(list.len())?;
            sizes(&list, "split")?
        }
        None => {
            let parts = n.size("num_outputs", n.output_count() as i64);
            ensure!(parts != 0 && parts <= size.max(1), "an axis of {size} elements in {parts} parts");
            n.spend_tensors(parts)?;
            let each = size.div_ceil(parts);
            (0..parts).map(|i| each.min(size.saturating_sub(i * each))).collect()
        }
    };
    n.ignore(&["num_outputs"]);
    Ok(x.split(axis, &sizes).into_iter().map(|t| OnnxValue::narrow(t, element)).collect())
}

fn squeeze(n: &mut Node, x: Tensor) -> Lowered {
    let gone = match n.ints_at("axes", 1)? {
        Some(axes) => axes_of(&axes, x.rank())?,
        None => (0..x.rank()).filter(|&a| x.shape()[a] == 1).collect(),
    };
    Ok(x.without(&gone))
}

fn unsqueeze(n: &mut Node, x: Tensor) -> Lowered {
    let Some(axes) = n.ints_at("axes", 1)? else { return invalid!("axes are missing") };
    let rank = x.rank() + axes.len();
    ensure!(axes.len() <= 64, "a result of {rank} axes");
    let new = axes_of(&axes, rank)?;
    let mut old = x.shape().iter();
    let size = |a: usize| if new.contains(&a) { Some(1) } else { old.next().copied() };
    let shape: Option<Vec<usize>> = (0..rank).map(size).collect();
    Ok(x.reshape(&shape.expect("as many old axes as are not new")))
}

fn tile(n: &mut Node, x: Tensor) -> Lowered {
    if n.version < 6 {
        return unsupported("Tile before version 6", "export with a newer opset");
    }
    let repeats = n.sizes_of(1, "repeats")?;
    Ok(x.repeat(&repeats))
}

fn transpose(n: &mut Node, x: Tensor) -> Lowered {
    let perm = n.ints("perm").map_or_else(|| Ok((0..x.rank()).rev().collect()), |p| sizes(p, "perm"))?;
    Ok(x.permute(&perm))
}

/// Keeps the upper or lower triangle of each matrix, from the k-th diagonal on.
fn trilu(n: &mut Node, x: Tensor) -> Lowered {
    let k = n.optional_int_of(1, "k")?.unwrap_or(0);
    ensure!(x.rank() >= 2, "takes matrices, not {x}");
    let ty = Type::new(DType::I64, &x.shape()[x.rank() - 2..]);
    let distance = Tensor::iota(ty.clone(), 1) - Tensor::iota(ty.clone(), 0);
    let k = Tensor::scalar(k);
    let kept = if n.flag("upper", true) { distance.greater_equal(k) } else { distance.less_equal(k) };
    Ok(kept.select(&x, 0.0))
}

/// Whether the place in a block counts before the channel, or after it.
fn place_first(n: &Node) -> Lowered<bool> {
    n.choice("mode", "DCR", &[("DCR", true), ("CRD", false)])
}

/// Crops or pads axes around their centres.
fn center_crop_pad(n: &mut Node, mut x: Tensor) -> Lowered {
    let wanted = n.sizes_of(1, "shape")?;
    let axes = listed_or_all(n.ints("axes"), x.rank())?;
    ensure!(axes.len() == wanted.len(), "{} sizes for {} axes", wanted.len(), axes.len());
    for (&axis, &want) in axes.iter().zip(&wanted) {
        let have = x.shape()[axis];
        if want <= have {
            x = x.narrow(axis, (have - want) / 2, want);
        } else {
            let mut widths = vec![(0, 0); x.rank()];
            widths[axis] = ((want - have) / 2, want - have - (want - have) / 2);
            x = x.pad(&widths, 0.0);
        }
        x.check()?;
    }
    Ok(x)
}

/// How many elements to put before and after each axis; negative ones are taken away.
fn pad_widths(n: &mut Node, rank: usize) -> Lowered<Vec<(i64, i64)>> {
    let list = match n.ints("pads").or(n.ints("paddings")) {
        Some(list) => list.to_vec(),
        None => n.ints_of(1, "pads")?,
    };
    let axes = listed_or_all(n.optional_ints_of(3, "axes")?.as_deref(), rank)?;
    ensure!(list.len() == 2 * axes.len(), "{} pads for {} axes", list.len(), axes.len());
    ensure!(list.iter().all(|&p| p.unsigned_abs() <= 1 << 40), "the padding is too large");
    let mut widths = vec![(0, 0); rank];
    axes.iter().enumerate().for_each(|(i, &a)| widths[a] = (list[i], list[i + axes.len()]));
    Ok(widths)
}

fn pad(n: &mut Node, x: Tensor) -> Lowered {
    let widths = pad_widths(n, x.rank())?;
    let modes = [
        ("constant", None),
        ("reflect", Some(Repeat::Reflect)),
        ("edge", Some(Repeat::Edge)),
        ("wrap", Some(Repeat::Wrap)),
    ];
    let mode = n.choice("mode", "constant", &modes)?;
    let fill = match n.attribute("value") {
        Some(a) => Tensor::full(Type::new(x.dtype(), []), a.f.into()),
        None => n.optional(2)?.unwrap_or_else(|| Tensor::full(Type::new(x.dtype(), []), 0.0)),
    };
    // Cropping first: what a negative width takes away is not reflected.
    let crop = |(&size, &(low, high)): (&usize, &(i64, i64))| {
        let (low, high) = ((-low).max(0) as usize, (-high).max(0) as usize);
        let len = size.checked_sub(low).and_then(|s| s.checked_sub(high));
        len.map(|len| SliceAxis { start: low.min(size.saturating_sub(1)), step: 1, len })
    };
    let crops: Option<Vec<SliceAxis>> = x.shape().iter().zip(&widths).map(crop).collect();
    let Some(crops) = crops else { return invalid!("more is cropped than {x} has") };
    let x = x.slice_axes(crops);
    let widths: Vec<(usize, usize)> =
        widths.iter().map(|&(low, high)| (low.max(0) as usize, high.max(0) as usize)).collect();
    match mode {
        None => {
            let axes = widths.iter().map(|&(low, high)| PadAxis { low, high, interior: 0 }).collect();
            Ok(Tensor::apply(Op::Pad(axes), &[x, fill.reshape(&[])]))
        }
        Some(repeat) => {
            widths.iter().enumerate().try_fold(x, |x, (axis, &width)| n.repeated(&x, axis, width, repeat))
        }
    }
}
