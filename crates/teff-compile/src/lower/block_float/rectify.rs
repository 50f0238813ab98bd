//! Rectifiers by integers: the bits of floats, read as signed integers, are in the order of the floats where those are not negative, and
//! below zero where they are. One comparison of integers takes a few cycles, one of software floats about forty.

use super::running::int;
use crate::program::{Expr, Kernel, Stmt, Var, VarInfo, VarKind, parts_mut, replace_stmts};
use teff_graph::{Binary, DType, Num};

/// The bits of minus infinity: those of every negative float are less, and of every NaN with a sign greater.
const MINUS_INFINITY: i64 = -0x80_0000;
/// The bits of infinity: those of NaN without a sign are greater.
const INFINITY: i64 = 0x7f80_0000;

/// Writes maxima with zero and minima with positive constants as choices by integers.
pub(in crate::lower) fn rectify(kernel: &mut Kernel) {
    let Kernel { vars, body, .. } = kernel;
    replace_stmts(body, &mut |mut stmt| {
        let mut all = Vec::new();
        if let (_, Some(e), [None, None]) = parts_mut(&mut stmt) {
            rectify_expr(vars, e, &mut all);
        }
        all.push(stmt);
        all
    });
}

/// Changes what is computed whenever `e` is; what stands in a choice may only be computed when chosen, and stays. What is compared
/// and kept gets a name before the statement.
fn rectify_expr(vars: &mut Vec<VarInfo>, e: &mut Expr, named: &mut Vec<Stmt>) {
    match e {
        Expr::Unary(_, x) | Expr::Cast(_, x) | Expr::Bits(_, x) | Expr::Quantize(_, x) => {
            rectify_expr(vars, x, named)
        }
        Expr::Binary(op, a, b) if a.dtype() != DType::Bool => {
            rectify_expr(vars, a, named);
            rectify_expr(vars, b, named);
            let ((x, Expr::Const(limit)) | (Expr::Const(limit), x)) = (a.as_ref(), b.as_ref()) else {
                return;
            };
            let (limit, is_max) = (*limit, *op == Binary::Max);
            let Num::Float(c) = limit.get() else { return };
            let is_zero = c == 0.0 && c.is_sign_positive();
            let is_cap = *op == Binary::Min && c > 0.0 && c.is_finite();
            if limit.dtype() != DType::F32 || !(is_max && is_zero || is_cap) {
                return;
            }
            let x = name(vars, x.clone(), named);
            let bits = x.clone().bits(DType::I32);
            let past = if is_max {
                Expr::binary(Binary::Le, bits, int(MINUS_INFINITY))
            } else {
                let above = Expr::binary(Binary::Lt, int((c as f32).to_bits() as i64), bits.clone());
                Expr::binary(Binary::And, above, Expr::binary(Binary::Le, bits, int(INFINITY)))
            };
            *e = Expr::select(past, Expr::Const(limit), x);
        }
        Expr::Binary(..) | Expr::Select(_) => {}
        Expr::Const(_) | Expr::Var(..) | Expr::Index(..) | Expr::InRange { .. } => {}
        Expr::Load(..) | Expr::LoadLocal(..) => {}
    }
}

fn name(vars: &mut Vec<VarInfo>, x: Expr, named: &mut Vec<Stmt>) -> Expr {
    if let Expr::Var(..) = x {
        return x;
    }
    let dtype = x.dtype();
    let var = Var(vars.len() as u32);
    vars.push(VarInfo { name: "y".into(), kind: VarKind::Scalar(dtype) });
    named.push(Stmt::Let(var, x));
    Expr::Var(var, dtype)
}
