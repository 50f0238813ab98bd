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
    lay_out(program, &[&slots]);
}

/// The program with memory of its own for each element type: one array after another, those of larger elements first. This is the
/// plan for a language that does not see one memory as two types, as Rust without `unsafe`.
pub fn by_type(program: &Program) -> Program {
    let mut program = program.clone();
    let mut slots = slots(&program, |dtype| Some(dtype as u32));
    let dtype = |s: &LiveRange| program.buffer(s.buffers[0]).ty.dtype;
    slots.sort_by_key(|s| (std::cmp::Reverse(dtype(s).size()), dtype(s)));
    let arrays: Vec<&[LiveRange]> = slots.chunk_by(|a, b| dtype(a) == dtype(b)).collect();
    lay_out(&mut program, &arrays);
    program
}

/// Makes an arena of arrays, one after another.
fn lay_out(program: &mut Program, arrays: &[&[LiveRange]]) {
    let align = arrays.iter().copied().flatten().map(|s| s.item.align).max().unwrap_or(1);
    let (mut bytes, mut least) = (0, 0);
    for slots in arrays {
        let items: Vec<Item> = slots.iter().map(|s| s.item).collect();
        let (offsets, own) = pack(&items, TRIES);
        for (slot, offset) in slots.iter().zip(offsets) {
            for b in &slot.buffers {
                program.buffers[b.index()].place = Place::Arena(bytes + offset);
            }
        }
        bytes += own;
        least += lower_bound(&items);
    }
    // A C object's size is a multiple of its alignment.
    let [bytes, lower_bound] = [bytes, least].map(|n| n.next_multiple_of(align));
    program.arena = Arena { bytes, align, lower_bound };
}

/// Buffers that lie at one place, one after another.
#[derive(Clone, Debug)]
struct LiveRange {
    buffers: Vec<BufferId>,
    /// Of these the first and the last kernel that need the place.
    item: Item,
}

/// Types of one class may share memory in C, and a character type with all (C99 6.5p7): equal size and equal kind, signed or not.
fn alias_class(dtype: DType) -> Option<u32> {
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
fn slots(program: &Program, class: impl Fn(DType) -> Option<u32>) -> Vec<LiveRange> {
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
        let item = Item { bytes: b.ty.bytes(), align: b.align, first, last, class: class(b.ty.dtype) };
        slots.push(LiveRange { buffers: vec![id], item });
    }
    // In the order of time, a buffer that is born where another dies takes its place.
    slots.sort_by_key(|s| (s.item.first, s.buffers[0]));
    let mut at = 0;
    while at < slots.len() {
        let born = slots[at].clone();
        let fits = |s: &LiveRange| {
            let dying = *s.buffers.last().expect("slots hold buffers");
            let (reads, writes) = &accesses[born.item.first];
            let alone = s.buffers.iter().all(|b| *b == dying || !reads.contains(b) && !writes.contains(b));
            s.item.last == born.item.first
                && s.item.first < born.item.first
                && alone
                && !writes.contains(&dying)
                && s.item.bytes == born.item.bytes
                && s.item.class == born.item.class
                && in_place(program, &program.kernels[born.item.first], dying, born.buffers[0])
        };
        match (0..at).find(|&i| fits(&slots[i])) {
            Some(i) => {
                slots[i].buffers.extend(&born.buffers);
                slots[i].item.last = born.item.last;
                slots[i].item.align = slots[i].item.align.max(born.item.align);
                slots.remove(at);
            }
            None => at += 1,
        }
    }
    slots
}
