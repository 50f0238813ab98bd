//! Whether the integers of a quantised network are its floats, but for roundings.

use crate::failure::Result;
use teff::graph::{Graph, NodeId, Op, Value, evaluate, evaluate_all, evaluate_op};

/// How far from halfway between two integers a float may be that is rounded to the other one: what sums of floats and tables of
/// exponentials are off by, in steps.
const BORDER: f64 = 1.0 / 16.0;

/// All integers inside of a quantised network on some samples, beside those of the floats that it is written in.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Rounded {
    pub(super) all: usize,
    /// One step apart, the float being as good as halfway.
    pub(super) apart: usize,
    /// What roundings do not explain.
    pub(super) wrong: usize,
    /// The first of those.
    pub(super) first: Option<String>,
}

/// The outputs of the integer form for each sample, and what is inside beside the floats.
///
/// Each layer is judged by itself: its floats are computed from the integers that the integer form has before it, since the layers behind
/// a stray rounding may make anything of it.
pub(super) fn rounded(graph: &Graph, samples: &[Vec<Value>]) -> Result<(Vec<Vec<Value>>, Rounded)> {
    let quantised: Vec<NodeId> =
        graph.ids().filter(|id| matches!(graph[*id].op, Op::Quantize { .. })).collect();
    let mut all = graph.clone();
    quantised.iter().for_each(|id| all.add_output(&format!("quantised {}", id.index()), *id));
    let integers = teff::compile::integer(&all)?;
    let layers = apart(graph)?;
    let (mut outputs, mut rounded) = (Vec::new(), Rounded::default());
    for sample in samples {
        let mut found = evaluate(&integers, sample)?;
        let inside = found.split_off(graph.outputs().len());
        outputs.push(found);
        let floats = evaluate_all(&layers, &given(graph, &layers, sample, &quantised, &inside))?;
        for (id, is) in quantised.iter().zip(&inside) {
            let node = &graph[*id];
            let operands: Vec<&Value> = node.operands.iter().map(|o| &floats[o.index()]).collect();
            let expected = evaluate_op(&node.op, &operands);
            let label = node.label.as_deref().unwrap_or("a layer without a name");
            compare(is, &expected, &operands, label, &mut rounded);
        }
    }
    Ok((outputs, rounded))
}

/// The graph with an input in place of each quantised tensor.
fn apart(graph: &Graph) -> Result<Graph> {
    Ok(graph.mapped(|id, node| {
        if let Op::Quantize { .. } = node.op {
            node.op = Op::Input { name: format!("quantised {}", id.index()).into(), ty: node.ty.clone() };
            node.operands.clear();
        }
    })?)
}

/// The inputs of [`apart`]: those of the sample and the integers inside.
fn given(
    graph: &Graph,
    layers: &Graph,
    sample: &[Value],
    quantised: &[NodeId],
    inside: &[Value],
) -> Vec<Value> {
    let value = |id: &NodeId| match graph.inputs().iter().position(|i| i == id) {
        Some(i) => sample[i].clone(),
        None => inside[quantised.iter().position(|q| q == id).expect("the others are quantised")].clone(),
    };
    layers.inputs().iter().map(value).collect()
}

/// Notes how the integers differ from those that x, scale and zero point give.
fn compare(is: &Value, expected: &Value, operands: &[&Value], label: &str, to: &mut Rounded) {
    to.all += is.len();
    let [x, scale, _] = operands else { return };
    for i in (0..is.len()).filter(|i| is.get(*i) != expected.get(*i)) {
        let (a, b) = (is.get(i).as_int(), expected.get(i).as_int());
        let wide = scale.to_f64().into_iter().fold(0.0, f64::max);
        let narrow = scale.to_f64().into_iter().fold(f64::INFINITY, f64::min);
        let steps = x.get(i).as_f64() / wide;
        let from_half = (steps - steps.floor() - 0.5).abs();
        // Where each channel has a scale of its own the layer was not rewritten, and is the same in both.
        if a.abs_diff(b) == 1 && wide == narrow && from_half <= BORDER {
            to.apart += 1;
            continue;
        }
        to.wrong += 1;
        to.first.get_or_insert_with(|| format!("{label}: element {i} is {a} in integers, {b} of floats"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use teff::graph::{DType, Tensor};

    /// x + 0.25 in steps of 0.5.
    fn network() -> Graph {
        let x = Tensor::input("x", DType::F32, &[2]);
        let one = |x| Tensor::constant(Value::new([1], vec![x]));
        let zero = Tensor::constant(Value::new([1], vec![0i8]));
        let y = x.quantize(&one(0.5f32), &zero).dequantize(&one(0.5), &zero) + one(0.25);
        let y = y.quantize(&one(0.5), &zero);
        Graph::from_tensors("net", &[x], &[("y", y)]).unwrap()
    }

    #[test]
    fn integers_are_compared_layer_by_layer() {
        let (outputs, rounded) = rounded(&network(), &[vec![Value::new([2], vec![0.9f32, -7.0])]]).unwrap();
        // 2.5 and -13.5 go to the even integers.
        assert_eq!(outputs, [[Value::new([2], vec![2i8, -14])]]);
        assert_eq!(rounded, Rounded { all: 4, ..Rounded::default() });
    }

    #[test]
    fn what_is_not_halfway_is_no_rounding() {
        let (x, scale, zero) = (
            Value::new([3], vec![1.0f32, 1.26, 1.4]),
            Value::new([1], vec![0.5f32]),
            Value::new([1], vec![0i8]),
        );
        let expected = Value::new([3], vec![2i8, 3, 3]);
        let judged = |is: [i8; 3]| {
            let mut rounded = Rounded::default();
            compare(&Value::new([3], is.to_vec()), &expected, &[&x, &scale, &zero], "conv", &mut rounded);
            (rounded.apart, rounded.wrong, rounded.first)
        };
        assert_eq!(judged([2, 3, 3]), (0, 0, None));
        assert_eq!(judged([2, 2, 3]), (1, 0, None));
        assert_eq!(judged([2, 1, 3]).1, 1);
        assert_eq!(judged([2, 3, 2]).2.unwrap(), "conv: element 2 is 2 in integers, 3 of floats");
    }
}
