//! Inputs whose channels are of different units: pressure in pascal beside a ratio leaves the ratio no step of a grid that both share.
//!
//! Each channel is brought to -1 to 1 before it is quantised, by its middle and half its range, and the layers behind it take that back:
//! x W + b = ((x - m) / f) (f W) + (b + m W), which is the same network in floats.

use super::calibrate::{Calibration, grids};
use super::equalise::input_of;
use super::network::{Network, channel_of};
use super::observe::observe;
use super::probe::{Reference, Samples};
use super::scheme::Scheme;
use super::settings::{Settings, Standardised};
use super::weights::nearest;
use crate::error::Result;
use std::collections::HashMap;
use teff_graph::{DType, Graph, NodeId, Tensor, Value};

/// Channels that span fewer steps of the grid that all share are of other units.
const FEW_STEPS: f64 = 64.0;
/// What it must bring, in dB.
const WORTHWHILE: f64 = 0.5;

/// An input, and how its channels are brought together.
struct Input {
    node: NodeId,
    /// The axis of channels, the middle of each, and half its range.
    axis: usize,
    middle: Vec<f64>,
    reach: Vec<f64>,
    /// The layers that use it.
    layers: Vec<usize>,
}

/// Standardises the inputs that need it, where the outputs then are nearer to the float network's.
///
/// # Errors
/// What the executor could not do.
pub(super) fn standardise(
    network: &mut Network,
    samples: &Samples,
    reference: &Reference,
    settings: &Settings,
) -> Result<Vec<Standardised>> {
    let mut done = Vec::new();
    for i in 0..network.graph.inputs().len() {
        let Some(input) = mixed(network, samples, i) else { continue };
        let changed = Network::new(&changed(network, &input)?)?;
        let measured = |network: &Network| -> Result<f64> {
            let seen = observe(network, samples, settings.threads)?;
            let sites = grids(network, &seen, Calibration::MinMax, settings.tensors);
            let layers = (0..network.layers.len()).map(|i| Some(nearest(network, i, 8))).collect();
            Ok(reference.measure(network, &Scheme { sites, layers })?.sqnr)
        };
        let (before, after) = (measured(network)?, measured(&changed)?);
        if after > before + WORTHWHILE {
            let input = network.graph.input_name(input.node).to_string();
            done.push(Standardised { input, before, after });
            *network = changed;
        }
    }
    Ok(done)
}

/// Input `i`, if it goes straight into layers and its channels reach very differently.
fn mixed(network: &Network, samples: &Samples, i: usize) -> Option<Input> {
    let graph = &network.graph;
    let node = graph.inputs()[i];
    let ty = &graph[node].ty;
    let users = &graph.users()[node.index()];
    let layer = |user: &NodeId| {
        network.layers.iter().position(|l| l.node == *user && graph[*user].operands[0] == node)
    };
    let layers: Vec<usize> = users.iter().map(layer).collect::<Option<_>>()?;
    let geometry = network.geometry(*layers.first()?);
    let axis = if geometry.is_some() { 1 } else { ty.rank() - 1 };
    let alone =
        |l: &usize| network.geometry(*l).is_some() == geometry.is_some() && !network.is_transposed(*l);
    if ty.dtype != DType::F32 || !layers.iter().all(alone) || ty.shape[axis] < 2 {
        return None;
    }
    let channels = ty.shape[axis];
    let inner: usize = ty.shape[axis + 1..].iter().product();
    let (mut low, mut high) = (vec![f64::INFINITY; channels], vec![f64::NEG_INFINITY; channels]);
    for x in samples.of_input(i) {
        for (at, &x) in x.as_slice::<f32>()?.iter().enumerate() {
            let c = at / inner % channels;
            (low[c], high[c]) = (low[c].min(x.into()), high[c].max(x.into()));
        }
    }
    let all = high.iter().fold(0.0, |a: f64, b| a.max(*b)) - low.iter().fold(0.0, |a: f64, b| a.min(*b));
    let few = |c: usize| high[c] > low[c] && (high[c] - low[c]) / all * 255.0 < FEW_STEPS;
    if !(0..channels).any(few) {
        return None;
    }
    // What pads a convolution is 0 of the network's input, and must stay 0.
    let pads = |l: &usize| {
        network.geometry(*l).is_some_and(|g| g.pad_low.iter().chain(&g.pad_high).any(|p| *p != 0))
    };
    let padded = layers.iter().any(pads);
    let middle: Vec<f64> =
        (0..channels).map(|c| if padded { 0.0 } else { (low[c] + high[c]) / 2.0 }).collect();
    let reach = |c: usize| (high[c] - middle[c]).abs().max((low[c] - middle[c]).abs());
    let reach = (0..channels).map(|c| if reach(c) > 0.0 { reach(c) } else { 1.0 }).collect();
    Some(Input { node, axis, middle, reach, layers })
}

/// The same network, which standardises that input first.
fn changed(network: &Network, input: &Input) -> Result<Graph> {
    let graph = &network.graph;
    let ty = &graph[input.node].ty;
    let aside = |values: &[f64]| {
        let mut shape = vec![1; ty.rank()];
        shape[input.axis] = values.len();
        Tensor::constant(Value::new(shape, values.iter().map(|x| *x as f32).collect::<Vec<_>>()))
    };
    let inverse: Vec<f64> = input.reach.iter().map(|r| 1.0 / r).collect();
    let moves = input.middle.iter().any(|m| *m != 0.0);
    let by_node: HashMap<NodeId, usize> =
        input.layers.iter().map(|l| (network.layers[*l].node, *l)).collect();
    let by_bias: HashMap<NodeId, usize> =
        input.layers.iter().filter_map(|l| Some((network.layers[*l].bias?.0, *l))).collect();
    Ok(graph.rewritten(|id, operands, made| {
        if let Some(&l) = by_node.get(&id) {
            let x = if moves { &operands[0] - aside(&input.middle) } else { operands[0].clone() };
            let weights = Tensor::constant(scaled(network, input, l));
            let weights = weights.broadcast_to(operands[1].shape());
            let name = format!("{}_standardised", graph.input_name(input.node));
            let standardised = (x * aside(&inverse)).named(&name);
            let product = Tensor::apply(graph[id].op.clone(), &[standardised, weights]);
            let product = graph[id].label.iter().fold(product, |t, label| t.named(label));
            let layer = &network.layers[l];
            if moves && layer.bias.is_none() {
                return product + beside(network, l, &shift(network, input, l));
            }
            return product;
        }
        let Some(&l) = by_bias.get(&id).filter(|_| moves) else { return made };
        let product = operands.iter().zip(&graph[id].operands).find(|(_, o)| **o == network.layers[l].node);
        let Some((product, _)) = product else { return made };
        let shift = shift(network, input, l);
        let bias: Vec<f64> = network.bias(l).iter().zip(shift).map(|(b, s)| f64::from(*b) + s).collect();
        let sum = product + beside(network, l, &bias);
        graph[id].label.iter().fold(sum, |t, label| t.named(label))
    })?)
}

/// Numbers for the output channels of a layer, to stand beside its result.
fn beside(network: &Network, l: usize, values: &[f64]) -> Tensor {
    let layer = &network.layers[l];
    let mut shape = vec![1; network.graph[layer.node].ty.rank()];
    shape[layer.result_axis] = values.len();
    Tensor::constant(Value::new(shape, values.iter().map(|x| *x as f32).collect::<Vec<_>>()))
}

/// The weights of a layer, times what its input was divided by.
fn scaled(network: &Network, input: &Input, l: usize) -> Value {
    let value = network.constant(network.layers[l].weight);
    let weights = value.to_f64().into_iter().enumerate();
    let scaled = weights.map(|(i, w)| (w * input.reach[input_of(network, l, i)]) as f32).collect::<Vec<_>>();
    Value::new(value.shape(), scaled)
}

/// What the middles of the input come to at each output channel.
fn shift(network: &Network, input: &Input, l: usize) -> Vec<f64> {
    let layer = &network.layers[l];
    let value = network.constant(layer.weight);
    let mut sums = vec![0.0; layer.channels];
    for (i, w) in value.to_f64().into_iter().enumerate() {
        sums[channel_of(i, value.shape(), layer.axis)] += w * input.middle[input_of(network, l, i)];
    }
    sums
}
