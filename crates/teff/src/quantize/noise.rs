//! What rounding does inside a quantised network: its tensors beside those of the same network that rounds none.

use super::probe::Noise;
use crate::error::Result;
use std::collections::HashMap;
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
    let varies = graph.depend_on_inputs();
    let is_tap = |id: &NodeId| {
        let source =
            graph[*id].operands.first().filter(|o| varies[o.index()] && graph[**o].ty.dtype == DType::F32);
        matches!(graph[*id].op, Op::Quantize { .. }) && source.is_some() && grid(&graph, *id).is_some()
    };
    let taps: Vec<NodeId> = graph.ids().filter(is_tap).collect();
    if taps.is_empty() {
        return Ok(Vec::new());
    }
    let input = |id: &NodeId| Tensor::input(graph.input_name(*id), graph[*id].ty.dtype, &graph[*id].ty.shape);
    let inputs: Vec<Tensor> = graph.inputs().iter().map(input).collect();
    // The integers with scale and zero, which make floats of them again.
    let ends = taps.iter().flat_map(|t| [*t, graph[*t].operands[1], graph[*t].operands[2]]);
    let rounded = graph.giving(&ends.collect::<Vec<_>>()).instantiate(&inputs);
    let rounded = rounded.chunks_exact(3).map(|of| Tensor::apply(Op::Dequantize, of));
    let unrounded = unrounded(&graph, &taps)?.instantiate(&inputs);
    let outputs: Vec<(&str, Tensor)> =
        unrounded.into_iter().zip(rounded).flat_map(|(u, r)| [("", u), ("", r)]).collect();
    let mut plan = Plan::new(&Graph::from_tensors(&graph.name, &inputs, &outputs)?, &Options::default())?;
    let mut noise = vec![Noise::default(); taps.len()];
    for sample in samples {
        for (i, value) in sample.iter().enumerate() {
            plan.set_input(i, value)?;
        }
        plan.run()?;
        for (i, noise) in noise.iter_mut().enumerate() {
            noise.add(plan.output::<f32>(2 * i), plan.output::<f32>(2 * i + 1));
        }
    }
    let of = |(tap, noise): (&NodeId, &Noise)| TensorNoise {
        layers: layers(&graph, &varies, *tap),
        sqnr: noise.decibels(),
    };
    Ok(taps.iter().zip(&noise).map(of).collect())
}

/// Scale and zero of a `Quantize` or `Dequantize` that has one of each, known now.
fn grid(graph: &Graph, id: NodeId) -> Option<(f64, i128)> {
    let value = |i: usize| graph.uniform(graph[id].operands[i]);
    Some((value(1)?.as_f64(), value(2)?.as_int()))
}

/// The graph without rounding, giving the tensors that `taps` quantise, clipped.
fn unrounded(graph: &Graph, taps: &[NodeId]) -> Result<Graph> {
    let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
    // The floats that integers would stand for if they were not rounded, and their grid.
    let mut behind: HashMap<NodeId, (Tensor, (f64, i128))> = HashMap::new();
    graph.rewritten(|id, operands, tensor| {
        let node = &graph[id];
        let before = node.operands.first().and_then(|o| behind.get(o)).cloned();
        if let Op::Input { .. } = node.op {
            inputs.push(tensor.clone());
        } else if let Op::Quantize { low, high, .. } = &node.op
            && let Some(grid) = grid(graph, id)
        {
            let end = |q: i32| (f64::from(q) - grid.1 as f64) * grid.0;
            let clipped = operands[0].clip(end(*low), end(*high));
            outputs.extend(taps.contains(&id).then(|| ("", clipped.clone())));
            behind.insert(id, (clipped, grid));
        } else if node.op == Op::Dequantize
            && let Some((floats, _)) = before.as_ref().filter(|b| grid(graph, id) == Some(b.1))
        {
            return floats.clone();
        } else if let (Class::View, Some((floats, grid))) = (node.op.traits().class, before) {
            // What moves integers, or chooses among them, moves what is behind them.
            behind.insert(id, (Tensor::apply(node.op.clone(), &[floats]), grid));
        }
        tensor
    })?;
    Ok(Graph::from_tensors(&graph.name, &inputs, &outputs)?)
}

/// The labels of what computes these integers, back to the quantised tensors before them.
fn layers(graph: &Graph, varies: &[bool], integers: NodeId) -> Vec<Arc<str>> {
    let (mut open, mut seen) = (vec![integers], Vec::new());
    while let Some(id) = open.pop() {
        let node = &graph[id];
        let before = matches!(node.op, Op::Dequantize | Op::Input { .. });
        if !before && varies[id.index()] && !seen.contains(&id) {
            seen.push(id);
            open.extend(&node.operands);
        }
    }
    seen.sort_unstable();
    let mut labels: Vec<Arc<str>> = seen.iter().filter_map(|id| graph[*id].label.clone()).collect();
    labels.dedup();
    labels
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
