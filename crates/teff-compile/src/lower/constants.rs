//! Constants as they are best stored.

use crate::program::{Expr, Place, Program, map_exprs};
use std::sync::Arc;
use teff_graph::{DType, Type, Value};

/// Stores integers of 64 bits that fit 32 as such, and writes elements at known positions as numbers.
pub(super) fn store(program: &mut Program) {
    narrow_constants(program);
    fold_tables(program);
}

/// Elements of constants whose positions are known are constants, as compilers know too.
fn fold_tables(program: &mut Program) {
    let Program { kernels, buffers, .. } = program;
    for kernel in kernels {
        map_exprs(&mut kernel.body, &mut |e| {
            if let Expr::Load(id, dtype, at) = e
                && let (Some(at), Place::Constant(value)) = (at.as_constant(), &buffers[id.index()].place)
            {
                *e = Expr::constant(*dtype, value.get(at as usize));
            }
        });
    }
}

/// Constants of 64 bits that fit 32 are stored as such.
fn narrow_constants(program: &mut Program) {
    let mut narrowed = vec![false; program.buffers.len()];
    for (b, narrowed) in program.buffers.iter_mut().zip(&mut narrowed) {
        let Place::Constant(value) = &b.place else { continue };
        let fits = |i: usize| i32::try_from(value.get(i).as_int()).is_ok();
        if b.ty.dtype != DType::I64 || !(0..value.len()).all(fits) {
            continue;
        }
        let ty = Type::new(DType::I32, b.ty.shape.clone());
        b.place = Place::Constant(Arc::new(Value::from_fn(&ty, |i| value.get(i))));
        (b.ty, b.align, *narrowed) = (ty, 4, true);
    }
    for kernel in &mut program.kernels {
        map_exprs(&mut kernel.body, &mut |e| {
            if let Expr::Load(id, dtype @ DType::I64, _) = e
                && narrowed[id.index()]
            {
                *dtype = DType::I32;
                *e = e.clone().cast(DType::I64);
            }
        });
    }
}
