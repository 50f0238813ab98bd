//! Cleaning up after lowering: names nobody uses go, names used once beside their definition give way to their value; what is put into
//! variables and never read goes, variables that never change become names.

use crate::program::{
    Expr, Kernel, Stmt, Var, each_expr_in, each_expr_of, each_stmt, map_exprs_of, mentions, parts_mut,
    replace_stmts,
};
use std::collections::{HashMap, HashSet};

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

/// True when something changed.
pub(super) fn remove_dead(body: &mut Vec<Stmt>) -> bool {
    let dropped = drop_unread(body, &mut HashSet::new());
    let sets = written_and_read(body);
    remove_unread(body, &sets) || dropped
}

/// Takes out what sets a variable that is not read before it is set again or gone. `live` are the variables that are read after the
/// body; then, those that are read in it before they are set. True when something changed.
fn drop_unread(body: &mut Vec<Stmt>, live: &mut HashSet<Var>) -> bool {
    let mut changed = false;
    for at in (0..body.len()).rev() {
        let stmt = &mut body[at];
        match stmt {
            Stmt::Set(v, _) if !live.contains(v) => {
                body.remove(at);
                changed = true;
                continue;
            }
            Stmt::Set(v, _) | Stmt::Let(v, _) | Stmt::Mutable(v, _) => {
                live.remove(v);
            }
            Stmt::For { body, .. } => {
                // The next time round may read what this time sets, if it was made before.
                each_expr_in(body, &mut |e| note(e, live));
                each_stmt(body, &mut |s| {
                    if let Stmt::Mutable(v, _) = s {
                        live.remove(v);
                    }
                });
                changed |= drop_unread(body, &mut live.clone());
            }
            Stmt::If { then, otherwise, .. } => {
                let mut other = live.clone();
                changed |= drop_unread(then, live);
                changed |= drop_unread(otherwise, &mut other);
                live.extend(other);
            }
            Stmt::LetIndex(..) | Stmt::Array(_) | Stmt::StoreLocal(..) | Stmt::Store(..) => {}
            Stmt::Micro(_) => {}
        }
        each_expr_of(&body[at], &mut |e| note(e, live));
    }
    changed
}

fn note(e: &Expr, read: &mut HashSet<Var>) {
    if let Expr::Var(v, _) = e {
        read.insert(*v);
    }
}

/// Which variables are set after their definition, and which are read by anything but a `set` of themselves.
fn written_and_read(body: &[Stmt]) -> (HashSet<Var>, HashSet<Var>) {
    let (mut written, mut read) = (HashSet::new(), HashSet::new());
    each_stmt(body, &mut |stmt| {
        let own = if let Stmt::Set(v, _) = stmt { Some(*v) } else { None };
        written.extend(own);
        each_expr_of(stmt, &mut |e| {
            if let Expr::Var(v, _) = e
                && own != Some(*v)
            {
                read.insert(*v);
            }
        });
    });
    (written, read)
}

/// Takes out variables that are never read and loops and conditions that are then empty; turns those never set into names. True
/// when something changed.
fn remove_unread(body: &mut Vec<Stmt>, sets: &(HashSet<Var>, HashSet<Var>)) -> bool {
    let (written, read) = sets;
    let mut changed = false;
    replace_stmts(body, &mut |stmt| {
        let gone = match &stmt {
            Stmt::Mutable(v, _) | Stmt::Set(v, _) => !read.contains(v),
            Stmt::For { body, .. } => body.is_empty(),
            Stmt::If { then, otherwise, .. } => then.is_empty() && otherwise.is_empty(),
            Stmt::Let(..) | Stmt::LetIndex(..) | Stmt::Array(_) | Stmt::StoreLocal(..) => false,
            Stmt::Store(..) | Stmt::Micro(_) => false,
        };
        let is_name = matches!(&stmt, Stmt::Mutable(v, _) if !written.contains(v));
        changed |= gone || is_name;
        match stmt {
            _ if gone => vec![],
            Stmt::Mutable(v, e) if is_name => vec![Stmt::Let(v, e)],
            stmt => vec![stmt],
        }
    });
    changed
}
