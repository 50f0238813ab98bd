//! Where every intermediate value lies in the arena.
//!
//! Two buffers share bytes when one is dead before the other is born, or when a kernel reads one exactly where and when it writes
//! the other (`in_place`). Otherwise they lie apart, and always when C would not let their element types share memory. Finding the
//! smallest arena is interval packing: several greedy orders, then a search from the best of them, until the lower bound is met.

mod in_place;

use crate::program::{Arena, BufferId, Kernel, Place, Program};
use in_place::in_place;
pub(crate) use in_place::{counts_all, stride};
use teff_graph::DType;
use teff_graph::arena::{Item, lower_bound, pack};

/// Orders tried by the search when the greedy ones miss the bound.
const TRIES: usize = 4000;

/// Gives every buffer of the arena its offset, and the arena its size.
pub(crate) fn assign(program: &mut Program) {
    let slots = slots(program, alias_class);
    let items: Vec<Item> = slots.iter().map(item).collect();
    let (offsets, bytes) = pack(&items, TRIES);
    for (slot, offset) in slots.iter().zip(&offsets) {
        put(program, slot, *offset);
    }
    let align = slots.iter().map(|s| s.align).max().unwrap_or(1);
    // A C object's size is a multiple of its alignment.
    program.arena = Arena {
        bytes: bytes.next_multiple_of(align),
        align,
        lower_bound: lower_bound(&items).next_multiple_of(align),
    };
}

/// The program with memory of its own for each element type: one array after another, those of larger elements first. This is the
/// plan for a language that does not see one memory as two types, as Rust without `unsafe`.
pub fn by_type(program: &Program) -> Program {
    let mut program = program.clone();
    let slots = slots(&program, |dtype| Some(dtype as u32));
    let dtypes: Vec<DType> = slots.iter().map(|s| program.buffer(s.buffers[0]).ty.dtype).collect();
    let mut types = dtypes.clone();
    types.sort_by_key(|d| (std::cmp::Reverse(d.size()), *d));
    types.dedup();
    let mut arena =
        Arena { bytes: 0, align: slots.iter().map(|s| s.align).max().unwrap_or(1), lower_bound: 0 };
    for dtype in types {
        let own: Vec<&LiveRange> =
            slots.iter().zip(&dtypes).filter(|(_, d)| **d == dtype).map(|(s, _)| s).collect();
        let items: Vec<Item> = own.iter().map(|s| item(s)).collect();
        let (offsets, bytes) = pack(&items, TRIES);
        for (slot, offset) in own.into_iter().zip(offsets) {
            put(&mut program, slot, arena.bytes + offset);
        }
        arena.bytes += bytes;
        arena.lower_bound += lower_bound(&items);
    }
    arena.bytes = arena.bytes.next_multiple_of(arena.align);
    arena.lower_bound = arena.lower_bound.next_multiple_of(arena.align);
    program.arena = arena;
    program
}

fn item(s: &LiveRange) -> Item {
    Item { bytes: s.bytes, align: s.align, first: s.first, last: s.last, class: s.class }
}

fn put(program: &mut Program, slot: &LiveRange, offset: usize) {
    for &b in &slot.buffers {
        program.buffers[b.index()].place = Place::Arena(offset);
    }
}

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
