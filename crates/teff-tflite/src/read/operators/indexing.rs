//! Picking and writing by index.

use super::*;

pub(super) const TABLE: Table = &[
    ("DYNAMIC_UPDATE_SLICE", One(dynamic_update_slice)),
    ("EMBEDDING_LOOKUP", One(|n| Ok(Held::plain(n.real_plain(1)?.take(&indices(n, 0)?, 0))))),
    ("GATHER", One(gather)),
    ("GATHER_ND", One(|n| Ok(Held::plain(n.x(0)?.gather_nd(&indices(n, 1)?))))),
    ("ONE_HOT", One(one_hot)),
    ("REVERSE_SEQUENCE", One(reverse_sequence)),
    ("SCATTER_ND", One(scatter_nd)),
    ("SEGMENT_SUM", One(segment_sum)),
    ("SPARSE_TO_DENSE", One(sparse_to_dense)),
    ("TOPK_V2", Many(top_k)),
    ("UNSORTED_SEGMENT_MAX", One(|n| unsorted_segment(n, ScatterKind::Max))),
    ("UNSORTED_SEGMENT_MIN", One(|n| unsorted_segment(n, ScatterKind::Min))),
    ("UNSORTED_SEGMENT_PROD", One(|n| unsorted_segment(n, ScatterKind::Mul))),
    ("UNSORTED_SEGMENT_SUM", One(|n| unsorted_segment(n, ScatterKind::Add))),
];

pub(super) fn indices(n: &Node, i: usize) -> Lowered {
    let t = n.x(i)?;
    if t.dtype().is_int() { Ok(t) } else { invalid!("its indices (input {i}) are {}", t.dtype()) }
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

/// `x` with the updates, one for each of `indices`, written over it.
fn written(x: &Tensor, indices: &Tensor, updates: &Tensor, kind: ScatterKind) -> Lowered {
    let depth = match indices.shape().last() {
        Some(&depth) if (1..=x.rank()).contains(&depth) => depth,
        _ => return invalid!("its indices {indices} for {x}"),
    };
    let rest = &x.shape()[depth..];
    let outer = &indices.shape()[..indices.rank() - 1];
    ensure!(
        updates.shape() == [outer, rest].concat() && updates.dtype() == x.dtype(),
        "its updates {updates} at indices {indices} of {x}"
    );
    Ok(x.scatter_nd(indices, updates, kind).ok()?)
}

/// Zeros, to which each update is added at its place.
fn scatter_nd(n: &mut Node) -> Lowered<Held> {
    let (indices, updates) = (indices(n, 0)?, n.x(1)?);
    let shape = n.sizes_of(2, "shape")?;
    let zero = Tensor::full(Type::new(updates.dtype(), shape), 0.0).ok()?;
    Ok(Held::plain(written(&zero, &indices, &updates, ScatterKind::Add)?))
}

fn sparse_to_dense(n: &mut Node) -> Lowered<Held> {
    let (indices, values, default) = (indices(n, 0)?, n.x(2)?, n.x(3)?);
    let shape = n.sizes_of(1, "output shape")?;
    ensure!(
        default.len() == 1 && matches!(values.rank(), 0 | 1),
        "its values {values} and default {default}"
    );
    // One index, one for each value along the only axis, or a row for each.
    let indices = match indices.rank() {
        0 => indices.reshape(&[1, 1]),
        1 if shape.len() == 1 => indices.unsqueeze(-1),
        1 => indices.unsqueeze(0),
        _ => indices,
    };
    let values = values.broadcast_to(&indices.shape()[..1]);
    let rest = default.reshape(&[]).broadcast_to(&shape);
    Ok(Held::plain(written(&rest, &indices, &values, ScatterKind::Set)?))
}

/// A smaller tensor written into a larger one, moved inside where it would reach beyond.
fn dynamic_update_slice(n: &mut Node) -> Lowered<Held> {
    let (x, update, start) = (n.x(0)?, n.x(1)?, indices(n, 2)?);
    let fits = |(&small, &large): (&usize, &usize)| small <= large;
    let rank = x.rank();
    ensure!(
        update.rank() == rank && start.shape() == [rank] && update.shape().iter().zip(x.shape()).all(fits),
        "its update {update} of {x} at {start}"
    );
    let ty = Type::new(DType::I64, update.shape());
    let steps = strides(x.shape());
    let axis = |sum: Tensor, i: usize| {
        let last = (x.shape()[i] - update.shape()[i]) as f64;
        let first = start.pick(0, i).cast(DType::I64).clip(0.0, last);
        sum + (Tensor::iota(ty.clone(), i) + first) * steps[i] as f64
    };
    let at = (0..rank).fold(Tensor::full(ty.clone(), 0.0), axis).reshape(&[update.len()]);
    let (whole, part) = (x.reshape(&[x.len()]), update.reshape(&[update.len()]));
    Ok(Held::plain(whole.scatter(&at, &part, 0, ScatterKind::Set).reshape(x.shape())))
}

/// Of each sequence of a batch, the first elements turned around.
fn reverse_sequence(n: &mut Node) -> Lowered<Held> {
    use reverse_sequence_options as o;
    let (x, lengths) = (n.x(0)?, indices(n, 1)?);
    let time = axis_of(n.get(o::SEQ_DIM)?.into(), x.rank())?;
    let batch = axis_of(n.get(o::BATCH_DIM)?.into(), x.rank())?;
    Ok(Held::plain(x.reverse_sequences(&lengths, time, batch)))
}

/// What a segment without elements is.
fn neutral(kind: ScatterKind, dtype: DType) -> f64 {
    let (low, high) = match dtype.int_range() {
        Some((low, high)) => (low as f64, high as f64),
        None if dtype == DType::F64 => (f64::MIN, f64::MAX),
        None => (f32::MIN.into(), f32::MAX.into()),
    };
    match kind {
        ScatterKind::Set | ScatterKind::Add => 0.0,
        ScatterKind::Mul => 1.0,
        ScatterKind::Max => low,
        ScatterKind::Min => high,
    }
}

/// Slices of x combined with those of the same number; those of a negative number are left out.
fn segments(x: &Tensor, numbers: &Tensor, count: usize, kind: ScatterKind) -> Lowered<Held> {
    let leading = numbers.rank();
    ensure!(x.shape().starts_with(numbers.shape()), "its segments {numbers} for {x}");
    let rest = &x.shape()[leading..];
    let empty = Type::new(x.dtype(), [&[count], rest].concat());
    let empty = Tensor::full(empty, neutral(kind, x.dtype())).ok()?;
    let slices = x.reshape(&[&[numbers.len()], rest].concat());
    Ok(Held::plain(empty.scatter(&numbers.reshape(&[numbers.len()]), &slices, 0, kind)))
}

fn unsorted_segment(n: &mut Node, kind: ScatterKind) -> Lowered<Held> {
    let (x, numbers) = (n.x(0)?, indices(n, 1)?);
    match usize::try_from(n.int_of(2, "number of segments")?) {
        Ok(count) => segments(&x, &numbers, count, kind),
        Err(_) => invalid!("a negative number of segments"),
    }
}

/// The last segment is the largest, and must be known.
fn segment_sum(n: &mut Node) -> Lowered<Held> {
    let numbers = n.constant(1, "segments")?;
    let last = numbers.to_i64().last().copied().unwrap_or(-1);
    let Ok(count) = usize::try_from(last.saturating_add(1)) else {
        return invalid!("segment {last}");
    };
    n.reading.made(Value::full(&Type::new(DType::I32, [count.min(1 << 20)]), Num::Int(0)))?;
    segments(&n.x(0)?, &Tensor::constant(numbers), count, ScatterKind::Add)
}
