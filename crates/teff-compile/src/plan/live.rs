//! Which buffers need memory at the same time.

use crate::program::{Atom, BufferId, Expr, Index, Kernel, Place, Program, Stmt, Var, each_expr_in};
use teff_graph::DType;

/// Buffers that lie at one place, one after another.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) buffers: Vec<BufferId>,
    pub(super) bytes: usize,
    pub(super) align: usize,
    /// First kernel that needs it.
    pub(super) first: usize,
    /// Last kernel that needs it.
    pub(super) last: usize,
    pub(super) class: Option<u32>,
}

/// Types of one class may share memory in C, and a character type with all (C99 6.5p7): equal size and equal kind, signed or not.
pub(super) fn alias_class(dtype: DType) -> Option<u32> {
    match dtype {
        DType::I8 | DType::U8 => None,
        DType::Bool => Some(1),
        DType::I16 | DType::U16 => Some(2),
        DType::I32 | DType::U32 => Some(3),
        DType::I64 | DType::U64 => Some(4),
        DType::F32 => Some(5),
        DType::F64 => Some(6),
    }
}

/// The buffers of the arena with their lifetimes; those computed in place share a slot with what they replace.
pub(super) fn slots(program: &Program) -> Vec<Slot> {
    let accesses: Vec<_> = program.kernels.iter().map(Kernel::accesses).collect();
    let mut slots: Vec<Slot> = Vec::new();
    for (i, b) in program.buffers.iter().enumerate() {
        let id = BufferId(i as u32);
        if !matches!(b.place, Place::Arena(_)) || b.is_empty() {
            continue;
        }
        let used =
            |(reads, writes): &(Vec<BufferId>, Vec<BufferId>)| reads.contains(&id) || writes.contains(&id);
        let Some(first) = accesses.iter().position(used) else { continue };
        let last = accesses.iter().rposition(used).expect("it has a first use");
        let class = alias_class(b.ty.dtype);
        slots.push(Slot { buffers: vec![id], bytes: b.ty.bytes(), align: b.align, first, last, class });
    }
    // In the order of time, a buffer that is born where another dies takes its place.
    slots.sort_by_key(|s| (s.first, s.buffers[0]));
    let mut at = 0;
    while at < slots.len() {
        let born = slots[at].clone();
        let fits = |s: &Slot| {
            let dying = *s.buffers.last().expect("slots hold buffers");
            s.last == born.first
                && s.first < born.first
                && s.bytes == born.bytes
                && s.class == born.class
                && in_place(program, &program.kernels[born.first], dying, born.buffers[0])
        };
        match (0..at).find(|&i| fits(&slots[i])) {
            Some(i) => {
                slots[i].buffers.extend(&born.buffers);
                slots[i].last = born.last;
                slots[i].align = slots[i].align.max(born.align);
                slots.remove(at);
            }
            None => at += 1,
        }
    }
    slots
}

/// True when the kernel reads `from` only at the element of `to` that it is about to write, and writes each element of `to` once.
fn in_place(program: &Program, kernel: &Kernel, from: BufferId, to: BufferId) -> bool {
    if program.buffer(from).ty.dtype.size() != program.buffer(to).ty.dtype.size() {
        return false;
    }
    let mut stores = Vec::new();
    find_stores(&kernel.body, to, &mut Vec::new(), &mut stores);
    let [(index, loops, body)] = &stores[..] else { return false };
    let mut loads = 0;
    let mut same = true;
    each_expr_in(&kernel.body, &mut |e| {
        if let Expr::Load(id, _, at) = e {
            same &= *id != to;
            if *id == from {
                loads += 1;
                same &= at == *index;
            }
        }
    });
    let mut loads_beside = 0;
    for stmt in *body {
        match stmt {
            Stmt::Let(..) | Stmt::Store(..) => each_expr_in(std::slice::from_ref(stmt), &mut |e| {
                loads_beside += matches!(e, Expr::Load(id, ..) if *id == from) as usize;
            }),
            _ => {}
        }
    }
    same && loads == loads_beside && counts_all(index, loops, program.buffer(to).len())
}

type Found<'a> = (&'a Index, Vec<(Var, usize)>, &'a [Stmt]);

/// Stores to a buffer, each with the loops around it and the body it stands in.
fn find_stores<'a>(
    body: &'a [Stmt],
    to: BufferId,
    loops: &mut Vec<(Var, usize)>,
    found: &mut Vec<Found<'a>>,
) {
    for stmt in body {
        match stmt {
            Stmt::Store(id, index, _) if *id == to => found.push((index, loops.clone(), body)),
            Stmt::For { var, count, body, .. } => {
                loops.push((*var, *count));
                find_stores(body, to, loops, found);
                loops.pop();
            }
            // A store under a condition is none that surely happens; two make the kernel unfit.
            Stmt::If { then, otherwise, .. } => {
                find_stores(then, to, loops, found);
                find_stores(otherwise, to, loops, found);
            }
            Stmt::Store(..) | Stmt::Let(..) | Stmt::LetIndex(..) | Stmt::Mutable(..) | Stmt::Set(..) => {}
            Stmt::Array(_) | Stmt::StoreLocal(..) => {}
        }
    }
}

/// True when the loops take the index through every element once.
fn counts_all(index: &Index, loops: &[(Var, usize)], len: usize) -> bool {
    let mut terms: Vec<(i64, usize)> = Vec::new();
    for (atom, c) in index.terms() {
        let Atom::Var(v) = atom else { return false };
        let Some((_, count)) = loops.iter().find(|(l, _)| l == v) else { return false };
        terms.push((*c, *count));
    }
    terms.sort_unstable();
    let mut covered = 1;
    for (c, count) in &terms {
        if *c != covered {
            return false;
        }
        covered *= *count as i64;
    }
    index.constant() == 0 && terms.len() == loops.len() && covered == len as i64
}
