//! Writing and sorting by index.

use super::Lowering;
use super::build::value;
use super::element::count;
use crate::error::Error;
use crate::program::{Expr, Index, Stmt, ravel};
use teff_graph::{Binary, DType, NodeId, ScatterKind, Unary};

impl<'a> Lowering<'a> {
    /// x, then the updates over it, in order.
    pub(super) fn scatter(&mut self, node: NodeId, axis: usize, kind: ScatterKind) -> Result<(), Error> {
        let ty = self.node(node).ty.clone();
        let storage = self.storage_of(node);
        let [x, indices, updates] = self.graph[node].operands[..] else {
            unreachable!("a scatter has three operands")
        };
        self.store_all(&ty, |l, index| Ok((storage.buffer, storage.base.clone(), l.element(x, index)?)))?;
        let shape = self.node(updates).ty.shape.clone();
        let size = ty.shape[axis] as i64;
        self.repeat_all(&["i", "j", "k"], &shape, &mut |l, from| {
            let at = l.element(indices, &from[axis..=axis])?;
            let at = Index::value(l.name_value("at", at));
            let inside = Expr::InRange { index: at.clone(), low: 0, high: size };
            l.when(Some(inside), |l| {
                let mut to = from.to_vec();
                to[axis] = at;
                let to = storage.base.plus(&ravel(&to, &ty.shape));
                let update = l.element(updates, from)?;
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
                Ok(())
            })
        })
    }

    /// Each element's place is the number of elements that precede it.
    pub(super) fn argsort(&mut self, node: NodeId, axis: usize, descending: bool) -> Result<(), Error> {
        let shape = self.node(node).ty.shape.clone();
        let storage = self.storage_of(node);
        let x = self.graph[node].operands[0];
        let n = shape[axis];
        let mut others = shape.clone();
        others[axis] = 1;
        self.repeat_all(&["a", "b", "c"], &others, &mut |l, around| {
            let at = |i: &Index| {
                let mut index = around.to_vec();
                index[axis] = i.clone();
                index
            };
            l.repeat("i", n, |l, i| {
                let one = l.element(x, &at(&i))?;
                let one = l.name_value("x", one);
                let rank = l.mutable("rank", Expr::int(DType::I32, 0));
                l.repeat("j", n, |l, j| {
                    let other = l.element(x, &at(&j))?;
                    let other = l.name_value("other", other);
                    let less = |a: &Expr, b: &Expr| if descending { less(b, a) } else { less(a, b) };
                    let earlier = Expr::binary(
                        Binary::Lt,
                        Expr::Index(DType::I32, j),
                        Expr::Index(DType::I32, i.clone()),
                    );
                    let not_after = Expr::unary(Unary::Not, less(&one, &other));
                    let tie = Expr::binary(Binary::And, earlier, not_after);
                    l.when(Some(Expr::binary(Binary::Or, less(&other, &one), tie)), |l| {
                        l.set(rank, Expr::binary(Binary::Add, value(rank), Expr::int(DType::I32, 1)));
                        Ok(())
                    })
                })?;
                let place = super::element::clamped(value(rank), n);
                let to = storage.base.plus(&ravel(&at(&place), &shape));
                l.push(Stmt::Store(storage.buffer, to, count(DType::I64, i)));
                Ok(())
            })
        })
    }
}

/// True when `a` sorts before `b`: NaN is largest.
fn less(a: &Expr, b: &Expr) -> Expr {
    let smaller = Expr::binary(Binary::Lt, a.clone(), b.clone());
    if !a.dtype().is_float() {
        return smaller;
    }
    let nan = |e: &Expr| Expr::unary(Unary::IsNan, e.clone());
    Expr::binary(Binary::Or, smaller, Expr::binary(Binary::And, nan(b), Expr::unary(Unary::Not, nan(a))))
}
