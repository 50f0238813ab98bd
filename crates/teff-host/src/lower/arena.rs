//! Planning the arena: where each buffer lies that nobody outside provides.

use super::{Lower, Pending};
use crate::memory::{ALIGN, BufferId, BufferPlace, PlacedBuffer};
use crate::schedule::Schedule;
use teff_graph::arena::{Item, pack};

impl Lower<'_> {
    /// Plans the arena.
    pub(super) fn finish(self) -> Schedule {
        const NEVER: usize = usize::MAX;
        let item = |b: &Pending| Item {
            bytes: room(b.len * b.dtype.size()),
            align: ALIGN,
            first: NEVER,
            last: 0,
            class: None,
        };
        let mut items: Vec<Item> = self.buffers.iter().map(item).collect();
        for (i, e) in self.entries.iter().enumerate() {
            for b in e.reads.iter().chain(&e.writes) {
                let item = &mut items[b.index()];
                (item.first, item.last) = (item.first.min(i), i);
            }
        }
        // A result that overwrites an operand lives where that does.
        let in_arena = |b: BufferId| self.buffers[b.index()].place.is_none();
        let bytes = |b: usize| self.buffers[b].len * self.buffers[b].dtype.size();
        let mut host: Vec<usize> = (0..items.len()).collect();
        for (i, e) in self.entries.iter().enumerate() {
            for &(new, old) in &e.overwrites {
                let (n, o) = (new.index(), host[old.index()]);
                let fits = in_arena(new) && in_arena(old) && bytes(n) == bytes(o);
                if fits && host[n] == n && items[o].last == i {
                    host[n] = o;
                    items[o].last = items[n].last;
                }
            }
        }
        let planned: Vec<usize> = (0..items.len())
            .filter(|&b| host[b] == b && self.buffers[b].place.is_none() && items[b].first != NEVER)
            .collect();
        let chosen: Vec<Item> = planned.iter().map(|&b| items[b]).collect();
        let (offsets, arena_bytes) = pack(&chosen, 0);
        let mut at = vec![0; items.len()];
        planned.iter().zip(offsets).for_each(|(&b, o)| at[b] = o);

        let slots = self.graph.inputs().len() + self.graph.outputs().len() + self.params.len();
        let mut externals = vec![Vec::new(); slots];
        let mut buffers = Vec::with_capacity(self.buffers.len());
        for (i, b) in self.buffers.into_iter().enumerate() {
            let place = b.place.unwrap_or(BufferPlace::Arena(at[host[i]]));
            if let BufferPlace::External(slot) = place {
                externals[slot].push(BufferId(i as u32));
            }
            buffers.push(PlacedBuffer { dtype: b.dtype, len: b.len, place });
        }
        Schedule { entries: self.entries, buffers, externals, arena_bytes }
    }
}

/// Large regions end in a few unused lines, so that buffers of one size, walked together, do not start at the same place of a
/// page: stores would then seem to hit the loads that follow 4096 bytes apart, which makes processors wait.
fn room(bytes: usize) -> usize {
    bytes.next_multiple_of(ALIGN) + if bytes >= 4096 { 5 * ALIGN } else { 0 }
}
