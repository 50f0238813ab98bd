//! A scheme as a standard graph of `Quantize` and `Dequantize`.

use super::network::{Layer, Network, channel_of, label};
use super::scheme::{Grid, Scheme, Weights, range, weight_range};
use crate::error::{Error, Result};
use std::collections::HashMap;
use teff_graph::{Binary, DType, Graph, NodeId, Op, Tensor, Type, Value};

/// What the quantised network takes and gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interface {
    /// Floats, quantised at the inputs and dequantised at the outputs.
    Float,
    /// The 8-bit integers themselves.
    Int8,
}

/// The biases' steps are at most this many, so that a sum of 32 bits has room for the products beside it.
const MOST_STEPS: f64 = (1u64 << 28) as f64;

/// The network as `scheme` says, with everything that the scheme leaves out in floats.
///
/// # Errors
/// A scheme for another network; [`Interface::Int8`] where an input or output is not quantised.
pub fn rewrite(network: &Network, scheme: &Scheme, interface: Interface) -> Result<Graph> {
    let to = Rewriter::walk(network, scheme, interface)?;
    let graph = &network.graph;
    let inputs: Vec<Tensor> = graph.inputs().iter().map(|i| to.inputs[i].clone()).collect();
    let mut outputs = Vec::new();
    for o in graph.outputs() {
        outputs.push((&*o.name, to.output(o.node, &o.name)?));
    }
    Ok(Graph::from_tensors(&graph.name, &inputs, &outputs)?)
}

/// As [`rewrite`], giving the values at these nodes of the network instead of its outputs, as floats.
pub(super) fn tapped(network: &Network, scheme: &Scheme, taps: &[NodeId]) -> Result<Graph> {
    let to = Rewriter::walk(network, scheme, Interface::Float)?;
    let inputs: Vec<Tensor> = network.graph.inputs().iter().map(|i| to.inputs[i].clone()).collect();
    let outputs: Vec<(&str, Tensor)> =
        taps.iter().map(|t| ("", to.made[t.index()].cast(DType::F32))).collect();
    Ok(Graph::from_tensors(&network.graph.name, &inputs, &outputs)?)
}

/// A scheme for another network.
fn check(network: &Network, scheme: &Scheme) -> Result<()> {
    if (scheme.sites.len(), scheme.layers.len()) != (network.sites.len(), network.layers.len()) {
        return Err(Error::Setting(format!(
            "a scheme for {} tensors and {} layers does not fit {:?}, which has {} and {}",
            scheme.sites.len(),
            scheme.layers.len(),
            network.graph.name,
            network.sites.len(),
            network.layers.len()
        )));
    }
    Ok(())
}

struct Rewriter<'a> {
    network: &'a Network,
    scheme: &'a Scheme,
    interface: Interface,
    /// What stands for each node.
    made: Vec<Tensor>,
    /// The integers behind what is quantised.
    integers: HashMap<NodeId, Tensor>,
    inputs: HashMap<NodeId, Tensor>,
    site_of: HashMap<NodeId, usize>,
    moved: HashMap<NodeId, usize>,
    by_node: HashMap<NodeId, usize>,
    by_bias: HashMap<NodeId, usize>,
    uses: Vec<usize>,
}

impl<'a> Rewriter<'a> {
    fn walk(network: &'a Network, scheme: &'a Scheme, interface: Interface) -> Result<Rewriter<'a>> {
        check(network, scheme)?;
        let graph = &network.graph;
        let layers = || network.layers.iter().enumerate();
        let mut to = Rewriter {
            network,
            scheme,
            interface,
            made: Vec::with_capacity(graph.nodes().len()),
            integers: HashMap::new(),
            inputs: HashMap::new(),
            site_of: network.sites.iter().enumerate().map(|(i, s)| (s.node, i)).collect(),
            moved: network.moved.iter().copied().collect(),
            by_node: layers().map(|(i, l)| (l.node, i)).collect(),
            by_bias: layers().filter_map(|(i, l)| Some((l.bias?.0, i))).collect(),
            uses: graph.uses(),
        };
        for id in graph.ids() {
            to.node(id)?;
        }
        Ok(to)
    }

    fn node(&mut self, id: NodeId) -> Result<()> {
        let node = &self.network.graph[id];
        let grid = self.site_of.get(&id).and_then(|s| self.scheme.sites[*s]);
        let tensor = if let Op::Input { name, ty } = &node.op {
            self.input(id, name, ty, grid)?
        } else {
            let x = grid.map_or_else(|| self.plain(id), |grid| self.unclamped(id, &grid));
            // What is moved is quantised again, to the same integers: other tools look for that around each of their operators.
            let moved = || self.moved.get(&id).and_then(|s| self.scheme.sites[*s]);
            match grid.or_else(moved) {
                Some(grid) => self.quantised(id, &x, &grid),
                None => x,
            }
        };
        tensor.check()?;
        self.made.push(tensor);
        Ok(())
    }

    fn input(&mut self, id: NodeId, name: &str, ty: &Type, grid: Option<Grid>) -> Result<Tensor> {
        if ty.dtype != DType::F32 || self.interface == Interface::Float {
            let x = Tensor::input(name, ty.dtype, &ty.shape);
            self.inputs.insert(id, x.clone());
            return Ok(match grid {
                Some(grid) => self.quantised(id, &x, &grid),
                None => x,
            });
        }
        let grid = grid.ok_or_else(|| Error::Quantize {
            at: name.into(),
            reason: "stays float, so the network cannot take integers there; leave the interface float"
                .into(),
        })?;
        let q = Tensor::input(name, grid.dtype, &ty.shape);
        self.inputs.insert(id, q.clone());
        self.integers.insert(id, q.clone());
        Ok(dequantised(&q, &grid, None))
    }

    fn output(&self, id: NodeId, name: &str) -> Result<Tensor> {
        if self.interface == Interface::Float || self.network.graph[id].ty.dtype != DType::F32 {
            return Ok(self.made[id.index()].clone());
        }
        self.integers.get(&id).cloned().ok_or_else(|| Error::Quantize {
            at: name.into(),
            reason: "stays float, so the network cannot give integers there; leave the interface float"
                .into(),
        })
    }

    fn quantised(&mut self, id: NodeId, x: &Tensor, grid: &Grid) -> Tensor {
        let label = label(&self.network.graph, id);
        let (scale, zero) = parameters(grid, x.rank());
        let (low, high) = range(grid.dtype);
        let q = Tensor::apply(Op::Quantize { dtype: grid.dtype, low, high }, &[x.clone(), scale, zero]);
        let q = label.map_or(q.clone(), |l| q.named(&format!("{l}_quantized")));
        self.integers.insert(id, q.clone());
        dequantised(&q, grid, label)
    }

    /// What node `id` is before clamps that the ends of the grid do anyway, as of a rectifier before a grid whose zero is its low end.
    fn unclamped(&self, id: NodeId, grid: &Grid) -> Tensor {
        let graph = &self.network.graph;
        let mut at = id;
        while let Op::Binary(op @ (Binary::Max | Binary::Min)) = graph[at].op {
            let Some((x, bound)) = self.bounded(at) else { break };
            let (low, high) = grid.reach();
            // One step more is rounded away: what the bound takes off is off the grid.
            let idle = match op == Binary::Max {
                true => grid.round(bound) == low && bound <= low,
                false => grid.round(bound) == high && bound >= high,
            };
            if !idle || (at != id && self.uses[at.index()] > 1) {
                break;
            }
            at = x;
        }
        if at == id { self.plain(id) } else { self.made[at.index()].clone() }
    }

    /// The operand of a maximum or minimum with one number, and the number.
    fn bounded(&self, id: NodeId) -> Option<(NodeId, f32)> {
        let graph = &self.network.graph;
        let number = |o: NodeId| Some(graph.uniform(o)?.as_f64() as f32);
        let (a, b) = (graph[id].operands[0], graph[id].operands[1]);
        number(b).map(|n| (a, n)).or_else(|| number(a).map(|n| (b, n)))
    }

    /// The node itself, with the integers of its layer if it has some.
    fn plain(&self, id: NodeId) -> Tensor {
        let node = &self.network.graph[id];
        let label = node.label.as_deref();
        let of = |o: &NodeId| self.made[o.index()].clone();
        let tensor = if let Some((layer, weights)) = self.quantised_layer(self.by_node.get(&id)) {
            let w = self.weights(layer, weights);
            let wide = w.broadcast_to(&self.network.graph[node.operands[1]].ty.shape);
            let sums = Tensor::apply(node.op.clone(), &[of(&node.operands[0]), wide]);
            match (layer.bias, &weights.bias) {
                // A correction where there was no bias.
                (None, Some(bias)) => {
                    let sums = label.map_or(sums.clone(), |l| sums.named(l));
                    let shape = self.bias_shape(layer);
                    &sums + self.bias(layer, weights, bias, &shape).broadcast_to(sums.shape())
                }
                _ => sums,
            }
        } else if let Some((layer, weights)) = self.quantised_layer(self.by_bias.get(&id)) {
            let i = self.by_bias[&id];
            let bias = weights.bias.clone().unwrap_or_else(|| self.network.bias(i));
            let shape = self.bias_shape(layer);
            let sums = of(&layer.node);
            &sums + self.bias(layer, weights, &bias, &shape).broadcast_to(sums.shape())
        } else {
            Tensor::apply(node.op.clone(), &node.operands.iter().map(of).collect::<Vec<_>>())
        };
        label.map_or(tensor.clone(), |l| tensor.named(l))
    }

    fn quantised_layer(&self, index: Option<&usize>) -> Option<(&Layer, &Weights)> {
        let &i = index?;
        Some((&self.network.layers[i], self.scheme.layers[i].as_ref()?))
    }

    /// Scales of weights. Where a bias is very large beside its weights, the scale is widened until the bias fits; the integers of the
    /// weights are then rounded to it.
    fn scales(&self, layer: &Layer, weights: &Weights) -> Vec<f32> {
        let Some(grid) = self.scheme.sites[layer.input] else { return weights.scales.clone() };
        let i = self.by_node[&layer.node];
        let bias = weights.bias.clone().unwrap_or_else(|| self.network.bias(i));
        let least = |b: &f32| (f64::from(b.abs()) / (f64::from(grid.scale) * MOST_STEPS)) as f32;
        weights.scales.iter().zip(&bias).map(|(s, b)| s.max(least(b))).collect()
    }

    /// The weights of a layer: integers, dequantised by channel.
    fn weights(&self, layer: &Layer, weights: &Weights) -> Tensor {
        let ty = &self.network.graph[layer.weight].ty;
        let scales = self.scales(layer, weights);
        let (low, high) = weight_range(weights.bits);
        let q = weights.q.iter().enumerate().map(|(i, q)| {
            let c = channel_of(i, &ty.shape, layer.axis);
            let steps = f32::from(*q) * (weights.scales[c] / scales[c]);
            (steps.round_ties_even() as i32).clamp(low, high) as i8
        });
        let mut shape = vec![1; ty.rank()];
        shape[layer.axis] = layer.channels;
        let name = self.constant_name(layer, Some(layer.weight), "weight");
        let q = Tensor::constant(Value::new(ty.shape.clone(), q.collect::<Vec<i8>>()))
            .named(&format!("{name}_quantized"));
        let zero = Tensor::constant(Value::new(shape.clone(), vec![0i8; layer.channels]));
        q.dequantize(&Tensor::constant(Value::new(shape, scales)), &zero).named(&name)
    }

    /// The name that a constant of the layer has in the model; what was computed from others may have that of the layer, and gets its own.
    fn constant_name(&self, layer: &Layer, constant: Option<NodeId>, word: &str) -> String {
        let label = constant.and_then(|c| self.network.graph[c].label.as_deref());
        let taken = |l: &str| {
            [layer.node, layer.sums()].iter().any(|n| self.network.graph[*n].label.as_deref() == Some(l))
        };
        match label.filter(|l| !taken(l)) {
            Some(own) => own.to_string(),
            None => format!("{}.{word}", layer.name),
        }
    }

    /// The shape that a bias of the layer broadcasts from.
    fn bias_shape(&self, layer: &Layer) -> Vec<usize> {
        let rank = self.network.graph[layer.node].ty.rank();
        let behind = vec![1; rank - 1 - layer.result_axis];
        // Trailing axes alone, as who writes a dense layer has it.
        if behind.is_empty() { vec![layer.channels] } else { [vec![1, layer.channels], behind].concat() }
    }

    /// The bias of a layer in units of its sums, or as it is where the layer's input stays float.
    fn bias(&self, layer: &Layer, weights: &Weights, bias: &[f32], shape: &[usize]) -> Tensor {
        let name = self.constant_name(layer, layer.bias.map(|b| b.1), "bias");
        let Some(grid) = self.scheme.sites[layer.input] else {
            return Tensor::constant(Value::new(shape.to_vec(), bias.to_vec())).named(&name);
        };
        let scales: Vec<f32> = self.scales(layer, weights).iter().map(|s| grid.scale * s).collect();
        let steps = bias.iter().zip(&scales).map(|(b, s)| (f64::from(*b) / f64::from(*s)).round_ties_even());
        let q: Vec<i32> = steps.map(|n| n.clamp(-MOST_STEPS, MOST_STEPS) as i32).collect();
        let n = [layer.channels];
        let q = Tensor::constant(Value::new(n, q)).named(&format!("{name}_quantized"));
        let zero = Tensor::constant(Value::new(n, vec![0i32; layer.channels]));
        q.dequantize(&Tensor::constant(Value::new(n, scales)), &zero).named(&name).reshape(shape)
    }
}

/// Scale and zero point of a grid beside a tensor of that rank.
fn parameters(grid: &Grid, rank: usize) -> (Tensor, Tensor) {
    let shape = vec![1; rank];
    let zero = Value::full(&Type::new(grid.dtype, shape.clone()), teff_graph::Num::Int(grid.zero.into()));
    (Tensor::constant(Value::new(shape, vec![grid.scale])), Tensor::constant(zero))
}

fn dequantised(q: &Tensor, grid: &Grid, label: Option<&str>) -> Tensor {
    let (scale, zero) = parameters(grid, q.rank());
    let x = q.dequantize(&scale, &zero);
    label.map_or(x.clone(), |l| x.named(&format!("{l}_dequantized")))
}
