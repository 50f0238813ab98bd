//! How much work nodes are.

use super::fuse::{Group, Kind, kind};
use teff_graph::{Binary, Graph, NodeId, Op, Unary};

/// No more operations than this are computed one on the other without memory between them.
const DEEPEST: usize = 256;

/// For each node, how much work one of its elements is when all below it that can be is computed on the way; an addition is 1.
pub(super) fn weights(graph: &Graph) -> Vec<f64> {
    let mut weights: Vec<f64> = Vec::new();
    for node in graph.nodes() {
        let own = match &node.op {
            Op::Unary(u) => match u {
                Unary::Neg | Unary::Abs | Unary::Sign | Unary::Not | Unary::IsNan | Unary::IsInf => 1.0,
                Unary::StopGradient => 0.0,
                Unary::Floor | Unary::Ceil | Unary::Round => 2.0,
                Unary::Sqrt | Unary::Exp | Unary::Log | Unary::Sin | Unary::Cos | Unary::Tan => 20.0,
                Unary::Asin | Unary::Acos | Unary::Atan | Unary::Sinh | Unary::Cosh | Unary::Tanh => 20.0,
                Unary::Asinh | Unary::Acosh | Unary::Atanh | Unary::Erf | Unary::Sigmoid => 20.0,
            },
            Op::Binary(Binary::Div | Binary::Rem) => 8.0,
            Op::Binary(Binary::Pow) => 40.0,
            Op::Binary(_) | Op::Select | Op::Pad(_) | Op::Concat { .. } | Op::Gather { .. } => 1.0,
            Op::Quantize { .. } => 12.0,
            Op::Dequantize => 2.0,
            Op::Cast(_) => 0.5,
            _ => 0.0,
        };
        let below = node.operands.iter().filter(|o| kind(&graph[**o].op) == Kind::Element);
        weights.push(own + below.map(|o| weights[o.index()]).sum::<f64>());
    }
    weights
}

/// Nodes at which a chain of functions is cut, so that no expression becomes so deep that walking it takes more stack than there is.
pub(super) fn depths(graph: &Graph) -> Vec<NodeId> {
    let mut depth: Vec<usize> = Vec::with_capacity(graph.nodes().len());
    let mut cuts = Vec::new();
    for id in graph.ids() {
        let node = &graph[id];
        let below = node.operands.iter().map(|o| depth[o.index()]).max().unwrap_or(0);
        depth.push(match kind(&node.op) {
            Kind::Element if below < DEEPEST => below + 1,
            Kind::Element => {
                cuts.push(id);
                0
            }
            Kind::Source | Kind::Loop => 0,
        });
    }
    cuts
}

/// Multiply-accumulates, or elements read, of a loop.
pub(super) fn work(graph: &Graph, id: NodeId) -> u64 {
    let node = &graph[id];
    let shape = |i: usize| &graph[node.operands[i]].ty.shape;
    let product = |s: &[usize]| s.iter().product::<usize>() as u64;
    match &node.op {
        Op::MatMul => product(&node.ty.shape) * *shape(0).last().expect("a matrix") as u64,
        Op::Conv(_) => product(&node.ty.shape) * product(&shape(1)[1..]),
        Op::ConvTranspose { .. } => product(shape(0)) * product(&shape(1)[1..]),
        Op::ConvWeightGrad { .. } => product(shape(1)) * product(&node.ty.shape[1..]),
        _ => node.operands.first().map_or(0, |_| product(shape(0))),
    }
}

/// Multiply-accumulates of a kernel.
pub(super) fn macs(graph: &Graph, group: &Group) -> u64 {
    let hero = group.hero.unwrap_or(group.root);
    let id = group.inner.unwrap_or(hero);
    let pool = group.inner.map(|_| hero);
    match &graph[id].op {
        Op::Conv(_) => match pool.map(|p| (&graph[p].op, &graph[p].ty.shape)) {
            // Only what the pool keeps is computed.
            Some((Op::Pool { window, .. }, shape)) => {
                let w = graph[id].operands[1];
                let taps: usize = graph[w].ty.shape[1..].iter().product();
                (shape.iter().product::<usize>() * window.size.iter().product::<usize>() * taps) as u64
            }
            _ => work(graph, id),
        },
        _ => products(graph, id),
    }
}

/// Multiply-accumulates of a node by itself, of a recurrence those of all its steps.
fn products(graph: &Graph, id: NodeId) -> u64 {
    match &graph[id].op {
        Op::MatMul | Op::Conv(_) | Op::ConvTranspose { .. } | Op::ConvWeightGrad { .. } => work(graph, id),
        Op::Scan(scan) => {
            scan.length as u64 * scan.body.ids().map(|inner| products(&scan.body, inner)).sum::<u64>()
        }
        _ => 0,
    }
}
