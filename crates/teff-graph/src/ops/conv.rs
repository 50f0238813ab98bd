//! Convolution and its two adjoints. All three walk the same list of (output, tap, input) triples.

use super::{Gradients, Rule};
use crate::dtype::{DType, Type, for_each_index, offset, strides};
use crate::geometry::ConvGeometry;
use crate::tensor::Tensor;
use crate::value::{Num, Value};

pub(super) fn conv_rule(g: &ConvGeometry, x: &Type, w: &Type) -> Rule {
    check(g, x, w)?;
    check_groups(g, w.shape[0])?;
    if w.shape[1].checked_mul(g.groups) != Some(x.shape[1]) {
        return Err(format!(
            "the input has {} channels, the weights expect {} in {} groups",
            x.shape[1], w.shape[1], g.groups
        ));
    }
    let mut shape = vec![x.shape[0], w.shape[0]];
    shape.extend(g.window(&w.shape[2..]).output(&x.shape[2..])?);
    Ok(Type::new(x.dtype, shape))
}

/// What holds for any two of input, weights and output.
fn check(g: &ConvGeometry, a: &Type, b: &Type) -> std::result::Result<(), String> {
    if a.dtype != b.dtype || a.dtype == DType::Bool {
        return Err("both operands must be numbers of one dtype".into());
    }
    if a.rank() < 2 || a.rank() != b.rank() {
        return Err("both operands must have the same number of axes, at least 2".into());
    }
    if g.groups == 0 {
        return Err("needs at least one group".into());
    }
    Ok(())
}

fn check_groups(g: &ConvGeometry, outputs: usize) -> std::result::Result<(), String> {
    match outputs % g.groups {
        0 => Ok(()),
        _ => Err(format!("{outputs} output channels do not divide into {} groups", g.groups)),
    }
}

pub(super) fn transpose_rule(g: &ConvGeometry, spatial: &[usize], y: &Type, w: &Type) -> Rule {
    check(g, y, w)?;
    check_groups(g, w.shape[0])?;
    let expected = g.window(&w.shape[2..]).output(spatial)?;
    if y.shape[1] != w.shape[0] || y.shape[2..] != expected[..] {
        return Err(format!(
            "the operand must be [N, {}] followed by {expected:?} to give {spatial:?}",
            w.shape[0]
        ));
    }
    let channels = w.shape[1].checked_mul(g.groups).ok_or("the result has too many channels")?;
    let mut shape = vec![y.shape[0], channels];
    shape.extend(spatial);
    Ok(Type::new(y.dtype, shape))
}

pub(super) fn weight_grad_rule(g: &ConvGeometry, kernel: &[usize], x: &Type, y: &Type) -> Rule {
    check(g, x, y)?;
    check_groups(g, y.shape[1])?;
    if !x.shape[1].is_multiple_of(g.groups) {
        return Err(format!("{} input channels do not divide into {} groups", x.shape[1], g.groups));
    }
    let expected = g.window(kernel).output(&x.shape[2..])?;
    if x.shape[0] != y.shape[0] || y.shape[2..] != expected[..] {
        return Err(format!("the second operand must be [{}, O] followed by {expected:?}", x.shape[0]));
    }
    let mut shape = vec![y.shape[1], x.shape[1] / g.groups];
    shape.extend(kernel);
    Ok(Type::new(x.dtype, shape))
}

/// Calls `f(x, w, y)` with the positions of every product of the convolution x * w = y.
fn for_each_product(
    g: &ConvGeometry,
    x: &[usize],
    w: &[usize],
    y: &[usize],
    mut f: impl FnMut(usize, usize, usize),
) {
    let (xs, ws, ys) = (strides(x), strides(w), strides(y));
    let window = g.window(&w[2..]);
    let per_group = w[0] / g.groups;
    for_each_index(y, |out| {
        for_each_index(&w[1..], |tap| {
            let mut x_at = out[0] * xs[0] + (out[1] / per_group * w[1] + tap[0]) * xs[1];
            for axis in 0..x.len() - 2 {
                match window.tap(axis, out[axis + 2], tap[axis + 1], x[axis + 2]) {
                    Some(i) => x_at += i * xs[axis + 2],
                    None => return,
                }
            }
            f(x_at, out[1] * ws[0] + offset(tap, &ws[1..]), offset(out, &ys));
        });
    });
}

/// Sums `a[i] * b[j]` into element `k` of the result for every (i, j, k) that `visit` names.
fn accumulate(
    ty: Type,
    a: &Value,
    b: &Value,
    visit: impl FnOnce(&mut dyn FnMut(usize, usize, usize)),
) -> Value {
    if ty.dtype.is_float() {
        let (a, b) = (a.to_f64(), b.to_f64());
        let mut sums = vec![0.0; ty.len()];
        visit(&mut |i, j, k| sums[k] += a[i] * b[j]);
        Value::from_fn(&ty, |i| Num::Float(sums[i]))
    } else {
        let (a, b) = (a.to_i64(), b.to_i64());
        let mut sums = vec![0i64; ty.len()];
        visit(&mut |i, j, k| sums[k] = sums[k].wrapping_add(a[i].wrapping_mul(b[j])));
        Value::from_fn(&ty, |i| Num::Int(sums[i] as i128))
    }
}

pub(super) fn conv(g: &ConvGeometry, ty: Type, x: &Value, w: &Value) -> Value {
    let shape = ty.shape.clone();
    accumulate(ty, x, w, |f| for_each_product(g, x.shape(), w.shape(), &shape, f))
}

pub(super) fn transpose(g: &ConvGeometry, ty: Type, y: &Value, w: &Value) -> Value {
    let shape = ty.shape.clone();
    accumulate(ty, y, w, |f| for_each_product(g, &shape, w.shape(), y.shape(), |x, w, y| f(y, w, x)))
}

pub(super) fn weight_grad(g: &ConvGeometry, ty: Type, x: &Value, y: &Value) -> Value {
    let shape = ty.shape.clone();
    accumulate(ty, x, y, |f| for_each_product(g, x.shape(), &shape, y.shape(), |x, w, y| f(x, y, w)))
}

pub(super) fn conv_gradient(g: &ConvGeometry, x: &Tensor, w: &Tensor, dy: &Tensor) -> Gradients {
    vec![
        Some(dy.conv_adjoint(w, g.clone(), x.shape().get(2..).unwrap_or_default())),
        Some(x.conv_weight_grad(dy, g.clone(), w.shape().get(2..).unwrap_or_default())),
    ]
}

pub(super) fn transpose_gradient(g: &ConvGeometry, y: &Tensor, w: &Tensor, dx: &Tensor) -> Gradients {
    vec![
        Some(dx.conv_general(w, g.clone())),
        Some(dx.conv_weight_grad(y, g.clone(), w.shape().get(2..).unwrap_or_default())),
    ]
}

pub(super) fn weight_grad_gradient(g: &ConvGeometry, x: &Tensor, y: &Tensor, dw: &Tensor) -> Gradients {
    vec![
        Some(y.conv_adjoint(dw, g.clone(), x.shape().get(2..).unwrap_or_default())),
        Some(x.conv_general(dw, g.clone())),
    ]
}
