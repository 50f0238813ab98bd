//! What a graph is turned into before it is divided into steps.

use std::collections::HashMap;
use std::sync::Arc;
use teff_graph::{Binary, Graph, NodeId, Op, Param, Scan, Tensor, passes};

/// The graph that is made into steps: simplified, the bodies of scans without parameters of their own, the mask of a rectifier
/// taken from its result.
pub(super) fn prepare(graph: &Graph) -> Graph {
    masks_from_results(&passes::simplify(&without_inner_params(graph)))
}

/// The same graph, in which scans take the parameters that their bodies use as operands.
fn without_inner_params(graph: &Graph) -> Graph {
    let rewritten = graph.rewritten(|id, operands, tensor| {
        let Op::Scan(scan) = &graph[id].op else { return tensor };
        let (body, params) = params_as_inputs(&without_inner_params(&scan.body));
        let operands: Vec<Tensor> =
            operands.iter().cloned().chain(params.iter().map(Tensor::param)).collect();
        Tensor::apply(Op::Scan(Scan { body: Arc::new(body), ..scan.clone() }), &operands)
    });
    rewritten.expect(CHECKED)
}

/// The same graph with parameters as further inputs, and these parameters.
fn params_as_inputs(graph: &Graph) -> (Graph, Vec<Param>) {
    let mut params = Vec::new();
    let mapped = graph.mapped(|_, node| {
        if let Op::Param(p) = &node.op {
            params.push(p.clone());
            node.op = Op::Input { name: p.name(), ty: p.ty().clone() };
        }
    });
    (mapped.expect(CHECKED), params)
}

/// `0 < x` is the same as `0 < max(x, 0)`, and where the latter is kept, x need not be.
fn masks_from_results(graph: &Graph) -> Graph {
    let mut rectified: HashMap<NodeId, NodeId> = HashMap::new();
    let mapped = graph.mapped(|id, node| {
        let [a, b] = &mut node.operands[..] else { return };
        if node.op == Op::Binary(Binary::Max) && graph.is_filled_with(*b, 0) {
            rectified.entry(*a).or_insert(id);
        } else if node.op == Op::Binary(Binary::Lt) && graph.is_filled_with(*a, 0) {
            *b = rectified.get(b).copied().unwrap_or(*b);
        }
    });
    mapped.expect(CHECKED)
}

const CHECKED: &str = "the types are those of a checked graph";
