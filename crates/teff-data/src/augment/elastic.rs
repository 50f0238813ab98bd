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

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(elastic: &Elastic, seed: u64) -> (Vec<f32>, Vec<f32>) {
        let mut fields = Fields::new(Some(elastic));
        let (dx, dy) = elastic.draw(&mut Rng::new(seed), &mut fields);
        (dx.to_vec(), dy.to_vec())
    }

    #[test]
    fn smoothing_agrees_with_the_plain_double_sum() {
        let (height, width, sigma) = (9, 21, 1.5);
        let elastic = Elastic::new(height, width, 10.0, sigma);
        // The same noise, row by row, from a generator of the same seed.
        let mut rng = Rng::new(4);
        let mut row = vec![0.0; elastic.padded_width()];
        let mut noise = Vec::new();
        for _ in 0..height {
            elastic.draw_noise(&mut rng, &mut row);
            noise.push(row[elastic.reach()..elastic.reach() + width].to_vec());
        }
        let reach = (3.0f32 * sigma).ceil() as i32;
        let bell = |d: i32| (-(d as f32).powi(2) / (2.0 * sigma * sigma)).exp();
        let sum: f32 = (-reach..=reach).map(bell).sum();
        let (dx, _) = draw(&elastic, 4);
        for y in 0..height as i32 {
            for x in 0..width as i32 {
                let mut expected = 0.0;
                for v in 0..height as i32 {
                    for u in 0..width as i32 {
                        if (u - x).abs() <= reach && (v - y).abs() <= reach {
                            expected +=
                                noise[v as usize][u as usize] * bell(u - x) * bell(v - y) / (sum * sum);
                        }
                    }
                }
                let value = dx[y as usize * elastic.stride + x as usize];
                assert!((value - expected).abs() < 1e-4, "({x}, {y}): {value}, expected {expected}");
            }
        }
    }

    #[test]
    fn displacements_have_the_documented_size_and_no_bias() {
        let elastic = Elastic::new(64, 64, 30.0, 4.0);
        let (mut squares, mut sum, mut mixed, mut count) = (0.0f64, 0.0f64, 0.0f64, 0u32);
        for seed in 0..60 {
            let (dx, dy) = draw(&elastic, seed);
            for y in 16..48 {
                for x in 16..48 {
                    let (a, b) = (f64::from(dx[y * 64 + x]), f64::from(dy[y * 64 + x]));
                    squares += a * a + b * b;
                    sum += a + b;
                    mixed += a * b;
                    count += 1;
                }
            }
        }
        let rms = (squares / f64::from(2 * count)).sqrt();
        let documented = 0.163 * 30.0 / 4.0;
        assert!((rms / documented - 1.0).abs() < 0.05, "{rms}, documented {documented}");
        assert!((sum / f64::from(2 * count)).abs() < 0.1 && (mixed / f64::from(count)).abs() < 0.1);
    }
}
