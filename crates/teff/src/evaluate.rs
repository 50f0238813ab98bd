//! Running a classifier over a data set.

use crate::error::{Error, Result};
use crate::folded::ends;
use crate::metrics::{Confusion, argmax};
use teff_data::Dataset;
use teff_graph::facts::Known;
use teff_graph::passes::{for_batch, simplify, unfold_quantization};
use teff_graph::{DType, Graph, NodeId, Op, Tensor, Type};
use teff_host::{Options, Plan};

/// What a network said of each sample of a data set.
#[derive(Clone, Debug)]
pub struct Predictions {
    /// `classes` numbers for each sample, in order.
    pub logits: Vec<f32>,
    /// The largest of them.
    pub classes: Vec<u16>,
    /// How many numbers there are for each sample.
    pub width: usize,
}

impl Predictions {
    /// Counted against the labels.
    pub fn confusion(&self, data: &Dataset) -> Confusion {
        Confusion::count(data.labels(), &self.classes, data.classes().len())
    }

    /// How sure the network was of its answer to sample `i`, from 0 to 1: the softmax of its logits at the largest.
    pub fn confidence(&self, i: usize) -> f64 {
        let logits = &self.logits[i * self.width..(i + 1) * self.width];
        let top = logits[self.classes[i] as usize];
        1.0 / logits.iter().map(|&x| f64::from(x - top).exp()).sum::<f64>()
    }
}

/// Runs `graph`, which has one f32 input and one f32 output for one or more samples, over all samples. A quantised network that takes
/// 8-bit integers is given samples quantised as it dequantises them; integers that it gives are taken as logits.
///
/// # Errors
/// A graph of other inputs or outputs, or for samples of another size or number of classes than the data's.
pub fn predict(graph: &Graph, data: &Dataset, threads: usize) -> Result<Predictions> {
    let error = |reason: String| Error::Setting(format!("model {:?}: {reason}", graph.name));
    let fail = |reason: String| Err(error(reason));
    let (x, y) = ends(graph, "a classifier").map_err(error)?;
    let in_floats = with_floats(graph, graph.inputs()[0])?;
    if let Some(graph) = in_floats {
        return predict(&graph, data, threads);
    }
    let (sample, classes) = (data.sample_len(), data.classes().len());
    if x.dtype != DType::F32 || y.dtype != DType::F32 {
        return fail(format!("takes {x} and gives {y}; f32 is needed on both sides"));
    }
    if x.is_empty() || !x.len().is_multiple_of(sample) {
        return fail(format!("takes {x}, but a sample of the data has shape {:?}", data.shape()));
    }
    let batch = x.len() / sample;
    if y.len() != batch * classes {
        return fail(format!("gives {y}, but the data has {classes} classes"));
    }
    let channels_last = takes_channels_last(x, data.shape());
    let (graph, batch) = fast(graph, batch)?;
    let mut plan = Plan::new(&graph, &Options { threads })?;
    let mut logits = Vec::with_capacity(data.len() * classes);
    let all: Vec<usize> = (0..data.len()).collect();
    for part in all.chunks(batch) {
        // The last part may not fill the batch; what is behind it is left from before and not looked at.
        gather(data, part, channels_last, &mut plan.input_mut::<f32>(0)[..part.len() * sample]);
        plan.run()?;
        logits.extend_from_slice(&plan.output::<f32>(0)[..part.len() * classes]);
    }
    let classes_said = logits.chunks_exact(classes).map(|l| argmax(l) as u16).collect();
    Ok(Predictions { logits, classes: classes_said, width: classes })
}

/// Samples computed at a time, where the network allows it.
const BATCH: usize = 64;

/// The graph as the executor is fastest with it, and for how many samples at a time: quantisation as plain arithmetic, and many samples instead
/// of one.
pub(crate) fn fast(graph: &Graph, batch: usize) -> Result<(Graph, usize)> {
    let graph = simplify(&unfold_quantization(graph)?);
    let many = if batch == 1 { for_batch(&graph, BATCH) } else { None };
    Ok(many.map_or((graph, batch), |many| (many, BATCH)))
}

/// The graph taking and giving floats, if it takes 8-bit integers that it dequantises, or gives 8-bit integers.
fn with_floats(graph: &Graph, input: NodeId) -> Result<Option<Graph>> {
    let is_byte = |d: DType| matches!(d, DType::I8 | DType::U8);
    let ty = &graph[input].ty;
    let output = &graph.outputs()[0];
    if !is_byte(ty.dtype) && !is_byte(graph[output.node].ty.dtype) {
        return Ok(None);
    }
    let mut given = Tensor::input(graph.input_name(input), ty.dtype, &ty.shape);
    let mut x = given.clone();
    if is_byte(ty.dtype) {
        let simple = simplify(graph);
        let dequantize =
            simple.nodes().iter().find(|n| n.op == Op::Dequantize && n.operands[0] == simple.inputs()[0]);
        let known = Known::new(&simple);
        let parameter = |i: usize| known.value(dequantize?.operands[i]).map(Tensor::constant);
        // Said by the caller, who wants floats.
        let (Some(scale), Some(zero)) = (parameter(1), parameter(2)) else { return Ok(None) };
        given = Tensor::input(graph.input_name(input), DType::F32, &ty.shape);
        x = given.quantize(&scale, &zero);
    }
    let y = graph.instantiate(&[x]).remove(0).cast(DType::F32);
    Ok(Some(Graph::from_tensors(&graph.name, &[given], &[(&output.name, y)])?))
}

/// Whether what takes `x` takes samples with channels last, as TFLite models do; the data have them first.
pub(crate) fn takes_channels_last(x: &Type, sample: &[usize]) -> bool {
    let &[c, h, w] = sample else { return false };
    c != 1 && matches!(x.shape[..], [_, a, b, d] if [a, b, d] == [h, w, c] && [a, b, d] != [c, h, w])
}

/// Writes these samples to `out`, with channels last if they are to be.
pub(crate) fn gather(data: &Dataset, indices: &[usize], channels_last: bool, out: &mut [f32]) {
    data.gather(indices, out);
    if let (true, &[c, h, w]) = (channels_last, data.shape()) {
        for sample in out.chunks_exact_mut(c * h * w) {
            let first = sample.to_vec();
            first.iter().enumerate().for_each(|(i, x)| sample[i % (h * w) * c + i / (h * w)] = *x);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use teff_data::Samples;

    #[test]
    fn networks_of_integers_get_samples_as_they_dequantise_them() {
        let classes = vec!["a".to_string(), "b".to_string()];
        let data =
            Dataset::new(Samples::F32(vec![0.5, 1.0, 0.0, -0.25]), vec![2], vec![0, 1], classes).unwrap();
        let x = Tensor::input("x", DType::I8, &[1, 2]);
        let scale = Tensor::constant(teff_graph::Value::new([1, 1], vec![0.25f32]));
        let zero = Tensor::constant(teff_graph::Value::new([1, 1], vec![-3i8]));
        let doubled = x.dequantize(&scale, &zero) * 2.0;
        let graph = Graph::from_tensors("g", &[x], &[("y", doubled.quantize(&scale, &zero))]).unwrap();
        // Eighths in steps of a quarter, less the zero point.
        assert_eq!(predict(&graph, &data, 1).unwrap().logits, vec![1.0, 5.0, -3.0, -5.0]);
    }

    #[test]
    fn networks_that_take_channels_last_get_them_last() {
        // Two samples of 2 channels, 2 x 3; the networks give the sums of the channels.
        let pixels: Vec<f32> = (0..24).map(|x| x as f32).collect();
        let classes = vec!["a".to_string(), "b".to_string()];
        let data = Dataset::new(Samples::F32(pixels), vec![2, 2, 3], vec![0, 1], classes).unwrap();
        let graph = |shape: &[usize], axes: &[isize]| {
            let x = Tensor::input("x", DType::F32, shape);
            Graph::from_tensors("sums", std::slice::from_ref(&x), &[("y", x.sum(axes))]).unwrap()
        };
        let expected = vec![15.0, 51.0, 87.0, 123.0];
        assert_eq!(predict(&graph(&[1, 2, 2, 3], &[2, 3]), &data, 1).unwrap().logits, expected);
        assert_eq!(predict(&graph(&[1, 2, 3, 2], &[1, 2]), &data, 1).unwrap().logits, expected);
    }
}
