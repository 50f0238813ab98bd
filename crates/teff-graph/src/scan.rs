//! The loop of recurrent networks.

use crate::graph::{Graph, NodeId};
use crate::op::{Binary, Op};
use std::sync::Arc;

/// A loop over the leading axis of some operands, with a carried state.
///
/// Operands: `states` initial states, then scanned tensors `[T, ..]`, then tensors that every step sees whole. The body's
/// inputs are, in this order, the states, one slice `[..]` of each scanned tensor, the whole tensors. Its outputs are the next
/// states, then what the step gives. Results, taken out by `Project`: the final states, then what all steps gave, stacked to
/// `[T, ..]` in the order of the scanned tensors (so a reversed scan fills it from the end).
#[derive(Clone, Debug)]
pub struct Scan {
    /// One step.
    pub body: Arc<Graph>,
    /// How many states are carried.
    pub states: usize,
    /// How many operands are scanned.
    pub scanned: usize,
    /// T: how many steps.
    pub length: usize,
    /// From the last slice to the first.
    pub reverse: bool,
}

impl Scan {
    /// The state that says whether the loop still runs: one bool, and once it is false no step changes anything. Each step combines it
    /// with a condition (`running and c`) and keeps every other state where it is not true (`running ? next : state`); nothing is
    /// stacked. An executor may leave out the steps then.
    pub fn runs_while(&self) -> Option<usize> {
        let (body, states) = (&*self.body, self.states);
        let outputs = body.outputs();
        if outputs.len() != states {
            return None;
        }
        // What is there, whatever its shape.
        let bare = |mut id: NodeId| {
            while let Op::Broadcast(_) | Op::Reshape(_) = body[id].op {
                id = body[id].operands[0];
            }
            id
        };
        (0..states).find(|&i| {
            let (running, next) = (body.inputs()[i], outputs[i].node);
            let combined = matches!(body[next].op, Op::Binary(Binary::And))
                && body[next].ty.len() == 1
                && body[next].operands.contains(&running);
            let keeps = |j: usize| {
                let node = &body[outputs[j].node];
                node.op == Op::Select
                    && bare(node.operands[0]) == next
                    && node.operands[2] == body.inputs()[j]
            };
            combined && (0..states).all(|j| j == i || keeps(j))
        })
    }
}

/// Equality is identity of the body.
impl PartialEq for Scan {
    fn eq(&self, o: &Scan) -> bool {
        Arc::ptr_eq(&self.body, &o.body)
            && (self.states, self.scanned, self.length, self.reverse)
                == (o.states, o.scanned, o.length, o.reverse)
    }
}

#[cfg(test)]
mod tests {
    use crate::{DType, Graph, Op, Tensor, Type, Value, evaluate};

    /// Doubles x until it is above `limit`, ten times at most.
    fn doubled(limit: f64, keep: bool) -> Graph {
        let x = Tensor::input("x", DType::F32, &[2]);
        let running = Tensor::full(Type::new(DType::Bool, [1]), 1.0);
        let trips = Tensor::iota(Type::new(DType::I32, [10]), 0);
        let (last, _) = Tensor::scan(&[x.clone(), running], &[trips], false, |states, _| {
            let small = states[0].sum_keep(&[0]).less(Tensor::full(Type::new(DType::F32, [1]), limit));
            let running = states[1].and(&small);
            let next = &states[0] * 2.0;
            (vec![if keep { running.select(&next, &states[0]) } else { next }, running], vec![])
        });
        Graph::from_tensors("doubled", &[x], &[("y", last[0].clone())]).unwrap()
    }

    #[test]
    fn a_loop_that_ends_early_is_seen() {
        let ends = |graph: &Graph| {
            let scan =
                graph.nodes().iter().find_map(|n| if let Op::Scan(s) = &n.op { Some(s) } else { None });
            scan.unwrap().runs_while()
        };
        let kept = doubled(100.0, true);
        assert_eq!(ends(&kept), Some(1));
        assert_eq!(ends(&doubled(100.0, false)), None);
        let y = evaluate(&kept, &[Value::new([2], vec![1.0f32, 2.0])]).unwrap();
        assert_eq!(y[0], Value::new([2], vec![64.0f32, 128.0]));
    }
}
