//! What rounding does inside a quantised network: its tensors beside those of the same network that rounds none.

use super::probe::Noise;
use crate::error::Result;
use std::sync::Arc;
use teff_graph::facts::Class;
use teff_graph::passes::simplify;
use teff_graph::{DType, Graph, NodeId, Op, Tensor, Value};
use teff_host::{Options, Plan};

/// The noise of one quantised tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorNoise {
    /// The layers that compute the tensor, from the quantised tensors before it on, in order: labels of the graph's nodes.
    pub layers: Vec<Arc<str>>,
    /// Signal to noise in dB; 200 stands for no noise.
    pub sqnr: f64,
}

/// How far each quantised tensor of `graph` is from what it would be if no tensor were rounded, over all samples: ranges are kept, so
/// that what is clipped is clipped in both. Weights are what they are in both; how far they are from the float model's, a quantised
/// model does not tell.
///
/// # Errors
/// Samples that are not the graph's inputs, as the host executor says it.
pub fn rounding(graph: &Graph, samples: &[Vec<Value>]) -> Result<Vec<TensorNoise>> {
    let graph = simplify(graph);
    let pairs = Pairs::new(&graph);
    let outputs: Vec<(&str, Tensor)> =
        pairs.taps.iter().flat_map(|t| [("", t.unrounded.clone()), ("", t.rounded.clone())]).collect();
    if outputs.is_empty() {
        return Ok(Vec::new());
    }
    let both = Graph::from_tensors(&graph.name, &pairs.inputs, &outputs)?;
    let mut plan = Plan::new(&both, &Options::default())?;
    let mut noise = vec![Noise::default(); pairs.taps.len()];
    for sample in samples {
        for (i, value) in sample.iter().enumerate() {
            plan.set_input(i, value)?;
        }
        plan.run()?;
        for (i, noise) in noise.iter_mut().enumerate() {
            noise.add(plan.output::<f32>(2 * i), plan.output::<f32>(2 * i + 1));
        }
    }
    let of =
        |(tap, noise): (&Tap, &Noise)| TensorNoise { layers: tap.layers.clone(), sqnr: noise.decibels() };
    Ok(pairs.taps.iter().zip(&noise).map(of).collect())
}

/// A quantised tensor, as floats.
struct Tap {
    layers: Vec<Arc<str>>,
    rounded: Tensor,
    unrounded: Tensor,
}

/// The floats that integers would stand for if they were not rounded, and their grid.
#[derive(Clone)]
struct Behind {
    tensor: Tensor,
    scale: f64,
    zero: i128,
}

/// Each node twice.
struct Pairs<'g> {
    graph: &'g Graph,
    inputs: Vec<Tensor>,
    rounded: Vec<Tensor>,
    unrounded: Vec<Tensor>,
    behind: Vec<Option<Behind>>,
    /// Whether a node depends on an input.
    varies: Vec<bool>,
    taps: Vec<Tap>,
}

impl<'g> Pairs<'g> {
    fn new(graph: &'g Graph) -> Pairs<'g> {
        let mut pairs = Pairs {
            graph,
            inputs: Vec::new(),
            rounded: Vec::new(),
            unrounded: Vec::new(),
            behind: Vec::new(),
            varies: graph.depend_on_inputs(),
            taps: Vec::new(),
        };
        graph.ids().for_each(|id| pairs.node(id));
        // In the order in which the caller gives them.
        pairs.inputs = graph.inputs().iter().map(|id| pairs.rounded[id.index()].clone()).collect();
        pairs
    }

    fn node(&mut self, id: NodeId) {
        let node = &self.graph[id];
        let of = |made: &[Tensor]| node.operands.iter().map(|o| made[o.index()].clone()).collect::<Vec<_>>();
        let operands = of(&self.unrounded);
        let rounded = Tensor::apply(node.op.clone(), &of(&self.rounded));
        let same = node.operands.iter().zip(&operands).all(|(o, u)| self.rounded[o.index()].id() == u.id());
        let mut unrounded = if same { rounded.clone() } else { Tensor::apply(node.op.clone(), &operands) };
        let mut behind = None;
        if let Op::Quantize { low, high, .. } = &node.op {
            if let Some((scale, zero)) = self.grid(id) {
                let end = |q: i32| (f64::from(q) - zero as f64) * scale;
                let tensor = operands[0].clip(end(*low), end(*high));
                let [_, step, zero_point] = &of(&self.rounded)[..] else {
                    unreachable!("checked by the graph")
                };
                let back =
                    Tensor::apply(Op::Dequantize, &[rounded.clone(), step.clone(), zero_point.clone()]);
                self.tap(id, &back, &tensor);
                behind = Some(Behind { tensor, scale, zero });
            }
        } else if node.op == Op::Dequantize {
            let before = self.behind[node.operands[0].index()].clone();
            if let Some(before) = before.filter(|b| self.grid(id) == Some((b.scale, b.zero))) {
                unrounded = before.tensor;
            }
        } else if node.op.traits().class == Class::View {
            // What moves integers, or chooses among them, moves what is behind them.
            behind = self.behind[node.operands[0].index()]
                .clone()
                .map(|b| Behind { tensor: Tensor::apply(node.op.clone(), &[b.tensor]), ..b });
        }
        self.rounded.push(rounded);
        self.unrounded.push(unrounded);
        self.behind.push(behind);
    }

    /// Scale and zero of a `Quantize` or `Dequantize` that has one of each, known now.
    fn grid(&self, id: NodeId) -> Option<(f64, i128)> {
        let value = |i: usize| self.graph.uniform(self.graph[id].operands[i]);
        Some((value(1)?.as_f64(), value(2)?.as_int()))
    }

    /// Notes the tensor that a `Quantize` gives, unless it is known now.
    fn tap(&mut self, quantize: NodeId, rounded: &Tensor, unrounded: &Tensor) {
        let source = self.graph[quantize].operands[0];
        if self.graph[source].ty.dtype == DType::F32 && self.varies[source.index()] {
            let layers = self.layers(quantize);
            self.taps.push(Tap { layers, rounded: rounded.clone(), unrounded: unrounded.clone() });
        }
    }

    /// The labels of what computes these integers, back to the quantised tensors before them.
    fn layers(&self, integers: NodeId) -> Vec<Arc<str>> {
        let (mut open, mut seen) = (vec![integers], Vec::new());
        while let Some(id) = open.pop() {
            let node = &self.graph[id];
            let before = matches!(node.op, Op::Dequantize | Op::Input { .. });
            if !before && self.varies[id.index()] && !seen.contains(&id) {
                seen.push(id);
                open.extend(&node.operands);
            }
        }
        seen.sort_unstable();
        let mut labels: Vec<Arc<str>> = seen.iter().filter_map(|id| self.graph[*id].label.clone()).collect();
        labels.dedup();
        labels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounded(x: &Tensor, scale: f32, zero: i8) -> Tensor {
        let scale = Tensor::constant(Value::new([1, 1], vec![scale]));
        let zero = Tensor::constant(Value::new([1, 1], vec![zero]));
        let q = Tensor::apply(
            Op::Quantize { dtype: DType::I8, low: -128, high: 127 },
            &[x.clone(), scale.clone(), zero.clone()],
        );
        Tensor::apply(Op::Dequantize, &[q, scale, zero])
    }

    /// Two roundings in a row: the second tensor has the noise of both.
    #[test]
    fn noise_is_that_of_all_roundings_so_far_and_clipping_is_none() {
        let x = Tensor::input("x", DType::F32, &[1, 4]);
        let first = rounded(&(&x * 2.0).named("double"), 0.5, 0);
        let second = rounded(&(&first + 1.0).named("shift"), 1.0, 0);
        let graph = Graph::from_tensors("net", &[x], &[("y", second)]).unwrap();
        // Doubled: 0.2, 1.0, 200 (clipped to 63.5), -0.4, which round to 0, 1, 63.5, -0.5; shifted: 1.2, 2, 64.5, 0.6.
        let sample = vec![Value::new([1, 4], vec![0.1f32, 0.5, 100.0, -0.2])];
        let found = rounding(&graph, &[sample]).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!((&*found[0].layers[0], &*found[1].layers[0]), ("double", "shift"));
        let decibels = |signal: &[f64], noise: &[f64]| {
            let power = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>();
            10.0 * (power(signal) / power(noise)).log10()
        };
        let first = decibels(&[0.2, 1.0, 63.5, -0.4], &[0.2, 0.0, 0.0, 0.1]);
        // 1, 2, 64.5 and 0.5 round to 1, 2, 64 and 0.
        let second = decibels(&[1.2, 2.0, 64.5, 0.6], &[0.2, 0.0, 0.5, 0.6]);
        assert!((found[0].sqnr - first).abs() < 1e-3, "{} should be {first}", found[0].sqnr);
        assert!((found[1].sqnr - second).abs() < 1e-3, "{} should be {second}", found[1].sqnr);
    }

    #[test]
    fn a_float_network_rounds_nothing() {
        let x = Tensor::input("x", DType::F32, &[1, 4]);
        let graph = Graph::from_tensors("net", std::slice::from_ref(&x), &[("y", x.relu())]).unwrap();
        assert_eq!(rounding(&graph, &[vec![Value::new([1, 4], vec![1.0f32; 4])]]).unwrap(), []);
    }
}
