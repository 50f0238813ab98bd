//! Lowering of operations that are a step by themselves.

use super::patterns::suits_batch_layout;
use super::{Lower, lower};
use crate::matmul::MatMul;
use crate::memory::BufferId;
use crate::reference::Reference;
use crate::scan::ScanLoop;
use crate::task::Task;
use crate::view::{View, identity};
use teff_graph::{NodeId, Op, PoolKind, Scan, Type, scan_result_types};

impl Lower<'_> {
    /// Computes a node that is a unit by itself.
    pub(super) fn single(&mut self, id: NodeId) {
        let graph = self.graph;
        let node = &graph[id];
        self.label = node.label.as_deref().unwrap_or_default().into();
        if self.chain(id) {
            return;
        }
        let is_fast = suits_batch_layout(graph, id);
        match &node.op {
            Op::MatMul => self.matmul(id),
            Op::Concat { axis } => self.concat(id, *axis),
            Op::Pad(axes) => self.pad(id, axes),
            Op::Scan(scan) => self.scan(id, scan),
            Op::ConvTranspose { geometry, .. } if is_fast => self.conv_adjoint(id, geometry),
            Op::ConvWeightGrad { geometry, kernel } if is_fast => {
                self.weight_grad(id, &geometry.window(kernel), geometry.groups);
            }
            Op::Pool { kind: kind @ (PoolKind::Max | PoolKind::Sum), window } if is_fast => {
                self.pool(id, *kind, window);
            }
            Op::SumPoolGrad { window, .. } if is_fast => self.sum_pool_grad(id, window),
            Op::MaxPoolGrad { window } if is_fast => self.max_pool_grad(id, id, window, false),
            Op::Random { .. } | Op::ArgReduce { .. } | Op::ArgSort { .. } => self.reference(id),
            Op::Conv(_) | Op::ConvTranspose { .. } | Op::ConvWeightGrad { .. } => self.reference(id),
            Op::Pool { .. } | Op::SumPoolGrad { .. } | Op::MaxPoolGrad { .. } => self.reference(id),
            Op::Gather { .. } | Op::Scatter { .. } => self.reference(id),
            Op::Quantize { .. } | Op::Dequantize => self.reference(id),
            Op::Input { .. } | Op::Constant(_) | Op::Param(_) | Op::Iota { .. } => {
                unreachable!("{}", node.op)
            }
            Op::Unary(_) | Op::Binary(_) | Op::Select | Op::Cast(_) | Op::Reduce { .. } => {
                unreachable!("{} is lowered with its unit", node.op)
            }
            Op::Reshape(_) | Op::Permute(_) | Op::Broadcast(_) | Op::Slice(_) | Op::Project(_) => {
                unreachable!("{} is a view", node.op)
            }
        }
    }

    fn operand(&mut self, id: NodeId, i: usize) -> View {
        self.view(self.graph[id].operands[i])
    }

    fn reference(&mut self, id: NodeId) {
        let operands: Vec<View> =
            self.graph[id].operands.clone().iter().map(|&o| self.row_major(o)).collect();
        let result = self.result(id, &identity(self.graph[id].ty.rank()));
        let (reads, writes) = (operands.iter().map(|v| v.buffer).collect(), vec![result.buffer]);
        let op = self.graph[id].op.clone();
        self.push(Task::Reference(Box::new(Reference { op, operands, result })), reads, writes);
    }

    fn matmul(&mut self, id: NodeId) {
        let (a, b) = (self.operand(id, 0), self.operand(id, 1));
        let order = self.wishes[id.index()].clone().unwrap_or_else(|| identity(self.graph[id].ty.rank()));
        let c = self.result(id, &order);
        let (reads, writes) = (vec![a.buffer, b.buffer], vec![c.buffer]);
        self.push(Task::MatMul(MatMul::new(self.level, a, b, c)), reads, writes);
    }

    /// Each operand is copied to its part of the result.
    fn concat(&mut self, id: NodeId, axis: usize) {
        let to = self.result(id, &identity(self.graph[id].ty.rank()));
        let mut start = 0;
        for i in 0..self.graph[id].operands.len() {
            let from = self.operand(id, i);
            let mut part = to.clone();
            part.shape = from.shape.clone();
            part.offset += start * to.strides[axis] as usize;
            start += from.shape[axis];
            self.push_copy(from, part);
        }
    }

    /// The fill everywhere, then the operand into its part.
    fn pad(&mut self, id: NodeId, axes: &[teff_graph::PadAxis]) {
        let (from, fill) = (self.operand(id, 0), self.operand(id, 1));
        let to = self.result(id, &identity(self.graph[id].ty.rank()));
        self.push_copy(fill.broadcast(&to.shape), to.clone());
        if from.len() == 0 {
            return;
        }
        let mut part = to.clone();
        part.shape = from.shape.clone();
        for (i, a) in axes.iter().enumerate() {
            part.offset += a.low * to.strides[i] as usize;
            part.strides[i] *= a.interior as isize + 1;
        }
        self.push_copy(from, part);
    }

    fn scan(&mut self, id: NodeId, scan: &Scan) {
        let node = &self.graph[id];
        let types: Vec<Type> = self.graph.operand_types(id);
        let types = scan_result_types(scan, &types).expect("a verified graph");
        let operands: Vec<View> = node.operands.clone().iter().map(|&o| self.row_major(o)).collect();
        let mut fresh = |ty: &Type| self.buffer(ty.dtype, ty.len(), None);
        let results: Vec<View> = types.iter().map(|t| View::row_major(fresh(t), t.dtype, &t.shape)).collect();
        let carried: Vec<[BufferId; 2]> = types[..scan.states].iter().map(|t| [fresh(t), fresh(t)]).collect();
        let reads = operands.iter().map(|v| v.buffer).collect();
        let writes = results.iter().map(|v| v.buffer).chain(carried.iter().flatten().copied()).collect();
        self.scan_results.insert(id, results.clone());
        let step = ScanLoop {
            body: lower(&scan.body, &[], &[], self.level),
            states: scan.states,
            scanned: scan.scanned,
            length: scan.length,
            reverse: scan.reverse,
            operands,
            results,
            carried,
        };
        self.push(Task::Scan(Box::new(step)), reads, writes);
    }
}
