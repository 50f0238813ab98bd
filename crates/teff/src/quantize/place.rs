//! Where tensors are quantised.
//!
//! The integer rewriting of the compiler is asked what it would make of each node ([`Prospect`]). Sums of products, of windows and of two tensors
//! are of 8-bit operands, and what is moved is 8 bits before; what is added to sums, scales or clamps them by channel is followed in their wide
//! integers, and a function of one 8-bit element becomes a table. An operand that is to have 8 bits and has not is a site: the walk
//! goes back to it, and on from there.

use super::patterns::normalisation;
use std::collections::{BTreeMap, BTreeSet};
use teff_compile::{Form, Prospect};
use teff_graph::facts::{Class, Known, is_layer, softmax};
use teff_graph::{DType, Graph, NodeId, Op, PoolKind, ReduceKind, Unary};

/// What was found.
pub(super) struct Placed {
    pub(super) products: Vec<Weighted>,
    pub(super) sites: Vec<Placement>,
    pub(super) floats: Vec<(String, &'static str)>,
    /// Nodes whose elements are those of a site, elsewhere, with the site.
    pub(super) moved: Vec<(NodeId, NodeId)>,
}

/// A convolution or product with constant weights.
pub(super) struct Weighted {
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
    pub(super) is_output: bool,
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
    /// Not computed in integers; why, unless its operands are not either.
    Float(Option<&'static str>),
}

/// A node that must be quantised before the walk can go on.
struct Wanted(NodeId);

struct Placer<'a> {
    graph: &'a Graph,
    known: Known<'a>,
    prospect: Prospect<'a>,
    uses: Vec<usize>,
    users: Vec<Vec<NodeId>>,
    /// Whether nothing behind a node multiplies and accumulates, or loops.
    last: Vec<bool>,
    /// Elements of the largest tensor that is computed.
    largest: usize,
    /// Nodes inside a softmax, and their quotients with what they are the softmax of.
    inside: BTreeSet<NodeId>,
    quotients: BTreeMap<NodeId, NodeId>,
    /// Nodes of normalisations.
    normal: BTreeSet<NodeId>,
    /// Nodes whose ratios matter, not their differences: what logarithms are taken of.
    ratios: BTreeSet<NodeId>,
    /// What each node is where it is computed.
    states: Vec<State>,
    sites: BTreeSet<NodeId>,
}

pub(super) fn place(graph: &Graph) -> Placed {
    let known = Known::new(graph);
    let (mut inside, mut quotients, mut normal) = (BTreeSet::new(), BTreeMap::new(), BTreeSet::new());
    for id in graph.ids() {
        if let Some(found) = softmax(graph, id) {
            quotients.insert(id, found.of);
            inside.extend(found.within);
        }
        normal.extend(normalisation(graph, &known, id).into_iter().flatten());
    }
    let ratios = before_logarithms(graph);
    let (prospect, uses) = (Prospect::new(graph), graph.uses());
    let (states, sites) = (Vec::new(), BTreeSet::new());
    let computed = graph.ids().filter(|id| known.compact(*id).is_none()).map(|id| graph[id].ty.len());
    let largest = computed.max().unwrap_or(0);
    let users = graph.users();
    let mut last = vec![true; users.len()];
    for id in graph.ids().rev() {
        let light = |user: &NodeId| {
            let class = graph[*user].op.traits().class;
            last[user.index()] && !matches!(class, Class::Product | Class::Other)
        };
        last[id.index()] = users[id.index()].iter().all(light);
    }
    let mut walk = Placer {
        graph,
        known,
        prospect,
        uses,
        users,
        last,
        largest,
        inside,
        quotients,
        normal,
        ratios,
        states,
        sites,
    };
    while let Err(Wanted(site)) = walk.go_on() {
        walk.sites.insert(site);
        walk.states.truncate(site.index());
    }
    walk.finish()
}

impl Placer<'_> {
    /// Gives each node from the first without a state its state.
    fn go_on(&mut self) -> Result<(), Wanted> {
        for id in self.graph.ids().skip(self.states.len()) {
            let state = self.state(id)?;
            self.states.push(state);
            if self.sites.contains(&id) && state != State::Constant {
                self.prospect.quantise(id);
            }
        }
        for o in self.graph.outputs() {
            if self.is_output(o.node) {
                self.sites.insert(o.node);
            } else if !matches!(self.state_of(o.node), State::Float(_)) {
                self.want(o.node)?;
            }
        }
        Ok(())
    }

    /// What users of `id` see.
    fn state_of(&self, id: NodeId) -> State {
        match self.states[id.index()] {
            State::Constant => State::Constant,
            _ if self.sites.contains(&id) => State::Quantised(id),
            state => state,
        }
    }

    /// Goes on only if `id`, unless it is constant or not of floats, is 8 bits.
    fn want(&self, id: NodeId) -> Result<(), Wanted> {
        let is_float = self.graph[id].ty.dtype == DType::F32;
        match self.state_of(id) {
            State::Wide(_) | State::Table(_) | State::Softmax | State::Float(_) if is_float => {
                Err(Wanted(id))
            }
            _ => Ok(()),
        }
    }

    /// What the inputs of a float operation are computed in stays integer.
    fn float(&self, id: NodeId, why: &'static str) -> Result<State, Wanted> {
        let mut why = Some(why);
        let computed = |o: &&NodeId| !matches!(self.state_of(**o), State::Float(_) | State::Constant);
        let operands: Vec<&NodeId> = self.graph[id].operands.iter().filter(computed).collect();
        if operands.is_empty() {
            why = None;
        }
        operands.into_iter().filter(|o| !self.is_small_sum(**o)).try_for_each(|o| self.want(*o))?;
        Ok(State::Float(why))
    }

    /// Whether sums or floats are what the network gives, of which nothing but floats is made: what it gives can be floats or 8 bits.
    fn is_output(&self, id: NodeId) -> bool {
        let float = self.graph[id].ty.dtype == DType::F32 && !matches!(self.graph[id].op, Op::Input { .. });
        let made = matches!(self.states[id.index()], State::Wide(_) | State::Float(_));
        let of_floats = |user: &NodeId| matches!(self.states[user.index()], State::Float(_));
        let given = self.graph.outputs().iter().any(|o| o.node == id);
        given && float && made && self.users[id.index()].iter().all(of_floats)
    }

    /// Sums that floats are made of, not 8 bits first.
    fn is_small_sum(&self, id: NodeId) -> bool {
        matches!(self.state_of(id), State::Wide(_)) && self.is_small(id)
    }

    /// Whether a tensor of floats takes no more memory than some tensor of 8 bits.
    fn is_small(&self, id: NodeId) -> bool {
        4 * self.graph[id].ty.len() <= self.largest
    }

    fn state(&mut self, id: NodeId) -> Result<State, Wanted> {
        let node = &self.graph[id];
        let form = self.prospect.follow(id);
        if let Op::Input { .. } = node.op {
            return Ok(State::Float(None));
        }
        if form == Form::Constant {
            return Ok(State::Constant);
        }
        if self.ratios.contains(&id) && form != Form::Sums {
            return self.float(id, "a logarithm needs more than 8 bits of what it is taken of");
        }
        if self.inside.contains(&id) {
            return Ok(State::Float(None));
        }
        if let Some(&of) = self.quotients.get(&id) {
            self.want(of)?;
            let quantised = matches!(self.state_of(of), State::Quantised(_));
            return Ok(if quantised { State::Softmax } else { State::Float(None) });
        }
        if self.normal.contains(&id) {
            return self.float(id, "a normalisation needs more than 8 bits on the way");
        }
        if node.ty.dtype == DType::F64 {
            return self.float(id, "it computes in f64");
        }
        if is_layer(&self.graph[id].op)
            && let Err(why) = self.weight_of(id)
        {
            return self.float(id, why);
        }
        self.as_followed(id, form)
    }

    /// What `id` is as the compiler follows it, once its operands are what they have to be.
    fn as_followed(&mut self, id: NodeId, form: Form) -> Result<State, Wanted> {
        let node = &self.graph[id];
        let operands: Vec<NodeId> =
            node.operands.iter().copied().filter(|o| self.state_of(*o) != State::Constant).collect();
        let Some(&x) = operands.first() else { return Ok(State::Float(None)) };
        let pointwise = node.op.traits().class == Class::Pointwise;
        match (form, self.state_of(x)) {
            (Form::Function(site), _) => return Ok(State::Table(site)),
            (Form::Quantised, State::Quantised(site)) => return Ok(State::Quantised(site)),
            // Where several use the same sums, all that is made of them keeps that in mind.
            (Form::Sums, State::Wide(root)) if pointwise && operands.len() == 1 => {
                return Ok(State::Wide(if root == x && self.uses[x.index()] == 1 { id } else { root }));
            }
            (Form::Sums, _) if pointwise && operands.len() == 1 || self.stays_wide(id, x) => {
                return Ok(State::Wide(id));
            }
            (Form::Sums, _) if operands.iter().all(|o| self.want(*o).is_ok()) => return Ok(State::Wide(id)),
            _ => {}
        }
        if let Some(root) = self.root(id).filter(|root| pointwise && !self.sites.contains(root)) {
            return Err(Wanted(root));
        }
        // Where floats are computed already, what they are combined with joins them, unless that takes more memory. What is made of the last
        // sums is worth no rounding.
        let computed = |o: &NodeId| {
            matches!(self.state_of(*o), State::Float(_)) && !matches!(self.graph[*o].op, Op::Input { .. })
        };
        let last = operands.len() > 1
            && self.last[id.index()]
            && operands.iter().any(|o| matches!(self.state_of(*o), State::Wide(_)));
        if pointwise && (last || operands.iter().any(computed)) && self.is_small(id) {
            return self.float(id, "").map(|_| State::Float(None));
        }
        let then = self.prospect.if_quantised(id);
        let all = |is: &dyn Fn(NodeId) -> bool| operands.iter().all(|o| is(*o));
        // Floats are not quantised only to be moved, looked up or added, but for what the network takes.
        let is_input = |o: NodeId| matches!(self.graph[o].op, Op::Input { .. });
        let worthwhile = match then {
            Form::Sums if is_layer(&self.graph[id].op) => true,
            Form::Sums => (!pointwise || operands.len() > 1) && operands.iter().any(|o| is_input(*o)),
            Form::Quantised => all(&is_input),
            Form::Function(_) | Form::Constant | Form::Float => false,
        };
        if !worthwhile && all(&|o| matches!(self.state_of(o), State::Float(_))) {
            return Ok(State::Float(None));
        }
        if then != Form::Float {
            operands.iter().try_for_each(|o| self.want(*o))?;
        }
        self.float(id, reason(&node.op))
    }

    /// Whether sums `x` stay sums in `id`: a bias may follow a reshape, and channels stay apart as long as only axes of size 1 come and go.
    fn stays_wide(&self, id: NodeId, x: NodeId) -> bool {
        let sizes = |id: NodeId| self.graph[id].ty.shape.iter().filter(|n| **n != 1).collect::<Vec<_>>();
        matches!((&self.graph[id].op, self.state_of(x)), (Op::Reshape(_), State::Wide(_)))
            && self.uses[x.index()] == 1
            && sizes(x) == sizes(id)
    }

    /// The tensor that all operands but constants of one value are functions of, or would be if it were quantised.
    fn root(&self, id: NodeId) -> Option<NodeId> {
        let mut root = None;
        for &o in &self.graph[id].operands {
            let of = match self.state_of(o) {
                State::Wide(of) | State::Table(of) => of,
                State::Quantised(_) => o,
                State::Constant if self.known.uniform(o).is_some() => continue,
                State::Constant | State::Softmax | State::Float(_) => return None,
            };
            if *root.get_or_insert(of) != of {
                return None;
            }
        }
        root
    }

    /// The constant weights of a convolution or product, if it has some.
    ///
    /// # Errors
    /// Why the layer cannot be quantised.
    fn weight_of(&self, id: NodeId) -> Result<Option<NodeId>, &'static str> {
        let node = &self.graph[id];
        let (x, w) = (node.operands[0], node.operands[1]);
        let is_product = matches!(node.op, Op::MatMul);
        let bare = if is_product { self.graph.unrepeated(w) } else { w };
        let flat = !is_product || self.graph[bare].ty.shape.iter().rev().skip(2).all(|n| *n == 1);
        let is_constant = |id| self.state_of(id) == State::Constant;
        let one_matrix = matches!(self.graph[bare].op, Op::Constant(_)) && flat;
        match (is_constant(x), is_constant(w)) {
            (true, _) => Err("its constant comes first"),
            (false, _) if one_matrix => Ok(Some(bare)),
            (false, true) => Err("its weights are computed, or differ by batch"),
            (false, false) => Ok(None),
        }
    }

    /// Sites in order, those that are joined in one group.
    fn finish(self) -> Placed {
        let nodes: Vec<NodeId> = self.sites.iter().copied().collect();
        let mut group: Vec<usize> = (0..nodes.len()).collect();
        for id in self.graph.ids() {
            let members = self.joined(id);
            let members: Vec<usize> = members.iter().filter_map(|n| nodes.binary_search(n).ok()).collect();
            let least = members.iter().map(|m| group[*m]).min().unwrap_or(0);
            let old: Vec<usize> = members.iter().map(|m| group[*m]).collect();
            group.iter_mut().filter(|g| old.contains(g)).for_each(|g| *g = least);
        }
        let fixed = |n: &NodeId| self.quotients.contains_key(n).then_some((1.0 / 256.0, -128));
        let sites = nodes.iter().zip(group).map(|(n, group)| Placement {
            node: *n,
            group,
            fixed: fixed(n),
            is_output: self.is_output(*n),
        });
        let moved = self.graph.ids().filter_map(|id| match self.state_of(id) {
            State::Quantised(site) if site != id => Some((id, site)),
            _ => None,
        });
        let products = self.graph.ids().filter_map(|id| {
            let State::Wide(_) = self.states[id.index()] else { return None };
            is_layer(&self.graph[id].op).then_some(())?;
            let weight = self.weight_of(id).ok().flatten()?;
            let State::Quantised(input) = self.state_of(self.graph[id].operands[0]) else { return None };
            Some(Weighted { node: id, weight, input })
        });
        let mut floats: Vec<(String, &'static str)> = Vec::new();
        for (node, state) in self.graph.nodes().iter().zip(&self.states) {
            if let State::Float(Some(why)) = state {
                let entry = (node.label.as_deref().unwrap_or(node.op.name()).to_string(), *why);
                floats.extend((!floats.contains(&entry)).then_some(entry));
            }
        }
        Placed { sites: sites.collect(), products: products.collect(), floats, moved: moved.collect() }
    }

    /// Sites that share a grid because of `id`: parts that it joins, or what it moves, if it is a site too.
    fn joined(&self, id: NodeId) -> Vec<NodeId> {
        let State::Quantised(site) = self.states[id.index()] else { return Vec::new() };
        let of = |o: &NodeId| match self.state_of(*o) {
            State::Quantised(site) => Some(site),
            _ => None,
        };
        let mut sites = vec![site];
        if let Op::Concat { .. } = self.graph[id].op {
            sites.extend(self.graph[id].operands.iter().filter_map(of));
        }
        sites.extend(self.sites.contains(&id).then_some(id));
        sites
    }
}

/// What logarithms are taken of, back to the products that it is computed from, or the exponentials: of these to what they are the exponential
/// of, less its maximum. `log(1 + exp(x))` is a function of one element, and none.
fn before_logarithms(graph: &Graph) -> BTreeSet<NodeId> {
    let mut found = BTreeSet::new();
    for log in graph.ids().filter(|id| matches!(graph[*id].op, Op::Unary(Unary::Log))) {
        let (mut left, mut seen, mut is_function) = (vec![(log, false)], BTreeSet::new(), true);
        while let Some((id, exponential)) = left.pop() {
            let op = &graph[id].op;
            let exponential = exponential || matches!(op, Op::Unary(Unary::Exp));
            let passes = match op.traits().class {
                Class::Pointwise | Class::View => true,
                Class::Reduction => !exponential || matches!(op, Op::Reduce { kind: ReduceKind::Max, .. }),
                // Given, or computed of much else.
                _ => matches!(op, Op::Constant(_)),
            };
            is_function &= exponential || passes && !matches!(op.traits().class, Class::Reduction);
            if passes && seen.insert(id) {
                left.extend(graph[id].operands.iter().map(|o| (*o, exponential)));
            }
        }
        if !is_function {
            found.extend(seen);
        }
    }
    found
}

/// Why an operation is not followed in integers.
fn reason(op: &Op) -> &'static str {
    match op {
        Op::Unary(_) | Op::Binary(_) | Op::Select | Op::Cast(_) => {
            "it combines tensors in a way that has no integer kernel"
        }
        Op::ConvTranspose { geometry, .. } if geometry.groups > 1 => {
            "grouped transposed convolutions stay in floats"
        }
        Op::Conv(_) | Op::MatMul | Op::ConvTranspose { .. } => "its sums may exceed 32 bits",
        Op::Pad(_) => "it pads with something else than 0",
        Op::Concat { .. } => "it joins a tensor with a constant",
        Op::Reduce { kind: ReduceKind::Prod, .. } => "products of many elements have no integer kernel",
        Op::Pool { kind: PoolKind::ArgMax, .. } | Op::ArgReduce { .. } | Op::ArgSort { .. } => {
            "positions of elements are found in floats"
        }
        Op::Pool { .. } | Op::Reduce { .. } => "its sums may exceed 32 bits",
        Op::Gather { .. } | Op::Scatter { .. } => "picking by index has no integer kernel",
        Op::Scan(_) | Op::Project(_) => "loops have no integer kernel",
        Op::ConvWeightGrad { .. } | Op::SumPoolGrad { .. } | Op::MaxPoolGrad { .. } => {
            "gradients have no integer kernel"
        }
        Op::Reshape(_) | Op::Permute(_) | Op::Broadcast(_) | Op::Slice(_) => "its scales lose their axis",
        Op::Quantize { .. } | Op::Dequantize => "it is quantised already",
        Op::Input { .. } | Op::Constant(_) | Op::Param(_) | Op::Iota { .. } | Op::Random { .. } => {
            "it is computed from nothing"
        }
    }
}
