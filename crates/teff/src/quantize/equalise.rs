//! Cross-layer equalisation: channels of very different reach are brought together by moving factors from one layer into the next.

use super::network::{Network, channel_of};
use super::observe::Observation;
use std::sync::Arc;
use teff_graph::{Binary, Graph, NodeId, Num, Op, PoolKind, ReduceKind, Value};

/// Two layers with nothing between them but what lets a positive factor through: rectifiers, pooling, means, a flattening.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The first layer, whose output channels are divided.
    pub first: usize,
    /// The second layer, whose inputs are multiplied.
    pub second: usize,
    /// How many inputs of the second layer lie in a row for each channel.
    spread: usize,
}

/// The pairs of a network, in order.
pub fn pairs(network: &Network) -> Vec<Pair> {
    let (uses, only_users) = (network.graph.uses(), network.graph.only_users());
    // Constants that several layers share cannot change for one.
    let own = |id: NodeId| uses[id.index()] == 1;
    let follow = |first: usize| {
        let layer = &network.layers[first];
        let bias_is_own = layer.bias.is_none_or(|(add, constant)| {
            network.graph[add].operands.iter().all(|o| own(*o)) && own(constant)
        });
        (own(layer.weight) && bias_is_own).then_some(())?;
        let (second, spread) = next(network, &only_users, first)?;
        own(network.layers[second].weight).then_some(())?;
        let inputs = input_channels(network, second);
        (inputs == network.layers[first].channels * spread).then_some(Pair { first, second, spread })
    };
    (0..network.layers.len()).filter_map(follow).collect()
}

/// The layer that alone uses the result of `first`, and how many of its inputs in a row belong to one channel.
fn next(network: &Network, users: &[Option<NodeId>], first: usize) -> Option<(usize, usize)> {
    let graph = &network.graph;
    let mut at = network.layers[first].sums();
    let mut spread = 1;
    loop {
        let user = users[at.index()]?;
        let node = &graph[user];
        match &node.op {
            Op::Conv(_) | Op::MatMul => {
                let second = network.layers.iter().position(|l| l.node == user)?;
                return (node.operands[0] == at).then_some((second, spread));
            }
            Op::Binary(Binary::Max) => uniform(graph, node, at).filter(|bound| *bound == 0.0).map(|_| ())?,
            Op::Binary(Binary::Mul | Binary::Div) => {
                uniform(graph, node, at).filter(|f| *f > 0.0).map(|_| ())?;
                (node.operands[0] == at || node.op == Op::Binary(Binary::Mul)).then_some(())?;
            }
            Op::Pool { kind: PoolKind::Max | PoolKind::Sum, .. } => {}
            Op::Reduce { kind: ReduceKind::Sum | ReduceKind::Max, axes } => {
                (!axes.contains(&1) && !axes.contains(&0)).then_some(())?
            }
            // Everything behind the channel is laid out after it.
            Op::Reshape(to) => {
                let from = &graph[at].ty.shape;
                let flat = to.len() == 2 && from.len() > 2 && to[0] == from[0];
                let kept = to.len() > 2 && to[..2] == from[..2];
                (flat || kept).then_some(())?;
                if flat {
                    spread = from[2..].iter().product();
                }
            }
            // Others mix channels, or do not let a factor through.
            _ => return None,
        }
        at = user;
    }
}

/// The number that all elements of the other operand are.
fn uniform(graph: &Graph, node: &teff_graph::Node, at: NodeId) -> Option<f64> {
    let other = *node.operands.iter().find(|o| **o != at)?;
    Some(graph.uniform(other)?.as_f64())
}

/// How many inputs the layer tells apart.
fn input_channels(network: &Network, layer: usize) -> usize {
    let shape = &network.graph[network.layers[layer].weight].ty.shape;
    match network.geometry(layer) {
        Some(g) => shape[1] * g.groups,
        None => shape[shape.len() - 2],
    }
}

/// The input channel that element `i` of the weights of a layer is multiplied with.
pub(super) fn input_of(network: &Network, layer: usize, i: usize) -> usize {
    let at = &network.layers[layer];
    let shape = &network.graph[at.weight].ty.shape;
    match network.geometry(layer) {
        Some(g) => {
            let o = channel_of(i, shape, 0);
            o / (shape[0] / g.groups) * shape[1] + channel_of(i, shape, 1)
        }
        None => channel_of(i, shape, shape.len() - 2),
    }
}

/// Factors for the channels of a pair: the square root of what the activations of the channel reach over what the weights behind it reach,
/// so that afterwards both reach the same (Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", 2019, equation
/// 11, with the activations seen in place of the first weights, which have scales of their own for each channel). Weights of depthwise
/// convolutions have a scale for each channel as well: there the activations alone decide. Channels that are always 0 keep their factor 1.
pub fn factors(network: &Network, pair: &Pair, seen: &[Observation]) -> Option<Vec<f32>> {
    let site = network.layers[pair.first].output?;
    let peaks = &seen[site].peaks;
    let channels = network.layers[pair.first].channels;
    let at = &network.layers[pair.first];
    let by_channel = at.axis == 0 || network.graph[at.node].ty.rank() == 2;
    if peaks.len() != channels || !by_channel {
        return None;
    }
    let layer = &network.layers[pair.second];
    let weights = network.constant(layer.weight).to_f64();
    let mut reach = vec![0f64; channels];
    for (i, w) in weights.iter().enumerate() {
        let c = input_of(network, pair.second, i) / pair.spread;
        reach[c] = reach[c].max(w.abs());
    }
    let depthwise = network.geometry(pair.second).is_some_and(|g| g.groups == channels && g.groups > 1);
    let raw = |c: usize| {
        let (peak, reach) = (f64::from(peaks[c]), if depthwise { 1.0 } else { reach[c] });
        if peak > 0.0 && reach > 0.0 { if depthwise { peak } else { (peak / reach).sqrt() } } else { 0.0 }
    };
    let all: Vec<f64> = (0..channels).map(raw).collect();
    let live = all.iter().filter(|f| **f > 0.0);
    let mean = (live.clone().map(|f| f.ln()).sum::<f64>() / live.count().max(1) as f64).exp();
    Some(all.iter().map(|f| if *f > 0.0 { (f / mean) as f32 } else { 1.0 }).collect())
}

/// How unequal the channels of a layer's output are: what the largest reaches over what the middle one does.
pub(super) fn spread_of(peaks: &[f32]) -> f64 {
    let mut live: Vec<f32> = peaks.iter().copied().filter(|p| *p > 0.0).collect();
    live.sort_by(f32::total_cmp);
    match (live.last(), live.get(live.len() / 2)) {
        (Some(most), Some(middle)) => f64::from(*most) / f64::from(*middle),
        _ => 1.0,
    }
}

/// The network that computes the same with output channel c of the first layer divided by `factors[c]` and the inputs of the second that
/// come from it multiplied.
///
/// # Panics
/// When there is not a factor for each channel.
pub fn equalised(network: &Network, pair: &Pair, factors: &[f32]) -> Network {
    let (first, second) = (&network.layers[pair.first], &network.layers[pair.second]);
    assert_eq!(factors.len(), first.channels, "a factor for each channel");
    let scaled = |value: &Value, f: &dyn Fn(usize) -> f64| {
        Value::from_fn(&value.ty(), |i| Num::Float(value.get(i).as_f64() * f(i)))
    };
    let bias = first.bias.map(|(_, constant)| {
        let value = network.constant(constant);
        // One number for all channels becomes one for each.
        let shape: Vec<usize> = if value.len() == first.channels {
            value.shape().to_vec()
        } else {
            let rank = network.graph[first.node].ty.rank();
            (0..rank).map(|i| if i == first.result_axis { first.channels } else { 1 }).collect()
        };
        let old = network.bias(pair.first);
        Value::new(shape, old.iter().zip(factors).map(|(b, f)| b / f).collect::<Vec<f32>>())
    });
    let graph = network.graph.mapped(|id, node| {
        let Op::Constant(value) = &node.op else { return };
        let shape = value.shape();
        let changed = if first.bias.is_some_and(|b| b.1 == id) {
            bias.clone().expect("there is one")
        } else if id == first.weight {
            scaled(value, &|i| 1.0 / f64::from(factors[channel_of(i, shape, first.axis)]))
        } else if id == second.weight {
            scaled(value, &|i| f64::from(factors[input_of(network, pair.second, i) / pair.spread]))
        } else {
            return;
        };
        node.op = Op::Constant(Arc::new(changed));
    });
    let graph = graph.expect("shapes stay");
    Network { graph, ..network.clone() }
}
