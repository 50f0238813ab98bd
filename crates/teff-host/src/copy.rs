//! Moving elements from one layout to another.

#![allow(unsafe_code)]

use crate::view::{View, Walk};
use std::fmt;
use teff_graph::with_dtype;

/// Copies the elements of one view to another of the same shape and dtype.
#[derive(Clone, Debug)]
pub(crate) struct Copy {
    pub(crate) from: View,
    pub(crate) to: View,
    walk: Walk,
}

/// Side of the square tiles in which axes are exchanged.
const TILE: usize = 16;

impl Copy {
    pub(crate) fn new(from: View, to: View) -> Copy {
        debug_assert_eq!((&from.shape, from.dtype), (&to.shape, to.dtype));
        let mut order: Vec<usize> = (0..to.shape.len()).collect();
        order.sort_by_key(|&a| std::cmp::Reverse(to.strides[a].unsigned_abs()));
        let mut walk = Walk::new(&to.shape, &order, &[&from.strides, &to.strides]);
        // The axis along which reading is contiguous goes next to the innermost, so that tiles serve both.
        let last = walk.sizes.len().saturating_sub(1);
        if let Some(axis) = (0..last).find(|&a| walk.strides[0][a] == 1) {
            let bring = |v: &mut Vec<isize>| {
                let s = v.remove(axis);
                v.insert(last - 1, s);
            };
            walk.strides.iter_mut().for_each(bring);
            let n = walk.sizes.remove(axis);
            walk.sizes.insert(last - 1, n);
        }
        Copy { from, to, walk }
    }

    /// # Safety
    /// `buffers` holds the address of every buffer of the schedule; nobody else touches the result.
    pub(crate) unsafe fn run(&self, buffers: &[*mut u8]) {
        if self.to.len() == 0 {
            return;
        }
        let size = self.to.dtype.size();
        // SAFETY: views were checked against their buffers when the schedule was made.
        unsafe {
            let from = buffers[self.from.buffer.index()].add(self.from.offset * size);
            let to = buffers[self.to.buffer.index()].add(self.to.offset * size);
            with_dtype!(self.to.dtype, T => copy_elements::<T>(from, to, &self.walk));
        }
    }
}

unsafe fn copy_elements<T: std::marker::Copy>(from: *const u8, to: *mut u8, walk: &Walk) {
    let (from, to) = (from.cast::<T>(), to.cast::<T>());
    let rank = walk.sizes.len();
    let of = |axis: Option<usize>| match axis {
        Some(a) => (walk.sizes[a], walk.strides[0][a], walk.strides[1][a]),
        None => (1, 0, 0),
    };
    let (rows, from_row, to_row) = of(rank.checked_sub(2));
    let (columns, from_column, to_column) = of(rank.checked_sub(1));
    let outer = rank.saturating_sub(2);
    let count: usize = walk.sizes[..outer].iter().product();
    for i in 0..count {
        // SAFETY: the walk stays inside both buffers.
        unsafe {
            let (from, to) = (from.offset(walk.offset(0, outer, i)), to.offset(walk.offset(1, outer, i)));
            if from_column == 1 && to_column == 1 {
                for r in 0..rows as isize {
                    std::ptr::copy_nonoverlapping(from.offset(r * from_row), to.offset(r * to_row), columns);
                }
                continue;
            }
            for tile in (0..rows).step_by(TILE) {
                for column_tile in (0..columns).step_by(TILE) {
                    for r in tile..rows.min(tile + TILE) {
                        let (from, to) = (from.offset(r as isize * from_row), to.offset(r as isize * to_row));
                        for c in column_tile..columns.min(column_tile + TILE) {
                            *to.offset(c as isize * to_column) = *from.offset(c as isize * from_column);
                        }
                    }
                }
            }
        }
    }
}

impl fmt::Display for Copy {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{:?} strides {:?} to {:?}", self.to.shape, self.from.strides, self.to.strides)
    }
}
