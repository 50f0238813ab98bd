//! Picking, writing and sorting by index.

use super::{Gradients, Rule};
use crate::dtype::{DType, Type, strides};
use crate::op::{Binary, ScatterKind};
use crate::ops::pointwise::binary;
use crate::tensor::Tensor;
use crate::value::{Num, Value};

pub(super) fn gather_rule(axis: usize, x: &Type, indices: &Type) -> Rule {
    check(axis, x, indices)?;
    if x.shape[axis] == 0 && !indices.is_empty() {
        return Err(format!("nothing to pick: axis {axis} is empty"));
    }
    let mut shape = x.shape.clone();
    shape[axis] = indices.len();
    Ok(Type::new(x.dtype, shape))
}

fn check(axis: usize, x: &Type, indices: &Type) -> std::result::Result<(), String> {
    if !indices.dtype.is_int() || indices.rank() != 1 {
        return Err("the indices must be integers with one axis".into());
    }
    super::check_axis(axis, x)
}

/// An array seen as `[outer, n, inner]` around an axis of n elements.
struct Axis {
    n: usize,
    inner: usize,
}

impl Axis {
    fn of(shape: &[usize], axis: usize) -> Axis {
        Axis { n: shape[axis], inner: strides(shape)[axis] }
    }

    /// Index along the axis of the element at `position`.
    fn index(&self, position: usize) -> usize {
        position / self.inner % self.n
    }

    /// The position in an array with `n` elements on the axis that has index `k` there and is like `position` elsewhere.
    fn moved(&self, position: usize, n: usize, k: usize) -> usize {
        (position / self.inner / self.n * n + k) * self.inner + position % self.inner
    }
}

pub(super) fn gather(axis: usize, ty: Type, x: &Value, indices: &Value) -> Value {
    let (from, to) = (Axis::of(x.shape(), axis), Axis::of(&ty.shape, axis));
    let pick = |i: usize| indices.get(i).as_int().clamp(0, from.n as i128 - 1) as usize;
    let at: Vec<usize> = (0..ty.len()).map(|p| to.moved(p, from.n, pick(to.index(p)))).collect();
    x.take(ty.shape, &at)
}

pub(super) fn gather_gradient(axis: usize, x: &Tensor, indices: &Tensor, g: &Tensor) -> Gradients {
    // A clamped index reads, and so passes gradient to, the nearest element inside.
    let last = x.shape()[axis] as f64 - 1.0;
    let inside = indices.clip(0.0, last);
    vec![Some(x.full_like(0.0).scatter(&inside, g, axis, ScatterKind::Add)), None]
}

pub(super) fn scatter_rule(axis: usize, x: &Type, indices: &Type, updates: &Type) -> Rule {
    check(axis, x, indices)?;
    let mut expected = x.clone();
    expected.shape[axis] = indices.len();
    if *updates != expected {
        return Err(format!("the updates must be {expected}"));
    }
    Ok(x.clone())
}

pub(super) fn scatter(axis: usize, kind: ScatterKind, x: &Value, indices: &Value, updates: &Value) -> Value {
    let (to, from) = (Axis::of(x.shape(), axis), Axis::of(updates.shape(), axis));
    let mut out: Vec<Num> = (0..x.len()).map(|i| x.get(i)).collect();
    for p in 0..updates.len() {
        let index = indices.get(from.index(p)).as_int();
        if !(0..to.n as i128).contains(&index) {
            continue;
        }
        let there = &mut out[from.moved(p, to.n, index as usize)];
        let with = |op: Binary| binary(op, *there, updates.get(p), x.dtype());
        *there = match kind {
            ScatterKind::Set => updates.get(p),
            ScatterKind::Add => with(Binary::Add),
            ScatterKind::Mul => with(Binary::Mul),
            ScatterKind::Max => with(Binary::Max),
            ScatterKind::Min => with(Binary::Min),
        };
    }
    Value::from_fn(&x.ty(), |i| out[i])
}

pub(super) fn scatter_gradient(
    axis: usize,
    kind: ScatterKind,
    operands: &[Tensor],
    out: &Tensor,
    g: &Tensor,
) -> Gradients {
    let (x, indices, updates) = (&operands[0], &operands[1], &operands[2]);
    // An index outside wrote nothing, so its update has no gradient.
    let size = x.shape()[axis] as f64;
    let inside = indices.greater_equal(0.0).and(indices.less(size));
    let mask = inside.along_axis(axis, x.rank()).broadcast_to(updates.shape()).cast(g.dtype());
    let back = |t: &Tensor| t.gather(indices, axis) * &mask;
    let (dx, du) = match kind {
        ScatterKind::Add => (g.clone(), back(g)),
        // Of several updates to one place only the last stays; `last` marks it by writing the number of each update.
        ScatterKind::Set => {
            let number = Tensor::iota(Type::new(DType::I64, updates.shape()), axis);
            let none = Tensor::full(Type::new(DType::I64, x.shape()), -1.0);
            let winner = none.scatter(indices, &number, axis, ScatterKind::Set);
            let untouched = winner.equal(&none).select(g, 0.0);
            let won = winner.gather(indices, axis).equal(&number).cast(g.dtype());
            (untouched, back(g) * won)
        }
        ScatterKind::Mul => (g * out / x, back(&(g * out)) / updates),
        ScatterKind::Max | ScatterKind::Min => {
            let stayed = x.equal(out).cast(g.dtype());
            let won = back(&out.full_like(1.0)) * out.gather(indices, axis).equal(updates).cast(g.dtype());
            let sharers = stayed.scatter(indices, &won, axis, ScatterKind::Add);
            (g * &stayed / &sharers, back(&(g / sharers)) * won)
        }
    };
    vec![Some(dx), None, Some(du)]
}

pub(super) fn argsort_rule(axis: usize, x: &Type) -> Rule {
    super::check_axis(axis, x)?;
    Ok(Type::new(DType::I64, x.shape.clone()))
}

pub(super) fn argsort(axis: usize, descending: bool, x: &Value) -> Value {
    let around = Axis::of(x.shape(), axis);
    let mut out = vec![0; x.len()];
    for first in (0..x.len()).filter(|&p| around.index(p) == 0) {
        let at = |k: usize| around.moved(first, around.n, k);
        let mut order: Vec<usize> = (0..around.n).collect();
        order.sort_by(|&a, &b| {
            let by = x.get(at(a)).compare(x.get(at(b)));
            if descending { by.reverse() } else { by }
        });
        order.into_iter().enumerate().for_each(|(k, index)| out[at(k)] = index);
    }
    Value::from_fn(&Type::new(DType::I64, x.shape()), |i| Num::Int(out[i] as i128))
}
