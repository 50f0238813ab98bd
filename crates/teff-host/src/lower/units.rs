//! What is computed together: pointwise operations and the reductions behind them become units, every other operation is one by
//! itself.

use super::patterns::Patterns;
use std::collections::BinaryHeap;
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
}

const NONE: usize = usize::MAX;

impl Units {
    pub(crate) fn new(graph: &Graph) -> Units {
        let patterns = Patterns::new(graph);
        let class = roles(graph, &patterns);
        let n = graph.nodes().len();
        let mut units =
            Units { roles: class, patterns, unit_of: vec![NONE; n], members: Vec::new(), before: Vec::new() };
        for id in graph.ids() {
            match units.roles[id.index()] {
                Role::Source | Role::Move | Role::Inline | Role::Absorbed => continue,
                Role::Pointwise | Role::Reduce | Role::Single => {}
            }
            units.unit_of[id.index()] = units.members.len();
            units.members.push(vec![id]);
            units.before.push(Vec::new());
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
            if mine == theirs || self.needs_itself(graph, &[mine, theirs]) {
                continue;
            }
            let moved = std::mem::take(&mut self.members[mine]);
            moved.iter().for_each(|m| self.unit_of[m.index()] = theirs);
            self.members[theirs].extend(moved);
            self.members[theirs].sort_unstable();
        }
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

    /// True when, taken as one, `together` would need itself through some other unit.
    fn needs_itself(&self, graph: &Graph, together: &[usize]) -> bool {
        let mut seen = vec![false; self.members.len()];
        let mut open: Vec<usize> = Vec::new();
        for &t in together {
            open.extend(self.needs(graph, t).into_iter().filter(|u| !together.contains(u)));
            // Inside a unit only values of single elements are handed on, not whole ones to be moved, and not sums.
            let members = self.members[t].iter();
            if members.flat_map(|&m| &graph[m].operands).any(|&o| self.takes_whole(graph, o, false, together))
            {
                return true;
            }
        }
        while let Some(u) = open.pop() {
            if together.contains(&u) {
                return true;
            }
            if !std::mem::replace(&mut seen[u], true) {
                open.extend(self.needs(graph, u));
            }
        }
        false
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
        if first == second {
            return true;
        }
        self.before[second].push(first);
        let possible = !self.needs_itself(graph, &[second]);
        if !possible {
            self.before[second].pop();
        }
        possible
    }

    /// Units whose members read source `id`, through moves and inline nodes.
    pub(crate) fn readers(&self, graph: &Graph, id: NodeId) -> Vec<usize> {
        let mut reached = vec![false; graph.nodes().len()];
        reached[id.index()] = true;
        let mut out = Vec::new();
        for n in graph.ids().filter(|n| n.index() > id.index()) {
            if !graph[n].operands.iter().any(|o| reached[o.index()]) {
                continue;
            }
            match self.roles[n.index()] {
                Role::Move | Role::Inline | Role::Absorbed => reached[n.index()] = true,
                Role::Source => {}
                Role::Pointwise | Role::Reduce | Role::Single => out.push(self.unit_of[n.index()]),
            }
        }
        out.sort_unstable();
        out.dedup();
        out
    }

    /// All units, each after those it needs, otherwise in the order of the graph.
    pub(crate) fn schedule(&self, graph: &Graph) -> Vec<usize> {
        let needs: Vec<Vec<usize>> = (0..self.members.len()).map(|u| self.needs(graph, u)).collect();
        let mut waiting: Vec<usize> = needs.iter().map(Vec::len).collect();
        let mut users = vec![Vec::new(); needs.len()];
        for (u, list) in needs.iter().enumerate() {
            list.iter().for_each(|&n| users[n].push(u));
        }
        let key = |u: usize| self.members[u].last().map(|m| std::cmp::Reverse((*m, u)));
        let mut ready: BinaryHeap<_> =
            (0..needs.len()).filter(|&u| waiting[u] == 0).filter_map(key).collect();
        let mut out = Vec::new();
        while let Some(std::cmp::Reverse((_, unit))) = ready.pop() {
            out.push(unit);
            for &u in &users[unit] {
                waiting[u] -= 1;
                if waiting[u] == 0 {
                    ready.extend(key(u));
                }
            }
        }
        debug_assert_eq!(out.len(), self.members.iter().filter(|m| !m.is_empty()).count());
        out
    }
}

/// The shape of the elements a pointwise node or a reduction walks.
pub(crate) fn walked(graph: &Graph, id: NodeId, class: Role) -> Vec<usize> {
    match class {
        Role::Reduce => graph[graph[id].operands[0]].ty.shape.clone(),
        _ => graph[id].ty.shape.clone(),
    }
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
