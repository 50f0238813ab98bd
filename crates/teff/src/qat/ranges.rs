//! Over which ranges quantised training begins.

use crate::error::Result;
use crate::folded::{Folded, batched};
use crate::step::Step;
use teff_data::Dataset;
use teff_graph::{DType, NodeId, Tensor};

/// Smallest and largest value of each of the results `at`, each averaged over batches of the first `samples` samples.
pub(super) fn observed(
    folded: &Folded,
    at: &[NodeId],
    data: &Dataset,
    samples: usize,
    threads: usize,
) -> Result<Vec<(f32, f32)>> {
    let batch = samples.clamp(1, 64).min(data.len());
    let graph = folded.graph().giving(at);
    let x = Tensor::input("x", DType::F32, &[&[batch], data.shape()].concat());
    let results = batched(&graph, batch)?.instantiate(std::slice::from_ref(&x));
    let bounds: Vec<Tensor> = results.iter().flat_map(|t| [t.min(&[]), t.max(&[])]).collect();
    let mut step = Step::new(&[&x], &bounds.iter().collect::<Vec<_>>(), &Vec::new(), threads)?;
    let mut sums = vec![0.0f64; bounds.len()];
    let all: Vec<usize> = (0..samples.min(data.len())).collect();
    let batches = all.chunks_exact(batch);
    let count = batches.len();
    for part in batches {
        data.gather(part, step.input_mut(0));
        step.run()?;
        sums.iter_mut().enumerate().for_each(|(i, s)| *s += f64::from(step.item(i)));
    }
    let mean = |s: &f64| (*s / count.max(1) as f64) as f32;
    Ok(sums.chunks_exact(2).map(|s| (mean(&s[0]), mean(&s[1]))).collect())
}

/// For each output channel of some weights, the step that leaves the smallest squared error when they are rounded to integers from `low`
/// to `high`, searched between a fifth of the step that takes the largest weight to the end of the range and that step.
pub(super) fn steps(channels: &[Vec<f32>], (low, high): (i32, i32)) -> Vec<f32> {
    const CANDIDATES: usize = 80;
    let (low, high) = (low as f32, high as f32);
    let best = |weights: &Vec<f32>| {
        let largest = weights.iter().fold(0.0f32, |m, w| m.max(w.abs()));
        if largest == 0.0 {
            return 1.0;
        }
        let error = |step: f32| -> f64 {
            let one = |w: &f32| f64::from(w - (w / step).round_ties_even().clamp(low, high) * step);
            weights.iter().map(|w| one(w).powi(2)).sum()
        };
        let candidates = (CANDIDATES / 5..=CANDIDATES).map(|i| largest * i as f32 / CANDIDATES as f32 / high);
        let least = candidates.map(|step| (error(step), step)).min_by(|a, b| a.0.total_cmp(&b.0));
        least.map_or(largest / high, |(_, step)| step).max(f32::MIN_POSITIVE)
    };
    channels.iter().map(best).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_leave_less_error_than_the_largest_weight_would() {
        // Many small weights and a large one, which a narrow range had better clip.
        let weights: Vec<f32> = (0..64).map(|i| (i as f32 * 0.7).sin() * 0.1).chain([0.3]).collect();
        let error = |step: f32, low: f32, high: f32| -> f32 {
            weights.iter().map(|w| (w - (w / step).round_ties_even().clamp(low, high) * step).powi(2)).sum()
        };
        // With 4 bits the large one is worth its range, with fewer it is not.
        for (low, high, share) in [(-8, 7, 1.0), (-2, 1, 0.9), (-1, 1, 0.9)] {
            let step = steps(std::slice::from_ref(&weights), (low, high))[0];
            let (low, high) = (low as f32, high as f32);
            assert!(error(step, low, high) <= share * error(0.3 / high, low, high), "{low} {step}");
        }
        // What fits exactly is kept exactly.
        assert_eq!(steps(&[vec![0.5, -1.0, 3.5]], (-8, 7)), vec![0.5]);
        assert_eq!(steps(&[vec![0.0; 3]], (-8, 7)), vec![1.0]);
    }
}
