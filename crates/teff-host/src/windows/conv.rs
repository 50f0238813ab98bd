//! Convolution and its adjoint in the input, batch innermost.

#![allow(unsafe_code)]

use super::{Images, Taps};
use crate::cpu::{Level, leveled};
use crate::memory::BufferId;
use crate::view::View;
use std::fmt;

/// `out[o] = sum over channels and taps of in[c] * w[o, c, tap]`, plus a bias and a rectifier. With the taps and weights of the
/// adjoint it is the adjoint.
#[derive(Clone, Debug)]
pub(crate) struct Conv {
    /// Batch innermost, as is the result.
    pub(crate) input: View,
    pub(crate) output: View,
    pub(crate) weights: View,
    /// One number for each output channel.
    pub(crate) bias: Option<View>,
    pub(crate) relu: bool,
    pub(crate) groups: usize,
    /// The weights are `[C, O/groups, ..]`: those of the adjoint.
    pub(crate) adjoint: bool,
    pub(crate) taps: Taps,
    /// Room for the weights as the inner loop reads them.
    pub(crate) packed: BufferId,
    pub(crate) row: RowKernel,
}

/// Output channels computed at a time.
const TILE: usize = 4;

/// One row of output pixels.
pub(crate) type RowKernel = unsafe fn(&Conv, &RowArgs);

/// What one row needs, with addresses resolved.
pub(crate) struct RowArgs {
    input: *const f32,
    output: *mut f32,
    packed: *const f32,
    bias: *const f32,
    row: usize,
    group: usize,
}

/// The fastest version of the inner loop for batches of `n`.
pub(crate) fn row_kernel(level: Level, n: usize) -> RowKernel {
    if n >= 16 { row::<16>(level) } else { row::<8>(level) }
}

impl Conv {
    fn sizes(&self) -> (Images, Images) {
        (Images::of(&self.input.shape), Images::of(&self.output.shape))
    }

    /// Elements of the packed weights for `groups` groups of `inputs` to `outputs` channels with `taps` taps.
    pub(crate) fn packed_len(groups: usize, inputs: usize, outputs: usize, taps: usize) -> usize {
        groups * outputs.next_multiple_of(TILE) * inputs * taps
    }

    /// Rows that can be computed independently.
    pub(crate) fn rows(&self) -> usize {
        self.sizes().1.h
    }

    /// Multiplications.
    pub(crate) fn work(&self) -> usize {
        let (input, output) = self.sizes();
        output.c * output.plane() * input.c / self.groups * self.taps.size[0] * self.taps.size[1]
    }

    /// Puts the weights of each tile of output channels side by side: `[group, tile, c, kh, kw, TILE]`.
    ///
    /// # Safety
    /// `buffers` holds the address of every buffer of the schedule; nobody else touches the packed weights.
    pub(crate) unsafe fn pack(&self, buffers: &[*mut u8]) {
        let (input, output) = self.sizes();
        let (inputs, outputs) = (input.c / self.groups, output.c / self.groups);
        let taps = self.taps.size[0] * self.taps.size[1];
        // SAFETY: the views fit their buffers; `packed` has `packed_len` elements.
        unsafe {
            let from = buffers[self.weights.buffer.index()].cast::<f32>().add(self.weights.offset);
            let mut to = buffers[self.packed.index()].cast::<f32>();
            for group in 0..self.groups {
                for tile in (0..outputs).step_by(TILE) {
                    for c in 0..inputs {
                        for tap in 0..taps {
                            for o in tile..tile + TILE {
                                let at = match self.adjoint {
                                    false => ((group * outputs + o) * inputs + c) * taps + tap,
                                    true => ((group * inputs + c) * outputs + o) * taps + tap,
                                };
                                *to = if o < outputs { *from.add(at) } else { 0.0 };
                                to = to.add(1);
                            }
                        }
                    }
                }
            }
        }
    }

    /// Computes rows `from .. to`; the weights are packed.
    ///
    /// # Safety
    /// As for [`Conv::pack`]; nobody else touches these rows of the result.
    pub(crate) unsafe fn run(&self, buffers: &[*mut u8], from: usize, to: usize) {
        // SAFETY: the views fit their buffers.
        let start = |v: &View| unsafe { buffers[v.buffer.index()].cast::<f32>().add(v.offset) };
        for group in 0..self.groups {
            for row in from..to {
                let args = RowArgs {
                    input: start(&self.input),
                    output: start(&self.output),
                    packed: buffers[self.packed.index()].cast(),
                    bias: self.bias.as_ref().map_or(std::ptr::null(), |b| start(b)),
                    row,
                    group,
                };
                // SAFETY: as above.
                unsafe { (self.row)(self, &args) };
            }
        }
    }
}

#[inline(always)]
unsafe fn row_body<const FMA: bool, const LANES: usize>(conv: &Conv, args: &RowArgs) {
    let (input, output) = conv.sizes();
    let n = input.n;
    let mut first = 0;
    loop {
        for column in 0..output.w {
            for tile in 0..(output.c / conv.groups).div_ceil(TILE) {
                // SAFETY: samples `first .. first + LANES` exist.
                unsafe { pixel::<FMA, LANES>(conv, args, input, output, column, tile, first) };
            }
        }
        // The last vectors overlap those before, unless the batch is a whole number of them: they compute the same again.
        if first + LANES >= n {
            return;
        }
        first = (first + LANES).min(n - LANES);
    }
}
leveled! { fn row [const LANES: usize] [LANES] (conv: &Conv, args: &RowArgs) = row_body; }

#[inline(always)]
unsafe fn pixel<const FMA: bool, const LANES: usize>(
    conv: &Conv,
    args: &RowArgs,
    input: Images,
    output: Images,
    column: usize,
    tile: usize,
    first: usize,
) {
    let (inputs, outputs) = (input.c / conv.groups, output.c / conv.groups);
    let [kh, kw] = conv.taps.size;
    let (rows, columns) = (&conv.taps.rows[args.row], &conv.taps.columns[column]);
    let tiles = outputs.div_ceil(TILE);
    let mut sums = [[0.0f32; LANES]; TILE];
    // SAFETY: the taps stay inside the image, the packed weights have this order, and channels are checked when stored.
    unsafe {
        let packed = args.packed.add((args.group * tiles + tile) * inputs * kh * kw * TILE);
        let image = args.input.add(args.group * inputs * input.plane() + first);
        for c in 0..inputs {
            for r in 0..rows.count {
                let (tap, at) = rows.get(r);
                let mut w = packed.add(((c * kh + tap) * kw + columns.first) * TILE);
                let mut x = image.add(c * input.plane() + (at * input.w + columns.at) * input.n);
                for _ in 0..columns.count {
                    let samples = x.cast::<[f32; LANES]>().read_unaligned();
                    for t in 0..TILE {
                        let weight = *w.add(t);
                        for l in 0..LANES {
                            sums[t][l] = fma::<FMA>(samples[l], weight, sums[t][l]);
                        }
                    }
                    w = w.wrapping_add(columns.step * TILE);
                    x = x.wrapping_offset(columns.by * input.n as isize);
                }
            }
        }
        // With a bound known only at run time the sums would lie in memory, also while they are computed.
        for t in 0..TILE {
            if t >= outputs - tile * TILE {
                break;
            }
            let channel = args.group * outputs + tile * TILE + t;
            let bias = if args.bias.is_null() { 0.0 } else { *args.bias.add(channel) };
            let mut sum = sums[t];
            for l in 0..LANES {
                sum[l] += bias;
                // Written so that NaN stays.
                sum[l] = if conv.relu && sum[l] < 0.0 { 0.0 } else { sum[l] };
            }
            let at = channel * output.plane() + (args.row * output.w + column) * output.n + first;
            args.output.add(at).cast::<[f32; LANES]>().write_unaligned(sum);
        }
    }
}

/// a * b + c, fused where that is one instruction.
#[inline(always)]
pub(super) fn fma<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

impl fmt::Display for Conv {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let adjoint = if self.adjoint { "adjoint " } else { "" };
        let bias = if self.bias.is_some() { ", add bias" } else { "" };
        let relu = if self.relu { ", rectify" } else { "" };
        let (from, w, to) = (&self.input.shape, &self.weights.shape, &self.output.shape);
        write!(f, "{adjoint}{from:?} by {w:?} to {to:?}{bias}{relu}")
    }
}
