//! The float network made ready: its layers, and the places at which tensors are quantised.

use super::{patterns, place};
use crate::error::{Error, Result};
use std::collections::{HashMap, HashSet};
use teff_graph::facts::Known;
use teff_graph::passes::{fold_channels, freeze, simplify, unfold_quantization};
use teff_graph::{Binary, ConvGeometry, DType, Graph, NodeId, Op, Value, facts};

/// A float network made ready for quantisation.
#[derive(Clone, Debug)]
pub struct Network {
    /// What it computes: constants instead of parameters, batch norms folded into the convolutions before them.
    pub graph: Graph,
    /// Convolutions and products with constant weights, in the order in which they are computed.
    pub layers: Vec<Layer>,
    /// The tensors that are quantised, in the order in which they are computed.
    pub sites: Vec<Site>,
    /// What cannot be computed in integers, with the reason, by the name of the layer or operation.
    pub floats: Vec<(String, &'static str)>,
    /// Nodes that only move what a site has quantised, or pick the largest of it, with the site.
    pub moved: Vec<(NodeId, usize)>,
}

/// A convolution or a product with constant weights.
#[derive(Clone, Debug)]
pub struct Layer {
    /// What it is called in reports: the name of its node in the model, made unique.
    pub name: String,
    /// The convolution or product.
    pub node: NodeId,
    /// The constant that holds its weights.
    pub weight: NodeId,
    /// The axis of the weights that counts output channels.
    pub axis: usize,
    /// The axis of its result that counts them.
    pub result_axis: usize,
    /// How many output channels there are.
    pub channels: usize,
    /// The addition of a constant for each output channel, and that constant, if it is there.
    pub bias: Option<(NodeId, NodeId)>,
    /// The site its input is quantised at.
    pub input: usize,
    /// The site at which its result is quantised, after bias and activation, if it comes to one.
    pub output: Option<usize>,
    /// Multiply-accumulates for one sample.
    pub macs: u64,
}

impl Layer {
    /// Where the sums with their bias are, before any activation.
    pub fn sums(&self) -> NodeId {
        self.bias.map_or(self.node, |(add, _)| add)
    }
}

/// A tensor that is quantised where it is computed, once for all that use it.
#[derive(Clone, Debug)]
pub struct Site {
    /// What it is called in reports.
    pub name: String,
    /// The node whose result it is.
    pub node: NodeId,
    /// Sites with equal numbers are joined into one tensor later and need one grid.
    pub group: usize,
    /// The scale and zero point that its values call for whatever was observed: those of a softmax.
    pub fixed: Option<(f32, i32)>,
    /// Whether it is an input of the network.
    pub is_input: bool,
    /// Whether it is an output of the network and nothing else, of sums: floats are made of these where the network gives floats.
    pub is_output: bool,
}

impl Network {
    /// Makes `graph` ready. Its inputs of f32 are quantised, and everything computed from them for as long as integers can.
    ///
    /// # Errors
    /// A graph that is quantised already, that has no convolution or product with constant weights, or whose weights are not finite.
    pub fn new(graph: &Graph) -> Result<Network> {
        let fail = |at: &str, reason: String| Err(Error::Quantize { at: at.into(), reason });
        graph.verify()?;
        if let Some(node) = graph.nodes().iter().find(|n| matches!(n.op, Op::Quantize { .. })) {
            let at = node.label.as_deref().unwrap_or("a tensor");
            return fail(at, "is quantised already; give the float model".into());
        }
        let graph = simplify(&unfold_quantization(&freeze(graph))?);
        let graph = simplify(&fold_channels(&graph));
        let graph = simplify(&patterns::rectify_first(&graph)?);
        let placed = place::place(&graph);
        let names = Names::default();
        let network = build(graph, placed, names);
        if network.layers.is_empty() {
            let reason = match network.floats.first() {
                Some((name, why)) => format!("has no layer to quantise; {name} stays float: {why}"),
                None => "has no layer to quantise: no convolution or product with constant weights".into(),
            };
            return fail(&network.graph.name, reason);
        }
        for layer in &network.layers {
            let constants = [Some(layer.weight), layer.bias.map(|b| b.1)];
            for id in constants.into_iter().flatten() {
                let value = network.constant(id);
                if let Some(bad) = value.to_f64().iter().position(|x| !x.is_finite()) {
                    let reason = format!(
                        "weight {bad} of {} is {}; train again with a smaller rate, or mend the file",
                        value.ty(),
                        value.get(bad).as_f64()
                    );
                    return fail(&layer.name, reason);
                }
            }
        }
        Ok(network)
    }

    /// The value of a constant node.
    ///
    /// # Panics
    /// When the node is no constant.
    pub fn constant(&self, id: NodeId) -> &Value {
        match &self.graph[id].op {
            Op::Constant(v) => v,
            // The caller asks of constants alone.
            op => panic!("{op} is no constant"),
        }
    }

    /// The weights of layer `i`, one list for each output channel.
    pub fn weights(&self, i: usize) -> Vec<Vec<f32>> {
        let layer = &self.layers[i];
        let value = self.constant(layer.weight);
        let elements = value.as_slice::<f32>().expect("layers have f32 weights");
        let mut channels = vec![Vec::with_capacity(elements.len() / layer.channels); layer.channels];
        for (i, &w) in elements.iter().enumerate() {
            channels[channel_of(i, value.shape(), layer.axis)].push(w);
        }
        channels
    }

    /// The bias of layer `i`, 0 for each output channel if it has none.
    pub fn bias(&self, i: usize) -> Vec<f32> {
        let layer = &self.layers[i];
        match layer.bias {
            Some((_, constant)) => {
                let value = self.constant(constant);
                let elements = value.as_slice::<f32>().expect("layers have f32 biases");
                (0..layer.channels).map(|c| elements[c % elements.len()]).collect()
            }
            None => vec![0.0; layer.channels],
        }
    }

    /// Whether layer `i` is a transposed convolution.
    pub(super) fn is_transposed(&self, i: usize) -> bool {
        matches!(self.graph[self.layers[i].node].op, Op::ConvTranspose { .. })
    }

    /// How layer `i` slides, if it is a convolution.
    pub(super) fn geometry(&self, i: usize) -> Option<&ConvGeometry> {
        if let Op::Conv(geometry) = &self.graph[self.layers[i].node].op { Some(geometry) } else { None }
    }

    /// The layer called `name`.
    pub fn layer(&self, name: &str) -> Option<usize> {
        self.layers.iter().position(|l| l.name == name)
    }
}

/// The channel that element `i` of weights belongs to.
pub(super) fn channel_of(i: usize, shape: &[usize], axis: usize) -> usize {
    let inner: usize = shape[axis + 1..].iter().product();
    i / inner % shape[axis]
}

/// Names given so far.
#[derive(Default)]
struct Names(HashSet<String>);

impl Names {
    fn unique(&mut self, wish: &str) -> String {
        let mut name = wish.to_string();
        let mut n = 1;
        while !self.0.insert(name.clone()) {
            n += 1;
            name = format!("{wish}.{n}");
        }
        name
    }
}

fn build(graph: Graph, placed: place::Placed, mut names: Names) -> Network {
    let (users, known) = (graph.only_users(), Known::new(&graph));
    let at: HashMap<NodeId, usize> = placed.sites.iter().enumerate().map(|(i, s)| (s.node, i)).collect();
    let mut layers = Vec::new();
    for product in placed.products {
        let node = product.node;
        let (axis, result_axis) =
            facts::channel_axes(&graph[node].op, graph[product.weight].ty.rank(), graph[node].ty.rank())
                .expect("a layer has channels");
        let channels = graph[product.weight].ty.shape[axis];
        let bias = bias_of(&graph, &known, (node, users[node.index()]), (result_axis, channels));
        let sums = bias.map_or(node, |b| b.0);
        // Converters join the names of all they have fused, the result's first.
        let label = graph[node].label.as_deref().and_then(|l| l.split(';').next());
        let label = label.filter(|l| !l.is_empty()).unwrap_or("layer");
        layers.push(Layer {
            name: names.unique(label),
            node,
            weight: product.weight,
            axis,
            result_axis,
            channels,
            bias,
            input: at[&product.input],
            output: end_of(&graph, &users, &at, sums),
            macs: facts::multiply_accumulates(&graph, node),
        });
    }
    let moved = placed.moved.iter().map(|(node, site)| (*node, at[site])).collect();
    let mut names = Names::default();
    let sites = placed.sites.into_iter().map(|s| {
        let label = label(&graph, s.node);
        Site {
            name: names.unique(label.filter(|l| !l.is_empty()).unwrap_or("tensor")),
            node: s.node,
            group: s.group,
            fixed: s.fixed,
            is_input: matches!(graph[s.node].op, Op::Input { .. }),
            is_output: s.is_output,
        }
    });
    let sites = sites.collect();
    Network { graph, layers, sites, floats: placed.floats, moved }
}

/// What a node is called in the model: an input by its name.
pub(super) fn label(graph: &Graph, id: NodeId) -> Option<&str> {
    if let Op::Input { name, .. } = &graph[id].op { Some(name) } else { graph[id].label.as_deref() }
}

/// The only user of `node`, if that adds a constant for each channel; one that is infinite masks channels, and is no bias.
fn bias_of(
    graph: &Graph,
    known: &Known,
    (node, user): (NodeId, Option<NodeId>),
    (axis, channels): (usize, usize),
) -> Option<(NodeId, NodeId)> {
    let add = user.filter(|user| graph[*user].op == Op::Binary(Binary::Add))?;
    let other = graph[add].operands.iter().copied().find(|o| *o != node)?;
    let bare = graph.unrepeated(other);
    let bias = known.along(other, axis)?;
    let fits = (bias.len() == channels || bias.len() == 1) && graph[bare].ty.dtype == DType::F32;
    let fits = fits && !bias.iter().any(|b| b.is_infinite());
    (fits && matches!(graph[bare].op, Op::Constant(_))).then_some((add, bare))
}

/// The first site on the way from `node` through single users.
fn end_of(
    graph: &Graph,
    users: &[Option<NodeId>],
    sites: &HashMap<NodeId, usize>,
    node: NodeId,
) -> Option<usize> {
    let mut at = node;
    loop {
        if let Some(&site) = sites.get(&at) {
            return Some(site);
        }
        at = users[at.index()].filter(|user| !facts::is_layer(&graph[*user].op))?;
    }
}
