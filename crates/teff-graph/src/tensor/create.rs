//! Making tensors from nothing.

use super::Tensor;
use crate::dtype::{DType, Type};
use crate::op::Op;
use crate::param::Param;
use crate::value::{Element, Num, Value};
use std::sync::Arc;

impl Tensor {
    /// A value given at run time under `name`.
    pub fn input(name: &str, dtype: DType, shape: &[usize]) -> Tensor {
        Tensor::apply(Op::Input { name: name.into(), ty: Type::new(dtype, shape) }, &[])
    }

    /// A value known now.
    pub fn constant(value: impl Into<Arc<Value>>) -> Tensor {
        Tensor::apply(Op::Constant(value.into()), &[])
    }

    /// The value that `param` holds when the graph runs.
    pub fn param(param: &Param) -> Tensor {
        Tensor::apply(Op::Param(param.clone()), &[])
    }

    /// A constant with one axis.
    pub fn from_slice<T: Element>(elements: &[T]) -> Tensor {
        Tensor::constant(Value::new([elements.len()], elements.to_vec()))
    }

    /// A scalar constant.
    pub fn scalar<T: Element>(x: T) -> Tensor {
        Tensor::constant(Value::scalar(x))
    }

    /// All elements `x`, converted to the dtype.
    pub fn full(ty: Type, x: f64) -> Tensor {
        let scalar = Tensor::constant(Value::full(&Type::new(ty.dtype, []), Num::of(x, ty.dtype)));
        if ty.shape.is_empty() { scalar } else { Tensor::apply(Op::Broadcast(ty.shape), &[scalar]) }
    }

    /// All elements `x`, with the type of this tensor.
    pub fn full_like(&self, x: f64) -> Tensor {
        if self.check().is_err() { self.clone() } else { Tensor::full(self.ty(), x) }
    }

    /// f32 zeros.
    pub fn zeros(shape: &[usize]) -> Tensor {
        Tensor::full(Type::new(DType::F32, shape), 0.0)
    }

    /// f32 ones.
    pub fn ones(shape: &[usize]) -> Tensor {
        Tensor::full(Type::new(DType::F32, shape), 1.0)
    }

    /// Each element is its index along `axis`.
    #[track_caller]
    pub fn iota(ty: Type, axis: usize) -> Tensor {
        Tensor::apply(Op::Iota { ty, axis }, &[])
    }

    /// f32 `start, start + step, ...`, `len` of them.
    pub fn arange(start: f64, step: f64, len: usize) -> Tensor {
        Tensor::iota(Type::new(DType::F32, [len]), 0) * step + start
    }

    /// The f32 identity matrix of size n.
    pub fn eye(n: usize) -> Tensor {
        let ty = Type::new(DType::I32, [n, n]);
        Tensor::iota(ty.clone(), 0).equal(Tensor::iota(ty, 1)).cast(DType::F32)
    }

    /// f32 uniform in [0, 1). Equal keys (i64 scalars) give equal numbers.
    #[track_caller]
    pub fn random(key: &Tensor, shape: &[usize]) -> Tensor {
        Tensor::apply(Op::Random { shape: shape.into() }, std::slice::from_ref(key))
    }
}
