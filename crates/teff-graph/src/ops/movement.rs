//! Operations that move elements without computing.

use super::{Gradients, Rule};
use crate::dtype::{Type, broadcast_shape, for_each_index, offset, strides};
use crate::geometry::{PadAxis, SliceAxis};
use crate::tensor::Tensor;
use crate::value::Value;

pub(super) fn reshape_rule(shape: &[usize], x: &Type) -> Rule {
    if shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)) != Some(x.len()) {
        return Err(format!("{} elements do not fill the shape {shape:?}", x.len()));
    }
    Ok(Type::new(x.dtype, shape))
}

pub(super) fn permute_rule(perm: &[usize], x: &Type) -> Rule {
    let mut sorted = perm.to_vec();
    sorted.sort_unstable();
    if sorted != (0..x.rank()).collect::<Vec<_>>() {
        return Err(format!("{perm:?} is not an order of {} axes", x.rank()));
    }
    Ok(Type::new(x.dtype, perm.iter().map(|&a| x.shape[a]).collect::<Vec<_>>()))
}

pub(super) fn permute(perm: &[usize], ty: Type, x: &Value) -> Value {
    let from = strides(x.shape());
    let steps: Vec<usize> = perm.iter().map(|&a| from[a]).collect();
    take_by(x, ty.shape, |index| offset(index, &steps))
}

pub(super) fn permute_gradient(perm: &[usize], g: &Tensor) -> Tensor {
    let mut inverse = vec![0; perm.len()];
    for (i, &a) in perm.iter().enumerate() {
        inverse[a] = i;
    }
    g.permute(&inverse)
}

pub(super) fn broadcast_rule(shape: &[usize], x: &Type) -> Rule {
    if broadcast_shape(&x.shape, shape).as_deref() != Some(shape) {
        return Err(format!("does not broadcast to {shape:?}"));
    }
    Ok(Type::new(x.dtype, shape))
}

pub(super) fn broadcast(shape: &[usize], x: &Value) -> Value {
    let lead = shape.len() - x.shape().len();
    let from = strides(x.shape());
    let steps: Vec<usize> = (0..shape.len())
        .map(|i| if i < lead || x.shape()[i - lead] == 1 { 0 } else { from[i - lead] })
        .collect();
    take_by(x, shape.to_vec(), |index| offset(index, &steps))
}

pub(super) fn slice_rule(axes: &[SliceAxis], x: &Type) -> Rule {
    if axes.len() != x.rank() {
        return Err(format!("{} slices for {} axes", axes.len(), x.rank()));
    }
    for (i, (s, &size)) in axes.iter().zip(&x.shape).enumerate() {
        let last = (s.len as i128 - 1) * s.step as i128 + s.start as i128;
        if s.step == 0 || s.len > 0 && (s.start >= size || last < 0 || last >= size as i128) {
            return Err(format!("{s:?} leaves axis {i}, which has {size} elements"));
        }
    }
    Ok(Type::new(x.dtype, axes.iter().map(|s| s.len).collect::<Vec<_>>()))
}

pub(super) fn slice(axes: &[SliceAxis], x: &Value) -> Value {
    let from = strides(x.shape());
    take_by(x, axes.iter().map(|s| s.len).collect(), |index| {
        index
            .iter()
            .zip(axes)
            .zip(&from)
            .map(|((&i, s), stride)| (s.start as isize + i as isize * s.step) as usize * stride)
            .sum()
    })
}

/// The adjoint of a slice puts the elements back between zeros.
pub(super) fn slice_gradient(axes: &[SliceAxis], x: &Tensor, g: &Tensor) -> Tensor {
    let forward: Vec<SliceAxis> = axes
        .iter()
        .map(|s| SliceAxis {
            start: if s.step < 0 { s.len.saturating_sub(1) } else { 0 },
            step: s.step.signum(),
            len: s.len,
        })
        .collect();
    let pads = axes
        .iter()
        .zip(x.shape())
        .map(|(s, &size)| {
            if s.len == 0 {
                return PadAxis { low: size, high: 0, interior: 0 };
            }
            let span = (s.len - 1) * s.step.unsigned_abs();
            let low = if s.step < 0 { s.start - span } else { s.start };
            PadAxis { low, high: size - low - span - 1, interior: s.step.unsigned_abs() - 1 }
        })
        .collect();
    g.slice_axes(forward).pad_axes(pads, 0.0)
}

pub(super) fn pad_rule(axes: &[PadAxis], x: &Type, fill: &Type) -> Rule {
    if axes.len() != x.rank() {
        return Err(format!("{} paddings for {} axes", axes.len(), x.rank()));
    }
    if *fill != Type::new(x.dtype, []) {
        return Err(format!("the fill must be a scalar of {}", x.dtype));
    }
    let size = |(p, &n): (&PadAxis, &usize)| {
        let gaps = n.saturating_sub(1).checked_mul(p.interior)?;
        n.checked_add(gaps)?.checked_add(p.low)?.checked_add(p.high)
    };
    let shape: Option<Vec<usize>> = axes.iter().zip(&x.shape).map(size).collect();
    Ok(Type::new(x.dtype, shape.ok_or("the padding is too large")?))
}

pub(super) fn pad(axes: &[PadAxis], ty: &Type, x: &Value, fill: &Value) -> Value {
    let from = strides(x.shape());
    let mut at = Vec::with_capacity(ty.len());
    for_each_index(&ty.shape, |index| {
        let mut position = Some(0);
        for (axis, (p, &i)) in axes.iter().zip(index).enumerate() {
            let step = p.interior + 1;
            let inside = i.checked_sub(p.low).filter(|d| d % step == 0 && d / step < x.shape()[axis]);
            position = position.zip(inside).map(|(sum, d)| sum + d / step * from[axis]);
        }
        at.push(position);
    });
    Value::from_fn(ty, |i| at[i].map_or(fill.get(0), |p| x.get(p)))
}

pub(super) fn pad_gradient(axes: &[PadAxis], x: &Tensor, g: &Tensor) -> Gradients {
    let slices = axes
        .iter()
        .zip(x.shape())
        .map(|(p, &len)| SliceAxis {
            start: if len == 0 { 0 } else { p.low },
            step: p.interior as isize + 1,
            len,
        })
        .collect();
    let inside = g.slice_axes(slices);
    let fill = g.sum_to(&[]) - inside.sum_to(&[]);
    vec![Some(inside), Some(fill)]
}

pub(super) fn concat_rule(axis: usize, operands: &[Type]) -> Rule {
    let first = operands.first().ok_or("needs at least one operand")?;
    if axis >= first.rank() {
        return Err(format!("axis {axis} of operands with {} axes", first.rank()));
    }
    let mut shape = first.shape.clone();
    shape[axis] = 0;
    for x in operands {
        let fits = x.dtype == first.dtype && x.rank() == first.rank();
        if !fits || (0..x.rank()).any(|i| i != axis && x.shape[i] != first.shape[i]) {
            return Err(format!("operands must have one dtype and agree on all axes but {axis}"));
        }
        shape[axis] = shape[axis].checked_add(x.shape[axis]).ok_or("the result is too large")?;
    }
    Ok(Type::new(first.dtype, shape))
}

pub(super) fn concat(axis: usize, ty: &Type, operands: &[&Value]) -> Value {
    let mut at = Vec::with_capacity(ty.len());
    for_each_index(&ty.shape, |index| {
        let mut index = index.to_vec();
        let mut which = 0;
        while index[axis] >= operands[which].shape()[axis] {
            index[axis] -= operands[which].shape()[axis];
            which += 1;
        }
        at.push((which, offset(&index, &strides(operands[which].shape()))));
    });
    Value::from_fn(ty, |i| operands[at[i].0].get(at[i].1))
}

pub(super) fn concat_gradient(axis: usize, operands: &[Tensor], g: &Tensor) -> Gradients {
    let mut start = 0;
    operands
        .iter()
        .map(|x| {
            let len = x.shape()[axis];
            let part = g.narrow(axis, start, len);
            start += len;
            Some(part)
        })
        .collect()
}

/// A value of `shape` whose element at each index is the element of `x` at `position(index)`.
fn take_by(x: &Value, shape: Vec<usize>, position: impl Fn(&[usize]) -> usize) -> Value {
    let mut at = Vec::with_capacity(shape.iter().product());
    for_each_index(&shape, |index| at.push(position(index)));
    x.take(shape, &at)
}
