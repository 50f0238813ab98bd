//! What is quantised how: grids of tensors, integers and scales of weights.

use super::network::{Network, channel_of};
use teff_graph::DType;

/// The integers that stand for a tensor: `x = (q - zero) * scale` with q in the range of `dtype`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    /// [`DType::I8`], [`DType::U8`] or [`DType::I16`].
    pub dtype: DType,
    /// The distance of two neighbours; positive.
    pub scale: f32,
    /// The integer that stands for 0.
    pub zero: i32,
}

impl Grid {
    /// The grid whose ends are `low` and `high`, with 0 on it: scale = (high - low) / 255 and zero = lowest - round(low / scale), after the
    /// range is widened to hold 0 (Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
    /// Inference", 2018, equation 13). A tensor that is never negative gets its zero at the low end. One of 16 bits is symmetric about
    /// 0, which is its zero point: scale = max(-low, high) / 32767 (TFLite's quantisation specification, 16x8).
    pub fn of_range(dtype: DType, low: f32, high: f32) -> Grid {
        let (low, high) = (f64::from(low.min(0.0)), f64::from(high.max(0.0)));
        let (least, most) = range(dtype);
        let (span, steps) = match dtype {
            DType::I16 => (high.max(-low), f64::from(most)),
            _ => (high - low, f64::from(most - least)),
        };
        // Of zeros alone any scale will do.
        let scale = if span > 0.0 { ((span / steps) as f32).max(f32::MIN_POSITIVE) } else { 1.0 };
        let zero = match dtype {
            DType::I16 => 0.0,
            _ => f64::from(least) - (low / f64::from(scale)).round_ties_even(),
        };
        Grid { dtype, scale, zero: zero.clamp(f64::from(least), f64::from(most)) as i32 }
    }

    /// The smallest and the largest float it reaches.
    pub fn reach(&self) -> (f32, f32) {
        let (least, most) = range(self.dtype);
        ((least - self.zero) as f32 * self.scale, (most - self.zero) as f32 * self.scale)
    }

    /// `x` rounded to the grid.
    pub fn round(&self, x: f32) -> f32 {
        let (least, most) = range(self.dtype);
        let q = ((x / self.scale).round_ties_even() + self.zero as f32).clamp(least as f32, most as f32);
        (q - self.zero as f32) * self.scale
    }
}

/// Smallest and largest integer of the type of a tensor.
pub(super) fn range(dtype: DType) -> (i32, i32) {
    match dtype {
        DType::U8 => (0, 255),
        DType::I16 => (-32768, 32767),
        _ => (-128, 127),
    }
}

/// The integers that weights of so many bits are: all but the lowest of 8, so that negation stays inside; all of fewer bits, of which
/// none is to spare.
pub(crate) fn weight_range(bits: u8) -> (i32, i32) {
    match bits {
        8 => (-127, 127),
        n => (-(1 << (n - 1)), (1 << (n - 1)) - 1),
    }
}

/// Weights of a layer as integers: `w = q * scale[c]` for output channel c.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// 8, 4 or 2.
    pub bits: u8,
    /// One for each output channel; positive.
    pub scales: Vec<f32>,
    /// The integers, in the order of the weights' constant.
    pub q: Vec<i8>,
    /// The bias that replaces the network's, one for each output channel: what corrections are added to.
    pub bias: Option<Vec<f32>>,
}

impl Weights {
    /// Layer `layer` rounded to the nearest of integers whose scale takes the largest weight of each channel to the end of the range.
    ///
    /// # Panics
    /// When there is no such layer, or `bits` is not 8, 4 or 2.
    pub fn rounded(network: &Network, layer: usize, bits: u8) -> Weights {
        let most = weight_range(bits).1 as f32;
        let largest = |w: &Vec<f32>| w.iter().fold(0f32, |m, x| m.max(x.abs()));
        let scales = network.weights(layer).iter().map(|w| scale_of(largest(w), most)).collect();
        Weights::with_scales(network, layer, bits, scales)
    }

    /// Layer `layer` rounded to the nearest multiples of these scales.
    ///
    /// # Panics
    /// When there is no such layer, `bits` is not 8, 4 or 2, or there is not a scale for each output channel.
    pub fn with_scales(network: &Network, layer: usize, bits: u8, scales: Vec<f32>) -> Weights {
        assert!(matches!(bits, 2 | 4 | 8), "weights of {bits} bits");
        let at = &network.layers[layer];
        assert_eq!(scales.len(), at.channels, "a scale for each output channel");
        let (low, high) = weight_range(bits);
        let value = network.constant(at.weight);
        let elements = value.as_slice::<f32>().expect("layers have f32 weights");
        let q = elements.iter().enumerate().map(|(i, w)| {
            let steps = (w / scales[channel_of(i, value.shape(), at.axis)]).round_ties_even();
            steps.clamp(low as f32, high as f32) as i8
        });
        Weights { bits, q: q.collect(), scales, bias: None }
    }

    /// Bytes that the integers take when they are packed, scales not counted.
    pub fn bytes(&self) -> usize {
        (self.q.len() * usize::from(self.bits)).div_ceil(8)
    }
}

/// The scale that takes `largest` to integer `most`; of zeros alone any will do.
pub(super) fn scale_of(largest: f32, most: f32) -> f32 {
    if largest > 0.0 { (largest / most).max(f32::MIN_POSITIVE) } else { 1.0 }
}

/// How each part of a network is quantised.
#[derive(Clone, Debug, PartialEq)]
pub struct Scheme {
    /// A grid for each site, or nothing where the tensor stays float.
    pub sites: Vec<Option<Grid>>,
    /// Integers for each layer, or nothing where the weights stay float.
    pub layers: Vec<Option<Weights>>,
}

impl Scheme {
    /// Nothing is quantised.
    pub fn float(network: &Network) -> Scheme {
        Scheme { sites: vec![None; network.sites.len()], layers: vec![None; network.layers.len()] }
    }
}
