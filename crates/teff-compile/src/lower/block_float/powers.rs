//! Inputs of different units: a power of two for each input channel.
//!
//! Pressure in pascal beside a ratio: with one exponent for all, nothing of the ratio is left. Who standardised the features and folded
//! that into the weights gave each channel weights as much larger as its inputs are smaller. So channel k of the inputs is taken by
//! `2^-q[k]` and its weights by `2^q[k]`, both exactly, where q brings the largest weight of every channel to the same exponent.

use super::Loops;
use super::magnify::FURTHEST;
use crate::lower::Lowering;
use teff_graph::{NodeId, Op};

/// Weights of the channels that differ by no more than this many powers of two are as they come; an input has 16 bits at least.
const ALIKE: u8 = 3;
/// More channels than these are no sensors but pixels, of which some were never lit when the weights were trained.
const SENSORS: usize = 64;
/// The power of a channel without weights: whatever comes in there is nothing beside the others.
const UNUSED: u8 = u8::MAX;

/// What input channels are scaled by.
#[derive(Clone, Debug)]
pub(super) struct Powers {
    /// Axis of the inputs that has the channels.
    pub(super) axis: usize,
    /// q: channel k is taken by `2^-q[k]`.
    pub(super) of_channel: Vec<u8>,
}

impl Loops {
    /// Axis of the inputs, of `rank` axes, that meets weights of its own; and how many channels it has.
    pub(super) fn channels(&self, rank: usize) -> (usize, usize) {
        match self {
            Loops::Dense(dense) => (if dense.of_columns { rank - 1 } else { rank - 2 }, dense.inner),
            Loops::Conv(geometry, kernel) => (1, geometry.groups * kernel[1]),
        }
    }

    /// Axis of the results, of `rank` axes, that has the outputs.
    pub(super) fn output_axis(&self, rank: usize) -> usize {
        self.channels(rank).0
    }

    /// How many outputs there are.
    pub(super) fn outputs(&self) -> usize {
        match self {
            Loops::Dense(dense) => dense.across,
            Loops::Conv(_, kernel) => kernel[0],
        }
    }

    /// Where, among weights with those of an output in a row, element `i` of an operand that has them stands.
    pub(super) fn weight_at(&self, i: usize) -> usize {
        match self {
            Loops::Dense(d) => {
                let i = i % (d.across * d.inner);
                if d.of_columns { i % d.across * d.inner + i / d.across } else { i }
            }
            Loops::Conv(..) => i,
        }
    }

    /// The channel that weight `i` of all is for, `terms` in a row for each output.
    pub(super) fn channel_of(&self, i: usize, terms: usize) -> usize {
        match self {
            Loops::Dense(_) => i % terms,
            Loops::Conv(geometry, kernel) => {
                let group = i / terms / (kernel[0] / geometry.groups);
                group * kernel[1] + i % terms / (terms / kernel[1])
            }
        }
    }
}

impl Lowering<'_> {
    /// The powers for inputs `x` that meet `weights`; `None` where one exponent does for all, as it does behind another layer, whose
    /// results are of one kind.
    pub(super) fn powers(&self, x: NodeId, loops: &Loops, weights: &[f32], terms: usize) -> Option<Powers> {
        if !self.comes_from(x, FURTHEST, &|id| matches!(self.node(id).op, Op::Input { .. })) {
            return None;
        }
        let (axis, channels) = loops.channels(self.node(x).ty.rank());
        let mut largest = vec![0.0f32; channels];
        for (i, w) in weights.iter().enumerate() {
            let of_channel = &mut largest[loops.channel_of(i, terms)];
            *of_channel = of_channel.max(w.abs());
        }
        let exponent = |w: f32| w.to_bits() >> 23;
        let top = exponent(largest.iter().fold(0.0, |m, w| m.max(*w)));
        let power = |w: &f32| if *w == 0.0 { UNUSED } else { (top - exponent(*w)) as u8 };
        let of_channel: Vec<u8> = largest.iter().map(power).collect();
        of_channel.iter().any(|q| (ALIKE + 1..UNUSED).contains(q)).then_some(Powers { axis, of_channel })
    }
}

impl Powers {
    /// Whether the channels are few enough to be of different units.
    pub(super) fn of_sensors(&self) -> bool {
        self.of_channel.len() <= SENSORS
    }

    /// q of channel k.
    pub(super) fn of(&self, k: usize) -> i32 {
        self.of_channel[k] as i32
    }

    /// 2^q of channel k; 1 where it has no weights.
    pub(super) fn factor(&self, k: usize) -> f64 {
        if self.of_channel[k] == UNUSED { 1.0 } else { 2f64.powi(self.of(k)) }
    }

    /// The weights by what the inputs are not.
    pub(super) fn scaled(&self, loops: &Loops, weights: &[f32], terms: usize) -> Vec<f32> {
        let by = |i: usize| self.factor(loops.channel_of(i, terms));
        weights.iter().enumerate().map(|(i, w)| (*w as f64 * by(i)) as f32).collect()
    }
}
