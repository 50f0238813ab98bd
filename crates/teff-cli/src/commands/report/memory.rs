//! The working memory over the course of a run: what lies where, and from which layer to which.

use teff::compile::program::{Place, Program};

/// An intermediate value in the arena.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Block {
    pub(super) name: String,
    /// Its first byte, and how many.
    pub(super) offset: usize,
    pub(super) bytes: usize,
    /// The layers that write it first and read it last.
    pub(super) first: usize,
    pub(super) last: usize,
}

/// All of them, in the order of their first layers.
pub(super) fn plan(program: &Program) -> Vec<Block> {
    let mut blocks: Vec<Option<Block>> = vec![None; program.buffers.len()];
    for (k, kernel) in program.kernels.iter().enumerate() {
        let (reads, writes) = kernel.accesses();
        for id in reads.iter().chain(&writes) {
            let buffer = program.buffer(*id);
            let Place::Arena(offset) = buffer.place else { continue };
            let block = blocks[id.index()].get_or_insert_with(|| Block {
                name: buffer.name.clone(),
                offset,
                bytes: buffer.ty.bytes(),
                first: k,
                last: k,
            });
            block.last = k;
        }
    }
    let mut blocks: Vec<Block> = blocks.into_iter().flatten().collect();
    blocks.sort_by_key(|b| (b.first, b.offset));
    blocks
}
