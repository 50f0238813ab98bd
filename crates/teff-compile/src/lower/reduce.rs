//! Sums, products, largest and smallest along axes.

use super::Lowering;
use super::build::value;
use super::fuse::Group;
use crate::program::{Expr, Index, Scalar, Stmt, ravel, unravel};
use teff_graph::{Binary, DType, NodeId, Num, ReduceKind, Unary};

/// Partial sums of a float reduction: enough for two vector registers of four.
const PARTS: usize = 8;

/// The smallest value of a dtype: what a maximum of nothing is.
pub(super) fn lowest(dtype: DType) -> Scalar {
    match dtype.int_range() {
        None => Scalar::new(dtype, Num::Float(f64::NEG_INFINITY)),
        Some((low, _)) => Scalar::new(dtype, Num::Int(low)),
    }
}

/// The largest value of a dtype.
fn highest(dtype: DType) -> Scalar {
    match dtype.int_range() {
        None => Scalar::new(dtype, Num::Float(f64::INFINITY)),
        Some((_, high)) => Scalar::new(dtype, Num::Int(high)),
    }
}

impl<'a> Lowering<'a> {
    pub(super) fn reduce(&mut self, group: &Group, anchor: NodeId, kind: ReduceKind, axes: &[usize]) {
        let shape = self.node(anchor).ty.shape.clone();
        let x = self.node(anchor).operands[0];
        let full = self.node(x).ty.clone();
        let (combine, first, name) = match kind {
            ReduceKind::Sum => (Binary::Add, Scalar::new(full.dtype, Num::Int(0)), "sum"),
            ReduceKind::Prod => (Binary::Mul, Scalar::new(full.dtype, Num::Int(1)), "product"),
            ReduceKind::Max => (Binary::Max, lowest(full.dtype), "largest"),
            ReduceKind::Min => (Binary::Min, highest(full.dtype), "smallest"),
        };
        let reduced: Vec<usize> = axes.iter().map(|&a| full.shape[a]).collect();
        let total: usize = reduced.iter().product();
        let split = full.dtype.is_float() && total >= 4 * PARTS && self.target.lanes >= PARTS;
        self.merged_loops(&["i", "j", "k"], &shape, &mut |l, at| {
            let from = |inner: &[Index]| {
                let mut index = at.to_vec();
                axes.iter().zip(inner).for_each(|(&a, i)| index[a] = i.clone());
                index
            };
            if split {
                let sum = l.split_reduction(combine, first, name, total, &mut |l, position| {
                    let inner = unravel(position, &reduced, l.vars());
                    l.element_on_the_way(group, x, &from(&inner))
                });
                return l.finish(group, anchor, at, sum);
            }
            let result = l.mutable(name, Expr::Const(first));
            l.merged_loops(&["a", "b", "c"], &reduced, &mut |l, inner| {
                let x = l.element_on_the_way(group, x, &from(inner));
                l.accumulate(combine, result, x);
            });
            l.finish(group, anchor, at, value(result))
        })
    }

    /// Element `index` of what is reduced; when it has memory that is not written yet, it is computed and stored.
    fn element_on_the_way(&mut self, group: &Group, x: NodeId, index: &[Index]) -> Expr {
        if group.through != Some(x) {
            return self.element(x, index);
        }
        let storage = self.storage_of(x);
        let before = self.computing.replace(x);
        let value = self.element(x, index);
        self.computing = before;
        let value = self.name_value("x", value);
        let at = storage.base.plus(&ravel(index, &self.node(x).ty.shape));
        self.push(Stmt::Store(storage.buffer, at, value.clone()));
        value
    }

    /// A reduction of `total` elements in several parts, side by side, combined at the end.
    fn split_reduction(
        &mut self,
        combine: Binary,
        first: Scalar,
        name: &str,
        total: usize,
        element: &mut dyn FnMut(&mut Self, &Index) -> Expr,
    ) -> Expr {
        let dtype = first.dtype();
        let parts = self.array_of("part", PARTS, Expr::Const(first));
        self.repeat("a", total / PARTS, |l, a| {
            l.repeat("j", PARTS, |l, j| {
                let x = element(l, &a.times(PARTS as i64).plus(&j));
                let part = Expr::LoadLocal(parts, dtype, j.clone());
                l.push(Stmt::StoreLocal(parts, j, Expr::binary(combine, part, x)));
            })
        });
        let result = self.mutable(name, Expr::Const(first));
        self.repeat("j", PARTS, |l, j| l.accumulate(combine, result, Expr::LoadLocal(parts, dtype, j)));
        let rest = total % PARTS;
        self.repeat("j", rest, |l, j| {
            let x = element(l, &j.offset((total - rest) as i64));
            l.accumulate(combine, result, x);
        });
        value(result)
    }

    pub(super) fn arg_reduce(&mut self, group: &Group, anchor: NodeId, min: bool, axis: usize, last: bool) {
        let shape = self.node(anchor).ty.shape.clone();
        let x = self.node(anchor).operands[0];
        let n = self.node(x).ty.shape[axis];
        self.merged_loops(&["i", "j", "k"], &shape, &mut |l, at| {
            let from = |i: &Index| {
                let mut index = at.to_vec();
                index[axis] = i.clone();
                index
            };
            if n == 1 {
                return l.finish(group, anchor, at, Expr::int(DType::I64, 0));
            }
            let first = l.element(x, &from(&Index::zero()));
            let best = l.mutable("best", first);
            let place = l.mutable("place", Expr::int(DType::I64, 0));
            l.repeat("a", n - 1, |l, i| {
                let i = i.offset(1);
                let x = l.element(x, &from(&i));
                let x = l.name_value("x", x);
                l.when(Some(replaces(&x, &value(best), min, last)), |l| {
                    l.set(best, x);
                    l.set(place, Expr::Index(DType::I64, i));
                })
            });
            l.finish(group, anchor, at, value(place))
        })
    }
}

/// True when a later element takes the place of the best so far. NaN beats all, and of several the first or last wins as of equals.
fn replaces(x: &Expr, best: &Expr, min: bool, last: bool) -> Expr {
    let (small, large) = if min { (x, best) } else { (best, x) };
    let order = if last { Binary::Le } else { Binary::Lt };
    let better = Expr::binary(order, small.clone(), large.clone());
    if !x.dtype().is_float() {
        return better;
    }
    let nan = |e: &Expr| Expr::unary(Unary::IsNan, e.clone());
    let first_nan =
        if last { nan(x) } else { Expr::binary(Binary::And, nan(x), Expr::unary(Unary::Not, nan(best))) };
    Expr::binary(Binary::Or, better, first_nan)
}
