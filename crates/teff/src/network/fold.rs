//! What scales and shifts the channels of a layer becomes part of its weights and bias: batch normalisation in use above all.

use std::collections::HashMap;
use teff_graph::{Binary, DType, Graph, Node, NodeId, Op, Tensor, Value};

/// A convolution or dense layer with constant weights, and what followed it.
struct Linear {
    /// The node of the product.
    product: NodeId,
    x: Tensor,
    weight: Vec<f32>,
    bias: Option<Vec<f32>>,
    weight_node: NodeId,
    bias_label: Option<std::sync::Arc<str>>,
}

/// The axis of the channels that a product gives, and where in its weights they lie.
pub(super) fn channel_axes(node: &Node) -> Option<(usize, usize)> {
    match node.op {
        Op::Conv(_) => Some((1, 0)),
        Op::MatMul => Some((node.ty.rank() - 1, node.ty.rank() - 1)),
        _ => None,
    }
}

/// The graph with `layer * factor + offset`, where both are constants of each channel, as a layer with other weights.
pub(super) fn fold(graph: &Graph) -> Result<Graph, teff_graph::Error> {
    let uses = graph.users();
    let mut made: Vec<Tensor> = Vec::with_capacity(graph.nodes().len());
    let mut layers: HashMap<NodeId, Linear> = HashMap::new();
    for id in graph.ids() {
        let node = &graph[id];
        if let Some(layer) = changed(graph, id, &mut layers, &uses) {
            made.push(emit(graph, &layer));
            layers.insert(id, layer);
            continue;
        }
        let operands: Vec<Tensor> = node.operands.iter().map(|o| made[o.index()].clone()).collect();
        if let (Some(_), Some(&w)) = (channel_axes(node), node.operands.get(1))
            && let Op::Constant(value) = &graph[w].op
            && value.dtype() == DType::F32
        {
            let weight = value.as_slice::<f32>().expect("f32").to_vec();
            let x = operands[0].clone();
            let layer = Linear { product: id, x, weight, bias: None, weight_node: w, bias_label: None };
            layers.insert(id, layer);
        }
        let tensor = Tensor::apply(node.op.clone(), &operands);
        made.push(node.label.iter().fold(tensor, |t, l| t.named(l)));
    }
    let inputs: Vec<Tensor> = graph.inputs().iter().map(|i| made[i.index()].clone()).collect();
    let outputs: Vec<(&str, Tensor)> =
        graph.outputs().iter().map(|o| (&*o.name, made[o.node.index()].clone())).collect();
    Graph::from_tensors(&graph.name, &inputs, &outputs)
}

/// The layer that `id` is when it scales or shifts one that nothing else uses.
fn changed(
    graph: &Graph,
    id: NodeId,
    layers: &mut HashMap<NodeId, Linear>,
    uses: &[Vec<NodeId>],
) -> Option<Linear> {
    let node = &graph[id];
    let Op::Binary(op) = node.op else { return None };
    let &[a, b] = &node.operands[..] else { return None };
    let is_layer = |x: NodeId| layers.contains_key(&x) && uses[x.index()].len() == 1;
    let (from, constant, swapped) = match (is_layer(a), is_layer(b)) {
        (true, _) => (a, b, false),
        (false, true) => (b, a, true),
        (false, false) => return None,
    };
    let product = &graph[layers[&from].product];
    let (axis, weight_axis) = channel_axes(product)?;
    let (by, label) = per_channel(graph, constant, axis, product.ty.shape[axis])?;
    let fits = match op {
        Binary::Add | Binary::Mul => true,
        Binary::Sub | Binary::Div => !swapped,
        _ => false,
    };
    if !fits {
        return None;
    }
    let mut layer = layers.remove(&from)?;
    let zeros = vec![0.0; by.len()];
    match op {
        Binary::Add | Binary::Sub => {
            let sign = if op == Binary::Add { 1.0 } else { -1.0 };
            let bias = layer.bias.get_or_insert(zeros);
            bias.iter_mut().zip(&by).for_each(|(b, c)| *b += sign * c);
            layer.bias_label = layer.bias_label.or(label);
        }
        _ => {
            let factors: Vec<f32> = if op == Binary::Mul { by } else { by.iter().map(|c| 1.0 / c).collect() };
            let shape = &graph[layer.weight_node].ty.shape;
            let (inner, channels) = (shape[weight_axis + 1..].iter().product::<usize>(), shape[weight_axis]);
            for (i, w) in layer.weight.iter_mut().enumerate() {
                *w *= factors[i / inner % channels];
            }
            layer.bias.iter_mut().for_each(|b| b.iter_mut().zip(&factors).for_each(|(b, f)| *b *= f));
        }
    }
    Some(layer)
}

/// The numbers of a constant that, broadcast to a result with `channels` channels on `axis`, differ by channel at most; and what it
/// is called.
fn per_channel(
    graph: &Graph,
    mut id: NodeId,
    axis: usize,
    channels: usize,
) -> Option<(Vec<f32>, Option<std::sync::Arc<str>>)> {
    let rank = graph[id].ty.rank();
    while let Op::Broadcast(_) = graph[id].op {
        id = graph[id].operands[0];
    }
    let shape = &graph[id].ty.shape;
    let lead = rank - shape.len();
    let one = |(i, n): (usize, &usize)| *n == 1 || i + lead == axis;
    let id_of_value = if let Op::Reshape(_) = graph[id].op { graph[id].operands[0] } else { id };
    let Op::Constant(value) = &graph[id_of_value].op else { return None };
    let numbers = value.as_slice::<f32>().filter(|_| shape.iter().enumerate().all(one))?;
    let numbers = if numbers.len() == 1 { vec![numbers[0]; channels] } else { numbers.to_vec() };
    (numbers.len() == channels).then(|| (numbers, graph[id_of_value].label.clone()))
}

/// The layer as tensors.
fn emit(graph: &Graph, layer: &Linear) -> Tensor {
    let product = &graph[layer.product];
    let weight = &graph[layer.weight_node];
    let name = product.label.as_deref().unwrap_or("layer");
    let named = |value: Value, label: &Option<std::sync::Arc<str>>, kind: &str| match label {
        Some(label) => Tensor::constant(value).named(label),
        None => Tensor::constant(value).named(&format!("{name}.{kind}")),
    };
    let w = named(Value::new(weight.ty.shape.clone(), layer.weight.clone()), &weight.label, "weight");
    let y = Tensor::apply(product.op.clone(), &[layer.x.clone(), w]).named(name);
    let Some(bias) = &layer.bias else { return y };
    let b = named(Value::new([bias.len()], bias.clone()), &layer.bias_label, "bias");
    let (axis, _) = channel_axes(product).expect("a layer");
    let mut shape = vec![1; y.rank()];
    shape[axis] = bias.len();
    (&y + b.reshape(&shape)).named(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use teff_graph::{ConvGeometry, evaluate};

    fn numbers(n: usize, by: f32) -> Vec<f32> {
        (0..n).map(|i| ((i * 37 % 19) as f32 - 9.0) * by + 0.05).collect()
    }

    fn constant(shape: &[usize], by: f32) -> Tensor {
        Tensor::constant(Value::new(shape, numbers(shape.iter().product(), by)))
    }

    #[test]
    fn what_is_folded_computes_the_same() {
        let x = Tensor::input("x", DType::F32, &[1, 2, 5, 5]);
        let per = |by: f32| constant(&[1, 4, 1, 1], by);
        let conv = x.conv_general(&constant(&[4, 2, 3, 3], 0.1), ConvGeometry::new(2)).named("conv");
        let normal = (per(0.3) + conv * per(0.2) - per(0.1)) / per(0.4);
        let dense = normal.relu().flatten(1).matmul(&constant(&[36, 3], 0.05));
        let y = (dense + constant(&[3], 0.3)) * constant(&[3], 0.2);
        let graph = Graph::from_tensors("g", std::slice::from_ref(&x), &[("y", y)]).unwrap();
        let folded = teff_graph::passes::simplify(&fold(&teff_graph::passes::simplify(&graph)).unwrap());
        let count = |g: &Graph| g.nodes().iter().filter(|n| matches!(n.op, Op::Binary(_))).count();
        // Two biases and the ReLU.
        assert_eq!(count(&folded), 3, "{folded:?}");
        let input = [Value::new([1, 2, 5, 5], numbers(50, 0.1))];
        let (a, b) = (evaluate(&graph, &input).unwrap(), evaluate(&folded, &input).unwrap());
        for (a, b) in a[0].to_f64().into_iter().zip(b[0].to_f64()) {
            assert!((a - b).abs() < 1e-4 * a.abs().max(1.0), "{a} {b}");
        }
    }

    #[test]
    fn a_layer_that_is_used_twice_stays() {
        let x = Tensor::input("x", DType::F32, &[1, 3]);
        let dense = x.matmul(&constant(&[3, 3], 0.1));
        let y = &dense * constant(&[3], 0.2) + &dense;
        let graph = Graph::from_tensors("g", std::slice::from_ref(&x), &[("y", y)]).unwrap();
        assert_eq!(fold(&graph).unwrap().nodes().len(), graph.nodes().len());
    }
}
