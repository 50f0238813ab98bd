//! How many bits each layer gets.

use super::probe::Reference;
use super::rewrite::Interface;
use super::scheme::Grid;
use super::settings::Settings;
use super::weights::nearest;
use super::{Network, Scheme};
use crate::error::{Error, Result};

/// Bytes that an output channel takes beside its weights: a bias and a multiplier of 32 bits.
const PER_CHANNEL: usize = 8;

/// Bytes of layer `i` with weights of so many bits.
pub(super) fn bytes(network: &Network, i: usize, bits: u8) -> usize {
    let layer = &network.layers[i];
    let weights = network.graph[layer.weight].ty.len();
    (weights * usize::from(bits)).div_ceil(8) + PER_CHANNEL * layer.channels
}

/// Bytes of layer `i` in floats.
pub(super) fn float_bytes(network: &Network, i: usize) -> usize {
    let layer = &network.layers[i];
    4 * (network.graph[layer.weight].ty.len() + layer.bias.map_or(0, |_| layer.channels))
}

/// The bits asked for, by layer; nothing where it is to stay float.
///
/// # Errors
/// Bits that are not 8, 4 or 2; a name that no layer or tensor has; a layer that is to stay float and have bits.
pub(super) fn asked(network: &Network, settings: &Settings) -> Result<Vec<Option<u8>>> {
    let find = |name: &str| {
        network.layer(name).ok_or_else(|| {
            let known: Vec<&str> = network.layers.iter().map(|l| &*l.name).collect();
            Error::Setting(format!("no layer or tensor is called {name:?}; layers are {}", known.join(", ")))
        })
    };
    let is_tensor = |name: &str| network.sites.iter().any(|s| s.name == name);
    let sound = |bits: u8| match bits {
        2 | 4 | 8 => Ok(bits),
        _ => Err(Error::Setting(format!("weights of {bits} bits; there are 8, 4 and 2"))),
    };
    let mut all = vec![Some(sound(settings.bits)?); network.layers.len()];
    // A tensor that is no layer's keeps no weights.
    for name in settings.keep.iter().filter(|name| network.layer(name).is_some() || !is_tensor(name)) {
        all[find(name)?] = None;
    }
    for (name, bits) in &settings.layers {
        let i = find(name)?;
        if all[i].is_none() {
            return Err(Error::Setting(format!(
                "layer {name:?} is to stay float and to have {bits} bits; choose one"
            )));
        }
        all[i] = Some(sound(*bits)?);
    }
    if all.iter().all(Option::is_none) {
        return Err(Error::Setting("all layers are to stay float: nothing is left to quantise".into()));
    }
    Ok(all)
}

/// Takes what is to stay float out of a scheme: the weights, the tensors that only such layers make, and sums that a network gives as
/// floats.
pub(super) fn keep(network: &Network, scheme: &mut Scheme, settings: &Settings) {
    if settings.interface == Interface::Float {
        let given = network.sites.iter().zip(&mut scheme.sites).filter(|(site, _)| site.is_output);
        given.for_each(|(_, grid)| *grid = None);
    }
    for name in &settings.keep {
        let layer = network.layer(name);
        layer.into_iter().for_each(|i| scheme.layers[i] = None);
        let site = match layer {
            Some(i) => network.layers[i].output,
            None => network.sites.iter().position(|s| s.name == *name),
        };
        let group = site.map(|site| network.sites[site].group);
        let joined = network.sites.iter().zip(&mut scheme.sites).filter(|(s, _)| Some(s.group) == group);
        joined.for_each(|(_, grid)| *grid = None);
    }
}

/// Takes bits from layers until all take at most `most` bytes: each time from the layer whose next step down costs least squared error of the
/// output for each byte it saves, measured with everything else as it is. Layers whose bits were asked for keep them.
///
/// # Errors
/// When that is not enough, with what each layer takes.
pub(super) fn choose(
    network: &Network,
    bits: &[Option<u8>],
    sites: &[Option<Grid>],
    settings: &Settings,
    most: usize,
    trial: &Reference,
) -> Result<Vec<Option<u8>>> {
    let mut bits = bits.to_vec();
    let free: Vec<usize> = (0..bits.len())
        .filter(|&i| {
            bits[i].is_some() && !settings.layers.iter().any(|(name, _)| *name == network.layers[i].name)
        })
        .collect();
    let of = |i: usize, b: Option<u8>| b.map_or(float_bytes(network, i), |b| bytes(network, i, b));
    let total = |bits: &[Option<u8>]| -> usize { bits.iter().enumerate().map(|(i, b)| of(i, *b)).sum() };
    let least: usize =
        (0..bits.len()).map(|i| of(i, if free.contains(&i) { Some(2) } else { bits[i] })).sum();
    if least > most {
        return Err(too_large(network, &bits, &free, most, least));
    }
    let mut scheme = Scheme {
        sites: sites.to_vec(),
        layers: bits.iter().enumerate().map(|(i, b)| b.map(|b| nearest(network, i, b))).collect(),
    };
    keep(network, &mut scheme, settings);
    let noise = |scheme: &Scheme| trial.measure(network, scheme).map(|q| 10f64.powf(-q.sqnr / 10.0));
    let mut now = noise(&scheme)?;
    while total(&bits) > most {
        let mut best: Option<(f64, usize, u8, f64)> = None;
        for &i in &free {
            let lower = match bits[i] {
                Some(8) => 4,
                Some(4) => 2,
                _ => continue,
            };
            let mut tried = scheme.clone();
            tried.layers[i] = Some(nearest(network, i, lower));
            let after = noise(&tried)?;
            let saved = of(i, bits[i]) - of(i, Some(lower));
            let cost = (after - now).max(0.0) / saved.max(1) as f64;
            if best.is_none_or(|b| cost < b.0) {
                best = Some((cost, i, lower, after));
            }
        }
        let (_, i, lower, after) = best.expect("2 bits everywhere fit");
        bits[i] = Some(lower);
        scheme.layers[i] = Some(nearest(network, i, lower));
        now = after;
    }
    Ok(bits)
}

fn too_large(network: &Network, bits: &[Option<u8>], free: &[usize], most: usize, least: usize) -> Error {
    let mut list: Vec<(usize, String)> = (0..bits.len())
        .map(|i| {
            let (now, name) =
                (bits[i].map_or(float_bytes(network, i), |b| bytes(network, i, b)), &network.layers[i].name);
            let reach = if free.contains(&i) {
                format!(", {} at 2 bits", bytes(network, i, 2))
            } else {
                ", fixed".into()
            };
            (now, format!("{name} {now}{reach}"))
        })
        .collect();
    list.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
    let list: Vec<String> = list.into_iter().map(|(_, line)| line).collect();
    Error::Setting(format!(
        "weights and biases take at least {least} bytes with 2 bits each, which is more than {most}: {}; give more, or train a smaller network",
        list.join("; ")
    ))
}
