//! Cleaning up after lowering: names nobody uses go, names used once beside their definition give way to their value.

use super::settle::settle;
use crate::program::{Expr, Index, Kernel, Stmt, Var, each_expr_in, mentions};
use std::collections::HashMap;

pub(super) fn tidy(kernel: &mut Kernel) {
    loop {
        let uses = uses(&kernel.body);
        let settled = settle(&mut kernel.body);
        if !tidy_body(&mut kernel.body, &uses) && !settled {
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
fn tidy_body(body: &mut Vec<Stmt>, uses: &HashMap<Var, usize>) -> bool {
    let mut changed = false;
    let mut at = 0;
    while at < body.len() {
        let single = match &body[at] {
            Stmt::Let(v, _) => uses.get(v).copied().unwrap_or(0),
            _ => usize::MAX,
        };
        if single == 0 {
            body.remove(at);
            changed = true;
            continue;
        }
        if let Stmt::LetIndex(v, _) = body[at]
            && !mentions(&body[at + 1..], v)
        {
            body.remove(at);
            changed = true;
            continue;
        }
        if single == 1 && substitute_below(body, at) {
            body.remove(at);
            changed = true;
            continue;
        }
        match &mut body[at] {
            Stmt::For { body, .. } => changed |= tidy_body(body, uses),
            Stmt::If { then, otherwise, .. } => {
                changed |= tidy_body(then, uses);
                changed |= tidy_body(otherwise, uses);
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
        match stmt {
            Stmt::Let(_, e) | Stmt::Mutable(_, e) | Stmt::Set(_, e) | Stmt::If { condition: e, .. } => {
                if replace(e, var, &value) {
                    return true;
                }
            }
            Stmt::StoreLocal(_, i, e) | Stmt::Store(_, i, e) => {
                if replace(e, var, &value) || replace_in_index(i, var, &value) {
                    return true;
                }
            }
            Stmt::LetIndex(_, i) => {
                if replace_in_index(i, var, &value) {
                    return true;
                }
            }
            Stmt::Micro(m) => {
                if replace_in_index(m.at_mut(), var, &value) {
                    return true;
                }
            }
            Stmt::For { .. } | Stmt::Array(_) => {}
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
        Expr::Unary(_, x) | Expr::Cast(_, x) | Expr::Bits(_, x) => replace(x, var, value),
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
