//! The trained network in integers: the standard form with `QuantizeLinear` and `DequantizeLinear`.

use super::{POINTS, Qat, Weights, beside, step_of};
use crate::error::Result;
use std::collections::HashMap;
use teff_graph::{DType, Graph, NodeId, Op, Tensor, Type, Value};

impl Qat<'_> {
    /// The network for `batch` samples with integer weights: each constant, activation and bias is what `Dequantize` makes of
    /// integers. Biases are 32-bit integers in units of input step times weight step.
    ///
    /// # Errors
    /// None for a network that was made.
    pub fn quantized(&self, batch: usize) -> Result<Graph> {
        let x = self.network.placeholder(batch);
        let mut biases: HashMap<NodeId, (NodeId, NodeId)> = HashMap::new();
        for layer in self.network.layers() {
            if let Some((_, node, _)) = &layer.bias {
                biases.insert(*node, (self.network.graph()[layer.node].operands[0], layer.weight_node));
            }
        }
        let y = self.network.walk(&x, |id, _, t| {
            if let Some(w) = self.weights.get(&id) {
                return weights(&t, w);
            }
            if let Some((x, w)) = biases.get(&id)
                && let (Some(p), Some(w)) = (self.points.get(x), self.weights.get(w))
            {
                return bias(&t, step_of(&p.log_step)[0], &step_of(&w.log_step));
            }
            let Some(p) = self.points.get(&id) else { return t };
            let ones = vec![1; t.rank()];
            let step = Tensor::constant(Value::new(ones.clone(), step_of(&p.log_step)));
            let zero = Tensor::constant(Value::new(ones, vec![p.zero as i8]));
            let op = Op::Quantize { dtype: DType::I8, low: POINTS.0, high: POINTS.1 };
            let q = Tensor::apply(op, &[t.clone(), step.clone(), zero.clone()]);
            let q = t.label().iter().fold(q, |q, l| q.named(l));
            let back = q.dequantize(&step, &zero);
            t.label().iter().fold(back, |q, l| q.named(l))
        });
        let name = &self.network.graph().outputs()[0].name;
        Ok(Graph::from_tensors(&self.network.graph().name, &[x], &[(name, y)])?)
    }
}

fn numbers(t: &Tensor) -> (Vec<f32>, Vec<usize>) {
    let Op::Param(p) = t.op() else { unreachable!("weights and biases are parameters") };
    (p.value().as_slice::<f32>().expect("f32").to_vec(), t.shape().to_vec())
}

fn weights(t: &Tensor, w: &Weights) -> Tensor {
    let (numbers, shape) = numbers(t);
    let steps = step_of(&w.log_step);
    let inner: usize = shape[w.axis + 1..].iter().product();
    let (low, high) = w.bits.range();
    let one = |(i, x): (usize, &f32)| {
        let step = steps[i / inner % steps.len()];
        (x / step).round_ties_even().clamp(low as f32, high as f32) as i8
    };
    let integers = Tensor::constant(Value::new(shape, numbers.iter().enumerate().map(one).collect()));
    let integers = t.label().iter().fold(integers, |q, l| q.named(l));
    let scale = Tensor::constant(Value::new([steps.len()], steps));
    dequantized(&integers, scale, w.axis)
}

fn bias(t: &Tensor, input_step: f32, weight_steps: &[f32]) -> Tensor {
    let (numbers, shape) = numbers(t);
    let scales: Vec<f32> = weight_steps.iter().map(|s| s * input_step).collect();
    let one = |(b, s): (&f32, &f32)| (f64::from(*b) / f64::from(*s)).round_ties_even() as i32;
    let integers: Vec<i32> = numbers.iter().zip(scales.iter().cycle()).map(one).collect();
    let q = Tensor::constant(Value::new([integers.len()], integers));
    let q = t.label().iter().fold(q, |q, l| q.named(l));
    dequantized(&q, Tensor::constant(Value::new([scales.len()], scales)), 0).reshape(&shape)
}

fn dequantized(q: &Tensor, scale: Tensor, axis: usize) -> Tensor {
    let scale = beside(&scale, axis, q.rank());
    let zero = Tensor::constant(Value::zeros(&Type::new(q.dtype(), scale.shape())));
    q.dequantize(&scale, &zero)
}
