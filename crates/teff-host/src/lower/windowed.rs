//! Lowering of convolutions and pools.

use super::Lower;
use super::layout::batch_innermost;
use super::patterns::ConvChain;
use crate::memory::BufferId;
use crate::task::Task;
use crate::view::{View, identity};
use crate::windows::{
    Conv, Images, Pool, PoolWork, Taps, WEIGHT_LANES, WeightGrad, plane_kernel, row_kernel, weight_kernel,
};
use teff_graph::{ConvGeometry, DType, NodeId, Op, PoolKind, Window};

impl Lower<'_> {
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
        let taps = Taps::forward(&window, self.images(x), self.images(chain.conv));
        self.conv(id, x, w, chain, g.groups, taps);
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
