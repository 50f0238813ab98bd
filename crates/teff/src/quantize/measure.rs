//! What quantisation does to each layer.

use super::budget;
use super::observe::Observation;
use super::probe::{Noise, Probe, Reference};
use super::settings::LayerReport;
use super::{Network, Scheme};
use crate::error::Result;
use teff_graph::NodeId;

/// The part of a scheme that belongs to layer `i`: its weights, the grid of its output, and that of its input unless another layer makes it.
pub(super) fn only(network: &Network, scheme: &Scheme, i: usize) -> Scheme {
    let mut alone = Scheme::float(network);
    let layer = &network.layers[i];
    // Without a correction, which makes up for the layers before it as well.
    alone.layers[i] = scheme.layers[i].clone().map(|w| super::Weights { bias: None, ..w });
    let own = !network.layers.iter().any(|l| l.output == Some(layer.input));
    for site in layer.output.into_iter().chain(own.then_some(layer.input)) {
        alone.sites[site] = scheme.sites[site];
    }
    alone
}

/// Measures each layer in the whole and alone.
pub(super) fn layers(
    network: &Network,
    scheme: &Scheme,
    seen: &[Observation],
    reference: &Reference,
    step: &mut dyn FnMut(usize, usize) -> Result<()>,
) -> Result<Vec<LayerReport>> {
    let n = network.layers.len();
    let noise = in_the_whole(network, scheme, reference)?;
    let mut all = Vec::with_capacity(n);
    for (i, layer) in network.layers.iter().enumerate() {
        step(i, n)?;
        let quality = reference.measure(network, &only(network, scheme, i))?;
        let bits = scheme.layers[i].as_ref().map(|w| w.bits);
        let range = layer.output.and_then(|s| scheme.sites[s]).map(|g| g.reach());
        let cut = layer.output.zip(range).map_or(0.0, |(s, r)| cut(&seen[s], r));
        all.push(LayerReport {
            name: layer.name.clone(),
            bits: bits.unwrap_or(32),
            bytes: bits.map_or(budget::float_bytes(network, i), |b| budget::bytes(network, i, b)),
            range,
            cut,
            sqnr: noise[i].decibels(),
            alone: quality.sqnr,
            loss: reference.accuracy.zip(quality.accuracy).map(|(before, now)| before - now),
            rank: 0,
        });
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| all[a].alone.total_cmp(&all[b].alone).then(a.cmp(&b)));
    order.iter().enumerate().for_each(|(rank, &i)| all[i].rank = rank + 1);
    Ok(all)
}

/// The noise of each layer's output, after its activation, when everything is quantised.
fn in_the_whole(network: &Network, scheme: &Scheme, reference: &Reference) -> Result<Vec<Noise>> {
    let at = |l: &super::Layer| l.output.map_or(l.sums(), |s| network.sites[s].node);
    let taps: Vec<NodeId> = network.layers.iter().map(at).collect();
    let mut noise = vec![Noise::default(); taps.len()];
    let mut float = Probe::new(network, &Scheme::float(network), &taps, reference.threads)?;
    let mut rounded = Probe::new(network, scheme, &taps, reference.threads)?;
    float.compare(&mut rounded, reference.samples, |t, x, y| noise[t].add(x, y))?;
    Ok(noise)
}

/// The share of the range seen that lies outside of `range`.
fn cut(seen: &Observation, (low, high): (f32, f32)) -> f64 {
    let (least, most) = (seen.low.min(0.0), seen.high.max(0.0));
    let outside = (low - least).max(0.0) + (most - high).max(0.0);
    let share = f64::from(outside) / f64::from((most - least).max(f32::MIN_POSITIVE));
    // Less than a rounding of the ends is nothing.
    if share < 0.004 { 0.0 } else { share }
}
