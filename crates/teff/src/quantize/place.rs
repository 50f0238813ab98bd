//! Where tensors are quantised.
//!
//! Every node is followed as what the integer lowering of the compiler can make of it: integers of 8 bits, moved or not; wide sums of them, which may be
//! shifted, scaled and rectified by channel; functions of one 8-bit element, which become tables; or a float. An operation that wants 8 bits of an
//! operand that is none makes that operand a site. Sites only become more, so the walk is repeated until none is added.

mod combine;

use super::patterns::{normalisation, softmax};
use std::collections::{BTreeMap, BTreeSet};
use teff_graph::{DType, Graph, Node, NodeId, Op, PoolKind, ReduceKind};

/// What was found.
pub(super) struct Placed {
    pub(super) products: Vec<Product>,
    pub(super) sites: Vec<Placement>,
    pub(super) floats: Vec<(String, &'static str)>,
    /// Nodes whose elements are those of a site, elsewhere, with the site.
    pub(super) moved: Vec<(NodeId, NodeId)>,
}

/// A convolution or product with constant weights.
pub(super) struct Product {
    pub(super) node: NodeId,
    pub(super) weight: NodeId,
    /// The site its input comes from.
    pub(super) input: NodeId,
}

/// A tensor to quantise.
pub(super) struct Placement {
    pub(super) node: NodeId,
    pub(super) group: usize,
    pub(super) fixed: Option<(f32, i32)>,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// Known now.
    Constant,
    /// The values of a site, moved or not.
    Quantised(NodeId),
    /// Sums of 8-bit integers. The node that is quantised instead if a function of single elements is to become a table: where several
    /// use the same sums, that is what they share.
    Wide(NodeId),
    /// A function of each element of a site.
    Table(NodeId),
    /// The quotient of a softmax, whose range is known.
    Softmax,
    /// Not computed in integers.
    Float,
}

struct Walk<'a> {
    graph: &'a Graph,
    users: Vec<Vec<NodeId>>,
    /// Nodes inside a softmax, and their quotients with what they are the softmax of.
    inside: BTreeSet<NodeId>,
    quotients: BTreeMap<NodeId, NodeId>,
    /// Nodes of normalisations.
    normal: BTreeSet<NodeId>,
    states: Vec<State>,
    sites: BTreeSet<NodeId>,
    products: Vec<Product>,
    joined: Vec<Vec<NodeId>>,
    floats: Vec<(String, &'static str)>,
}

pub(super) fn place(graph: &Graph) -> Placed {
    let mut users = graph.users();
    // An output is a user too, which no node is.
    graph.outputs().iter().for_each(|o| users[o.node.index()].push(o.node));
    let (mut inside, mut quotients, mut normal) = (BTreeSet::new(), BTreeMap::new(), BTreeSet::new());
    for id in graph.ids() {
        if let Some((of, within)) = softmax(graph, id) {
            quotients.insert(id, of);
            inside.extend(within);
        }
        normal.extend(normalisation(graph, id).into_iter().flatten());
    }
    let mut walk = Walk {
        graph,
        users,
        inside,
        quotients,
        normal,
        states: Vec::new(),
        sites: BTreeSet::new(),
        products: Vec::new(),
        joined: Vec::new(),
        floats: Vec::new(),
    };
    loop {
        let before = walk.sites.len();
        walk.once();
        if walk.sites.len() == before {
            break;
        }
    }
    walk.finish()
}

impl Walk<'_> {
    fn once(&mut self) {
        self.states.clear();
        self.products.clear();
        self.joined.clear();
        self.floats.clear();
        for id in self.graph.ids() {
            let own = self.state(id);
            let state = match (self.sites.contains(&id), own) {
                (false, own) | (true, own @ State::Constant) => own,
                (true, State::Quantised(site)) => {
                    self.joined.push(vec![site, id]);
                    State::Quantised(id)
                }
                (true, _) => State::Quantised(id),
            };
            self.states.push(state);
        }
        for o in self.graph.outputs() {
            if !matches!(self.state_of(o.node), State::Float) {
                self.settle(o.node);
            }
        }
    }

    fn state_of(&self, id: NodeId) -> State {
        self.states[id.index()]
    }

    /// Makes a site of a node that is not 8 bits yet; gives the site its values come from, unless they can come from none.
    fn settle(&mut self, id: NodeId) -> Option<NodeId> {
        match self.state_of(id) {
            State::Quantised(site) => return Some(site),
            State::Constant => return None,
            State::Wide(_) | State::Table(_) | State::Softmax | State::Float => {}
        }
        if self.graph[id].ty.dtype != DType::F32 {
            return None;
        }
        self.sites.insert(id);
        Some(id)
    }

    /// What the inputs of a float operation are computed in stays integer.
    fn float(&mut self, id: NodeId, why: &'static str) -> State {
        let node = &self.graph[id];
        let quantisable = |s: State| !matches!(s, State::Float | State::Constant);
        let dynamic: Vec<NodeId> =
            node.operands.iter().copied().filter(|o| quantisable(self.state_of(*o))).collect();
        dynamic.iter().for_each(|o| {
            self.settle(*o);
        });
        if !dynamic.is_empty() {
            let name = node.label.as_deref().unwrap_or(node.op.name());
            let entry = (name.to_string(), why);
            if !self.floats.contains(&entry) {
                self.floats.push(entry);
            }
        }
        State::Float
    }

    fn state(&mut self, id: NodeId) -> State {
        let node = &self.graph[id];
        if node.operands.is_empty() {
            return match node.op {
                Op::Input { .. } => State::Float,
                _ => State::Constant,
            };
        }
        if self.inside.contains(&id) {
            return State::Float;
        }
        if let Some(&of) = self.quotients.get(&id) {
            return if self.settle(of).is_some() { State::Softmax } else { State::Float };
        }
        if node.operands.iter().all(|o| self.state_of(*o) == State::Constant) {
            return State::Constant;
        }
        if self.normal.contains(&id) {
            return self.float(id, "a normalisation needs more than 8 bits on the way");
        }
        if node.ty.dtype == DType::F64 {
            return self.float(id, "it computes in f64");
        }
        let x = node.operands[0];
        match &node.op {
            Op::Conv(_) | Op::MatMul => self.product(id),
            Op::Unary(_) | Op::Select | Op::Cast(_) => self.function(id),
            Op::Binary(op) => self.binary(id, *op),
            Op::Reshape(_) => match self.state_of(x) {
                // A bias may follow; channels stay apart as long as only axes of size 1 come and go.
                State::Wide(_) if self.users[x.index()].len() == 1 && self.same_but_ones(x, id) => {
                    State::Wide(id)
                }
                _ => self.moved(x),
            },
            Op::Permute(_) | Op::Broadcast(_) | Op::Slice(_) => self.moved(x),
            Op::Pool { kind: PoolKind::Max, .. } => self.moved(x),
            Op::Reduce { kind: ReduceKind::Max | ReduceKind::Min, .. } => self.moved(x),
            Op::Pad(_) => match self.fill_is_zero(node) {
                true => self.moved(x),
                false => self.float(id, "it pads with something else than 0"),
            },
            Op::Concat { .. } => self.concat(id),
            Op::Pool { kind: PoolKind::Sum, .. } | Op::Reduce { kind: ReduceKind::Sum, .. } => {
                if self.settle(x).is_some() { State::Wide(id) } else { State::Float }
            }
            Op::Reduce { kind: ReduceKind::Prod, .. } => {
                self.float(id, "products of many elements have no integer kernel")
            }
            Op::ConvTranspose { .. } => self.float(id, "transposed convolutions have no integer kernel"),
            Op::Pool { kind: PoolKind::ArgMax, .. } | Op::ArgReduce { .. } | Op::ArgSort { .. } => {
                self.float(id, "positions of elements are found in floats")
            }
            Op::Gather { .. } | Op::Scatter { .. } => {
                self.float(id, "picking by index has no integer kernel")
            }
            Op::Scan(_) | Op::Project(_) => self.float(id, "loops have no integer kernel"),
            Op::Quantize { .. } | Op::Dequantize | Op::Random { .. } | Op::Iota { .. } => State::Float,
            Op::ConvWeightGrad { .. } | Op::SumPoolGrad { .. } | Op::MaxPoolGrad { .. } => {
                self.float(id, "gradients have no integer kernel")
            }
            Op::Input { .. } | Op::Constant(_) | Op::Param(_) => unreachable!("they have no operands"),
        }
    }

    fn same_but_ones(&self, a: NodeId, b: NodeId) -> bool {
        let sizes = |id: NodeId| self.graph[id].ty.shape.iter().filter(|n| **n != 1).collect::<Vec<_>>();
        sizes(a) == sizes(b)
    }

    fn fill_is_zero(&self, node: &Node) -> bool {
        matches!(&self.graph[node.operands[1]].op, Op::Constant(v) if v.to_f64().iter().all(|x| *x == 0.0))
    }

    /// The same values elsewhere. Wide ones are made 8 bits before they are moved. A moved input is a site before it is moved.
    fn moved(&mut self, x: NodeId) -> State {
        match self.state_of(x) {
            State::Float if !matches!(self.graph[x].op, Op::Input { .. }) => State::Float,
            _ => self.settle(x).map_or(State::Float, State::Quantised),
        }
    }

    fn product(&mut self, id: NodeId) -> State {
        let node = &self.graph[id];
        let (x, w) = (node.operands[0], node.operands[1]);
        let bare = match self.graph[w].op {
            Op::Broadcast(_) if matches!(node.op, Op::MatMul) => self.graph[w].operands[0],
            _ => w,
        };
        let flat =
            matches!(node.op, Op::Conv(_)) || self.graph[bare].ty.shape.iter().rev().skip(2).all(|n| *n == 1);
        let is_layer = matches!(self.graph[bare].op, Op::Constant(_)) && flat;
        match (self.state_of(x), self.state_of(w)) {
            (State::Constant, _) => self.float(id, "its constant comes first"),
            (_, State::Constant) if is_layer => match self.settle(x) {
                Some(input) => {
                    self.products.push(Product { node: id, weight: bare, input });
                    State::Wide(id)
                }
                None => State::Float,
            },
            (_, State::Constant) => self.float(id, "its weights are computed, or differ by batch"),
            _ => match (self.settle(x), self.settle(w)) {
                (Some(_), Some(_)) => State::Wide(id),
                _ => State::Float,
            },
        }
    }

    /// Parts that are joined share a grid.
    fn concat(&mut self, id: NodeId) -> State {
        let operands = self.graph[id].operands.clone();
        if operands.iter().all(|o| self.state_of(*o) == State::Float) {
            return State::Float;
        }
        if operands.iter().any(|o| self.state_of(*o) == State::Constant) {
            return self.float(id, "it joins a tensor with a constant");
        }
        let sites: Option<Vec<NodeId>> = operands.iter().map(|o| self.settle(*o)).collect();
        match sites {
            Some(sites) => {
                let first = sites[0];
                self.joined.push(sites);
                State::Quantised(first)
            }
            None => State::Float,
        }
    }

    /// Sites in order, those that are joined in one group.
    fn finish(self) -> Placed {
        let nodes: Vec<NodeId> = self.sites.iter().copied().collect();
        let mut group: Vec<usize> = (0..nodes.len()).collect();
        for list in &self.joined {
            let members: Vec<usize> = list.iter().filter_map(|n| nodes.binary_search(n).ok()).collect();
            let least = members.iter().map(|m| group[*m]).min().unwrap_or(0);
            let old: Vec<usize> = members.iter().map(|m| group[*m]).collect();
            group.iter_mut().filter(|g| old.contains(g)).for_each(|g| *g = least);
        }
        let fixed = |n: &NodeId| self.quotients.contains_key(n).then_some((1.0 / 256.0, -128));
        let sites = nodes.iter().zip(group).map(|(n, group)| Placement { node: *n, group, fixed: fixed(n) });
        let moved = self.states.iter().enumerate().filter_map(|(i, s)| match s {
            State::Quantised(site) if site.index() != i => Some((NodeId::from_index(i), *site)),
            _ => None,
        });
        let (sites, moved) = (sites.collect(), moved.collect());
        Placed { sites, products: self.products, floats: self.floats, moved }
    }
}
