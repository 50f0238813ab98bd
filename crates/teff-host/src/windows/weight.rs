//! The adjoint of a convolution in its weights, batch innermost.

#![allow(unsafe_code)]

use super::conv::fma;
use super::{Images, Taps};
use crate::cpu::leveled;
use crate::memory::BufferId;
use crate::view::View;
use std::fmt;

/// `w[o, c, tap] = sum over samples and places of x[c] * y[o]`.
#[derive(Clone, Debug)]
pub(crate) struct WeightGrad {
    /// Batch innermost, as is y.
    pub(crate) x: View,
    pub(crate) y: View,
    /// Row-major `[O, C/groups, KH, KW]`.
    pub(crate) result: View,
    pub(crate) groups: usize,
    /// What each place of y sees of x.
    pub(crate) taps: Taps,
    /// [`LANES`] partial sums for each weight.
    pub(crate) sums: BufferId,
    pub(crate) kernel: WeightKernel,
}

/// Output channels and taps of a row computed at a time, and partial sums of each.
const TILE: usize = 4;
const TAPS: usize = 3;
pub(crate) const LANES: usize = 8;

/// One tile of output channels.
pub(crate) type WeightKernel = unsafe fn(&WeightGrad, &TileArgs);

/// What one tile needs, with addresses resolved.
pub(crate) struct TileArgs {
    x: *const f32,
    y: *const f32,
    sums: *mut f32,
    /// First output channel.
    first: usize,
}

impl WeightGrad {
    fn outputs(&self) -> usize {
        self.y.shape[1] / self.groups
    }

    /// Tiles of output channels, which can be computed independently.
    pub(crate) fn tiles(&self) -> usize {
        self.groups * self.outputs().div_ceil(TILE)
    }

    /// Multiplications.
    pub(crate) fn work(&self) -> usize {
        self.result.len() * Images::of(&self.y.shape).plane()
    }

    /// Computes tiles `from .. to`.
    ///
    /// # Safety
    /// `buffers` holds the address of every buffer of the schedule; nobody else touches the weights of these tiles.
    pub(crate) unsafe fn run(&self, buffers: &[*mut u8], from: usize, to: usize) {
        // SAFETY: the views fit their buffers.
        let start = |v: &View| unsafe { buffers[v.buffer.index()].cast::<f32>().add(v.offset) };
        let sums = buffers[self.sums.index()].cast::<f32>();
        let per_group = self.outputs().div_ceil(TILE);
        let per_channel: usize = self.result.shape[1..].iter().product();
        for t in from..to {
            let first = t / per_group * self.outputs() + t % per_group * TILE;
            let channels = TILE.min((t / per_group + 1) * self.outputs() - first);
            // SAFETY: `sums` has LANES elements for each weight, the result one.
            unsafe {
                let range = first * per_channel..(first + channels) * per_channel;
                std::slice::from_raw_parts_mut(sums.add(range.start * LANES), range.len() * LANES).fill(0.0);
                (self.kernel)(self, &TileArgs { x: start(&self.x), y: start(&self.y), sums, first });
                for i in range {
                    let lanes = std::slice::from_raw_parts(sums.add(i * LANES), LANES);
                    let half = |i: usize| lanes[i] + lanes[i + 4];
                    *start(&self.result).add(i) = (half(0) + half(2)) + (half(1) + half(3));
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn tile_body<const FMA: bool>(g: &WeightGrad, args: &TileArgs) {
    let (x, y) = (Images::of(&g.x.shape), Images::of(&g.y.shape));
    let outputs = g.outputs();
    let group = args.first / outputs;
    let channels = TILE.min((group + 1) * outputs - args.first);
    let inputs = x.c / g.groups;
    let kw = g.taps.size[1];
    for row in 0..y.h {
        for c in 0..inputs {
            let plane = (group * inputs + c) * x.plane();
            let rows = &g.taps.rows[row];
            for r in 0..rows.count {
                let (tap, at) = rows.get(r);
                let mut first = 0;
                while first < kw {
                    let line = Line {
                        x: plane + at * x.w * x.n,
                        y: args.first * y.plane() + row * y.w * y.n,
                        y_plane: y.plane(),
                        sums: ((args.first * inputs + c) * g.taps.size[0] + tap) * kw + first,
                        sums_plane: inputs * g.taps.size[0] * kw,
                        first_tap: first,
                        n: x.n,
                        columns: y.w,
                    };
                    // SAFETY: as for the caller.
                    unsafe {
                        if channels == TILE && kw - first >= TAPS {
                            line_body::<FMA, TILE, TAPS>(g, args, &line);
                            first += TAPS;
                        } else if channels == TILE {
                            line_body::<FMA, TILE, 1>(g, args, &line);
                            first += 1;
                        } else {
                            for t in 0..channels {
                                let one = Line {
                                    y: line.y + t * line.y_plane,
                                    sums: line.sums + t * line.sums_plane,
                                    ..line
                                };
                                line_body::<FMA, 1, 1>(g, args, &one);
                            }
                            first += 1;
                        }
                    }
                }
            }
        }
    }
}
leveled! {
    /// The fastest version of the inner loop.
    pub(crate) fn weight_kernel [] [] (g: &WeightGrad, args: &TileArgs) = tile_body;
}

/// A line of y against a line of x, for some taps side by side: offsets in elements.
#[derive(Clone, Copy)]
struct Line {
    x: usize,
    y: usize,
    y_plane: usize,
    /// In units of [`LANES`].
    sums: usize,
    sums_plane: usize,
    first_tap: usize,
    n: usize,
    columns: usize,
}

#[inline(always)]
unsafe fn line_body<const FMA: bool, const T: usize, const K: usize>(
    g: &WeightGrad,
    args: &TileArgs,
    line: &Line,
) {
    // SAFETY: offsets stay inside what the caller has; a tap is used only where a column sees it.
    unsafe {
        let mut sums = [[[0.0f32; LANES]; K]; T];
        for t in 0..T {
            for k in 0..K {
                let at = args.sums.add((line.sums + t * line.sums_plane + k) * LANES);
                sums[t][k] = at.cast::<[f32; LANES]>().read_unaligned();
            }
        }
        for column in 0..line.columns {
            let seen = &g.taps.columns[column];
            // In a forward window taps follow one another, so what is seen is a range.
            let last = seen.first + seen.count;
            let all = seen.first <= line.first_tap && line.first_tap + K <= last;
            for k in 0..K {
                let tap = line.first_tap + k;
                if !all && (tap < seen.first || tap >= last) {
                    continue;
                }
                let at = (seen.at as isize + (tap - seen.first) as isize * seen.by) as usize;
                if all && k == 0 {
                    let x = args.x.add(line.x + at * line.n);
                    let y = args.y.add(line.y + column * line.n);
                    samples::<FMA, T, K>(&mut sums, x, seen.by * line.n as isize, y, line.y_plane, line.n);
                    break;
                }
                let mut some = [[[0.0f32; LANES]; 1]; T];
                let x = args.x.add(line.x + at * line.n);
                let y = args.y.add(line.y + column * line.n);
                samples::<FMA, T, 1>(&mut some, x, 0, y, line.y_plane, line.n);
                for t in 0..T {
                    for l in 0..LANES {
                        sums[t][k][l] += some[t][0][l];
                    }
                }
            }
        }
        for t in 0..T {
            for k in 0..K {
                let at = args.sums.add((line.sums + t * line.sums_plane + k) * LANES);
                at.cast::<[f32; LANES]>().write_unaligned(sums[t][k]);
            }
        }
    }
}

/// All samples of one place.
#[inline(always)]
unsafe fn samples<const FMA: bool, const T: usize, const K: usize>(
    sums: &mut [[[f32; LANES]; K]; T],
    x: *const f32,
    x_step: isize,
    y: *const f32,
    y_step: usize,
    n: usize,
) {
    // SAFETY: the caller has `n` samples at each address; a rest shorter than a vector is filled up with zeros.
    unsafe {
        let mut i = 0;
        while i + LANES <= n {
            let mut seen = [[0.0f32; LANES]; K];
            for k in 0..K {
                seen[k] = x.offset(k as isize * x_step).add(i).cast::<[f32; LANES]>().read_unaligned();
            }
            for t in 0..T {
                let given = y.add(t * y_step + i).cast::<[f32; LANES]>().read_unaligned();
                for k in 0..K {
                    for l in 0..LANES {
                        sums[t][k][l] = fma::<FMA>(seen[k][l], given[l], sums[t][k][l]);
                    }
                }
            }
            i += LANES;
        }
        for l in 0..n - i {
            for t in 0..T {
                for k in 0..K {
                    let product = *x.offset(k as isize * x_step).add(i + l) * *y.add(t * y_step + i + l);
                    sums[t][k][l] += product;
                }
            }
        }
    }
}

impl fmt::Display for WeightGrad {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{:?} of {:?} and {:?}", self.result.shape, self.x.shape, self.y.shape)
    }
}
