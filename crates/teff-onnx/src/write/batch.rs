//! Which values have the batch as their leading axis, so that its size can be left open.

use crate::{Error, Result};
use teff_graph::facts::counts_samples;
use teff_graph::{Graph, Node, NodeId, Op};

/// For each node whether axis 0 of its value is the batch, which all inputs have as theirs, with one sample in it: a constant that
/// was computed for one sample broadcasts over any number.
pub(crate) fn batched(graph: &Graph) -> Result<Vec<bool>> {
    if let Some(&other) = graph.inputs().iter().find(|&&i| graph[i].ty.shape.first() != Some(&1)) {
        return Err(Error::Interface {
            name: graph.input_name(other).into(),
            reason: format!(
                "is {}; to leave the batch open, build the graph for a batch of one sample",
                graph[other].ty
            ),
        });
    }
    let counts = counts_samples(graph).map_err(|id| mixes(&graph[id], id))?;
    // A constant is not repeated to be joined.
    let joins_others = |id: &NodeId| {
        matches!(graph[*id].op, Op::Concat { .. }) && graph[*id].operands.iter().any(|o| !counts[o.index()])
    };
    match graph.ids().find(|id| counts[id.index()] && joins_others(id)) {
        Some(id) => Err(mixes(&graph[id], id)),
        None => Ok(counts),
    }
}

fn mixes(node: &Node, id: NodeId) -> Error {
    Error::Inexpressible {
        node: node.label.as_ref().map_or_else(|| format!("node %{}", id.index()), |l| l.to_string()),
        operation: node.op.name(),
        reason: "it mixes samples or needs their number, so the batch size cannot be left open; write with a fixed one".into(),
    }
}
