//! Rounding that is learned: integers of few bits move until the network's outputs for the samples are nearest to the float network's.
//!
//! Every weight is a parameter in steps of its scale, which is rounded on the way forward while the gradient passes straight through
//! (Nagel et al., "Up or Down? Adaptive Rounding for Post-Training Quantization", 2020, learn the same choice layer by layer); tensors are
//! rounded as the scheme says. Nothing but samples is needed: the float network says what is to come out.

use super::network::{Network, channel_of};
use super::probe::{Samples, outputs};
use super::scheme::{Scheme, Weights, range, weight_range};
use crate::error::Result;
use crate::optim::{Optimizer, Schedule};
use crate::step::Step;
use std::collections::HashMap;
use teff_data::Rng;
use teff_graph::passes::for_batch;
use teff_graph::{DType, Graph, NodeId, Num, Param, Tensor, Type, Value, with_dtype};

/// Samples of a step.
const BATCH: usize = 32;
/// Steps at most, and what is worth beginning.
const STEPS: usize = 600;
const FEW_STEPS: usize = 50;
/// Multiply-accumulates of the forward pass over all steps: fewer steps are made of a large network, and none of one of more than 37
/// million for a sample.
const MOST_WORK: u64 = 60_000_000_000;
/// By how much of an integer a weight moves at most in a step, in the beginning.
const RATE: f64 = 0.003;
/// A weight begins at the integer that it was rounded to, or so far from it towards what it was.
const NEAR: f64 = 0.45;

/// The weights of `scheme` after learning; nothing where the network has no gradient, as of a loop, or is too large.
///
/// # Errors
/// What the executor could not do, and what `tell` gives.
pub(super) fn learned(
    network: &Network,
    scheme: &Scheme,
    samples: &Samples,
    threads: usize,
    tell: &mut dyn FnMut(usize, usize) -> Result<()>,
) -> Result<Option<Vec<Option<Weights>>>> {
    let params = params(network, scheme);
    let rounded = rounded(network, scheme, &params)?;
    let (graph, batch) = match for_batch(&rounded, BATCH) {
        Some(graph) => (graph, BATCH),
        None => (rounded, 1),
    };
    let work: u64 = network.layers.iter().map(|l| l.macs).sum::<u64>() * batch as u64;
    let steps = STEPS.min((MOST_WORK / work.max(1)) as usize);
    if steps < FEW_STEPS {
        return Ok(None);
    }
    let wanted = outputs(network, &Scheme::float(network), samples, threads)?;
    let inputs: Vec<Tensor> =
        graph.inputs().iter().map(|i| Tensor::input("", graph[*i].ty.dtype, &graph[*i].ty.shape)).collect();
    let made = graph.instantiate(&inputs);
    let (mut targets, mut loss) = (Vec::new(), Tensor::scalar(0f32));
    for (y, wanted) in made.iter().zip(&wanted) {
        let target = Tensor::input("", DType::F32, y.shape());
        let power: f64 =
            wanted.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / wanted.len().max(1) as f64;
        loss = loss + (y.cast(DType::F32) - &target).square().mean(&[]) * (1.0 / power.max(1e-12));
        targets.push(target);
    }
    let mut optimizer = Optimizer::adam(RATE);
    let Ok(updates) = optimizer.minimize(&loss) else { return Ok(None) };
    let all: Vec<&Tensor> = inputs.iter().chain(&targets).collect();
    let Ok(mut step) = Step::new(&all, &[&loss], &updates, threads) else { return Ok(None) };
    let mut order: Vec<usize> = (0..samples.len()).collect();
    let mut rng = Rng::stream(0, &[1]);
    let mut at = order.len();
    for done in 0..steps {
        tell(done, steps)?;
        for k in 0..batch {
            if at == order.len() {
                rng.shuffle(&mut order);
                at = 0;
            }
            let sample = order[at];
            at += 1;
            for i in 0..inputs.len() {
                let value = samples.value(sample, i);
                let (to, n) = (k * value.len(), value.len());
                with_dtype!(value.dtype(), T => {
                    step.input_mut::<T>(i)[to..to + n].copy_from_slice(value.as_slice::<T>().expect("of this type"));
                });
            }
            for (t, wanted) in wanted.iter().enumerate() {
                let n = wanted.len() / samples.len();
                step.input_mut::<f32>(inputs.len() + t)[k * n..(k + 1) * n]
                    .copy_from_slice(&wanted[sample * n..(sample + 1) * n]);
            }
        }
        optimizer.set_rate(Schedule::Cosine.at(done as f64 / steps as f64) * RATE);
        step.run()?;
    }
    let layers = network.layers.iter().zip(&scheme.layers).map(|(layer, weights)| {
        let weights = weights.as_ref()?;
        let (low, high) = weight_range(weights.bits);
        let (first, param) = &params[&layer.weight];
        // Of the same weights on another grid nothing was learned.
        let of = scheme.layers[*first].as_ref().expect("it has a parameter");
        if (of.bits, &of.scales) != (weights.bits, &weights.scales) {
            return Some(weights.clone());
        }
        let steps = param.value();
        let q = steps.as_slice::<f32>().expect("f32").iter();
        let q = q.map(|x| x.round_ties_even().clamp(low as f32, high as f32) as i8).collect();
        Some(Weights { q, ..weights.clone() })
    });
    Ok(Some(layers.collect()))
}

/// The weights in steps of their scales, by the constant that holds them, with the first layer that rounds it.
fn params(network: &Network, scheme: &Scheme) -> HashMap<NodeId, (usize, Param)> {
    let mut params = HashMap::new();
    for (i, (layer, weights)) in network.layers.iter().zip(&scheme.layers).enumerate() {
        let Some(weights) = weights else { continue };
        let value = network.constant(layer.weight);
        let exact = value.to_f64();
        let steps = |e: usize| {
            let steps = exact[e] / f64::from(weights.scales[channel_of(e, value.shape(), layer.axis)]);
            let q = f64::from(weights.q[e]);
            Num::Float(q + (steps - q).clamp(-NEAR, NEAR))
        };
        let new =
            || (i, Param::new(&layer.name, Value::from_fn(&Type::new(DType::F32, value.shape()), steps)));
        params.entry(layer.weight).or_insert_with(new);
    }
    params
}

/// The network with every weight and tensor rounded as `scheme` says.
fn rounded(network: &Network, scheme: &Scheme, params: &HashMap<NodeId, (usize, Param)>) -> Result<Graph> {
    let grids: HashMap<NodeId, _> =
        network.sites.iter().zip(&scheme.sites).filter_map(|(s, grid)| Some((s.node, (*grid)?))).collect();
    Ok(network.graph.rewritten(|id, _, t| {
        if let Some((i, param)) = params.get(&id) {
            let (layer, weights) =
                (&network.layers[*i], scheme.layers[*i].as_ref().expect("it has a parameter"));
            let mut shape = vec![1; t.rank()];
            shape[layer.axis] = layer.channels;
            let (low, high) = weight_range(weights.bits);
            let steps = Tensor::param(param).clip(low.into(), high.into()).round_straight_through();
            return steps * Tensor::constant(Value::new(shape, weights.scales.clone()));
        }
        match grids.get(&id) {
            Some(grid) => {
                let (low, high) = range(grid.dtype);
                t.fake_quantize(&Tensor::scalar(grid.scale), grid.zero, low, high)
            }
            None => t,
        }
    })?)
}
