//! Windows and reductions of integers, and integers that are put beside each other; what only moves them is [`Affine::moved`].

use super::IntegerPass;
use super::affine::{Affine, MOST};
use super::requantize::{Quantization, requantize};
use crate::lower::apart_windows;
use teff_graph::{NodeId, Op, PoolKind, ReduceKind, Tensor, Window};

impl IntegerPass<'_> {
    /// Sums of windows, and their largest elements. Where nothing else needs what is pooled, it is requantised once a window, not once an
    /// element: a larger integer is never requantised to a smaller one.
    pub(super) fn pooled(&self, id: NodeId, kind: PoolKind, window: &Window) -> Option<Affine> {
        let node = &self.graph[id];
        let x = node.operands[0];
        let a = self.affine(x)?;
        match kind {
            PoolKind::Sum => {
                let times = window.size.iter().fold(1i64, |n, s| n.saturating_mul(*s as i64));
                self.summed(a, &node.op, times)
            }
            PoolKind::Max => {
                let alone = self.graph[x].op == Op::Dequantize && self.uses[x.index()] == 1;
                match alone.then(|| self.pooled_before(&node.op, self.graph[x].operands[0])).flatten() {
                    Some(q) => Some(Affine { q, ..a.clone() }),
                    None => a.moved(&node.op, &[]),
                }
            }
            PoolKind::ArgMax => None,
        }
    }

    /// The largest integers of windows of `q`, requantised behind that: if nothing else needs `q`, which is a `Quantize` in integers, and
    /// the sums before it are pooled as they are computed.
    pub(super) fn pooled_before(&self, op: &Op, q: NodeId) -> Option<Tensor> {
        let Op::Pool { window, .. } = op else { return None };
        if !apart_windows(window) {
            return None;
        }
        let (before, target) = self.before.get(&q).filter(|_| self.uses[q.index()] == 1)?;
        requantize(&before.moved(op, &[])?, target)
    }

    /// Sums that are pooled and then quantised: brought to 8 bits first, as all of them are kept where windows meet. The largest stays the
    /// largest.
    pub(super) fn quantised_before_pool(&self, x: NodeId, target: &Quantization) -> Option<Tensor> {
        let Op::Pool { kind: PoolKind::Max, window } = &self.graph[x].op else { return None };
        let sums = self.affine(self.graph[x].operands[0]).filter(|a| a.q.dtype().size() > 1)?;
        if apart_windows(window) {
            return None;
        }
        Some(Tensor::apply(self.graph[x].op.clone(), &[requantize(sums, target)?]))
    }

    /// Sums, largest and smallest along axes.
    pub(super) fn reduced(&self, a: &Affine, op: &Op, kind: ReduceKind, axes: &[usize]) -> Option<Affine> {
        match kind {
            ReduceKind::Sum => {
                self.summed(a, op, axes.iter().map(|x| a.q.shape()[*x]).product::<usize>() as i64)
            }
            ReduceKind::Max | ReduceKind::Min => a.moved(op, &[]),
            ReduceKind::Prod => None,
        }
    }

    /// Sums of `times` elements; of different scales only if those stay apart.
    fn summed(&self, a: &Affine, op: &Op, times: i64) -> Option<Affine> {
        let a = &a.settled(MOST.saturating_sub(i64::BITS - times.leading_zeros()));
        let single = a.scale.single().is_some();
        let range = (a.range.0.min(0).checked_mul(times)?, a.range.1.max(0).checked_mul(times)?);
        (single && range.0.saturating_abs().max(range.1) < 1 << 31).then(|| {
            let q = Tensor::apply(op.clone(), std::slice::from_ref(&a.q));
            Affine { q, range, ..a.clone() }
        })
    }

    /// Tensors one behind another along an axis, if they are on one scale.
    pub(super) fn joined(&self, operands: &[NodeId], axis: usize) -> Option<Affine> {
        let all: Vec<&Affine> = operands.iter().map(|o| self.affine(*o)).collect::<Option<_>>()?;
        let first = all[0];
        let alike = |a: &&Affine| {
            (a.zero, &a.scale, a.q.dtype()) == (first.zero, &first.scale, first.q.dtype())
                && a.offset.is_empty()
        };
        if !all.iter().all(alike) || first.scale.single().is_none() {
            return None;
        }
        let parts: Vec<Tensor> = all.iter().map(|a| a.q.clone()).collect();
        let range = all.iter().fold(first.range, |r, a| (r.0.min(a.range.0), r.1.max(a.range.1)));
        Some(Affine { q: Tensor::concat(&parts, axis), range, ..first.clone() })
    }
}
