//! Names that a reader of the generated code recognises: those of the model's layers.

use super::fuse::Group;
use super::reserved::{is_beside, is_brought, is_kept, is_reserved};
use crate::printing::free;
use std::collections::HashSet;
use std::sync::Arc;
use teff_graph::{Graph, NodeId, Op};

/// Names given so far.
pub(super) struct Names {
    used: HashSet<String>,
    function: String,
}

impl Names {
    /// `function` is taken by the network itself, and names that begin with it by what callers get beside.
    pub(super) fn new(function: &str) -> Names {
        Names { used: HashSet::from([function.to_string()]), function: function.into() }
    }

    /// `wish`, or with a number behind it when that is taken.
    pub(super) fn unique(&mut self, wish: &str) -> String {
        // A number behind it does not change how a name begins.
        let taken = is_kept(wish) || is_brought(wish) || is_beside(&self.function, wish);
        let wish = if taken { format!("layer_{wish}") } else { wish.to_string() };
        let name = free(&wish, "_", |n| !self.used.contains(n) && !is_reserved(n));
        self.used.insert(name.clone());
        name
    }

    /// A wish for the name of a constant: `l1_weight` of the parameter `l1.weight`.
    pub(super) fn of_constant(&self, graph: &Graph, node: NodeId) -> String {
        graph[node].label.as_ref().map_or("constant".into(), |label| identifier(label))
    }

    /// A hint for a named value.
    pub(super) fn of_value(&self, graph: &Graph, node: NodeId) -> String {
        match &graph[node].op {
            Op::Cast(_) | Op::Reshape(_) | Op::Broadcast(_) | Op::Permute(_) | Op::Slice(_) => "x".into(),
            // A hint for readers alone.
            op => format!("{}_value", op.name()),
        }
    }

    /// The label a kernel goes by, and a name of its own.
    pub(super) fn of_kernel(&mut self, graph: &Graph, group: &Group) -> (Option<Arc<str>>, String) {
        let nodes = [group.inner, group.anchor, Some(group.root)];
        let own = nodes.into_iter().flatten().find_map(|n| graph[n].label.clone());
        let label = own.or_else(|| nodes.into_iter().flatten().find_map(|n| layer_of_weights(graph, n)));
        let name = match &label {
            Some(l) => identifier(l),
            None => graph[group.innermost()].op.name().into(),
        };
        (label, self.unique(&name))
    }
}

/// `l1` when an operand is the parameter `l1.weight`.
fn layer_of_weights(graph: &Graph, node: NodeId) -> Option<Arc<str>> {
    graph[node].operands.iter().find_map(|&o| {
        let label = graph[o].label.as_ref().filter(|_| matches!(graph[o].op, Op::Constant(_)))?;
        label.rsplit_once('.').map(|(layer, _)| layer.into())
    })
}

/// Letters, digits and single underscores, a letter first.
pub(crate) fn identifier(label: &str) -> String {
    let mut name = String::new();
    for c in label.chars() {
        if c.is_ascii_alphanumeric() {
            name.push(c);
        } else if !name.is_empty() && !name.ends_with('_') {
            name.push('_');
        }
    }
    let name = name.trim_end_matches('_');
    match name.chars().next() {
        None => "layer".into(),
        Some(c) if c.is_ascii_digit() => format!("layer_{name}"),
        Some(_) => name.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lower::reserved::all;

    #[test]
    fn names_that_headers_may_have_one_day_are_kept() {
        for (name, kept) in [
            ("E", false),
            ("E2", true),
            ("E_BIG", true),
            ("Exp", false),
            ("e2", false),
            ("SIG", false),
            ("SIGNAL", true),
            ("SIG_X", true),
            ("SIGma", false),
            ("FE_1", true),
            ("LC_", false),
            ("LC_a", false),
            ("PRI", false),
            ("PRIa", true),
            ("PRIX", true),
            ("PRIY", false),
            ("SCNd", true),
        ] {
            assert_eq!(is_kept(name), kept, "{name}");
        }
    }

    #[test]
    fn labels_become_identifiers() {
        let labels = ["conv1.weight", "a//b", "_x_", "3d", "", "--", "é", "A9"];
        let names = ["conv1_weight", "a_b", "x", "layer_3d", "layer", "layer", "layer", "A9"];
        assert_eq!(labels.map(identifier), names);
    }

    #[test]
    fn every_wish_gets_names_that_are_free() {
        let mut names = Names::new("net");
        for wish in all()
            .chain(["ETWO", "SIGTWO", "PRItwo", "LC_TWO", "INT9_C"])
            .flat_map(|r| [r.trim_end_matches('_').to_string(), format!("{r}f32"), format!("{r}x")])
        {
            let (first, second) = (names.unique(&wish), names.unique(&wish));
            assert_ne!(first, second);
            assert!(!is_reserved(&first) && !is_reserved(&second), "{wish}: {first}, {second}");
        }
    }
}
