//! Writing by index.

use super::Lowering;
use crate::program::{Expr, Index, Stmt, ravel};
use teff_graph::{Binary, NodeId, ScatterKind};

impl<'a> Lowering<'a> {
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
