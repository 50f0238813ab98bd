//! Walking over statements and expressions.

use super::{Atom, BufferId, Expr, Index, Stmt, Var};

/// Bodies inside a statement.
pub(crate) fn stmt_children(stmt: &Stmt) -> Vec<&[Stmt]> {
    match stmt {
        Stmt::For { body, .. } => vec![body],
        Stmt::If { then, otherwise, .. } => vec![then, otherwise],
        Stmt::Let(..) | Stmt::LetIndex(..) | Stmt::Mutable(..) | Stmt::Set(..) => vec![],
        Stmt::Array(_) | Stmt::StoreLocal(..) | Stmt::Store(..) | Stmt::Micro(_) => vec![],
    }
}

/// Expressions a statement evaluates itself, not in its bodies.
pub(crate) fn stmt_exprs(stmt: &Stmt) -> Option<&Expr> {
    match stmt {
        Stmt::Let(_, e) | Stmt::Mutable(_, e) | Stmt::Set(_, e) => Some(e),
        Stmt::StoreLocal(_, _, e) | Stmt::Store(_, _, e) => Some(e),
        Stmt::If { condition, .. } => Some(condition),
        Stmt::For { .. } | Stmt::LetIndex(..) | Stmt::Array(_) | Stmt::Micro(_) => None,
    }
}

/// The index a statement uses itself, not in its expression or bodies.
pub(crate) fn stmt_indices(stmt: &Stmt) -> Option<&Index> {
    match stmt {
        Stmt::LetIndex(_, i) | Stmt::StoreLocal(_, i, _) | Stmt::Store(_, i, _) => Some(i),
        Stmt::Micro(m) => Some(m.at()),
        Stmt::Let(..) | Stmt::Mutable(..) | Stmt::Set(..) => None,
        Stmt::For { .. } | Stmt::If { .. } | Stmt::Array(_) => None,
    }
}

/// The index an expression uses itself, not in its operands.
pub(crate) fn expr_indices(e: &Expr) -> Option<&Index> {
    match e {
        Expr::Index(_, i) | Expr::InRange { index: i, .. } => Some(i),
        Expr::Load(_, _, i) | Expr::LoadLocal(_, _, i) => Some(i),
        Expr::Const(_) | Expr::Var(..) | Expr::Unary(..) | Expr::Binary(..) => None,
        Expr::Select(_) | Expr::Cast(..) | Expr::Bits(..) => None,
    }
}

/// Calls `f` on `e` and every expression in it, those in its indices too, outermost first.
pub(crate) fn each_expr<'a>(e: &'a Expr, f: &mut impl FnMut(&'a Expr)) {
    f(e);
    if let Some(i) = expr_indices(e) {
        each_in_index(i, f);
    }
    match e {
        Expr::Unary(_, x) | Expr::Cast(_, x) | Expr::Bits(_, x) => each_expr(x, f),
        Expr::Binary(_, a, b) => {
            each_expr(a, f);
            each_expr(b, f);
        }
        Expr::Select(operands) => operands.iter().for_each(|x| each_expr(x, f)),
        Expr::Const(_) | Expr::Var(..) | Expr::Index(..) | Expr::InRange { .. } => {}
        Expr::Load(..) | Expr::LoadLocal(..) => {}
    }
}

/// Calls `f` on every expression inside an index.
pub(crate) fn each_in_index<'a>(index: &'a Index, f: &mut impl FnMut(&'a Expr)) {
    for (atom, _) in index.terms() {
        match atom {
            Atom::Var(_) => {}
            Atom::Div(i, _) | Atom::Mod(i, _) => each_in_index(i, f),
            Atom::Value(e) => each_expr(e, f),
        }
    }
}

/// Calls `f` on every statement, outermost first.
pub(crate) fn each_stmt<'a>(body: &'a [Stmt], f: &mut impl FnMut(&'a Stmt)) {
    for stmt in body {
        f(stmt);
        stmt_children(stmt).into_iter().for_each(|b| each_stmt(b, f));
    }
}

/// Calls `f` on every expression of every statement.
pub(crate) fn each_expr_in<'a>(body: &'a [Stmt], f: &mut impl FnMut(&'a Expr)) {
    each_stmt(body, &mut |stmt| each_expr_of(stmt, f));
}

/// Calls `f` on every expression that a statement evaluates itself, not in its bodies.
pub(crate) fn each_expr_of<'a>(stmt: &'a Stmt, f: &mut impl FnMut(&'a Expr)) {
    if let Some(i) = stmt_indices(stmt) {
        each_in_index(i, f);
    }
    if let Some(e) = stmt_exprs(stmt) {
        each_expr(e, f);
    }
}

/// Buffers read and buffers written, each in the order of first use.
pub(super) fn accesses(body: &[Stmt]) -> (Vec<BufferId>, Vec<BufferId>) {
    let (mut reads, mut writes) = (Vec::new(), Vec::new());
    let note = |list: &mut Vec<BufferId>, id: BufferId| {
        if !list.contains(&id) {
            list.push(id);
        }
    };
    each_expr_in(body, &mut |e| {
        if let Expr::Load(id, ..) = e {
            note(&mut reads, *id);
        }
    });
    each_stmt(body, &mut |stmt| match stmt {
        Stmt::Store(id, ..) => note(&mut writes, *id),
        Stmt::Micro(m) => m.reads().into_iter().for_each(|id| note(&mut reads, id)),
        Stmt::For { .. } | Stmt::Let(..) | Stmt::LetIndex(..) | Stmt::Mutable(..) => {}
        Stmt::Set(..) | Stmt::Array(_) | Stmt::StoreLocal(..) | Stmt::If { .. } => {}
    });
    (reads, writes)
}

/// True when an index in these statements has `var` in it.
pub(crate) fn mentions(body: &[Stmt], var: Var) -> bool {
    let mut found = false;
    each_stmt(body, &mut |stmt| found |= stmt_indices(stmt).is_some_and(|i| i.mentions(var)));
    each_expr_in(body, &mut |e| found |= expr_indices(e).is_some_and(|i| i.mentions(var)));
    found
}

/// How many divisions the indices of these statements need.
pub(crate) fn divisions(body: &[Stmt]) -> usize {
    let mut count = 0;
    each_stmt(body, &mut |stmt| count += stmt_indices(stmt).is_some_and(Index::divides) as usize);
    each_expr_in(body, &mut |e| count += expr_indices(e).is_some_and(Index::divides) as usize);
    count
}

/// Calls `f` on every statement, outermost first, to change it.
pub(crate) fn each_stmt_mut(body: &mut [Stmt], f: &mut impl FnMut(&mut Stmt)) {
    for stmt in body {
        f(stmt);
        match stmt {
            Stmt::For { body, .. } => each_stmt_mut(body, f),
            Stmt::If { then, otherwise, .. } => {
                each_stmt_mut(then, f);
                each_stmt_mut(otherwise, f);
            }
            Stmt::Let(..) | Stmt::LetIndex(..) | Stmt::Mutable(..) | Stmt::Set(..) => {}
            Stmt::Array(_) | Stmt::StoreLocal(..) | Stmt::Store(..) | Stmt::Micro(_) => {}
        }
    }
}

/// Calls `f` on every expression of every statement, innermost first, to change it.
pub(crate) fn map_exprs(body: &mut [Stmt], f: &mut impl FnMut(&mut Expr)) {
    each_stmt_mut(body, &mut |stmt| match stmt {
        Stmt::Let(_, e) | Stmt::Mutable(_, e) | Stmt::Set(_, e) | Stmt::If { condition: e, .. } => {
            map_expr(e, f)
        }
        Stmt::StoreLocal(_, i, e) | Stmt::Store(_, i, e) => {
            map_index(i, f);
            map_expr(e, f);
        }
        Stmt::LetIndex(_, i) => map_index(i, f),
        Stmt::Micro(m) => map_index(m.at_mut(), f),
        Stmt::For { .. } | Stmt::Array(_) => {}
    });
}

fn map_expr(e: &mut Expr, f: &mut impl FnMut(&mut Expr)) {
    match e {
        Expr::Const(_) | Expr::Var(..) => {}
        Expr::Index(_, i) | Expr::InRange { index: i, .. } => map_index(i, f),
        Expr::Load(_, _, i) | Expr::LoadLocal(_, _, i) => map_index(i, f),
        Expr::Unary(_, x) | Expr::Cast(_, x) | Expr::Bits(_, x) => map_expr(x, f),
        Expr::Binary(_, a, b) => {
            map_expr(a, f);
            map_expr(b, f);
        }
        Expr::Select(operands) => operands.iter_mut().for_each(|x| map_expr(x, f)),
    }
    f(e);
}

fn map_index(index: &mut Index, f: &mut impl FnMut(&mut Expr)) {
    let mut found = false;
    each_in_index(index, &mut |_| found = true);
    if found {
        *index = index.map_values(&mut |e| map_expr(e, f));
    }
}
