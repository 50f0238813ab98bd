//! Structured pruning: whole channels and neurons go, and the graph is really smaller.
//!
//! Which channels depend on each other is read off the graph (`units`): those that meet in an addition, pass through a depthwise
//! convolution or are flattened live and die together. Those that nothing can do without (the network's output, what a group
//! convolution takes) stay, and [`Pruned`] says why. Of each set of channels that depend on each other the same share is removed, those
//! first that matter least ([`Criterion`]).
//!
//! A network is best pruned in several cuts with training between them: [`prune`] makes one.

mod cut;
mod rank;
mod units;

pub use rank::Criterion;

use crate::error::{Error, Result};
use crate::folded::Folded;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use teff_data::Dataset;
use teff_graph::NodeId;
use units::Coupled;

/// A network that was made smaller.
#[derive(Debug)]
pub struct Pruned {
    /// The smaller network.
    pub network: Folded,
    /// Each layer, in the order of the network.
    pub layers: Vec<Change>,
}

/// What became of a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What it is called.
    pub name: String,
    /// Output channels before and after.
    pub channels: (usize, usize),
    /// Multiply-accumulates for one sample, before and after.
    pub macs: (u64, u64),
    /// Numbers in its weights and bias, before and after.
    pub size: (usize, usize),
    /// Why it could not lose channels of its own.
    pub kept: Option<String>,
}

/// Removes channels until each layer that can lose some has at most `keep` of them: `keep` says how many of a layer's channels stay, by
/// the layer's index and how many it has. At least one stays.
///
/// # Errors
/// What [`Folded::new`] says of the smaller network.
pub fn prune(
    folded: &Folded,
    criterion: Criterion,
    keep: impl Fn(usize, usize) -> usize,
    data: &Dataset,
    threads: usize,
) -> Result<Pruned> {
    let network = folded.network();
    let graph = &network.graph;
    let products: Vec<NodeId> = network.layers.iter().map(|l| l.node).collect();
    let from_input = graph.depend_on_inputs();
    let varies = |id: NodeId| from_input[id.index()];
    let units = Coupled::follow(graph, varies, &products);
    let scores = rank::importance(folded, criterion, data, threads)?;

    // The units of each layer's outputs, and what each unit is worth: all that lives and dies with it.
    let channels = |i: usize| -> Option<&Vec<usize>> {
        units.axes[products[i].index()][network.layers[i].result_axis].as_ref()
    };
    let mut worth: BTreeMap<usize, f64> = BTreeMap::new();
    let mut sets: BTreeMap<BTreeSet<usize>, usize> = BTreeMap::new();
    for (i, scores) in scores.iter().enumerate() {
        let Some(own) = channels(i) else { continue };
        let roots: Vec<usize> = own.iter().map(|u| units.root(*u)).collect();
        roots.iter().zip(scores).for_each(|(r, s)| *worth.entry(*r).or_insert(0.0) += s);
        if own.iter().all(|u| units.reason(*u).is_none()) {
            sets.entry(roots.into_iter().collect()).or_insert(i);
        }
    }
    let mut removed: HashSet<usize> = HashSet::new();
    for (set, layer) in &sets {
        let mut order: Vec<usize> = set.iter().copied().filter(|u| !removed.contains(u)).collect();
        order.sort_by(|a, b| worth[a].total_cmp(&worth[b]).then(b.cmp(a)));
        let stay = keep(*layer, set.len()).clamp(1, set.len());
        removed.extend(order.iter().take(order.len().saturating_sub(stay)));
    }
    let smaller = Folded::new(&cut::cut(graph, varies, &products, &units, &removed)?)?;
    let after = smaller.network();
    if after.layers.len() != network.layers.len() {
        return Err(Error::Setting(format!(
            "model {:?}: a layer lost all that it computes from; prune less",
            graph.name
        )));
    }
    let size = |f: &Folded, i: usize| f.weight(i).ty().len() + f.bias(i).map_or(0, |b| b.ty().len());
    let change = |i: usize| {
        let (a, b) = (&network.layers[i], &after.layers[i]);
        let reason = match channels(i) {
            None => Some("depends on channels that stay".to_string()),
            Some(own) => own.iter().find_map(|u| units.reason(*u)).map(str::to_string),
        };
        Change {
            name: a.name.clone(),
            channels: (a.channels, b.channels),
            macs: (a.macs, b.macs),
            size: (size(folded, i), size(&smaller, i)),
            kept: reason,
        }
    };
    Ok(Pruned { layers: (0..after.layers.len()).map(change).collect(), network: smaller })
}
