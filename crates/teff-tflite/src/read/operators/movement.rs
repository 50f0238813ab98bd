//! What moves elements without computing, and parts of tensors. Integers stay the integers they are.

use super::*;
use crate::schema::strided_slice_options as o;

pub(super) const TABLE: Table = &[
    ("BROADCAST_TO", Of(|n, x| Ok(x.broadcast_to(&n.sizes_of(1, "shape")?)))),
    ("CONCATENATION", One(concatenation)),
    ("DEPTH_TO_SPACE", One(|n| blocks(n, depth_to_space_options::BLOCK_SIZE, Tensor::depth_to_space))),
    ("EXPAND_DIMS", Of(|n, x| Ok(x.unsqueeze(axis_of(n.int_of(1, "axis")?, x.rank() + 1)? as isize)))),
    ("PACK", One(pack)),
    ("RESHAPE", Of(reshape)),
    ("REVERSE_V2", Of(reverse)),
    ("SLICE", One(slice)),
    ("SPACE_TO_DEPTH", One(|n| blocks(n, space_to_depth_options::BLOCK_SIZE, Tensor::space_to_depth))),
    ("SPLIT", Many(split)),
    ("SPLIT_V", Many(split_v)),
    ("SQUEEZE", Of(squeeze)),
    ("STRIDED_SLICE", One(strided_slice)),
    ("TILE", Of(|n, x| Ok(x.repeat(&n.sizes_of(1, "multiples")?)))),
    ("TRANSPOSE", Of(transpose)),
    ("UNPACK", Many(unpack)),
];

fn concatenation(n: &mut Node) -> Lowered<Held> {
    use concatenation_options as o;
    let mut raw = true;
    for i in 0..n.input_count() {
        raw &= same(n.input_info(i)?, n.output_info(0)?);
    }
    let activation = n.get(o::FUSED_ACTIVATION_FUNCTION)?;
    let one = |i| if raw && activation == 0 { n.held(i) } else { n.real(i) };
    let parts: Vec<Held> = (0..n.input_count()).map(one).collect::<Lowered<_>>()?;
    let Some(first) = parts.first() else { return invalid!("it has no inputs") };
    let axis = axis_of(n.get(o::AXIS)?.into(), first.tensor.rank())?;
    let together =
        parts.iter().any(|p| p.layout == Layout::ChannelsFirst) && parts.iter().all(|p| p.tensor.rank() == 4);
    let layout = if together { Layout::ChannelsFirst } else { Layout::Plain };
    let parts: Vec<Tensor> =
        parts.into_iter().map(if together { Held::into_channels_first } else { Held::into_plain }).collect();
    let at = Held { tensor: parts[0].clone(), layout }.position(axis);
    Ok(Held { tensor: activated(Tensor::concat(&parts, at).ok()?, activation)?, layout })
}

/// One size may be -1 and is what is left.
fn reshape(n: &mut Node, x: Tensor) -> Lowered {
    let wanted: Vec<i64> = match (n.optional(1), n.vector::<i32>(reshape_options::NEW_SHAPE)?) {
        (Some(_), _) => n.ints_of(1, "shape")?,
        (None, Some(shape)) => shape.into_iter().map(i64::from).collect(),
        (None, None) => n.output_info(0)?.shape.iter().map(|&d| d.into()).collect(),
    };
    let known = wanted.iter().filter(|&&d| d != -1);
    let known = known.clone().try_fold(1usize, |n, &d| n.checked_mul(usize::try_from(d).ok()?));
    let open = wanted.iter().filter(|&&d| d == -1).count();
    let rest = match (known, open) {
        (Some(_), 0) => 0,
        (Some(known), 1) if known > 0 && x.len().is_multiple_of(known) => x.len() / known,
        _ => return invalid!("its input {x} does not fill the shape {wanted:?}"),
    };
    let shape: Vec<usize> = wanted.iter().map(|&d| if d == -1 { rest } else { d as usize }).collect();
    Ok(x.reshape(&shape))
}

fn transpose(n: &mut Node, x: Tensor) -> Lowered {
    Ok(x.permute(&listed_or_all(Some(&n.ints_of(1, "permutation")?), x.rank())?))
}

fn squeeze(n: &mut Node, x: Tensor) -> Lowered {
    let named = n.vector::<i32>(squeeze_options::SQUEEZE_DIMS)?.unwrap_or_default();
    let axes = named.iter().map(|&a| axis_of(a.into(), x.rank())).collect::<Lowered<Vec<_>>>()?;
    if let Some(&axis) = axes.iter().find(|&&axis| x.shape()[axis] != 1) {
        return invalid!("axis {axis} of its input {x} does not have size 1");
    }
    let ones: Vec<usize> = (0..x.rank()).filter(|&axis| x.shape()[axis] == 1).collect();
    Ok(x.without(if axes.is_empty() { &ones } else { &axes }))
}

fn pack(n: &mut Node) -> Lowered<Held> {
    let parts = (0..n.input_count()).map(|i| n.x(i)).collect::<Lowered<Vec<_>>>()?;
    let Some(first) = parts.first() else { return invalid!("it has no inputs") };
    let axis = axis_of(n.get(pack_options::AXIS)?.into(), first.rank() + 1)?;
    Ok(Held::plain(Tensor::stack(&parts, axis)))
}

fn unpack(n: &mut Node) -> Lowered<Vec<Held>> {
    let x = n.x(0)?;
    let axis = axis_of(n.get(unpack_options::AXIS)?.into(), x.rank())?;
    ensure!(
        x.shape()[axis] == n.output_count(),
        "{} outputs for axis {axis} of its input {x}",
        n.output_count()
    );
    Ok((0..x.shape()[axis]).map(|i| Held::plain(x.pick(axis, i))).collect())
}

/// Parts of these sizes along axis `axis` of the file.
fn parts(x: Held, axis: usize, sizes: &[usize]) -> Lowered<Vec<Held>> {
    let (position, layout) = (x.position(axis), x.layout);
    Ok(x.tensor.split(position, sizes).into_iter().map(|tensor| Held { tensor, layout }).collect())
}

fn split(n: &mut Node) -> Lowered<Vec<Held>> {
    let count = n.count(split_options::NUM_SPLITS, "num_splits")?;
    let x = n.held(1)?;
    let axis = axis_of(n.int_of(0, "axis")?, x.tensor.rank())?;
    let size = x.shape()[axis];
    ensure!(
        count == n.output_count() && size.is_multiple_of(count),
        "{count} equal parts along axis {axis} of its input {:?}",
        x.shape()
    );
    parts(x, axis, &vec![size / count; count])
}

/// One size may be -1 and is what is left.
fn split_v(n: &mut Node) -> Lowered<Vec<Held>> {
    let (x, given) = (n.held(0)?, n.ints_of(1, "sizes")?);
    let axis = axis_of(n.int_of(2, "axis")?, x.tensor.rank())?;
    let known: i64 = given.iter().filter(|&&s| s != -1).fold(0, |sum, &s| i64::saturating_add(sum, s));
    let rest = (x.shape()[axis] as i64).saturating_sub(known);
    let given: Vec<i64> = given.iter().map(|&s| if s == -1 { rest } else { s }).collect();
    parts(x, axis, &sizes(&given, "sizes")?)
}

fn reverse(n: &mut Node, x: Tensor) -> Lowered {
    let axes = axes_of(&n.ints_of(1, "axes")?, x.rank())?;
    Ok(axes.iter().fold(x, |x, &axis| x.flip(axis)))
}

/// Blocks of pixels become channels, or channels blocks, as `f` has it.
fn blocks(n: &Node, size: Scalar<i32>, f: fn(&Tensor, usize, bool) -> Tensor) -> Lowered<Held> {
    let (block, x) = (n.count(size, "block_size")?, n.held(0)?);
    ensure!(x.tensor.rank() == 4, "its input {} must have four axes", x.tensor);
    Ok(Held::channels_first(f(&x.into_channels_first(), block, true)))
}

/// A size of -1 reaches to the end.
fn slice(n: &mut Node) -> Lowered<Held> {
    let x = n.held(0)?;
    let shape = x.shape();
    let (begin, size) = (n.ints_of(1, "begin")?, n.ints_of(2, "size")?);
    ensure!(
        begin.len() == shape.len() && size.len() == shape.len(),
        "begin {begin:?} and size {size:?} for its input {shape:?}"
    );
    let mut axes = vec![SliceAxis::whole(0); shape.len()];
    for (axis, &whole) in shape.iter().enumerate() {
        let start = usize::try_from(begin[axis]).ok().filter(|&b| b <= whole);
        let len = start
            .and_then(|b| if size[axis] == -1 { Some(whole - b) } else { usize::try_from(size[axis]).ok() });
        let (Some(start), Some(len)) = (start, len.filter(|&l| start.is_some_and(|b| l <= whole - b))) else {
            return invalid!("begin {begin:?} and size {size:?} leave its input {shape:?}");
        };
        // Of nothing the start does not matter, and must not lie behind the end.
        axes[x.position(axis)] = SliceAxis { start: if len == 0 { 0 } else { start }, step: 1, len };
    }
    Ok(x.map(|x| x.slice_axes(axes)))
}

/// What Python's `x[b:e:s, ..]` takes; masks say which bounds are open and which entries add or drop an axis.
fn strided_slice(n: &mut Node) -> Lowered<Held> {
    let x = n.x(0)?;
    let (begin, end, stride) = (n.ints_of(1, "begin")?, n.ints_of(2, "end")?, n.ints_of(3, "strides")?);
    let entries = begin.len();
    ensure!(
        end.len() == entries && stride.len() == entries && entries <= 31,
        "{entries} begins, {} ends and {} strides",
        end.len(),
        stride.len()
    );
    let set = |mask: i32, i: usize| mask >> i & 1 == 1;
    let (ellipsis, new_axis) = (n.get(o::ELLIPSIS_MASK)?, n.get(o::NEW_AXIS_MASK)?);
    let (begin_mask, end_mask) = (n.get(o::BEGIN_MASK)?, n.get(o::END_MASK)?);
    let (shrink, offset) = (n.get(o::SHRINK_AXIS_MASK)?, n.get(o::OFFSET)?);
    ensure!((0..entries).filter(|&i| set(ellipsis, i)).count() <= 1, "it has more than one ellipsis");
    let taking = (0..entries).filter(|&i| !set(ellipsis, i) && !set(new_axis, i)).count();
    let Some(skipped) = x.rank().checked_sub(taking) else {
        return invalid!("{taking} slices of its input {x}");
    };
    let mut axes = Vec::new();
    let mut shape = Vec::new();
    for i in 0..entries {
        if set(ellipsis, i) {
            for _ in 0..skipped {
                let len = x.shape()[axes.len()];
                axes.push(SliceAxis::whole(len));
                shape.push(len);
            }
            continue;
        }
        if set(new_axis, i) {
            shape.push(1);
            continue;
        }
        let len = x.shape()[axes.len()];
        if set(shrink, i) {
            let at = if begin[i] < 0 { begin[i].saturating_add(len as i64) } else { begin[i] };
            let Some(start) = usize::try_from(at).ok().filter(|&s| s < len) else {
                return invalid!("element {} of axis {} of its input {x}", begin[i], axes.len());
            };
            axes.push(SliceAxis { start, step: 1, len: 1 });
            continue;
        }
        let step = match isize::try_from(stride[i]) {
            Ok(0) | Err(_) => {
                return unsupported(format!("stride {}", stride[i]), "convert with another stride");
            }
            Ok(step) => step,
        };
        let end = if offset { begin[i].saturating_add(end[i]) } else { end[i] };
        let (first, last) = if step > 0 { (0, isize::MAX) } else { (isize::MAX, isize::MIN) };
        let from = if set(begin_mask, i) { first } else { begin[i] as isize };
        let to = if set(end_mask, i) { last } else { end as isize };
        let taken = SliceAxis::clamped(len, from, to, step);
        shape.push(taken.len);
        axes.push(taken);
    }
    for &len in &x.shape()[axes.len()..] {
        axes.push(SliceAxis::whole(len));
        shape.push(len);
    }
    Ok(Held::plain(x.slice_axes(axes).ok()?.reshape(&shape)))
}
