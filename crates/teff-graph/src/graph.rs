//! The flat form of a graph: nodes in topological order.

use crate::dtype::Type;
use crate::error::{Error, Result};
use crate::op::Op;
use crate::ops::{infer, scan_result_type};
use crate::tensor::Tensor;
use std::collections::{HashMap, HashSet};
use std::ops::Index;
use std::sync::Arc;

/// Position of a node in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(crate) u32);

impl NodeId {
    /// The position as a number: 0 is the first node.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The node at position `index` of some graph.
    ///
    /// # Panics
    /// When the position does not fit into 32 bits, which no graph reaches.
    pub fn from_index(index: usize) -> NodeId {
        NodeId(u32::try_from(index).expect("graphs have fewer than 2^32 nodes"))
    }
}

/// One operation applied to the results of earlier nodes.
#[derive(Clone, Debug)]
pub struct Node {
    /// The operation.
    pub op: Op,
    /// Operands; each precedes this node.
    pub operands: Vec<NodeId>,
    /// Type of the result; of a scan, that of its first result.
    pub ty: Type,
    /// The layer or node of the model this came from, for messages and for comments in generated code.
    pub label: Option<Arc<str>>,
}

impl Node {
    /// `t` under the label of this node.
    pub(crate) fn labelled(&self, t: Tensor) -> Tensor {
        self.label.iter().fold(t, |t, label| t.named(label))
    }
}

/// A named result of the graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// Its name; may be empty.
    pub name: Arc<str>,
    /// The node whose result it is.
    pub node: NodeId,
}

/// A computation: nodes in topological order, with inputs and outputs in the caller's order.
#[derive(Clone, Debug)]
pub struct Graph {
    /// What the graph is called.
    pub name: String,
    nodes: Vec<Node>,
    inputs: Vec<NodeId>,
    outputs: Vec<Output>,
}

impl Graph {
    /// A graph without nodes.
    pub fn new(name: &str) -> Graph {
        Graph { name: name.into(), nodes: Vec::new(), inputs: Vec::new(), outputs: Vec::new() }
    }

    /// The computation of `outputs` from `inputs`. Inputs come first in the given order, used or not; what no output needs is
    /// left out.
    ///
    /// # Errors
    /// The first invalid operation; an operand of `inputs` that is no input; an input that is used but not listed.
    pub fn from_tensors(name: &str, inputs: &[Tensor], outputs: &[(&str, Tensor)]) -> Result<Graph> {
        let mut graph = Graph::new(name);
        let mut ids = HashMap::new();
        for x in inputs {
            x.check()?;
            if !matches!(x.op(), Op::Input { .. }) || ids.contains_key(&x.id()) {
                let reason = "each input must be an input tensor, listed once";
                return Err(Error::new("graph", vec![x.ty()], reason));
            }
            ids.insert(x.id(), graph.push(x.op().clone(), &[], x.label())?);
        }
        let roots: Vec<Tensor> = outputs.iter().map(|(_, t)| t.clone()).collect();
        for t in reachable(&roots)? {
            if ids.contains_key(&t.id()) {
                continue;
            }
            if let Op::Input { name, ty } = t.op() {
                let reason = format!("input {name:?} is used but not listed");
                return Err(Error::new("graph", vec![ty.clone()], reason));
            }
            let operands: Vec<NodeId> = t.operands().iter().map(|o| ids[&o.id()]).collect();
            ids.insert(t.id(), graph.push(t.op().clone(), &operands, t.label())?);
        }
        for (name, t) in outputs {
            graph.add_output(name, ids[&t.id()]);
        }
        Ok(graph)
    }

    /// Appends a node whose type the shape rule gives.
    ///
    /// # Errors
    /// What the shape rule finds, with the label.
    pub fn push(&mut self, op: Op, operands: &[NodeId], label: Option<Arc<str>>) -> Result<NodeId> {
        let types: Vec<Type> = operands.iter().map(|&o| self[o].ty.clone()).collect();
        let at = |e: Error| label.iter().fold(e, |e, l| e.at_label(l));
        let ty =
            if let Op::Project(index) = op { self.project_type(operands, index) } else { infer(&op, &types) };
        let ty = ty.map_err(at)?;
        let id = NodeId(self.nodes.len() as u32);
        if matches!(op, Op::Input { .. }) {
            self.inputs.push(id);
        }
        self.nodes.push(Node { op, operands: operands.to_vec(), ty, label });
        Ok(id)
    }

    fn project_type(&self, operands: &[NodeId], index: usize) -> Result<Type> {
        let wrong = |reason: String| Error::new("project", vec![], reason);
        let [operand] = operands else { return Err(wrong("takes one operand".into())) };
        let Op::Scan(scan) = &self[*operand].op else { return Err(wrong("the operand is no scan".into())) };
        let types: Vec<Type> = self[*operand].operands.iter().map(|&o| self[o].ty.clone()).collect();
        scan_result_type(scan, &types, index).map_err(wrong)
    }

    /// Names the result of `node` an output.
    pub fn add_output(&mut self, name: &str, node: NodeId) {
        self.outputs.push(Output { name: name.into(), node });
    }

    /// All nodes, operands before users.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Positions of all nodes.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        (0..self.nodes.len() as u32).map(NodeId)
    }

    /// The input nodes, in the order in which values are given.
    pub fn inputs(&self) -> &[NodeId] {
        &self.inputs
    }

    /// The outputs, in order.
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// The name of input node `id`.
    ///
    /// # Panics
    /// When the node is no input.
    pub fn input_name(&self, id: NodeId) -> &str {
        match &self[id].op {
            Op::Input { name, .. } => name,
            // The caller asks of inputs alone.
            op => panic!("{op} is no input"),
        }
    }

    /// Types of a node's operands.
    pub fn operand_types(&self, id: NodeId) -> Vec<Type> {
        self[id].operands.iter().map(|&o| self[o].ty.clone()).collect()
    }

    /// For each node the nodes that use its result, in order.
    pub fn users(&self) -> Vec<Vec<NodeId>> {
        let mut users = vec![Vec::new(); self.nodes.len()];
        for id in self.ids() {
            for o in &self[id].operands {
                users[o.index()].push(id);
            }
        }
        users
    }

    /// Checks the whole contract: operands precede users and fit the shape rules, recorded types are those the rules give, inputs
    /// and outputs exist, a scan's results are used through projections only.
    ///
    /// # Errors
    /// The first node that breaks it.
    pub fn verify(&self) -> Result<()> {
        let mut rebuilt = Graph::new(&self.name);
        for id in self.ids() {
            let node = &self[id];
            let broken = |reason: String| {
                let e = Error::new(node.op.name(), vec![], format!("node %{}: {reason}", id.0));
                node.label.iter().fold(e, |e, l| e.at_label(l))
            };
            for &o in &node.operands {
                if o >= id {
                    return Err(broken(format!("operand %{} does not precede it", o.0)));
                }
                if matches!(self[o].op, Op::Scan(_)) && !matches!(node.op, Op::Project(_)) {
                    return Err(broken(format!("uses scan %{} other than by a projection", o.0)));
                }
            }
            rebuilt.push(node.op.clone(), &node.operands, node.label.clone())?;
            if rebuilt[id].ty != node.ty {
                return Err(broken(format!(
                    "recorded as {}, but the shape rule gives {}",
                    node.ty, rebuilt[id].ty
                )));
            }
            if let Op::Scan(scan) = &node.op {
                scan.body.verify()?;
            }
        }
        let fail = |reason: String| Err(Error::new("graph", vec![], reason));
        if rebuilt.inputs != self.inputs {
            return fail("the inputs are not the input nodes in order".into());
        }
        let is_none =
            |o: &&Output| o.node.index() >= self.nodes.len() || matches!(self[o.node].op, Op::Scan(_));
        match self.outputs.iter().find(is_none) {
            Some(o) => fail(format!("output {:?} names %{}, which is no result", o.name, o.node.0)),
            None => Ok(()),
        }
    }

    /// The nodes as tensors: `with` is given each node and what its operands have become, and gives what it becomes.
    pub(crate) fn replayed(&self, mut with: impl FnMut(NodeId, &[Tensor]) -> Tensor) -> Vec<Tensor> {
        let mut made: Vec<Tensor> = Vec::with_capacity(self.nodes.len());
        for (id, node) in self.ids().zip(&self.nodes) {
            let operands: Vec<Tensor> = node.operands.iter().map(|o| made[o.index()].clone()).collect();
            made.push(with(id, &operands));
        }
        made
    }

    /// The graph whose nodes have become these, with the same outputs and these inputs.
    pub(crate) fn of_replayed(&self, inputs: &[Tensor], made: &[Tensor]) -> Result<Graph> {
        let outputs: Vec<(&str, Tensor)> =
            self.outputs.iter().map(|o| (&*o.name, made[o.node.index()].clone())).collect();
        Graph::from_tensors(&self.name, inputs, &outputs)
    }

    /// The graph with something else in place of nodes: `with` is given each node, what its operands have become, and its operation
    /// applied to those; it gives what the node becomes, which has the node's label. Inputs stay inputs.
    ///
    /// # Errors
    /// The first invalid operation.
    pub fn rewritten(&self, mut with: impl FnMut(NodeId, &[Tensor], Tensor) -> Tensor) -> Result<Graph> {
        let mut inputs = Vec::new();
        let made = self.replayed(|id, operands| {
            let node = &self[id];
            let tensor = node.labelled(Tensor::apply(node.op.clone(), operands));
            if let Op::Input { .. } = node.op {
                inputs.push(tensor.clone());
            }
            node.labelled(with(id, operands, tensor))
        });
        self.of_replayed(&inputs, &made)
    }

    /// The graph with the same nodes at the same places, each as `with` leaves it: another operation, other operands, another label.
    ///
    /// # Errors
    /// The first invalid operation.
    pub fn mapped(&self, mut with: impl FnMut(NodeId, &mut Node)) -> Result<Graph> {
        let mut out = Graph::new(&self.name);
        for id in self.ids() {
            let mut node = self[id].clone();
            with(id, &mut node);
            out.push(node.op, &node.operands, node.label)?;
        }
        out.outputs.clone_from(&self.outputs);
        Ok(out)
    }

    /// The graph with the results of these nodes as its outputs, which have no names.
    pub fn giving(&self, nodes: &[NodeId]) -> Graph {
        let outputs = nodes.iter().map(|&node| Output { name: "".into(), node }).collect();
        Graph { outputs, ..self.clone() }
    }

    /// The outputs as tensors, with `inputs` in place of the inputs.
    ///
    /// # Panics
    /// When there are fewer `inputs` than the graph has.
    pub fn instantiate(&self, inputs: &[Tensor]) -> Vec<Tensor> {
        let mut given = inputs.iter();
        let made = self.replayed(|id, operands| match &self[id].op {
            Op::Input { .. } => given.next().expect("as many tensors as the graph has inputs").clone(),
            // Everything else is made anew of what it was made of.
            op => self[id].labelled(Tensor::apply(op.clone(), operands)),
        });
        self.outputs.iter().map(|o| made[o.node.index()].clone()).collect()
    }
}

impl Index<NodeId> for Graph {
    type Output = Node;

    fn index(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }
}

/// Every tensor that `roots` are computed from, operands before users; the first error among them.
pub(crate) fn reachable(roots: &[Tensor]) -> Result<Vec<Tensor>> {
    let mut seen = HashSet::new();
    let mut all = Vec::new();
    let mut open: Vec<Tensor> = roots.to_vec();
    while let Some(t) = open.pop() {
        t.check()?;
        if seen.insert(t.id()) {
            open.extend(t.operands().iter().cloned());
            all.push(t);
        }
    }
    // A tensor is numbered when it is made, after its operands.
    all.sort_unstable_by_key(Tensor::id);
    Ok(all)
}
