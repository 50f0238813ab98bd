//! Operations in dtypes that onnxruntime lacks an operator for, computed in wider ones.

use teff_graph::{DType, Op, Tensor, Type, infer};

/// `op` computed in another dtype, its result taken back to the dtype it has by itself.
pub(crate) fn through(dtype: DType, op: &Op, operands: &[Tensor]) -> Option<Tensor> {
    let types: Vec<Type> = operands.iter().map(Tensor::ty).collect();
    let result = infer(op, &types).ok()?.dtype;
    let wide: Vec<Tensor> = operands.iter().map(|o| o.cast(dtype)).collect();
    Some(Tensor::apply(op.clone(), &wide).cast(result))
}

/// A dtype that onnxruntime has an operator in, where it does not in this one; it has it in those `as_they_are`, in i32 and in i64.
pub(crate) fn wider(dtype: DType, as_they_are: &[DType]) -> Option<DType> {
    match dtype {
        _ if as_they_are.contains(&dtype) => None,
        DType::F32 | DType::F64 | DType::I32 | DType::I64 => None,
        DType::Bool | DType::I8 | DType::U8 | DType::I16 | DType::U16 => Some(DType::I32),
        DType::U32 | DType::U64 => Some(DType::I64),
    }
}

/// A product of matrices where it needs a wider type: taken modulo the narrower one, it is the product in the narrower one.
pub(crate) fn product(a: &Tensor, b: &Tensor) -> Option<Tensor> {
    through(wider(a.dtype(), &[DType::U32, DType::U64])?, &Op::MatMul, &[a.clone(), b.clone()])
}
