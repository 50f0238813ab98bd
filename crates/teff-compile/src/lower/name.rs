//! Names that a reader of the generated code recognises: those of the model's layers.

use super::fuse::Group;
use std::collections::HashSet;
use std::sync::Arc;
use teff_graph::{Graph, NodeId, Op};

/// Names given so far.
pub(super) struct Names {
    used: HashSet<String>,
}

/// What C, its headers included by generated code, and its printer use for themselves.
const RESERVED: &str = "auto break case char const continue default do double else enum extern float for goto if inline int long \
    register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while bool true false \
    asm main abs labs div acos asin atan atan2 cos sin tan cosh sinh tanh acosh asinh atanh exp exp2 expm1 log log10 log1p log2 \
    logb pow sqrt cbrt hypot erf erfc lgamma tgamma ceil floor round lround rint lrint nearbyint trunc fmod remainder remquo fabs \
    fdim fmax fmin fma copysign nan nextafter scalbn ldexp frexp modf ilogb isnan isinf isfinite signbit signgam y0 y1 yn j0 j1 jn \
    gamma index arena";

/// True for names that mean something in C, in Rust or in the libraries that generated code includes.
pub(crate) fn is_reserved(name: &str) -> bool {
    let of_c = |r: &str| r == name || r.len() + 1 == name.len() && name.strip_prefix(r) == Some("f");
    crate::rust::is_keyword(name) || RESERVED.split_whitespace().any(of_c)
}

impl Names {
    /// `function` is taken by the network itself.
    pub(super) fn new(function: &str) -> Names {
        Names { used: HashSet::from([function.to_string()]) }
    }

    /// `wish`, or with a number behind it when that is taken.
    pub(super) fn unique(&mut self, wish: &str) -> String {
        let free = std::iter::once(wish.to_string())
            .chain((2..).map(|i| format!("{wish}_{i}")))
            .find(|n| !self.used.contains(n) && !is_reserved(n))
            .expect("numbers do not end");
        self.used.insert(free.clone());
        free
    }

    /// A wish for the name of a constant: `l1_weight` of the parameter `l1.weight`.
    pub(super) fn of_constant(&self, graph: &Graph, node: NodeId) -> String {
        graph[node].label.as_ref().map_or("constant".into(), |label| identifier(label))
    }

    /// A hint for a named value.
    pub(super) fn of_value(&self, graph: &Graph, node: NodeId) -> String {
        match &graph[node].op {
            Op::Cast(_) | Op::Reshape(_) | Op::Broadcast(_) | Op::Permute(_) | Op::Slice(_) => "x".into(),
            op => format!("{}_value", op.name()),
        }
    }

    /// The label a kernel goes by, and a name of its own.
    pub(super) fn of_kernel(&mut self, graph: &Graph, group: &Group) -> (Option<Arc<str>>, String) {
        let nodes = [group.inner, group.hero, Some(group.root)];
        let own = nodes.into_iter().flatten().find_map(|n| graph[n].label.clone());
        let label = own.or_else(|| nodes.into_iter().flatten().find_map(|n| layer_of_weights(graph, n)));
        let name = match &label {
            Some(l) => identifier(l),
            None => graph[group.inner.or(group.hero).unwrap_or(group.root)].op.name().into(),
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
