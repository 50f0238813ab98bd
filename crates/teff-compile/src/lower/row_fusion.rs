//! Kernels that go over the same rows become one: a softmax reads each row once for its maximum, once for the powers and their sum,
//! once to divide, and what is one number a row needs no memory.

use super::describe;
use super::name::Names;
use crate::plan;
use crate::program::{
    BufferId, Expr, Index, Kernel, Place, Program, Stmt, Var, VarInfo, VarKind, each_expr_in, each_stmt,
    each_stmt_mut, map_exprs, parts_mut,
};
use teff_graph::{Graph, NodeId, Op, ReduceKind, Unary};

/// Merges neighbours where one reads what the other writes, row by row, unless that takes more memory. `nodes` are those of `graph` that
/// each kernel computes.
pub(super) fn merge_rows(
    graph: &Graph,
    program: &mut Program,
    mut nodes: Vec<Vec<NodeId>>,
    names: &mut Names,
) {
    let planned = |p: &Program| {
        let mut p = p.clone();
        plan::assign(&mut p);
        p.arena.bytes
    };
    let some = |nodes: &[NodeId], of: fn(&Op) -> bool| nodes.iter().any(|id| of(&graph[*id].op));
    let reduces = |nodes: &[NodeId]| some(nodes, |op| matches!(op, Op::Reduce { .. }));
    let recurs = |nodes: &[NodeId]| some(nodes, |op| matches!(op, Op::Scan(_)));
    let mut at = 1;
    while at < program.kernels.len() {
        let [first, second] = [&nodes[at - 1], &nodes[at]];
        let may = !recurs(first) && !recurs(second) && (reduces(first) || reduces(second));
        if may && follows(&program.kernels[at - 1], &program.kernels[at]) {
            let mut merged = program.clone();
            let second = merged.kernels.remove(at);
            append(&mut merged.kernels[at - 1], second);
            keep_rows_in_variables(&mut merged);
            if planned(&merged) <= planned(program) {
                *program = merged;
                let second = nodes.remove(at);
                nodes[at - 1].extend(second);
                continue;
            }
        }
        at += 1;
    }
    for (kernel, nodes) in program.kernels.iter_mut().zip(&nodes) {
        let reduces = |wanted| {
            nodes.iter().any(|id| matches!(&graph[*id].op, Op::Reduce { kind, .. } if *kind == wanted))
        };
        let powers = some(nodes, |op| matches!(op, Op::Unary(Unary::Exp)));
        if kernel.label.is_none() && reduces(ReduceKind::Max) && powers && reduces(ReduceKind::Sum) {
            kernel.name = names.unique("softmax");
        }
    }
}

/// Memory that only one kernel touches, an element at a time, becomes variables.
fn keep_rows_in_variables(program: &mut Program) {
    let merged = &mut std::mem::take(&mut program.kernels);
    for i in 0..merged.len() {
        let alone = |b: BufferId| {
            let others = merged.iter().enumerate().filter(|(k, _)| *k != i);
            !others
                .map(|(_, k)| k.accesses())
                .any(|(reads, writes)| reads.contains(&b) || writes.contains(&b))
        };
        let is_arena = |b: &BufferId| matches!(program.buffer(*b).place, Place::Arena(_));
        let own: Vec<BufferId> =
            merged[i].accesses().1.into_iter().filter(is_arena).filter(|b| alone(*b)).collect();
        own.into_iter().for_each(|b| keep_in_variable(&mut merged[i], b));
    }
    program.kernels = std::mem::take(merged);
}

/// The loop over rows, when that is all there is.
fn rows(kernel: &Kernel) -> Option<(Var, usize)> {
    let [Stmt::For { var, count, .. }] = &kernel.body[..] else { return None };
    Some((*var, *count))
}

/// True when `second` may run row by row behind `first`, and one of them ends in a number for each row.
fn follows(first: &Kernel, second: &Kernel) -> bool {
    let (_, written) = first.accesses();
    let (read, _) = second.accesses();
    if first.macs > 0 || second.macs > 0 || !read.iter().any(|b| written.contains(b)) {
        return false;
    }
    if first.result.len() == 1 || second.result.len() == 1 {
        return true;
    }
    let (Some((a, n)), Some((b, m))) = (rows(first), rows(second)) else { return false };
    n == m && stay_in_rows(first, a, second, b)
}

/// Buffers and the indices they are read or written at.
fn touched(kernel: &Kernel) -> Vec<(BufferId, &Index, bool)> {
    let mut all = Vec::new();
    each_expr_in(&kernel.body, &mut |e| {
        if let Expr::Load(b, _, i) = e {
            all.push((*b, i, false));
        }
    });
    each_stmt(&kernel.body, &mut |s| {
        if let Stmt::Store(b, i, _) = s {
            all.push((*b, i, true));
        }
    });
    all
}

/// True when what one kernel writes and the other touches lies, for each turn of the row loops, in a row of its own.
fn stay_in_rows(first: &Kernel, a: Var, second: &Kernel, b: Var) -> bool {
    let (first_touches, second_touches) = (touched(first), touched(second));
    first_touches.iter().all(|(buffer, index, written)| {
        second_touches.iter().filter(|(other, ..)| other == buffer).all(|(_, other, also_written)| {
            let strides = (plan::stride(first, index, a), plan::stride(second, other, b));
            !written && !also_written || matches!(strides, (Some(x), Some(y)) if x == y)
        })
    })
}

/// `second` behind `first`, in its row loop when both have one.
fn append(first: &mut Kernel, mut second: Kernel) {
    let by_row = first.result.len() > 1 && second.result.len() > 1;
    let (vars, arrays) = (first.vars.len() as u32, first.arrays.len() as u32);
    let row = rows(first).zip(rows(&second)).filter(|_| by_row).map(|((a, _), (b, _))| (a, b));
    let renamed = |v: Var| row.filter(|(_, b)| *b == v).map_or(Var(v.0 + vars), |(a, _)| a);
    rename(&mut second.body, &renamed, arrays);
    if let ([Stmt::For { body: rows, .. }], [Stmt::For { body, .. }], true) =
        (&mut first.body[..], &mut second.body[..], by_row)
    {
        rows.append(body);
    } else {
        first.body.append(&mut second.body);
    }
    first.vars.extend(second.vars);
    first.arrays.extend(second.arrays);
    first.ops.extend(second.ops);
    first.words.extend(second.words);
    describe::together(&mut first.words);
    first.label = first.label.take().or(second.label);
    first.name = second.name;
    first.result = second.result;
}

/// Gives variables their new names and local arrays theirs.
fn rename(body: &mut [Stmt], var: &impl Fn(Var) -> Var, arrays: u32) {
    map_exprs(body, &mut |e| match e {
        Expr::Var(v, _) => *v = var(*v),
        Expr::Index(_, i) | Expr::InRange { index: i, .. } | Expr::Load(_, _, i) => *i = i.map_vars(var),
        Expr::LoadLocal(id, _, i) => {
            id.0 += arrays;
            *i = i.map_vars(var);
        }
        Expr::Const(_) | Expr::Unary(..) | Expr::Binary(..) => {}
        Expr::Select(_) | Expr::Cast(..) | Expr::Bits(..) | Expr::Quantize(..) => {}
    });
    each_stmt_mut(body, &mut |s| {
        match s {
            Stmt::For { var: v, .. } | Stmt::Let(v, _) | Stmt::LetIndex(v, _) => *v = var(*v),
            Stmt::Mutable(v, _) | Stmt::Set(v, _) => *v = var(*v),
            Stmt::Array(id) | Stmt::StoreLocal(id, ..) => id.0 += arrays,
            Stmt::Micro(m) => m.arrays_mut().into_iter().for_each(|id| id.0 += arrays),
            Stmt::Store(..) | Stmt::If { .. } => {}
        }
        parts_mut(s).0.into_iter().for_each(|i| *i = i.map_vars(var));
    });
}

/// A buffer of which only the element just written is ever read becomes a variable.
fn keep_in_variable(kernel: &mut Kernel, buffer: BufferId) {
    let touches = touched(kernel);
    let mut uses = touches.iter().filter(|(b, ..)| *b == buffer);
    let writes = uses.clone().filter(|(.., written)| *written).count();
    let Some((_, at, _)) = uses.clone().find(|(.., written)| *written) else { return };
    let reads = uses.clone().count() - writes;
    if writes != 1 || reads == 0 || !uses.all(|(_, i, _)| i == at) {
        return;
    }
    let top = if let [Stmt::For { body, .. }] = &mut kernel.body[..] { body } else { &mut kernel.body };
    let stores = |s: &Stmt| matches!(s, Stmt::Store(b, ..) if *b == buffer);
    let Some(position) = top.iter().position(stores) else { return };
    let Stmt::Store(_, _, value) = top.remove(position) else { unreachable!("just found") };
    let dtype = value.dtype();
    let var = match value {
        // A sum that nothing changes any more has its name already.
        Expr::Var(v, _) if !is_set(&top[position..], v) => v,
        value => {
            let var = Var(kernel.vars.len() as u32);
            top.insert(position, Stmt::Let(var, value));
            kernel.vars.push(VarInfo { name: "value".into(), kind: VarKind::Scalar(dtype) });
            var
        }
    };
    map_exprs(&mut kernel.body, &mut |e| {
        if matches!(e, Expr::Load(b, ..) if *b == buffer) {
            *e = Expr::Var(var, dtype);
        }
    });
}

fn is_set(body: &[Stmt], var: Var) -> bool {
    let mut found = false;
    each_stmt(body, &mut |s| found |= matches!(s, Stmt::Set(v, _) if *v == var));
    found
}
