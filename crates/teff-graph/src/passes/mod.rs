//! Rewriting graphs. Every pass takes a graph and gives one that computes the same.

mod batch;
mod fold_channels;
mod quantization;
mod simplify;

pub use batch::for_batch;
pub use fold_channels::fold_channels;
pub use quantization::unfold_quantization;
pub use simplify::{simplify, simplify_stored};

use crate::graph::Graph;
use crate::op::Op;
use crate::scan::Scan;
use std::sync::Arc;

/// The graph with each parameter replaced by the value it holds now, for what no longer trains. The label of a constant is the
/// name of its parameter.
pub fn freeze(graph: &Graph) -> Graph {
    let frozen = graph.mapped(|_, node| {
        if let Op::Param(p) = &node.op {
            node.label = Some(p.name());
            let value = Arc::new(p.value().clone());
            node.op = Op::Constant(value);
        } else if let Op::Scan(s) = &node.op {
            node.op = Op::Scan(Scan { body: Arc::new(freeze(&s.body)), ..s.clone() });
        }
    });
    frozen.expect("the types are those of a checked graph")
}
