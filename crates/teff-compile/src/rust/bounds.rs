//! Where integer arithmetic cannot overflow, so that it can be written with operators.

use crate::program::{Expr, VarInfo};
use teff_graph::{Binary, DType, Num};

/// Bounds of an integer that follow from the types and operations it is made of; `None` when it may wrap.
pub(super) fn bounds(e: &Expr, vars: &[VarInfo]) -> Option<(i128, i128)> {
    let of_type = e.dtype().int_range()?;
    let exact = match e {
        Expr::Const(s) => match s.get() {
            Num::Int(i) => (i, i),
            Num::Float(_) => return None,
        },
        Expr::Index(_, index) => index.interval(vars).map(|(a, b)| (a as i128, b as i128))?,
        Expr::Binary(op, a, b) => {
            let (a, b) = (bounds_or_type(a, vars), bounds_or_type(b, vars));
            match op {
                Binary::Add => (a.0 + b.0, a.1 + b.1),
                Binary::Sub => (a.0 - b.1, a.1 - b.0),
                Binary::Mul | Binary::MulHigh => {
                    let pairs = [(a.0, b.0), (a.0, b.1), (a.1, b.0), (a.1, b.1)];
                    let products = pairs.map(|(x, y)| x.saturating_mul(y));
                    let half = if *op == Binary::MulHigh { 32 } else { 0 };
                    (products.iter().min()? >> half, products.iter().max()? >> half)
                }
                Binary::Max => (a.0.max(b.0), a.1.max(b.1)),
                Binary::Min => (a.0.min(b.0), a.1.min(b.1)),
                Binary::Div | Binary::Rem | Binary::Pow | Binary::Shl | Binary::Shr => of_type,
                Binary::And | Binary::Or | Binary::Xor | Binary::Eq | Binary::Lt | Binary::Le => of_type,
            }
        }
        Expr::Select(operands) => {
            let (a, b) = (bounds_or_type(&operands[1], vars), bounds_or_type(&operands[2], vars));
            (a.0.min(b.0), a.1.max(b.1))
        }
        Expr::Cast(_, x) if x.dtype().int_range().is_some() && x.dtype() != DType::Bool => {
            let inner = bounds_or_type(x, vars);
            if of_type.0 <= inner.0 && inner.1 <= of_type.1 { inner } else { of_type }
        }
        Expr::Cast(_, x) if x.dtype() == DType::Bool => (0, 1),
        Expr::Cast(..) | Expr::Bits(..) | Expr::Var(..) | Expr::Load(..) | Expr::LoadLocal(..) => of_type,
        Expr::Unary(..) | Expr::InRange { .. } => of_type,
    };
    (of_type.0 <= exact.0 && exact.1 <= of_type.1).then_some(exact)
}

fn bounds_or_type(e: &Expr, vars: &[VarInfo]) -> (i128, i128) {
    bounds(e, vars).or(e.dtype().int_range()).expect("an integer")
}
