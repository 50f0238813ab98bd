//! Pools, and their adjoints in the form that gathers: every element of the result is written once.

use super::Lowering;
use super::build::{Write, value};
use super::fuse::Group;
use crate::program::{Expr, Index, ravel};
use teff_graph::{Binary, DType, NodeId, Num, PoolKind, Unary, Window};

/// Writes what is done with an element and the tap it is seen through.
type WriteAt<'w, 'a> = &'w mut dyn FnMut(&mut Lowering<'a>, &[Index], &[Index]);

impl<'a> Lowering<'a> {
    pub(super) fn pool(&mut self, group: &Group, hero: NodeId, kind: PoolKind, window: &Window) {
        let shape = self.node(hero).ty.shape.clone();
        let x = self.node(hero).operands[0];
        let dtype = self.node(x).ty.dtype;
        self.repeat_all(&["n", "c", "oy", "ox"], &shape, &mut |l, at| match kind {
            PoolKind::ArgMax => {
                let place = l.winner(x, window, at);
                l.finish(group, hero, at, place)
            }
            PoolKind::Max | PoolKind::Sum => {
                let (combine, first) = match kind {
                    PoolKind::Sum => (Binary::Add, Expr::constant(dtype, Num::Int(0))),
                    _ => (Binary::Max, Expr::Const(super::reduce::lowest(dtype))),
                };
                let name = if kind == PoolKind::Sum { "sum" } else { "best" };
                let result = l.mutable(name, first);
                l.each_tap(x, window, at, &mut |l, from| {
                    let x = l.element(x, from);
                    l.set(result, Expr::binary(combine, value(result), x));
                });
                l.finish(group, hero, at, value(result))
            }
        })
    }

    /// Runs `write` for every element of `x` that the window at `at` sees.
    pub(super) fn each_tap(&mut self, x: NodeId, window: &Window, at: &[Index], write: Write<'_, 'a>) {
        let spatial = self.node(x).ty.shape[2..].to_vec();
        let names: Vec<&str> = if spatial.len() == 1 { vec!["kx"] } else { vec!["ky", "kx", "kz"] };
        self.repeat_all(&names, &window.size.clone(), &mut |l, tap| {
            let mut inside = None;
            let mut from = at[..2].to_vec();
            for (axis, &size) in spatial.iter().enumerate() {
                let seen = at[axis + 2]
                    .times(window.stride[axis] as i64)
                    .plus(&tap[axis].times(window.dilation[axis] as i64));
                let seen = l.name_if_tested(
                    input_axis(axis, spatial.len()),
                    seen.offset(-(window.pad_low[axis] as i64)),
                    size,
                );
                inside = l.also_inside(inside, &seen, size);
                from.push(seen);
            }
            l.when(inside, |l| write(l, &from))
        })
    }

    /// Position, within its plane, of the first largest element a window sees.
    fn winner(&mut self, x: NodeId, window: &Window, at: &[Index]) -> Expr {
        let ty = self.node(x).ty.clone();
        let best = self.mutable("best", Expr::Const(super::reduce::lowest(ty.dtype)));
        let place = self.mutable("place", Expr::int(DType::I64, -1));
        self.each_tap(x, window, at, &mut |l, from| {
            let x = l.element(x, from);
            let x = l.name_value("x", x);
            let position = ravel(&from[2..], &ty.shape[2..]);
            let none = Expr::binary(Binary::Lt, value(place), Expr::int(DType::I64, 0));
            let beats = Expr::binary(Binary::Or, none, beats(&x, &value(best)));
            l.when(Some(beats), |l| {
                l.set(best, x);
                l.set(place, Expr::Index(DType::I64, position));
            })
        });
        value(place)
    }

    /// Each element of x: the sum over the windows that see it.
    pub(super) fn sum_pool_grad(&mut self, group: &Group, hero: NodeId, window: &Window) {
        let shape = self.node(hero).ty.shape.clone();
        let y = self.node(hero).operands[0];
        let dtype = self.node(y).ty.dtype;
        self.repeat_all(&["n", "c", "iy", "ix"], &shape, &mut |l, at| {
            let sum = l.mutable("sum", Expr::constant(dtype, Num::Int(0)));
            l.each_window(y, window, at, &mut |l, from, _| {
                let y = l.element(y, from);
                l.set(sum, Expr::binary(Binary::Add, value(sum), y));
            });
            l.finish(group, hero, at, value(sum))
        })
    }

    /// Each element of x: the sum over the windows that see it and that it wins.
    pub(super) fn max_pool_grad(&mut self, group: &Group, hero: NodeId, window: &Window) {
        let ty = self.node(hero).ty.clone();
        let [y, x] = self.node(hero).operands[..] else { unreachable!("takes a gradient and an input") };
        self.repeat_all(&["n", "c", "iy", "ix"], &ty.shape, &mut |l, at| {
            let sum = l.mutable("sum", Expr::constant(ty.dtype, Num::Int(0)));
            let place = ravel(&at[2..], &ty.shape[2..]);
            l.each_window(y, window, at, &mut |l, from, _| {
                let winner = l.winner(x, window, from);
                let won = Expr::binary(Binary::Eq, winner, Expr::Index(DType::I64, place.clone()));
                l.when(Some(won), |l| {
                    let y = l.element(y, from);
                    l.set(sum, Expr::binary(Binary::Add, value(sum), y));
                })
            });
            l.finish(group, hero, at, value(sum))
        })
    }

    /// Runs `write` with the index in y and the tap for every window that sees element `at` of the input: the tap and the place
    /// of the window along an axis satisfy `place * stride + tap * dilation - pad = at`.
    pub(super) fn each_window(&mut self, y: NodeId, window: &Window, at: &[Index], write: WriteAt<'_, 'a>) {
        let places = self.node(y).ty.shape[2..].to_vec();
        let names: Vec<&str> = if places.len() == 1 { vec!["kx"] } else { vec!["ky", "kx", "kz"] };
        self.repeat_all(&names, &window.size.clone(), &mut |l, tap| {
            let mut inside = None;
            let mut from = at[..2].to_vec();
            for (axis, &count) in places.iter().enumerate() {
                let stride = window.stride[axis] as i64;
                let distance = at[axis + 2]
                    .offset(window.pad_low[axis] as i64)
                    .minus(&tap[axis].times(window.dilation[axis] as i64));
                let place = if stride == 1 {
                    distance.clone()
                } else {
                    // Shifted up by whole strides, so that what is divided is not negative.
                    let shift =
                        ((window.size[axis] - 1) * window.dilation[axis]).div_ceil(stride as usize) as i64;
                    let up = distance.offset(shift * stride);
                    let whole = up.remainder(stride, l.vars());
                    if whole.as_constant() != Some(0) {
                        inside = Expr::and(inside, Expr::InRange { index: whole, low: 0, high: 1 });
                    }
                    up.divided(stride, l.vars()).offset(-shift)
                };
                inside = l.also_inside(inside, &place, count);
                from.push(place);
            }
            l.when(inside, |l| {
                for (axis, &count) in places.iter().enumerate() {
                    let place = std::mem::take(&mut from[axis + 2]);
                    from[axis + 2] =
                        l.name_index(output_axis(axis, places.len()), place, (0, count as i64 - 1));
                }
                write(l, &from, tap)
            })
        })
    }
}

/// What hand-written code calls the place in the input along a spatial axis.
pub(super) fn input_axis(axis: usize, axes: usize) -> &'static str {
    if axes == 1 { "ix" } else { ["iy", "ix", "iz"].get(axis).copied().unwrap_or("i") }
}

/// The same of the output.
pub(super) fn output_axis(axis: usize, axes: usize) -> &'static str {
    if axes == 1 { "ox" } else { ["oy", "ox", "oz"].get(axis).copied().unwrap_or("o") }
}

/// True when `x` replaces `best` as the largest: the first of equals stays, NaN is largest.
pub(super) fn beats(x: &Expr, best: &Expr) -> Expr {
    let larger = Expr::binary(Binary::Lt, best.clone(), x.clone());
    if !x.dtype().is_float() {
        return larger;
    }
    let nan = |e: &Expr| Expr::unary(Unary::IsNan, e.clone());
    let first_nan = Expr::binary(Binary::And, nan(x), Expr::unary(Unary::Not, nan(best)));
    Expr::binary(Binary::Or, larger, first_nan)
}
