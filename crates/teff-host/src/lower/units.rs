//! What is computed together: pointwise operations and the reductions behind them become units, every other operation is one by
//! itself.

use super::patterns::Patterns;
use std::collections::BTreeSet;
use teff_graph::{Binary, DType, Graph, NodeId, Op, Unary, facts};

/// How a node is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// There before the schedule runs.
    Source,
    /// A view of its operand.
    Move,
    /// Computed again by every unit that needs it, because that costs less than a pass over memory.
    Inline,
    /// Element by element, in a unit with others of its shape.
    Pointwise,
    /// Part of the single step of its only user.
    Absorbed,
    /// At the end of a unit of its operand's shape.
    Reduce,
    /// By itself.
    Single,
}

/// A graph divided into units.
pub(crate) struct Units {
    pub(crate) roles: Vec<Role>,
    pub(crate) patterns: Patterns,
    /// The unit of each node that has one, else `usize::MAX`.
    pub(crate) unit_of: Vec<usize>,
    /// Nodes of each unit in order; empty where a unit became part of another.
    pub(crate) members: Vec<Vec<NodeId>>,
    /// For each unit those that must come before it although it needs nothing of them.
    before: Vec<Vec<usize>>,
    /// All units, each after those it needs or must wait for, and the place of each in there. What a new wait or a union asks for is
    /// only looked for between the two places, and only what lies there is moved (Pearce and Kelly, "A dynamic topological sort
    /// algorithm for directed acyclic graphs", 2006): planning takes time in proportion to the graph.
    order: Vec<usize>,
    place: Vec<usize>,
    users: Vec<Vec<NodeId>>,
    /// Of each unit, how many steps that need whole values come before it, and behind it, at least; and how many there are in a row.
    steps_before: Vec<usize>,
    steps_behind: Vec<usize>,
    longest: usize,
}

const NONE: usize = usize::MAX;

impl Units {
    pub(crate) fn new(graph: &Graph) -> Units {
        let patterns = Patterns::new(graph);
        let class = roles(graph, &patterns);
        let n = graph.nodes().len();
        let mut units = Units {
            roles: class,
            patterns,
            unit_of: vec![NONE; n],
            members: Vec::new(),
            before: Vec::new(),
            order: Vec::new(),
            place: Vec::new(),
            users: graph.users(),
            steps_before: Vec::new(),
            steps_behind: Vec::new(),
            longest: 0,
        };
        let (before, behind) = units.steps_around(graph);
        for id in graph.ids() {
            match units.roles[id.index()] {
                Role::Source | Role::Move | Role::Inline | Role::Absorbed => continue,
                Role::Pointwise | Role::Reduce | Role::Single => {}
            }
            units.unit_of[id.index()] = units.members.len();
            units.members.push(vec![id]);
            units.before.push(Vec::new());
            units.place.push(units.order.len());
            units.order.push(units.order.len());
            units.steps_before.push(before[id.index()]);
            units.steps_behind.push(behind[id.index()]);
            if units.roles[id.index()] != Role::Single {
                units.join(graph, id);
            }
        }
        units
    }

    /// Merges the unit of `id` with those of its operands, as far as the same elements are walked and no unit would need itself.
    fn join(&mut self, graph: &Graph, id: NodeId) {
        let shape = walked(graph, id, self.roles[id.index()]);
        for o in self.direct_operands(graph, id) {
            if self.roles[o.index()] != Role::Pointwise || graph[o].ty.shape != shape {
                continue;
            }
            let (mine, theirs) = (self.unit_of[id.index()], self.unit_of[o.index()]);
            let (first, last) =
                if self.place[mine] < self.place[theirs] { (mine, theirs) } else { (theirs, mine) };
            // Inside a unit only values of single elements are handed on, not whole ones to be moved, and not sums.
            let whole = |unit: usize| {
                let operands = self.members[unit].iter().flat_map(|&m| &graph[m].operands);
                operands.into_iter().any(|&o| self.takes_whole(graph, o, false, &[mine, theirs]))
            };
            // Most values that are kept for the way back through a network are refused here, without looking for the way.
            let longer = self.steps_behind[first] + self.steps_before[last] > self.longest;
            if mine == theirs || longer || whole(mine) || whole(theirs) {
                continue;
            }
            let Some(needed) = self.needed_since(graph, first, last, true) else { continue };
            self.rearrange(first, last, &needed, [theirs, mine]);
            let moved = std::mem::take(&mut self.members[mine]);
            moved.iter().for_each(|m| self.unit_of[m.index()] = theirs);
            self.members[theirs].extend(moved);
            self.members[theirs].sort_unstable();
            self.steps_before[theirs] = self.steps_before[theirs].max(self.steps_before[mine]);
            self.steps_behind[theirs] = self.steps_behind[theirs].max(self.steps_behind[mine]);
        }
    }

    /// For each node how many steps that need whole values are on the longest way to it, and from it on.
    fn steps_around(&mut self, graph: &Graph) -> (Vec<usize>, Vec<usize>) {
        let is_step = |id: NodeId| usize::from(matches!(self.roles[id.index()], Role::Single | Role::Reduce));
        let (mut before, mut behind) = (vec![0; graph.nodes().len()], vec![0; graph.nodes().len()]);
        for id in graph.ids() {
            let ways = graph[id].operands.iter().map(|o| before[o.index()] + is_step(*o));
            before[id.index()] = ways.max().unwrap_or(0);
        }
        for id in graph.ids().rev() {
            let ways = self.users[id.index()].iter().map(|u| behind[u.index()] + is_step(*u));
            behind[id.index()] = ways.max().unwrap_or(0);
        }
        let through = graph.ids().map(|id| before[id.index()] + is_step(id) + behind[id.index()]);
        self.longest = through.max().unwrap_or(0);
        (before, behind)
    }

    /// Operands of a node, with inline nodes replaced by theirs.
    fn direct_operands(&self, graph: &Graph, id: NodeId) -> Vec<NodeId> {
        let mut out = Vec::new();
        let mut open: Vec<NodeId> = graph[id].operands.clone();
        while let Some(o) = open.pop() {
            if matches!(self.roles[o.index()], Role::Inline | Role::Absorbed) {
                open.extend(&graph[o].operands);
            } else if !out.contains(&o) {
                out.push(o);
            }
        }
        out
    }

    /// For each node whether anything but its own unit reads its result: another unit, a move, or who takes the outputs.
    pub(crate) fn used_outside(&self, graph: &Graph) -> Vec<bool> {
        let mut used = vec![false; graph.nodes().len()];
        graph.outputs().iter().for_each(|o| used[o.node.index()] = true);
        for id in graph.ids() {
            match self.roles[id.index()] {
                Role::Source | Role::Inline | Role::Absorbed => {}
                Role::Move => graph[id].operands.iter().for_each(|o| used[o.index()] = true),
                Role::Pointwise | Role::Reduce | Role::Single => {
                    for o in self.direct_operands(graph, id) {
                        used[o.index()] |= self.unit_of[o.index()] != self.unit_of[id.index()];
                    }
                }
            }
        }
        used
    }

    /// The units that the result of `id` comes from at once, through moves and inline nodes.
    fn units_behind(&self, graph: &Graph, id: NodeId, found: &mut impl FnMut(usize)) {
        let mut open = vec![id];
        while let Some(o) = open.pop() {
            match self.roles[o.index()] {
                Role::Source => {}
                Role::Move | Role::Inline | Role::Absorbed => open.extend(&graph[o].operands),
                Role::Pointwise | Role::Reduce | Role::Single => found(self.unit_of[o.index()]),
            }
        }
    }

    /// Units that `unit` needs or must wait for.
    fn needs(&self, graph: &Graph, unit: usize) -> Vec<usize> {
        let mut out = self.before[unit].clone();
        for m in &self.members[unit] {
            for &o in &graph[*m].operands {
                self.units_behind(graph, o, &mut |u| out.push(u));
            }
        }
        out.sort_unstable();
        out.dedup();
        out.retain(|&u| u != unit);
        out
    }

    /// The units placed between `first` and `last` that `last` needs; `None` when it needs `first` through one of them, or, unless
    /// they are to be one, at once.
    fn needed_since(
        &self,
        graph: &Graph,
        first: usize,
        last: usize,
        are_one: bool,
    ) -> Option<BTreeSet<usize>> {
        let mut needed = BTreeSet::new();
        let mut open = vec![last];
        while let Some(unit) = open.pop() {
            for n in self.needs(graph, unit) {
                if n == first && !(are_one && unit == last) {
                    return None;
                }
                if self.place[n] > self.place[first] && needed.insert(n) {
                    open.push(n);
                }
            }
        }
        Some(needed)
    }

    /// Places between `first` and `last`, both included, anew: what is needed, then the `pair` that the two are, then all others.
    fn rearrange(&mut self, first: usize, last: usize, needed: &BTreeSet<usize>, pair: [usize; 2]) {
        let (from, to) = (self.place[first], self.place[last]);
        let between: Vec<usize> = self.order[from + 1..to].to_vec();
        let (before, after): (Vec<usize>, Vec<usize>) = between.into_iter().partition(|u| needed.contains(u));
        for (i, unit) in before.into_iter().chain(pair).chain(after).enumerate() {
            self.order[from + i] = unit;
            self.place[unit] = from + i;
        }
    }

    /// True when `id` needs the whole result of a node of the units `together`.
    fn takes_whole(&self, graph: &Graph, id: NodeId, moved: bool, together: &[usize]) -> bool {
        let deeper =
            |moved: bool| graph[id].operands.iter().any(|&o| self.takes_whole(graph, o, moved, together));
        let inside = together.contains(&self.unit_of[id.index()]);
        match self.roles[id.index()] {
            Role::Source => false,
            Role::Move => deeper(true),
            Role::Inline | Role::Absorbed => deeper(moved),
            Role::Pointwise => inside && moved,
            Role::Reduce | Role::Single => inside,
        }
    }

    /// Makes `first` come before `second`; false, and nothing done, when that cannot be.
    pub(crate) fn order(&mut self, graph: &Graph, first: usize, second: usize) -> bool {
        if self.place[first] > self.place[second] {
            let Some(needed) = self.needed_since(graph, second, first, false) else { return false };
            self.rearrange(second, first, &needed, [first, second]);
        }
        if first != second {
            self.before[second].push(first);
        }
        true
    }

    /// Units whose members read source `id`, through moves and inline nodes.
    pub(crate) fn readers(&self, id: NodeId) -> BTreeSet<usize> {
        let mut out = BTreeSet::new();
        let mut open = vec![id];
        while let Some(at) = open.pop() {
            for &user in &self.users[at.index()] {
                match self.roles[user.index()] {
                    Role::Move | Role::Inline | Role::Absorbed => open.push(user),
                    Role::Source => {}
                    Role::Pointwise | Role::Reduce | Role::Single => {
                        out.insert(self.unit_of[user.index()]);
                    }
                }
            }
        }
        out
    }

    /// All units, each after those it needs.
    pub(crate) fn schedule(&self) -> Vec<usize> {
        self.order.iter().copied().filter(|unit| !self.members[*unit].is_empty()).collect()
    }
}

/// The shape of the elements a pointwise node or a reduction walks.
pub(crate) fn walked(graph: &Graph, id: NodeId, class: Role) -> Vec<usize> {
    let walked = if class == Role::Reduce { graph[id].operands[0] } else { id };
    graph[walked].ty.shape.clone()
}

fn roles(graph: &Graph, patterns: &Patterns) -> Vec<Role> {
    let last = |id: &NodeId| patterns.convs.contains_key(id) || patterns.masked_pools.contains_key(id);
    let class = |id: NodeId| match id {
        id if patterns.absorbed[id.index()] => Role::Absorbed,
        id if last(&id) => Role::Single,
        id => role_alone(graph, id),
    };
    let mut class: Vec<Role> = graph.ids().map(class).collect();
    let users = graph.users();
    let mut is_output = vec![false; graph.nodes().len()];
    graph.outputs().iter().for_each(|o| is_output[o.node.index()] = true);
    for id in graph.ids().filter(|&id| class[id.index()] == Role::Inline).collect::<Vec<_>>() {
        let fused = users[id.index()].iter().all(|u| match class[u.index()] {
            Role::Inline | Role::Pointwise | Role::Reduce => true,
            // The step of a masked pool looks at the pool's input itself.
            Role::Single => patterns.masked_pools.contains_key(u),
            Role::Source | Role::Move | Role::Absorbed => false,
        });
        if is_output[id.index()] || !fused {
            class[id.index()] = Role::Pointwise;
        }
    }
    class
}

fn role_alone(graph: &Graph, id: NodeId) -> Role {
    let op = &graph[id].op;
    let truth = || graph[id].ty.dtype == DType::Bool;
    match (op.traits().class, op) {
        (_, Op::Iota { .. } | Op::Unary(Unary::IsNan | Unary::IsInf)) => Role::Inline,
        (_, Op::Binary(Binary::And | Binary::Or | Binary::Xor)) => Role::Inline,
        (_, Op::Binary(b)) if b.is_comparison() => Role::Inline,
        (_, Op::Unary(Unary::Not)) if truth() => Role::Inline,
        (_, Op::Cast(_)) if !graph[graph[id].operands[0]].ty.dtype.is_float() => Role::Inline,
        (_, Op::Quantize { .. } | Op::Dequantize) => Role::Single,
        (_, Op::Reduce { .. }) => Role::Reduce,
        (facts::Class::View, _) | (_, Op::Project(_)) => Role::Move,
        (facts::Class::Source, _) => Role::Source,
        (facts::Class::Pointwise, _) => Role::Pointwise,
        (facts::Class::Copy | facts::Class::Reduction | facts::Class::Product, _) => Role::Single,
        (facts::Class::Other, _) => Role::Single,
    }
}
