//! Running a network over a data set.

use crate::error::{Error, Result};
use crate::feed::Feed;
use crate::metrics::{Confusion, Fit, argmax};
use teff_data::{Dataset, Targets};
use teff_graph::facts::quantization;
use teff_graph::passes::{for_batch, simplify, unfold_quantization};
use teff_graph::{DType, Graph, Tensor, Value, with_dtype};
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

/// Runs a classifier over all samples: its first output has a number for each class of the data. See [`outputs`].
///
/// # Errors
/// As [`outputs`]; a first output of another width than there are classes.
pub fn predict(graph: &Graph, data: &Dataset, threads: usize) -> Result<Predictions> {
    let logits = outputs(graph, data, threads)?.swap_remove(0);
    let classes = data.classes().len();
    if classes == 0 || logits.len() != data.len() * classes {
        let reason =
            format!("gives {}, but the data has {classes} classes", graph[graph.outputs()[0].node].ty);
        return Err(Error::Setting(format!("model {:?}: {reason}", graph.name)));
    }
    let classes_said = logits.chunks_exact(classes).map(|l| argmax(l) as u16).collect();
    Ok(Predictions { logits, classes: classes_said, width: classes })
}

/// What `graph` gives for all samples: for each output the numbers of one sample behind those of another. The integers of a quantised
/// network are what they stand for, at both ends; others are themselves.
///
/// # Errors
/// A graph without outputs; inputs that the data do not fill ([`Feed::new`]).
pub fn outputs(graph: &Graph, data: &Dataset, threads: usize) -> Result<Vec<Vec<f32>>> {
    if graph.outputs().is_empty() {
        return Err(Error::Setting(format!("model {:?} gives nothing", graph.name)));
    }
    let graph = with_floats(graph)?;
    let feed = Feed::new(&graph, data)?;
    let mut run = Batches::new(&graph, feed.batch(), threads)?;
    let mut all = vec![Vec::new(); graph.outputs().len()];
    let indices: Vec<usize> = (0..data.len()).collect();
    for part in indices.chunks(feed.batch() * run.times()) {
        let given: Vec<Vec<Value>> = part.chunks(feed.batch()).map(|few| feed.values(data, few)).collect();
        run.run(&given)?;
        for (i, all) in all.iter_mut().enumerate() {
            // What fills the last batch up is left out.
            let each = run.output(i).len() / (run.times() * feed.batch());
            all.extend_from_slice(&run.output(i)[..part.len() * each]);
        }
    }
    Ok(all)
}

/// How good outputs are, by what the data say is to be found.
#[derive(Clone, Debug)]
pub enum Judgement {
    /// The first output has a number for each class.
    Classes(Confusion),
    /// Each array that is to be found, by its name, and the output of as many numbers.
    Numbers(Vec<(String, Fit)>),
    /// The data say nothing, or of other classes or numbers than the network gives.
    Unknown,
}

impl Judgement {
    /// Judges what [`outputs`] gave for `data`. Arrays to be found belong to outputs in their order.
    pub fn of(outputs: &[Vec<f32>], data: &Dataset) -> Judgement {
        match data.targets() {
            Targets::Classes { labels, names } if outputs[0].len() == data.len() * names.len() => {
                let said: Vec<u16> = outputs[0].chunks_exact(names.len()).map(|l| argmax(l) as u16).collect();
                Judgement::Classes(Confusion::count(labels, &said, names.len()))
            }
            Targets::Values(columns)
                if columns.iter().zip(outputs).all(|(c, y)| y.len() == data.len() * c.sample_len()) =>
            {
                let all: Vec<usize> = (0..data.len()).collect();
                let fit = |(column, said): (&teff_data::Column, &Vec<f32>)| {
                    let mut wanted = vec![0.0; said.len()];
                    column.gather(&all, &mut wanted);
                    (column.name.clone(), Fit::of(said, &wanted, column.sample_len()))
                };
                Judgement::Numbers(columns.iter().zip(outputs).map(fit).collect())
            }
            Targets::Classes { .. } | Targets::Values(_) | Targets::Missing => Judgement::Unknown,
        }
    }
}

/// A network, made ready to take its inputs several times at once.
pub(crate) struct Batches {
    plan: Plan,
    times: usize,
}

impl Batches {
    /// The network, which takes `batch` samples and gives floats; where it takes one, of as many as are fastest.
    pub(crate) fn new(graph: &Graph, batch: usize, threads: usize) -> Result<Batches> {
        let graph = simplify(&unfold_quantization(graph)?);
        let many = if batch == 1 { for_batch(&graph, BATCH) } else { None };
        let times = if many.is_some() { BATCH } else { 1 };
        Ok(Batches { plan: Plan::new(&many.unwrap_or(graph), &Options { threads })?, times })
    }

    /// How often it can take its inputs at once.
    pub(crate) fn times(&self) -> usize {
        self.times
    }

    /// Takes these inputs, at most so often. What is behind them is left from before.
    pub(crate) fn run(&mut self, given: &[Vec<Value>]) -> Result<()> {
        for (time, values) in given.iter().enumerate() {
            for (i, value) in values.iter().enumerate() {
                let (at, len) = (time * value.len(), value.len());
                with_dtype!(value.dtype(), T => {
                    let from = value.as_slice::<T>().expect("of this type");
                    self.plan.input_mut::<T>(i)[at..at + len].copy_from_slice(from);
                });
            }
        }
        Ok(self.plan.run()?)
    }

    /// Output `i`, of all times.
    pub(crate) fn output(&self, i: usize) -> &[f32] {
        self.plan.output::<f32>(i)
    }
}

/// Samples computed at a time, where the network allows it.
const BATCH: usize = 64;

/// The graph taking and giving floats where its integers stand for floats, and giving all else as floats too.
fn with_floats(graph: &Graph) -> Result<Graph> {
    let simple = simplify(graph);
    let (mut given, mut taken) = (Vec::new(), Vec::new());
    for &id in simple.inputs() {
        let (name, ty) = (simple.input_name(id), &simple[id].ty);
        let ends = quantization(&simple, id);
        let input = Tensor::input(name, if ends.is_some() { DType::F32 } else { ty.dtype }, &ty.shape);
        taken.push(match ends {
            Some(q) => input.quantize(&Tensor::constant(q.scale), &Tensor::constant(q.zero)),
            None => input.clone(),
        });
        given.push(input);
    }
    let made = simple.instantiate(&taken);
    let outputs = simple.outputs().iter().zip(made).map(|(o, y)| {
        let y = match quantization(&simple, o.node) {
            Some(q) => y.dequantize(&Tensor::constant(q.scale), &Tensor::constant(q.zero)),
            None => y,
        };
        (&*o.name, y.cast(DType::F32))
    });
    Ok(Graph::from_tensors(&graph.name, &given, &outputs.collect::<Vec<_>>())?)
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
        assert_eq!(predict(&graph, &data, 1).unwrap().logits, vec![1.0, 2.0, 0.0, -0.5]);
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
