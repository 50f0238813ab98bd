//! Windows that go over spatial axes: of pools, convolutions and their adjoints.

use super::Lowering;
use super::build::Write;
use crate::program::{Expr, Index};
use teff_graph::{NodeId, Window};

/// Writes what is done with an element and the tap it is seen through.
type WriteAt<'w, 'a> = &'w mut dyn FnMut(&mut Lowering<'a>, &[Index], &[Index]);

/// Names of loops over spatial axes, which end as hand-written code has them: in y and x.
pub(super) fn axis_names(names: [&'static str; 3], axes: usize) -> Vec<&'static str> {
    if axes == 1 {
        vec![names[1]]
    } else {
        names.into_iter().chain(std::iter::repeat("k")).take(axes).collect()
    }
}

/// Names of loops over the taps of a window.
pub(super) fn tap_names(axes: usize) -> Vec<&'static str> {
    axis_names(["ky", "kx", "kz"], axes)
}

/// All places of a window, the last axis innermost.
pub(super) fn places_of(size: &[usize]) -> Vec<Vec<usize>> {
    size.iter().fold(vec![vec![]], |all: Vec<Vec<usize>>, &n| {
        all.iter().flat_map(|p| (0..n).map(move |i| [p.as_slice(), &[i]].concat())).collect()
    })
}

/// Where the window at `place` sees the input through `tap`; beyond its axes lies padding.
pub(super) fn seen_through(window: &Window, place: &[Index], tap: &[Index]) -> Vec<Index> {
    let at = |(axis, place): (usize, &Index)| {
        let seen = place.times(window.stride[axis] as i64);
        seen.plus(&tap[axis].times(window.dilation[axis] as i64)).offset(-(window.pad_low[axis] as i64))
    };
    place.iter().enumerate().map(at).collect()
}

impl<'a> Lowering<'a> {
    /// As [`seen_through`], with names where they are tested; and the condition that it lies inside axes of these sizes.
    pub(super) fn seen(
        &mut self,
        window: &Window,
        place: &[Index],
        tap: &[Index],
        sizes: &[usize],
    ) -> (Vec<Index>, Option<Expr>) {
        let mut inside = None;
        let mut seen = seen_through(window, place, tap);
        let names = axis_names(["iy", "ix", "iz"], sizes.len());
        for ((at, &size), name) in seen.iter_mut().zip(sizes).zip(names) {
            *at = self.name_if_tested(name, std::mem::take(at), size);
            inside = self.also_inside(inside, at, size);
        }
        (seen, inside)
    }

    /// Runs `write` for every element of `x` that the window at `at` sees.
    pub(super) fn each_tap(&mut self, x: NodeId, window: &Window, at: &[Index], write: Write<'_, 'a>) {
        let spatial = &self.node(x).ty.shape[2..];
        self.repeat_all(&tap_names(spatial.len()), &window.size, &mut |l, tap| {
            let (seen, inside) = l.seen(window, &at[2..], tap, spatial);
            l.when(inside, |l| write(l, &[&at[..2], &seen].concat()));
        });
    }

    /// Runs `write` with the index in y and the tap for every window that sees element `at` of the input: the tap and the place
    /// of the window along an axis satisfy `place * stride + tap * dilation - pad = at`.
    pub(super) fn each_window(&mut self, y: NodeId, window: &Window, at: &[Index], write: WriteAt<'_, 'a>) {
        let places = &self.node(y).ty.shape[2..];
        self.repeat_all(&tap_names(places.len()), &window.size, &mut |l, tap| {
            let mut inside = None;
            let mut from = at[..2].to_vec();
            for (axis, &count) in places.iter().enumerate() {
                let stride = window.stride[axis] as i64;
                let distance = at[axis + 2]
                    .offset(window.pad_low[axis] as i64)
                    .minus(&tap[axis].times(window.dilation[axis] as i64));
                let place = if stride == 1 {
                    distance
                } else {
                    // Shifted up by whole strides, so that what is divided is not negative.
                    let reach = (window.size[axis] - 1) * window.dilation[axis];
                    let shift = reach.div_ceil(stride as usize) as i64;
                    let up = distance.offset(shift * stride);
                    let whole = up.remainder(stride, l.vars());
                    if whole.as_constant() != Some(0) {
                        inside = Expr::and(inside, Expr::InRange { index: whole, low: 0, high: 1 });
                    }
                    up.divided(stride, l.vars()).offset(-shift)
                };
                inside = l.also_inside(inside, &place, count);
                from.push(place);
            }
            l.when(inside, |l| {
                let names = axis_names(["oy", "ox", "oz"], places.len());
                for ((place, &count), name) in from[2..].iter_mut().zip(places).zip(names) {
                    *place = l.name_index(name, std::mem::take(place), (0, count as i64 - 1));
                }
                write(l, &from, tap)
            });
        });
    }
}
