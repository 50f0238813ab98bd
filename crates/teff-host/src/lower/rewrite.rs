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
    let mapped = graph.mapped(|id, node| match (&node.op, &mut node.operands[..]) {
        (Op::Binary(Binary::Max), [x, zero]) if graph.is_filled_with(*zero, 0) => {
            rectified.entry(*x).or_insert(id);
        }
        (Op::Binary(Binary::Lt), [zero, x]) if graph.is_filled_with(*zero, 0) => {
            *x = rectified.get(x).copied().unwrap_or(*x);
        }
        // Nothing else is a rectifier or its mask.
        _ => {}
    });
    mapped.expect(CHECKED)
}

const CHECKED: &str = "the types are those of a checked graph";
