//! Convolution and pooling of batches.
//!
//! Values of a chain of convolutions lie with the batch innermost, `[C, H, W, N]` in memory: then every operation here is vector
//! code over samples, without edge cases along an image and without copying windows together. Of fewer images than a vector has lanes
//! (`few`) pixels are what vectors go along.

mod conv;
mod few;
mod pool;
mod weight;

pub(crate) use conv::{Conv, row_kernel};
pub(crate) use few::{FewConv, FewPool, Slide};
pub(crate) use pool::{Pool, PoolWork, plane_kernel};
use teff_graph::Window;
pub(crate) use weight::{LANES as WEIGHT_LANES, WeightGrad, weight_kernel};

/// Smallest batch these are made for: one vector of 8.
pub(crate) const SMALLEST_BATCH: usize = 8;

/// Sizes of `[N, C, H, W]`; one spatial axis is H = 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Images {
    pub(crate) n: usize,
    pub(crate) c: usize,
    pub(crate) h: usize,
    pub(crate) w: usize,
}

impl Images {
    /// Of a shape `[N, C, W]` or `[N, C, H, W]`.
    pub(crate) fn of(shape: &[usize]) -> Images {
        let last = shape.len() - 1;
        Images { n: shape[0], c: shape[1], h: if last == 3 { shape[2] } else { 1 }, w: shape[last] }
    }

    /// Elements of one channel.
    pub(crate) fn plane(self) -> usize {
        self.h * self.w * self.n
    }
}

/// The taps that one position sees along one axis: taps `first, first + step, ..`, `count` of them, at places `at, at + by, ..`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) first: usize,
    pub(crate) step: usize,
    pub(crate) count: usize,
    pub(crate) at: usize,
    pub(crate) by: isize,
}

impl Run {
    /// Pairs of a tap and the place it sees, which always are in arithmetic progression.
    fn of(pairs: &[(usize, usize)]) -> Run {
        let Some(&(first, at)) = pairs.first() else {
            return Run { first: 0, step: 0, count: 0, at: 0, by: 0 };
        };
        let (step, by) = match pairs.get(1) {
            Some(&(tap, place)) => (tap - first, place as isize - at as isize),
            None => (0, 0),
        };
        let run = Run { first, step, count: pairs.len(), at, by };
        debug_assert!(pairs.iter().enumerate().all(|(i, &p)| p == run.get(i)));
        run
    }

    /// The i-th tap and the place it sees.
    pub(crate) fn get(&self, i: usize) -> (usize, usize) {
        (self.first + i * self.step, (self.at as isize + i as isize * self.by) as usize)
    }
}

/// For each position along the rows and along the columns what it sees.
#[derive(Clone, Debug)]
pub(crate) struct Taps {
    pub(crate) rows: Vec<Run>,
    pub(crate) columns: Vec<Run>,
    /// Window size in both axes.
    pub(crate) size: [usize; 2],
}

impl Taps {
    /// What each window sees of its input.
    pub(crate) fn forward(window: &Window, input: Images, output: Images) -> Taps {
        Taps::new(window, [output.h, output.w], |w, axis, place, tap| {
            w.tap(axis, place, tap, if axis + 1 == w.size.len() { input.w } else { input.h })
        })
    }

    /// The windows that see each input element.
    pub(crate) fn backward(window: &Window, input: Images, output: Images) -> Taps {
        Taps::new(window, [input.h, input.w], |w, axis, place, tap| {
            let windows = if axis + 1 == w.size.len() { output.w } else { output.h };
            let first = (place + w.pad_low[axis]).checked_sub(tap * w.dilation[axis])?;
            (first % w.stride[axis] == 0 && first / w.stride[axis] < windows)
                .then_some(first / w.stride[axis])
        })
    }

    fn new(
        window: &Window,
        sizes: [usize; 2],
        sees: impl Fn(&Window, usize, usize, usize) -> Option<usize>,
    ) -> Taps {
        let spatial = window.size.len();
        let along = |axis: usize, places: usize| -> Vec<Run> {
            (0..places)
                .map(|place| {
                    let pairs: Vec<(usize, usize)> = (0..window.size[axis])
                        .filter_map(|tap| sees(window, axis, place, tap).map(|at| (tap, at)))
                        .collect();
                    Run::of(&pairs)
                })
                .collect()
        };
        let whole = vec![Run { first: 0, step: 1, count: 1, at: 0, by: 0 }];
        Taps {
            rows: if spatial == 2 { along(0, sizes[0]) } else { whole },
            columns: along(spatial - 1, sizes[1]),
            size: [if spatial == 2 { window.size[0] } else { 1 }, window.size[spatial - 1]],
        }
    }
}
