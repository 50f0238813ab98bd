//! Convolution and pooling of few images, which lie row by row: with less than a vector of samples, vectors go along pixels.

#![allow(unsafe_code)]

use super::PoolWork;
use super::conv::fma;
use crate::cpu::{Level, leveled};
use crate::gemm::{COLUMNS, DEPTH, Matrix, ROWS, Tiles};
use crate::view::View;
use std::fmt;
use std::ops::Range;
use teff_graph::Window;

/// How windows go over an image; one spatial axis is a single row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slide {
    /// Rows and columns of an image, and of its result.
    from: [usize; 2],
    to: [usize; 2],
    size: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    pad: [usize; 2],
}

impl Slide {
    pub(crate) fn new(window: &Window, from: &[usize], to: &[usize]) -> Slide {
        let pair = |list: &[usize], single: usize| match *list {
            [x] => [single, x],
            [y, x] => [y, x],
            _ => unreachable!("one or two spatial axes"),
        };
        let (to, stride) = (pair(to, 1), pair(&window.stride, 1));
        let slide = Slide {
            from: pair(from, 1),
            to,
            size: pair(&window.size, 1),
            // From one place there is nowhere to go, however far.
            stride: [0, 1].map(|axis| if to[axis] == 1 { 1 } else { stride[axis] }),
            dilation: pair(&window.dilation, 1),
            pad: pair(&window.pad_low, 0),
        };
        if slide.size == [1, 1] && slide.stride == [1, 1] && slide.pad == [0, 0] && slide.from == slide.to {
            // Pixel by pixel, so that rows may as well be one.
            let all = [1, slide.from[0] * slide.from[1]];
            return Slide { from: all, to: all, ..slide };
        }
        slide
    }

    fn taps(&self) -> usize {
        self.size[0] * self.size[1]
    }

    /// For each tap where it sees, from the first result, a plane that was taken apart; none where a group has outputs enough to be
    /// packed for, or planes would be much larger than images, as with paddings and dilations that nearly cancel.
    pub(crate) fn seen_apart(&self, outputs: usize) -> Vec<usize> {
        let (phases, [sy, sx]) = (Phases::of(self), self.stride);
        let planes =
            phases.rows.checked_mul(phases.pitch).and_then(|n| n.checked_add(LANES)?.checked_mul(sy * sx));
        let most = 4 * (self.plane() + self.pixels()) + (1 << 16);
        if outputs >= FEWEST_OUTPUTS || planes.is_none_or(|n| n > most) {
            return Vec::new();
        }
        let seen = |tap: usize| {
            let y = tap / self.size[1] * self.dilation[0];
            let x = tap % self.size[1] * self.dilation[1];
            (y % sy * sx + x % sx) * phases.len() + y / sy * phases.pitch + x / sx
        };
        (0..self.taps()).map(seen).collect()
    }

    fn pixels(&self) -> usize {
        self.to[0] * self.to[1]
    }

    fn plane(&self) -> usize {
        self.from[0] * self.from[1]
    }

    /// The row of the image that `tap` sees from row `y` of the result.
    fn row(&self, y: usize, tap: usize) -> Option<usize> {
        let at = y * self.stride[0] + tap * self.dilation[0];
        at.checked_sub(self.pad[0]).filter(|at| *at < self.from[0])
    }

    /// The columns of the result, of those in `columns`, from which `tap` sees a column of the image, and the column seen from the first.
    fn seen(&self, columns: Range<usize>, tap: usize) -> (Range<usize>, usize) {
        let (stride, shift) = (self.stride[1], tap * self.dilation[1]);
        let first = self.pad[1].saturating_sub(shift).div_ceil(stride);
        let end = (self.from[1] + self.pad[1]).saturating_sub(shift).div_ceil(stride);
        let low = columns.start.max(first);
        let high = columns.end.min(end).max(low);
        let at = if low < high { low * stride + shift - self.pad[1] } else { 0 };
        (low..high, at)
    }
}

/// `out[o] = sum over channels and taps of in[c] * w[o, c, tap]`, plus a bias and a rectifier.
#[derive(Clone, Debug)]
pub(crate) struct FewConv {
    /// Row by row, as are the others.
    pub(crate) input: View,
    pub(crate) output: View,
    pub(crate) weights: View,
    /// One number for each output channel.
    pub(crate) bias: Option<View>,
    pub(crate) relu: bool,
    pub(crate) groups: usize,
    pub(crate) slide: Slide,
    /// What each tap sees from the first result, of planes taken apart; empty where strips of pixels are packed.
    pub(crate) seen: Vec<usize>,
    pub(crate) level: Level,
}

/// Panels of pixels that meet a tile of weights while that is in the first-level cache.
const PANELS: usize = 4;
/// Pixels that are computed together.
const STRIP: usize = PANELS * COLUMNS;
/// So many pixels at the end of a strip, or fewer, are products of rows with columns: most of a panel would be empty.
const FEW_PIXELS: usize = 8;
/// Groups with fewer outputs are summed tap by tap: their pixels would be packed for too few products.
const FEWEST_OUTPUTS: usize = 4;

/// Elements that are summed together where groups have few outputs.
const LANES: usize = 32;

/// Addresses of one group of one image.
struct Share {
    input: *const f32,
    weights: *const f32,
    /// Null where there is none.
    bias: *const f32,
    output: *mut f32,
    /// As much as [`FewConv::scratch_bytes`] says.
    scratch: *mut f32,
}

impl FewConv {
    /// Channels of a group: in and out.
    fn channels(&self) -> [usize; 2] {
        [self.input.shape[1] / self.groups, self.output.shape[1] / self.groups]
    }

    /// How many parts can be computed independently: strips of pixels of a group, or whole groups.
    pub(crate) fn parts(&self) -> usize {
        self.output.shape[0] * self.groups * self.parts_of_group()
    }

    fn parts_of_group(&self) -> usize {
        if self.seen.is_empty() { self.slide.pixels().div_ceil(STRIP) } else { 1 }
    }

    /// Multiplications.
    pub(crate) fn work(&self) -> usize {
        self.output.len() * self.channels()[0] * self.slide.taps()
    }

    /// Bytes of scratch memory that each thread needs: panels, or a plane in phases and sums of one.
    pub(crate) fn scratch_bytes(&self) -> usize {
        let [sy, sx] = self.slide.stride;
        let planes = || (sy * sx + 1) * Phases::of(&self.slide).len();
        size_of::<f32>() * if self.seen.is_empty() { PANELS * DEPTH * COLUMNS } else { planes() }
    }

    /// Computes parts `from .. to`.
    ///
    /// # Safety
    /// `buffers` holds the address of every buffer of the schedule, `scratch` has [`FewConv::scratch_bytes`]; nobody else
    /// touches these parts of the result.
    pub(crate) unsafe fn run(&self, buffers: &[*mut u8], scratch: *mut u8, from: usize, to: usize) {
        let [inputs, outputs] = self.channels();
        let each = self.parts_of_group();
        for part in from..to {
            let group = part / each;
            let of_group = group % self.groups;
            // SAFETY: the views fit their buffers.
            unsafe {
                let start = |v: &View, at: usize| buffers[v.buffer.index()].cast::<f32>().add(v.offset + at);
                let share = Share {
                    input: start(&self.input, group * inputs * self.slide.plane()),
                    weights: start(&self.weights, of_group * outputs * inputs * self.slide.taps()),
                    bias: self.bias.as_ref().map_or(std::ptr::null(), |b| start(b, of_group * outputs)),
                    output: start(&self.output, group * outputs * self.slide.pixels()),
                    scratch: scratch.cast(),
                };
                if self.seen.is_empty() {
                    let first = part % each * STRIP;
                    strip(self.level)(self, &share, first, STRIP.min(self.slide.pixels() - first));
                } else {
                    planes(self.level)(self, &share);
                }
            }
        }
    }
}

/// All outputs of `len` pixels from `first` on, as a product of the weights and of what the pixels see.
#[inline(always)]
unsafe fn strip_body<const FMA: bool>(conv: &FewConv, share: &Share, first: usize, len: usize) {
    let [inputs, outputs] = conv.channels();
    let (terms, pixels) = (inputs * conv.slide.taps(), conv.slide.pixels());
    // Parts of equal depth, so that none is short.
    let parts = terms.div_ceil(DEPTH).max(1);
    let depth = terms.div_ceil(parts);
    // SAFETY: pixels, channels and terms are those of the convolution, and the scratch memory has PANELS panels.
    unsafe {
        for part in 0..parts {
            let begin = part * depth;
            let k = depth.min(terms.saturating_sub(begin));
            for panel in 0..len.div_ceil(COLUMNS) {
                let at = first + panel * COLUMNS;
                let n = COLUMNS.min(first + len - at);
                let steps = if n > FEW_PIXELS { [COLUMNS, 1] } else { [1, DEPTH] };
                let to = share.scratch.add(panel * DEPTH * COLUMNS);
                pack(&conv.slide, share.input, begin..begin + k, at, n, to, steps);
            }
            for row in (0..outputs).step_by(ROWS) {
                for panel in 0..len.div_ceil(COLUMNS) {
                    let at = first + panel * COLUMNS;
                    let a = share.weights.add(row * terms + begin);
                    let tiles = Tiles {
                        a: Matrix { at: a, row: terms as isize, column: 1 },
                        c: Matrix {
                            at: share.output.add(row * pixels + at),
                            row: pixels as isize,
                            column: 1,
                        },
                        k,
                        n: COLUMNS.min(first + len - at),
                        add: part > 0,
                    };
                    let (m, panel) = (ROWS.min(outputs - row), share.scratch.add(panel * DEPTH * COLUMNS));
                    match tiles.n > FEW_PIXELS {
                        true => tiles.rows::<FMA>(m, panel),
                        false => tiles.dots::<FMA>(m, panel, DEPTH),
                    }
                }
            }
        }
        for o in 0..outputs {
            let row = std::slice::from_raw_parts_mut(share.output.add(o * pixels + first), len);
            let bias = if share.bias.is_null() { 0.0 } else { *share.bias.add(o) };
            end(row, bias, conv.relu);
        }
    }
}
leveled! { fn strip [] [] (conv: &FewConv, share: &Share, first: usize, len: usize) = strip_body; }

/// Adds the bias and rectifies.
#[inline(always)]
fn end(row: &mut [f32], bias: f32, relu: bool) {
    for x in row {
        let sum = *x + bias;
        // Written so that NaN stays.
        *x = if relu && sum < 0.0 { 0.0 } else { sum };
    }
}

/// What `n` pixels from `at` on see through the `terms` (channel by channel, tap by tap): `steps` are the distances of terms and of
/// pixels. Where pixels lie side by side they are filled up to [`COLUMNS`].
#[inline(always)]
unsafe fn pack(
    slide: &Slide,
    image: *const f32,
    terms: Range<usize>,
    at: usize,
    n: usize,
    panel: *mut f32,
    steps: [usize; 2],
) {
    let (width, [term_step, step]) = (slide.to[1], steps);
    for (k, term) in terms.enumerate() {
        let (channel, tap) = (term / slide.taps(), term % slide.taps());
        let (tap_y, tap_x) = (tap / slide.size[1], tap % slide.size[1]);
        // SAFETY: the panel has a row for each term; what is read lies in the image.
        unsafe {
            let to = panel.add(k * term_step);
            let mut done = 0;
            // Pixels of one row of the result at a time.
            while done < n {
                let (y, x) = ((at + done) / width, (at + done) % width);
                let here = (width - x).min(n - done);
                let to = to.add(done * step);
                let seen = slide.row(y, tap_y).map(|row| (row, slide.seen(x..x + here, tap_x)));
                done += here;
                let Some((row, (columns, first))) = seen else {
                    (0..here).for_each(|j| *to.add(j * step) = 0.0);
                    continue;
                };
                let from = image.add(channel * slide.plane() + row * slide.from[1] + first);
                if columns.len() == COLUMNS && slide.stride[1] == 1 && step == 1 {
                    to.cast::<[f32; COLUMNS]>()
                        .write_unaligned(from.cast::<[f32; COLUMNS]>().read_unaligned());
                    continue;
                }
                let (low, high) = (columns.start - x, columns.end - x);
                (0..low).for_each(|j| *to.add(j * step) = 0.0);
                (low..high).for_each(|j| *to.add(j * step) = *from.add((j - low) * slide.stride[1]));
                (high..here).for_each(|j| *to.add(j * step) = 0.0);
            }
            if step == 1 {
                (n..COLUMNS).for_each(|j| *to.add(j) = 0.0);
            }
        }
    }
}

/// A padded plane, taken apart by stride: the elements `y * stride + i, x * stride + j` are a plane of their own, so that what a tap sees
/// from neighbouring results lies side by side, over the ends of rows too.
#[derive(Clone, Copy)]
struct Phases {
    rows: usize,
    /// Elements of a row of each plane; results have as many, the last of which are of no use.
    pitch: usize,
}

impl Phases {
    fn of(slide: &Slide) -> Phases {
        let [rows, pitch] = [0, 1].map(|axis| {
            let reach = (slide.size[axis] - 1) * slide.dilation[axis];
            slide.to[axis] + reach / slide.stride[axis]
        });
        Phases { rows, pitch }
    }

    /// Elements of one plane, or of the sums, with room for the vector that begins at its last.
    fn len(self) -> usize {
        self.rows * self.pitch + LANES
    }
}

/// Takes a plane apart; what lies outside is 0.
unsafe fn take_apart(slide: &Slide, phases: Phases, image: *const f32, to: *mut f32) {
    let ([sy, sx], [py, px]) = (slide.stride, slide.pad);
    for (i, j) in (0..sy).flat_map(|i| (0..sx).map(move |j| (i, j))) {
        // SAFETY: the planes have room, and only elements of the image are read.
        unsafe {
            let plane = std::slice::from_raw_parts_mut(to.add((i * sx + j) * phases.len()), phases.len());
            plane.fill(0.0);
            for (y, row) in plane.chunks_exact_mut(phases.pitch).take(phases.rows).enumerate() {
                let Some(from_y) = (y * sy + i).checked_sub(py).filter(|at| *at < slide.from[0]) else {
                    continue;
                };
                let low = px.saturating_sub(j).div_ceil(sx);
                let high = (slide.from[1] + px).saturating_sub(j).div_ceil(sx).min(phases.pitch);
                if low < high {
                    let from = image.add(from_y * slide.from[1] + low * sx + j - px);
                    each_seen(&mut row[low..high], from, sx, |_, x| x);
                }
            }
        }
    }
}

/// All outputs of a group, plane by plane.
#[inline(always)]
unsafe fn planes_body<const FMA: bool>(conv: &FewConv, share: &Share) {
    let ([inputs, outputs], slide) = (conv.channels(), &conv.slide);
    let (taps, [height, width]) = (slide.taps(), slide.to);
    let phases = Phases::of(slide);
    let (apart, [sy, sx]) = (share.scratch, slide.stride);
    // SAFETY: planes of the image, weights and results of this group; the scratch memory has all phases, then the sums.
    unsafe {
        let sums = apart.add(sy * sx * phases.len());
        for o in 0..outputs {
            for c in 0..inputs {
                if o == 0 || inputs > 1 {
                    take_apart(slide, phases, share.input.add(c * slide.plane()), apart);
                }
                let weights = share.weights.add((o * inputs + c) * taps);
                for at in (0..(height - 1) * phases.pitch + width).step_by(LANES) {
                    let to = sums.add(at).cast::<[f32; LANES]>();
                    let mut sum = if c == 0 { [0.0; LANES] } else { to.read_unaligned() };
                    for (tap, seen) in conv.seen.iter().enumerate() {
                        let w = *weights.add(tap);
                        let x = apart.add(seen + at).cast::<[f32; LANES]>().read_unaligned();
                        for l in 0..LANES {
                            sum[l] = fma::<FMA>(x[l], w, sum[l]);
                        }
                    }
                    to.write_unaligned(sum);
                }
            }
            let bias = if share.bias.is_null() { 0.0 } else { *share.bias.add(o) };
            for y in 0..height {
                let to =
                    std::slice::from_raw_parts_mut(share.output.add(o * slide.pixels() + y * width), width);
                to.copy_from_slice(std::slice::from_raw_parts(sums.add(y * phases.pitch), width));
                end(to, bias, conv.relu);
            }
        }
    }
}
leveled! { fn planes [] [] (conv: &FewConv, share: &Share) = planes_body; }

/// Combines each element with what it sees, `stride` elements apart.
///
/// # Safety
/// `from` has as many elements.
#[inline(always)]
unsafe fn each_seen(to: &mut [f32], from: *const f32, stride: usize, f: impl Fn(f32, f32) -> f32) {
    // SAFETY: as the caller promises.
    unsafe {
        if stride == 1 {
            let from = std::slice::from_raw_parts(from, to.len());
            to.iter_mut().zip(from).for_each(|(to, x)| *to = f(*to, *x));
        } else {
            to.iter_mut().enumerate().for_each(|(i, to)| *to = f(*to, *from.add(i * stride)));
        }
    }
}

/// The largest elements or the sums of windows.
#[derive(Clone, Debug)]
pub(crate) struct FewPool {
    pub(crate) work: PoolWork,
    /// Row by row, as is the result.
    pub(crate) from: View,
    pub(crate) to: View,
    pub(crate) slide: Slide,
    pub(crate) level: Level,
}

impl FewPool {
    /// Channels of all images, which can be computed independently.
    pub(crate) fn planes(&self) -> usize {
        self.to.shape[0] * self.to.shape[1]
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
        for plane in first..last {
            // SAFETY: the views fit their buffers.
            unsafe {
                let start = |v: &View, at: usize| buffers[v.buffer.index()].cast::<f32>().add(v.offset + at);
                let from = start(&self.from, plane * self.slide.plane());
                let to = start(&self.to, plane * self.slide.pixels());
                match self.work {
                    PoolWork::Max => pooled::<true>(self.level)(&self.slide, from, to),
                    PoolWork::Sum => pooled::<false>(self.level)(&self.slide, from, to),
                    PoolWork::MaxGrad { .. } => unreachable!("gradients are of batches"),
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn pooled_body<const FMA: bool, const MAX: bool>(slide: &Slide, from: *const f32, to: *mut f32) {
    let width = slide.to[1];
    for y in 0..slide.to[0] {
        // SAFETY: rows of one channel of the result and of the image.
        unsafe {
            let to = std::slice::from_raw_parts_mut(to.add(y * width), width);
            to.fill(if MAX { f32::NEG_INFINITY } else { 0.0 });
            for tap_y in 0..slide.size[0] {
                let Some(row) = slide.row(y, tap_y) else { continue };
                for tap_x in 0..slide.size[1] {
                    let (columns, first) = slide.seen(0..width, tap_x);
                    let (to, from) = (&mut to[columns], from.add(row * slide.from[1] + first));
                    if MAX {
                        // NaN wins.
                        let larger = |a: f32, b: f32| if b > a || b.is_nan() { b } else { a };
                        each_seen(to, from, slide.stride[1], larger);
                    } else {
                        each_seen(to, from, slide.stride[1], |a, b| a + b);
                    }
                }
            }
        }
    }
}
leveled! { fn pooled [const MAX: bool] [MAX] (slide: &Slide, from: *const f32, to: *mut f32) = pooled_body; }

impl fmt::Display for FewConv {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let bias = if self.bias.is_some() { ", add bias" } else { "" };
        let relu = if self.relu { ", rectify" } else { "" };
        let (from, w, to) = (&self.input.shape, &self.weights.shape, &self.output.shape);
        write!(f, "{from:?} by {w:?} to {to:?}{bias}{relu}")
    }
}

impl fmt::Display for FewPool {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (work, size) = (self.work, self.slide.size);
        write!(f, "{work:?} of {size:?} in {:?} to {:?}", self.from.shape, self.to.shape)
    }
}
