//! Buffers that no kernel touches go: lowering tries several ways of writing a loop and may have made memory for one it dropped.

use crate::program::{BufferId, Expr, Program, Stmt, each_stmt_mut, map_exprs};
use std::collections::HashSet;

pub(super) fn prune(program: &mut Program) {
    let mut used: HashSet<BufferId> =
        program.inputs.iter().chain(&program.outputs).map(|p| p.buffer).collect();
    for k in &program.kernels {
        let (reads, writes) = k.accesses();
        used.extend(reads.into_iter().chain(writes));
    }
    let mut new_ids = Vec::new();
    let mut next = 0;
    for i in 0..program.buffers.len() as u32 {
        new_ids.push(BufferId(next));
        next += used.contains(&BufferId(i)) as u32;
    }
    let mut at = 0;
    program.buffers.retain(|_| {
        at += 1;
        used.contains(&BufferId(at - 1))
    });
    let renamed = |id: BufferId| new_ids[id.index()];
    for port in program.inputs.iter_mut().chain(&mut program.outputs) {
        port.buffer = renamed(port.buffer);
    }
    rename(program, renamed);
}

/// Lets all kernels read and write other buffers.
pub(super) fn rename(program: &mut Program, renamed: impl Fn(BufferId) -> BufferId) {
    for k in &mut program.kernels {
        map_exprs(&mut k.body, &mut |e| {
            if let Expr::Load(id, ..) = e {
                *id = renamed(*id);
            }
        });
        each_stmt_mut(&mut k.body, &mut |s| match s {
            Stmt::Store(id, ..) => *id = renamed(*id),
            Stmt::Micro(m) => m.reads_mut().into_iter().for_each(|id| *id = renamed(*id)),
            Stmt::For { .. } | Stmt::If { .. } | Stmt::Let(..) | Stmt::LetIndex(..) => {}
            Stmt::Mutable(..) | Stmt::Set(..) | Stmt::Array(_) | Stmt::StoreLocal(..) => {}
        });
    }
}
