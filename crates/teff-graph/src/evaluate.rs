//! The plain evaluator of a graph: the reference that everything else is tested against.

use crate::dtype::Type;
use crate::error::{Error, Result};
use crate::graph::{Graph, NodeId};
use crate::op::Op;
use crate::ops;
use crate::value::Value;

/// The outputs of `graph` on these inputs, node by node, every intermediate value kept. Slow and plain.
///
/// # Errors
/// When the number or types of the inputs are not those of the graph.
pub fn evaluate(graph: &Graph, inputs: &[Value]) -> Result<Vec<Value>> {
    let values = evaluate_all(graph, inputs)?;
    Ok(graph.outputs().iter().map(|o| values[o.node.index()].clone()).collect())
}

/// The value of every node of `graph` on these inputs; for a scan that of its first result.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_all(graph: &Graph, inputs: &[Value]) -> Result<Vec<Value>> {
    evaluate_with(graph, inputs, |_, _| None)
}

/// As [`evaluate_all`], with other values in place of those that nodes have: `with` is given each node and its operands, and gives its
/// value, of its type, or `None` for the one that it has. Who gives a value for a scan gives those of its projections as well.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_with(
    graph: &Graph,
    inputs: &[Value],
    mut with: impl FnMut(NodeId, &[&Value]) -> Option<Value>,
) -> Result<Vec<Value>> {
    let expected: Vec<&Type> = graph.inputs().iter().map(|&i| &graph[i].ty).collect();
    let given: Vec<Type> = inputs.iter().map(Value::ty).collect();
    if given.iter().ne(expected.iter().copied()) {
        let expected: Vec<String> = expected.iter().map(|t| t.to_string()).collect();
        return Err(Error::new("evaluate", given, format!("the graph takes ({})", expected.join(", "))));
    }
    let mut next_input = inputs.iter();
    // A node has one value, but for a scan, which has several.
    let mut values: Vec<Vec<Value>> = Vec::with_capacity(graph.nodes().len());
    for (id, node) in graph.ids().zip(graph.nodes()) {
        let operands: Vec<&Value> = node.operands.iter().map(|o| &values[o.index()][0]).collect();
        values.push(match (&node.op, with(id, &operands)) {
            (Op::Input { .. }, _) => vec![next_input.next().expect("counted above").clone()],
            (_, Some(value)) => vec![value],
            (Op::Scan(scan), None) => ops::run_scan(scan, &operands)?,
            (Op::Project(index), None) => vec![values[node.operands[0].index()][*index].clone()],
            (op, None) => vec![ops::evaluate(op, &operands)],
        });
    }
    Ok(values.into_iter().map(|mut v| v.swap_remove(0)).collect())
}
