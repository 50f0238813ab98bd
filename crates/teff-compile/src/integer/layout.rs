//! Integers that are put beside each other; what only moves them is [`Affine::moved`].

use super::IntegerPass;
use super::affine::Affine;
use teff_graph::{NodeId, Tensor};

impl IntegerPass<'_> {
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
