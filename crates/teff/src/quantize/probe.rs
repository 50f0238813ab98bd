//! Running networks over samples and looking inside.

use super::network::Network;
use super::rewrite::tapped;
use super::scheme::Scheme;
use crate::error::{Error, Result};
use crate::evaluate::{fast, gather, takes_channels_last};
use crate::folded::ends;
use crate::metrics::argmax;
use teff_data::{Dataset, Rng};
use teff_graph::{DType, Graph, NodeId};
use teff_host::{Options, Plan};

/// Samples laid out as the network takes them, with their labels.
pub struct Samples {
    x: Vec<f32>,
    len: usize,
    labels: Vec<u16>,
}

impl Samples {
    /// `count` samples of `data`, chosen by `seed`, or all if there are fewer.
    ///
    /// # Errors
    /// A network with several inputs or outputs, of other types than f32, or for samples of another shape than the data's.
    pub fn choose(graph: &Graph, data: &Dataset, count: usize, seed: u64) -> Result<Samples> {
        let channels_last = fits(graph, data)?;
        let mut order: Vec<usize> = (0..data.len()).collect();
        Rng::stream(seed, &[0]).shuffle(&mut order);
        order.truncate(count);
        order.sort_unstable();
        let each = data.sample_len();
        let mut x = vec![0.0; order.len() * each];
        gather(data, &order, channels_last, &mut x);
        let labels = order.iter().map(|&i| data.labels()[i]).collect();
        Ok(Samples { x, len: order.len(), labels })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first `count`.
    pub fn first(&self, count: usize) -> Samples {
        let len = count.min(self.len);
        let each = self.x.len() / self.len.max(1);
        Samples { x: self.x[..len * each].to_vec(), len, labels: self.labels[..len].to_vec() }
    }
}

/// Whether the network takes channels last, which the data has first.
fn fits(graph: &Graph, data: &Dataset) -> Result<bool> {
    let error = |reason: String| Error::Quantize { at: format!("model {:?}", graph.name), reason };
    let fail = |reason: String| Err(error(reason));
    let (x, y) = ends(graph, "what is calibrated with a data set of labelled samples").map_err(error)?;
    if x.dtype != DType::F32 || y.dtype != DType::F32 {
        return fail(format!("takes {x} and gives {y}; f32 is needed on both sides"));
    }
    if x.len() != data.sample_len() {
        return fail(format!(
            "takes {x}, but a sample of the data has shape {:?}; give data of the shape it was trained on",
            data.shape()
        ));
    }
    if y.len() != data.classes().len() {
        return fail(format!("gives {y}, but the data has {} classes", data.classes().len()));
    }
    Ok(takes_channels_last(x, data.shape()))
}

/// A network that gives what it computes at some nodes.
pub(super) struct Probe {
    plan: Plan,
    batch: usize,
    taps: usize,
}

impl Probe {
    /// The network as `scheme` says, giving the values at `taps`.
    pub(super) fn new(network: &Network, scheme: &Scheme, taps: &[NodeId], threads: usize) -> Result<Probe> {
        let (graph, batch) = fast(&tapped(network, scheme, taps)?, 1)?;
        Ok(Probe { plan: Plan::new(&graph, &Options { threads })?, batch, taps: taps.len() })
    }

    /// Gives each tap its values for a few samples at a time.
    pub(super) fn run(&mut self, samples: &Samples, mut each: impl FnMut(usize, &[f32])) -> Result<()> {
        for start in (0..samples.len).step_by(self.batch) {
            let count = self.part(samples, start)?;
            (0..self.taps).for_each(|t| each(t, self.tap(t, count)));
        }
        Ok(())
    }

    /// As [`Probe::run`], beside the values of another network at the same taps.
    pub(super) fn compare(
        &mut self,
        other: &mut Probe,
        samples: &Samples,
        mut each: impl FnMut(usize, &[f32], &[f32]),
    ) -> Result<()> {
        let batch = self.batch.min(other.batch);
        (self.batch, other.batch) = (batch, batch);
        if self.plan.input_mut::<f32>(0).len() != other.plan.input_mut::<f32>(0).len() {
            return Err(Error::Setting("networks of different batches cannot be compared".into()));
        }
        for start in (0..samples.len).step_by(batch) {
            let count = self.part(samples, start)?;
            other.part(samples, start)?;
            (0..self.taps).for_each(|t| each(t, self.tap(t, count), other.tap(t, count)));
        }
        Ok(())
    }

    fn part(&mut self, samples: &Samples, start: usize) -> Result<usize> {
        let each = samples.x.len() / samples.len;
        let count = self.batch.min(samples.len - start);
        let input = self.plan.input_mut::<f32>(0);
        input[..count * each].copy_from_slice(&samples.x[start * each..(start + count) * each]);
        self.plan.run()?;
        Ok(count)
    }

    fn tap(&self, i: usize, count: usize) -> &[f32] {
        let all = self.plan.output::<f32>(i);
        &all[..all.len() / self.batch * count]
    }
}

/// Signal and noise: sums of squares.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Noise {
    signal: f64,
    noise: f64,
}

impl Noise {
    pub(super) fn add(&mut self, float: &[f32], quantised: &[f32]) {
        for (&x, &y) in float.iter().zip(quantised) {
            let difference = f64::from(x) - f64::from(y);
            self.signal += f64::from(x) * f64::from(x);
            self.noise += difference * difference;
        }
    }

    /// 10 log10(signal / noise), in dB; at most 200, which stands for no noise.
    pub(super) fn decibels(&self) -> f64 {
        if self.noise <= 0.0 {
            return 200.0;
        }
        (10.0 * (self.signal.max(f64::MIN_POSITIVE) / self.noise).log10()).clamp(-200.0, 200.0)
    }
}

/// What a scheme comes to at the output of the network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Quality {
    /// Signal to noise in dB.
    pub(super) sqnr: f64,
    /// Share of samples that are classified right.
    pub(super) accuracy: f64,
}

/// What the float network gives for some samples, to measure schemes against.
pub(super) struct Reference<'a> {
    pub(super) samples: &'a Samples,
    outputs: Vec<f32>,
    pub(super) accuracy: f64,
    pub(super) threads: usize,
}

impl<'a> Reference<'a> {
    pub(super) fn new(network: &Network, samples: &'a Samples, threads: usize) -> Result<Reference<'a>> {
        let mut outputs = Vec::new();
        let tap = [network.graph.outputs()[0].node];
        Probe::new(network, &Scheme::float(network), &tap, threads)?
            .run(samples, |_, y| outputs.extend_from_slice(y))?;
        if let Some(bad) = outputs.iter().find(|y| !y.is_finite()) {
            let reason = format!("gives {bad} for a sample of the data; check the weights and the data");
            return Err(Error::Quantize { at: format!("model {:?}", network.graph.name), reason });
        }
        let accuracy = accuracy(&outputs, &samples.labels);
        Ok(Reference { samples, outputs, accuracy, threads })
    }

    /// Measures a scheme for this network, or for one that computes the same.
    pub(super) fn measure(&self, network: &Network, scheme: &Scheme) -> Result<Quality> {
        let mut outputs = Vec::with_capacity(self.outputs.len());
        let tap = [network.graph.outputs()[0].node];
        Probe::new(network, scheme, &tap, self.threads)?
            .run(self.samples, |_, y| outputs.extend_from_slice(y))?;
        let mut noise = Noise::default();
        noise.add(&self.outputs, &outputs);
        Ok(Quality { sqnr: noise.decibels(), accuracy: accuracy(&outputs, &self.samples.labels) })
    }
}

fn accuracy(outputs: &[f32], labels: &[u16]) -> f64 {
    let classes = outputs.len() / labels.len().max(1);
    let right =
        outputs.chunks_exact(classes.max(1)).zip(labels).filter(|(y, l)| argmax(y) == usize::from(**l));
    right.count() as f64 / labels.len().max(1) as f64
}
