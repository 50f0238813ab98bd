//! Decision trees and ensembles of them (`ai.onnx.ml`).

use super::*;
use std::collections::{HashMap, HashSet};

pub(super) const TABLE: Table = &[
    ("TreeEnsemble", One(tree_ensemble)),
    ("TreeEnsembleClassifier", Many(classifier)),
    ("TreeEnsembleRegressor", One(regressor)),
];

fn list<'n>(n: &Node<'n, '_, '_>, name: &str) -> &'n [i64] {
    n.ints(name).unwrap_or_default()
}

/// Floats as a list, or as a tensor, which holds doubles.
fn floats(n: &mut Node, name: &str) -> Lowered<Vec<f64>> {
    let doubles = n.tensor_numbers(&format!("{name}_as_tensor"))?;
    Ok(doubles.unwrap_or_else(|| n.floats(name).iter().map(|&x| x.into()).collect()))
}

/// What a node compares, by number and by name.
const MODES: [(&str, Compare); 6] = [
    ("BRANCH_LEQ", Compare::Leq),
    ("BRANCH_LT", Compare::Lt),
    ("BRANCH_GTE", Compare::Gte),
    ("BRANCH_GT", Compare::Gt),
    ("BRANCH_EQ", Compare::Eq),
    ("BRANCH_NEQ", Compare::Neq),
];

/// The nodes of the older operators, which number nodes within each tree.
fn numbered_forest(n: &mut Node, prefix: &str) -> Lowered<Forest> {
    n.ignore(&["nodes_hitrates", "nodes_hitrates_as_tensor"]);
    let values = floats(n, "nodes_values")?;
    let weights = floats(n, &format!("{prefix}_weights"))?;
    let (trees, ids) = (list(n, "nodes_treeids"), list(n, "nodes_nodeids"));
    let (yes, no, features) =
        (list(n, "nodes_truenodeids"), list(n, "nodes_falsenodeids"), list(n, "nodes_featureids"));
    let missing = list(n, "nodes_missing_value_tracks_true");
    let modes = n.words("nodes_modes");
    let count = trees.len();
    ensure!(
        [ids.len(), yes.len(), no.len(), features.len(), modes.len(), values.len()] == [count; 6],
        "the lists of nodes differ in length"
    );
    let at: HashMap<(i64, i64), usize> = (0..count).map(|i| ((trees[i], ids[i]), i)).collect();
    let find = |tree: i64, id: i64| match at.get(&(tree, id)) {
        Some(&i) => Ok(i),
        None => invalid!("tree {tree} has no node {id}"),
    };
    let mut forest = Forest::default();
    let mut known = HashSet::new();
    for i in 0..count {
        let compare = MODES.iter().find(|(name, _)| *name == modes[i]).map(|&(_, compare)| compare);
        if compare.is_none() && modes[i] != "LEAF" {
            return unsupported(format!("the mode {:?}", modes[i]), "use BRANCH_LEQ");
        }
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
        if known.insert(trees[i]) {
            forest.roots.push(i);
        }
    }
    let (leaf_trees, leaf_ids) =
        (list(n, &format!("{prefix}_treeids")), list(n, &format!("{prefix}_nodeids")));
    let targets = list(n, &format!("{prefix}_ids"));
    ensure!(
        [leaf_trees.len(), leaf_ids.len(), targets.len()] == [weights.len(); 3],
        "the lists of leaves differ in length"
    );
    for i in 0..weights.len() {
        let target = usize::try_from(targets[i]).unwrap_or(usize::MAX);
        forest.leaves.push((find(leaf_trees[i], leaf_ids[i])?, target, weights[i]));
    }
    Ok(forest)
}

fn checked_targets(n: &mut Node, forest: &Forest, targets: usize) -> Lowered<usize> {
    let highest = forest.leaves.iter().map(|&(_, target, _)| target).max().unwrap_or(0);
    ensure!(targets != 0 && highest < targets, "a leaf of target {highest}, of {targets} there are");
    n.spend(targets.saturating_mul(forest.nodes.len()))?;
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
    let targets = checked_targets(n, &forest, n.size("n_targets", 1))?;
    let ways = [
        ("SUM", Aggregate::Sum),
        ("AVERAGE", Aggregate::Average),
        ("MIN", Aggregate::Min),
        ("MAX", Aggregate::Max),
    ];
    let how = n.choice("aggregate_function", "SUM", &ways)?;
    let y = forest.apply(&x, targets, how)?;
    let y = with_base(n, y)?;
    Ok(post_transform(n, &y)?.cast(DType::F32))
}

/// Two classes whose leaves all name class 0 have one score, and it is that of the second (so onnxruntime and the exporters have
/// it): it wins above a half when all weights are positive, which makes them probabilities, else above 0.
fn classifier(n: &mut Node) -> Lowered<Outputs> {
    let x = rows(n)?;
    let forest = numbered_forest(n, "class")?;
    let labels = labels(n, "classlabels_int64s", "classlabels_strings");
    let classes = checked_targets(n, &forest, labels.len())?;
    let binary = classes == 2 && forest.leaves.iter().all(|&(_, class, _)| class == 0);
    let scores = forest.apply(&x, classes, Aggregate::Sum)?;
    if !binary {
        let scores = with_base(n, scores)?;
        let y = post_transform(n, &scores)?.cast(DType::F32);
        return Ok(vec![labels.of(&scores.argmax(1)), y.into()]);
    }
    let score = with_base(n, scores.narrow(1, 0, 1))?.ok()?;
    if score.shape()[1] != 1 {
        return unsupported("a base value for each of two classes", "export with one");
    }
    let probabilities = forest.leaves.iter().all(|&(_, _, w)| w >= 0.0);
    let threshold = if probabilities { 0.5 } else { 0.0 };
    let second = score.greater(threshold).reshape(&[x.shape()[0]]);
    let first = if probabilities { 1.0 - &score } else { -&score };
    let both = post_transform(n, &Tensor::concat(&[first, score], 1))?;
    Ok(vec![labels.of(&second.cast(DType::I64)), both.cast(DType::F32).into()])
}

/// The trees of the operator of version 5: children and leaves are numbered across all trees.
fn positioned_forest(n: &mut Node) -> Lowered<Forest> {
    n.ignore(&["nodes_hitrates"]);
    let mut numbers = |name: &str| n.tensor_numbers(name).map(Option::unwrap_or_default);
    let (modes, splits) = (numbers("nodes_modes")?, numbers("nodes_splits")?);
    let (weights, members) = (numbers("leaf_weights")?, numbers("membership_values")?);
    let count = modes.len();
    let (yes, no) = (list(n, "nodes_truenodeids"), list(n, "nodes_falsenodeids"));
    let (yes_leaf, no_leaf) = (list(n, "nodes_trueleafs"), list(n, "nodes_falseleafs"));
    let (features, missing) = (list(n, "nodes_featureids"), list(n, "nodes_missing_value_tracks_true"));
    ensure!(
        [yes.len(), no.len(), yes_leaf.len(), no_leaf.len(), features.len(), splits.len()] == [count; 6],
        "the lists of nodes differ in length"
    );
    // Leaves follow the nodes; a member of a set after the first gets a node of its own behind both.
    let leaves = weights.len();
    let child = |id: i64, leaf: i64| {
        let limit = if leaf != 0 { leaves } else { count };
        match usize::try_from(id).ok().filter(|&i| i < limit) {
            Some(i) => Ok(if leaf != 0 { count + i } else { i }),
            None => invalid!("there is no child {id}"),
        }
    };
    let mut sets = members.split(|m| m.is_nan());
    let mut forest = Forest::default();
    let mut chains = Vec::new();
    for i in 0..count {
        let (yes, no) = (child(yes[i], yes_leaf[i])?, child(no[i], no_leaf[i])?);
        let feature = usize::try_from(features[i]).unwrap_or(usize::MAX);
        let (compare, split) = match (modes[i], MODES.get(modes[i] as usize)) {
            (6.0, _) => {
                let set = sets.next().unwrap_or_default();
                chains.push((i, set.get(1..).unwrap_or_default()));
                (Compare::Eq, set.first().copied().unwrap_or(f64::NAN))
            }
            (0.0.., Some(&(_, compare))) => (compare, splits[i]),
            (other, _) => return unsupported(format!("the mode {other}"), "use modes 0 to 6"),
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
    forest.chain(chains);
    for &root in list(n, "tree_roots") {
        forest.roots.push(child(root, 0)?);
    }
    for (i, (&target, &weight)) in list(n, "leaf_targetids").iter().zip(&weights).enumerate() {
        forest.leaves.push((count + i, usize::try_from(target).unwrap_or(usize::MAX), weight));
    }
    Ok(forest)
}

fn tree_ensemble(n: &mut Node) -> Lowered {
    let x = rows(n)?;
    let forest = positioned_forest(n)?;
    let targets = checked_targets(n, &forest, n.size("n_targets", 1))?;
    let how = match n.int("aggregate_function", 1) {
        0 => Aggregate::Average,
        1 => Aggregate::Sum,
        2 => Aggregate::Min,
        3 => Aggregate::Max,
        other => return invalid!("aggregate_function={other}"),
    };
    let y = forest.apply(&x, targets, how)?;
    Ok(match n.int("post_transform", 0) {
        0 => y,
        1 => y.softmax(-1),
        2 => y.sigmoid(),
        other => return unsupported(format!("post_transform={other}"), "use 0, 1 or 2"),
    })
}
