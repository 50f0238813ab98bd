//! Sorting.

use super::Lowering;
use super::build::value;
use super::element::{clamped, count};
use crate::program::{Expr, Index, Place, Stmt, ravel};
use teff_graph::{Binary, DType, NodeId, Num, Type, Unary};

/// Fewer elements than this are sorted sooner, and in less flash, by counting.
const MERGED: usize = 16;

/// A line of elements that is sorted.
struct Line<'i> {
    /// What is sorted.
    x: NodeId,
    /// The node of the positions, and the shape of both.
    node: NodeId,
    shape: &'i [usize],
    axis: usize,
    /// Where it lies along the other axes.
    around: &'i [Index],
    descending: bool,
}

impl Line<'_> {
    fn at(&self, i: Index) -> Vec<Index> {
        let mut index = self.around.to_vec();
        index[self.axis] = i;
        index
    }

    fn len(&self) -> usize {
        self.shape[self.axis]
    }

    /// True when `a` comes before `b`.
    fn before(&self, a: &Expr, b: &Expr) -> Expr {
        if self.descending { less(b, a) } else { less(a, b) }
    }
}

impl<'a> Lowering<'a> {
    /// The positions of the elements in their order; equal ones stay as they are.
    pub(super) fn argsort(&mut self, node: NodeId, axis: usize, descending: bool) {
        let shape = self.node(node).ty.shape.clone();
        let x = self.node(node).operands[0];
        let mut others = shape.clone();
        others[axis] = 1;
        self.repeat_all(&["a", "b", "c"], &others, &mut |l, around| {
            let line = Line { x, node, shape: &shape, axis, around, descending };
            if line.len() < MERGED { l.sort_by_counting(&line) } else { l.sort_by_merging(&line) }
        })
    }

    /// Where in the result the position of element `i` of the sorted line lies.
    fn sorted(&mut self, line: &Line, i: Index) -> (crate::program::BufferId, Index) {
        let storage = self.storage_of(line.node);
        (storage.buffer, storage.base.plus(&ravel(&line.at(i), line.shape)))
    }

    /// Each element's place is the number of elements that precede it.
    fn sort_by_counting(&mut self, line: &Line) {
        let n = line.len();
        self.repeat("i", n, |l, i| {
            let one = l.element(line.x, &line.at(i.clone()));
            let one = l.name_value("x", one);
            let rank = l.mutable("rank", Expr::int(DType::I32, 0));
            l.repeat("j", n, |l, j| {
                let other = l.element(line.x, &line.at(j.clone()));
                let other = l.name_value("other", other);
                let earlier =
                    Expr::binary(Binary::Lt, Expr::Index(DType::I32, j), Expr::Index(DType::I32, i.clone()));
                let not_after = Expr::unary(Unary::Not, line.before(&one, &other));
                let tie = Expr::binary(Binary::And, earlier, not_after);
                l.when(Some(Expr::binary(Binary::Or, line.before(&other, &one), tie)), |l| {
                    l.set(rank, Expr::binary(Binary::Add, value(rank), Expr::int(DType::I32, 1)))
                })
            });
            let (buffer, to) = l.sorted(line, clamped(value(rank), n));
            l.push(Stmt::Store(buffer, to, count(DType::I64, i)));
        })
    }

    /// Runs of 1, 2, 4 ... elements in order, two of which at a time become one: n log n comparisons.
    fn sort_by_merging(&mut self, line: &Line) {
        let n = line.len();
        let number = |i: usize| Expr::int(DType::I32, i as i64);
        let plus = |a: Expr, b: Expr| Expr::binary(Binary::Add, a, b);
        let held = |at: Expr| Expr::binary(Binary::Min, at, number(n));
        let narrow = if n <= 1 << 16 { DType::U16 } else { DType::I32 };
        let merged = self.add_buffer("merged".into(), Type::new(narrow, [n]), Place::Arena(0));
        self.repeat("i", n, |l, i| {
            let (buffer, to) = l.sorted(line, i.clone());
            l.push(Stmt::Store(buffer, to, count(DType::I64, i)));
        });
        let width = self.mutable("width", number(1));
        self.repeat("pass", n.next_power_of_two().trailing_zeros() as usize, |l, _| {
            // The two runs are left..middle and right..end, what is merged of them taken off.
            let (left, middle) = (l.mutable("left", number(0)), l.mutable("middle", value(width)));
            let right = l.mutable("right", value(width));
            let end = l.mutable("end", held(plus(value(width), value(width))));
            l.repeat("k", n, |l, k| {
                let merged_both = Expr::binary(
                    Binary::And,
                    Expr::binary(Binary::Eq, value(left), value(middle)),
                    Expr::binary(Binary::Eq, value(right), value(end)),
                );
                l.when(Some(merged_both), |l| {
                    l.set(left, value(end));
                    l.set(middle, held(plus(value(left), value(width))));
                    l.set(right, value(middle));
                    l.set(end, held(plus(value(middle), value(width))));
                });
                // Beyond the last element, what is read is not used.
                let first = |l: &mut Self, name: &str, run| {
                    let (buffer, from) = l.sorted(line, clamped(value(run), n));
                    l.name_value(name, Expr::Load(buffer, DType::I64, from))
                };
                let (a, b) = (first(l, "a", left), first(l, "b", right));
                let of = |l: &mut Self, at: &Expr| l.element(line.x, &line.at(clamped(at.clone(), n)));
                let (of_a, of_b) = (of(l, &a), of(l, &b));
                let (of_a, of_b) = (l.name_value("of_a", of_a), l.name_value("of_b", of_b));
                let later = Expr::select(
                    Expr::binary(Binary::Lt, value(right), value(end)),
                    Expr::select(
                        Expr::binary(Binary::Lt, value(left), value(middle)),
                        line.before(&of_b, &of_a),
                        Expr::constant(DType::Bool, Num::Int(1)),
                    ),
                    Expr::constant(DType::Bool, Num::Int(0)),
                );
                let later = l.name_value("later", later);
                let taken = Expr::select(later.clone(), b, a).cast(narrow);
                l.push(Stmt::Store(merged, k, taken));
                l.set(right, plus(value(right), later.clone().cast(DType::I32)));
                l.set(left, plus(value(left), Expr::unary(Unary::Not, later).cast(DType::I32)));
            });
            l.repeat("k", n, |l, k| {
                let (buffer, to) = l.sorted(line, k.clone());
                l.push(Stmt::Store(buffer, to, Expr::Load(merged, narrow, k).cast(DType::I64)));
            });
            l.set(width, plus(value(width), value(width)));
        })
    }
}

/// True when `a` sorts before `b`: NaN is largest.
pub(super) fn less(a: &Expr, b: &Expr) -> Expr {
    let smaller = Expr::binary(Binary::Lt, a.clone(), b.clone());
    if !a.dtype().is_float() {
        return smaller;
    }
    let nan = |e: &Expr| Expr::unary(Unary::IsNan, e.clone());
    Expr::binary(Binary::Or, smaller, Expr::binary(Binary::And, nan(b), Expr::unary(Unary::Not, nan(a))))
}
