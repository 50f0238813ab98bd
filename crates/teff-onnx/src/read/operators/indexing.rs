//! Picking, writing, sorting by index.

use super::{
    Lower::{Many, One},
    Table,
};
use crate::read::item::Item;
use crate::read::node::{Lowered, Node, Operands, axis_of, ensure, invalid, unsupported};
use teff_graph::{DType, Num, ScatterKind, Tensor, Type, Value, strides};

pub(super) const TABLE: Table = &[
    ("Compress", One(compress)),
    ("Gather", One(gather)),
    ("GatherElements", One(gather_elements)),
    ("GatherND", One(gather_nd)),
    ("NonZero", One(non_zero)),
    ("OneHot", One(one_hot)),
    ("ReverseSequence", One(reverse_sequence)),
    ("Scatter", One(|n| scatter_elements(n, ScatterKind::Set))),
    ("ScatterElements", One(|n| reduction(n).and_then(|kind| scatter_elements(n, kind)))),
    ("ScatterND", One(|n| reduction(n).and_then(|kind| scatter_nd(n, kind)))),
    ("TensorScatter", One(tensor_scatter)),
    ("TopK", Many(top_k)),
    ("Unique", Many(unique)),
];

/// Indices with negative ones, which count from the end of `size` elements, made positive. Known indices must be inside.
pub(super) fn positive(n: &mut Node, indices: &Tensor, size: usize) -> Lowered {
    let wide = indices.cast(DType::I64);
    if let Some(v) = n.known(&wide) {
        let list = v.to_i64();
        let limit = size as i64;
        if let Some(i) = list.iter().find(|&&i| i < -limit || i >= limit) {
            return invalid!("index {i} is outside the {size} elements there are");
        }
        if list.iter().all(|&i| i >= 0) {
            return Ok(Tensor::constant(v));
        }
        n.spend(list.len())?;
        let list = list.into_iter().map(|i| if i < 0 { i + limit } else { i }).collect();
        return Ok(Tensor::constant(Value::new(v.shape().to_vec(), list)));
    }
    let zero = wide.full_like(0.0);
    Ok(wide.less(&zero).select(&(&wide + size as f64), &wide))
}

fn gather(n: &mut Node) -> Lowered {
    let (x, indices) = (n.x(0)?, n.x(1)?);
    let axis = axis_of(n.int("axis", 0), x.rank())?;
    let indices = positive(n, &indices, x.shape()[axis])?;
    Ok(x.take(&indices, axis))
}

fn gather_elements(n: &mut Node) -> Lowered {
    let (x, indices) = (n.x(0)?, n.x(1)?);
    let axis = axis_of(n.int("axis", 0), x.rank())?;
    let indices = positive(n, &indices, x.shape()[axis])?;
    Ok(x.take_along(&indices, axis))
}

/// Tuples of indices along the last axis, as positions among the elements of the first `tuple` axes after `batch`.
fn positions(n: &mut Node, x: &[usize], indices: &Tensor, batch: usize) -> Lowered {
    let Some((&tuple, lead)) = indices.shape().split_last() else {
        return invalid!("the indices are a scalar");
    };
    ensure!(
        batch + tuple <= x.len() && batch <= lead.len() && lead[..batch] == x[..batch],
        "indices {indices} with {batch} batch axes do not fit data of shape {x:?}"
    );
    let lead = lead.to_vec();
    let steps = strides(&x[..batch + tuple]);
    let mut at = Tensor::full(Type::new(DType::I64, lead.clone()), 0.0);
    for axis in 0..batch {
        at = at + Tensor::iota(Type::new(DType::I64, lead.clone()), axis) * steps[axis] as f64;
    }
    for i in 0..tuple {
        let last = indices.rank() - 1;
        let index = indices.narrow(last, i, 1).reshape(&lead);
        at = at + positive(n, &index, x[batch + i])? * steps[batch + i] as f64;
    }
    Ok(at)
}

fn gather_nd(n: &mut Node) -> Lowered {
    let (x, indices) = (n.x(0)?, n.x(1)?);
    let batch = usize::try_from(n.int("batch_dims", 0)).unwrap_or(usize::MAX);
    ensure!(batch < indices.rank().min(x.rank()).max(1), "{batch} batch axes");
    let at = positions(n, x.shape(), &indices, batch)?;
    let tuple = indices.shape()[indices.rank() - 1];
    let (front, rest) = x.shape().split_at(batch + tuple);
    let rows = x.reshape(&[&[front.iter().product()], rest].concat());
    Ok(rows.take(&at, 0))
}

fn reduction(n: &Node) -> Lowered<ScatterKind> {
    match n.text("reduction", "none")? {
        "none" => Ok(ScatterKind::Set),
        "add" => Ok(ScatterKind::Add),
        "mul" => Ok(ScatterKind::Mul),
        "max" => Ok(ScatterKind::Max),
        "min" => Ok(ScatterKind::Min),
        other => unsupported(format!("reduction={other:?}"), "use none, add, mul, max or min"),
    }
}

fn scatter_elements(n: &mut Node, kind: ScatterKind) -> Lowered {
    let (x, indices, updates) = (n.x(0)?, n.x(1)?, n.x(2)?);
    let axis = axis_of(n.int("axis", 0), x.rank())?;
    let indices = positive(n, &indices, x.shape()[axis])?;
    Ok(x.scatter_along(&indices, &updates, axis, kind))
}

fn scatter_nd(n: &mut Node, kind: ScatterKind) -> Lowered {
    let (x, indices, updates) = (n.x(0)?, n.x(1)?, n.x(2)?);
    let at = positions(n, x.shape(), &indices, 0)?;
    let tuple = indices.shape()[indices.rank() - 1];
    let (front, rest) = x.shape().split_at(tuple);
    let rows = x.reshape(&[&[front.iter().product()], rest].concat());
    let updates = updates.reshape(&[&[at.len()], rest].concat());
    Ok(rows.scatter(&at.flatten_all(), &updates, 0, kind).reshape(x.shape()))
}

/// Writes updates into a cache along `axis`, for each batch from its own index on; circular ones wrap around.
fn tensor_scatter(n: &mut Node) -> Lowered {
    let (cache, update) = (n.x(0)?, n.x(1)?);
    let rank = cache.rank();
    let axis = axis_of(n.int("axis", -2), rank)?;
    let circular = match n.text("mode", "linear")? {
        "linear" => false,
        "circular" => true,
        other => return unsupported(format!("mode={other:?}"), "use linear or circular"),
    };
    ensure!(
        axis != 0 && update.rank() == rank,
        "the axis must not be the batch axis, and the update have as many axes as the cache"
    );
    let ty = Type::new(DType::I64, update.shape());
    let along = Tensor::iota(ty.clone(), axis);
    let mut each = vec![1; rank];
    each[0] = cache.shape()[0];
    let at = match n.optional(2)? {
        Some(start) => along + start.cast(DType::I64).reshape(&each),
        None => along,
    };
    let at = if circular { at.rem(&at.full_like(cache.shape()[axis] as f64)) } else { at };
    Ok(cache.scatter_along(&at, &update, axis, ScatterKind::Set))
}

/// `depth` values at a new axis: on at the index, which counts from the end when negative, off elsewhere.
fn one_hot(n: &mut Node) -> Lowered {
    let indices = n.x(0)?;
    let depth = n.constant(1, "depth")?;
    let depth = if depth.len() == 1 { depth.get(0).as_int() } else { -1 };
    let Some(depth) = usize::try_from(depth).ok().filter(|&d| d < 1 << 32) else {
        return invalid!("depth must be one positive number");
    };
    let values = n.x(2)?;
    let rank = indices.rank() + 1;
    let axis = axis_of(n.int("axis", -1), rank)?;
    let wide = indices.cast(DType::I64);
    let zero = wide.full_like(0.0);
    let wide = wide.less(&zero).select(&(&wide + depth as f64), &wide).unsqueeze(axis as isize);
    let mut shape = wide.shape().to_vec();
    shape[axis] = depth;
    let hit = Tensor::iota(Type::new(DType::I64, shape), axis).equal(&wide);
    Ok(hit.select(&values.pick(0, 1), &values.pick(0, 0)))
}

/// The largest or smallest elements along an axis, with their indices. k is an attribute before version 10.
fn top_k(n: &mut Node) -> Lowered<Vec<Item>> {
    let x = n.typed(0)?;
    let k = if n.version < 10 { n.int("k", 0) } else { n.int_of(1, "K")? };
    let x_t = x.tensor;
    let axis = axis_of(n.int("axis", -1), x_t.rank())?;
    let largest = n.flag("largest", true);
    n.ignore(&["sorted"]);
    let Some(k) = usize::try_from(k).ok().filter(|&k| k <= x_t.shape()[axis]) else {
        return invalid!("k={k} of {} elements", x_t.shape()[axis]);
    };
    let indices = x_t.argsort(axis as isize, largest).narrow(axis, 0, k);
    Ok(vec![Item::narrow(x_t.take_along(&indices, axis), x.element), indices.into()])
}

/// The slices at which a condition holds that is known while reading.
fn compress(n: &mut Node) -> Lowered {
    let x = n.x(0)?;
    let condition = n.constant(1, "condition")?.to_i64();
    let (x, axis) = match n.attribute("axis") {
        Some(a) => {
            let axis = axis_of(a.i, x.rank())?;
            (x, axis)
        }
        None => (x.flatten_all(), 0),
    };
    let kept: Vec<i64> =
        (0..condition.len().min(x.shape()[axis]) as i64).filter(|&i| condition[i as usize] != 0).collect();
    Ok(x.gather(&Tensor::from_slice(&kept), axis))
}

/// The indices of all elements that are not 0, of a tensor known while reading.
fn non_zero(n: &mut Node) -> Lowered {
    let v = n.constant(0, "X")?;
    let hits: Vec<usize> = (0..v.len()).filter(|&i| v.get(i).as_f64() != 0.0).collect();
    let steps = strides(v.shape());
    let rank = v.shape().len();
    n.spend(hits.len().saturating_mul(rank))?;
    let list = (0..rank).flat_map(|a| hits.iter().map(move |&h| (a, h)));
    let list: Vec<i64> = list.map(|(a, h)| (h / steps[a] % v.shape()[a]) as i64).collect();
    Ok(Tensor::constant(Value::new([rank, hits.len()], list)))
}

/// Reverses the first elements of each batch, as many as its length says.
fn reverse_sequence(n: &mut Node) -> Lowered {
    let (x, lengths) = (n.x(0)?, n.x(1)?);
    let time = axis_of(n.int("time_axis", 0), x.rank())?;
    let batch = axis_of(n.int("batch_axis", 1), x.rank())?;
    ensure!(
        lengths.shape() == [x.shape()[batch]] && time != batch,
        "the lengths must be one a batch, and the axes differ"
    );
    let ty = Type::new(DType::I64, x.shape());
    let mut each = vec![1; x.rank()];
    each[batch] = lengths.len();
    let length = lengths.cast(DType::I64).reshape(&each);
    let at = Tensor::iota(ty, time);
    let mirrored = &length - &at - 1.0;
    let source = at.less(&length).select(&mirrored, &at);
    Ok(x.take_along(&source, time))
}

/// The different elements or slices of a tensor known while reading, with first positions, inverse and counts.
fn unique(n: &mut Node) -> Lowered<Vec<Item>> {
    let v = n.constant(0, "X")?;
    let sorted = n.flag("sorted", true);
    let (shape, axis) = match n.attribute("axis") {
        Some(a) => (v.shape().to_vec(), axis_of(a.i, v.shape().len())?),
        None => (vec![v.len()], 0),
    };
    let inner: usize = shape[axis + 1..].iter().product();
    let size = shape[axis];
    let outer: usize = shape[..axis].iter().product();
    let slice = |k: usize| -> Vec<Num> {
        (0..outer * inner).map(|i| v.get((i / inner * size + k) * inner + i % inner)).collect()
    };
    // Each slice is compared with all before it.
    n.spend(size.saturating_mul(v.len().max(1)))?;
    let slices: Vec<Vec<Num>> = (0..size).map(slice).collect();
    let mut firsts: Vec<usize> =
        (0..size).filter(|&k| !slices[..k].iter().any(|s| compare(s, &slices[k]).is_eq())).collect();
    if sorted {
        firsts.sort_by(|&a, &b| compare(&slices[a], &slices[b]));
    }
    let inverse: Vec<i64> = slices
        .iter()
        .map(|s| {
            let first = firsts.iter().position(|&f| compare(&slices[f], s).is_eq());
            first.expect("every slice has a first") as i64
        })
        .collect();
    let counts: Vec<i64> =
        (0..firsts.len()).map(|f| inverse.iter().filter(|&&i| i == f as i64).count() as i64).collect();
    let firsts: Vec<i64> = firsts.into_iter().map(|f| f as i64).collect();
    let x = Tensor::constant(v).reshape(&shape);
    let list = |l: &[i64]| Item::from(Tensor::from_slice(l));
    Ok(vec![
        x.gather(&Tensor::from_slice(&firsts), axis).into(),
        list(&firsts),
        list(&inverse),
        list(&counts),
    ])
}

/// As numpy orders: both zeros are one, and so is every NaN, behind all numbers.
fn compare(a: &[Num], b: &[Num]) -> std::cmp::Ordering {
    let one = |x: &Num, y: &Num| match (x, y) {
        (Num::Int(x), Num::Int(y)) => x.cmp(y),
        _ => {
            let (x, y) = (x.as_f64(), y.as_f64());
            x.partial_cmp(&y).unwrap_or_else(|| x.is_nan().cmp(&y.is_nan()))
        }
    };
    a.iter().zip(b).map(|(x, y)| one(x, y)).find(|o| o.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
}
