//! The adjoints of the convolution: transposed convolution, and the gradient in the weights.

use super::Lowering;
use super::build::value;
use super::fuse::Group;
use super::window::{axis_names, places_of, tap_names};
use crate::program::{Expr, Index, Var};
use teff_graph::{Binary, ConvGeometry, DType, Num, Window};

/// Indices one after another.
fn joined(first: &[&Index], then: &[Index]) -> Vec<Index> {
    first.iter().copied().chain(then).cloned().collect()
}

/// Most phases of a transposed convolution that are written out; where strides are larger, windows are searched.
const MOST_PHASES: usize = 16;

/// Along one axis, the elements of a transposed convolution that the same taps reach: `start`, `start + stride`, and so on.
struct Phase {
    start: usize,
    /// How many they are.
    len: usize,
    /// The taps: `tap`, `tap + step`, and so on, `taps` of them.
    tap: usize,
    step: usize,
    taps: usize,
    /// Through the first tap, element `start + i stride` sees place `i + place`; through each further tap `back` places before that.
    place: i64,
    back: i64,
}

impl Phase {
    /// All that have elements, of an axis of `size` elements.
    fn along(window: &Window, axis: usize, size: usize) -> Vec<Phase> {
        let [stride, dilation, pad] = [window.stride[axis], window.dilation[axis], window.pad_low[axis]];
        let phase = |start: usize| {
            // place * stride + tap * dilation - pad = start
            let meets = |tap: &usize| (start + pad).abs_diff(tap * dilation).is_multiple_of(stride);
            let mut taps = (0..window.size[axis]).filter(meets);
            let tap = taps.next().unwrap_or(0);
            let step = taps.next().map_or(1, |second| second - tap);
            let place = ((start + pad) as i64 - (tap * dilation) as i64) / stride as i64;
            let count = (0..window.size[axis]).filter(meets).count();
            let back = (step * dilation / stride) as i64;
            Phase { start, len: (size - start).div_ceil(stride), tap, step, taps: count, place, back }
        };
        (0..stride.min(size)).map(phase).collect()
    }
}

impl<'a> Lowering<'a> {
    /// Each element of the result gathers from the windows that see it. Elements a stride apart are seen through the same taps: loops of
    /// their own for each of these phases divide nothing.
    pub(super) fn conv_transpose(&mut self, group: &Group, geometry: &ConvGeometry) {
        let node = self.node(group.anchor());
        let [y, w] = node.operands[..] else { unreachable!("takes two operands") };
        let kernel = &self.node(w).ty.shape;
        let window = geometry.window(&kernel[2..]);
        let spatial = &node.ty.shape[2..];
        let outputs = kernel[0] / geometry.groups;
        // Adds what channel `at` of a group gets through one tap, of a window at a place.
        let gather = |l: &mut Self, sum: (Var, DType), at: &[Index], from: &[Index], tap: &[Index]| {
            l.repeat("o", outputs, |l, o| {
                let output = at[1].times(outputs as i64).plus(&o);
                let y = l.element(y, &joined(&[&at[0], &output], from));
                let w = l.element(w, &joined(&[&output, &at[2]], tap));
                l.accumulate(Binary::Add, sum, Expr::binary(Binary::Mul, y, w));
            })
        };
        let to = |at: &[Index], element: &[Index]| {
            joined(&[&at[0], &at[1].times(kernel[1] as i64).plus(&at[2])], element)
        };
        let (zero, names) = (Expr::constant(node.ty.dtype, Num::Int(0)), ["n", "group", "c", "iy", "ix"]);
        let channels = [node.ty.shape[0], geometry.groups, kernel[1]];
        let count = |(stride, size): (&usize, &usize)| *stride.min(size);
        let phases = window.stride.iter().zip(spatial).map(count).fold(1, usize::saturating_mul);
        if phases > MOST_PHASES {
            return self.repeat_all(&names, &[&channels, spatial].concat(), &mut |l, at| {
                let sum = l.mutable("sum", zero.clone());
                let to = to(at, &at[3..]);
                l.each_window(y, &window, &to, &mut |l, from, tap| gather(l, sum, at, &from[2..], tap));
                l.finish(group, group.anchor(), &to, value(sum))
            });
        }
        let places = &self.node(y).ty.shape[2..];
        let phases: Vec<Vec<Phase>> =
            spatial.iter().enumerate().map(|(axis, size)| Phase::along(&window, axis, *size)).collect();
        for chosen in places_of(&phases.iter().map(Vec::len).collect::<Vec<_>>()) {
            let phase: Vec<&Phase> = chosen.iter().zip(&phases).map(|(i, all)| &all[*i]).collect();
            let shape: Vec<usize> = channels.into_iter().chain(phase.iter().map(|p| p.len)).collect();
            let taps: Vec<usize> = phase.iter().map(|p| p.taps).collect();
            self.repeat_all(&names, &shape, &mut |l, at| {
                let along = phase.iter().zip(&window.stride).zip(&at[3..]);
                let element = along.map(|((p, stride), i)| i.times(*stride as i64).offset(p.start as i64));
                let to = to(at, &element.collect::<Vec<_>>());
                let sum = l.mutable("sum", zero.clone());
                l.repeat_all(&tap_names(taps.len()), &taps, &mut |l, turn| {
                    let mut inside = None;
                    let mut from = Vec::new();
                    for (axis, name) in axis_names(["oy", "ox", "oz"], places.len()).into_iter().enumerate() {
                        let seen = turn[axis].times(phase[axis].back);
                        let place = at[axis + 3].offset(phase[axis].place).minus(&seen);
                        let place = l.name_if_tested(name, place, places[axis]);
                        inside = l.also_inside(inside, &place, places[axis]);
                        from.push(place);
                    }
                    let tap = |(p, i): (&&Phase, &Index)| i.times(p.step as i64).offset(p.tap as i64);
                    let tap: Vec<Index> = phase.iter().zip(turn).map(tap).collect();
                    l.when(inside, |l| gather(l, sum, at, &from, &tap))
                });
                l.finish(group, group.anchor(), &to, value(sum))
            })
        }
    }

    /// Each weight sums over all places where its tap meets an input.
    pub(super) fn conv_weight_grad(&mut self, group: &Group, geometry: &ConvGeometry) {
        let ty = &self.node(group.anchor()).ty;
        let [x, y] = self.node(group.anchor()).operands[..] else { unreachable!("takes two operands") };
        let places = &self.node(y).ty.shape;
        let spatial = &self.node(x).ty.shape[2..];
        let window = geometry.window(&ty.shape[2..]);
        let outputs = ty.shape[0] / geometry.groups;
        let shape = [&[geometry.groups, outputs], &ty.shape[1..]].concat();
        let over = [&places[..1], &places[2..]].concat();
        self.repeat_all(&["group", "o", "c", "ky", "kx"], &shape, &mut |l, at| {
            let output = at[0].times(outputs as i64).plus(&at[1]);
            let channel = at[0].times(ty.shape[1] as i64).plus(&at[2]);
            let sum = l.mutable("sum", Expr::constant(ty.dtype, Num::Int(0)));
            l.repeat_all(&["n", "oy", "ox"], &over, &mut |l, place| {
                let (seen, inside) = l.seen(&window, &place[1..], &at[3..], spatial);
                l.when(inside, |l| {
                    let x = l.element(x, &joined(&[&place[0], &channel], &seen));
                    let y = l.element(y, &joined(&[&place[0], &output], &place[1..]));
                    l.accumulate(Binary::Add, sum, Expr::binary(Binary::Mul, x, y));
                })
            });
            l.finish(group, group.anchor(), &joined(&[&output], &at[2..]), value(sum))
        })
    }
}
