//! Decision trees and ensembles of them (`ai.onnx.ml`).
//!
//! All trees are walked at once: for each row and tree a node number, which one comparison a level moves on to a child. Leaves are
//! their own children, so that a walk as long as the deepest tree ends at a leaf in each.

use super::{
    Lower::{Many, One},
    Table,
    linear_models::{best_label, labels, post_transform},
};
use crate::read::item::Item;
use crate::read::node::{Lowered, Node, invalid, unsupported};
use std::collections::HashMap;
use teff_graph::{DType, Tensor, Value};

pub(super) const TABLE: Table = &[
    ("TreeEnsemble", One(tree_ensemble)),
    ("TreeEnsembleClassifier", Many(classifier)),
    ("TreeEnsembleRegressor", One(regressor)),
];

/// How a node compares a feature with its threshold.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Compare {
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
struct TreeNode {
    test: Option<(Compare, usize, f64)>,
    yes: usize,
    no: usize,
    /// Where a missing feature leads.
    missing_yes: bool,
}

#[derive(Default)]
struct Forest {
    nodes: Vec<TreeNode>,
    roots: Vec<usize>,
    /// (node, target, weight).
    leaves: Vec<(usize, usize, f64)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Aggregate {
    Sum,
    Average,
    Min,
    Max,
}

const TOO_DEEP: usize = 256;

impl Forest {
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
    fn apply(&self, x: &Tensor, targets: usize, how: Aggregate) -> Lowered {
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

fn list<'n>(n: &Node<'n, '_, '_>, name: &str) -> &'n [i64] {
    n.ints(name).unwrap_or_default()
}

/// Floats as a list, or as a tensor, which holds doubles.
fn floats(n: &mut Node, name: &str) -> Lowered<Vec<f64>> {
    if let Some(t) = n.attribute(&format!("{name}_as_tensor")).and_then(|a| a.tensor.as_ref()) {
        let t = n.reader.tensor(t)?.tensor;
        return Ok(n.reader.fold.value(&t).map_or(vec![], |v| v.to_f64()));
    }
    Ok(n.attribute(name).map_or(vec![], |a| a.floats.iter().map(|&x| x.into()).collect()))
}

/// The nodes of the older operators, which number nodes within each tree.
fn numbered_forest(n: &mut Node, prefix: &str) -> Lowered<Forest> {
    n.ignore(&["nodes_hitrates", "nodes_hitrates_as_tensor"]);
    let values = floats(n, "nodes_values")?;
    let weights = floats(n, &format!("{prefix}_weights"))?;
    let (trees, ids) = (list(n, "nodes_treeids"), list(n, "nodes_nodeids"));
    let (yes, no, features) =
        (list(n, "nodes_truenodeids"), list(n, "nodes_falsenodeids"), list(n, "nodes_featureids"));
    let missing = list(n, "nodes_missing_value_tracks_true");
    let modes = n.attribute("nodes_modes").map_or(&[][..], |a| &a.strings[..]);
    let count = trees.len();
    if [ids.len(), yes.len(), no.len(), features.len(), modes.len(), values.len()] != [count; 6] {
        return invalid("the lists of nodes differ in length");
    }
    let at: HashMap<(i64, i64), usize> = (0..count).map(|i| ((trees[i], ids[i]), i)).collect();
    let find = |tree: i64, id: i64| match at.get(&(tree, id)) {
        Some(&i) => Ok(i),
        None => invalid(format!("tree {tree} has no node {id}")),
    };
    let mut forest = Forest::default();
    for i in 0..count {
        let compare = match modes[i] {
            b"LEAF" => None,
            b"BRANCH_LEQ" => Some(Compare::Leq),
            b"BRANCH_LT" => Some(Compare::Lt),
            b"BRANCH_GTE" => Some(Compare::Gte),
            b"BRANCH_GT" => Some(Compare::Gt),
            b"BRANCH_EQ" => Some(Compare::Eq),
            b"BRANCH_NEQ" => Some(Compare::Neq),
            other => {
                return unsupported(
                    format!("the mode {:?}", String::from_utf8_lossy(other)),
                    "use BRANCH_LEQ",
                );
            }
        };
        let feature = usize::try_from(features[i]).unwrap_or(usize::MAX);
        forest.nodes.push(match compare {
            None => TreeNode { test: None, yes: i, no: i, missing_yes: false },
            Some(c) => TreeNode {
                test: Some((c, feature, values[i])),
                yes: find(trees[i], yes[i])?,
                no: find(trees[i], no[i])?,
                missing_yes: missing.get(i).is_some_and(|&m| m != 0),
            },
        });
        // The first node of a tree is its root.
        if !trees[..i].contains(&trees[i]) {
            forest.roots.push(i);
        }
    }
    let (leaf_trees, leaf_ids) =
        (list(n, &format!("{prefix}_treeids")), list(n, &format!("{prefix}_nodeids")));
    let targets = list(n, &format!("{prefix}_ids"));
    if [leaf_trees.len(), leaf_ids.len(), targets.len()] != [weights.len(); 3] {
        return invalid("the lists of leaves differ in length");
    }
    for i in 0..weights.len() {
        let target = usize::try_from(targets[i]).unwrap_or(usize::MAX);
        forest.leaves.push((find(leaf_trees[i], leaf_ids[i])?, target, weights[i]));
    }
    Ok(forest)
}

fn checked_targets(forest: &Forest, targets: usize) -> Lowered<usize> {
    let highest = forest.leaves.iter().map(|&(_, target, _)| target).max().unwrap_or(0);
    if targets == 0 || highest >= targets || targets.saturating_mul(forest.nodes.len()) > 1 << 24 {
        return invalid(format!("a leaf of target {highest}, of {targets} there are"));
    }
    Ok(targets)
}

fn with_base(n: &mut Node, y: Tensor) -> Lowered {
    let base = floats(n, "base_values")?;
    Ok(if base.is_empty() { y } else { &y + Tensor::from_slice(&base).cast(y.dtype()) })
}

/// The features as floats.
fn rows(n: &Node) -> Lowered {
    let x = n.x(0)?;
    Ok(if x.dtype().is_float() { x } else { x.cast(DType::F32) })
}

fn regressor(n: &mut Node) -> Lowered {
    let x = rows(n)?;
    let forest = numbered_forest(n, "target")?;
    let targets = checked_targets(&forest, usize::try_from(n.int("n_targets", 1)).unwrap_or(0))?;
    let how = match n.text("aggregate_function", "SUM")? {
        "SUM" => Aggregate::Sum,
        "AVERAGE" => Aggregate::Average,
        "MIN" => Aggregate::Min,
        "MAX" => Aggregate::Max,
        other => return unsupported(format!("aggregate_function={other:?}"), "use SUM"),
    };
    let y = forest.apply(&x, targets, how)?;
    let y = with_base(n, y)?;
    Ok(post_transform(n, &y)?.cast(DType::F32))
}

/// Two classes whose leaves all name class 0 have one score, and it is that of the second (so onnxruntime and the exporters have
/// it): it wins above a half when all weights are positive, which makes them probabilities, else above 0.
fn classifier(n: &mut Node) -> Lowered<Vec<Item>> {
    let x = rows(n)?;
    let forest = numbered_forest(n, "class")?;
    let labels = labels(n, "classlabels_int64s", "classlabels_strings")?;
    let classes = checked_targets(&forest, labels.len())?;
    let binary = classes == 2 && forest.leaves.iter().all(|&(_, class, _)| class == 0);
    let scores = forest.apply(&x, classes, Aggregate::Sum)?;
    if !binary {
        let scores = with_base(n, scores)?;
        let y = post_transform(n, &scores)?.cast(DType::F32);
        return Ok(vec![best_label(&scores, &labels).into(), y.into()]);
    }
    let score = with_base(n, scores.narrow(1, 0, 1))?;
    if score.shape()[1] != 1 {
        return unsupported("a base value for each of two classes", "export with one");
    }
    let probabilities = forest.leaves.iter().all(|&(_, _, w)| w >= 0.0);
    let threshold = if probabilities { 0.5 } else { 0.0 };
    let second = score.full_like(threshold).less(&score).reshape(&[x.shape()[0]]);
    let of = |i: usize| Tensor::constant(Value::scalar(labels[i]));
    let label = second.select(&of(1), &of(0));
    let first = if probabilities { score.full_like(1.0) - &score } else { -&score };
    let both = post_transform(n, &Tensor::concat(&[first, score], 1))?;
    Ok(vec![label.into(), both.cast(DType::F32).into()])
}

/// The operator of version 5: children and leaves are numbered across all trees.
fn tree_ensemble(n: &mut Node) -> Lowered {
    let x = rows(n)?;
    n.ignore(&["nodes_hitrates"]);
    let tensor = |n: &mut Node, name: &str| -> Lowered<Vec<f64>> {
        match n.attribute(name).and_then(|a| a.tensor.as_ref()) {
            Some(t) => {
                let t = n.reader.tensor(t)?.tensor;
                Ok(n.reader.fold.value(&t).map_or(vec![], |v| v.to_f64()))
            }
            None => Ok(vec![]),
        }
    };
    let (modes, splits) = (tensor(n, "nodes_modes")?, tensor(n, "nodes_splits")?);
    let (weights, members) = (tensor(n, "leaf_weights")?, tensor(n, "membership_values")?);
    let count = modes.len();
    let (yes, no) = (list(n, "nodes_truenodeids"), list(n, "nodes_falsenodeids"));
    let (yes_leaf, no_leaf) = (list(n, "nodes_trueleafs"), list(n, "nodes_falseleafs"));
    let (features, missing) = (list(n, "nodes_featureids"), list(n, "nodes_missing_value_tracks_true"));
    if [yes.len(), no.len(), yes_leaf.len(), no_leaf.len(), features.len(), splits.len()] != [count; 6] {
        return invalid("the lists of nodes differ in length");
    }
    // Leaves follow the nodes; a member of a set after the first gets a node of its own behind both.
    let leaves = weights.len();
    let child = |id: i64, leaf: i64| {
        let limit = if leaf != 0 { leaves } else { count };
        match usize::try_from(id).ok().filter(|&i| i < limit) {
            Some(i) => Ok(if leaf != 0 { count + i } else { i }),
            None => invalid(format!("there is no child {id}")),
        }
    };
    let mut sets = members.split(|m| m.is_nan());
    let mut forest = Forest::default();
    let mut chains = Vec::new();
    for i in 0..count {
        let (yes, no) = (child(yes[i], yes_leaf[i])?, child(no[i], no_leaf[i])?);
        let feature = usize::try_from(features[i]).unwrap_or(usize::MAX);
        let (compare, split) = match modes[i] as i64 {
            0 => (Compare::Leq, splits[i]),
            1 => (Compare::Lt, splits[i]),
            2 => (Compare::Gte, splits[i]),
            3 => (Compare::Gt, splits[i]),
            4 => (Compare::Eq, splits[i]),
            5 => (Compare::Neq, splits[i]),
            6 => {
                let set = sets.next().unwrap_or_default();
                chains.push((i, set.get(1..).unwrap_or_default()));
                (Compare::Eq, set.first().copied().unwrap_or(f64::NAN))
            }
            other => return unsupported(format!("the mode {other}"), "use modes 0 to 6"),
        };
        let missing_yes = missing.get(i).is_some_and(|&m| m != 0);
        forest.nodes.push(TreeNode { test: Some((compare, feature, split)), yes, no, missing_yes });
    }
    forest.nodes.extend((count..count + leaves).map(|i| TreeNode {
        test: None,
        yes: i,
        no: i,
        missing_yes: false,
    }));
    for (node, rest) in chains {
        let mut last = node;
        for &member in rest {
            let new = forest.nodes.len();
            let TreeNode { test, no, .. } = forest.nodes[last].clone();
            let test = test.map(|(c, f, _)| (c, f, member));
            forest.nodes.push(TreeNode { test, no, ..forest.nodes[last].clone() });
            forest.nodes[last].no = new;
            last = new;
        }
    }
    for &root in list(n, "tree_roots") {
        forest.roots.push(child(root, 0)?);
    }
    for (i, (&target, &weight)) in list(n, "leaf_targetids").iter().zip(&weights).enumerate() {
        forest.leaves.push((count + i, usize::try_from(target).unwrap_or(usize::MAX), weight));
    }
    let targets = checked_targets(&forest, usize::try_from(n.int("n_targets", 1)).unwrap_or(0))?;
    let how = match n.int("aggregate_function", 1) {
        0 => Aggregate::Average,
        1 => Aggregate::Sum,
        2 => Aggregate::Min,
        3 => Aggregate::Max,
        other => return invalid(format!("aggregate_function={other}")),
    };
    let y = forest.apply(&x, targets, how)?;
    Ok(match n.int("post_transform", 0) {
        0 => y,
        1 => y.softmax(-1),
        2 => y.sigmoid(),
        other => return unsupported(format!("post_transform={other}"), "use 0, 1 or 2"),
    })
}
