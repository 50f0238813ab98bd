//! Cleaning up after lowering: names nobody uses go, names used once beside their definition give way to their value.

use super::dead_code::remove_dead;
use crate::program::{Expr, Index, Kernel, Stmt, Var, each_expr_in, mentions};
use std::collections::HashMap;

/// Puts values in the place of names that are used once, and takes out what nothing reads.
pub(super) fn substitute(kernel: &mut Kernel) {
    loop {
        let uses = uses(&kernel.body);
        let removed = remove_dead(&mut kernel.body);
        if !substitute_in(&mut kernel.body, &uses) && !removed {
            return;
        }
    }
}

/// How often each scalar is read.
fn uses(body: &[Stmt]) -> HashMap<Var, usize> {
    let mut uses = HashMap::new();
    each_expr_in(body, &mut |e| {
        if let Expr::Var(v, _) = e {
            *uses.entry(*v).or_insert(0) += 1;
        }
    });
    uses
}

/// True when something changed.
fn substitute_in(body: &mut Vec<Stmt>, uses: &HashMap<Var, usize>) -> bool {
    let mut changed = false;
    let mut at = 0;
    while at < body.len() {
        let goes = if let Stmt::Let(v, _) = &body[at] {
            let times = uses.get(v).copied().unwrap_or(0);
            times == 0 || times == 1 && substitute_below(body, at)
        } else {
            matches!(body[at], Stmt::LetIndex(v, _) if !mentions(&body[at + 1..], v))
        };
        if goes {
            body.remove(at);
            changed = true;
            continue;
        }
        match &mut body[at] {
            Stmt::For { body, .. } => changed |= substitute_in(body, uses),
            Stmt::If { then, otherwise, .. } => {
                changed |= substitute_in(then, uses);
                changed |= substitute_in(otherwise, uses);
            }
            Stmt::Let(..) | Stmt::LetIndex(..) | Stmt::Mutable(..) | Stmt::Set(..) => {}
            Stmt::Array(_) | Stmt::StoreLocal(..) | Stmt::Store(..) | Stmt::Micro(_) => {}
        }
        at += 1;
    }
    changed
}

/// Puts the value of the `let` at `at` where it is used, when that is in a later statement of the same body that runs as often,
/// and nothing is written in between.
fn substitute_below(body: &mut [Stmt], at: usize) -> bool {
    let Stmt::Let(var, value) = body[at].clone() else { return false };
    for stmt in &mut body[at + 1..] {
        let found = match stmt {
            Stmt::Let(_, e) | Stmt::Mutable(_, e) | Stmt::Set(_, e) | Stmt::If { condition: e, .. } => {
                replace(e, var, &value)
            }
            Stmt::StoreLocal(_, i, e) | Stmt::Store(_, i, e) => {
                replace(e, var, &value) || replace_in_index(i, var, &value)
            }
            Stmt::LetIndex(_, i) => replace_in_index(i, var, &value),
            Stmt::Micro(m) => replace_in_index(m.at_mut(), var, &value),
            Stmt::For { .. } | Stmt::Array(_) => false,
        };
        if found {
            return true;
        }
        let writes_nothing =
            matches!(stmt, Stmt::Let(..) | Stmt::LetIndex(..) | Stmt::Mutable(..) | Stmt::Array(_));
        if !writes_nothing {
            return false;
        }
    }
    false
}

/// True when `var` was found and replaced.
fn replace(e: &mut Expr, var: Var, value: &Expr) -> bool {
    match e {
        Expr::Var(v, _) if *v == var => {
            *e = value.clone();
            true
        }
        Expr::Const(_) | Expr::Var(..) => false,
        Expr::Index(_, i) | Expr::InRange { index: i, .. } => replace_in_index(i, var, value),
        Expr::Load(_, _, i) | Expr::LoadLocal(_, _, i) => replace_in_index(i, var, value),
        Expr::Unary(_, x) | Expr::Cast(_, x) | Expr::Bits(_, x) | Expr::Quantize(_, x) => {
            replace(x, var, value)
        }
        Expr::Binary(_, a, b) => replace(a, var, value) || replace(b, var, value),
        Expr::Select(operands) => operands.iter_mut().any(|x| replace(x, var, value)),
    }
}

fn replace_in_index(index: &mut Index, var: Var, value: &Expr) -> bool {
    let mut found = false;
    let replaced = index.map_values(&mut |e| found |= replace(e, var, value));
    if found {
        *index = replaced;
    }
    found
}
