//! Networks as graphs whose weights are parameters: what is pruned and trained with quantised weights.
//!
//! A [`Network`] comes from any graph with one input and one output for one sample: a trained [`crate::model::Model`], or an ONNX
//! file. Batch normalisation is folded into the layers before it, so that what is trained from here on is what will run.

mod batch;
mod fold;

use crate::error::{Error, Result};
use crate::nn::Pass;
use crate::train::Trainable;
use std::collections::HashMap;
use teff_graph::passes::{freeze, simplify};
use teff_graph::{DType, Graph, Node, NodeId, Op, Param, Tensor};

/// A convolution or a dense layer of a [`Network`].
#[derive(Clone, Debug)]
pub struct Layer {
    /// What it is called, such as `conv1`.
    pub name: String,
    /// The node of the product.
    pub node: NodeId,
    /// The node of its weights.
    pub weight_node: NodeId,
    /// Its weights: `[O, C/groups, K..]` of a convolution, `[inputs, outputs]` of a dense layer.
    pub weight: Param,
    /// The axis of the weights that counts the outputs.
    pub axis: usize,
    /// The node that adds the bias, the node of the bias, and the bias, if it has one.
    pub bias: Option<(NodeId, NodeId, Param)>,
}

/// A network for one sample at a time, whose weights and biases are trained.
#[derive(Clone)]
pub struct Network {
    graph: Graph,
    layers: Vec<Layer>,
    input: Vec<usize>,
    output: Vec<usize>,
    /// For each node, whether it comes from the input.
    varies: Vec<bool>,
}

impl Network {
    /// The network that `graph` computes, which has one f32 input `[1, ..]` and one f32 output `[1, ..]`. Weights and biases of
    /// convolutions and dense layers become parameters of their own; all else stays as it is.
    ///
    /// # Errors
    /// A graph of other inputs or outputs, one without a layer, or one that cannot take a batch.
    pub fn new(graph: &Graph) -> Result<Network> {
        let fail = |reason: String| Err(Error::Setting(format!("model {:?}: {reason}", graph.name)));
        let frozen = simplify(&fold::fold(&simplify(&freeze(graph)))?);
        let (&[input], [output]) = (frozen.inputs(), frozen.outputs()) else {
            return fail(format!(
                "has {} inputs and {} outputs; a network to train has one of each",
                frozen.inputs().len(),
                frozen.outputs().len()
            ));
        };
        let (x, y) = (&frozen[input].ty, &frozen[output.node].ty);
        if x.dtype != DType::F32 || y.dtype != DType::F32 || x.shape.first() != Some(&1) || y.shape.first() != Some(&1) {
            return fail(format!("takes {x} and gives {y}; f32 for one sample is needed on both sides"));
        }
        if frozen.nodes().iter().any(|n| matches!(n.op, Op::Quantize { .. } | Op::Dequantize)) {
            return fail("is quantised already; give the float model that it was made from".into());
        }
        let (input, output) = (x.shape[1..].to_vec(), y.shape[1..].to_vec());
        let graph = thaw(&frozen);
        let network = Network { varies: varying(&graph), layers: layers(&graph), graph, input, output };
        if network.layers.is_empty() {
            return fail("has no convolution or dense layer with constant weights".into());
        }
        network.apply(&network.placeholder(2)).ok()?;
        Ok(network)
    }

    /// The graph for one sample; weights and biases are parameters.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Convolutions and dense layers, in the order of the graph.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Whether the node at `id` comes from the input.
    pub fn varies(&self, id: NodeId) -> bool {
        self.varies[id.index()]
    }

    /// How many numbers it holds.
    pub fn size(&self) -> usize {
        self.params().iter().map(|p| p.ty().len()).sum()
    }

    /// The network in use for `batch` samples, in float.
    ///
    /// # Errors
    /// None for a network that was made.
    pub fn at_batch(&self, batch: usize) -> Result<Graph> {
        let x = self.placeholder(batch);
        let y = self.apply(&x);
        Ok(Graph::from_tensors(&self.graph.name, &[x], &[(&self.graph.outputs()[0].name, y)])?)
    }

    /// An input for `batch` samples, called as the network's.
    pub fn placeholder(&self, batch: usize) -> Tensor {
        let name = self.graph.input_name(self.graph.inputs()[0]);
        Tensor::input(name, DType::F32, &[&[batch], &self.input[..]].concat())
    }

    /// The network applied to a batch.
    pub fn apply(&self, x: &Tensor) -> Tensor {
        self.walk(x, |_, _, t| t)
    }

    /// The network applied to a batch, with the result of each node replaced by what `with` makes of it.
    pub fn walk(&self, x: &Tensor, mut with: impl FnMut(NodeId, &Node, Tensor) -> Tensor) -> Tensor {
        let n = x.shape().first().copied().unwrap_or(1);
        let mut made: Vec<Tensor> = Vec::with_capacity(self.graph.nodes().len());
        for id in self.graph.ids() {
            let node = &self.graph[id];
            let operands: Vec<Tensor> = node.operands.iter().map(|o| made[o.index()].clone()).collect();
            let varies: Vec<bool> = node.operands.iter().map(|o| self.varies(*o)).collect();
            let tensor = if let Op::Input { .. } = node.op {
                x.clone()
            } else if self.varies(id) {
                batch::apply(&node.op, &operands, &varies, n).unwrap_or_else(|reason| {
                    let at = node.label.as_deref().map(|l| format!("{l}: ")).unwrap_or_default();
                    Tensor::invalid(node.op.name(), &operands.iter().collect::<Vec<_>>(), format!("{at}{reason}"))
                })
            } else {
                Tensor::apply(node.op.clone(), &operands)
            };
            let tensor = node.label.iter().fold(tensor, |t, l| t.named(l));
            made.push(with(id, node, tensor));
        }
        made[self.graph.outputs()[0].node.index()].clone()
    }
}

impl Trainable for Network {
    fn name(&self) -> &str {
        &self.graph.name
    }

    fn input(&self) -> &[usize] {
        &self.input
    }

    fn output(&self) -> &[usize] {
        &self.output
    }

    fn forward(&self, x: &Tensor, _: &Pass) -> Tensor {
        self.apply(x)
    }

    fn params(&self) -> Vec<Param> {
        let mut all: Vec<Param> = Vec::new();
        for node in self.graph.nodes() {
            if let Op::Param(p) = &node.op
                && !all.contains(p)
            {
                all.push(p.clone());
            }
        }
        all
    }
}

fn varying(graph: &Graph) -> Vec<bool> {
    let mut out: Vec<bool> = Vec::with_capacity(graph.nodes().len());
    for node in graph.nodes() {
        let varies = matches!(node.op, Op::Input { .. }) || node.operands.iter().any(|o| out[o.index()]);
        out.push(varies);
    }
    out
}

/// The constant that `id` is, behind changes of its shape.
fn constant_behind(graph: &Graph, mut id: NodeId) -> Option<NodeId> {
    while let Op::Broadcast(_) | Op::Reshape(_) = graph[id].op {
        id = graph[id].operands[0];
    }
    matches!(graph[id].op, Op::Constant(_) | Op::Param(_)).then_some(id).filter(|i| graph[*i].ty.dtype == DType::F32)
}

/// The product `id`, the node that adds its bias, and the bias, for every layer.
fn found(graph: &Graph) -> Vec<(NodeId, Option<(NodeId, NodeId)>)> {
    let users = graph.users();
    let is_layer = |id: &NodeId| {
        let node = &graph[*id];
        fold::channel_axes(node).is_some()
            && graph[node.operands[1]].ty.rank() >= 2
            && constant_behind(graph, node.operands[1]) == Some(node.operands[1])
    };
    let bias = |id: NodeId| {
        let &[user] = &users[id.index()][..] else { return None };
        let Op::Binary(teff_graph::Binary::Add) = graph[user].op else { return None };
        let other = *graph[user].operands.iter().find(|o| **o != id)?;
        let constant = constant_behind(graph, other)?;
        let (axis, _) = fold::channel_axes(&graph[id])?;
        (graph[constant].ty.len() == graph[id].ty.shape[axis]).then_some((user, constant))
    };
    graph.ids().filter(is_layer).map(|id| (id, bias(id))).collect()
}

/// The graph with weights and biases as parameters.
fn thaw(graph: &Graph) -> Graph {
    let trained: Vec<NodeId> =
        found(graph).into_iter().flat_map(|(id, b)| [Some(graph[id].operands[1]), b.map(|b| b.1)]).flatten().collect();
    let mut out = Graph::new(&graph.name);
    let mut names: HashMap<String, usize> = HashMap::new();
    for id in graph.ids() {
        let node = &graph[id];
        let op = match &node.op {
            Op::Constant(value) if trained.contains(&id) => {
                let label = node.label.as_deref().unwrap_or("weight").to_string();
                let count = names.entry(label.clone()).or_insert(0);
                *count += 1;
                // Checkpoints know parameters by name.
                let name = if *count == 1 { label } else { format!("{label}.{count}") };
                Op::Param(Param::new(&name, value.as_ref().clone()))
            }
            op => op.clone(),
        };
        out.push(op, &node.operands, node.label.clone()).expect("the types are those of a checked graph");
    }
    graph.outputs().iter().for_each(|o| out.add_output(&o.name, o.node));
    out
}

fn layers(graph: &Graph) -> Vec<Layer> {
    let param = |id: NodeId| match &graph[id].op {
        Op::Param(p) => p.clone(),
        op => unreachable!("{op} was thawed"),
    };
    let mut taken: HashMap<String, usize> = HashMap::new();
    let mut layer = |(id, bias): (NodeId, Option<(NodeId, NodeId)>)| {
        let node = &graph[id];
        let label = node.label.as_deref().unwrap_or(node.op.name()).to_string();
        let count = taken.entry(label.clone()).or_insert(0);
        *count += 1;
        let name = if *count == 1 { label } else { format!("{label}.{count}") };
        let (_, axis) = fold::channel_axes(node).expect("a layer");
        let weight_node = node.operands[1];
        let bias = bias.map(|(add, b)| (add, b, param(b)));
        Layer { name, node: id, weight_node, weight: param(weight_node), axis, bias }
    };
    found(graph).into_iter().map(&mut layer).collect()
}
