//! What moves elements without computing. Integers stay the integers they are.

use super::*;

pub(super) const TABLE: Table = &[
    ("BROADCAST_TO", One(broadcast_to)),
    ("CONCATENATION", One(concatenation)),
    ("DEPTH_TO_SPACE", One(depth_to_space)),
    ("EXPAND_DIMS", Of(expand_dims)),
    ("PACK", One(pack)),
    ("RESHAPE", Of(reshape)),
    ("REVERSE_V2", One(reverse)),
    ("SPACE_TO_DEPTH", One(space_to_depth)),
    ("SPLIT", Many(split)),
    ("SPLIT_V", Many(split_v)),
    ("SQUEEZE", Of(squeeze)),
    ("TILE", One(tile)),
    ("TRANSPOSE", One(transpose)),
    ("UNPACK", Many(unpack)),
];

fn broadcast_to(n: &mut Node) -> Lowered<Held> {
    let shape = n.sizes_of(1, "shape")?;
    Ok(Held::plain(n.x(0)?.broadcast_to(&shape)))
}

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
    let parts: Vec<Tensor> = parts.into_iter().map(|p| p.into_layout(layout)).collect();
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

fn transpose(n: &mut Node) -> Lowered<Held> {
    let (x, perm) = (n.x(0)?, n.ints_of(1, "permutation")?);
    let perm = perm.iter().map(|&a| axis_of(a, x.rank())).collect::<Lowered<Vec<_>>>()?;
    Ok(Held::plain(x.permute(&perm).ok()?))
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

fn expand_dims(n: &mut Node, x: Tensor) -> Lowered {
    let axis = axis_of(n.int_of(1, "axis")?, x.rank() + 1)?;
    Ok(x.unsqueeze(axis as isize))
}

fn pack(n: &mut Node) -> Lowered<Held> {
    let parts: Vec<Tensor> = (0..n.input_count()).map(|i| n.x(i)).collect::<Lowered<_>>()?;
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
    let position = x.position(axis);
    ensure!(
        sizes.iter().try_fold(0usize, |sum, &s| sum.checked_add(s)) == Some(x.tensor.shape()[position]),
        "parts of {sizes:?} along axis {axis} of its input {:?}",
        x.shape()
    );
    let layout = x.layout;
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

fn tile(n: &mut Node) -> Lowered<Held> {
    let (x, counts) = (n.x(0)?, n.sizes_of(1, "multiples")?);
    Ok(Held::plain(x.repeat(&counts)))
}

fn reverse(n: &mut Node) -> Lowered<Held> {
    let (x, axes) = (n.x(0)?, n.ints_of(1, "axes")?);
    let axes = axes_of(&axes, x.rank())?;
    Ok(Held::plain(axes.iter().fold(x, |x, &axis| x.flip(axis))))
}

/// Blocks of pixels become channels, or channels blocks, as `f` has it.
fn blocks(n: &Node, block: usize, f: fn(&Tensor, usize, bool) -> Tensor) -> Lowered<Held> {
    let x = n.held(0)?;
    ensure!(x.tensor.rank() == 4, "its input {} must have four axes", x.tensor);
    Ok(Held::channels_first(f(&x.into_channels_first(), block, true)))
}

fn space_to_depth(n: &mut Node) -> Lowered<Held> {
    use space_to_depth_options as o;
    blocks(n, n.count(o::BLOCK_SIZE, "block_size")?, Tensor::space_to_depth)
}

fn depth_to_space(n: &mut Node) -> Lowered<Held> {
    use depth_to_space_options as o;
    blocks(n, n.count(o::BLOCK_SIZE, "block_size")?, Tensor::depth_to_space)
}
