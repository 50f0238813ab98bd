//! Walking over statements and expressions.

use super::{Atom, BufferId, Expr, Index, Stmt, Var};

/// What a statement has itself: an index, an expression, bodies.
pub(crate) fn parts(stmt: &Stmt) -> (Option<&Index>, Option<&Expr>, [&[Stmt]; 2]) {
    match stmt {
        Stmt::For { body, .. } => (None, None, [body, &[]]),
        Stmt::If { condition, then, otherwise } => (None, Some(condition), [then, otherwise]),
        Stmt::Let(_, e) | Stmt::Mutable(_, e) | Stmt::Set(_, e) => (None, Some(e), [&[], &[]]),
        Stmt::StoreLocal(_, i, e) | Stmt::Store(_, i, e) => (Some(i), Some(e), [&[], &[]]),
        Stmt::LetIndex(_, i) => (Some(i), None, [&[], &[]]),
        Stmt::Micro(m) => (Some(m.at()), None, [&[], &[]]),
        Stmt::Array(_) => (None, None, [&[], &[]]),
    }
}

/// The same, to be changed.
type PartsMut<'a> = (Option<&'a mut Index>, Option<&'a mut Expr>, [Option<&'a mut Vec<Stmt>>; 2]);

pub(crate) fn parts_mut(stmt: &mut Stmt) -> PartsMut<'_> {
    match stmt {
        Stmt::For { body, .. } => (None, None, [Some(body), None]),
        Stmt::If { condition, then, otherwise } => (None, Some(condition), [Some(then), Some(otherwise)]),
        Stmt::Let(_, e) | Stmt::Mutable(_, e) | Stmt::Set(_, e) => (None, Some(e), [None, None]),
        Stmt::StoreLocal(_, i, e) | Stmt::Store(_, i, e) => (Some(i), Some(e), [None, None]),
        Stmt::LetIndex(_, i) => (Some(i), None, [None, None]),
        Stmt::Micro(m) => (Some(m.at_mut()), None, [None, None]),
        Stmt::Array(_) => (None, None, [None, None]),
    }
}

/// The index an expression uses itself, not in its operands.
pub(crate) fn expr_indices(e: &Expr) -> Option<&Index> {
    match e {
        Expr::Index(_, i) | Expr::InRange { index: i, .. } => Some(i),
        Expr::Load(_, _, i) | Expr::LoadLocal(_, _, i) => Some(i),
        Expr::Const(_) | Expr::Var(..) | Expr::Unary(..) | Expr::Binary(..) => None,
        Expr::Select(_) | Expr::Cast(..) | Expr::Bits(..) | Expr::Quantize(..) => None,
    }
}

/// Calls `f` on `e` and every expression in it, those in its indices too, outermost first.
pub(crate) fn each_expr<'a>(e: &'a Expr, f: &mut impl FnMut(&'a Expr)) {
    f(e);
    if let Some(i) = expr_indices(e) {
        each_in_index(i, f);
    }
    match e {
        Expr::Unary(_, x) | Expr::Cast(_, x) | Expr::Bits(_, x) | Expr::Quantize(_, x) => each_expr(x, f),
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
        parts(stmt).2.into_iter().for_each(|b| each_stmt(b, f));
    }
}

/// Calls `f` on every expression of every statement.
pub(crate) fn each_expr_in<'a>(body: &'a [Stmt], f: &mut impl FnMut(&'a Expr)) {
    each_stmt(body, &mut |stmt| each_expr_of(stmt, f));
}

/// Calls `f` on every expression that a statement evaluates itself, not in its bodies.
pub(crate) fn each_expr_of<'a>(stmt: &'a Stmt, f: &mut impl FnMut(&'a Expr)) {
    let (index, expr, _) = parts(stmt);
    index.into_iter().for_each(|i| each_in_index(i, f));
    expr.into_iter().for_each(|e| each_expr(e, f));
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

/// Calls `f` on every index of these statements and their expressions, not on those within an index.
fn each_index(body: &[Stmt], mut f: impl FnMut(&Index)) {
    each_stmt(body, &mut |stmt| parts(stmt).0.into_iter().for_each(&mut f));
    each_expr_in(body, &mut |e| expr_indices(e).into_iter().for_each(&mut f));
}

/// True when an index in these statements has `var` in it.
pub(crate) fn mentions(body: &[Stmt], var: Var) -> bool {
    let mut found = false;
    each_index(body, |i| found |= i.mentions(var));
    found
}

/// How many indices of these statements need divisions.
pub(crate) fn divisions(body: &[Stmt]) -> usize {
    let mut count = 0;
    each_index(body, |i| count += i.divides() as usize);
    count
}

/// Calls `f` on every statement, outermost first, to change it.
pub(crate) fn each_stmt_mut(body: &mut [Stmt], f: &mut impl FnMut(&mut Stmt)) {
    for stmt in body {
        f(stmt);
        parts_mut(stmt).2.into_iter().flatten().for_each(|b| each_stmt_mut(b, f));
    }
}

/// Puts what `f` makes of a statement in its place, of those in its bodies first.
pub(crate) fn replace_stmts(body: &mut Vec<Stmt>, f: &mut impl FnMut(Stmt) -> Vec<Stmt>) {
    for mut stmt in std::mem::take(body) {
        parts_mut(&mut stmt).2.into_iter().flatten().for_each(|b| replace_stmts(b, f));
        body.extend(f(stmt));
    }
}

/// Calls `f` on every expression of every statement, innermost first, to change it.
pub(crate) fn map_exprs(body: &mut [Stmt], f: &mut impl FnMut(&mut Expr)) {
    each_stmt_mut(body, &mut |stmt| map_exprs_of(stmt, f));
}

/// Calls `f` on every expression that a statement evaluates itself, innermost first, to change it.
pub(crate) fn map_exprs_of(stmt: &mut Stmt, f: &mut impl FnMut(&mut Expr)) {
    let (index, expr, _) = parts_mut(stmt);
    index.into_iter().for_each(|i| map_index(i, f));
    expr.into_iter().for_each(|e| map_expr(e, f));
}

fn map_expr(e: &mut Expr, f: &mut impl FnMut(&mut Expr)) {
    match e {
        Expr::Const(_) | Expr::Var(..) => {}
        Expr::Index(_, i) | Expr::InRange { index: i, .. } => map_index(i, f),
        Expr::Load(_, _, i) | Expr::LoadLocal(_, _, i) => map_index(i, f),
        Expr::Unary(_, x) | Expr::Cast(_, x) | Expr::Bits(_, x) | Expr::Quantize(_, x) => map_expr(x, f),
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
