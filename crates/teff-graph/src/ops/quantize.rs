//! Between floats and the integers that stand for them.
//!
//! Rounding is that of ONNX QuantizeLinear: to nearest, halves to even.

use super::{Gradients, Rule};
use crate::dtype::{DType, Type, for_each_index, offset, strides};
use crate::tensor::Tensor;
use crate::value::{Num, Value};

pub(super) fn quantize_rule(
    dtype: DType,
    (low, high): (i32, i32),
    x: &Type,
    scale: &Type,
    zero: &Type,
) -> Rule {
    let range = dtype.int_range().filter(|_| dtype.is_int()).ok_or("the result must be an integer type")?;
    if low > high || (low as i128) < range.0 || (high as i128) > range.1 {
        return Err(format!("results from {low} to {high} do not fit into {dtype}"));
    }
    if !x.dtype.is_float() || scale.dtype != x.dtype || zero.dtype != dtype {
        return Err(format!("takes x and scale of one float type and a zero point of {dtype}"));
    }
    blocks(x, scale, zero)?;
    Ok(Type::new(dtype, x.shape.clone()))
}

pub(super) fn dequantize_rule(q: &Type, scale: &Type, zero: &Type) -> Rule {
    if !q.dtype.is_int() || !scale.dtype.is_float() || zero.dtype != q.dtype {
        return Err("takes q and zero point of one integer type and a float scale".into());
    }
    blocks(q, scale, zero)?;
    Ok(Type::new(scale.dtype, q.shape.clone()))
}

/// Scale and zero point serve blocks of x.
fn blocks(x: &Type, scale: &Type, zero: &Type) -> std::result::Result<(), String> {
    let divides = |(&block, &n): (&usize, &usize)| block != 0 && n % block == 0 || block == n;
    if scale.shape != zero.shape || scale.rank() != x.rank() || !scale.shape.iter().zip(&x.shape).all(divides)
    {
        return Err(
            "scale and zero point must have one shape, with as many axes as x and sizes that divide x's"
                .into(),
        );
    }
    Ok(())
}

/// For each element of `x`, the position of its scale.
fn scale_positions(x: &[usize], scale: &[usize]) -> Vec<usize> {
    let steps = strides(scale);
    let mut at = Vec::with_capacity(x.iter().product());
    for_each_index(x, |index| {
        let block: Vec<usize> = (0..x.len()).map(|i| index[i] / (x[i] / scale[i])).collect();
        at.push(offset(&block, &steps));
    });
    at
}

pub(super) fn quantize((low, high): (i32, i32), ty: &Type, x: &Value, scale: &Value, zero: &Value) -> Value {
    let at = scale_positions(x.shape(), scale.shape());
    Value::from_fn(ty, |i| {
        let ratio = x.get(i).as_f64() / scale.get(at[i]).as_f64();
        // The quotient is rounded to x's dtype before it is rounded to an integer, as a float division does.
        let ratio = if x.dtype() == DType::F32 { ratio as f32 as f64 } else { ratio };
        let q = Num::Float(ratio.round_ties_even()).as_int().saturating_add(zero.get(at[i]).as_int());
        Num::Int(q.clamp(low as i128, high as i128))
    })
}

pub(super) fn dequantize(ty: &Type, q: &Value, scale: &Value, zero: &Value) -> Value {
    let at = scale_positions(q.shape(), scale.shape());
    Value::from_fn(ty, |i| {
        let difference = (q.get(i).as_int() - zero.get(at[i]).as_int()) as i32;
        Num::Float(difference as f64 * scale.get(at[i]).as_f64())
    })
}

/// Only the scale is continuous: its gradient is the sum of g * (q - zero) over its block.
pub(super) fn dequantize_gradient(q: &Tensor, scale: &Tensor, zero: &Tensor, g: &Tensor) -> Gradients {
    let one = scale.full_like(1.0);
    let steps = q.dequantize(&one, zero);
    // Each axis split into blocks and the elements of a block, which are summed away.
    let split: Vec<usize> = q.shape().iter().zip(scale.shape()).flat_map(|(n, b)| [*b, n / b]).collect();
    let inside: Vec<usize> = (0..q.rank()).map(|i| 2 * i + 1).collect();
    let sums = (g * steps).reshape(&split).reduce(crate::ReduceKind::Sum, &inside);
    vec![None, Some(sums.reshape(scale.shape())), None]
}
