//! Writing statements: a cursor into nested bodies, the loops, and what follows a kernel's sum up to the store.

use super::fuse::Group;
use super::{Lowering, Storage};
use crate::program::{ArrayId, ArrayInfo, Atom, Expr, Index, Stmt, Var, VarInfo, VarKind, ravel, unravel};
use std::collections::HashMap;
use teff_graph::{Binary, DType, NodeId, Type};

/// Writes what a body of loops repeats, given the indices of the loops.
pub(super) type Write<'w, 'a> = &'w mut dyn FnMut(&mut Lowering<'a>, &[Index]);

/// The kernel being written.
#[derive(Default)]
pub(super) struct Builder {
    pub(super) vars: Vec<VarInfo>,
    pub(super) arrays: Vec<ArrayInfo>,
    /// The body statements are appended to.
    pub(super) body: Vec<Stmt>,
    /// Values already named in the bodies around the cursor: of a node at an index.
    pub(super) named: HashMap<(NodeId, Vec<Index>), Expr>,
}

impl<'a> Lowering<'a> {
    pub(super) fn new_var(&mut self, name: &str, kind: VarKind) -> Var {
        self.builder.vars.push(VarInfo { name: name.into(), kind });
        Var(self.builder.vars.len() as u32 - 1)
    }

    /// A loop over `0..count`; none when it would run once. What would never run is not written.
    pub(super) fn repeat(&mut self, name: &str, count: usize, write: impl FnOnce(&mut Self, Index)) {
        match count {
            0 => {}
            1 => write(self, Index::zero()),
            _ => {
                let var = self.new_var(name, VarKind::Index { low: 0, high: count as i64 - 1 });
                let body = self.nested(|l| write(l, var.into()));
                if !body.is_empty() {
                    self.push(Stmt::For { var, count, rolled: false, body });
                }
            }
        }
    }

    /// A loop over the lanes of a tile that takes its sums to where they go.
    pub(super) fn repeat_rolled(&mut self, count: usize, mut write: impl FnMut(&mut Self, Index)) {
        if self.target.word_products && count <= 2 {
            // Compilers unroll so short a loop and fold the tables it reads, which the budget would count.
            return (0..count).for_each(|i| write(self, Index::from(i as i64)));
        }
        self.repeat("j", count, write);
        if let Some(Stmt::For { rolled, .. }) = self.builder.body.last_mut() {
            *rolled = count > if self.target.word_products { 2 } else { 3 };
        }
    }

    /// A loop over `0..count` with eight turns written out in one.
    pub(super) fn repeat_unrolled(&mut self, count: usize, write: impl Fn(&mut Self, Index)) {
        const TOGETHER: usize = 8;
        let turns = count / TOGETHER;
        self.repeat("j", turns, |l, j| {
            (0..TOGETHER).for_each(|k| write(l, j.times(TOGETHER as i64).offset(k as i64)))
        });
        (turns * TOGETHER..count).for_each(|j| write(self, Index::from(j as i64)));
    }

    /// Loops over all indices of `shape`, the last axis innermost.
    pub(super) fn repeat_all(&mut self, names: &[&str], shape: &[usize], write: Write<'_, 'a>) {
        self.repeat_from(names, shape, &mut Vec::new(), write)
    }

    fn repeat_from(&mut self, names: &[&str], shape: &[usize], index: &mut Vec<Index>, write: Write<'_, 'a>) {
        let axis = index.len();
        if axis == shape.len() {
            return write(self, index);
        }
        let name = names.get(axis).copied().unwrap_or("i");
        self.repeat(name, shape[axis], |l, i| {
            index.push(i);
            l.repeat_from(names, shape, index, write);
            index.pop();
        })
    }

    /// The statements that `write` appends, as a body of its own.
    pub(super) fn nested(&mut self, write: impl FnOnce(&mut Self)) -> Vec<Stmt> {
        let outside = std::mem::take(&mut self.builder.body);
        let named = self.builder.named.clone();
        write(self);
        self.builder.named = named;
        std::mem::replace(&mut self.builder.body, outside)
    }

    /// True when a condition made by [`Lowering::also_inside`] cannot hold.
    pub(super) fn is_never(&self, condition: &Expr) -> bool {
        if let Expr::Binary(Binary::And, a, b) = condition {
            return self.is_never(a) || self.is_never(b);
        }
        let Expr::InRange { index, low, high } = condition else { return false };
        index.interval(self.vars()).is_some_and(|(least, most)| most < *low || least >= *high)
    }

    /// `write` where the condition holds; always, when there is none; not at all, when it cannot.
    pub(super) fn when(&mut self, condition: Option<Expr>, write: impl FnOnce(&mut Self)) {
        let Some(condition) = condition else { return write(self) };
        if self.is_never(&condition) {
            return;
        }
        let then = self.nested(write);
        self.push(Stmt::If { condition, then, otherwise: Vec::new() });
    }

    /// What `inside` gives where the condition holds, `outside` where it does not. `inside` is told whether it always holds, so that what
    /// it computes may be named.
    pub(super) fn inside_or(
        &mut self,
        condition: Option<Expr>,
        outside: impl FnOnce(&mut Self) -> Expr,
        inside: impl FnOnce(&mut Self, bool) -> Expr,
    ) -> Expr {
        match condition {
            None => inside(self, true),
            Some(never) if self.is_never(&never) => outside(self),
            Some(condition) => {
                let outside = outside(self);
                Expr::select(condition, inside(self, false), outside)
            }
        }
    }

    /// `then` where the condition holds, which it does when there is none, and `otherwise` elsewhere.
    pub(super) fn either(
        &mut self,
        condition: Option<Expr>,
        then: impl FnOnce(&mut Self),
        otherwise: impl FnOnce(&mut Self),
    ) {
        match condition {
            None => then(self),
            Some(never) if self.is_never(&never) => otherwise(self),
            Some(condition) => {
                let (then, otherwise) = (self.nested(then), self.nested(otherwise));
                self.push(Stmt::If { condition, then, otherwise });
            }
        }
    }

    /// The condition, and that `index` is inside an axis of `size` elements, unless that is certain.
    pub(super) fn also_inside(&self, condition: Option<Expr>, index: &Index, size: usize) -> Option<Expr> {
        match index.interval(self.vars()) {
            Some((low, high)) if low >= 0 && high < size as i64 => condition,
            _ => Expr::and(condition, Expr::InRange { index: index.clone(), low: 0, high: size as i64 }),
        }
    }

    /// A name for a value that is used several times.
    pub(super) fn name_value(&mut self, name: &str, value: Expr) -> Expr {
        match value {
            Expr::Const(_) | Expr::Var(..) => value,
            value => {
                let dtype = value.dtype();
                let var = self.new_var(name, VarKind::Scalar(dtype));
                self.push(Stmt::Let(var, value));
                Expr::Var(var, dtype)
            }
        }
    }

    /// The index, under a name when it may leave an axis of `size` elements and so is tested before it is used.
    pub(super) fn name_if_tested(&mut self, name: &str, index: Index, size: usize) -> Index {
        match index.interval(self.vars()) {
            Some((low, high)) if low < 0 || high >= size as i64 => self.name_index(name, index, (low, high)),
            _ => index,
        }
    }

    /// A name for an index that is known to lie within `bounds` here.
    pub(super) fn name_index(&mut self, name: &str, index: Index, bounds: (i64, i64)) -> Index {
        let is_name = index.constant() == 0 && matches!(index.terms(), [(Atom::Var(_), 1)]);
        if is_name || index.as_constant().is_some() {
            return index;
        }
        let var = self.new_var(name, VarKind::Index { low: bounds.0, high: bounds.1 });
        self.push(Stmt::LetIndex(var, index));
        var.into()
    }

    /// A variable that [`Lowering::set`] changes.
    pub(super) fn mutable(&mut self, name: &str, first: Expr) -> (Var, DType) {
        let dtype = first.dtype();
        let var = self.new_var(name, VarKind::Scalar(dtype));
        self.push(Stmt::Mutable(var, first));
        (var, dtype)
    }

    pub(super) fn set(&mut self, (var, _): (Var, DType), value: Expr) {
        self.push(Stmt::Set(var, value));
    }

    pub(super) fn array(&mut self, name: &str, dtype: DType, len: usize) -> ArrayId {
        let id = ArrayId(self.builder.arrays.len() as u32);
        self.builder.arrays.push(ArrayInfo { name: name.into(), dtype, len });
        self.push(Stmt::Array(id));
        id
    }

    /// An array of `len` elements that all are `first`.
    pub(super) fn array_of(&mut self, name: &str, len: usize, first: Expr) -> ArrayId {
        let array = self.array(name, first.dtype(), len);
        self.repeat("j", len, |l, j| l.push(Stmt::StoreLocal(array, j, first)));
        array
    }

    /// `variable = op(variable, value)`.
    pub(super) fn accumulate(&mut self, op: Binary, variable: (Var, DType), x: Expr) {
        self.set(variable, Expr::binary(op, value(variable), x));
    }

    /// Stores what becomes of `value`, which is element `index` of `anchor`, at its place in the result of the group.
    pub(super) fn finish(&mut self, group: &Group, anchor: NodeId, index: &[Index], value: Expr) {
        let position = ravel(index, &self.node(anchor).ty.shape);
        let storage = self.storage_of(group.root);
        let value = if group.root == anchor {
            value
        } else {
            let at = unravel(&position, &self.node(group.root).ty.shape, self.vars());
            self.element_with(anchor, value, group.root, &at)
        };
        self.push(Stmt::Store(storage.buffer, storage.base.plus(&position), value));
    }

    /// Element `index` of `node`, given that of `anchor` it depends on is `value`.
    pub(super) fn element_with(
        &mut self,
        anchor: NodeId,
        value: Expr,
        node: NodeId,
        index: &[Index],
    ) -> Expr {
        let before = self.anchor.replace((anchor, value));
        let computing = self.computing.replace(node);
        let result = self.element(node, index);
        self.anchor = before;
        self.computing = computing;
        result
    }

    /// Loops that store an element for each index of `ty`; `write` says what. As few loops as give indices without division.
    pub(super) fn store_all(
        &mut self,
        ty: &Type,
        to: &Storage,
        mut write: impl FnMut(&mut Self, &[Index]) -> Expr,
    ) {
        self.merged_loops(&["i", "j", "k"], &ty.shape, &mut |l, index| {
            let value = write(l, index);
            l.push(Stmt::Store(to.buffer, to.base.plus(&ravel(index, &ty.shape)), value));
        });
    }

    /// Loops over all indices of `shape`, neighbouring axes merged into one loop where that costs no division.
    pub(super) fn merged_loops(&mut self, names: &[&str], shape: &[usize], write: Write<'_, 'a>) {
        // Runs of axes that share a loop; axes of size 1 join any.
        let mut runs: Vec<usize> = vec![1; shape.len()];
        let mut best = self.attempt(names, shape, &runs, write);
        let mut at = 0;
        while at + 1 < runs.len() {
            let mut merged = runs.clone();
            merged[at] += merged.remove(at + 1);
            let attempt = self.attempt(names, shape, &merged, write);
            if attempt.divisions <= best.divisions {
                (best, runs) = (attempt, merged);
            } else {
                at += 1;
            }
        }
        self.builder.vars = best.vars;
        self.builder.arrays = best.arrays;
        self.builder.body.extend(best.body);
    }

    /// The loops for one way of merging axes, not yet part of the kernel.
    fn attempt(&mut self, names: &[&str], shape: &[usize], runs: &[usize], write: Write<'_, 'a>) -> Attempt {
        let (vars, arrays) = (self.builder.vars.clone(), self.builder.arrays.clone());
        let starts: Vec<usize> = runs
            .iter()
            .scan(0, |sum, n| {
                *sum += n;
                Some(*sum - n)
            })
            .collect();
        let sizes: Vec<usize> =
            starts.iter().zip(runs).map(|(&s, n)| shape[s..s + n].iter().product()).collect();
        let body = self.nested(|l| {
            l.repeat_all(names, &sizes, &mut |l, merged| {
                let mut index = Vec::with_capacity(shape.len());
                for ((i, &start), n) in merged.iter().zip(&starts).zip(runs) {
                    index.extend(unravel(i, &shape[start..start + n], l.vars()));
                }
                write(l, &index)
            })
        });
        let divisions = crate::program::divisions(&body);
        let vars = std::mem::replace(&mut self.builder.vars, vars);
        let arrays = std::mem::replace(&mut self.builder.arrays, arrays);
        Attempt { divisions, body, vars, arrays }
    }
}

/// The value of a variable.
pub(super) fn value((var, dtype): (Var, DType)) -> Expr {
    Expr::Var(var, dtype)
}

struct Attempt {
    divisions: usize,
    body: Vec<Stmt>,
    vars: Vec<crate::program::VarInfo>,
    arrays: Vec<crate::program::ArrayInfo>,
}
