//! Running networks over samples and looking inside.

use super::network::Network;
use super::rewrite::tapped;
use super::scheme::Scheme;
use super::settings::OutputReport;
use crate::error::{Error, Result};
use crate::evaluate::Batches;
use crate::feed::Feed;
use crate::metrics::argmax;
use teff_data::{Dataset, Rng};
use teff_graph::{Graph, NodeId, Value};

/// Samples laid out as the network takes them, with their classes where those are known.
#[derive(Clone, Debug)]
pub struct Samples {
    /// Of each sample a value for each input.
    values: Vec<Vec<Value>>,
    /// None where the data say none, or others than the network's.
    labels: Option<Vec<u16>>,
}

impl Samples {
    /// `count` samples of `data`, chosen by `seed`, or all if there are fewer.
    ///
    /// # Errors
    /// A network that takes several samples at once, or others than the data's.
    pub fn choose(graph: &Graph, data: &Dataset, count: usize, seed: u64) -> Result<Samples> {
        let feed = Feed::new(graph, data)?;
        if feed.batch() != 1 {
            let x = graph.inputs().first().map(|id| graph[*id].ty.to_string()).unwrap_or_default();
            let reason = format!("takes {x}, {} samples at once; give the model for one", feed.batch());
            return Err(Error::Quantize { at: format!("model {:?}", graph.name), reason });
        }
        let mut order: Vec<usize> = (0..data.len()).collect();
        Rng::stream(seed, &[0]).shuffle(&mut order);
        order.truncate(count);
        order.sort_unstable();
        let first = graph.outputs().first().map_or(0, |o| graph[o.node].ty.len());
        let classed = !data.labels().is_empty() && first == data.classes().len();
        let labels = classed.then(|| order.iter().map(|&i| data.labels()[i]).collect());
        Ok(Samples { values: order.iter().map(|&i| feed.values(data, &[i])).collect(), labels })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// What input `i` is given, sample by sample.
    pub(super) fn of_input(&self, i: usize) -> impl Iterator<Item = &Value> {
        self.values.iter().map(move |values| &values[i])
    }

    /// What input `i` is given for sample `n`.
    pub(super) fn value(&self, n: usize, i: usize) -> &Value {
        &self.values[n][i]
    }

    /// The first `count`.
    pub fn first(&self, count: usize) -> Samples {
        self.of(|i| i < count)
    }

    /// Samples to choose with, and every fourth to judge choices by; few serve for both.
    pub fn held_back(&self) -> (Samples, Samples) {
        self.folds().pop().expect("there is one at least")
    }

    /// The same in four ways, so that each sample judges once.
    pub(super) fn folds(&self) -> Vec<(Samples, Samples)> {
        if self.len() < FEW {
            return vec![(self.clone(), self.clone())];
        }
        (0..4).map(|k| (self.of(|i| i % 4 != k), self.of(|i| i % 4 == k))).collect()
    }

    fn of(&self, wanted: impl Fn(usize) -> bool) -> Samples {
        let chosen: Vec<usize> = (0..self.len()).filter(|&i| wanted(i)).collect();
        let labels = self.labels.as_ref().map(|labels| chosen.iter().map(|&i| labels[i]).collect());
        Samples { values: chosen.iter().map(|&i| self.values[i].clone()).collect(), labels }
    }
}

/// Fewer samples than these are not divided.
const FEW: usize = 16;

/// A network that gives what it computes at some nodes.
pub(super) struct Probe {
    run: Batches,
    taps: usize,
}

impl Probe {
    /// The network as `scheme` says, giving the values at `taps`.
    pub(super) fn new(network: &Network, scheme: &Scheme, taps: &[NodeId], threads: usize) -> Result<Probe> {
        let run = Batches::new(&tapped(network, scheme, taps)?, 1, threads)?;
        Ok(Probe { run, taps: taps.len() })
    }

    /// Gives each tap its values for a few samples at a time.
    pub(super) fn run(&mut self, samples: &Samples, mut each: impl FnMut(usize, &[f32])) -> Result<()> {
        for part in samples.values.chunks(self.run.times()) {
            self.run.run(part)?;
            (0..self.taps).for_each(|t| each(t, self.tap(t, part.len())));
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
        for part in samples.values.chunks(self.run.times().min(other.run.times())) {
            self.run.run(part)?;
            other.run.run(part)?;
            (0..self.taps).for_each(|t| each(t, self.tap(t, part.len()), other.tap(t, part.len())));
        }
        Ok(())
    }

    fn tap(&self, i: usize, count: usize) -> &[f32] {
        let all = self.run.output(i);
        &all[..all.len() / self.run.times() * count]
    }
}

/// Signal and noise: sums of squares.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Noise {
    signal: f64,
    noise: f64,
}

impl Noise {
    /// Adds what differs between the numbers of a float network and those of a quantised one.
    pub(super) fn add(&mut self, float: &[f32], quantised: &[f32]) {
        for (&x, &y) in float.iter().zip(quantised) {
            // What is no number in both is the same.
            if !x.is_finite() {
                self.noise +=
                    if x.to_bits() == y.to_bits() || x.is_nan() && y.is_nan() { 0.0 } else { f64::INFINITY };
                continue;
            }
            let difference = f64::from(x) - f64::from(y);
            self.signal += f64::from(x) * f64::from(x);
            self.noise += difference * difference;
        }
    }

    /// That of several outputs or sets of samples: of a signal of 1 the mean of their noise, each of a signal of 1.
    fn mean(all: impl ExactSizeIterator<Item = Noise>) -> Noise {
        let n = all.len().max(1) as f64;
        let share = |of: Noise| of.noise / of.signal.max(f64::MIN_POSITIVE);
        Noise { signal: 1.0, noise: all.map(share).sum::<f64>() / n }
    }

    /// 10 log10(signal / noise), in dB; at most 200, which stands for no noise.
    pub(super) fn decibels(&self) -> f64 {
        if self.noise <= 0.0 {
            return 200.0;
        }
        (10.0 * (self.signal.max(f64::MIN_POSITIVE) / self.noise).log10()).clamp(-200.0, 200.0)
    }
}

/// What a scheme comes to at the outputs of the network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Quality {
    /// Signal to noise in dB, of several outputs that of their mean noise.
    pub(super) sqnr: f64,
    /// Share of samples that are classified right, where classes are known.
    pub(super) accuracy: Option<f64>,
}

/// What the float network gives for some samples, to measure schemes against.
pub(super) struct Reference<'a> {
    pub(super) samples: &'a Samples,
    /// Of each output, all samples.
    outputs: Vec<Vec<f32>>,
    pub(super) accuracy: Option<f64>,
    pub(super) threads: usize,
}

impl<'a> Reference<'a> {
    pub(super) fn new(network: &Network, samples: &'a Samples, threads: usize) -> Result<Reference<'a>> {
        let outputs = outputs(network, &Scheme::float(network), samples, threads)?;
        if let Some(bad) = outputs.iter().flatten().find(|y| !y.is_finite()) {
            let reason = format!("gives {bad} for a sample of the data; check the weights and the data");
            return Err(Error::Quantize { at: format!("model {:?}", network.graph.name), reason });
        }
        let accuracy = accuracy(&outputs, samples);
        Ok(Reference { samples, outputs, accuracy, threads })
    }

    /// Measures a scheme for this network, or for one that computes the same.
    pub(super) fn measure(&self, network: &Network, scheme: &Scheme) -> Result<Quality> {
        Ok(self.judged(network, scheme)?.0)
    }

    /// The same, with what it comes to at each output.
    pub(super) fn judged(&self, network: &Network, scheme: &Scheme) -> Result<(Quality, Vec<OutputReport>)> {
        let outputs = outputs(network, scheme, self.samples, self.threads)?;
        let noise = |(x, y): (&Vec<f32>, &Vec<f32>)| {
            let mut noise = Noise::default();
            noise.add(x, y);
            noise
        };
        let sqnr = Noise::mean(self.outputs.iter().zip(&outputs).map(noise)).decibels();
        let quality = Quality { sqnr, accuracy: accuracy(&outputs, self.samples) };
        Ok((quality, OutputReport::of(&network.graph, &self.outputs, &outputs)))
    }
}

/// What the network gives for all samples as `scheme` has it, output by output.
pub(super) fn outputs(
    network: &Network,
    scheme: &Scheme,
    samples: &Samples,
    threads: usize,
) -> Result<Vec<Vec<f32>>> {
    let taps: Vec<NodeId> = network.graph.outputs().iter().map(|o| o.node).collect();
    let mut all = vec![Vec::new(); taps.len()];
    Probe::new(network, scheme, &taps, threads)?.run(samples, |t, y| all[t].extend_from_slice(y))?;
    Ok(all)
}

/// The share of samples whose first output is largest at their class.
fn accuracy(outputs: &[Vec<f32>], samples: &Samples) -> Option<f64> {
    let labels = samples.labels.as_ref().filter(|labels| !labels.is_empty())?;
    let classes = (outputs[0].len() / labels.len()).max(1);
    let right = outputs[0].chunks_exact(classes).zip(labels).filter(|(y, l)| argmax(y) == usize::from(**l));
    Some(right.count() as f64 / labels.len() as f64)
}
