//! Running a classifier over a data set.

use crate::error::{Error, Result};
use crate::metrics::{Confusion, argmax};
use teff_data::Dataset;
use teff_graph::{DType, Graph};
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

/// Runs `graph`, which has one f32 input and one f32 output for one or more samples, over all samples.
///
/// # Errors
/// A graph of other inputs or outputs, or for samples of another size or number of classes than the data's.
pub fn predict(graph: &Graph, data: &Dataset, threads: usize) -> Result<Predictions> {
    let fail = |reason: String| Err(Error::Setting(format!("model {:?}: {reason}", graph.name)));
    let (&[input], [output]) = (graph.inputs(), graph.outputs()) else {
        return fail(format!(
            "has {} inputs and {} outputs; a classifier has one of each",
            graph.inputs().len(),
            graph.outputs().len()
        ));
    };
    let (x, y) = (&graph[input].ty, &graph[output.node].ty);
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
    let mut plan = Plan::new(graph, &Options { threads })?;
    let mut logits = Vec::with_capacity(data.len() * classes);
    let all: Vec<usize> = (0..data.len()).collect();
    for part in all.chunks(batch) {
        // The last part may not fill the batch; what is behind it is left from before and not looked at.
        data.gather(part, &mut plan.input_mut::<f32>(0)[..part.len() * sample]);
        plan.run()?;
        logits.extend_from_slice(&plan.output::<f32>(0)[..part.len() * classes]);
    }
    let classes_said = logits.chunks_exact(classes).map(|l| argmax(l) as u16).collect();
    Ok(Predictions { logits, classes: classes_said, width: classes })
}
