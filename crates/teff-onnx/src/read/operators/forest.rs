//! Decision trees walked all at once.
//!
//! For each row and tree there is a node number, which one comparison a level moves on to a child. At a leaf it stays, so that a walk as
//! long as the deepest tree ends at a leaf in each.

use super::*;
use std::collections::HashSet;

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

impl Aggregate {
    /// What a leaf without a weight gives.
    fn nothing(self) -> f64 {
        match self {
            Aggregate::Sum | Aggregate::Average => 0.0,
            Aggregate::Min => f64::INFINITY,
            Aggregate::Max => f64::NEG_INFINITY,
        }
    }
}

const TOO_DEEP: usize = 256;

impl Forest {
    /// The target that each tree speaks for, if each speaks for one.
    fn target_of_trees(&self) -> Option<Vec<usize>> {
        let mut target = vec![None; self.nodes.len()];
        for &(node, t, _) in &self.leaves {
            if target[node].is_some_and(|known| known != t) {
                return None;
            }
            target[node] = Some(t);
        }
        let of_tree = |&root: &usize| {
            let (mut open, mut found) = (vec![root], None);
            let mut seen = HashSet::new();
            while let Some(i) = open.pop() {
                let node = &self.nodes[i];
                if !seen.insert(i) {
                    continue;
                }
                if node.test.is_some() {
                    open.extend([node.yes, node.no]);
                } else if let Some(t) = target[i] {
                    if found.is_some_and(|known| known != t) {
                        return None;
                    }
                    found = Some(t);
                }
            }
            Some(found.unwrap_or(0))
        };
        self.roots.iter().map(of_tree).collect()
    }

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
            return invalid!("takes rows of features, not {x}");
        };
        let used = self.nodes.iter().filter_map(|n| n.test).map(|(_, feature, _)| feature).max();
        ensure!(
            used.is_none_or(|f| f < features) && !self.roots.is_empty(),
            "it tests feature {used:?} of {features}, or has no tree"
        );
        let depth = self.depth()?;
        let order = Numbering::of(self, targets, how);
        let roots: Vec<i64> = order.roots.iter().map(|&r| order.place[r] as i64).collect();
        let number = order.number();
        let start = Tensor::from_slice(&roots).cast(number).broadcast_to(&[rows, roots.len()]);
        let walk = Descent::new(self, &order, x);
        let at = match depth {
            0 => start,
            // A loop takes less flash than its trips, from two on.
            1 => walk.step(&start),
            _ => {
                let levels = Tensor::iota(Type::new(DType::I32, [depth]), 0);
                let (last, _) =
                    Tensor::scan(&[start], &[levels], false, |at, _| (vec![walk.step(&at[0])], vec![]));
                last[0].clone()
            }
        };
        self.gathered(&order, &at, targets, how, x.dtype())
    }

    /// The weights of the leaves `at` `[N, trees]`, combined over the trees.
    fn gathered(
        &self,
        order: &Numbering,
        at: &Tensor,
        targets: usize,
        how: Aggregate,
        dtype: DType,
    ) -> Lowered {
        let nothing = how.nothing();
        let tests = order.tests.len();
        let leaves = self.nodes.len() - tests;
        let width = if order.of_target.is_empty() { targets } else { 1 };
        let mut weights = vec![nothing; leaves * width];
        for &(node, target, weight) in &self.leaves {
            // A weight at a node that is no leaf is never reached.
            let Some(leaf) = order.place[node].checked_sub(tests) else { continue };
            let w = &mut weights[leaf * width + if width == 1 { 0 } else { target }];
            *w = if w.is_finite() { *w + weight } else { weight };
        }
        let table = Tensor::constant(Value::new([leaves, width], weights)).cast(dtype);
        let leaf = at.cast(DType::I32) - tests as f64;
        let all = table.take(&leaf, 0);
        let combined = |all: &Tensor| match how {
            Aggregate::Sum => all.sum(&[1]),
            Aggregate::Average => all.sum(&[1]) / self.roots.len() as f64,
            Aggregate::Min => all.min(&[1]),
            Aggregate::Max => all.max(&[1]),
        };
        if order.of_target.is_empty() || targets == 1 {
            return Ok(combined(&all));
        }
        let mut first = 0;
        let parts: Vec<Tensor> = order
            .of_target
            .iter()
            .map(|&count| {
                first += count;
                combined(&all.narrow(1, first - count, count))
            })
            .collect();
        Ok(Tensor::concat(&parts, 1))
    }
}

/// How nodes and trees are numbered in the tables.
struct Numbering {
    /// Nodes with a test, which come first; then the leaves.
    tests: Vec<usize>,
    /// The place of each node.
    place: Vec<usize>,
    /// The trees.
    roots: Vec<usize>,
    /// Where each tree speaks for one target: how many trees each target has, one after another; else nothing.
    of_target: Vec<usize>,
}

impl Numbering {
    fn of(forest: &Forest, targets: usize, how: Aggregate) -> Numbering {
        let is_test = |i: &usize| forest.nodes[*i].test.is_some();
        let (inner, leaves): (Vec<usize>, Vec<usize>) = (0..forest.nodes.len()).partition(is_test);
        let mut place = vec![0; forest.nodes.len()];
        inner.iter().chain(&leaves).enumerate().for_each(|(at, &node)| place[node] = at);
        let mut order = Numbering { tests: inner, place, roots: forest.roots.clone(), of_target: Vec::new() };
        // Of no tree, a target would be nothing but its base.
        let sums = matches!(how, Aggregate::Sum | Aggregate::Average);
        if let Some(of) = forest.target_of_trees().filter(|_| sums && targets > 1) {
            let counts: Vec<usize> = (0..targets).map(|t| of.iter().filter(|&&o| o == t).count()).collect();
            let mut trees: Vec<usize> = (0..of.len()).collect();
            trees.sort_by_key(|&tree| of[tree]);
            order.roots = trees.into_iter().map(|tree| forest.roots[tree]).collect();
            order.of_target = counts;
        }
        order
    }

    /// The smallest type that holds twice the place of any node.
    fn number(&self) -> DType {
        let most = 2 * self.place.len();
        if most <= 1 << 8 {
            DType::U8
        } else if most <= 1 << 16 {
            DType::U16
        } else {
            DType::I32
        }
    }
}

/// One level of all trees.
struct Descent<'x> {
    x: &'x Tensor,
    /// How many nodes have a test.
    tests: usize,
    number: DType,
    /// Of each node with a test: the place of the node that follows where it holds, and where it does not.
    next: Tensor,
    feature: Tensor,
    threshold: Tensor,
    /// The kinds of comparison there are, and which each node makes.
    kinds: Vec<Compare>,
    kind: Tensor,
    /// Which nodes hold where the feature is missing, if any do.
    missing: Option<Tensor>,
}

impl Descent<'_> {
    fn new<'x>(forest: &Forest, order: &Numbering, x: &'x Tensor) -> Descent<'x> {
        let number = order.number();
        let inner: Vec<&TreeNode> = order.tests.iter().map(|&i| &forest.nodes[i]).collect();
        let tests: Vec<(Compare, usize, f64)> = inner.iter().filter_map(|n| n.test).collect();
        let narrow = |list: Vec<i64>| {
            let small = list.iter().all(|&i| i < 1 << 8);
            Tensor::from_slice(&list).cast(if small { DType::U8 } else { DType::U16 })
        };
        let mut kinds: Vec<Compare> = tests.iter().map(|t| t.0).collect();
        kinds.sort_unstable_by_key(|&c| c as u8);
        kinds.dedup();
        let next: Vec<i64> =
            inner.iter().flat_map(|n| [n.yes, n.no]).map(|child| order.place[child] as i64).collect();
        let thresholds: Vec<f64> = tests.iter().map(|t| t.2).collect();
        let missing: Vec<i64> = inner.iter().map(|n| n.missing_yes.into()).collect();
        let any_missing = x.dtype().is_float() && missing.contains(&1);
        Descent {
            x,
            tests: order.tests.len(),
            number,
            next: Tensor::from_slice(&next).cast(number),
            feature: narrow(tests.iter().map(|t| t.1 as i64).collect()),
            threshold: Tensor::from_slice(&thresholds).cast(x.dtype()),
            kind: narrow(tests.iter().map(|t| t.0 as i64).collect()),
            kinds,
            missing: any_missing.then(|| narrow(missing)),
        }
    }

    /// Each node that has a test is followed by one of its children; leaves stay.
    fn step(&self, at: &Tensor) -> Tensor {
        let value = self.x.take_along(&self.feature.take(at, 0), 1);
        let against = self.threshold.take(at, 0);
        let mut holds: Option<Tensor> = None;
        for &c in &self.kinds {
            let one = c.of(&value, &against);
            holds = Some(match holds {
                None => one,
                Some(h) => {
                    let kind = self.kind.take(at, 0);
                    kind.equal(c as u8 as f64).select(&one, &h)
                }
            });
        }
        let mut holds = holds.expect("what is walked has tests");
        if let Some(missing) = &self.missing {
            holds = holds.or(value.is_nan().and(missing.take(at, 0).cast(DType::Bool)));
        }
        let child = self.next.take(&(at * 2 + holds.not().cast(self.number)), 0);
        at.less(self.tests as f64).select(&child, at)
    }
}
