//! What constant a node is.

use crate::dtype::Type;
use crate::graph::{Graph, NodeId};
use crate::op::Op;
use crate::ops;
use crate::value::{Num, Value};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

/// Larger results, in bytes, are not computed.
const LARGEST: usize = 1 << 27;
/// Nor more elements than these in all: each link of a chain on a large constant would be kept, as large as the first.
const MOST: usize = 1 << 26;
/// Nor results that take more work than this for each element of operands and result.
const WORK_PER_ELEMENT: usize = 8;

/// Values of the nodes of a graph that are computed from constants alone. Each is computed when it is first asked for, and kept.
pub struct Known<'g> {
    graph: &'g Graph,
    /// Values without their last broadcasts.
    values: RefCell<HashMap<NodeId, Option<Arc<Value>>>>,
    /// Elements that may still be computed.
    left: Cell<usize>,
}

impl<'g> Known<'g> {
    /// What is known of `graph`.
    pub fn new(graph: &'g Graph) -> Known<'g> {
        Known { graph, values: RefCell::default(), left: Cell::new(MOST) }
    }

    /// The value of `id`, if it depends on no input, parameter or random number, and is neither large (128 MiB, 2^26
    /// elements of all together) nor costly to compute.
    pub fn value(&self, id: NodeId) -> Option<Arc<Value>> {
        self.compact(id)?;
        self.whole(id, &self.values.borrow())
    }

    /// The same value without what only repeats: of the node's rank, and of size 1 along axes that a broadcast made.
    pub fn compact(&self, id: NodeId) -> Option<Arc<Value>> {
        // Operands first, without recursion: chains of constants may be long.
        let mut open = vec![id];
        while let Some(&top) = open.last() {
            if self.values.borrow().contains_key(&top) {
                open.pop();
                continue;
            }
            let missing = self.missing(top);
            if missing.is_empty() {
                let value = self.compute(top);
                self.values.borrow_mut().insert(top, value);
                open.pop();
            } else {
                open.extend(missing);
            }
        }
        self.values.borrow()[&id].clone()
    }

    /// The element that all elements of `id` are, if they are equal and there are any.
    pub fn uniform(&self, id: NodeId) -> Option<Num> {
        (!self.graph[id].ty.is_empty()).then(|| self.compact(id)?.uniform())?
    }

    /// The elements of `id` along `axis`, if they differ along no other; one that is the same along it too.
    pub fn along(&self, id: NodeId, axis: usize) -> Option<Vec<f64>> {
        let value = self.compact(id)?;
        let elsewhere = value.shape().iter().enumerate().any(|(i, n)| i != axis && *n != 1);
        match value.uniform() {
            Some(one) => Some(vec![one.as_f64()]),
            None => (!elsewhere).then(|| value.to_f64()),
        }
    }

    /// Operands that are to be computed before `id` can be; none when it will not be computed anyway.
    fn missing(&self, id: NodeId) -> Vec<NodeId> {
        let values = self.values.borrow();
        let operands = &self.graph[id].operands;
        if operands.iter().any(|o| matches!(values.get(o), Some(None))) || !computable(&self.graph[id].op) {
            return Vec::new();
        }
        operands.iter().copied().filter(|o| !values.contains_key(o)).take(1).collect()
    }

    fn compute(&self, id: NodeId) -> Option<Arc<Value>> {
        let node = &self.graph[id];
        if let Op::Constant(v) = &node.op {
            return Some(v.clone());
        }
        if !computable(&node.op) {
            return None;
        }
        let known = self.values.borrow();
        let of = |o: &NodeId| known.get(o).cloned().flatten();
        if let Op::Broadcast(_) = node.op {
            let value = of(&node.operands[0])?;
            let mut shape = vec![1; node.ty.rank() - value.shape().len()];
            shape.extend(value.shape());
            return Some(Arc::new(value.as_ref().clone().reshape(shape)));
        }
        let operands: Vec<Arc<Value>> = node.operands.iter().map(of).collect::<Option<_>>()?;
        let operands = if node.op.traits().class == super::Class::Pointwise {
            together(&operands, node.ty.rank())
        } else {
            node.operands.iter().map(|o| self.whole(*o, &known)).collect::<Option<_>>()?
        };
        let types: Vec<Type> = operands.iter().map(|v| v.ty()).collect();
        let ty = ops::infer(&node.op, &types).ok()?;
        let elements = types.iter().fold(ty.len().saturating_add(1), |n, t| n.saturating_add(t.len()));
        let effort = super::work(&node.op, &types, &ty);
        if ty.bytes() > LARGEST
            || ty.len() > self.left.get()
            || effort > elements.saturating_mul(WORK_PER_ELEMENT)
        {
            return None;
        }
        self.left.set(self.left.get() - ty.len());
        Some(Arc::new(ops::evaluate(&node.op, &operands.iter().map(AsRef::as_ref).collect::<Vec<_>>())))
    }

    fn whole(&self, id: NodeId, known: &HashMap<NodeId, Option<Arc<Value>>>) -> Option<Arc<Value>> {
        let value = known.get(&id)?.clone()?;
        let ty = &self.graph[id].ty;
        if value.shape() == ty.shape {
            return Some(value);
        }
        let spread = || Arc::new(ops::evaluate(&Op::Broadcast(ty.shape.clone()), &[&value]));
        (ty.bytes() <= LARGEST).then(spread)
    }
}

/// Whether the value depends on nothing but operands, and is one.
fn computable(op: &Op) -> bool {
    !matches!(op, Op::Input { .. } | Op::Param(_) | Op::Random { .. } | Op::Scan(_) | Op::Project(_))
}

/// Operands of one function, each of size 1 only where all are: what repeats takes the size of the other, be that none.
fn together(operands: &[Arc<Value>], rank: usize) -> Vec<Arc<Value>> {
    let size = |axis: usize| operands.iter().map(|v| v.shape()[axis]).find(|n| *n != 1).unwrap_or(1);
    let common: Vec<usize> = (0..rank).map(size).collect();
    let spread = |v: &Arc<Value>| match v.shape() == common {
        true => v.clone(),
        false => Arc::new(ops::evaluate(&Op::Broadcast(common.clone()), &[v])),
    };
    operands.iter().map(spread).collect()
}

impl Graph {
    /// The element that all elements of `id` are, seen through broadcasts, reshapes and permutations of a constant.
    pub fn uniform(&self, id: NodeId) -> Option<Num> {
        let mut at = id;
        while let Op::Broadcast(_) | Op::Reshape(_) | Op::Permute(_) = self[at].op {
            at = self[at].operands[0];
        }
        // Of what is computed, `Known` says more.
        if let Op::Constant(v) = &self[at].op { v.uniform() } else { None }
    }

    /// True when every element of `id` is seen to be `n`.
    pub fn is_filled_with(&self, id: NodeId, n: i64) -> bool {
        self.uniform(id).is_some_and(|x| x == Num::Int(n.into()) || x == Num::Float(n as f64))
    }
}
