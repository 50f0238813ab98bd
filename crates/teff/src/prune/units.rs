//! Which channels live and die together.
//!
//! Every output channel of a layer begins as a unit of its own. The units are followed through the graph, axis by axis: an addition
//! joins the units of its operands, a depthwise convolution passes them on, flattening spreads each over its pixels. What cannot do
//! with fewer channels (the output, a group convolution, a reshape that mixes) keeps the units it sees, with the reason.
//! (The dependency graph of Fang et al., "DepGraph: towards any structural pruning", CVPR 2023, in the terms of this graph.)

use std::collections::BTreeMap;
use teff_graph::facts::axis_after;
use teff_graph::{Graph, NodeId, Op, PoolKind};

/// For each index along an axis, the unit it belongs to; `None` where the axis is no matter of channels.
pub(super) type Axis = Option<Vec<usize>>;

/// The units of a graph.
pub(super) struct Coupled {
    parents: Vec<usize>,
    /// Why the units of a set stay, by its root.
    kept: BTreeMap<usize, String>,
    /// For each node that comes from the input, its axes.
    pub(super) axes: Vec<Vec<Axis>>,
}

impl Coupled {
    /// Follows the channels of `graph`, in which `varies` says what comes from the input and `layers` are the products with constant
    /// weights.
    pub(super) fn follow(graph: &Graph, varies: impl Fn(NodeId) -> bool, layers: &[NodeId]) -> Coupled {
        let mut units = Coupled { parents: Vec::new(), kept: BTreeMap::new(), axes: Vec::new() };
        for id in graph.ids() {
            let rank = graph[id].ty.rank();
            let axes = if varies(id) {
                units.node(graph, id, &varies, layers.contains(&id))
            } else {
                vec![None; rank]
            };
            units.axes.push(axes);
        }
        for output in graph.outputs() {
            units.keep(&units.axes[output.node.index()].clone(), "the network's output".into());
        }
        units
    }

    /// The unit that stands for all that `unit` lives with.
    pub(super) fn root(&self, mut unit: usize) -> usize {
        while self.parents[unit] != unit {
            unit = self.parents[unit];
        }
        unit
    }

    /// Why the unit stays, if it has to.
    pub(super) fn reason(&self, unit: usize) -> Option<&str> {
        self.kept.get(&self.root(unit)).map(String::as_str)
    }

    fn fresh(&mut self, n: usize) -> Vec<usize> {
        let from = self.parents.len();
        self.parents.extend(from..from + n);
        (from..from + n).collect()
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        let (low, high) = (a.min(b), a.max(b));
        if low != high {
            self.parents[high] = low;
            if let Some(reason) = self.kept.remove(&high) {
                self.kept.entry(low).or_insert(reason);
            }
        }
    }

    /// The units of these axes stay.
    fn keep(&mut self, axes: &[Axis], reason: String) {
        for unit in axes.iter().flatten().flatten() {
            let root = self.root(*unit);
            self.kept.entry(root).or_insert_with(|| reason.clone());
        }
    }

    /// The axes of a result, from those of the operands.
    fn node(
        &mut self,
        graph: &Graph,
        id: NodeId,
        varies: &impl Fn(NodeId) -> bool,
        is_layer: bool,
    ) -> Vec<Axis> {
        let node = &graph[id];
        let rank = node.ty.rank();
        let data: Vec<Vec<Axis>> =
            node.operands.iter().filter(|o| varies(**o)).map(|o| self.axes[o.index()].clone()).collect();
        let name = node.label.as_deref().unwrap_or(node.op.name()).to_string();
        let first = || data[0].clone();
        match &node.op {
            Op::Input { .. } => vec![None; rank],
            Op::Conv(geometry) if is_layer => {
                let (x, channels) = (&data[0], node.ty.shape[1]);
                let inputs = graph[node.operands[0]].ty.shape[1];
                let mut axes = vec![None; rank];
                axes[1] = match (geometry.groups, &x[1]) {
                    (1, _) => Some(self.fresh(channels)),
                    // Depthwise: each output channel is of one input channel.
                    (groups, Some(units)) if groups == inputs => {
                        Some((0..channels).map(|o| units[o * groups / channels]).collect())
                    }
                    (groups, _) if groups == inputs => None,
                    (groups, _) => {
                        self.keep(x, format!("{name} takes them in {groups} groups"));
                        None
                    }
                };
                self.keep(&x[2..], format!("{name} slides over them"));
                axes
            }
            Op::MatMul if is_layer => {
                let mut axes = first();
                axes[rank - 1] = Some(self.fresh(node.ty.shape[rank - 1]));
                axes
            }
            Op::Unary(_) | Op::Cast(_) | Op::Binary(_) | Op::Select => self.together(&data, rank, &name),
            Op::Reshape(shape) => self.reshaped(&data[0], &graph[node.operands[0]].ty.shape, shape, &name),
            Op::Pool { kind: PoolKind::Max | PoolKind::Sum, .. } => self.moved(graph, id, "slides over them"),
            Op::Reduce { .. } => self.moved(graph, id, "combines them"),
            Op::Permute(_) | Op::Broadcast(_) => self.moved(graph, id, "repeats them"),
            Op::Slice(_) => self.moved(graph, id, "takes some of them"),
            Op::Pad(pads) if !varies(node.operands[1]) => {
                let most = pads.iter().map(|pad| pad.low + pad.high).max().unwrap_or(0);
                self.moved(graph, id, &format!("adds {most} to them"))
            }
            Op::Concat { axis } if data.len() == node.operands.len() => {
                self.joined(graph, id, *axis, &data, &name)
            }
            // Nothing is known of what other operations do with a channel.
            _ => {
                let op = node.op.name();
                data.iter().for_each(|axes| self.keep(axes, format!("{name} ({op}) needs them all")));
                vec![None; rank]
            }
        }
    }

    /// The axes of the first operand where they are now; those that are none any more stay, because the node `does` something to them.
    fn moved(&mut self, graph: &Graph, id: NodeId, does: &str) -> Vec<Axis> {
        let (node, types) = (&graph[id], graph.operand_types(id));
        let name = node.label.as_deref().unwrap_or(node.op.name());
        let mut axes = vec![None; node.ty.rank()];
        for (axis, units) in self.axes[node.operands[0].index()].clone().into_iter().enumerate() {
            match axis_after(&node.op, 0, axis, &types) {
                Some(to) => axes[to] = units,
                None => self.keep(&[units], format!("{name} {does}")),
            }
        }
        axes
    }

    /// Operands of one shape, combined element by element.
    fn together(&mut self, data: &[Vec<Axis>], rank: usize, name: &str) -> Vec<Axis> {
        let mut axes = data[0].clone();
        for other in &data[1..] {
            for i in 0..rank {
                match (&axes[i], &other[i]) {
                    (Some(a), Some(b)) => {
                        a.clone().into_iter().zip(b.clone()).for_each(|(a, b)| self.join(a, b))
                    }
                    (None, None) => {}
                    (Some(_), None) | (None, Some(_)) => {
                        let fixed = [axes[i].take(), other[i].clone()];
                        self.keep(
                            &fixed,
                            format!("{name} combines them with what has no channels to remove"),
                        );
                    }
                }
            }
        }
        axes
    }

    fn joined(
        &mut self,
        graph: &Graph,
        id: NodeId,
        axis: usize,
        data: &[Vec<Axis>],
        name: &str,
    ) -> Vec<Axis> {
        let rank = graph[id].ty.rank();
        // Along the axis, one after another; what has no units gets some that stay.
        let mut along = Vec::new();
        for (operand, axes) in graph[id].operands.iter().zip(data) {
            match &axes[axis] {
                Some(units) => along.extend(units),
                None => {
                    let fixed = self.fresh(graph[*operand].ty.shape[axis]);
                    self.keep(&[Some(fixed.clone())], format!("{name} joins them with others"));
                    along.extend(fixed);
                }
            }
        }
        let without: Vec<Vec<Axis>> = data
            .iter()
            .map(|axes| axes.iter().enumerate().map(|(i, a)| a.clone().filter(|_| i != axis)).collect())
            .collect();
        let mut axes = self.together(&without, rank, name);
        axes[axis] = Some(along);
        axes
    }

    /// Axes under another shape: as they were, or several as one.
    fn reshaped(&mut self, axes: &[Axis], from: &[usize], to: &[usize], name: &str) -> Vec<Axis> {
        let mut out: Vec<Axis> = vec![None; to.len()];
        let (mut i, mut j) = (0, 0);
        while i < from.len() || j < to.len() {
            // The shortest runs of axes with equal products.
            let (a, b) = (i, j);
            let (mut m, mut n) = (1, 1);
            loop {
                if i < from.len() && (m < n || (m == n && i == a)) {
                    m *= from[i];
                    i += 1;
                } else if j < to.len() && (n < m || j == b) {
                    n *= to[j];
                    j += 1;
                } else {
                    break;
                }
            }
            let labelled: Vec<usize> = (a..i).filter(|x| axes[*x].is_some()).collect();
            let wide: Vec<usize> = (b..j).filter(|y| to[*y] != 1).collect();
            match (&labelled[..], &wide[..]) {
                ([], _) => {}
                (&[x], &[y]) => {
                    let inner: usize = from[x + 1..i].iter().product();
                    let units = axes[x].as_ref().expect("labelled");
                    out[y] = Some((0..to[y]).map(|k| units[k / inner % from[x]]).collect());
                }
                _ => self.keep(&axes[a..i], format!("{name} (reshape) mixes them with other axes")),
            }
        }
        out
    }
}
