//! Products of 64 bits of which only the upper half is wanted, on machines that have to put them together.

use crate::program::{Buffer, Expr, Place, Program, map_exprs};
use std::sync::Arc;
use teff_graph::{Binary, DType, Num, Type, Value};

/// `(a * m + 2^(n-1)) >> n` with a and m of 32 bits, m not negative and n more than 32, is made of the upper half of the product: what is
/// added has no bits in the lower half, and what is shifted out of that half carries nothing.
pub(super) fn shorten(program: &mut Program) {
    narrow_constants(program);
    fold_tables(program);
    let Program { kernels, buffers, .. } = program;
    for kernel in kernels {
        map_exprs(&mut kernel.body, &mut |e| {
            if let Some(shorter) = shortened(e, buffers) {
                *e = shorter;
            }
        });
    }
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

fn shortened(e: &Expr, buffers: &[Buffer]) -> Option<Expr> {
    let Expr::Cast(DType::I32, e) = e else { return None };
    let Expr::Binary(Binary::Shr, rounded, n) = &**e else { return None };
    let Expr::Binary(Binary::Add, product, half) = &**rounded else { return None };
    let Expr::Binary(Binary::Mul, a, m) = &**product else { return None };
    let n = constant(n).filter(|n| (1..=63).contains(n))?;
    if constant(half)? != 1 << (n - 1) || e.dtype() != DType::I64 {
        return None;
    }
    let (a, m) = (word(a)?, factor(m, buffers)?);
    // A factor with room above takes a power of two that the shift takes back.
    let up = (33 - n).max(0);
    let (m, n) = match &m {
        _ if up == 0 => (m, n),
        m => (Expr::int(DType::I32, constant(m).map(|m| m << up).filter(|m| *m < 1 << 31)? as i64), n + up),
    };
    let high = Expr::MulHigh(Box::new([a, m]));
    let rounded = Expr::binary(Binary::Add, high, Expr::int(DType::I32, 1 << (n - 33)));
    Some(Expr::binary(Binary::Shr, rounded, Expr::int(DType::I32, (n - 32) as i64)))
}

fn constant(e: &Expr) -> Option<i128> {
    match e {
        Expr::Const(s) => match s.get() {
            Num::Int(n) => Some(n),
            Num::Float(_) => None,
        },
        _ => None,
    }
}

/// What was widened from 32 bits.
fn word(e: &Expr) -> Option<Expr> {
    match e {
        Expr::Cast(DType::I64, x) if x.dtype() == DType::I32 => Some((**x).clone()),
        _ => None,
    }
}

/// A factor of 32 bits that is known not to be negative.
fn factor(e: &Expr, buffers: &[Buffer]) -> Option<Expr> {
    if let Some(m) = constant(e) {
        return (0..1 << 31).contains(&m).then(|| Expr::int(DType::I32, m as i64));
    }
    let x = word(e)?;
    let Expr::Load(id, ..) = &x else { return None };
    let Place::Constant(all) = &buffers[id.index()].place else { return None };
    (0..all.len()).all(|i| all.get(i).as_int() >= 0).then_some(x)
}
