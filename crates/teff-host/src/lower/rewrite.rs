//! What a graph is turned into before it is divided into steps.

use std::collections::HashMap;
use std::sync::Arc;
use teff_graph::{Binary, Graph, NodeId, Op, Scan, passes};

/// The graph that is made into steps: simplified, the bodies of scans without parameters of their own, the mask of a rectifier
/// taken from its result.
pub(super) fn prepare(graph: &Graph) -> Graph {
    masks_from_results(&passes::simplify(&without_inner_params(graph)))
}

/// The same graph, in which scans take the parameters that their bodies use as operands.
fn without_inner_params(graph: &Graph) -> Graph {
    rebuild(graph, |out, op, mut operands| {
        let Op::Scan(scan) = op else { return (op, operands) };
        let (body, params) = params_as_inputs(&without_inner_params(&scan.body));
        for p in params {
            operands.push(push(out, Op::Param(p), &[], None));
        }
        (Op::Scan(Scan { body: Arc::new(body), ..scan }), operands)
    })
}

/// The same graph with parameters as further inputs, and these parameters.
fn params_as_inputs(graph: &Graph) -> (Graph, Vec<teff_graph::Param>) {
    let mut params = Vec::new();
    let out = rebuild(graph, |_, op, operands| match op {
        Op::Param(p) => {
            let input = Op::Input { name: p.name(), ty: p.ty().clone() };
            params.push(p);
            (input, operands)
        }
        op => (op, operands),
    });
    (out, params)
}

/// `0 < x` is the same as `0 < max(x, 0)`, and where the latter is kept, x need not be.
fn masks_from_results(graph: &Graph) -> Graph {
    let mut rectified: HashMap<NodeId, NodeId> = HashMap::new();
    rebuild(graph, |out, op, mut operands| {
        match op {
            Op::Binary(Binary::Max) if out.is_filled_with(operands[1], 0) => {
                let next = NodeId::from_index(out.nodes().len());
                rectified.entry(operands[0]).or_insert(next);
            }
            Op::Binary(Binary::Lt) if out.is_filled_with(operands[0], 0) => {
                if let Some(&result) = rectified.get(&operands[1]) {
                    operands[1] = result;
                }
            }
            _ => {}
        }
        (op, operands)
    })
}

/// Copies a graph; `f` sees each operation with its new operands and says what to push.
fn rebuild(graph: &Graph, mut f: impl FnMut(&mut Graph, Op, Vec<NodeId>) -> (Op, Vec<NodeId>)) -> Graph {
    let mut out = Graph::new(&graph.name);
    let mut new: Vec<NodeId> = Vec::with_capacity(graph.nodes().len());
    for node in graph.nodes() {
        let operands = node.operands.iter().map(|o| new[o.index()]).collect();
        let (op, operands) = f(&mut out, node.op.clone(), operands);
        new.push(push(&mut out, op, &operands, node.label.clone()));
    }
    graph.outputs().iter().for_each(|o| out.add_output(&o.name, new[o.node.index()]));
    out
}

fn push(graph: &mut Graph, op: Op, operands: &[NodeId], label: Option<Arc<str>>) -> NodeId {
    graph.push(op, operands, label).expect("the types are those of a checked graph")
}
