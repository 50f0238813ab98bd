//! Kernels that only copy go, and those whose results nobody reads; then the buffers that no kernel touches.

use crate::plan::counts_all;
use crate::program::{BufferId, Expr, Kernel, Place, Program, Stmt, each_stmt_mut, map_exprs};
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
    let shared =
        before.iter().any(|k| writes(k, to)) || behind.iter().any(|k| writes(k, to) || writes(k, from));
    let in_arena = matches!(program.buffer(to).place, Place::Arena(_));
    (in_arena && !shared).then_some((from, to))
}

/// Source and destination of a kernel that is `to[i] = from[i]` for all of `to`.
fn copy(program: &Program, kernel: &Kernel) -> Option<(BufferId, BufferId)> {
    let mut loops = Vec::new();
    let mut body = &kernel.body[..];
    while let [Stmt::For { var, count, body: inner, .. }] = body {
        loops.push((*var, *count));
        body = inner;
    }
    let [Stmt::Store(to, index, Expr::Load(from, _, same))] = body else { return None };
    let all = index == same && counts_all(index, &loops, program.buffer(*to).len());
    all.then_some((*from, *to))
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

pub(super) fn prune(program: &mut Program) {
    let mut used: HashSet<BufferId> = program.ports().map(|(_, _, p)| p.buffer).collect();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::{Buffer, Index, Var};
    use crate::{Options, compile};
    use teff_graph::{DType, Graph, Tensor, Type, Unary};

    /// A kernel that makes an element of `to` of each of `from`: its negative, or the same.
    fn kernel(like: &Kernel, to: u32, from: u32, negative: bool) -> Kernel {
        let at = Index::from(Var(0));
        let x = Expr::Load(BufferId(from), DType::F32, at.clone());
        let x = if negative { Expr::unary(Unary::Neg, x) } else { x };
        let body = vec![Stmt::Store(BufferId(to), at, x)];
        Kernel { body: vec![Stmt::For { var: Var(0), count: 4, rolled: false, body }], ..like.clone() }
    }

    /// An input, an output and the arena's `a` and `b`; its kernels by the buffers they write and read, `true` for a negative.
    fn program(kernels: &[(u32, u32, bool)]) -> Program {
        let x = Tensor::input("x", DType::F32, &[4]);
        let graph = Graph::from_tensors("net", std::slice::from_ref(&x), &[("y", x.exp())]).unwrap();
        let mut program = compile(&graph, &Options::default()).unwrap();
        for name in ["a", "b"] {
            let (ty, place) = (Type::new(DType::F32, [4]), Place::Arena(0));
            program.buffers.push(Buffer { name: name.into(), align: 4, ty, place, in_sram: false });
        }
        let like = program.kernels[0].clone();
        program.kernels =
            kernels.iter().map(|(to, from, negative)| kernel(&like, *to, *from, *negative)).collect();
        program
    }
    /// What is left of kernels, by what they write and read.
    fn left(program: &mut Program) -> Vec<(u32, u32)> {
        forward(program);
        program.kernels.iter().map(|k| (k.accesses().1[0].0, k.accesses().0[0].0)).collect()
    }

    #[test]
    fn readers_of_a_copy_read_what_was_copied() {
        let [x, y, a, b] = [0, 1, 2, 3];
        let mut copied = program(&[(a, x, true), (b, a, false), (y, b, true)]);
        copied.buffers[b as usize].align = 16;
        assert_eq!(left(&mut copied), [(a, x), (y, a)]);
        assert_eq!(copied.buffers[a as usize].align, 16);
        for stays in [
            // The original is written again while the copy is read; the copy is, behind it and before.
            &[(a, x, true), (b, a, false), (a, x, true), (y, b, true), (y, a, true)][..],
            &[(a, x, true), (b, a, false), (y, b, true), (b, x, true), (y, b, true)],
            &[(b, x, true), (y, b, true), (a, x, true), (b, a, false), (y, b, true)],
            // It is the output.
            &[(a, x, true), (y, a, false)],
        ] {
            let all: Vec<(u32, u32)> = stays.iter().map(|k| (k.0, k.1)).collect();
            assert_eq!(left(&mut program(stays)), all);
        }
        assert_eq!(left(&mut program(&[(a, x, true), (b, x, true), (y, a, true)])), [(a, x), (y, a)]);
    }
}
