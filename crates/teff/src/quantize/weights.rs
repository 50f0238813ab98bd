//! Weights to integers: scales of least squared error, and rounding that makes up for itself.

use super::network::Network;
use super::probe::{Probe, Samples};
use super::scheme::{Scheme, Weights, scale_of, weight_range};
use crate::error::Result;
use teff_graph::{ConvGeometry, NodeId};

/// Scales that are tried for a channel, as shares of the one that takes its largest weight to the end of the range.
const TRIED: std::ops::RangeInclusive<u32> = 10..=100;

/// The scale of least squared error for the weights of one output channel, rounded to integers from `low` to `high`.
pub(crate) fn best_scale(weights: &[f32], (low, high): (i32, i32)) -> f32 {
    let widest = scale_of(weights.iter().fold(0f32, |m, x| m.max(x.abs())), high as f32);
    let cost = |scale: f32| -> f64 {
        let error = |w: &f32| {
            let q = (w / scale).round_ties_even().clamp(low as f32, high as f32);
            f64::from(w - q * scale).powi(2)
        };
        weights.iter().map(error).sum()
    };
    let shares = TRIED.rev().map(|percent| (widest * percent as f32 / 100.0).max(f32::MIN_POSITIVE));
    let best = shares.fold((widest, f64::INFINITY), |best, s| {
        let c = cost(s);
        if c < best.1 { (s, c) } else { best }
    });
    best.0
}

/// Layer `i` rounded to the nearest, with the scale of least squared error for each channel.
/// # Panics
/// When there is no such layer, or `bits` is not 8, 4 or 2.
pub fn nearest(network: &Network, i: usize, bits: u8) -> Weights {
    let scales = network.weights(i).iter().map(|w| best_scale(w, weight_range(bits))).collect();
    Weights::with_scales(network, i, bits, scales)
}

/// Products of inputs are summed over at most so many multiplications for a layer.
const MOST_PRODUCTS: usize = 1_500_000_000;
/// Layers with more inputs to an output are rounded to the nearest.
const MOST_INPUTS: usize = 2048;

/// Layer `i` rounded one input after the other, each time moving the weights not rounded yet so that the outputs for the samples stay what
/// they were as far as they can (Frantar et al., "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers", 2022).
/// Falls back to [`nearest`] for layers whose inputs are too many.
///
/// # Errors
/// What the executor could not do.
///
/// # Panics
/// As [`nearest`].
pub fn compensated(
    network: &Network,
    i: usize,
    bits: u8,
    samples: &Samples,
    threads: usize,
) -> Result<Weights> {
    let start = nearest(network, i, bits);
    let layer = &network.layers[i];
    let mut weights = network.weights(i);
    let inputs = weights[0].len();
    // What each output of a transposed convolution sees differs by its place.
    if inputs > MOST_INPUTS || samples.is_empty() || network.is_transposed(i) {
        return Ok(start);
    }
    let groups = network.geometry(i).map_or(1, |g| g.groups);
    let moments = moments(network, i, inputs, groups, samples, threads)?;
    let per_group = layer.channels / groups;
    let (low, high) = weight_range(bits);
    let mut rounded = vec![vec![0i8; inputs]; layer.channels];
    for (g, moment) in moments.into_iter().enumerate() {
        let Some(upper) = inverse_factor(moment, inputs) else { return Ok(start) };
        for c in g * per_group..(g + 1) * per_group {
            let (w, scale) = (&mut weights[c], start.scales[c]);
            for k in 0..inputs {
                let q = (w[k] / scale).round_ties_even().clamp(low as f32, high as f32);
                rounded[c][k] = q as i8;
                let error = f64::from(w[k] - q * scale) / upper[k * inputs + k];
                for j in k + 1..inputs {
                    w[j] -= (error * upper[k * inputs + j]) as f32;
                }
            }
        }
    }
    let shape = &network.graph[layer.weight].ty.shape;
    let mut next = vec![0; layer.channels];
    let q = (0..start.q.len()).map(|e| {
        let c = super::network::channel_of(e, shape, layer.axis);
        next[c] += 1;
        rounded[c][next[c] - 1]
    });
    Ok(Weights { q: q.collect(), ..start })
}

/// For each group the sums of products of every two inputs of an output, over samples and places: `inputs * inputs` numbers.
fn moments(
    network: &Network,
    i: usize,
    inputs: usize,
    groups: usize,
    samples: &Samples,
    threads: usize,
) -> Result<Vec<Vec<f64>>> {
    let (graph, layer) = (&network.graph, &network.layers[i]);
    let x: NodeId = graph[layer.node].operands[0];
    let mut sums = vec![vec![0f32; inputs * inputs]; groups];
    let places = graph[layer.node].ty.len() / layer.channels;
    let wanted = (MOST_PRODUCTS / (inputs * inputs * groups)).max(256);
    let step = (samples.len() * places).div_ceil(wanted).max(1);
    let mut rows = 0;
    let each = graph[x].ty.len();
    let mut row = vec![0f32; inputs];
    let mut probe = Probe::new(network, &Scheme::float(network), &[x], threads)?;
    probe.run(samples, |_, values| {
        for sample in values.chunks_exact(each) {
            for place in 0..places {
                rows += 1;
                if !(rows - 1usize).is_multiple_of(step) {
                    continue;
                }
                for (g, sum) in sums.iter_mut().enumerate() {
                    match network.geometry(i) {
                        Some(geometry) => {
                            let kernel = &graph[layer.weight].ty.shape[2..];
                            let out = &graph[layer.node].ty.shape[2..];
                            patch(sample, &graph[x].ty.shape, geometry, kernel, out, g, place, &mut row);
                        }
                        None => row.copy_from_slice(&sample[place * inputs..(place + 1) * inputs]),
                    }
                    accumulate(sum, &row);
                }
            }
        }
    })?;
    Ok(sums.into_iter().map(|s| s.into_iter().map(f64::from).collect()).collect())
}

/// Adds the products of a row's elements; the half above the diagonal is enough.
fn accumulate(sum: &mut [f32], row: &[f32]) {
    let n = row.len();
    for (i, &x) in row.iter().enumerate() {
        if x != 0.0 {
            for (s, y) in sum[i * n + i..(i + 1) * n].iter_mut().zip(&row[i..]) {
                *s += x * y;
            }
        }
    }
}

/// The inputs of one output pixel of group `g`, 0 where the padding is.
fn patch(
    sample: &[f32],
    shape: &[usize],
    geometry: &ConvGeometry,
    kernel: &[usize],
    out: &[usize],
    g: usize,
    place: usize,
    row: &mut [f32],
) {
    let window = geometry.window(kernel);
    let per_group = shape[1] / geometry.groups;
    let plane: usize = shape[2..].iter().product();
    let taps: usize = kernel.iter().product();
    for tap in 0..taps {
        let (mut at, mut index) = (Some(0), (place, tap, 1));
        // From the innermost axis outwards.
        for axis in (0..kernel.len()).rev() {
            let (p, t, stride) = index;
            let size = shape[2 + axis];
            at = at.zip(window.tap(axis, p % out[axis], t % kernel[axis], size)).map(|(a, i)| a + i * stride);
            index = (p / out[axis], t / kernel[axis], stride * size);
        }
        for c in 0..per_group {
            let from = (g * per_group + c) * plane;
            row[c * taps + tap] = at.map_or(0.0, |a| sample[from + a]);
        }
    }
}

/// The upper triangle U with U^T U = H^-1, of a matrix whose half above the diagonal is given, its diagonal raised by a hundredth of its mean
/// so that inputs that are always 0 do no harm. `None` when that is not positive definite all the same.
fn inverse_factor(mut h: Vec<f64>, n: usize) -> Option<Vec<f64>> {
    let mean = (0..n).map(|i| h[i * n + i]).sum::<f64>() / n as f64;
    if mean <= 0.0 {
        return None;
    }
    // With both orders reversed, the inverse of the lower factor is the upper factor of the inverse: H = L' L'^T from the last row up.
    (0..n).for_each(|i| h[i * n + i] += 0.01 * mean);
    // R upper with R R^T = H; then U = R^-1 has U^T U = H^-1.
    let mut r = vec![0.0; n * n];
    for j in (0..n).rev() {
        let row = |a: &[f64], i: usize, from: usize| -> Vec<f64> { a[i * n + from..(i + 1) * n].to_vec() };
        let tail = row(&r, j, j + 1);
        let d = h[j * n + j] - tail.iter().map(|x| x * x).sum::<f64>();
        if d <= 0.0 {
            return None;
        }
        let d = d.sqrt();
        r[j * n + j] = d;
        for i in 0..j {
            let dot: f64 = r[i * n + j + 1..(i + 1) * n].iter().zip(&tail).map(|(a, b)| a * b).sum();
            r[i * n + j] = (h[i * n + j] - dot) / d;
        }
    }
    // The inverse of an upper triangle, row by row from the last.
    let mut u = vec![0.0; n * n];
    for i in (0..n).rev() {
        u[i * n + i] = 1.0 / r[i * n + i];
        for k in i + 1..n {
            let factor = r[i * n + k];
            if factor != 0.0 {
                let (head, below) = u.split_at_mut(k * n);
                for (x, y) in head[i * n + k..(i + 1) * n].iter_mut().zip(&below[k..n]) {
                    *x -= factor * y;
                }
            }
        }
        let d = r[i * n + i];
        u[i * n + i + 1..(i + 1) * n].iter_mut().for_each(|x| *x /= d);
    }
    Some(u)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factor_squares_to_the_inverse() {
        let n = 3;
        let h = [4.0, 1.0, 0.5, 1.0, 3.0, 0.2, 0.5, 0.2, 2.0];
        let u = inverse_factor(h.to_vec(), n).unwrap();
        let raised = |i: usize, j: usize| h[i * n + j] + if i == j { 0.01 * 3.0 } else { 0.0 };
        // (U^T U) H = 1.
        for i in 0..n {
            for j in 0..n {
                let inverse = |a: usize, b: usize| (0..n).map(|k| u[k * n + a] * u[k * n + b]).sum::<f64>();
                let one: f64 = (0..n).map(|k| inverse(i, k) * raised(k, j)).sum();
                assert!((one - f64::from(i == j)).abs() < 1e-12, "{i} {j} {one}");
            }
        }
        assert!((1..n).all(|i| (0..i).all(|j| u[i * n + j] == 0.0)));
        assert_eq!(inverse_factor(vec![0.0; 9], 3), None);
    }

    #[test]
    fn few_bits_give_up_the_largest_weight_for_the_others() {
        let mut w = vec![0.1, -0.1, 0.11, -0.09, 0.1, -0.1, 0.1, 0.09];
        assert!((best_scale(&w, weight_range(2)) - 0.1).abs() < 0.006);
        w.extend(w.clone());
        w.push(0.4);
        // To hold 0.4 exactly all others would be 0.
        assert!(best_scale(&w, weight_range(2)) < 0.21);
        assert!((best_scale(&w, weight_range(8)) * 127.0 - 0.4).abs() < 0.01);
        assert_eq!(best_scale(&[0.0; 4], weight_range(4)), 1.0);
    }

    #[test]
    fn scales_leave_less_error_than_the_largest_weight_would() {
        // Many small weights and a large one, which a narrow range had better clip.
        let weights: Vec<f32> = (0..64).map(|i| (i as f32 * 0.7).sin() * 0.1).chain([0.3]).collect();
        let error = |step: f32, low: f32, high: f32| -> f32 {
            weights.iter().map(|w| (w - (w / step).round_ties_even().clamp(low, high) * step).powi(2)).sum()
        };
        // With 4 bits the large one is worth its range, with fewer it is not.
        for (low, high, share) in [(-8, 7, 1.0), (-2, 1, 0.9), (-1, 1, 0.9)] {
            let step = best_scale(&weights, (low, high));
            let (low, high) = (low as f32, high as f32);
            assert!(error(step, low, high) <= share * error(0.3 / high, low, high), "{low} {step}");
        }
        // What fits exactly is kept exactly.
        assert_eq!(best_scale(&[0.5, -1.0, 3.5], (-8, 7)), 0.5);
    }

    #[test]
    fn patches_are_what_a_convolution_reads() {
        let x: Vec<f32> = (0..2 * 9).map(|i| i as f32).collect();
        let geometry = ConvGeometry { pad_low: vec![1, 1], pad_high: vec![1, 1], ..ConvGeometry::new(2) };
        let mut row = vec![9.0; 8];
        patch(&x, &[1, 2, 3, 3], &geometry, &[2, 2], &[4, 4], 0, 0, &mut row);
        assert_eq!(row, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 9.0]);
        patch(&x, &[1, 2, 3, 3], &geometry, &[2, 2], &[4, 4], 0, 5, &mut row);
        assert_eq!(row, [0.0, 1.0, 3.0, 4.0, 9.0, 10.0, 12.0, 13.0]);
    }
}
