//! Where every intermediate value lies in the arena.
//!
//! Two buffers share bytes when one is dead before the other is born, or when a kernel reads one exactly where and when it writes
//! the other (`in_place`). Otherwise they lie apart, and always when C would not let their element types share memory. Finding the
//! smallest arena is interval packing: several greedy orders, then a search from the best of them, until the lower bound is met.

mod in_place;
mod live;

use crate::program::{Arena, Place, Program};
pub(crate) use in_place::{counts_all, stride};
use live::{LiveRange, alias_class, slots};
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
