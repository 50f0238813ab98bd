//! Axes and sizes as files have them: integers, negative axes counted from the back. What does not exist is a fault.

use crate::error::{Fault, Lowered};
use crate::invalid;
use teff_graph::broadcast_shape;

/// Integers as sizes.
pub fn sizes(list: &[i64], what: &str) -> Lowered<Vec<usize>> {
    list.iter()
        .map(|&n| usize::try_from(n).map_err(|_| Fault::Invalid(format!("{what} has the negative size {n}"))))
        .collect()
}

/// `axis` counted from the front of a tensor with `rank` axes.
pub fn axis_of(axis: i64, rank: usize) -> Lowered<usize> {
    let from_front = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
    match usize::try_from(from_front) {
        Ok(a) if a < rank => Ok(a),
        _ => invalid!("axis {axis} of a tensor with {rank} axes"),
    }
}

/// The axes of a list in its order, counted from the front; all axes without a list.
pub fn listed_or_all(list: Option<&[i64]>, rank: usize) -> Lowered<Vec<usize>> {
    match list {
        Some(list) => list.iter().map(|&a| axis_of(a, rank)).collect(),
        None => Ok((0..rank).collect()),
    }
}

/// Axes counted from the front, ascending, each once however often it is named.
pub fn axes_of(axes: &[i64], rank: usize) -> Lowered<Vec<usize>> {
    let mut out = listed_or_all(Some(axes), rank)?;
    out.sort_unstable();
    out.dedup();
    Ok(out)
}

/// The shape both broadcast to.
pub fn common_shape(a: &[usize], b: &[usize]) -> Lowered<Vec<usize>> {
    broadcast_shape(a, b)
        .ok_or_else(|| Fault::Invalid(format!("the shapes {a:?} and {b:?} do not broadcast")))
}
