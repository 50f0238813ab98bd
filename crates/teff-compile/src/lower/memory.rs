//! Which nodes have memory because of what reads them, and which are computed where they are read.

use super::group::{Kind, kind};
use super::work::weights;
use std::collections::HashSet;
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
