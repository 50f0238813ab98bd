//! Cleaning up after lowering: names nobody uses go, names used once beside their definition give way to their value.

use super::dead_code::remove_dead;
use crate::program::{Expr, Kernel, Stmt, Var, each_expr_in, map_exprs_of, mentions, parts_mut};
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
        for inner in parts_mut(&mut body[at]).2.into_iter().flatten() {
            changed |= substitute_in(inner, uses);
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
        let mut found = false;
        map_exprs_of(stmt, &mut |e| {
            if matches!(e, Expr::Var(v, _) if *v == var) {
                (*e, found) = (value.clone(), true);
            }
        });
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
