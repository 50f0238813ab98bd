//! Lowering of operations that are a step by themselves.

use super::layout::batch_innermost;
use super::patterns::{ConvChain, suits_batch_layout, suits_windows};
use super::{Lower, lower};
use crate::matmul::MatMul;
use crate::memory::BufferId;
use crate::reference::Reference;
use crate::schedule::ScanLoop;
use crate::schedule::Task;
use crate::view::{View, identity};
use crate::windows::{
    Conv, FewConv, FewPool, Images, Pool, PoolWork, Slide, Taps, WEIGHT_LANES, WeightGrad, plane_kernel,
    row_kernel, weight_kernel,
};
use teff_graph::{ConvGeometry, DType, NodeId, Op, PoolKind, Scan, Type, Window, scan_result_types};

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
        let is_few = !is_fast && suits_windows(graph, id);
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
            Op::Pool { kind: kind @ (PoolKind::Max | PoolKind::Sum), window } if is_few => {
                self.few_pool(id, *kind, window);
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

    /// Computes a chain that ends with this node; false when none does.
    pub(super) fn chain(&mut self, id: NodeId) -> bool {
        if let Some(chain) = self.units.patterns.convs.get(&id).copied() {
            self.conv_chain(id, chain);
            return true;
        }
        let Some(&grad) = self.units.patterns.masked_pools.get(&id) else { return false };
        let Op::MaxPoolGrad { window } = &self.graph[grad].op else { unreachable!("the pattern says so") };
        self.max_pool_grad(id, grad, window, true);
        true
    }

    fn batch_inside(&mut self, id: NodeId) -> View {
        let view = self.view(id);
        self.dense(&view, &batch_innermost(view.shape.len()))
    }

    fn images(&self, id: NodeId) -> Images {
        Images::of(&self.graph[id].ty.shape)
    }

    fn conv_chain(&mut self, id: NodeId, chain: ConvChain) {
        let node = &self.graph[chain.conv];
        let Op::Conv(g) = &node.op else { unreachable!("the pattern says so") };
        let (x, w) = (node.operands[0], node.operands[1]);
        let window = g.window(&self.graph[w].ty.shape[2..]);
        if !suits_batch_layout(self.graph, chain.conv) {
            return self.few_conv(id, chain, g.groups, &window);
        }
        let taps = Taps::forward(&window, self.images(x), self.images(chain.conv));
        self.conv(id, x, w, chain, g.groups, taps);
    }

    fn few_conv(&mut self, id: NodeId, chain: ConvChain, groups: usize, window: &Window) {
        let operands = &self.graph[chain.conv].operands;
        let (input, weights) = (self.row_major(operands[0]), self.row_major(operands[1]));
        let bias = chain.bias.map(|b| self.row_major(b));
        let output = self.result(id, &identity(input.shape.len()));
        let slide = Slide::new(window, &input.shape[2..], &output.shape[2..]);
        let mut reads = vec![input.buffer, weights.buffer];
        reads.extend(bias.as_ref().map(|b| b.buffer));
        let (writes, relu, level) = (vec![output.buffer], chain.relu, self.level);
        let seen = slide.seen_apart(output.shape[1] / groups);
        let step = FewConv { input, output, weights, bias, relu, groups, slide, seen, level };
        self.push(Task::FewConv(Box::new(step)), reads, writes);
    }

    fn few_pool(&mut self, id: NodeId, kind: PoolKind, window: &Window) {
        let work = if kind == PoolKind::Max { PoolWork::Max } else { PoolWork::Sum };
        let from = self.row_major(self.graph[id].operands[0]);
        let to = self.result(id, &identity(from.shape.len()));
        let slide = Slide::new(window, &from.shape[2..], &to.shape[2..]);
        let (reads, writes, level) = (vec![from.buffer], vec![to.buffer], self.level);
        self.push(Task::FewPool(Box::new(FewPool { work, from, to, slide, level })), reads, writes);
    }

    pub(super) fn conv_adjoint(&mut self, id: NodeId, g: &ConvGeometry) {
        let (y, w) = (self.graph[id].operands[0], self.graph[id].operands[1]);
        let window = g.window(&self.graph[w].ty.shape[2..]);
        let taps = Taps::backward(&window, self.images(id), self.images(y));
        self.conv(id, y, w, ConvChain { conv: id, bias: None, relu: false }, g.groups, taps);
    }

    fn conv(&mut self, id: NodeId, x: NodeId, w: NodeId, chain: ConvChain, groups: usize, taps: Taps) {
        let (input, weights) = (self.batch_inside(x), self.row_major(w));
        let bias = chain.bias.map(|b| self.row_major(b));
        let rank = self.graph[id].ty.rank();
        let output = self.result(id, &batch_innermost(rank));
        let (from, to) = (input.shape[1] / groups, output.shape[1] / groups);
        let length = Conv::packed_len(groups, from, to, taps.size[0] * taps.size[1]);
        let packed = self.buffer(DType::F32, length, None);
        let mut reads: Vec<BufferId> = vec![input.buffer, weights.buffer];
        reads.extend(bias.as_ref().map(|b| b.buffer));
        let writes = vec![output.buffer, packed];
        let row = row_kernel(self.level, input.shape[0]);
        let adjoint = !matches!(self.graph[chain.conv].op, Op::Conv(_));
        let relu = chain.relu;
        let step = Conv { input, output, weights, bias, relu, groups, adjoint, taps, packed, row };
        self.push(Task::Conv(Box::new(step)), reads, writes);
    }

    pub(super) fn weight_grad(&mut self, id: NodeId, window: &Window, groups: usize) {
        let (x, y) = (self.graph[id].operands[0], self.graph[id].operands[1]);
        let (x, y) = (self.batch_inside(x), self.batch_inside(y));
        let rank = self.graph[id].ty.rank();
        let result = self.result(id, &identity(rank));
        let taps = Taps::forward(window, Images::of(&x.shape), Images::of(&y.shape));
        let sums = self.buffer(DType::F32, result.len() * WEIGHT_LANES, None);
        let (reads, writes) = (vec![x.buffer, y.buffer], vec![result.buffer, sums]);
        let kernel = weight_kernel(self.level);
        self.push(
            Task::WeightGrad(Box::new(WeightGrad { x, y, result, groups, taps, sums, kernel })),
            reads,
            writes,
        );
    }

    pub(super) fn pool(&mut self, id: NodeId, kind: PoolKind, window: &Window) {
        let work = if kind == PoolKind::Max { PoolWork::Max } else { PoolWork::Sum };
        let x = self.graph[id].operands[0];
        let taps = Taps::forward(window, self.images(x), self.images(id));
        self.push_pool(id, work, x, None, taps);
    }

    pub(super) fn sum_pool_grad(&mut self, id: NodeId, window: &Window) {
        let y = self.graph[id].operands[0];
        let taps = Taps::backward(window, self.images(id), self.images(y));
        self.push_pool(id, PoolWork::Sum, y, None, taps);
    }

    /// The adjoint `grad` of a max pool, computed as node `id`.
    pub(super) fn max_pool_grad(&mut self, id: NodeId, grad: NodeId, window: &Window, rectified: bool) {
        let (y, x) = (self.graph[grad].operands[0], self.graph[grad].operands[1]);
        let taps = Taps::forward(window, self.images(x), self.images(y));
        self.push_pool(id, PoolWork::MaxGrad { rectified }, y, Some(x), taps);
    }

    fn push_pool(&mut self, id: NodeId, work: PoolWork, from: NodeId, input: Option<NodeId>, taps: Taps) {
        let from = self.batch_inside(from);
        let input = input.map(|x| self.batch_inside(x));
        let rank = self.graph[id].ty.rank();
        let to = self.result(id, &batch_innermost(rank));
        let mut reads = vec![from.buffer];
        reads.extend(input.as_ref().map(|v| v.buffer));
        let writes = vec![to.buffer];
        let kernel = plane_kernel(self.level, work, from.shape[0]);
        self.push(Task::Pool(Box::new(Pool { work, from, input, to, taps, kernel })), reads, writes);
    }
}
