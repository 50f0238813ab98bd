//! Running a pointwise group.

#![allow(unsafe_code)]

use super::fold::Fold;
use super::kernels::Kernel;
use crate::memory::BufferId;
use crate::view::Walk;
use teff_graph::{DType, with_dtype};

/// Where a value of a group lies while a chunk is computed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum GroupSlot {
    /// At this byte of the scratch memory.
    Register(usize),
    /// In a buffer, from this element on, as the group walks.
    Memory(Spot),
    /// One element of a buffer for all.
    Uniform(Spot),
}

/// An element of a buffer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spot {
    pub(crate) buffer: BufferId,
    pub(crate) offset: usize,
    pub(crate) dtype: DType,
}

impl Spot {
    /// The address of what lies `by` elements further.
    unsafe fn address(&self, buffers: &[*mut u8], by: usize) -> *mut u8 {
        // SAFETY: the caller has the element.
        unsafe { buffers[self.buffer.index()].add((self.offset + by) * self.dtype.size()) }
    }
}

/// One step of the register program. Numbers name slots.
#[derive(Clone, Debug)]
pub(crate) enum Instr {
    /// A loop over the chunk: result and up to four operands.
    Apply { kernel: Kernel, slots: [usize; 5] },
    /// Collects the elements of a chunk from anywhere in a buffer.
    Gather { to: usize, from: Spot, walk: Walk },
    /// Index along an axis: `position / stride % size`.
    Iota { to: usize, dtype: DType, stride: usize, size: usize },
    /// Copies of a uniform.
    Splat { to: usize, from: usize, dtype: DType },
    /// Folds the chunk into a result.
    Fold { from: usize, fold: Fold },
}

/// A register program over `total` elements.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) shape: Vec<usize>,
    pub(crate) total: usize,
    /// Elements computed at a time.
    pub(crate) chunk: usize,
    pub(crate) slots: Vec<GroupSlot>,
    pub(crate) instrs: Vec<Instr>,
    /// Bytes of registers.
    pub(crate) scratch: usize,
    /// The operations, for reading.
    pub(crate) text: String,
    /// Elements between the positions at which folds let the group be split; 0 when it must not be.
    pub(super) rows: usize,
}

/// Groups without folds are split at multiples of so many elements.
const GRAIN: usize = 64;

impl Group {
    /// Multiplications that take as long; none where threads would add to one sum, so that it is not split.
    pub(crate) fn work(&self) -> usize {
        if self.rows == 0 { 0 } else { self.total * self.instrs.len() * 8 }
    }

    /// Parts are split at multiples of this.
    pub(crate) fn grain(&self) -> usize {
        if self.rows == 1 { GRAIN } else { self.rows }
    }

    /// Bytes of scratch memory one thread needs: registers and the addresses of slots.
    pub(crate) fn scratch_bytes(&self) -> usize {
        self.scratch + self.slots.len() * size_of::<*mut u8>()
    }

    /// Prepares the results of folds.
    ///
    /// # Safety
    /// `buffers` holds the address of every buffer of the schedule.
    pub(crate) unsafe fn start(&self, buffers: &[*mut u8]) {
        for instr in &self.instrs {
            if let Instr::Fold { fold, .. } = instr {
                // SAFETY: as the caller promises.
                unsafe { fold.start(buffers) };
            }
        }
    }

    /// Computes elements `from .. to` of the walk.
    ///
    /// # Safety
    /// `buffers` holds the address of every buffer of the schedule, `scratch` at least [`Group::scratch_bytes`] aligned bytes;
    /// nobody else touches either, nor elements of other ranges.
    pub(crate) unsafe fn run(&self, buffers: &[*mut u8], scratch: *mut u8, from: usize, to: usize) {
        // SAFETY: slots lie behind the registers; all addresses stay inside what the caller promises because views were checked
        // against their buffers when the schedule was made.
        unsafe {
            let addresses =
                std::slice::from_raw_parts_mut(scratch.add(self.scratch).cast::<*mut u8>(), self.slots.len());
            for (address, slot) in addresses.iter_mut().zip(&self.slots) {
                *address = match slot {
                    GroupSlot::Register(at) => scratch.add(*at),
                    GroupSlot::Memory(spot) => spot.address(buffers, from),
                    GroupSlot::Uniform(spot) => spot.address(buffers, 0),
                };
            }
            let mut at = from;
            while at < to {
                let n = self.chunk.min(to - at);
                for instr in &self.instrs {
                    self.step(instr, addresses, buffers, at, n);
                }
                for (address, slot) in addresses.iter_mut().zip(&self.slots) {
                    if let GroupSlot::Memory(spot) = slot {
                        *address = address.add(n * spot.dtype.size());
                    }
                }
                at += n;
            }
        }
    }

    #[inline]
    unsafe fn step(&self, instr: &Instr, slots: &[*mut u8], buffers: &[*mut u8], at: usize, n: usize) {
        // SAFETY: as for `run`.
        unsafe {
            match instr {
                Instr::Apply { kernel, slots: s } => {
                    kernel(&[slots[s[0]], slots[s[1]], slots[s[2]], slots[s[3]], slots[s[4]]], n);
                }
                Instr::Gather { to, from, walk } => {
                    let start = from.address(buffers, 0);
                    with_dtype!(from.dtype, T => gather::<T>(slots[*to], start, walk, at, n));
                }
                Instr::Iota { to, dtype, stride, size } => {
                    with_dtype!(*dtype, T => iota::<T>(slots[*to], *stride, *size, at, n));
                }
                Instr::Splat { to, from, dtype } => {
                    with_dtype!(*dtype, T => splat::<T>(slots[*to], slots[*from], n));
                }
                Instr::Fold { from, fold } => fold.run(slots[*from], buffers, at, n),
            }
        }
    }
}

/// Calls `f(first, len, offset)` for the runs along the innermost axis that elements `at .. at + n` of a walk consist of: where
/// a run starts in the chunk, its length, and the offset of its first element in view `view`.
#[inline(always)]
pub(super) fn for_each_run(
    walk: &Walk,
    view: usize,
    at: usize,
    n: usize,
    mut f: impl FnMut(usize, usize, isize),
) {
    let strides = &walk.strides[view];
    let Some(last) = walk.sizes.len().checked_sub(1) else { return f(0, n, 0) };
    let inner = walk.sizes[last];
    let (mut row, mut column) = (at / inner, at % inner);
    let mut done = 0;
    while done < n {
        let len = (inner - column).min(n - done);
        f(done, len, walk.offset(view, last, row) + column as isize * strides[last]);
        done += len;
        (row, column) = (row + 1, 0);
    }
}

unsafe fn gather<T: Copy>(to: *mut u8, from: *const u8, walk: &Walk, at: usize, n: usize) {
    let (to, from) = (to.cast::<T>(), from.cast::<T>());
    let step = walk.strides[0].last().copied().unwrap_or(0);
    for_each_run(walk, 0, at, n, |first, len, offset| {
        // SAFETY: the walk stays inside the buffer, the register has room for the chunk.
        unsafe {
            let (to, from) = (to.add(first), from.offset(offset));
            match step {
                0 => std::slice::from_raw_parts_mut(to, len).fill(*from),
                1 => std::ptr::copy_nonoverlapping(from, to, len),
                _ => {
                    for i in 0..len {
                        *to.add(i) = *from.offset(i as isize * step);
                    }
                }
            }
        }
    });
}

unsafe fn iota<T: teff_graph::Element>(to: *mut u8, stride: usize, size: usize, at: usize, n: usize) {
    for i in 0..n {
        let index = (at + i) / stride % size;
        // SAFETY: the register has room for the chunk.
        unsafe { *to.cast::<T>().add(i) = T::from_num(teff_graph::Num::Int(index as i128)) };
    }
}

unsafe fn splat<T: Copy>(to: *mut u8, from: *const u8, n: usize) {
    // SAFETY: the register has room for the chunk, a uniform has one element.
    unsafe { std::slice::from_raw_parts_mut(to.cast::<T>(), n).fill(*from.cast::<T>()) }
}
