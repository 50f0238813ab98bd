//! Questions that are asked of a graph to write it.

use super::plan::Arg;
use crate::proto::ElementType;
use crate::{Error, Result};
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;
use teff_graph::facts::{Known, counts_samples};
use teff_graph::{Binary, DType, Graph, NodeId, Num, Op, Type, Unary, Value, broadcast_shape};

/// A graph and how often each node is used.
pub(crate) struct GraphView<'g> {
    pub(crate) graph: &'g Graph,
    uses: Vec<usize>,
    /// Values computed from constants alone.
    known: Known<'g>,
    /// For each node whether its leading size is left open; empty when none is.
    pub(crate) open: Vec<bool>,
    /// Elements that may still be written of what counts along axes.
    room: Cell<usize>,
    /// Constants that are stored in a type narrower than theirs.
    pub(crate) narrow: HashMap<NodeId, ElementType>,
}

/// Constants larger than this are not computed to recognise a pattern.
pub(crate) const MOST_ELEMENTS: usize = 1 << 16;
/// All that is counted along axes has no more elements than this.
pub(crate) const MOST_COUNTED: usize = 1 << 22;

impl<'g> GraphView<'g> {
    pub(crate) fn new(graph: &'g Graph) -> Self {
        GraphView {
            graph,
            uses: graph.uses(),
            known: Known::new(graph),
            open: Vec::new(),
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
        let &[a, b] = self.operands(id) else { return None };
        matches!(self.op(id), Op::Binary(this) if *this == op).then_some((a, b))
    }

    /// As [`GraphView::binary`], of what may disappear into its user.
    pub(crate) fn binary_inside(&self, id: NodeId, op: Binary) -> Option<(NodeId, NodeId)> {
        self.binary(id, op).filter(|_| self.single(id))
    }

    /// The operand of `id`, if it is this operation.
    pub(crate) fn unary(&self, id: NodeId, op: Unary) -> Option<NodeId> {
        matches!(self.op(id), Op::Unary(this) if *this == op).then(|| self.operands(id)[0])
    }

    /// As [`GraphView::unary`], of what may disappear into its user.
    pub(crate) fn unary_inside(&self, id: NodeId, op: Unary) -> Option<NodeId> {
        self.unary(id, op).filter(|_| self.single(id))
    }

    /// What is broadcast to give `id`, or `id`.
    pub(crate) fn unbroadcast(&self, id: NodeId) -> NodeId {
        if let Op::Broadcast(_) = self.op(id) { self.operands(id)[0] } else { id }
    }

    /// The number that all elements are, where that is known.
    pub(crate) fn uniform(&self, id: NodeId) -> Option<f64> {
        self.graph.uniform(id).map(Num::as_f64)
    }

    pub(crate) fn is_uniform(&self, id: NodeId, x: f64) -> bool {
        self.uniform(id) == Some(x)
    }

    /// The value of `id` if it depends on constants alone and is small.
    pub(crate) fn constant(&self, id: NodeId) -> Option<Arc<Value>> {
        (self.ty(id).len() <= MOST_ELEMENTS).then(|| self.known.value(id))?
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
        if let (Op::Reshape(_), &[x]) = (self.op(bare), self.operands(bare)) {
            return (self.shape(x) == [n]).then_some(Arg::Node(x));
        }
        let Op::Constant(v) = self.op(bare) else { return None };
        Some(Arg::Constant(v.as_ref().clone().reshape([n]), "bias", None))
    }
}

/// Why node `id` cannot be written.
pub(crate) fn inexpressible(graph: &Graph, id: NodeId, reason: impl Into<String>) -> Error {
    let label = graph[id].label.as_ref();
    let node = label.map_or_else(|| format!("node %{}", id.index()), |l| l.to_string());
    Error::Inexpressible { node, operation: graph[id].op.name(), reason: reason.into() }
}

/// A scalar of the dtype of `ty`.
pub(crate) fn scalar(ty: &Type, x: f64, word: &'static str) -> Arg {
    Arg::Constant(Value::full(&Type::new(ty.dtype, []), Num::of(x, ty.dtype)), word, None)
}

/// The constants of 8-bit integers that nothing but `Dequantize` uses, where all elements and the zero points beside them, which have the
/// same type in ONNX, fit into 4 or 2 bits; each with the narrowest type that holds them.
pub(crate) fn narrow(graph: &Graph) -> HashMap<NodeId, ElementType> {
    let users = graph.users();
    let mut found = HashMap::new();
    for id in graph.ids() {
        let Op::Constant(value) = &graph[id].op else { continue };
        let types: &[ElementType] = match value.dtype() {
            DType::I8 => &[ElementType::I2, ElementType::I4],
            DType::U8 => &[ElementType::U2, ElementType::U4],
            _ => continue,
        };
        let users = &users[id.index()];
        let is_output = graph.outputs().iter().any(|o| o.node == id);
        let mut zeros: Vec<&Value> = Vec::new();
        let dequantised = users.iter().all(|u| {
            let node = &graph[*u];
            let zero = node.operands.get(2).map(|z| &graph[*z].op);
            if let Some(Op::Constant(zero)) = zero {
                zeros.push(zero);
            }
            matches!(node.op, Op::Dequantize)
                && node.operands[0] == id
                && matches!(zero, Some(Op::Constant(_)))
        });
        if is_output || users.is_empty() || value.is_empty() || !dequantised {
            continue;
        }
        zeros.push(value);
        if let Some(ty) = types.iter().find(|ty| zeros.iter().all(|v| fits(v, **ty))) {
            found.insert(id, *ty);
        }
    }
    found
}

fn fits(value: &Value, ty: ElementType) -> bool {
    let Some((low, high)) = ty.int_range() else { return false };
    value.to_i64().iter().all(|x| (low..=high).contains(&i128::from(*x)))
}

/// For each node whether axis 0 of its value is the batch, which all inputs have as theirs, with one sample in it: a constant that
/// was computed for one sample broadcasts over any number.
pub(crate) fn batched(graph: &Graph) -> Result<Vec<bool>> {
    if let Some(&other) = graph.inputs().iter().find(|&&i| graph[i].ty.shape.first() != Some(&1)) {
        let reason = format!(
            "is {}; to leave the batch open, build the graph for a batch of one sample",
            graph[other].ty
        );
        return Err(Error::interface(graph.input_name(other), reason));
    }
    let mixes = |id: NodeId| {
        let reason = "it mixes samples or needs their number, so the batch size cannot be left open; write with a fixed one";
        inexpressible(graph, id, reason)
    };
    let counts = counts_samples(graph).map_err(mixes)?;
    // What serves every sample broadcasts, but beside what is joined with it.
    let joins_few = |id: &NodeId| {
        let fixed = |o: &NodeId| !counts[o.index()];
        matches!(graph[*id].op, Op::Concat { .. })
            && counts[id.index()]
            && graph[*id].operands.iter().any(fixed)
    };
    graph.ids().find(joins_few).map_or(Ok(()), |id| Err(mixes(id)))?;
    Ok(counts)
}
