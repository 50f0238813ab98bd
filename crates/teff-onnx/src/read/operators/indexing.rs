//! Picking, writing, sorting by index.

use super::*;

pub(super) const TABLE: Table = &[
    ("Compress", Of(compress)),
    ("Gather", OfTwo(|n, x, indices| picked(n, &x, &indices, Tensor::take))),
    ("GatherElements", OfTwo(|n, x, indices| picked(n, &x, &indices, Tensor::take_along))),
    ("GatherND", OfTwo(gather_nd)),
    ("NonZero", One(non_zero)),
    ("OneHot", Of(one_hot)),
    ("ReverseSequence", OfTwo(reverse_sequence)),
    ("Scatter", One(|n| scatter_elements(n, ScatterKind::Set))),
    ("ScatterElements", One(|n| reduction(n).and_then(|kind| scatter_elements(n, kind)))),
    ("ScatterND", One(|n| reduction(n).and_then(|kind| scatter_nd(n, kind)))),
    ("TensorScatter", OfTwo(tensor_scatter)),
    ("TopK", Many(top_k)),
    ("Unique", Many(unique)),
];

/// Indices with negative ones, which count from the end of `size` elements, made positive. Known indices must be inside.
pub(super) fn positive(n: &Node, indices: &Tensor, size: usize) -> Lowered {
    positive_along(n, indices, &[size])
}

/// As [`positive`], where an index is the next of tuples along the last axis, into an axis each.
fn positive_along(n: &Node, indices: &Tensor, sizes: &[usize]) -> Lowered {
    let wide = indices.cast(DType::I64);
    if let Some(v) = n.known(&wide) {
        n.spend(v.len())?;
        let from_front = |(k, i): (usize, i64)| match sizes[k % sizes.len()] as i64 {
            size if (-size..0).contains(&i) => Ok(i + size),
            size if (0..size).contains(&i) => Ok(i),
            size => invalid!("index {i} is outside the {size} elements there are"),
        };
        let list = v.to_i64().into_iter().enumerate().map(from_front).collect::<Lowered<Vec<_>>>()?;
        return Ok(Tensor::constant(Value::new(v.shape().to_vec(), list)));
    }
    let sizes: Vec<i64> = sizes.iter().map(|&size| size as i64).collect();
    let size = if let [size] = sizes[..] { wide.full_like(size as f64) } else { Tensor::from_slice(&sizes) };
    Ok(wide.less(0.0).select(&(&wide + size), &wide))
}

/// Elements by indices along attribute `axis`.
fn picked(n: &Node, x: &Tensor, indices: &Tensor, f: fn(&Tensor, &Tensor, usize) -> Tensor) -> Lowered {
    let axis = axis_of(n.int("axis", 0), x.rank())?;
    Ok(f(x, &positive(n, indices, x.shape()[axis])?, axis))
}

/// Tuples of indices, each for the first axes of `x` after `batch`; the place in the batch is put before them.
fn tuples(n: &Node, x: &Tensor, indices: &Tensor, batch: usize) -> Lowered {
    let Some((&tuple, lead)) = indices.shape().split_last() else {
        return invalid!("the indices are a scalar");
    };
    ensure!(
        tuple > 0 && batch + tuple <= x.rank() && batch <= lead.len() && lead[..batch] == x.shape()[..batch],
        "indices {indices} with {batch} batch axes do not fit data {x}"
    );
    let within = positive_along(n, indices, &x.shape()[batch..batch + tuple])?;
    let ty = Type::new(DType::I64, [lead, &[1]].concat());
    let mut columns: Vec<Tensor> = (0..batch).map(|axis| Tensor::iota(ty.clone(), axis)).collect();
    columns.push(within);
    Ok(if batch == 0 { columns.remove(0) } else { Tensor::concat(&columns, lead.len()) })
}

fn gather_nd(n: &mut Node, x: Tensor, indices: Tensor) -> Lowered {
    let batch = n.size("batch_dims", 0);
    ensure!(batch < indices.rank().min(x.rank()).max(1), "{batch} batch axes");
    Ok(x.gather_nd(&tuples(n, &x, &indices, batch)?))
}

/// What is done to an element that an update meets, by attribute `reduction`.
pub(crate) const REDUCTIONS: [(&str, ScatterKind); 5] = [
    ("none", ScatterKind::Set),
    ("add", ScatterKind::Add),
    ("mul", ScatterKind::Mul),
    ("max", ScatterKind::Max),
    ("min", ScatterKind::Min),
];

fn reduction(n: &Node) -> Lowered<ScatterKind> {
    n.choice("reduction", "none", &REDUCTIONS)
}

fn scatter_elements(n: &mut Node, kind: ScatterKind) -> Lowered {
    let (x, indices, updates) = (n.x(0)?, n.x(1)?, n.x(2)?);
    let axis = axis_of(n.int("axis", 0), x.rank())?;
    let indices = positive(n, &indices, x.shape()[axis])?;
    Ok(x.scatter_along(&indices, &updates, axis, kind))
}

fn scatter_nd(n: &mut Node, kind: ScatterKind) -> Lowered {
    let (x, indices, updates) = (n.x(0)?, n.x(1)?, n.x(2)?);
    Ok(x.scatter_nd(&tuples(n, &x, &indices, 0)?, &updates, kind))
}

/// Writes updates into a cache along `axis`, for each batch from its own index on; circular ones wrap around.
fn tensor_scatter(n: &mut Node, cache: Tensor, update: Tensor) -> Lowered {
    let rank = cache.rank();
    let axis = axis_of(n.int("axis", -2), rank)?;
    let circular = n.choice("mode", "linear", &[("linear", false), ("circular", true)])?;
    ensure!(
        axis != 0 && update.rank() == rank,
        "the axis must not be the batch axis, and the update have as many axes as the cache"
    );
    let ty = Type::new(DType::I64, update.shape());
    let along = Tensor::iota(ty.clone(), axis);
    let at = match n.optional(2)? {
        Some(start) => along + start.cast(DType::I64).along_axis(0, rank),
        None => along,
    };
    let at = if circular { at.rem(cache.shape()[axis] as f64) } else { at };
    Ok(cache.scatter_along(&at, &update, axis, ScatterKind::Set))
}

/// `depth` values at a new axis: on at the index, which counts from the end when negative, off elsewhere.
fn one_hot(n: &mut Node, indices: Tensor) -> Lowered {
    let depth = n.constant(1, "depth")?;
    let depth = if depth.len() == 1 { depth.get(0).as_int() } else { -1 };
    let Some(depth) = usize::try_from(depth).ok().filter(|&d| d < 1 << 32) else {
        return invalid!("depth must be one positive number");
    };
    let values = n.x(2)?;
    let rank = indices.rank() + 1;
    let axis = axis_of(n.int("axis", -1), rank)?;
    let wide = indices.cast(DType::I64);
    let wide = wide.less(0.0).select(&(&wide + depth as f64), &wide);
    Ok(wide.is_index(depth, axis).select(values.pick(0, 1), values.pick(0, 0)))
}

/// The largest or smallest elements along an axis, with their indices. k is an attribute before version 10.
fn top_k(n: &mut Node) -> Lowered<Outputs> {
    let x = n.typed(0)?;
    let k = if n.version < 10 { n.int("k", 0) } else { n.int_of(1, "K")? };
    let x_t = x.tensor;
    let axis = axis_of(n.int("axis", -1), x_t.rank())?;
    let largest = n.flag("largest", true);
    n.ignore(&["sorted"]);
    let Some(k) = usize::try_from(k).ok().filter(|&k| k <= x_t.shape()[axis]) else {
        return invalid!("k={k} of {} elements", x_t.shape()[axis]);
    };
    let (values, indices) = x_t.top_k(k, axis, largest);
    Ok(vec![OnnxValue::narrow(values, x.element), indices.into()])
}

/// The slices at which a condition holds that is known while reading.
fn compress(n: &mut Node, x: Tensor) -> Lowered {
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
fn reverse_sequence(n: &mut Node, x: Tensor, lengths: Tensor) -> Lowered {
    let time = axis_of(n.int("time_axis", 0), x.rank())?;
    let batch = axis_of(n.int("batch_axis", 1), x.rank())?;
    Ok(x.reverse_sequences(&lengths, time, batch))
}

/// The different elements or slices of a tensor known while reading, with first positions, inverse and counts.
fn unique(n: &mut Node) -> Lowered<Outputs> {
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
    let list = |l: &[i64]| OnnxValue::from(Tensor::from_slice(l));
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
