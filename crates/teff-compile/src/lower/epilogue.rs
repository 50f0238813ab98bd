//! What follows a kernel's sum, element by element, up to the store.

use super::build::Write;
use super::fuse::Group;
use super::{Lowering, Storage};
use crate::program::{Expr, Index, Stmt, ravel, unravel};
use teff_graph::{NodeId, Type};

impl<'a> Lowering<'a> {
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

struct Attempt {
    divisions: usize,
    body: Vec<Stmt>,
    vars: Vec<crate::program::VarInfo>,
    arrays: Vec<crate::program::ArrayInfo>,
}
