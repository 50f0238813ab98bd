//! Lowering: a Graph becomes the kernels of a Program.
//!
//! `fuse` decides which nodes get memory of their own; each of those becomes one kernel, and all others are computed where they are
//! read. `element` gives the value of any node at any index as an expression, so that a move of elements costs index arithmetic
//! alone and a chain of functions costs no memory. The other files write the loops around it, one family of operations each.

mod adjoint;
mod block_float;
mod build;
mod constants;
mod conv;
mod copies;
mod describe;
mod element;
mod fuse;
mod map;
mod matmul;
mod memory;
mod name;
mod packed;
mod pool;
mod reduce;
mod row_fusion;
mod scan;
mod sort;
mod substitute;
mod tile;
mod window;

pub(crate) use fuse::apart_windows;
pub(crate) use name::is_owned;

use crate::Options;
use crate::error::Error;
use crate::integer::integer;
use crate::program::{Buffer, BufferId, Expr, Index, Kernel, Place, Port, Program, Stmt, VarInfo};
use crate::target::{Floats, Target};
use build::Builder;
use fuse::{Group, Groups};
use std::collections::HashMap;
use std::sync::Arc;
use teff_graph::facts::Known;
use teff_graph::{Graph, Node, NodeId, Op, Type, Value, passes};

/// Where the elements of a node are: in a buffer, from an index on.
#[derive(Clone, Debug)]
struct Storage {
    buffer: BufferId,
    base: Index,
}

impl Storage {
    /// A buffer from its first element on.
    fn of(buffer: BufferId) -> Storage {
        Storage { buffer, base: Index::zero() }
    }

    /// What begins `by` elements further.
    fn from(&self, by: &Index) -> Storage {
        Storage { buffer: self.buffer, base: self.base.plus(by) }
    }
}

/// A graph that is lowered, the network or the body of a scan inside it, with all that is known of its own nodes.
struct Scope<'a> {
    graph: &'a Graph,
    groups: Groups,
    /// What is known of nodes without running.
    known: Known<'a>,
    /// Which nodes follow from constants, element by element.
    constant: Vec<bool>,
    /// Memory of the nodes computed so far.
    storage: HashMap<NodeId, Storage>,
}

impl<'a> Scope<'a> {
    fn new(graph: &'a Graph) -> Scope<'a> {
        Scope {
            graph,
            groups: fuse::groups(graph),
            known: Known::new(graph),
            constant: memory::known_now(graph),
            storage: HashMap::new(),
        }
    }

    /// Lets kernels compute outputs where they are to lie; and the outputs that no kernel computes in place, because they are inputs,
    /// constants, or given twice.
    fn give_memory(&mut self, outputs: &[Storage]) -> Vec<(NodeId, Storage)> {
        let mut copies = Vec::new();
        for (output, to) in self.graph.outputs().iter().zip(outputs) {
            let computed = self.groups.list.iter().any(|g| g.root == output.node);
            if computed && !self.storage.contains_key(&output.node) {
                self.storage.insert(output.node, to.clone());
            } else {
                copies.push((output.node, to.clone()));
            }
        }
        copies
    }
}

/// The state of lowering.
struct Lowering<'a> {
    scope: Scope<'a>,
    target: &'a Target,
    /// Layers whose products are not those of floats.
    layers: block_float::Layers,
    /// The value of the node a kernel is built around, while its last steps are written.
    anchor: Option<(NodeId, Expr)>,
    buffers: Vec<Buffer>,
    /// Buffers of constants already there, by the address of their value.
    constants: HashMap<*const Value, BufferId>,
    /// Buffers of constants in another order.
    packs: HashMap<(*const Value, Vec<usize>), BufferId>,
    names: name::Names,
    /// The node whose elements are being computed, though it has memory.
    computing: Option<NodeId>,
    builder: Builder,
}

/// The graph as it is lowered: parameters are constants, what can be computed now is, scales are part of weights.
pub(crate) fn prepare(graph: &Graph) -> Result<Graph, Error> {
    // Before constants are folded: quantised weights are to stay what they are.
    let graph = integer(&passes::freeze(graph))?;
    let graph = passes::simplify(&graph);
    Ok(passes::simplify(&passes::fold_channels(&graph)))
}

/// Lowers a prepared graph. Buffers in the arena have no addresses yet.
///
/// # Errors
/// Random numbers. Everything else has a lowering, so that nothing below this can fail.
pub(crate) fn lower(graph: &Graph, options: &Options) -> Result<Program, Error> {
    refuse_random(graph)?;
    let mut to = Lowering::new(graph, options);
    to.choose_block_floats(options.floats, &options.inputs);
    let inputs = to.inputs();
    let outputs = to.outputs();
    let copies = to.scope.give_memory(&outputs.iter().map(|p| Storage::of(p.buffer)).collect::<Vec<_>>());
    let mut made = Vec::new();
    for group in to.scope.groups.list.clone() {
        to.group(&group);
        made.extend(to.take_kernel(&group));
    }
    for (node, buffer) in copies {
        to.store_all(&graph[node].ty, &buffer, |l, index| l.element(node, index));
        made.extend(to.take_kernel(&Group::of(node)));
    }
    let arena = crate::program::Arena { bytes: 0, align: 1, lower_bound: 0 };
    let off = to.layers.off;
    let (kernels, nodes) = made.into_iter().unzip();
    let mut program = Program {
        name: options.name.clone(),
        buffers: to.buffers,
        kernels,
        inputs,
        outputs,
        arena,
        off,
        labels: Vec::new(),
    };
    row_fusion::merge_rows(graph, &mut program, nodes, &mut to.names);
    program.kernels.iter_mut().for_each(substitute::substitute);
    copies::forward(&mut program);
    if !options.target.float_unit && options.floats != Floats::Exact {
        program.kernels.iter_mut().for_each(block_float::rectify);
    }
    if options.target.word_products {
        constants::store(&mut program);
    }
    copies::prune(&mut program);
    Ok(program)
}

/// Refuses random numbers, in the bodies of loops as well.
fn refuse_random(graph: &Graph) -> Result<(), Error> {
    for id in graph.ids() {
        if let Op::Scan(scan) = &graph[id].op {
            refuse_random(&scan.body)?;
        }
        if matches!(graph[id].op, Op::Random { .. }) && !graph[id].ty.is_empty() {
            let reason =
                "random numbers belong to training; a compiled network gives the same result every time";
            return Err(Error::unsupported(graph, id, reason));
        }
    }
    Ok(())
}

impl<'a> Lowering<'a> {
    /// Before anything is lowered.
    fn new(graph: &'a Graph, options: &'a Options) -> Lowering<'a> {
        Lowering {
            scope: Scope::new(graph),
            target: &options.target,
            layers: block_float::Layers::default(),
            anchor: None,
            buffers: Vec::new(),
            constants: HashMap::new(),
            packs: HashMap::new(),
            names: name::Names::new(&options.name),
            computing: None,
            builder: Builder::default(),
        }
    }

    fn node(&self, id: NodeId) -> &'a Node {
        &self.scope.graph[id]
    }

    fn inputs(&mut self) -> Vec<Port> {
        let graph = self.scope.graph;
        let mut ports = Vec::new();
        for (i, &id) in graph.inputs().iter().enumerate() {
            let ty = graph[id].ty.clone();
            let buffer = self.add_buffer(format!("input{i}"), ty.clone(), Place::Input(i));
            self.scope.storage.insert(id, Storage::of(buffer));
            ports.push(Port { name: graph.input_name(id).into(), ty, buffer, quantization: None });
        }
        ports
    }

    fn outputs(&mut self) -> Vec<Port> {
        let mut ports = Vec::new();
        for (i, output) in self.scope.graph.outputs().iter().enumerate() {
            let ty = self.node(output.node).ty.clone();
            let buffer = self.add_buffer(format!("output{i}"), ty.clone(), Place::Output(i));
            ports.push(Port { name: output.name.clone(), ty, buffer, quantization: None });
        }
        ports
    }

    fn add_buffer(&mut self, name: String, ty: Type, place: Place) -> BufferId {
        let id = BufferId(self.buffers.len() as u32);
        let name = self.names.unique(&name);
        self.buffers.push(Buffer { name, align: ty.dtype.size(), ty, place, in_sram: false });
        id
    }

    /// The memory `node` is computed into; makes it when no output has given it.
    fn storage_of(&mut self, node: NodeId) -> Storage {
        if let Some(s) = self.scope.storage.get(&node) {
            return s.clone();
        }
        let ty = self.node(node).ty.clone();
        let buffer = BufferId(self.buffers.len() as u32);
        // It is named when its kernel is.
        let (name, align, place) = (String::new(), ty.dtype.size(), Place::Arena(0));
        self.buffers.push(Buffer { name, align, ty, place, in_sram: false });
        let storage = Storage { buffer, base: Index::zero() };
        self.scope.storage.insert(node, storage.clone());
        storage
    }

    /// The buffer of a constant, in the order its value has.
    fn constant_buffer(&mut self, node: NodeId, value: &Arc<Value>) -> BufferId {
        if let Some(&id) = self.constants.get(&Arc::as_ptr(value)) {
            return id;
        }
        let name = self.names.of_constant(self.scope.graph, node);
        let id = self.add_buffer(name, value.ty(), Place::Constant(value.clone()));
        self.constants.insert(Arc::as_ptr(value), id);
        id
    }

    /// The constant whose elements, in its order, are those of `node`.
    fn stored(&self, node: NodeId) -> Option<&'a Arc<Value>> {
        let mut at = self.node(node);
        while let Op::Reshape(_) = at.op {
            at = self.node(at.operands[0]);
        }
        if let Op::Constant(v) = &at.op { Some(v) } else { None }
    }

    /// The constant that a node is computed from, or the first of them.
    fn source_of(&self, mut id: NodeId) -> NodeId {
        while let Some(&below) = self.node(id).operands.first() {
            id = below;
        }
        id
    }

    /// Writes the statements of one group into the current body.
    fn group(&mut self, group: &Group) {
        let anchor = group.anchor();
        let node = self.node(group.innermost());
        if self.node(group.root).ty.is_empty() && !matches!(node.op, Op::Scan(_)) {
            self.storage_of(group.root);
            return;
        }
        if self.by_block_float(group) {
            return;
        }
        match &node.op {
            Op::MatMul => self.matmul(group, anchor),
            Op::Conv(_) => self.conv(group),
            Op::ConvTranspose { geometry, .. } => self.conv_transpose(group, geometry),
            Op::ConvWeightGrad { geometry, .. } => self.conv_weight_grad(group, geometry),
            Op::Pool { kind, window } => self.pool(group, anchor, *kind, window),
            Op::SumPoolGrad { window, .. } => self.sum_pool_grad(group, anchor, window),
            Op::MaxPoolGrad { window } => self.max_pool_grad(group, anchor, window),
            Op::Reduce { kind, axes } => self.reduce(group, anchor, *kind, axes),
            Op::ArgReduce { min, axis, last } => self.arg_reduce(group, anchor, *min, *axis, *last),
            Op::Scatter { axis, kind } => self.scatter(anchor, *axis, *kind),
            Op::ArgSort { axis, descending } => self.argsort(anchor, *axis, *descending),
            Op::Scan(scan) => self.scan(anchor, scan),
            Op::Concat { axis } => self.concat(anchor, *axis),
            Op::Pad(axes) => self.pad(anchor, axes),
            Op::Random { .. } => unreachable!("refused before"),
            Op::Input { .. } | Op::Constant(_) | Op::Param(_) | Op::Iota { .. } => self.map(anchor),
            Op::Unary(_) | Op::Binary(_) | Op::Select | Op::Cast(_) => self.map(anchor),
            Op::Reshape(_) | Op::Permute(_) | Op::Broadcast(_) | Op::Slice(_) => self.map(anchor),
            Op::Gather { .. } | Op::Quantize { .. } | Op::Dequantize | Op::Project(_) => self.map(anchor),
        }
    }

    /// The statements written since the last call, as a kernel with the nodes it computes; `None` when there are none.
    fn take_kernel(&mut self, group: &Group) -> Option<(Kernel, Vec<NodeId>)> {
        let Builder { vars, arrays, body, .. } = std::mem::take(&mut self.builder);
        if body.is_empty() {
            return None;
        }
        let (label, name) = self.names.of_kernel(self.scope.graph, group);
        let root = self.scope.storage.get(&group.root).map(|s| s.buffer.index());
        for (i, b) in self.buffers.iter_mut().enumerate().filter(|(_, b)| b.name.is_empty()) {
            b.name =
                self.names.unique(&format!("{name}_{}", if root == Some(i) { "out" } else { "scratch" }));
        }
        let nodes = fuse::computed(self.scope.graph, &self.scope.groups, group);
        let kernel = Kernel {
            name,
            label,
            words: describe::describe(&self.scope, &nodes),
            ops: nodes.iter().map(|id| self.node(*id).op.name()).collect(),
            result: self.node(group.root).ty.clone(),
            macs: fuse::macs(self.scope.graph, group),
            products: self.products(group),
            vars,
            arrays,
            body,
        };
        Some((kernel, nodes))
    }

    fn vars(&self) -> &[VarInfo] {
        &self.builder.vars
    }

    fn push(&mut self, stmt: Stmt) {
        self.builder.body.push(stmt);
    }
}
