//! Parameters become constants.

use crate::graph::{Graph, NodeId};
use crate::op::Op;
use crate::scan::Scan;
use std::sync::Arc;

/// The graph with each parameter replaced by the value it holds now, for what no longer trains. The label of a constant is the
/// name of its parameter.
pub fn freeze(graph: &Graph) -> Graph {
    let mut out = Graph::new(&graph.name);
    for node in graph.nodes() {
        let (op, label) = match &node.op {
            Op::Param(p) => (Op::Constant(Arc::new(p.value().clone())), Some(p.name())),
            Op::Scan(s) => {
                (Op::Scan(Scan { body: Arc::new(freeze(&s.body)), ..s.clone() }), node.label.clone())
            }
            op => (op.clone(), node.label.clone()),
        };
        out.push(op, &node.operands, label).expect("the types are those of a checked graph");
    }
    graph.outputs().iter().for_each(|o| out.add_output(&o.name, NodeId(o.node.0)));
    out
}
