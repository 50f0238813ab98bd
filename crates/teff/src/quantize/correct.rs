//! Bias correction: what rounding adds to the mean of each channel is taken off its bias.

use super::network::Network;
use super::probe::{Probe, Samples};
use super::scheme::Scheme;
use crate::error::Result;

/// Changes the biases of `scheme`, layer after layer, so that the mean of each output channel over the samples is what it is in the float
/// network (Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", 2019, the empirical form). Later
/// layers are measured with the earlier ones corrected. Gives, for each layer, the largest correction as a share of the standard
/// deviation of its outputs; 0 for layers that stay float.
///
/// # Errors
/// What the executor could not do.
pub fn correct_biases(
    network: &Network,
    scheme: &mut Scheme,
    samples: &Samples,
    threads: usize,
) -> Result<Vec<f64>> {
    let float = Scheme::float(network);
    let mut largest = vec![0.0; network.layers.len()];
    for i in 0..network.layers.len() {
        if scheme.layers[i].is_none() {
            continue;
        }
        let layer = &network.layers[i];
        let taps = [layer.sums()];
        let (mut exact, mut rounded) =
            (Probe::new(network, &float, &taps, threads)?, Probe::new(network, scheme, &taps, threads)?);
        let ty = &network.graph[layer.node].ty;
        let inner: usize = ty.shape[layer.result_axis + 1..].iter().product();
        let (mut error, mut square, mut sum) = (vec![0f64; layer.channels], 0.0, 0.0);
        let mut count = 0usize;
        exact.compare(&mut rounded, samples, |_, x, y| {
            for (at, (x, y)) in x.iter().zip(y).enumerate() {
                error[at / inner % layer.channels] += f64::from(*x) - f64::from(*y);
                square += f64::from(*x).powi(2);
                sum += f64::from(*x);
            }
            count += x.len();
        })?;
        let per_channel = (count / layer.channels).max(1) as f64;
        let mean = sum / count.max(1) as f64;
        let deviation = (square / count.max(1) as f64 - mean * mean).max(0.0).sqrt();
        let old = network.bias(i);
        let weights = scheme.layers[i].as_mut().expect("looked at above");
        let old = weights.bias.clone().unwrap_or(old);
        weights.bias =
            Some(old.iter().zip(&error).map(|(b, e)| (f64::from(*b) + e / per_channel) as f32).collect());
        let most = error.iter().map(|e| (e / per_channel).abs()).fold(0.0, f64::max);
        largest[i] = if deviation > 0.0 { most / deviation } else { 0.0 };
    }
    Ok(largest)
}
