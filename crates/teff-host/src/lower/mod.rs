//! From a graph to a schedule, and the plan of its arena.

mod fused;
mod layout;
mod patterns;
mod rewrite;
mod single;
mod units;

use crate::copy::Copy;
use crate::cpu::Level;
use crate::memory::{ALIGN, BufferId, BufferPlace, PlacedBuffer};
use crate::schedule::Schedule;
use crate::schedule::{Entry, Task};
use crate::view::{View, identity};
use std::collections::{BTreeSet, HashMap};
use teff_graph::arena::{Item, pack};
use teff_graph::{DType, Graph, NodeId, Op, Param};
pub(crate) use units::Role;
use units::Units;

/// Parameters of a graph, those in the bodies of scans included.
pub(crate) fn params_of(graph: &Graph) -> Vec<Param> {
    let mut out: Vec<Param> = Vec::new();
    for node in graph.nodes() {
        if let Op::Param(p) = &node.op {
            out.push(p.clone());
        } else if let Op::Scan(s) = &node.op {
            out.extend(params_of(&s.body));
        }
    }
    out.sort_by_key(Param::id);
    out.dedup_by_key(|p| p.id());
    out
}

/// The schedule of a verified graph. Slots of memory from outside are the inputs, the outputs, then `params`, which are at least
/// the parameters of the graph. `updates` are pairs of an output and the parameter, by its place in `params`, that it replaces;
/// the slot of such an output stays unused.
pub(crate) fn lower(graph: &Graph, params: &[Param], updates: &[(usize, usize)], level: Level) -> Schedule {
    let graph = rewrite::prepare(graph);
    let mut lower = Lower::new(&graph, params, level);
    lower.claim_outputs(updates);
    for unit in lower.units.schedule() {
        let members = lower.units.members[unit].clone();
        match lower.units.roles[members[0].index()] {
            Role::Pointwise | Role::Reduce => lower.fused(&members),
            Role::Single => lower.single(members[0]),
            Role::Source | Role::Move | Role::Inline | Role::Absorbed => {
                unreachable!("these are part of no unit")
            }
        }
    }
    for (source, slot) in std::mem::take(&mut lower.late) {
        let view = match source {
            Late::Node(id) => lower.view(id),
            Late::View(view) => view,
        };
        lower.copy_to_slot(view, slot);
    }
    lower.finish()
}

/// What is copied to memory outside after all else.
enum Late {
    Node(NodeId),
    View(View),
}

/// A buffer whose place may not be known yet.
struct Pending {
    dtype: DType,
    len: usize,
    place: Option<BufferPlace>,
}

struct Lower<'g> {
    graph: &'g Graph,
    params: &'g [Param],
    /// The nodes that read each parameter.
    sources: HashMap<u64, Vec<NodeId>>,
    level: Level,
    units: Units,
    wishes: Vec<Option<Vec<usize>>>,
    buffers: Vec<Pending>,
    views: Vec<Option<View>>,
    /// Results of each scan.
    scan_results: HashMap<NodeId, Vec<View>>,
    /// Copies made of views in other orders.
    copies: Vec<(View, View)>,
    entries: Vec<Entry>,
    /// Nodes computed straight into memory outside.
    direct: HashMap<NodeId, usize>,
    late: Vec<(Late, usize)>,
    /// Nodes whose result is read by anything but their own unit.
    used_outside: Vec<bool>,
    label: String,
}

impl<'g> Lower<'g> {
    fn new(graph: &'g Graph, params: &'g [Param], level: Level) -> Lower<'g> {
        let units = Units::new(graph);
        let wishes = layout::wishes(graph, &units.roles);
        let used_outside = units.used_outside(graph);
        let mut sources: HashMap<u64, Vec<NodeId>> = HashMap::new();
        for id in graph.ids() {
            if let Op::Param(p) = &graph[id].op {
                sources.entry(p.id()).or_default().push(id);
            }
        }
        Lower {
            graph,
            params,
            sources,
            level,
            units,
            wishes,
            buffers: Vec::new(),
            views: vec![None; graph.nodes().len()],
            scan_results: HashMap::new(),
            copies: Vec::new(),
            entries: Vec::new(),
            direct: HashMap::new(),
            late: Vec::new(),
            used_outside,
            label: String::new(),
        }
    }

    fn output_slot(&self, i: usize) -> usize {
        self.graph.inputs().len() + i
    }

    fn param_slot(&self, p: usize) -> usize {
        self.graph.inputs().len() + self.graph.outputs().len() + p
    }

    /// Decides how each output reaches its memory: computed there, copied there first of all (what is there before the schedule
    /// runs, and may be overwritten by it), or copied there last.
    fn claim_outputs(&mut self, updates: &[(usize, usize)]) {
        for &(i, p) in updates {
            let (node, slot) = (self.graph.outputs()[i].node, self.param_slot(p));
            if self.is_given(node) {
                // Another update may overwrite what this one reads, so it is taken aside first.
                let view = self.view(node);
                let aside = self.copy(&view, &identity(view.shape.len()));
                self.late.push((Late::View(aside), slot));
            } else if self.may_update_directly(node, p) {
                self.direct.insert(node, slot);
            } else {
                self.late.push((Late::Node(node), slot));
            }
        }
        for i in 0..self.graph.outputs().len() {
            let (node, slot) = (self.graph.outputs()[i].node, self.output_slot(i));
            if updates.iter().any(|&(u, _)| u == i) {
                continue;
            }
            if self.is_given(node) {
                let view = self.view(node);
                self.copy_to_slot(view, slot);
            } else if self.units.unit_of[node.index()] != usize::MAX && !self.direct.contains_key(&node) {
                self.direct.insert(node, slot);
            } else {
                self.late.push((Late::Node(node), slot));
            }
        }
    }

    /// True for a source, moved or not.
    fn is_given(&self, id: NodeId) -> bool {
        match self.units.roles[id.index()] {
            Role::Source => true,
            Role::Move => self.is_given(self.graph[id].operands[0]),
            Role::Inline | Role::Absorbed | Role::Pointwise | Role::Reduce | Role::Single => false,
        }
    }

    /// True when `node` can be computed straight into parameter `p`: everything else that reads the old value then comes before.
    fn may_update_directly(&mut self, node: NodeId, p: usize) -> bool {
        let unit = self.units.unit_of[node.index()];
        if unit == usize::MAX || self.direct.contains_key(&node) {
            return false;
        }
        // A result that is not computed element by element overwrites what its own unit still reads.
        let alone = self.units.roles[node.index()] != Role::Pointwise;
        let sources = self.sources.get(&self.params[p].id()).into_iter().flatten();
        let readers: BTreeSet<usize> = sources.flat_map(|s| self.units.readers(*s)).collect();
        readers
            .into_iter()
            .all(|reader| (reader != unit || !alone) && self.units.order(self.graph, reader, unit))
    }

    fn buffer(&mut self, dtype: DType, len: usize, place: Option<BufferPlace>) -> BufferId {
        self.buffers.push(Pending { dtype, len, place });
        BufferId(self.buffers.len() as u32 - 1)
    }

    /// Memory for the result of `id`, its axes in `order`: outside if the node was claimed for that and the order is right.
    fn result(&mut self, id: NodeId, order: &[usize]) -> View {
        let ty = &self.graph[id].ty;
        let buffer = self.buffer(ty.dtype, ty.len(), None);
        let view = View::dense(buffer, ty.dtype, &ty.shape, order);
        if let Some(slot) = self.direct.remove(&id) {
            if view.is_row_major() {
                self.buffers[buffer.index()].place = Some(BufferPlace::External(slot));
            } else {
                self.late.push((Late::Node(id), slot));
            }
        }
        self.views[id.index()] = Some(view.clone());
        view
    }

    /// Where the value of `id` lies.
    fn view(&mut self, id: NodeId) -> View {
        if let Some(view) = &self.views[id.index()] {
            return view.clone();
        }
        let node = &self.graph[id];
        let ty = node.ty.clone();
        let view = match &node.op {
            Op::Input { .. } => {
                let slot = self.graph.inputs().iter().position(|&i| i == id).expect("an input is listed");
                View::row_major(
                    self.buffer(ty.dtype, ty.len(), Some(BufferPlace::External(slot))),
                    ty.dtype,
                    &ty.shape,
                )
            }
            Op::Param(p) => {
                let p = self.params.iter().position(|q| q == p).expect("all parameters are given");
                let place = Some(BufferPlace::External(self.param_slot(p)));
                View::row_major(self.buffer(ty.dtype, ty.len(), place), ty.dtype, &ty.shape)
            }
            Op::Constant(v) => {
                let place = Some(BufferPlace::Constant(v.clone()));
                View::row_major(self.buffer(ty.dtype, ty.len(), place), ty.dtype, &ty.shape)
            }
            Op::Project(i) => self.scan_results[&node.operands[0]][*i].clone(),
            Op::Permute(perm) => self.view(node.operands[0]).permute(perm),
            Op::Broadcast(shape) => self.view(node.operands[0]).broadcast(shape),
            Op::Slice(axes) => self.view(node.operands[0]).slice(axes),
            Op::Reshape(shape) => {
                let from = self.view(node.operands[0]);
                from.reshape(shape).unwrap_or_else(|| {
                    let copy = self.copy(&from, &identity(from.shape.len()));
                    copy.reshape(shape).expect("row-major elements take any shape")
                })
            }
            // All others are computed by units.
            op => unreachable!("{op} is computed by its unit, which comes before its users"),
        };
        self.views[id.index()] = Some(view.clone());
        view
    }

    /// The elements of `view`, stored densely with the axes in `order`.
    fn dense(&mut self, view: &View, order: &[usize]) -> View {
        if view.is_dense_in(order) { view.clone() } else { self.copy(view, order) }
    }

    /// The elements of `view`, stored row-major.
    fn row_major(&mut self, id: NodeId) -> View {
        let view = self.view(id);
        self.dense(&view, &identity(view.shape.len()))
    }

    fn copy(&mut self, view: &View, order: &[usize]) -> View {
        if let Some((_, to)) = self.copies.iter().find(|(from, to)| from == view && to.is_dense_in(order)) {
            return to.clone();
        }
        let buffer = self.buffer(view.dtype, view.len(), None);
        let to = View::dense(buffer, view.dtype, &view.shape, order);
        self.push_copy(view.clone(), to.clone());
        self.copies.push((view.clone(), to.clone()));
        to
    }

    fn copy_to_slot(&mut self, view: View, slot: usize) {
        let buffer = self.buffer(view.dtype, view.len(), Some(BufferPlace::External(slot)));
        let to = View::row_major(buffer, view.dtype, &view.shape);
        self.push_copy(view, to);
    }

    fn push_copy(&mut self, from: View, to: View) {
        let (reads, writes) = (vec![from.buffer], vec![to.buffer]);
        self.push(Task::Copy(Copy::new(from, to)), reads, writes);
    }

    fn push(&mut self, step: Task, reads: Vec<BufferId>, writes: Vec<BufferId>) {
        let entry = Entry { step, reads, writes, overwrites: Vec::new(), label: self.label.clone() };
        self.entries.push(entry);
    }
}

impl Lower<'_> {
    /// Plans the arena.
    pub(super) fn finish(self) -> Schedule {
        const NEVER: usize = usize::MAX;
        let item = |b: &Pending| Item {
            bytes: room(b.len * b.dtype.size()),
            align: ALIGN,
            first: NEVER,
            last: 0,
            class: None,
        };
        let mut items: Vec<Item> = self.buffers.iter().map(item).collect();
        for (i, e) in self.entries.iter().enumerate() {
            for b in e.reads.iter().chain(&e.writes) {
                let item = &mut items[b.index()];
                (item.first, item.last) = (item.first.min(i), i);
            }
        }
        // A result that overwrites an operand lives where that does.
        let in_arena = |b: BufferId| self.buffers[b.index()].place.is_none();
        let bytes = |b: usize| self.buffers[b].len * self.buffers[b].dtype.size();
        let mut host: Vec<usize> = (0..items.len()).collect();
        for (i, e) in self.entries.iter().enumerate() {
            for &(new, old) in &e.overwrites {
                let (n, o) = (new.index(), host[old.index()]);
                let fits = in_arena(new) && in_arena(old) && bytes(n) == bytes(o);
                if fits && host[n] == n && items[o].last == i {
                    host[n] = o;
                    items[o].last = items[n].last;
                }
            }
        }
        let planned: Vec<usize> = (0..items.len())
            .filter(|&b| host[b] == b && self.buffers[b].place.is_none() && items[b].first != NEVER)
            .collect();
        let chosen: Vec<Item> = planned.iter().map(|&b| items[b]).collect();
        let (offsets, arena_bytes) = pack(&chosen, 0);
        let mut at = vec![0; items.len()];
        planned.iter().zip(offsets).for_each(|(&b, o)| at[b] = o);

        let slots = self.graph.inputs().len() + self.graph.outputs().len() + self.params.len();
        let mut externals = vec![Vec::new(); slots];
        let mut buffers = Vec::with_capacity(self.buffers.len());
        for (i, b) in self.buffers.into_iter().enumerate() {
            let place = b.place.unwrap_or(BufferPlace::Arena(at[host[i]]));
            if let BufferPlace::External(slot) = place {
                externals[slot].push(BufferId(i as u32));
            }
            buffers.push(PlacedBuffer { dtype: b.dtype, len: b.len, place });
        }
        Schedule { entries: self.entries, buffers, externals, arena_bytes }
    }
}

/// Large regions end in a few unused lines, so that buffers of one size, walked together, do not start at the same place of a
/// page: stores would then seem to hit the loads that follow 4096 bytes apart, which makes processors wait.
fn room(bytes: usize) -> usize {
    bytes.next_multiple_of(ALIGN) + if bytes >= 4096 { 5 * ALIGN } else { 0 }
}
