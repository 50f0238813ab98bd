//! Where every intermediate value lies in the arena.
//!
//! Two buffers share bytes when one is dead before the other is born, or when a kernel reads one exactly where and when it writes
//! the other (`in_place`). Otherwise they lie apart, and always when C would not let their element types share memory. Finding the
//! smallest arena is interval packing: several greedy orders, then a search from the best of them, until the lower bound is met.

mod in_place;
mod live;
mod pack;

use crate::program::{Arena, Place, Program};
use live::slots;
use pack::{Item, pack};

/// Gives every buffer of the arena its offset, and the arena its size.
pub(crate) fn assign(program: &mut Program) {
    let slots = slots(program);
    let items: Vec<Item> = slots
        .iter()
        .map(|s| Item { bytes: s.bytes, align: s.align, first: s.first, last: s.last, class: s.class })
        .collect();
    let (offsets, bytes) = pack(&items);
    for (slot, offset) in slots.iter().zip(&offsets) {
        for &b in &slot.buffers {
            program.buffers[b.index()].place = Place::Arena(*offset);
        }
    }
    let align = slots.iter().map(|s| s.align).max().unwrap_or(1);
    // A C object's size is a multiple of its alignment.
    program.arena =
        Arena { bytes: bytes.next_multiple_of(align), align, lower_bound: pack::lower_bound(&items) };
}
