//! Picking by index.

use super::{Lower::Many, Lower::One, Table};
use crate::read::held::Held;
use crate::read::node::{Lowered, Node, axis_of, cast_to, invalid, unsupported};
use crate::schema::{gather_options, one_hot_options};
use teff_graph::{DType, Tensor, Type, strides};

pub(super) const TABLE: Table = &[
    ("EMBEDDING_LOOKUP", One(embedding_lookup)),
    ("GATHER", One(gather)),
    ("GATHER_ND", One(gather_nd)),
    ("ONE_HOT", One(one_hot)),
    ("TOPK_V2", Many(top_k)),
];

fn indices(n: &Node, i: usize) -> Lowered {
    let t = n.x(i)?;
    if t.dtype().is_int() { Ok(t) } else { invalid(format!("its indices (input {i}) are {}", t.dtype())) }
}

fn embedding_lookup(n: &mut Node) -> Lowered<Held> {
    let (ids, table) = (indices(n, 0)?, n.real_plain(1)?);
    Ok(Held::plain(table.take(&ids, 0)))
}

fn gather(n: &mut Node) -> Lowered<Held> {
    use gather_options as o;
    let options = n.options(o::UNION)?;
    if options.get(o::BATCH_DIMS)? != 0 {
        return unsupported("batch_dims other than 0", "convert with a gather along one axis");
    }
    let (x, indices) = (n.x(0)?, indices(n, 1)?);
    let axis = axis_of(options.get(o::AXIS)?.into(), x.rank())?;
    Ok(Held::plain(x.take(&indices, axis)))
}

/// The last axis of the indices names a place along as many leading axes of x.
fn gather_nd(n: &mut Node) -> Lowered<Held> {
    let (x, indices) = (n.x(0)?, indices(n, 1)?);
    let depth = match indices.shape().last() {
        Some(&depth) if depth <= x.rank() => depth,
        _ => return invalid(format!("its indices {} for its input {}", indices.ty(), x.ty())),
    };
    let (lead, rest) = x.shape().split_at(depth);
    let last = indices.rank() - 1;
    let outer = &indices.shape()[..last];
    let steps = strides(lead);
    let zero = Tensor::full(Type::new(DType::I64, outer), 0.0);
    let at = (0..depth).fold(zero, |sum, i| sum + indices.pick(last, i).cast(DType::I64) * steps[i] as f64);
    let rows = x.reshape(&[&[lead.iter().product()], rest].concat());
    Ok(Held::plain(rows.take(&at, 0)))
}

fn one_hot(n: &mut Node) -> Lowered<Held> {
    let axis = n.options(one_hot_options::UNION)?.get(one_hot_options::AXIS)?;
    let (indices, depth) = (indices(n, 0)?, n.int(1, "depth")?);
    let (on, off) = (n.x(2)?, n.x(3)?);
    let Some(depth) = usize::try_from(depth).ok().filter(|&d| d <= 1 << 24) else {
        return invalid(format!("a depth of {depth}"));
    };
    let axis = axis_of(axis.into(), indices.rank() + 1)?;
    let mut shape = indices.shape().to_vec();
    shape.insert(axis, depth);
    let counted = Tensor::iota(Type::new(DType::I64, shape), axis);
    let hot = counted.equal(&indices.cast(DType::I64).unsqueeze(axis as isize));
    Ok(Held::plain(hot.select(&on, &off)))
}

fn top_k(n: &mut Node) -> Lowered<Vec<Held>> {
    let (x, k) = (n.x(0)?, n.int(1, "k")?);
    let longest = x.shape().last().copied().unwrap_or(0);
    let Some(k) = usize::try_from(k).ok().filter(|&k| k <= longest) else {
        return invalid(format!("the {k} largest of {longest} elements"));
    };
    let (values, indices) = x.top_k(k, -1);
    let indices = match n.output_count() {
        2 => cast_to(indices, n.output_info(1)?)?,
        count => return invalid(format!("{count} outputs where there are two")),
    };
    Ok(vec![Held::plain(values), Held::plain(indices)])
}
