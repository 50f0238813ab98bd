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
    if dtype == DType::F32 {
        return match kind {
            ReduceKind::Sum => fold_f32::<Sum>(level),
            ReduceKind::Prod => fold_f32::<Prod>(level),
            ReduceKind::Max => fold_f32::<Max>(level),
            ReduceKind::Min => fold_f32::<Min>(level),
        };
    }
    with_dtype!(dtype, T => match kind {
        ReduceKind::Sum => fold_plain::<T, 0>,
        ReduceKind::Prod => fold_plain::<T, 1>,
        ReduceKind::Max => fold_plain::<T, 2>,
        ReduceKind::Min => fold_plain::<T, 3>,
    })
}

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

trait Combine: 'static {
    const IDENTITY: f32;
    fn combine(a: f32, b: f32) -> f32;
}

macro_rules! combine {
    ($name:ident, $identity:expr, |$a:ident, $b:ident| $e:expr) => {
        struct $name;
        impl Combine for $name {
            const IDENTITY: f32 = $identity;
            #[inline(always)]
            fn combine($a: f32, $b: f32) -> f32 {
                $e
            }
        }
    };
}
combine!(Sum, 0.0, |a, b| a + b);
combine!(Prod, 1.0, |a, b| a * b);
combine!(Max, f32::NEG_INFINITY, |a, b| math::max(a, b));
combine!(Min, f32::INFINITY, |a, b| math::min(a, b));

/// Partial results kept side by side.
const LANES: usize = 32;

#[inline(always)]
unsafe fn fold_body<const FMA: bool, C: Combine>(to: *mut u8, from: *const u8, n: usize, step: isize) {
    let (to, from) = (to.cast::<f32>(), from.cast::<f32>());
    // SAFETY: the caller has `n` elements and, unless `step` is 0, as many results.
    unsafe {
        match step {
            0 => *to = C::combine(*to, across::<C>(from, n)),
            1 => {
                for i in 0..n {
                    *to.add(i) = C::combine(*to.add(i), *from.add(i));
                }
            }
            _ => {
                for i in 0..n {
                    let to = to.offset(i as isize * step);
                    *to = C::combine(*to, *from.add(i));
                }
            }
        }
    }
}
leveled! { fn fold_f32 [C: Combine] [C] (to: *mut u8, from: *const u8, n: usize, step: isize) = fold_body; }

#[inline(always)]
unsafe fn across<C: Combine>(from: *const f32, n: usize) -> f32 {
    // SAFETY: the caller has `n` elements.
    unsafe {
        if n < LANES {
            return (0..n).fold(C::IDENTITY, |sum, i| C::combine(sum, *from.add(i)));
        }
        let mut lanes = [C::IDENTITY; LANES];
        for block in 0..n / LANES {
            for i in 0..LANES {
                lanes[i] = C::combine(lanes[i], *from.add(block * LANES + i));
            }
        }
        for i in 0..n % LANES {
            lanes[i] = C::combine(lanes[i], *from.add(n / LANES * LANES + i));
        }
        let mut width = LANES / 2;
        while width > 0 {
            for i in 0..width {
                lanes[i] = C::combine(lanes[i], lanes[i + width]);
            }
            width /= 2;
        }
        lanes[0]
    }
}
