//! Matrix products.

use super::{Gradients, Rule};
use crate::dtype::{DType, Type};
use crate::tensor::Tensor;
use crate::value::{Num, Value};

pub(super) fn rule(a: &Type, b: &Type) -> Rule {
    if a.dtype != b.dtype || a.dtype == DType::Bool {
        return Err("both operands must be numbers of one dtype".into());
    }
    if a.rank() < 2 || a.rank() != b.rank() {
        return Err("both operands must have the same number of axes, at least 2".into());
    }
    let batch = a.rank() - 2;
    if a.shape[..batch] != b.shape[..batch] {
        return Err("the batch axes differ".into());
    }
    let (k, k2) = (a.shape[batch + 1], b.shape[batch]);
    if k != k2 {
        return Err(format!("the inner sizes differ: {k} columns on the left, {k2} rows on the right"));
    }
    let mut shape = a.shape[..=batch].to_vec();
    shape.push(b.shape[batch + 1]);
    Ok(Type::new(a.dtype, shape))
}

pub(super) fn matmul(ty: &Type, a: &Value, b: &Value) -> Value {
    let rank = ty.rank();
    let (m, n, k) = (ty.shape[rank - 2], ty.shape[rank - 1], a.shape()[rank - 1]);
    // Where element i of the result finds its row of a and its column of b.
    let row = |i: usize| i / n * k;
    let column = |i: usize| i / (m * n).max(1) * k * n + i % n;
    if ty.dtype.is_float() {
        let (a, b) = (a.to_f64(), b.to_f64());
        Value::from_fn(ty, |i| Num::Float((0..k).map(|j| a[row(i) + j] * b[column(i) + j * n]).sum()))
    } else {
        // Wrapping i64 arithmetic is exact modulo 2^64, and so modulo the range of any narrower type.
        let (a, b) = (a.to_i64(), b.to_i64());
        Value::from_fn(ty, |i| {
            let products = (0..k).map(|j| a[row(i) + j].wrapping_mul(b[column(i) + j * n]));
            Num::Int(products.fold(0i64, i64::wrapping_add) as i128)
        })
    }
}

pub(super) fn gradient(a: &Tensor, b: &Tensor, g: &Tensor) -> Gradients {
    vec![Some(g.matmul(&b.transpose())), Some(a.transpose().matmul(g))]
}
