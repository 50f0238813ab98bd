//! Lowering of units of pointwise operations and reductions.

use super::units::{Role, walked};
use super::{Late, Lower};
use crate::memory::{BufferId, BufferPlace};
use crate::pointwise::{GroupBuilder, Val};
use crate::schedule::{Entry, Task};
use crate::view::{View, identity};
use std::collections::HashMap;
use teff_graph::{NodeId, Op};

/// A unit in the making.
struct Unit {
    builder: GroupBuilder,
    number: usize,
    values: HashMap<NodeId, Val>,
    reads: Vec<BufferId>,
    writes: Vec<BufferId>,
}

impl Lower<'_> {
    /// Computes a unit in one pass.
    pub(super) fn fused(&mut self, members: &[NodeId]) {
        let first = members[0];
        let shape = walked(self.graph, first, self.units.roles[first.index()]);
        self.label = members.iter().find_map(|m| self.graph[*m].label.as_deref()).unwrap_or_default().into();
        let order = self.walking_order(members, &shape);
        let mut unit = Unit {
            builder: GroupBuilder::new(self.level, &shape, &order),
            number: self.units.unit_of[first.index()],
            values: HashMap::new(),
            reads: Vec::new(),
            writes: Vec::new(),
        };
        let mut stored: Vec<(NodeId, Val, View)> = Vec::new();
        for &m in members {
            if let Op::Reduce { kind, .. } = &self.graph[m].op {
                let v = self.value(&mut unit, self.graph[m].operands[0]);
                let view = self.result(m, &order);
                unit.builder.fold(v, *kind, &view);
                unit.writes.push(view.buffer);
                continue;
            }
            let v = self.value(&mut unit, m);
            if self.used_outside[m.index()] {
                stored.push((m, v, View::row_major(BufferId(0), self.graph[m].ty.dtype, &shape)));
            }
        }
        for (m, v, view) in &mut stored {
            *view = self.stored_result(&mut unit, *m, *v);
        }
        let overwrites = self.overwrites(&unit, &stored);
        let Unit { builder, reads, writes, .. } = unit;
        let step = Task::Pointwise(Box::new(builder.finish()));
        self.entries.push(Entry { step, reads, writes, overwrites, label: self.label.clone() });
    }

    /// Memory for a value of the unit that others need; where it replaces a parameter, only as far as the old value is out of
    /// the way.
    fn stored_result(&mut self, unit: &mut Unit, m: NodeId, v: Val) -> View {
        let mut view = self.result(m, unit.builder.order());
        let Some(BufferPlace::External(slot)) = self.buffers[view.buffer.index()].place else {
            unit.builder.store(v, &view);
            unit.writes.push(view.buffer);
            return view;
        };
        let olds: Vec<BufferId> = unit
            .reads
            .iter()
            .copied()
            .filter(|b| self.buffers[b.index()].place == Some(BufferPlace::External(slot)))
            .collect();
        if olds.iter().all(|&old| unit.builder.reads_in_place(old)) {
            unit.builder.store(v, &view);
            if !olds.iter().all(|&old| unit.builder.may_overwrite(v, old)) {
                unit.builder.store_late(v);
            }
        } else {
            self.buffers[view.buffer.index()].place = None;
            self.late.push((Late::Node(m), slot));
            view = self.views[m.index()].clone().expect("made above");
            unit.builder.store(v, &view);
        }
        unit.writes.push(view.buffer);
        view
    }

    /// Which results of the unit may lie where an operand lies.
    fn overwrites(&self, unit: &Unit, stored: &[(NodeId, Val, View)]) -> Vec<(BufferId, BufferId)> {
        let mut out = Vec::new();
        for (_, v, view) in stored {
            for old in unit.builder.read_in_place() {
                let whole = self.buffers[old.index()].len == view.len();
                if whole && unit.builder.may_overwrite(*v, old) {
                    out.push((view.buffer, old));
                }
            }
        }
        out
    }

    /// The order of axes in which most bytes of the operands lie; row-major when in doubt.
    fn walking_order(&mut self, members: &[NodeId], shape: &[usize]) -> Vec<usize> {
        let number = self.units.unit_of[members[0].index()];
        let mut leaves: Vec<NodeId> = Vec::new();
        let mut open: Vec<NodeId> = members.iter().flat_map(|&m| self.graph[m].operands.clone()).collect();
        while let Some(o) = open.pop() {
            if self.units.roles[o.index()] == Role::Inline {
                open.extend(&self.graph[o].operands);
            } else if self.units.unit_of[o.index()] != number && !leaves.contains(&o) {
                leaves.push(o);
            }
        }
        let mut votes: Vec<(Vec<usize>, usize)> = vec![(identity(shape.len()), 0)];
        for leaf in leaves {
            let view = self.view(leaf);
            if view.shape != shape || view.len() < 2 {
                continue;
            }
            if let Some(order) = view.dense_order() {
                let bytes = view.len() * view.dtype.size();
                match votes.iter_mut().find(|(o, _)| *o == order) {
                    Some((_, n)) => *n += bytes,
                    None => votes.push((order, bytes)),
                }
            }
        }
        let most = votes.iter().map(|v| v.1).max().unwrap_or(0);
        votes.into_iter().find(|v| v.1 == most).expect("row-major is there").0
    }

    fn value(&mut self, unit: &mut Unit, id: NodeId) -> Val {
        if let Some(&v) = unit.values.get(&id) {
            return v;
        }
        let inside =
            self.units.roles[id.index()] == Role::Inline || self.units.unit_of[id.index()] == unit.number;
        let v = if inside { self.computed(unit, id) } else { self.loaded(unit, id) };
        unit.values.insert(id, v);
        v
    }

    fn loaded(&mut self, unit: &mut Unit, id: NodeId) -> Val {
        let view = self.view(id);
        if !unit.reads.contains(&view.buffer) {
            unit.reads.push(view.buffer);
        }
        unit.builder.load(&view)
    }

    fn computed(&mut self, unit: &mut Unit, id: NodeId) -> Val {
        let operands: Vec<NodeId> = self.graph[id].operands.clone();
        let v: Vec<Val> = operands.iter().map(|&o| self.value(unit, o)).collect();
        let node = &self.graph[id];
        let b = &mut unit.builder;
        match &node.op {
            Op::Unary(u) => b.unary(*u, v[0]),
            Op::Binary(op) => b.binary(*op, v[0], v[1]),
            Op::Select => b.select(v[0], v[1], v[2]),
            Op::Cast(dtype) => b.cast(*dtype, v[0]),
            Op::Iota { ty, axis } => b.iota(*axis, ty.dtype),
            // Only pointwise operations are put into units.
            op => unreachable!("{op} is not pointwise"),
        }
    }
}
