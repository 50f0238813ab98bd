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
