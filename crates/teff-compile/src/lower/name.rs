//! Names that a reader of the generated code recognises: those of the model's layers.

use super::fuse::Group;
use std::collections::HashSet;
use std::sync::Arc;
use teff_graph::{DType, Graph, NodeId, Op};

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
    gamma index arena offsetof memcpy memmove memset memcmp memchr strcpy strncpy strcat strncat strcmp strcoll strncmp strxfrm strchr \
    strcspn strpbrk strrchr strspn strstr strtok strerror strlen NULL NAN INFINITY HUGE_VAL NAKED WORD_ALIGNED KEEP_ROLLED";

/// How the names begin of functions that generated code brings along.
const BROUGHT: &str = "picture_ PICTURE_ pair_sums row_sums window_sums mul_high";

/// The same of those that end in a type: `max_f32` is one, `max_pool` is none.
const ARITHMETIC: &str =
    "wrap_ div_ rem_ pow_ shl_ shr_ abs_ sign_ max_ min_ sigmoid_ bits_ exp_ tanh_ high_";

/// True for names that mean something in C, in Rust or in the libraries that generated code includes.
pub(crate) fn is_reserved(name: &str) -> bool {
    let of_c = |r: &str| r == name || r.len() + 1 == name.len() && name.strip_prefix(r) == Some("f");
    let of_headers = name.ends_with("_t") || name.ends_with("_MAX") || name.ends_with("_MIN");
    crate::rust::is_keyword(name) || of_headers || is_brought(name) || RESERVED.split_whitespace().any(of_c)
}

/// True for names of the kind that functions have which generated code brings along.
fn is_brought(name: &str) -> bool {
    let of_type = |d: &DType| name.strip_suffix(d.name()).is_some_and(|n| n.ends_with('_'));
    let begins = |list: &str| list.split_whitespace().any(|b| name.starts_with(b));
    begins(BROUGHT) || (name.contains("_from_") || begins(ARITHMETIC)) && DType::ALL.iter().any(of_type)
}

impl Names {
    /// `function` is taken by the network itself.
    pub(super) fn new(function: &str) -> Names {
        Names { used: HashSet::from([function.to_string()]) }
    }

    /// `wish`, or with a number behind it when that is taken.
    pub(super) fn unique(&mut self, wish: &str) -> String {
        // No number behind it makes another of a name that begins so, and one makes such a name of `picture`.
        let taken = is_brought(wish) || is_brought(&format!("{wish}_2"));
        let wish = if taken { format!("layer_{wish}") } else { wish.to_string() };
        let free = std::iter::once(wish.clone())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wish_gets_names_that_are_free() {
        let all = RESERVED
            .split_whitespace()
            .chain(BROUGHT.split_whitespace())
            .chain(ARITHMETIC.split_whitespace());
        let mut names = Names::new("net");
        for wish in
            all.flat_map(|r| [r.trim_end_matches('_').to_string(), format!("{r}f32"), format!("{r}x")])
        {
            let (first, second) = (names.unique(&wish), names.unique(&wish));
            assert_ne!(first, second);
            assert!(!is_reserved(&first) && !is_reserved(&second), "{wish}: {first}, {second}");
        }
    }
}
