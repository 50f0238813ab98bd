//! The operations: shape rule, plain evaluation and gradient of each, side by side, a file a family.

mod conv;
mod index;
mod matmul;
mod movement;
mod pointwise;
mod pool;
mod quantize;
mod recurrence;
mod reduce;
mod source;

use crate::dtype::Type;
use crate::error::{Error, Result};
use crate::op::Op;
use crate::tensor::Tensor;
use crate::value::Value;

pub use pointwise::{binary as eval_binary, unary as eval_unary};
pub use recurrence::result_types as scan_result_types;
pub(crate) use recurrence::{gradient as scan_gradient, result_type as scan_result_type, run as run_scan};
pub use source::random_bits;

/// The type that `op` gives on operands of these types; of a scan, the type of its first result.
///
/// # Errors
/// The shape rule that does not hold.
pub fn infer(op: &Op, operands: &[Type]) -> Result<Type> {
    rule(op, operands).map_err(|reason| Error::new(op.name(), operands.to_vec(), reason))
}

/// Gradients in each operand, `None` where they are zero for certain.
type Gradients = Vec<Option<Tensor>>;

/// A type, or what is wrong with the operands.
type Rule = std::result::Result<Type, String>;

fn rule(op: &Op, operands: &[Type]) -> Rule {
    let arity = arity(op);
    if arity.is_some_and(|n| n != operands.len()) {
        return Err(format!("takes {} operands, not {}", arity.unwrap_or(0), operands.len()));
    }
    let x = |i: usize| &operands[i];
    let ty = match op {
        Op::Input { ty, .. } => Ok(ty.clone()),
        Op::Constant(v) => Ok(v.ty()),
        Op::Param(p) => Ok(p.ty().clone()),
        Op::Iota { ty, axis } => source::iota_rule(ty, *axis),
        Op::Random { shape } => source::random_rule(shape, x(0)),
        Op::Unary(u) => pointwise::unary_rule(*u, x(0)),
        Op::Binary(b) => pointwise::binary_rule(*b, x(0), x(1)),
        Op::Select => pointwise::select_rule(operands),
        Op::Cast(dtype) => Ok(Type::new(*dtype, x(0).shape.clone())),
        Op::Reshape(shape) => movement::reshape_rule(shape, x(0)),
        Op::Permute(perm) => movement::permute_rule(perm, x(0)),
        Op::Broadcast(shape) => movement::broadcast_rule(shape, x(0)),
        Op::Slice(axes) => movement::slice_rule(axes, x(0)),
        Op::Pad(axes) => movement::pad_rule(axes, x(0), x(1)),
        Op::Concat { axis } => movement::concat_rule(*axis, operands),
        Op::Reduce { kind, axes } => reduce::reduce_rule(*kind, axes, x(0)),
        Op::ArgReduce { axis, .. } => reduce::arg_rule(*axis, x(0)),
        Op::MatMul => matmul::rule(x(0), x(1)),
        Op::Conv(g) => conv::conv_rule(g, x(0), x(1)),
        Op::ConvTranspose { geometry, spatial } => conv::transpose_rule(geometry, spatial, x(0), x(1)),
        Op::ConvWeightGrad { geometry, kernel } => conv::weight_grad_rule(geometry, kernel, x(0), x(1)),
        Op::Pool { kind, window } => pool::pool_rule(*kind, window, x(0)),
        Op::SumPoolGrad { window, spatial } => pool::sum_grad_rule(window, spatial, x(0)),
        Op::MaxPoolGrad { window } => pool::max_grad_rule(window, x(0), x(1)),
        Op::Gather { axis } => index::gather_rule(*axis, x(0), x(1)),
        Op::Scatter { axis, .. } => index::scatter_rule(*axis, x(0), x(1), x(2)),
        Op::ArgSort { axis, .. } => index::argsort_rule(*axis, x(0)),
        Op::Quantize { dtype, low, high } => quantize::quantize_rule(*dtype, (*low, *high), x(0), x(1), x(2)),
        Op::Dequantize => quantize::dequantize_rule(x(0), x(1), x(2)),
        Op::Scan(scan) => recurrence::rule(scan, operands),
        Op::Project(_) => Ok(x(0).clone()),
    }?;
    fits_memory(&ty)?;
    Ok(ty)
}

/// That `x` has such an axis.
fn check_axis(axis: usize, x: &Type) -> std::result::Result<(), String> {
    if axis < x.rank() { Ok(()) } else { Err(format!("axis {axis} of an operand with {} axes", x.rank())) }
}

/// No tensor has more axes; as many as NumPy allows.
const MOST_AXES: usize = 64;

fn fits_memory(ty: &Type) -> std::result::Result<(), String> {
    if ty.rank() > MOST_AXES {
        return Err(format!("a result of {} axes; {MOST_AXES} are the most", ty.rank()));
    }
    // An empty axis counts as one, or beside it the others could be so long that strides overflow. An element counts
    // as the widest type, so that a tensor that fits can be cast.
    let bytes = ty.shape.iter().try_fold(8usize, |n, &d| n.checked_mul(d.max(1)));
    match bytes {
        Some(b) if b <= isize::MAX as usize => Ok(()),
        _ => Err(format!("a result of shape {:?} does not fit into memory", ty.shape)),
    }
}

/// How many operands `op` takes; `None` where the number is free.
fn arity(op: &Op) -> Option<usize> {
    match op {
        Op::Input { .. } | Op::Constant(_) | Op::Param(_) | Op::Iota { .. } => Some(0),
        Op::Random { .. } | Op::Unary(_) | Op::Cast(_) => Some(1),
        Op::Reshape(_) | Op::Permute(_) | Op::Broadcast(_) | Op::Slice(_) => Some(1),
        Op::Reduce { .. } | Op::ArgReduce { .. } | Op::ArgSort { .. } | Op::Project(_) => Some(1),
        Op::Pool { .. } | Op::SumPoolGrad { .. } => Some(1),
        Op::Binary(_) | Op::Pad(_) | Op::MatMul | Op::Gather { .. } | Op::MaxPoolGrad { .. } => Some(2),
        Op::Conv(_) | Op::ConvTranspose { .. } | Op::ConvWeightGrad { .. } => Some(2),
        Op::Select | Op::Scatter { .. } | Op::Quantize { .. } | Op::Dequantize => Some(3),
        Op::Concat { .. } | Op::Scan(_) => None,
    }
}

/// What `op` gives on these operands, whose types its shape rule accepts. Slow and plain: the reference for all else.
///
/// # Panics
/// On [`Op::Input`], whose value only the caller of the graph knows, and on [`Op::Scan`] and [`Op::Project`], whose several
/// results [`crate::evaluate`] handles.
pub fn evaluate(op: &Op, operands: &[&Value]) -> Value {
    let types: Vec<Type> = operands.iter().map(|v| v.ty()).collect();
    let ty = infer(op, &types).expect("checked by the shape rule");
    let x = |i: usize| operands[i];
    match op {
        Op::Input { name, .. } => panic!("input {name} is given, not evaluated"),
        Op::Scan(_) | Op::Project(_) => panic!("a scan is evaluated by the graph it is in"),
        Op::Constant(v) => v.as_ref().clone(),
        Op::Param(p) => p.value().clone(),
        Op::Iota { ty, axis } => source::iota(ty, *axis),
        Op::Random { .. } => source::random(&ty, x(0)),
        Op::Unary(u) => pointwise::eval_unary(*u, &ty, x(0)),
        Op::Binary(b) => pointwise::eval_binary(*b, &ty, x(0), x(1)),
        Op::Select => pointwise::eval_select(x(0), x(1), x(2)),
        Op::Cast(_) => Value::from_fn(&ty, |i| x(0).get(i)),
        Op::Reshape(_) => x(0).clone().reshape(ty.shape),
        Op::Permute(perm) => movement::permute(perm, ty, x(0)),
        Op::Broadcast(shape) => movement::broadcast(shape, x(0)),
        Op::Slice(axes) => movement::slice(axes, x(0)),
        Op::Pad(axes) => movement::pad(axes, &ty, x(0), x(1)),
        Op::Concat { axis } => movement::concat(*axis, &ty, operands),
        Op::Reduce { kind, axes } => reduce::reduce(*kind, axes, &ty, x(0)),
        Op::ArgReduce { min, axis, last } => reduce::arg_reduce(*min, *axis, *last, &ty, x(0)),
        Op::MatMul => matmul::matmul(&ty, x(0), x(1)),
        Op::Conv(g) => conv::conv(g, ty, x(0), x(1)),
        Op::ConvTranspose { geometry, .. } => conv::transpose(geometry, ty, x(0), x(1)),
        Op::ConvWeightGrad { geometry, .. } => conv::weight_grad(geometry, ty, x(0), x(1)),
        Op::Pool { kind, window } => pool::pool(*kind, window, &ty, x(0)),
        Op::SumPoolGrad { window, .. } => pool::sum_grad(window, &ty, x(0)),
        Op::MaxPoolGrad { window } => pool::max_grad(window, x(0), x(1)),
        Op::Gather { axis } => index::gather(*axis, ty, x(0), x(1)),
        Op::Scatter { axis, kind } => index::scatter(*axis, *kind, x(0), x(1), x(2)),
        Op::ArgSort { axis, descending } => index::argsort(*axis, *descending, x(0)),
        Op::Quantize { low, high, .. } => quantize::quantize((*low, *high), &ty, x(0), x(1), x(2)),
        Op::Dequantize => quantize::dequantize(&ty, x(0), x(1), x(2)),
    }
}

/// Gradients in each operand of `op`, given `g`, the gradient in its result `out`. `None` where it is zero for certain.
///
/// `out` and `g` are those of one result; a scan has several and goes through [`scan_gradient`] instead.
pub(crate) fn gradient(op: &Op, operands: &[Tensor], out: &Tensor, g: &Tensor) -> Gradients {
    let x = |i: usize| &operands[i];
    match op {
        Op::Input { .. } | Op::Constant(_) | Op::Param(_) | Op::Iota { .. } => vec![],
        Op::Random { .. } | Op::ArgReduce { .. } | Op::ArgSort { .. } => vec![None],
        Op::Unary(u) => vec![pointwise::unary_gradient(*u, x(0), out, g)],
        Op::Binary(b) => pointwise::binary_gradient(*b, x(0), x(1), out, g),
        Op::Select => pointwise::select_gradient(x(0), g),
        Op::Cast(_) => vec![pointwise::cast_gradient(x(0), g)],
        Op::Reshape(_) => vec![Some(g.reshape(x(0).shape()))],
        Op::Permute(perm) => vec![Some(movement::permute_gradient(perm, g))],
        Op::Broadcast(_) => vec![Some(g.sum_to(x(0).shape()))],
        Op::Slice(axes) => vec![Some(movement::slice_gradient(axes, x(0), g))],
        Op::Pad(axes) => movement::pad_gradient(axes, x(0), g),
        Op::Concat { axis } => movement::concat_gradient(*axis, operands, g),
        Op::Reduce { kind, axes } => vec![Some(reduce::reduce_gradient(*kind, axes, x(0), out, g))],
        Op::MatMul => matmul::gradient(x(0), x(1), g),
        Op::Conv(geometry) => conv::conv_gradient(geometry, x(0), x(1), g),
        Op::ConvTranspose { geometry, .. } => conv::transpose_gradient(geometry, x(0), x(1), g),
        Op::ConvWeightGrad { geometry, .. } => conv::weight_grad_gradient(geometry, x(0), x(1), g),
        Op::Pool { kind, window } => vec![pool::pool_gradient(*kind, window, x(0), g)],
        Op::SumPoolGrad { window, .. } => vec![Some(g.pool(crate::PoolKind::Sum, window.clone()))],
        Op::MaxPoolGrad { window } => pool::max_grad_gradient(window, x(1), g),
        Op::Gather { axis } => index::gather_gradient(*axis, x(0), x(1), g),
        Op::Scatter { axis, kind } => index::scatter_gradient(*axis, *kind, operands, out, g),
        Op::Quantize { .. } => vec![None, None, None],
        Op::Dequantize => quantize::dequantize_gradient(x(0), x(1), x(2), g),
        Op::Scan(_) | Op::Project(_) => {
            unreachable!("the gradient of a scan is taken over all its results at once")
        }
    }
}
