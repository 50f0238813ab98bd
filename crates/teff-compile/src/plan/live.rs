//! Which buffers need memory at the same time.

use super::in_place::in_place;
use crate::program::{BufferId, Kernel, Place, Program};
use teff_graph::DType;

/// Buffers that lie at one place, one after another.
#[derive(Clone, Debug)]
pub(super) struct LiveRange {
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
///
/// Types that `class` keeps apart share no memory.
pub(super) fn slots(program: &Program, class: impl Fn(DType) -> Option<u32>) -> Vec<LiveRange> {
    let accesses: Vec<_> = program.kernels.iter().map(Kernel::accesses).collect();
    let mut slots: Vec<LiveRange> = Vec::new();
    for (i, b) in program.buffers.iter().enumerate() {
        let id = BufferId(i as u32);
        if !matches!(b.place, Place::Arena(_)) || b.is_empty() {
            continue;
        }
        let used =
            |(reads, writes): &(Vec<BufferId>, Vec<BufferId>)| reads.contains(&id) || writes.contains(&id);
        let Some(first) = accesses.iter().position(used) else { continue };
        let last = accesses.iter().rposition(used).expect("it has a first use");
        let class = class(b.ty.dtype);
        slots.push(LiveRange { buffers: vec![id], bytes: b.ty.bytes(), align: b.align, first, last, class });
    }
    // In the order of time, a buffer that is born where another dies takes its place.
    slots.sort_by_key(|s| (s.first, s.buffers[0]));
    let mut at = 0;
    while at < slots.len() {
        let born = slots[at].clone();
        let fits = |s: &LiveRange| {
            let dying = *s.buffers.last().expect("slots hold buffers");
            let (reads, writes) = &accesses[born.first];
            let alone = s.buffers.iter().all(|b| *b == dying || !reads.contains(b) && !writes.contains(b));
            s.last == born.first
                && s.first < born.first
                && alone
                && !writes.contains(&dying)
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
