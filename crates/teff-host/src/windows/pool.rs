//! Pooling and its adjoints, batch innermost.

#![allow(unsafe_code)]

use super::{Images, Run, Taps};
use crate::cpu::{Level, leveled};
use crate::pointwise::math;
use crate::view::View;
use std::fmt;
use std::sync::atomic::{Ordering, compiler_fence};

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
        (PoolWork::MaxGrad { rectified: true }, _) => grad_plane::<true>(level),
        (PoolWork::MaxGrad { rectified: false }, _) => grad_plane::<false>(level),
    }
}

impl Pool {
    /// Channels, which can be computed independently.
    pub(crate) fn planes(&self) -> usize {
        self.to.shape[1]
    }

    /// Multiplications that take about as long.
    pub(crate) fn work(&self) -> usize {
        4 * self.from.len().max(self.to.len())
    }

    /// Computes channels `first .. last`.
    ///
    /// # Safety
    /// `buffers` holds the address of every buffer of the schedule; nobody else touches these channels of the result.
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

#[inline(always)]
unsafe fn grad_body<const FMA: bool, const RECTIFIED: bool>(
    p: &Pool,
    from: *const f32,
    input: *const f32,
    to: *mut f32,
) {
    const LANES: usize = 8;
    let (windows, images) = (Images::of(&p.from.shape), Images::of(&p.to.shape));
    let n = images.n;
    // SAFETY: the result has this plane.
    unsafe { std::slice::from_raw_parts_mut(to, images.plane()).fill(0.0) };
    for row in 0..windows.h {
        for column in 0..windows.w {
            let sees = (&p.taps.rows[row], &p.taps.columns[column]);
            // SAFETY: the planes have these windows, and taps stay inside them.
            unsafe {
                let from = from.add((row * windows.w + column) * n);
                let mut first = 0;
                while first < n {
                    let (from, input, to) = (from.add(first), input.add(first), to.add(first));
                    if first + LANES <= n {
                        one_window::<LANES, RECTIFIED>(sees, images, from, input, to);
                        first += LANES;
                    } else {
                        one_window::<1, RECTIFIED>(sees, images, from, input, to);
                        first += 1;
                    }
                }
            }
        }
    }
}
leveled! { fn grad_plane [const RECTIFIED: bool] [RECTIFIED] (p: &Pool, from: *const f32, input: *const f32, to: *mut f32) = grad_body; }

/// Gives the gradient of one window, for `LANES` samples, to its first largest element.
#[inline(always)]
unsafe fn one_window<const LANES: usize, const RECTIFIED: bool>(
    (rows, columns): (&Run, &Run),
    images: Images,
    from: *const f32,
    input: *const f32,
    to: *mut f32,
) {
    let down = rows.by * (images.w * images.n) as isize;
    let right = columns.by * images.n as isize;
    let start = (rows.at * images.w + columns.at) * images.n;
    // Conditions are kept as masks of all bits: with branches the compiler takes vectors apart again.
    let mask = |condition: bool| (condition as u32).wrapping_neg();
    let mut best = [f32::NEG_INFINITY; LANES];
    // SAFETY: the caller has the planes at these addresses; taps stay inside them.
    unsafe {
        for r in 0..rows.count {
            for c in 0..columns.count {
                let at = input.add(start).offset(r as isize * down + c as isize * right);
                let x = at.cast::<[f32; LANES]>().read_unaligned();
                for l in 0..LANES {
                    best[l] = math::max(best[l], x[l]);
                }
            }
        }
        let mut g = from.cast::<[u32; LANES]>().read_unaligned();
        if RECTIFIED {
            for l in 0..LANES {
                g[l] &= mask(best[l] > 0.0);
            }
        }
        for r in 0..rows.count {
            for c in 0..columns.count {
                let place = (start as isize + r as isize * down + c as isize * right) as usize;
                let x = input.add(place).cast::<[f32; LANES]>().read_unaligned();
                let at = to.add(place).cast::<[f32; LANES]>();
                let mut dx = at.read_unaligned();
                for l in 0..LANES {
                    // A NaN is the largest; if the largest is none, there is none.
                    let largest = mask(x[l] == best[l]) | mask(x[l].is_nan());
                    dx[l] += f32::from_bits(g[l] & largest);
                    // The first has it all.
                    g[l] &= !largest;
                }
                at.write_unaligned(dx);
                // The samples are a vector already: the compiler shall not try to make one of the taps.
                compiler_fence(Ordering::SeqCst);
            }
        }
    }
}

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let work = match self.work {
            PoolWork::Max => "max",
            PoolWork::Sum => "sum",
            PoolWork::MaxGrad { rectified: false } => "max adjoint",
            PoolWork::MaxGrad { rectified: true } => "max and rectifier adjoint",
        };
        write!(f, "{work} {:?} to {:?}", self.from.shape, self.to.shape)
    }
}
