//! Pools, and their adjoints in the form that gathers: every element of the result is written once.

use super::Lowering;
use super::build::value;
use super::fuse::Group;
use super::reduce::lowest;
use super::sort::less;
use crate::program::{Expr, Index, ravel};
use teff_graph::{Binary, DType, NodeId, Num, PoolKind, Window};

impl<'a> Lowering<'a> {
    pub(super) fn pool(&mut self, group: &Group, anchor: NodeId, kind: PoolKind, window: &Window) {
        let x = self.node(anchor).operands[0];
        let dtype = self.node(x).ty.dtype;
        self.repeat_all(&["n", "c", "oy", "ox"], &self.node(anchor).ty.shape, &mut |l, at| {
            let (combine, first, name) = match kind {
                PoolKind::ArgMax => {
                    let place = l.winner(x, window, at);
                    return l.finish(group, anchor, at, place);
                }
                PoolKind::Sum => (Binary::Add, Expr::constant(dtype, Num::Int(0)), "sum"),
                PoolKind::Max => (Binary::Max, Expr::Const(lowest(dtype)), "best"),
            };
            let result = l.mutable(name, first);
            l.each_tap(x, window, at, &mut |l, from| {
                let x = l.element(x, from);
                l.accumulate(combine, result, x);
            });
            l.finish(group, anchor, at, value(result))
        })
    }

    /// Position, within its plane, of the first largest element a window sees.
    fn winner(&mut self, x: NodeId, window: &Window, at: &[Index]) -> Expr {
        let ty = self.node(x).ty.clone();
        let best = self.mutable("best", Expr::Const(lowest(ty.dtype)));
        let place = self.mutable("place", Expr::int(DType::I64, -1));
        self.each_tap(x, window, at, &mut |l, from| {
            let x = l.element(x, from);
            let x = l.name_value("x", x);
            let position = ravel(&from[2..], &ty.shape[2..]);
            let none = Expr::binary(Binary::Lt, value(place), Expr::int(DType::I64, 0));
            let wins = Expr::binary(Binary::Or, none, less(&value(best), &x));
            l.when(Some(wins), |l| {
                l.set(best, x);
                l.set(place, Expr::Index(DType::I64, position));
            })
        });
        value(place)
    }

    /// Each element of x: the sum over the windows that see it.
    pub(super) fn sum_pool_grad(&mut self, group: &Group, anchor: NodeId, window: &Window) {
        let shape = self.node(anchor).ty.shape.clone();
        let y = self.node(anchor).operands[0];
        let dtype = self.node(y).ty.dtype;
        self.repeat_all(&["n", "c", "iy", "ix"], &shape, &mut |l, at| {
            let sum = l.mutable("sum", Expr::constant(dtype, Num::Int(0)));
            l.each_window(y, window, at, &mut |l, from, _| {
                let y = l.element(y, from);
                l.accumulate(Binary::Add, sum, y);
            });
            l.finish(group, anchor, at, value(sum))
        })
    }

    /// Each element of x: the sum over the windows that see it and that it wins.
    pub(super) fn max_pool_grad(&mut self, group: &Group, anchor: NodeId, window: &Window) {
        let ty = self.node(anchor).ty.clone();
        let [y, x] = self.node(anchor).operands[..] else { unreachable!("takes a gradient and an input") };
        self.repeat_all(&["n", "c", "iy", "ix"], &ty.shape, &mut |l, at| {
            let sum = l.mutable("sum", Expr::constant(ty.dtype, Num::Int(0)));
            let place = ravel(&at[2..], &ty.shape[2..]);
            l.each_window(y, window, at, &mut |l, from, _| {
                let winner = l.winner(x, window, from);
                let won = Expr::binary(Binary::Eq, winner, Expr::Index(DType::I64, place.clone()));
                l.when(Some(won), |l| {
                    let y = l.element(y, from);
                    l.accumulate(Binary::Add, sum, y);
                })
            });
            l.finish(group, anchor, at, value(sum))
        })
    }
}
