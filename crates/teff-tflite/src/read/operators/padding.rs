//! Padding, and moving blocks of pixels into the batch.

use super::*;

pub(super) const TABLE: Table = &[
    ("BATCH_TO_SPACE_ND", Of(batch_to_space)),
    ("DILATE", One(dilate)),
    ("MIRROR_PAD", One(mirror_pad)),
    ("PAD", One(pad)),
    ("PADV2", One(pad_v2)),
    ("SPACE_TO_BATCH_ND", One(space_to_batch)),
];

/// Pairs of sizes, before and after, given as input `i`: as many as `axes`.
fn widths(n: &Node, i: usize, axes: usize) -> Lowered<Vec<(usize, usize)>> {
    let list = n.sizes_of(i, "paddings")?;
    ensure!(list.len() == 2 * axes, "{} paddings for {axes} axes", list.len());
    Ok(list.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
}

/// The integer that stands for zero, or zero.
fn zero(n: &Node, x: &Tensor) -> Lowered {
    let info = n.input_info(0)?;
    let (_, zero) = if info.quantization.is_some() { info.scale()? } else { (1.0, 0) };
    Ok(Tensor::full(Type::new(x.dtype(), []), if x.dtype().is_float() { 0.0 } else { zero as f64 }))
}

/// `fill` around each axis of the file.
fn padded(x: Held, widths: &[(usize, usize)], fill: &Tensor) -> Held {
    let mut axes = vec![PadAxis::default(); widths.len()];
    for (axis, &(low, high)) in widths.iter().enumerate() {
        axes[x.position(axis)] = PadAxis { low, high, interior: 0 };
    }
    x.map(|x| Tensor::apply(Op::Pad(axes), &[x, fill.clone()]))
}

fn pad(n: &mut Node) -> Lowered<Held> {
    let x = n.held(0)?;
    let (widths, fill) = (widths(n, 1, x.tensor.rank())?, zero(n, &x.tensor)?);
    Ok(padded(x, &widths, &fill))
}

fn pad_v2(n: &mut Node) -> Lowered<Held> {
    let x = n.held(0)?;
    let (widths, fill) = (widths(n, 1, x.tensor.rank())?, n.x(2)?);
    ensure!(fill.len() == 1, "its fill {fill} must have one element");
    Ok(padded(x, &widths, &fill.reshape(&[])))
}

/// Elements before an edge repeated behind it in reverse, the edge itself too or not.
fn mirror_pad(n: &mut Node) -> Lowered<Held> {
    use mirror_pad_options as o;
    let (how, edge) = match n.get(o::MODE)? {
        mirror_pad_mode::REFLECT => (Repeat::Reflect, 1),
        mirror_pad_mode::SYMMETRIC => (Repeat::Symmetric, 0),
        other => return unsupported(format!("mirror mode {other}"), "use REFLECT (0) or SYMMETRIC (1)"),
    };
    let mut x = n.held(0)?;
    for (axis, (low, high)) in widths(n, 1, x.tensor.rank())?.into_iter().enumerate() {
        let (size, position) = (x.shape()[axis], x.position(axis));
        ensure!(
            (low, high) == (0, 0) || low.max(high) + edge <= size,
            "axis {axis} of {size} elements cannot be mirrored by {low} and {high}"
        );
        x = Held { tensor: n.repeated(&x.tensor, position, (low, high), how)?, layout: x.layout };
    }
    Ok(x)
}

/// Block sizes given as input 1, for the axes after the batch of a tensor with `rank` axes.
fn blocks(n: &Node, rank: usize) -> Lowered<Vec<usize>> {
    let blocks = n.sizes_of(1, "block sizes")?;
    ensure!(blocks.len() < rank && !blocks.contains(&0), "blocks of {blocks:?} in a tensor with {rank} axes");
    Ok(blocks)
}

/// Pixels at one place of their blocks become images of their own.
fn space_to_batch(n: &mut Node) -> Lowered<Held> {
    let x = n.x(0)?;
    let blocks = blocks(n, x.rank())?;
    let mut around = widths(n, 2, blocks.len())?;
    around.insert(0, (0, 0));
    around.resize(x.rank(), (0, 0));
    let x = padded(Held::plain(x.clone()), &around, &zero(n, &x)?).tensor.ok()?;
    let (m, shape) = (blocks.len(), x.shape().to_vec());
    ensure!(
        (0..m).all(|i| shape[i + 1].is_multiple_of(blocks[i])),
        "its padded input {x} does not divide into blocks of {blocks:?}"
    );
    let mut split = vec![shape[0]];
    (0..m).for_each(|i| split.extend([shape[i + 1] / blocks[i], blocks[i]]));
    split.extend(&shape[m + 1..]);
    let mut perm: Vec<usize> = (0..m).map(|i| 2 * i + 2).collect();
    perm.push(0);
    perm.extend((0..m).map(|i| 2 * i + 1));
    perm.extend(2 * m + 1..split.len());
    let mut result = vec![blocks.iter().fold(shape[0], |n, &b| n.saturating_mul(b))];
    result.extend((0..m).map(|i| shape[i + 1] / blocks[i]));
    result.extend(&shape[m + 1..]);
    Ok(Held::plain(x.reshape(&split).permute(&perm).reshape(&result)))
}

/// The inverse, with crops.
fn batch_to_space(n: &mut Node, x: Tensor) -> Lowered {
    let blocks = blocks(n, x.rank())?;
    let (m, shape) = (blocks.len(), x.shape().to_vec());
    let crops = widths(n, 2, m)?;
    let images =
        blocks.iter().try_fold(1usize, |n, &b| n.checked_mul(b)).filter(|&b| shape[0].is_multiple_of(b));
    let Some(images) = images.map(|b| shape[0] / b) else {
        return invalid!("a batch of {} does not divide into blocks of {blocks:?}", shape[0]);
    };
    let mut split = blocks.clone();
    split.push(images);
    split.extend(&shape[1..]);
    let mut perm = vec![m];
    (0..m).for_each(|i| perm.extend([m + 1 + i, i]));
    perm.extend(2 * m + 1..split.len());
    let mut joined = vec![images];
    joined.extend((0..m).map(|i| shape[i + 1].saturating_mul(blocks[i])));
    joined.extend(&shape[m + 1..]);
    let mut y = x.reshape(&split).permute(&perm).reshape(&joined).ok()?;
    for (i, &(low, high)) in crops.iter().enumerate() {
        let Some(left) = joined[i + 1].checked_sub(low).and_then(|left| left.checked_sub(high)) else {
            return invalid!("crops of {low} and {high} from {} elements", joined[i + 1]);
        };
        y = y.narrow(i + 1, low, left);
    }
    Ok(y)
}

/// So many minus one of the last input between any two elements along each axis.
fn dilate(n: &mut Node) -> Lowered<Held> {
    let (x, steps) = (n.x(0)?, n.sizes_of(1, "dilations")?);
    let fill = n.constant(2, "padding value")?;
    ensure!(steps.len() == x.rank() && !steps.contains(&0) && fill.len() == 1, "dilations {steps:?} of {x}");
    let axes = steps.iter().map(|&step| PadAxis { interior: step - 1, ..PadAxis::default() }).collect();
    Ok(Held::plain(x.pad_axes(axes, fill.get(0).as_f64())))
}
