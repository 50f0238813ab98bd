//! Nodes that are computed from constants alone, by moves and functions of single elements.

use std::sync::Arc;
use teff_graph::{Graph, NodeId, Op, Type, Value, evaluate_op, infer};

/// Larger results are not computed.
const LARGEST: usize = 1 << 24;

/// The values of nodes that need no input, without their last broadcast: a value has its node's rank, and size 1 where it repeats.
#[derive(Default)]
pub(super) struct Known {
    values: Vec<Option<Arc<Value>>>,
}

impl Known {
    /// The next node of the graph.
    pub(super) fn note(&mut self, graph: &Graph, id: NodeId) {
        let value = self.compute(graph, id);
        self.values.push(value);
    }

    /// The value of a node, if it is known.
    pub(super) fn of(&self, id: NodeId) -> Option<&Value> {
        self.values[id.index()].as_deref()
    }

    fn compute(&self, graph: &Graph, id: NodeId) -> Option<Arc<Value>> {
        let node = &graph[id];
        match &node.op {
            Op::Constant(v) => return Some(v.clone()),
            Op::Broadcast(_) => {
                let value = self.of(node.operands[0])?;
                let mut shape = vec![1; node.ty.rank() - value.shape().len()];
                shape.extend(value.shape());
                return Some(Arc::new(value.clone().reshape(shape)));
            }
            _ if node.ty.bytes() > LARGEST => return None,
            Op::Unary(_)
            | Op::Binary(_)
            | Op::Select
            | Op::Cast(_)
            | Op::Dequantize
            | Op::Quantize { .. } => {}
            Op::Reshape(_) | Op::Permute(_) | Op::Slice(_) | Op::Pad(_) | Op::Concat { .. } => {}
            // Sums of constants are not what scales and weights are.
            _ => return None,
        }
        let operands: Vec<&Value> = node.operands.iter().map(|o| self.of(*o)).collect::<Option<_>>()?;
        let whole = operands.iter().zip(&node.operands).all(|(v, o)| v.ty() == graph[*o].ty);
        // Functions of each element keep what repeats apart.
        if !whole {
            if !matches!(node.op, Op::Unary(_) | Op::Binary(_) | Op::Select | Op::Cast(_)) {
                return None;
            }
            // What repeats takes the size of the other, be that none.
            let size = |axis: usize| operands.iter().map(|v| v.shape()[axis]).find(|n| *n != 1).unwrap_or(1);
            let common: Vec<usize> = (0..node.ty.rank()).map(size).collect();
            let spread = |v: &&Value| evaluate_op(&Op::Broadcast(common.clone()), &[v]);
            let spread: Vec<Value> = operands.iter().map(spread).collect();
            return Some(Arc::new(evaluate_op(&node.op, &spread.iter().collect::<Vec<_>>())));
        }
        let types: Vec<Type> = operands.iter().map(|v| v.ty()).collect();
        infer(&node.op, &types).ok()?;
        Some(Arc::new(evaluate_op(&node.op, &operands)))
    }
}
