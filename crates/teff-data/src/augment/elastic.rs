//! Displacement fields: white noise smoothed by a Gaussian.
//!
//! Smoothing is separable and linear, so a field is `G_y N G_x`, where `N` is the noise and the band matrices `G` hold
//! the Gaussian; what lies outside the image
//! counts as zero.

use crate::rng::Rng;

/// Columns are worked on in blocks of this many, which a compiler keeps in registers.
const BLOCK: usize = 16;

/// The Gaussian is cut off at three standard deviations.
const REACH: f32 = 3.0;

/// The smoothing of fields of one size.
#[derive(Clone, Debug)]
pub(super) struct Elastic {
    height: usize,
    width: usize,
    /// The width rounded up to whole blocks.
    stride: usize,
    /// Half the Gaussian: the weight at each distance. The whole sums to 1.
    weights: Vec<f32>,
    alpha: f32,
}

/// The memory for one pair of fields.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    noise: Vec<f32>,
    half: Vec<f32>,
    dx: Vec<f32>,
    dy: Vec<f32>,
}

impl Fields {
    /// For `elastic`, or nothing.
    pub(super) fn new(elastic: Option<&Elastic>) -> Self {
        let Some(elastic) = elastic else { return Self::default() };
        let len = elastic.height * elastic.stride;
        let noise = vec![0.0; elastic.padded_width()];
        // Rows of zeros above and below let every row be smoothed alike.
        let half = vec![0.0; (elastic.height + 2 * elastic.reach()) * elastic.stride];
        Self { noise, half, dx: vec![0.0; len], dy: vec![0.0; len] }
    }
}

impl Elastic {
    pub(super) fn new(height: usize, width: usize, alpha: f32, sigma: f32) -> Self {
        let reach = (REACH * sigma).ceil() as usize;
        let bell = |distance: usize| (-0.5 * (distance as f32 / sigma).powi(2)).exp();
        let sum = bell(0) + 2.0 * (1..=reach).map(bell).sum::<f32>();
        let weights = (0..=reach).map(|distance| bell(distance) / sum).collect();
        Self { height, width, stride: width.next_multiple_of(BLOCK), weights, alpha }
    }

    fn reach(&self) -> usize {
        self.weights.len() - 1
    }

    fn padded_width(&self) -> usize {
        self.stride + 2 * self.reach()
    }

    /// Draws the displacements of every pixel, in pixels: `dx` and `dy`, rows `dx.len() / height` apart.
    pub(super) fn draw<'a>(&self, rng: &mut Rng, fields: &'a mut Fields) -> (&'a [f32], &'a [f32]) {
        let Fields { noise, half, dx, dy } = fields;
        for field in [&mut *dx, &mut *dy] {
            for y in 0..self.height {
                self.draw_noise(rng, noise);
                let start = (self.reach() + y) * self.stride;
                self.smooth(noise, 1, &mut half[start..start + self.stride]);
            }
            for (y, row) in field.chunks_exact_mut(self.stride).enumerate() {
                self.smooth(&half[y * self.stride..], self.stride, row);
            }
        }
        (dx, dy)
    }

    /// A row of noise of -alpha to alpha, 16 bits fine, between margins that stay zero.
    fn draw_noise(&self, rng: &mut Rng, row: &mut [f32]) {
        let scale = self.alpha / 32768.0;
        for values in row[self.reach()..self.reach() + self.width].chunks_mut(4) {
            let bits = rng.next_u64();
            for (i, value) in values.iter_mut().enumerate() {
                *value = f32::from((bits >> (16 * i)) as u16 as i16) * scale;
            }
        }
    }

    /// `out[i] = sum over d of weight(|d|) * from[i + (d + reach) * step]`.
    fn smooth(&self, from: &[f32], step: usize, out: &mut [f32]) {
        let reach = self.reach();
        for (block, out) in out.chunks_exact_mut(BLOCK).enumerate() {
            let from = &from[block * BLOCK..];
            let at = |tap: usize| &from[tap * step..tap * step + BLOCK];
            let mut sums = [0.0f32; BLOCK];
            for (sum, &value) in sums.iter_mut().zip(at(reach)) {
                *sum = self.weights[0] * value;
            }
            for (distance, &weight) in self.weights.iter().enumerate().skip(1) {
                let (before, after) = (at(reach - distance), at(reach + distance));
                for i in 0..BLOCK {
                    sums[i] += weight * (before[i] + after[i]);
                }
            }
            out.copy_from_slice(&sums);
        }
    }
}
