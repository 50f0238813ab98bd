//! Parameters become constants.

use crate::graph::Graph;
use crate::op::Op;
use crate::scan::Scan;
use std::sync::Arc;

/// The graph with each parameter replaced by the value it holds now, for what no longer trains. The label of a constant is the
/// name of its parameter.
pub fn freeze(graph: &Graph) -> Graph {
    let frozen = graph.mapped(|_, node| match &node.op {
        Op::Param(p) => {
            node.label = Some(p.name());
            let value = Arc::new(p.value().clone());
            node.op = Op::Constant(value);
        }
        Op::Scan(s) => node.op = Op::Scan(Scan { body: Arc::new(freeze(&s.body)), ..s.clone() }),
        // All else has no parameters.
        _ => {}
    });
    frozen.expect("the types are those of a checked graph")
}
