//! Where activations are quantised, and over which ranges they begin.

use super::POINTS;
use crate::error::Result;
use crate::network::Network;
use crate::step::Step;
use std::collections::BTreeSet;
use teff_data::Dataset;
use teff_graph::{Binary, DType, NodeId, Op, PoolKind, ReduceKind, Tensor};

/// The nodes whose results are quantised: the input, the output, and what operations take that are computed in integers.
pub(super) fn places(network: &Network) -> Vec<NodeId> {
    let graph = network.graph();
    let mut places: BTreeSet<NodeId> = graph.inputs().iter().copied().collect();
    places.extend(graph.outputs().iter().map(|o| o.node));
    let biases: Vec<NodeId> = network.layers().iter().filter_map(|l| l.bias.as_ref().map(|b| b.0)).collect();
    for id in graph.ids().filter(|id| network.varies(*id)) {
        let node = &graph[id];
        let data: Vec<NodeId> = node.operands.iter().copied().filter(|o| network.varies(*o)).collect();
        let takes = match &node.op {
            Op::Conv(_) | Op::MatMul | Op::ConvTranspose { .. } => true,
            Op::Pool { kind: PoolKind::Sum, .. } | Op::Reduce { kind: ReduceKind::Sum, .. } => true,
            Op::Concat { .. } => true,
            Op::Binary(Binary::Add | Binary::Sub | Binary::Mul) => data.len() == 2 && !biases.contains(&id),
            _ => false,
        };
        if takes {
            places.extend(data);
        }
    }
    // A window's or a picture's largest element is quantised once, behind the search: it is the same.
    places.into_iter().filter(|id| graph[*id].ty.dtype == DType::F32).collect()
}

/// Smallest and largest value of each of the results `at`, each averaged over batches of the first `samples` samples.
pub(super) fn observed(
    network: &Network,
    at: &[NodeId],
    data: &Dataset,
    samples: usize,
    threads: usize,
) -> Result<Vec<(f32, f32)>> {
    let batch = samples.clamp(1, 64).min(data.len());
    let x = network.placeholder(batch);
    let mut seen: Vec<(NodeId, Tensor)> = Vec::new();
    network.walk(&x, |id, _, t| {
        if at.contains(&id) {
            seen.push((id, t.clone()));
        }
        t
    });
    let find = |id: &NodeId| &seen.iter().find(|(i, _)| i == id).expect("each node is walked").1;
    let bounds: Vec<Tensor> = at.iter().flat_map(|id| [find(id).min(&[]), find(id).max(&[])]).collect();
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

/// The step and the zero point, in -128 to 127, that cover `low` to `high` and hold 0 exactly.
pub(super) fn affine(low: f32, high: f32) -> (f32, i32) {
    let (low, high) = (low.min(0.0), high.max(0.0));
    let span = high - low;
    if span.is_nan() || span <= 0.0 {
        return (1.0, POINTS.0);
    }
    let step = span / (POINTS.1 - POINTS.0) as f32;
    let zero = (POINTS.0 as f32 - low / step).round().clamp(POINTS.0 as f32, POINTS.1 as f32);
    (step, zero as i32)
}

/// For each channel along `axis` of the weights, the step that leaves the smallest squared error, searched between a fifth of the
/// largest weight's and the largest weight's own.
pub(super) fn steps(weights: &[f32], shape: &[usize], axis: usize, (low, high): (i32, i32)) -> Vec<f32> {
    const CANDIDATES: usize = 80;
    let inner: usize = shape[axis + 1..].iter().product();
    let channel = |c: usize| weights.iter().enumerate().filter(move |(i, _)| i / inner % shape[axis] == c).map(|(_, w)| *w);
    let best = |c: usize| {
        let all: Vec<f32> = channel(c).collect();
        let largest = all.iter().fold(0.0f32, |m, w| m.max(w.abs()));
        if largest == 0.0 {
            return 1.0;
        }
        // Of two bits the lower end is farther than the upper, which no more than the half of the weights needs.
        let reach = high.max(1) as f32;
        let error = |step: f32| -> f64 {
            let one = |w: &f32| (w - (w / step).round_ties_even().clamp(low as f32, high as f32) * step) as f64;
            all.iter().map(|w| one(w).powi(2)).sum()
        };
        let candidates = (CANDIDATES / 5..=CANDIDATES).map(|i| largest * i as f32 / CANDIDATES as f32 / reach);
        let (_, step) = candidates.fold((f64::INFINITY, 1.0), |(least, at), step| match error(step) {
            e if e < least => (e, step),
            _ => (least, at),
        });
        step
    };
    (0..shape[axis]).map(best).collect()
}
