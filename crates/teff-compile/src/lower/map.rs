//! Kernels without a sum: functions of single elements, moves, joins and padding, and writing by index.

use super::Lowering;
use crate::program::{Expr, Index, Stmt, ravel};
use teff_graph::{Binary, NodeId, PadAxis, ScatterKind};

impl<'a> Lowering<'a> {
    /// Every element of `node` computed and stored.
    pub(super) fn map(&mut self, node: NodeId) {
        let storage = self.storage_of(node);
        let before = self.computing.replace(node);
        self.store_all(&self.node(node).ty, &storage, |l, index| l.element(node, index));
        self.computing = before;
    }

    /// Operands one after another: loops for each, so that none is searched for.
    pub(super) fn concat(&mut self, node: NodeId, axis: usize) {
        let shape = self.node(node).ty.shape.clone();
        let storage = self.storage_of(node);
        let mut start = 0;
        for &operand in &self.node(node).operands {
            let part = self.node(operand).ty.shape.clone();
            self.merged_loops(&["i", "j", "k"], &part, &mut |l, index| {
                let value = l.element(operand, index);
                let mut to = index.to_vec();
                to[axis] = to[axis].offset(start);
                l.push(Stmt::Store(storage.buffer, storage.base.plus(&ravel(&to, &shape)), value));
            });
            start += part[axis] as i64;
        }
    }

    /// The fill everywhere, then the operand over it.
    pub(super) fn pad(&mut self, node: NodeId, axes: &[PadAxis]) {
        let ty = self.node(node).ty.clone();
        let storage = self.storage_of(node);
        let [operand, fill] = self.node(node).operands[..] else { unreachable!("a pad has two operands") };
        self.store_all(&ty, &storage, |l, _| l.element(fill, &[]));
        let inner = self.node(operand).ty.shape.clone();
        self.merged_loops(&["i", "j", "k"], &inner, &mut |l, index| {
            let value = l.element(operand, index);
            let place = |(p, i): (&PadAxis, &Index)| i.times(p.interior as i64 + 1).offset(p.low as i64);
            let to: Vec<Index> = axes.iter().zip(index).map(place).collect();
            l.push(Stmt::Store(storage.buffer, storage.base.plus(&ravel(&to, &ty.shape)), value));
        })
    }

    /// x, then the updates over it, in order.
    pub(super) fn scatter(&mut self, node: NodeId, axis: usize, kind: ScatterKind) {
        let ty = self.node(node).ty.clone();
        let storage = self.storage_of(node);
        let [x, indices, updates] = self.node(node).operands[..] else {
            unreachable!("a scatter has three operands")
        };
        self.store_all(&ty, &storage, |l, index| l.element(x, index));
        let shape = self.node(updates).ty.shape.clone();
        let size = ty.shape[axis] as i64;
        self.repeat_all(&["i", "j", "k"], &shape, &mut |l, from| {
            let at = l.element(indices, &from[axis..=axis]);
            let at = Index::value(l.name_value("at", at));
            let inside = Expr::InRange { index: at.clone(), low: 0, high: size };
            l.when(Some(inside), |l| {
                let mut to = from.to_vec();
                to[axis] = at;
                let to = storage.base.plus(&ravel(&to, &ty.shape));
                let update = l.element(updates, from);
                let there = Expr::Load(storage.buffer, ty.dtype, to.clone());
                let both = |op| Expr::binary(op, there, update.clone());
                let value = match kind {
                    ScatterKind::Set => update,
                    ScatterKind::Add => both(Binary::Add),
                    ScatterKind::Mul => both(Binary::Mul),
                    ScatterKind::Max => both(Binary::Max),
                    ScatterKind::Min => both(Binary::Min),
                };
                l.push(Stmt::Store(storage.buffer, to, value));
            })
        })
    }
}
