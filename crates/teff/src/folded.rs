//! Networks made ready for what runs on the chip, and trained on: what is pruned and learns to be integers.
//!
//! Batch normalisation has become part of the layers before it ([`crate::quantize::Network`]), so that what is trained from here on is
//! what will run. A [`Folded`] network comes from any float graph for one sample: of a trained [`crate::model::Model`], or an ONNX file.

use crate::error::{Error, Result};
use crate::nn::Pass;
use crate::quantize::{Layer, Network};
use crate::train::Trainable;
use std::collections::HashMap;
use teff_graph::passes::{for_batch, freeze};
use teff_graph::{DType, Graph, NodeId, Op, Param, Tensor, Type};

/// A network without batch normalisation whose weights and biases are trained.
#[derive(Clone, Debug)]
pub struct Folded {
    network: Network,
    /// That of the network, with weights and biases as parameters.
    graph: Graph,
    input: Vec<usize>,
    output: Vec<usize>,
}

impl Folded {
    /// Makes `graph` ready, which has one f32 input `[1, ..]` and one f32 output `[1, ..]`. Weights and biases of convolutions and dense
    /// layers become parameters of their own; all else stays as it is.
    ///
    /// # Errors
    /// A graph of other inputs or outputs, one that cannot take a batch, and what [`Network::new`] refuses.
    pub fn new(graph: &Graph) -> Result<Folded> {
        let error = |reason: String| Error::Setting(format!("model {:?}: {reason}", graph.name));
        let fail = |reason: String| Err(error(reason));
        let (x, y) = ends(graph, "a network to train").map_err(error)?;
        let single = |ty: &teff_graph::Type| ty.dtype == DType::F32 && ty.shape.first() == Some(&1);
        if !single(x) || !single(y) {
            return fail(format!("takes {x} and gives {y}; f32 for one sample is needed on both sides"));
        }
        let (input, output) = (x.shape[1..].to_vec(), y.shape[1..].to_vec());
        let network = Network::new(graph)?;
        let folded = Folded { graph: thawed(&network), network, input, output };
        if for_batch(&folded.graph, 2).is_none() {
            return fail(
                "mixes samples, or has a loop or random numbers, so that it cannot be pruned or trained on in batches; quantize makes \
                 integers of such a network without training"
                    .into(),
            );
        }
        Ok(folded)
    }

    /// The graph for one sample; weights and biases are parameters. Its nodes are those of [`Folded::network`].
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Convolutions and dense layers, in the order of the graph.
    pub fn layers(&self) -> &[Layer] {
        &self.network.layers
    }

    /// The weights of layer `i`: `[O, C/groups, K..]` of a convolution, `[inputs, outputs]` of a dense layer.
    ///
    /// # Panics
    /// When there is no such layer.
    pub fn weight(&self, i: usize) -> &Param {
        self.param(self.layers()[i].weight).expect("weights are parameters")
    }

    /// The bias of layer `i`, if it has one.
    ///
    /// # Panics
    /// When there is no such layer.
    pub fn bias(&self, i: usize) -> Option<&Param> {
        self.param(self.layers()[i].bias?.1)
    }

    fn param(&self, id: NodeId) -> Option<&Param> {
        if let Op::Param(p) = &self.graph[id].op { Some(p) } else { None }
    }

    /// The network with the values that weights and biases hold now.
    pub fn network(&self) -> Network {
        Network { graph: freeze(&self.graph), ..self.network.clone() }
    }

    /// How many numbers are trained.
    pub fn size(&self) -> usize {
        self.params().iter().map(|p| p.ty().len()).sum()
    }

    /// The network in use for `batch` samples, in float.
    ///
    /// # Errors
    /// None for a network that was made.
    pub fn at_batch(&self, batch: usize) -> Result<Graph> {
        batched(&self.graph, batch)
    }
}

impl Trainable for Folded {
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
        applied(&self.graph, x)
    }

    fn params(&self) -> Vec<Param> {
        params(&self.graph)
    }
}

/// The types of the only input and the only output of a graph.
///
/// # Errors
/// That it has others, which `who` must not.
pub(crate) fn ends<'g>(graph: &'g Graph, who: &str) -> std::result::Result<(&'g Type, &'g Type), String> {
    match (graph.inputs(), graph.outputs()) {
        (&[input], [output]) => Ok((&graph[input].ty, &graph[output.node].ty)),
        (inputs, outputs) => {
            Err(format!("has {} inputs and {} outputs; {who} has one of each", inputs.len(), outputs.len()))
        }
    }
}

/// The parameters of a graph, each once, in the order of its nodes.
pub(crate) fn params(graph: &Graph) -> Vec<Param> {
    let mut all: Vec<Param> = Vec::new();
    for node in graph.nodes() {
        if let Op::Param(p) = &node.op
            && !all.contains(p)
        {
            all.push(p.clone());
        }
    }
    all
}

/// A graph for one sample, for `n`.
pub(crate) fn batched(graph: &Graph, n: usize) -> Result<Graph> {
    for_batch(graph, n)
        .ok_or_else(|| Error::Setting(format!("model {:?} cannot take {n} samples at once", graph.name)))
}

/// A graph for one sample, applied to a batch.
pub(crate) fn applied(graph: &Graph, x: &Tensor) -> Tensor {
    let n = x.shape().first().copied().unwrap_or(1);
    match for_batch(graph, n) {
        Some(graph) => graph.instantiate(std::slice::from_ref(x)).remove(0),
        None => Tensor::invalid("network", &[x], format!("{:?} cannot take {n} samples at once", graph.name)),
    }
}

/// The network's graph with weights and biases as parameters.
fn thawed(network: &Network) -> Graph {
    let names: HashMap<NodeId, String> = network
        .layers
        .iter()
        .flat_map(|l| {
            let bias = l.bias.map(|b| (b.1, format!("{}.bias", l.name)));
            std::iter::once((l.weight, format!("{}.weight", l.name))).chain(bias)
        })
        .collect();
    let sums: HashMap<NodeId, &str> = network.layers.iter().map(|l| (l.sums(), l.name.as_str())).collect();
    let thawed = network.graph.mapped(|id, node| {
        if let Op::Constant(value) = &node.op
            && let Some(name) = names.get(&id)
        {
            // Named by the layer: checkpoints know parameters by name, and layers have names of their own.
            node.op = Op::Param(Param::new(name, value.as_ref().clone()));
        }
        // The sums with their bias are the layer's, not those of the batch norm that they once went through.
        if let Some(name) = sums.get(&id) {
            node.label = Some((*name).into());
        }
    });
    thawed.expect("the types are those of a checked graph")
}
