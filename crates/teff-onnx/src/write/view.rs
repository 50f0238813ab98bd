//! Questions that patterns ask of a graph.

use super::plan::Arg;
use crate::proto::ElementType;
use std::cell::Cell;
use std::collections::HashMap;
use teff_graph::facts::work;
use teff_graph::{
    Binary, Graph, NodeId, Num, Op, ReduceKind, Type, Unary, Value, broadcast_shape, evaluate_op,
};

/// A graph and how often each node is used.
pub(crate) struct View<'g> {
    pub(crate) graph: &'g Graph,
    uses: Vec<usize>,
    /// For each node whether it depends on constants alone, with no large value on the way.
    known: Vec<bool>,
    /// For each node whether its leading size is left open; empty when none is.
    pub(crate) open: Vec<bool>,
    /// Elements that may still be written of what counts along axes.
    room: Cell<usize>,
    /// Work that may still be done to compute constants.
    left: Cell<usize>,
    /// Constants that are stored in a type narrower than theirs.
    pub(crate) narrow: HashMap<NodeId, ElementType>,
}

/// Constants larger than this are not computed to recognise a pattern.
pub(crate) const MOST_ELEMENTS: usize = 1 << 16;
/// ... nor by more work than this, about a second for all.
const MOST_WORK: usize = 1 << 24;
/// All that is counted along axes has no more elements than this.
pub(crate) const MOST_COUNTED: usize = 1 << 22;

impl<'g> View<'g> {
    pub(crate) fn new(graph: &'g Graph) -> Self {
        let mut uses: Vec<usize> = graph.users().iter().map(Vec::len).collect();
        graph.outputs().iter().for_each(|o| uses[o.node.index()] += 1);
        let mut known: Vec<bool> = Vec::with_capacity(graph.nodes().len());
        for (id, node) in graph.ids().zip(graph.nodes()) {
            let given = matches!(
                node.op,
                Op::Input { .. } | Op::Param(_) | Op::Random { .. } | Op::Scan(_) | Op::Project(_)
            );
            let small = node.ty.len() <= MOST_ELEMENTS
                && work(&node.op, &graph.operand_types(id), &node.ty) <= MOST_WORK;
            known.push(!given && small && node.operands.iter().all(|o| known[o.index()]));
        }
        View {
            graph,
            uses,
            known,
            open: Vec::new(),
            left: Cell::new(MOST_WORK),
            room: Cell::new(MOST_COUNTED),
            narrow: HashMap::new(),
        }
    }

    /// True when the leading size of a value is left open.
    pub(crate) fn is_open(&self, id: NodeId) -> bool {
        self.open.get(id.index()).copied().unwrap_or(false)
    }

    /// The shape of `id` as an operand of `Reshape` or `Expand`, with `open` for a leading size that is left open.
    pub(crate) fn shape_operand(&self, id: NodeId, open: i64) -> Vec<i64> {
        let mut shape: Vec<i64> = self.shape(id).iter().map(|&d| d as i64).collect();
        if self.is_open(id) {
            shape[0] = open;
        }
        shape
    }

    pub(crate) fn op(&self, id: NodeId) -> &'g Op {
        &self.graph[id].op
    }

    pub(crate) fn operands(&self, id: NodeId) -> &'g [NodeId] {
        &self.graph[id].operands
    }

    pub(crate) fn ty(&self, id: NodeId) -> &'g Type {
        &self.graph[id].ty
    }

    pub(crate) fn shape(&self, id: NodeId) -> &'g [usize] {
        &self.graph[id].ty.shape
    }

    /// Takes so many elements from what may be counted along axes; false when there are no more.
    pub(crate) fn count(&self, elements: usize) -> bool {
        let room = self.room.get().checked_sub(elements);
        room.inspect(|&room| self.room.set(room)).is_some()
    }

    /// True when nothing but one node uses `id`, so that it may disappear into that node.
    pub(crate) fn single(&self, id: NodeId) -> bool {
        self.uses[id.index()] == 1
    }

    /// The operands of `id`, if it is this operation.
    pub(crate) fn binary(&self, id: NodeId, op: Binary) -> Option<(NodeId, NodeId)> {
        match (self.op(id), self.operands(id)) {
            (Op::Binary(this), &[a, b]) if *this == op => Some((a, b)),
            _ => None,
        }
    }

    /// As [`View::binary`], of what may disappear into its user.
    pub(crate) fn binary_inside(&self, id: NodeId, op: Binary) -> Option<(NodeId, NodeId)> {
        self.binary(id, op).filter(|_| self.single(id))
    }

    /// The operand of `id`, if it is this operation.
    pub(crate) fn unary(&self, id: NodeId, op: Unary) -> Option<NodeId> {
        matches!(self.op(id), Op::Unary(this) if *this == op).then(|| self.operands(id)[0])
    }

    /// As [`View::unary`], of what may disappear into its user.
    pub(crate) fn unary_inside(&self, id: NodeId, op: Unary) -> Option<NodeId> {
        self.unary(id, op).filter(|_| self.single(id))
    }

    /// The operand and the axes of `id`, if it reduces so.
    pub(crate) fn reduction(&self, id: NodeId, kind: ReduceKind) -> Option<(NodeId, &'g [usize])> {
        match self.op(id) {
            Op::Reduce { kind: this, axes } if *this == kind => Some((self.operands(id)[0], axes)),
            _ => None,
        }
    }

    /// What is broadcast to give `id`, or `id`.
    pub(crate) fn unbroadcast(&self, id: NodeId) -> NodeId {
        match self.op(id) {
            Op::Broadcast(_) => self.operands(id)[0],
            _ => id,
        }
    }

    /// The number that all elements are, where that is known.
    pub(crate) fn uniform(&self, id: NodeId) -> Option<f64> {
        let mut id = id;
        while let Op::Broadcast(_) | Op::Reshape(_) = self.op(id) {
            id = self.operands(id)[0];
        }
        match self.op(id) {
            Op::Constant(v) if !v.is_empty() => {
                let first = v.get(0);
                let same =
                    v.len() == 1 || v.len() <= MOST_ELEMENTS && (1..v.len()).all(|i| v.get(i) == first);
                same.then(|| first.as_f64())
            }
            _ => None,
        }
    }

    pub(crate) fn is_uniform(&self, id: NodeId, x: f64) -> bool {
        self.uniform(id) == Some(x)
    }

    /// The value of `id` if it depends on constants alone and is small.
    pub(crate) fn constant(&self, id: NodeId) -> Option<Value> {
        let mut values: HashMap<NodeId, Value> = HashMap::new();
        let spend = |op: &Op, id: NodeId| {
            let left = self.left.get().checked_sub(work(op, &self.graph.operand_types(id), self.ty(id)))?;
            self.left.set(left);
            Some(())
        };
        let mut open = if self.known[id.index()] { vec![id] } else { return None };
        while let Some(&top) = open.last() {
            let before = open.len();
            open.extend(self.operands(top).iter().filter(|o| !values.contains_key(o)));
            if open.len() == before {
                spend(self.op(top), top)?;
                let value = match self.op(top) {
                    Op::Constant(v) => v.as_ref().clone(),
                    op => evaluate_op(op, &self.operands(top).iter().map(|o| &values[o]).collect::<Vec<_>>()),
                };
                values.insert(top, value);
                open.pop();
            }
        }
        values.remove(&id)
    }

    /// Operands of a pointwise operation as ONNX takes them: broadcasts are left to the operator where that gives `shape`.
    pub(crate) fn pointwise(&self, operands: &[NodeId], shape: &[usize]) -> Vec<Arg> {
        let mut bare: Vec<NodeId> = operands.iter().map(|&o| self.unbroadcast(o)).collect();
        let common = |ids: &[NodeId]| {
            ids.iter().try_fold(vec![], |sum: Vec<usize>, &id| broadcast_shape(&sum, self.shape(id)))
        };
        // If all are smaller than the result, one keeps its broadcast.
        if common(&bare).as_deref() != Some(shape) {
            bare[0] = operands[0];
        }
        bare.into_iter().map(Arg::Node).collect()
    }

    /// A vector of `n` elements that `id`, broadcast along all axes but `axis`, repeats: bias and scale of channels.
    pub(crate) fn per_axis(&self, id: NodeId, rank: usize, axis: usize, n: usize) -> Option<Arg> {
        let bare = self.unbroadcast(id);
        let shape = self.shape(bare);
        let lead = rank.checked_sub(shape.len())?;
        let along = (0..shape.len()).all(|i| shape[i] == if i + lead == axis { n } else { 1 });
        if !along || shape.iter().product::<usize>() != n || axis < lead && n != 1 {
            return None;
        }
        if shape == [n] {
            return Some(Arg::Node(bare));
        }
        match self.op(bare) {
            Op::Reshape(_) if self.shape(self.operands(bare)[0]) == [n] => {
                Some(Arg::Node(self.operands(bare)[0]))
            }
            Op::Constant(v) => Some(Arg::Constant(v.as_ref().clone().reshape([n]), "bias")),
            _ => None,
        }
    }
}

/// A scalar of the dtype of `ty`.
pub(crate) fn scalar(ty: &Type, x: f64, word: &'static str) -> Arg {
    let n = if ty.dtype.is_float() { Num::Float(x) } else { Num::Int(x as i128) };
    Arg::Constant(Value::full(&Type::new(ty.dtype, []), n), word)
}
