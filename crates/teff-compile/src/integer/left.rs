//! Layers of quantised graphs that stay floats, and why.

use teff_graph::facts::Class;
use teff_graph::{Graph, NodeId, Op};

/// The name of each layer of a quantised graph that sums products of floats, and why it could not be rewritten; none when nothing is
/// quantised.
///
/// # Errors
/// None on a graph that passed its verifier; one here is a defect.
pub fn left_in_floats(graph: &Graph) -> Result<Vec<(String, &'static str)>, teff_graph::Error> {
    let quantised = |op: &Op| matches!(op, Op::Quantize { .. } | Op::Dequantize);
    if !graph.nodes().iter().any(|n| quantised(&n.op)) {
        return Ok(Vec::new());
    }
    let rewritten = super::integer(&teff_graph::passes::freeze(graph))?;
    // Small weights too are what they are stored as.
    let rewritten = teff_graph::passes::simplify_stored(&rewritten);
    let mut left = Vec::new();
    for id in rewritten.ids() {
        let node = &rewritten[id];
        if !node.ty.dtype.is_float() {
            continue;
        }
        let quantised = |i: usize| comes_quantised(&rewritten, node.operands[i]);
        // Only layers that sum products are told.
        let reason = if node.op.traits().class != Class::Product {
            continue;
        } else if !quantised(0) {
            "its input is not quantised"
        } else if !quantised(1) {
            "its weights are not quantised"
        } else {
            "its sums may exceed 32 bits, or scales differ along what is summed"
        };
        left.push((label(&rewritten, id), reason));
    }
    Ok(left)
}

/// Whether a network in integers rounds floats that it has computed, not only its inputs: then the last bit of a float, which depends on
/// the order of a sum, can make a step of an integer. `rewritten` is what [`super::integer`] gives.
pub fn quantizes_floats(rewritten: &Graph) -> bool {
    let given = |mut id: NodeId| {
        while let Op::Reshape(_) | Op::Permute(_) | Op::Slice(_) = rewritten[id].op {
            id = rewritten[id].operands[0];
        }
        matches!(rewritten[id].op, Op::Input { .. } | Op::Constant(_))
    };
    rewritten.nodes().iter().any(|n| matches!(n.op, Op::Quantize { .. }) && !given(n.operands[0]))
}

/// Whether a float is an integer with a scale, moved at most.
fn comes_quantised(graph: &Graph, id: NodeId) -> bool {
    let node = &graph[id];
    let moves = node.op.traits().class == Class::View || matches!(node.op, Op::Pad(_));
    node.op == Op::Dequantize || moves && comes_quantised(graph, node.operands[0])
}

/// The label of a node, or of the first behind it that has one.
fn label(graph: &Graph, id: NodeId) -> String {
    let users = graph.users();
    let behind = std::iter::successors(Some(id), |at| users[at.index()].first().copied());
    let label = behind.into_iter().find_map(|at| graph[at].label.as_ref());
    label.map_or_else(|| format!("node {}", id.index()), |label| label.to_string())
}
