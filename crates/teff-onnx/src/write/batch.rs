//! Which values have the batch as their leading axis, so that its size can be left open.

use super::view::inexpressible;
use crate::{Error, Result};
use teff_graph::facts::counts_samples;
use teff_graph::{Graph, NodeId, Op};

/// For each node whether axis 0 of its value is the batch, which all inputs have as theirs, with one sample in it: a constant that
/// was computed for one sample broadcasts over any number.
pub(crate) fn batched(graph: &Graph) -> Result<Vec<bool>> {
    if let Some(&other) = graph.inputs().iter().find(|&&i| graph[i].ty.shape.first() != Some(&1)) {
        let reason = format!(
            "is {}; to leave the batch open, build the graph for a batch of one sample",
            graph[other].ty
        );
        return Err(Error::interface(graph.input_name(other), reason));
    }
    let mixes = |id: NodeId| {
        let reason = "it mixes samples or needs their number, so the batch size cannot be left open; write with a fixed one";
        inexpressible(graph, id, reason)
    };
    let counts = counts_samples(graph).map_err(mixes)?;
    // What serves every sample broadcasts, but beside what is joined with it.
    let joins_few = |id: &NodeId| {
        let fixed = |o: &NodeId| !counts[o.index()];
        matches!(graph[*id].op, Op::Concat { .. })
            && counts[id.index()]
            && graph[*id].operands.iter().any(fixed)
    };
    graph.ids().find(joins_few).map_or(Ok(()), |id| Err(mixes(id)))?;
    Ok(counts)
}
