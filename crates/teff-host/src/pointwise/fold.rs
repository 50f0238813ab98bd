//! Folding chunks into a reduced result.

#![allow(unsafe_code)]

use super::math;
use super::run::for_each_run;
use crate::cpu::{Level, leveled};
use crate::memory::BufferId;
use crate::view::Walk;
use teff_graph::{Binary, DType, Element, Num, ReduceKind, eval_binary, with_dtype};

/// A run of `n` elements at `from` into the results at `to`, `step` elements apart.
type FoldRun = unsafe fn(to: *mut u8, from: *const u8, n: usize, step: isize);

/// A reduction at the end of a group. The result is a whole buffer.
#[derive(Clone, Debug)]
pub(crate) struct Fold {
    pub(crate) kind: ReduceKind,
    pub(crate) dtype: DType,
    pub(crate) buffer: BufferId,
    /// Elements of the result.
    pub(crate) len: usize,
    /// From the position in the group to the offset in the result; reduced axes have stride 0.
    pub(crate) walk: Walk,
    run: FoldRun,
}

impl Fold {
    pub(crate) fn new(
        level: Level,
        kind: ReduceKind,
        dtype: DType,
        buffer: BufferId,
        len: usize,
        walk: Walk,
    ) -> Fold {
        Fold { kind, dtype, buffer, len, walk, run: fold_run(level, kind, dtype) }
    }

    /// Sets the result to what nothing reduces to.
    ///
    /// # Safety
    /// `buffers` holds the address of the result's buffer.
    pub(super) unsafe fn start(&self, buffers: &[*mut u8]) {
        with_dtype!(self.dtype, T => {
            // SAFETY: the buffer has `len` elements of T.
            let out = unsafe { std::slice::from_raw_parts_mut(buffers[self.buffer.index()].cast::<T>(), self.len) };
            out.fill(T::from_num(identity(self.kind, self.dtype)));
        });
    }

    /// Folds in elements `at .. at + n` of the group, which lie at `from`.
    ///
    /// # Safety
    /// `buffers` holds the address of the result's buffer, `from` has `n` elements.
    #[inline]
    pub(super) unsafe fn run(&self, from: *const u8, buffers: &[*mut u8], at: usize, n: usize) {
        let size = self.dtype.size();
        let to = buffers[self.buffer.index()];
        let step = self.walk.strides[0].last().copied().unwrap_or(0);
        for_each_run(&self.walk, 0, at, n, |first, len, offset| {
            // SAFETY: the walk stays inside the result.
            unsafe { (self.run)(to.offset(offset * size as isize), from.add(first * size), len, step) }
        });
    }
}

/// What a reduction of nothing gives.
fn identity(kind: ReduceKind, dtype: DType) -> Num {
    let bounds = dtype.int_range();
    match kind {
        ReduceKind::Sum => Num::Int(0),
        ReduceKind::Prod => Num::Int(1),
        ReduceKind::Max => bounds.map_or(Num::Float(f64::NEG_INFINITY), |b| Num::Int(b.0)),
        ReduceKind::Min => bounds.map_or(Num::Float(f64::INFINITY), |b| Num::Int(b.1)),
    }
}

fn fold_run(level: Level, kind: ReduceKind, dtype: DType) -> FoldRun {
    fn of<const KIND: usize>(level: Level, dtype: DType) -> FoldRun {
        match dtype {
            DType::F32 => fold_f32::<KIND>(level),
            dtype => with_dtype!(dtype, T => fold_plain::<T, KIND>),
        }
    }
    match kind {
        ReduceKind::Sum => of::<SUM>(level, dtype),
        ReduceKind::Prod => of::<PROD>(level, dtype),
        ReduceKind::Max => of::<MAX>(level, dtype),
        ReduceKind::Min => of::<MIN>(level, dtype),
    }
}

const SUM: usize = 0;
const PROD: usize = 1;
const MAX: usize = 2;
const MIN: usize = 3;

unsafe fn fold_plain<T: Element, const KIND: usize>(to: *mut u8, from: *const u8, n: usize, step: isize) {
    let op = [Binary::Add, Binary::Mul, Binary::Max, Binary::Min][KIND];
    for i in 0..n {
        // SAFETY: the caller has `n` elements and as many results.
        unsafe {
            let (to, x) = (to.cast::<T>().offset(i as isize * step), *from.cast::<T>().add(i));
            *to = T::from_num(eval_binary(op, (*to).to_num(), x.to_num(), T::DTYPE));
        }
    }
}

#[inline(always)]
fn combine<const KIND: usize>(a: f32, b: f32) -> f32 {
    match KIND {
        SUM => a + b,
        PROD => a * b,
        MAX => math::max(a, b),
        _ => math::min(a, b),
    }
}

/// Partial results kept side by side.
const LANES: usize = 32;

#[inline(always)]
unsafe fn fold_body<const FMA: bool, const KIND: usize>(to: *mut u8, from: *const u8, n: usize, step: isize) {
    let (to, from) = (to.cast::<f32>(), from.cast::<f32>());
    // SAFETY: the caller has `n` elements and, unless `step` is 0, as many results.
    unsafe {
        match step {
            0 => *to = combine::<KIND>(*to, across::<KIND>(from, n)),
            1 => {
                for i in 0..n {
                    *to.add(i) = combine::<KIND>(*to.add(i), *from.add(i));
                }
            }
            _ => {
                for i in 0..n {
                    let to = to.offset(i as isize * step);
                    *to = combine::<KIND>(*to, *from.add(i));
                }
            }
        }
    }
}
leveled! { fn fold_f32 [const KIND: usize] [KIND] (to: *mut u8, from: *const u8, n: usize, step: isize) = fold_body; }

#[inline(always)]
unsafe fn across<const KIND: usize>(from: *const f32, n: usize) -> f32 {
    let nothing = [0.0, 1.0, f32::NEG_INFINITY, f32::INFINITY][KIND];
    // SAFETY: the caller has `n` elements.
    unsafe {
        if n < LANES {
            return (0..n).fold(nothing, |sum, i| combine::<KIND>(sum, *from.add(i)));
        }
        let mut lanes = [nothing; LANES];
        for block in 0..n / LANES {
            for i in 0..LANES {
                lanes[i] = combine::<KIND>(lanes[i], *from.add(block * LANES + i));
            }
        }
        for i in 0..n % LANES {
            lanes[i] = combine::<KIND>(lanes[i], *from.add(n / LANES * LANES + i));
        }
        let mut width = LANES / 2;
        while width > 0 {
            for i in 0..width {
                lanes[i] = combine::<KIND>(lanes[i], lanes[i + width]);
            }
            width /= 2;
        }
        lanes[0]
    }
}
