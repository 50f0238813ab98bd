//! Decision trees walked all at once.
//!
//! For each row and tree there is a node number, which one comparison a level moves on to a child. Leaves are their own children, so
//! that a walk as long as the deepest tree ends at a leaf in each.

use crate::read::node::{Lowered, invalid, unsupported};
use teff_graph::{DType, Tensor, Value};

/// How a node compares a feature with its threshold.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Compare {
    Leq,
    Lt,
    Gte,
    Gt,
    Eq,
    Neq,
}

impl Compare {
    fn of(self, x: &Tensor, t: &Tensor) -> Tensor {
        match self {
            Compare::Leq => x.less_equal(t),
            Compare::Lt => x.less(t),
            Compare::Gte => t.less_equal(x),
            Compare::Gt => t.less(x),
            Compare::Eq => x.equal(t),
            Compare::Neq => x.equal(t).not(),
        }
    }
}

/// A node of a tree; children are positions in the list of all nodes. A leaf has no test.
#[derive(Clone)]
pub(super) struct TreeNode {
    pub(super) test: Option<(Compare, usize, f64)>,
    pub(super) yes: usize,
    pub(super) no: usize,
    /// Where a missing feature leads.
    pub(super) missing_yes: bool,
}

#[derive(Default)]
pub(super) struct Forest {
    pub(super) nodes: Vec<TreeNode>,
    pub(super) roots: Vec<usize>,
    /// (node, target, weight).
    pub(super) leaves: Vec<(usize, usize, f64)>,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Aggregate {
    Sum,
    Average,
    Min,
    Max,
}

const TOO_DEEP: usize = 256;

impl Forest {
    /// Members of a set after the first are tested by nodes of their own, each behind the one before.
    pub(super) fn chain(&mut self, chains: Vec<(usize, &[f64])>) {
        for (node, rest) in chains {
            let mut last = node;
            for &member in rest {
                let new = self.nodes.len();
                let TreeNode { test, no, .. } = self.nodes[last].clone();
                let test = test.map(|(c, f, _)| (c, f, member));
                self.nodes.push(TreeNode { test, no, ..self.nodes[last].clone() });
                self.nodes[last].no = new;
                last = new;
            }
        }
    }

    /// Levels from the roots to the deepest leaf.
    fn depth(&self) -> Lowered<usize> {
        let mut level: Vec<usize> = self.roots.clone();
        for depth in 0..TOO_DEEP {
            level.retain(|&i| self.nodes[i].test.is_some());
            if level.is_empty() {
                return Ok(depth);
            }
            level = level.iter().flat_map(|&i| [self.nodes[i].yes, self.nodes[i].no]).collect();
            level.sort_unstable();
            level.dedup();
        }
        unsupported(format!("a tree deeper than {TOO_DEEP}, or one with a circle"), "train shallower trees")
    }

    /// The sum (or what else) of the leaves that each row of `x` `[N, F]` reaches, `[N, targets]`.
    pub(super) fn apply(&self, x: &Tensor, targets: usize, how: Aggregate) -> Lowered {
        let [rows, features] = x.shape()[..] else {
            return invalid(format!("takes rows of features, not {}", x.ty()));
        };
        let used = self.nodes.iter().filter_map(|n| n.test).map(|(_, feature, _)| feature).max();
        if used.is_some_and(|f| f >= features) || self.roots.is_empty() {
            return invalid(format!("it tests feature {used:?} of {features}, or has no tree"));
        }
        let trees = self.roots.len();
        let table =
            |f: &dyn Fn(&TreeNode) -> i64| Tensor::from_slice(&self.nodes.iter().map(f).collect::<Vec<_>>());
        let (yes, no) = (table(&|n| n.yes as i64), table(&|n| n.no as i64));
        let feature = table(&|n| n.test.map_or(0, |(_, f, _)| f as i64));
        let thresholds: Vec<f64> = self.nodes.iter().map(|n| n.test.map_or(0.0, |(_, _, t)| t)).collect();
        let threshold = Tensor::from_slice(&thresholds).cast(x.dtype());
        let missing = table(&|n| n.missing_yes.into());
        let mut kinds: Vec<Compare> = self.nodes.iter().filter_map(|n| n.test).map(|(c, _, _)| c).collect();
        kinds.sort_unstable_by_key(|&c| c as u8);
        kinds.dedup();
        let kind = table(&|n| n.test.map_or(-1, |(c, _, _)| c as i64));
        let roots: Vec<i64> = self.roots.iter().map(|&r| r as i64).collect();
        let mut at = Tensor::from_slice(&roots).broadcast_to(&[rows, trees]);
        for _ in 0..self.depth()? {
            let value = x.take_along(&feature.take(&at, 0), 1);
            let against = threshold.take(&at, 0);
            let mut holds: Option<Tensor> = None;
            for &c in &kinds {
                let one = c.of(&value, &against);
                holds = Some(match holds {
                    None => one,
                    Some(h) => {
                        let kinds = kind.take(&at, 0);
                        kinds.equal(&kinds.full_like(c as u8 as f64)).select(&one, &h)
                    }
                });
            }
            let mut holds = holds.expect("a tree with depth has a test");
            if x.dtype().is_float() && self.nodes.iter().any(|n| n.missing_yes) {
                let led = missing.take(&at, 0).cast(DType::Bool);
                holds = holds.or(&value.is_nan().and(&led));
            }
            at = holds.select(&yes.take(&at, 0), &no.take(&at, 0));
        }
        Ok(self.gathered(&at, targets, how, x.dtype()))
    }

    /// The weights of the leaves `at` `[N, trees]`, combined over the trees.
    fn gathered(&self, at: &Tensor, targets: usize, how: Aggregate, dtype: DType) -> Tensor {
        let nothing = match how {
            Aggregate::Sum | Aggregate::Average => 0.0,
            Aggregate::Min => f64::INFINITY,
            Aggregate::Max => f64::NEG_INFINITY,
        };
        let mut weights = vec![nothing; self.nodes.len() * targets];
        for &(node, target, weight) in &self.leaves {
            let w = &mut weights[node * targets + target];
            *w = if w.is_finite() { *w + weight } else { weight };
        }
        let table = Tensor::constant(Value::new([self.nodes.len(), targets], weights)).cast(dtype);
        let all = table.take(at, 0);
        match how {
            Aggregate::Sum => all.sum(&[1]),
            Aggregate::Average => all.sum(&[1]) / self.roots.len() as f64,
            Aggregate::Min => all.min(&[1]),
            Aggregate::Max => all.max(&[1]),
        }
    }
}
