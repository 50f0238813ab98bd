//! What a kernel computes, in the words people use of layers: `dense 784 -> 400, relu`.

use super::Scope;
use super::fuse::{Kind, kind};
use std::collections::HashSet;
use teff_graph::{Binary, ConvGeometry, NodeId, Op, PoolKind, ReduceKind, Unary, Window};

/// The layers and functions among `nodes`, which one kernel computes, from first to last. What quantisation adds (zero points,
/// requantising, clamps) and biases go without saying.
pub(super) fn describe(scope: &Scope, nodes: &[NodeId]) -> Vec<String> {
    let kernel = Words { scope, nodes };
    let mut said: Vec<String> = Vec::new();
    for id in nodes {
        said.extend(kernel.of(*id).filter(|word| said.last() != Some(word)));
    }
    together(&mut said);
    said
}

/// Functions that are written as several operations get their own names.
pub(super) fn together(said: &mut Vec<String>) {
    type Pattern = (&'static str, &'static [&'static str]);
    const PATTERNS: [Pattern; 8] = [
        ("softmax", &["max over", "sub", "exp", "sum over", "div"]),
        ("softmax", &["max over", "sub", "table", "sum over", "add", "div"]),
        (
            "layer norm",
            &["mean over", "sub", "square", "mean over", "shift", "sqrt", "div", "scale", "shift"],
        ),
        ("mean and deviation", &["mean over", "sub", "square", "mean over", "shift", "sqrt"]),
        ("gelu", &["scale", "erf", "mul"]),
        ("gelu", &["erf", "mul"]),
        ("relu6", &["relu", "at most 6"]),
        ("clip", &["at most 6"]),
    ];
    for (name, parts) in PATTERNS {
        let found =
            said.windows(parts.len()).position(|w| w.iter().zip(parts).all(|(a, b)| a.starts_with(b)));
        if let Some(at) = found {
            said.splice(at..at + parts.len(), [name.into()]);
        }
    }
}

struct Words<'a, 'g> {
    scope: &'a Scope<'g>,
    /// In order.
    nodes: &'a [NodeId],
}

impl Words<'_, '_> {
    /// The word for a node, if there is one to be said.
    fn of(&self, id: NodeId) -> Option<String> {
        let graph = self.scope.graph;
        let node = &graph[id];
        let shape = |i: usize| &graph[node.operands[i]].ty.shape[..];
        match &node.op {
            Op::MatMul => Some(self.product(&node.operands)),
            Op::Conv(geometry) => Some(conv("", geometry, shape(1), shape(1)[0], shape(0)[1])),
            Op::ConvTranspose { geometry, .. } => {
                Some(conv("transposed ", geometry, shape(1), node.ty.shape[1], shape(1)[0]))
            }
            Op::ConvWeightGrad { .. } => Some("gradient of conv weights".into()),
            Op::Pool { kind, window } => Some(pool(*kind, window)),
            Op::SumPoolGrad { .. } | Op::MaxPoolGrad { .. } => Some("gradient of a pool".into()),
            Op::Reduce { kind, axes } => {
                let over: usize = axes.iter().map(|a| shape(0)[*a]).product();
                let word = match kind {
                    ReduceKind::Sum if self.is_divided(id, over) => "mean",
                    ReduceKind::Sum => "sum",
                    ReduceKind::Prod => "product",
                    ReduceKind::Max => "max",
                    ReduceKind::Min => "min",
                };
                Some(format!("{word} over {over}"))
            }
            Op::ArgReduce { min, axis, .. } => {
                Some(format!("{} over {}", if *min { "argmin" } else { "argmax" }, shape(0)[*axis]))
            }
            Op::Scan(scan) => {
                let of = |wanted: Unary| scan.body.nodes().iter().any(|n| n.op == Op::Unary(wanted));
                let product = scan.body.nodes().iter().find(|n| n.op == Op::MatMul);
                let cell = match (product, of(Unary::Sigmoid), of(Unary::Tanh), scan.states) {
                    (Some(_), true, true, 2) => "LSTM",
                    (Some(_), true, true, 1) => "GRU",
                    (Some(_), false, true, 1) => "RNN",
                    // Nothing that has a name.
                    _ => "loop",
                };
                Some(format!("{cell}, {} steps", scan.length))
            }
            Op::Gather { .. } if self.scope.constant[node.operands[0].index()] => Some("table".into()),
            Op::Gather { .. } => Some("gather".into()),
            Op::Scatter { .. } => Some("scatter".into()),
            Op::ArgSort { .. } => Some("sort".into()),
            Op::Concat { .. } => Some("concat".into()),
            Op::Pad(_) => Some("pad".into()),
            Op::Slice(_) => Some("slice".into()),
            Op::Permute(_) => Some("transpose".into()),
            Op::Select => Some("where".into()),
            Op::Unary(Unary::Erfc) => Some("erf".into()),
            Op::Unary(u) => Some(u.name().into()),
            Op::Binary(b) => self.binary(id, *b),
            Op::Quantize { .. } | Op::Dequantize => Some(node.op.name().into()),
            Op::Cast(_) | Op::Reshape(_) | Op::Broadcast(_) | Op::Project(_) => None,
            Op::Input { .. } | Op::Constant(_) | Op::Param(_) | Op::Iota { .. } | Op::Random { .. } => None,
        }
    }

    fn product(&self, operands: &[NodeId]) -> String {
        let [a, b] = [0, 1].map(|i| &self.scope.graph[operands[i]].ty.shape);
        let constant = |i: usize| self.scope.constant[operands[i].index()];
        let (rank, [m, k, n]) = (a.len(), [a[a.len() - 2], a[a.len() - 1], b[b.len() - 1]]);
        match (constant(0), constant(1)) {
            (_, true) => format!("dense {k} -> {n}"),
            (true, false) => format!("dense {k} -> {m}"),
            (false, false) => {
                let batch: usize = a[..rank - 2].iter().product();
                let times = if batch == 1 { String::new() } else { format!("{batch} x ") };
                format!("product {times}{m}x{k} by {k}x{n}")
            }
        }
    }

    /// True when the sum `id` is divided by `count`.
    fn is_divided(&self, id: NodeId, count: usize) -> bool {
        let graph = self.scope.graph;
        self.nodes.iter().any(|user| {
            let node = &graph[*user];
            node.op == Op::Binary(Binary::Div)
                && self.sources(node.operands[0]).contains(&id)
                && self.uniform(node.operands[1]) == Some(count as f64)
        })
    }

    fn uniform(&self, id: NodeId) -> Option<f64> {
        let constant = self.scope.constant[id.index()];
        constant.then(|| self.scope.known.uniform(id).map(|n| n.as_f64())).flatten()
    }

    /// The nodes that `id` is computed from element by element in this kernel: of other loops, or read from memory.
    fn sources(&self, id: NodeId) -> HashSet<NodeId> {
        let (mut open, mut found, mut seen) = (vec![id], HashSet::new(), HashSet::new());
        while let Some(id) = open.pop() {
            let node = &self.scope.graph[id];
            let named = matches!(node.op, Op::Unary(_) | Op::Gather { .. });
            let moves = matches!(node.op, Op::Reshape(_) | Op::Broadcast(_));
            if !seen.insert(id) || self.scope.constant[id.index()] {
                continue;
            }
            if kind(&node.op) == Kind::Element && !named && (moves || self.nodes.binary_search(&id).is_ok()) {
                open.extend(&node.operands);
            } else {
                found.insert(id);
            }
        }
        found
    }

    fn binary(&self, id: NodeId, op: Binary) -> Option<String> {
        let node = &self.scope.graph[id];
        let [a, b] = [node.operands[0], node.operands[1]];
        let is_float = node.ty.dtype.is_float();
        if op == Binary::Mul && a == b {
            return Some("square".into());
        }
        let layer = |n: &NodeId| {
            matches!(self.scope.graph[*n].op, Op::MatMul | Op::Conv(_) | Op::ConvTranspose { .. })
        };
        let after_layer = self.nodes.iter().any(|n| layer(n) && n < &id);
        if self.scope.constant[a.index()] || self.scope.constant[b.index()] {
            let bound = self.uniform(b).or(self.uniform(a));
            let word = match op {
                Binary::Max if is_float && bound == Some(0.0) => "relu",
                Binary::Max if !is_float && after_layer && bound == self.zero_point(a) => "relu",
                Binary::Min if is_float && bound == Some(6.0) => "at most 6",
                Binary::Add | Binary::Sub if is_float && !after_layer => "shift",
                Binary::Mul | Binary::Div if is_float && !after_layer => match bound {
                    // The mean, which says it.
                    Some(_) if op == Binary::Div && self.nodes.iter().any(|n| self.is_mean(*n)) => {
                        return None;
                    }
                    _ => "scale",
                },
                Binary::Pow | Binary::Rem | Binary::Eq | Binary::Lt | Binary::Le => op.name(),
                Binary::Max | Binary::Min if is_float => "clip",
                // Biases, zero points, requantising.
                _ => return None,
            };
            return Some(word.into());
        }
        // Rounding reads what it rounds twice.
        let rounds = !is_float && self.sources(a) == self.sources(b);
        let shifts = matches!(op, Binary::Shl | Binary::Shr | Binary::MulHigh);
        (!rounds && !shifts).then(|| op.name().into())
    }

    fn is_mean(&self, id: NodeId) -> bool {
        let op = &self.scope.graph[id].op;
        matches!(op, Op::Reduce { kind: ReduceKind::Sum, .. } | Op::Pool { kind: PoolKind::Sum, .. })
    }

    /// The zero point that was added to `id`, 0 if none was.
    fn zero_point(&self, id: NodeId) -> Option<f64> {
        let node = &self.scope.graph[id];
        let added = |o: &NodeId| self.uniform(*o).filter(|_| node.op == Op::Binary(Binary::Add));
        node.operands.iter().find_map(added).or(Some(0.0))
    }
}

/// Sizes, as `3x3`.
fn sizes(list: &[usize]) -> String {
    list.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}

/// One number where all are the same, otherwise as sizes.
fn short(list: &[usize]) -> String {
    match list {
        [first, others @ ..] if others.iter().all(|n| n == first) => first.to_string(),
        _ => sizes(list),
    }
}

fn conv(kind: &str, geometry: &ConvGeometry, kernel: &[usize], to: usize, from: usize) -> String {
    let mut said = match geometry.groups {
        g if g > 1 && g == from && g == to => format!("depthwise {kind}conv {}, {from}", sizes(&kernel[2..])),
        g if g > 1 => format!("{kind}conv {}, {from} -> {to} in {g} groups", sizes(&kernel[2..])),
        _ => format!("{kind}conv {}, {from} -> {to}", sizes(&kernel[2..])),
    };
    for (word, list) in [("stride", &geometry.stride), ("dilation", &geometry.dilation)] {
        if list.iter().any(|n| *n != 1) {
            said += &format!(", {word} {}", short(list));
        }
    }
    said
}

fn pool(kind: PoolKind, window: &Window) -> String {
    let word = match kind {
        PoolKind::Max => "max pool",
        PoolKind::Sum => "average pool",
        PoolKind::ArgMax => "argmax pool",
    };
    match window.stride == window.size {
        true => format!("{word} {}", short(&window.size)),
        false => format!("{word} {}, stride {}", short(&window.size), short(&window.stride)),
    }
}
