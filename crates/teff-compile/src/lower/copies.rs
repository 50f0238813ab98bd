//! Kernels that only copy go, and those whose results nobody reads.

use super::prune::rename;
use crate::plan::counts_all;
use crate::program::{BufferId, Expr, Kernel, Place, Program, Stmt};
use std::collections::HashSet;

/// Lets readers of a copy read what was copied, and takes out what is then computed for nobody.
pub(super) fn forward(program: &mut Program) {
    let mut at = 0;
    while at < program.kernels.len() {
        match copied(program, at) {
            Some((from, to)) => {
                program.kernels.remove(at);
                rename(program, |id| if id == to { from } else { id });
                let align = program.buffer(to).align;
                let source = &mut program.buffers[from.index()];
                source.align = source.align.max(align);
            }
            None => at += 1,
        }
    }
    drop_unread(program);
}

/// Source and destination of the kernel at `at`, if it puts the beginning of a buffer into the arena once more, element by element, and
/// nobody else writes that copy, or the original later.
fn copied(program: &Program, at: usize) -> Option<(BufferId, BufferId)> {
    let (from, to) = copy(program, &program.kernels[at])?;
    let writes = |k: &Kernel, id: BufferId| k.accesses().1.contains(&id);
    let (before, behind) = (&program.kernels[..at], &program.kernels[at + 1..]);
    let shared = before.iter().any(|k| writes(k, to))
        || behind.iter().any(|k| writes(k, to) || writes(k, from))
        || program.buffer(from).ty.dtype != program.buffer(to).ty.dtype;
    let in_arena = matches!(program.buffer(to).place, Place::Arena(_));
    (in_arena && !shared).then_some((from, to))
}

/// Source and destination of a kernel that is `to[i] = from[i]` for all of `to`.
fn copy(program: &Program, kernel: &Kernel) -> Option<(BufferId, BufferId)> {
    let mut loops = Vec::new();
    let mut body = &kernel.body;
    loop {
        match &body[..] {
            [Stmt::For { var, count, body: inner, .. }] => {
                loops.push((*var, *count));
                body = inner;
            }
            [Stmt::Store(to, index, Expr::Load(from, _, same))] if index == same => {
                let all = counts_all(index, &loops, program.buffer(*to).len());
                return all.then_some((*from, *to));
            }
            _ => return None,
        }
    }
}

/// Takes out kernels that write neither an output nor what a later one reads.
fn drop_unread(program: &mut Program) {
    let mut read: HashSet<BufferId> = program.outputs.iter().map(|p| p.buffer).collect();
    let mut kept: Vec<Kernel> = Vec::new();
    for kernel in std::mem::take(&mut program.kernels).into_iter().rev() {
        let (reads, writes) = kernel.accesses();
        if writes.iter().any(|id| read.contains(id)) {
            read.extend(reads);
            kept.push(kernel);
        }
    }
    kept.reverse();
    program.kernels = kept;
}
