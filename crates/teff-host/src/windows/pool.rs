//! Pooling and its adjoints, batch innermost.

#![allow(unsafe_code)]

use super::taps::{Images, Taps};
use crate::cpu::{Level, leveled};
use crate::pointwise::math;
use crate::view::View;
use std::fmt;

/// What is done with windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PoolWork {
    /// The largest element of each window.
    Max,
    /// Their sum; with backward taps the adjoint.
    Sum,
    /// The adjoint of `Max`: operands are the gradient and the input of the pool.
    MaxGrad {
        /// 0 where the input is not above 0: the adjoint of a rectifier before the pool as well.
        rectified: bool,
        /// Every input element is in exactly one window.
        tiled: bool,
    },
}

/// One pass over all windows.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    pub(crate) work: PoolWork,
    /// Batch innermost, as are the others.
    pub(crate) from: View,
    /// The input of a max pool whose adjoint this is.
    pub(crate) input: Option<View>,
    pub(crate) to: View,
    pub(crate) taps: Taps,
    pub(crate) kernel: PlaneKernel,
}

/// One channel: addresses of its planes of `from`, `input` and `to`.
pub(crate) type PlaneKernel = unsafe fn(&Pool, *const f32, *const f32, *mut f32);

/// The fastest version of the inner loop.
pub(crate) fn plane_kernel(level: Level, work: PoolWork, n: usize) -> PlaneKernel {
    match (work, n >= 16) {
        (PoolWork::Max, true) => pool_plane::<16, true>(level),
        (PoolWork::Max, false) => pool_plane::<8, true>(level),
        (PoolWork::Sum, true) => pool_plane::<16, false>(level),
        (PoolWork::Sum, false) => pool_plane::<8, false>(level),
        (PoolWork::MaxGrad { .. }, _) => grad_plane(level),
    }
}

impl Pool {
    /// Channels, which can be computed independently.
    pub(crate) fn planes(&self) -> usize {
        self.to.shape[1]
    }

    /// Computes channels `first .. last`.
    ///
    /// # Safety
    /// `buffers` holds the address of every buffer of the program; nobody else touches these channels of the result.
    pub(crate) unsafe fn run(&self, buffers: &[*mut u8], first: usize, last: usize) {
        // SAFETY: the views fit their buffers.
        let plane = |v: &View, c: usize| unsafe {
            buffers[v.buffer.index()].cast::<f32>().add(v.offset + c * Images::of(&v.shape).plane())
        };
        for c in first..last {
            let input = self.input.as_ref().map_or(std::ptr::null(), |v| plane(v, c).cast_const());
            // SAFETY: as above.
            unsafe { (self.kernel)(self, plane(&self.from, c), input, plane(&self.to, c)) };
        }
    }
}

#[inline(always)]
unsafe fn pool_body<const FMA: bool, const LANES: usize, const MAX: bool>(
    p: &Pool,
    from: *const f32,
    _: *const f32,
    to: *mut f32,
) {
    let (input, output) = (Images::of(&p.from.shape), Images::of(&p.to.shape));
    let n = input.n;
    for row in 0..output.h {
        for column in 0..output.w {
            let (rows, columns) = (&p.taps.rows[row], &p.taps.columns[column]);
            let mut first = 0;
            loop {
                let mut best = [if MAX { f32::NEG_INFINITY } else { 0.0 }; LANES];
                for r in 0..rows.count {
                    for c in 0..columns.count {
                        let at = (rows.get(r).1 * input.w + columns.get(c).1) * n + first;
                        // SAFETY: taps stay inside the plane, samples inside the batch.
                        let x = unsafe { from.add(at).cast::<[f32; LANES]>().read_unaligned() };
                        for l in 0..LANES {
                            best[l] = if MAX { math::max(best[l], x[l]) } else { best[l] + x[l] };
                        }
                    }
                }
                let at = (row * output.w + column) * n + first;
                // SAFETY: as above.
                unsafe { to.add(at).cast::<[f32; LANES]>().write_unaligned(best) };
                // The last vector overlaps the one before, unless the batch is a whole number of them.
                if first + LANES >= n {
                    break;
                }
                first = (first + LANES).min(n - LANES);
            }
        }
    }
}
leveled! { fn pool_plane [const LANES: usize, const MAX: bool] [LANES, MAX] (p: &Pool, from: *const f32, input: *const f32, to: *mut f32) = pool_body; }

/// Samples of a max pool's adjoint computed at a time.
const GRAD_LANES: usize = 8;

#[inline(always)]
unsafe fn grad_body<const FMA: bool>(p: &Pool, from: *const f32, input: *const f32, to: *mut f32) {
    let PoolWork::MaxGrad { rectified, tiled } = p.work else { return };
    let (windows, images) = (Images::of(&p.from.shape), Images::of(&p.to.shape));
    let n = images.n;
    if !tiled {
        // SAFETY: the result has this plane.
        unsafe { std::slice::from_raw_parts_mut(to, images.plane()).fill(0.0) };
    }
    for row in 0..windows.h {
        for column in 0..windows.w {
            let (rows, columns) = (&p.taps.rows[row], &p.taps.columns[column]);
            for first in (0..n).step_by(GRAD_LANES) {
                let len = GRAD_LANES.min(n - first);
                let place = |r: usize, c: usize| (rows.get(r).1 * images.w + columns.get(c).1) * n + first;
                let mut best = [f32::NEG_INFINITY; GRAD_LANES];
                let mut winner = [0u32; GRAD_LANES];
                for r in 0..rows.count {
                    for c in 0..columns.count {
                        // SAFETY: taps stay inside the plane, `len` samples inside the batch.
                        let x = unsafe { load(input.add(place(r, c)), len) };
                        let tap = (r * columns.count + c) as u32;
                        for l in 0..GRAD_LANES {
                            // The first largest wins, and NaN over all else.
                            let wins = x[l] > best[l] || (x[l].is_nan() && !best[l].is_nan());
                            best[l] = if wins { x[l] } else { best[l] };
                            winner[l] = if wins { tap } else { winner[l] };
                        }
                    }
                }
                let at = (row * windows.w + column) * n + first;
                // SAFETY: as above.
                let mut g = unsafe { load(from.add(at), len) };
                for l in 0..GRAD_LANES {
                    g[l] = if !rectified || best[l] > 0.0 { g[l] } else { 0.0 };
                }
                for r in 0..rows.count {
                    for c in 0..columns.count {
                        let tap = (r * columns.count + c) as u32;
                        let mut dx = [0.0f32; GRAD_LANES];
                        for l in 0..GRAD_LANES {
                            dx[l] = if winner[l] == tap { g[l] } else { 0.0 };
                        }
                        // SAFETY: as above.
                        unsafe {
                            let to = to.add(place(r, c));
                            if !tiled {
                                let before = load(to, len);
                                for l in 0..GRAD_LANES {
                                    dx[l] += before[l];
                                }
                            }
                            store(to, dx, len);
                        }
                    }
                }
            }
        }
    }
}
leveled! { fn grad_plane [] [] (p: &Pool, from: *const f32, input: *const f32, to: *mut f32) = grad_body; }

#[inline(always)]
unsafe fn load(from: *const f32, len: usize) -> [f32; GRAD_LANES] {
    // SAFETY: the caller has `len` elements.
    unsafe {
        if len == GRAD_LANES {
            return from.cast::<[f32; GRAD_LANES]>().read_unaligned();
        }
        let mut out = [0.0; GRAD_LANES];
        for l in 0..len {
            out[l] = *from.add(l);
        }
        out
    }
}

#[inline(always)]
unsafe fn store(to: *mut f32, x: [f32; GRAD_LANES], len: usize) {
    // SAFETY: the caller has room for `len` elements.
    unsafe {
        if len == GRAD_LANES {
            return to.cast::<[f32; GRAD_LANES]>().write_unaligned(x);
        }
        for l in 0..len {
            *to.add(l) = x[l];
        }
    }
}

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let work = match self.work {
            PoolWork::Max => "max",
            PoolWork::Sum => "sum",
            PoolWork::MaxGrad { rectified: false, .. } => "max adjoint",
            PoolWork::MaxGrad { rectified: true, .. } => "max and rectifier adjoint",
        };
        write!(f, "{work} {:?} to {:?}", self.from.shape, self.to.shape)
    }
}
