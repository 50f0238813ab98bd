//! Picking by index.

use super::*;

pub(super) const TABLE: Table = &[
    ("EMBEDDING_LOOKUP", One(embedding_lookup)),
    ("GATHER", One(gather)),
    ("GATHER_ND", One(|n| Ok(Held::plain(n.x(0)?.gather_nd(&indices(n, 1)?))))),
    ("ONE_HOT", One(one_hot)),
    ("TOPK_V2", Many(top_k)),
];

pub(super) fn indices(n: &Node, i: usize) -> Lowered {
    let t = n.x(i)?;
    if t.dtype().is_int() { Ok(t) } else { invalid!("its indices (input {i}) are {}", t.dtype()) }
}

fn embedding_lookup(n: &mut Node) -> Lowered<Held> {
    let (ids, table) = (indices(n, 0)?, n.real_plain(1)?);
    Ok(Held::plain(table.take(&ids, 0)))
}

fn gather(n: &mut Node) -> Lowered<Held> {
    use gather_options as o;
    let (x, indices) = (n.x(0)?, indices(n, 1)?);
    let axis = axis_of(n.get(o::AXIS)?.into(), x.rank())?;
    // A negative count is from the end of the indices' axes.
    let given = i64::from(n.get(o::BATCH_DIMS)?);
    let from_front = if given < 0 { given + indices.rank() as i64 } else { given };
    let shared = usize::try_from(from_front)
        .ok()
        .filter(|&b| b <= axis && b <= indices.rank() && x.shape().get(..b) == indices.shape().get(..b));
    match shared {
        Some(0) => Ok(Held::plain(x.take(&indices, axis))),
        Some(shared) => Ok(Held::plain(gather_in_batches(&x, &indices, shared, axis))),
        None => invalid!("batch_dims {given} for {x} and indices {indices}"),
    }
}

/// Of each batch, the leading `shared` axes of both, elements along `axis` by the indices of that batch.
fn gather_in_batches(x: &Tensor, indices: &Tensor, shared: usize, axis: usize) -> Tensor {
    let (batches, outer) = (&x.shape()[..shared], &x.shape()[shared..axis]);
    let (n, inner) = (x.shape()[axis], &x.shape()[axis + 1..]);
    let count = |sizes: &[usize]| sizes.iter().product::<usize>();
    let picks = &indices.shape()[shared..];
    // Each element along the axis is a row of what is around it.
    let rows = x.reshape(&[count(batches), count(outer), n, count(inner)]).permute(&[0, 2, 1, 3]);
    let rows = rows.reshape(&[count(batches) * n, count(outer), count(inner)]);
    let ty = Type::new(DType::I64, [count(batches), count(picks)]);
    let within = indices.cast(DType::I64).reshape(&ty.shape).clip(0.0, n.saturating_sub(1) as f64);
    let picked = rows.take(&(within + Tensor::iota(ty, 0) * n as f64), 0);
    picked.permute(&[0, 2, 1, 3]).reshape(&[batches, outer, picks, inner].concat())
}

fn one_hot(n: &mut Node) -> Lowered<Held> {
    let axis = n.get(one_hot_options::AXIS)?;
    let (indices, depth) = (indices(n, 0)?, n.int_of(1, "depth")?);
    let (on, off) = (n.x(2)?, n.x(3)?);
    let Some(depth) = usize::try_from(depth).ok().filter(|&d| d <= 1 << 24) else {
        return invalid!("a depth of {depth}");
    };
    let axis = axis_of(axis.into(), indices.rank() + 1)?;
    Ok(Held::plain(indices.is_index(depth, axis).select(&on, &off)))
}

fn top_k(n: &mut Node) -> Lowered<Vec<Held>> {
    let (x, k) = (n.x(0)?, n.int_of(1, "k")?);
    let Some(&longest) = x.shape().last() else { return invalid!("its input is a scalar") };
    let Some(k) = usize::try_from(k).ok().filter(|&k| k <= longest) else {
        return invalid!("the {k} largest of {longest} elements");
    };
    let (values, indices) = x.top_k(k, x.rank() - 1, true);
    let indices = match n.output_count() {
        2 => cast_to(indices, n.output_info(1)?)?,
        count => return invalid!("{count} outputs where there are two"),
    };
    Ok(vec![Held::plain(values), Held::plain(indices)])
}
