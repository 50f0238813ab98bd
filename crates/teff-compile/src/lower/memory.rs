//! Which nodes have memory because of what reads them, and which are computed where they are read; how much work nodes are.

use super::fuse::{Kind, kind};
use std::collections::HashSet;
use teff_graph::facts::multiply_accumulates;
use teff_graph::{Binary, Graph, NodeId, Op};

/// How a kernel reads a node that has no memory.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Read {
    pub(super) by: NodeId,
    /// Each element once and in order, through functions of single elements and reshapes alone.
    pub(super) in_step: bool,
    /// How often each element is computed.
    times: f64,
}

/// What reads each node, and which nodes are computed apart from their readers.
pub(super) struct Analysis {
    pub(super) reads: Vec<Vec<Read>>,
    pub(super) apart: Vec<bool>,
}

/// From the outputs back; `kept` are nodes that get memory whatever reads them.
pub(super) fn analyse(graph: &Graph, kept: &HashSet<NodeId>) -> Analysis {
    let n = graph.nodes().len();
    let weights = weights(graph);
    let known = known_now(graph);
    let mut reads: Vec<Vec<Read>> = vec![Vec::new(); n];
    let mut apart = vec![false; n];
    let mut scanned = vec![false; n];
    for id in graph.ids().rev() {
        let node = &graph[id];
        apart[id.index()] = match kind(&node.op) {
            Kind::Source => scanned[id.index()] && matches!(node.op, Op::Iota { .. }),
            Kind::Loop => true,
            Kind::Element if kept.contains(&id) || scanned[id.index()] => true,
            Kind::Element if matches!(&node.op, Op::Pad(axes) if axes.iter().any(|a| a.interior > 0)) => true,
            Kind::Element if widens(graph, &known, id) => false,
            Kind::Element => !known[id.index()] && recomputed(&reads[id.index()], weights[id.index()]),
        };
        for (i, &o) in node.operands.iter().enumerate() {
            scanned[o.index()] |= matches!(node.op, Op::Scan(_));
            let teff_graph::facts::Read { in_step, times } = graph.reads(id, i);
            let through: Vec<Read> = if apart[id.index()] {
                vec![Read { by: id, in_step, times }]
            } else {
                let further =
                    |r: &Read| Read { by: r.by, in_step: r.in_step && in_step, times: r.times * times };
                reads[id.index()].iter().map(further).collect()
            };
            through.into_iter().for_each(|r| add_read(&mut reads[o.index()], r));
        }
    }
    Analysis { reads, apart }
}

/// A wider form of a narrower integer, less a constant at most: memory holds the narrow one, and each reader widens it.
fn widens(graph: &Graph, known: &[bool], id: NodeId) -> bool {
    let node = &graph[id];
    if let Op::Cast(to) = node.op {
        let (x, from) = (node.operands[0], graph[node.operands[0]].ty.dtype);
        let integers = from.int_range().is_some() && to.int_range().is_some();
        return integers && from.size() < to.size() && !known[x.index()];
    }
    let (Op::Binary(Binary::Add | Binary::Sub), &[x, c]) = (&node.op, &node.operands[..]) else {
        return false;
    };
    let one = graph.unrepeated(c);
    let less = one != c && graph[one].ty.len() == 1 && known[one.index()];
    less && matches!(graph[x].op, Op::Cast(_)) && widens(graph, known, x)
}

/// Adds a read to those of a node. Paths of one kind to one kernel are one entry: there may be exponentially many paths.
fn add_read(reads: &mut Vec<Read>, new: Read) {
    match reads.iter_mut().find(|r| r.by == new.by && r.in_step == new.in_step) {
        Some(known) => known.times += new.times,
        None => reads.push(new),
    }
}

/// Computing an element of a chain of this weight as often as it is read costs more than memory does.
fn recomputed(reads: &[Read], weight: f64) -> bool {
    let mut in_step: Vec<NodeId> = Vec::new();
    let mut times = 0.0;
    for r in reads {
        if !r.in_step {
            times += r.times;
        } else if !in_step.contains(&r.by) {
            in_step.push(r.by);
            times += 1.0;
        }
    }
    (times - 1.0) * weight > 2.0
}

/// For each node whether it is computed from constants alone: memory would hold what flash already says.
pub(super) fn known_now(graph: &Graph) -> Vec<bool> {
    let mut known: Vec<bool> = Vec::with_capacity(graph.nodes().len());
    for node in graph.nodes() {
        known.push(match kind(&node.op) {
            Kind::Source => matches!(node.op, Op::Constant(_) | Op::Iota { .. }),
            Kind::Element => node.operands.iter().all(|o| known[o.index()]),
            Kind::Loop => false,
        });
    }
    known
}

/// No more operations than this are computed one on the other without memory between them.
const DEEPEST: usize = 256;

/// For each node, how much work one of its elements is when all below it that can be is computed on the way; an addition is 1.
pub(super) fn weights(graph: &Graph) -> Vec<f64> {
    let mut weights: Vec<f64> = Vec::new();
    for node in graph.nodes() {
        let below = node.operands.iter().filter(|o| kind(&graph[**o].op) == Kind::Element);
        weights.push(node.op.traits().cost + below.map(|o| weights[o.index()]).sum::<f64>());
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
    match multiply_accumulates(graph, id) {
        0 => graph[id].operands.first().map_or(0, |x| graph[*x].ty.len() as u64),
        products => products,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use teff_graph::{ConvGeometry, DType, Op, Tensor, Type};

    fn input(shape: &[usize]) -> Tensor {
        Tensor::input("x", DType::F32, shape)
    }

    /// A graph of one result, whose last node that is.
    fn graph(inputs: &[&Tensor], y: &Tensor) -> Graph {
        let inputs: Vec<Tensor> = inputs.iter().map(|&t| t.clone()).collect();
        Graph::from_tensors("g", &inputs, &[("y", y.clone())]).unwrap()
    }

    #[test]
    fn an_element_costs_what_is_computed_on_the_way_to_it() {
        let (x, z) = (input(&[4]), input(&[4]));
        let of = |y: &Tensor| *weights(&graph(&[&x, &z], y)).last().unwrap();
        assert_eq!(of(&-&x), 1.0);
        assert_eq!(of(&x.exp()), 20.0);
        assert_eq!(of(&x.tanh().floor()), 22.0);
        assert_eq!(of(&x.stop_gradient()), 0.0);
        assert_eq!(of(&(&x.exp() / &-&z)), 8.0 + 20.0 + 1.0);
        assert_eq!(of(&x.pow(&z)), 40.0);
        assert_eq!(of(&x.rem(&z)), 8.0);
        assert_eq!(of(&x.less(&z).select(&x, &z)), 2.0);
        assert_eq!(of(&x.cast(DType::I8)), 0.5);
        // Read twice, computed twice.
        let e = x.exp();
        assert_eq!(of(&(&e * &e)), 41.0);
        // A sum is computed once and for all.
        assert_eq!(of(&(-(x.exp().sum_keep(&[0])))), 1.0);
        let one = |dtype, v: f64| Tensor::full(Type::new(dtype, [1]), v);
        let q = x.quantize(&one(DType::F32, 0.5), &one(DType::I8, 0.0));
        assert_eq!(of(&q), 12.0);
        assert_eq!(of(&q.dequantize(&one(DType::F32, 0.5), &one(DType::I8, 0.0))), 14.0);
    }

    #[test]
    fn chains_are_cut_where_they_are_too_deep() {
        let x = input(&[4]);
        let y = (0..600).fold(x.clone(), |y, _| -&y);
        let g = graph(&[&x], &y);
        let cuts: Vec<usize> = depths(&g).iter().map(|id| id.index()).collect();
        // The input is node 0; the 257th function would lie on 256 others.
        assert_eq!(cuts, [257, 514]);
    }

    #[test]
    fn products_are_counted_a_multiplication_each() {
        let of = |inputs: &[&Tensor], y: &Tensor| {
            let g = graph(inputs, y);
            let last = g.ids().last().unwrap();
            (work(&g, last), multiply_accumulates(&g, last))
        };
        let (a, b) = (input(&[2, 3]), input(&[3, 5]));
        assert_eq!(of(&[&a, &b], &a.matmul(&b)), (30, 30));
        let g = ConvGeometry { groups: 2, ..ConvGeometry::new(1) };
        let (x, w, y) = (input(&[1, 4, 8]), input(&[6, 2, 3]), input(&[1, 6, 6]));
        assert_eq!(of(&[&x, &w], &x.conv_general(&w, g.clone())), (6 * 6 * 6, 6 * 6 * 6));
        assert_eq!(of(&[&y, &w], &y.conv_adjoint(&w, g.clone(), &[8])), (6 * 6 * 6, 6 * 6 * 6));
        assert_eq!(of(&[&x, &y], &x.conv_weight_grad(&y, g, &[3])), (6 * 6 * 6, 6 * 6 * 6));
        assert_eq!(of(&[&x], &x.sum(&[1])).1, 0);
        assert_eq!(of(&[&x], &x.sum_keep(&[1])), (32, 0), "elements read");
        // A recurrence: three rounds of a product.
        let rows = input(&[3, 1, 5]);
        let square = input(&[5, 5]);
        let (last, _) = Tensor::scan(&[rows.pick(0, 0)], std::slice::from_ref(&rows), false, |s, x| {
            (vec![&s[0].matmul(&square) + &x[0]], vec![])
        });
        let g = graph(&[&rows, &square], &last[0]);
        let scan = g.ids().find(|&id| matches!(g[id].op, Op::Scan(_))).unwrap();
        assert_eq!(multiply_accumulates(&g, scan), 3 * 25);
    }
}
