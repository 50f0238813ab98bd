//! What a user asks of a quantisation, and what it came to.

use super::Network;
use super::calibrate::Calibration;
use super::probe::Noise;
use super::rewrite::Interface;
use super::scheme::{Grid, Scheme};
use std::ops::ControlFlow;
use teff_graph::{DType, Graph, NodeId};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Samples to calibrate with.
    pub samples: usize,
    /// Chooses the samples.
    pub seed: u64,
    /// How ranges are chosen; nothing for whichever method does best on the samples.
    pub calibration: Option<Calibration>,
    /// Takes what rounding adds to the means off the biases, where that helps.
    pub bias_correction: bool,
    /// Brings channels of very different reach together, where that helps.
    pub equalise: bool,
    /// How weights are rounded.
    pub rounding: Rounding,
    /// Bits of weights: 8, 4 or 2.
    pub bits: u8,
    /// Bits of the weights of single layers, by name.
    pub layers: Vec<(String, u8)>,
    /// Layers and other tensors that stay float, by name.
    pub keep: Vec<String>,
    /// Bytes that weights, biases and their multipliers may take together; layers get fewer bits until they do.
    pub budget: Option<usize>,
    /// [`DType::I8`], [`DType::U8`] or [`DType::I16`] for tensors.
    pub tensors: DType,
    /// Gives single tensors 16 bits where too much is lost otherwise.
    pub widen: bool,
    /// What the network takes and gives.
    pub interface: Interface,
    /// Threads to compute on.
    pub threads: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            samples: 512,
            seed: 42,
            calibration: None,
            bias_correction: true,
            equalise: true,
            rounding: Rounding::Learned,
            bits: 8,
            layers: Vec::new(),
            keep: Vec::new(),
            budget: None,
            tensors: DType::I8,
            widen: true,
            interface: Interface::Float,
            threads: 1,
        }
    }
}

/// How weights become integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Each to the nearest.
    Nearest,
    /// Those of 4 and 2 bits so that the errors of a layer make up for each other.
    Compensated,
    /// The same, and then so that the outputs of the network for the samples come nearest to the float network's; those of 8 bits as well
    /// where they cost more than 1 dB.
    Learned,
}

/// A quantised network, and how it came about.
#[derive(Clone, Debug)]
pub struct Quantised {
    /// The standard graph.
    pub graph: Graph,
    /// The network that was quantised, after equalisation.
    pub network: Network,
    /// How.
    pub scheme: Scheme,
    /// What was chosen and measured.
    pub report: Report,
}

impl Quantised {
    /// The grid of each input and output, by name; inputs first. What stays float is left out.
    pub fn ends(&self) -> Vec<(String, Grid)> {
        let graph = &self.network.graph;
        let site_of = |node: NodeId| {
            let own = self.network.sites.iter().position(|s| s.node == node);
            own.or_else(|| self.network.moved.iter().find(|(n, _)| *n == node).map(|(_, site)| *site))
        };
        let inputs = graph.inputs().iter().map(|i| (graph.input_name(*i).to_string(), *i));
        let outputs = graph.outputs().iter().map(|o| (o.name.to_string(), o.node));
        inputs
            .chain(outputs)
            .filter_map(|(name, node)| Some((name, self.scheme.sites[site_of(node)?]?)))
            .collect()
    }
}

/// What was chosen and measured, on samples of the training part.
#[derive(Clone, Debug)]
pub struct Report {
    /// How many samples ranges were chosen by.
    pub samples: usize,
    /// How many of these judged what else was chosen, and what came of it.
    pub judged: usize,
    /// Share of these that the float network classifies right, where classes are known.
    pub float_accuracy: Option<f64>,
    /// Share of these that the quantised network classifies right.
    pub accuracy: Option<f64>,
    /// Signal to noise of the outputs, in dB: of several, that of their mean noise.
    pub sqnr: f64,
    /// Each output.
    pub outputs: Vec<OutputReport>,
    /// Inputs whose channels were brought together before they are quantised.
    pub standardised: Vec<Standardised>,
    /// The method that chose the ranges.
    pub calibration: Calibration,
    /// Signal to noise of the output with each method that was tried, in dB.
    pub tried: Vec<(Calibration, f64)>,
    /// Pairs of layers that were looked at: names, whether they were equalised, signal to noise before and after.
    pub equalised: Vec<Equalised>,
    /// Tensors that got 16 bits, in the order in which they helped most.
    pub widened: Vec<Widened>,
    /// Whether rounding was learned, and signal to noise of the output before and after; nothing if it was not tried.
    pub learned: Option<Correction>,
    /// Whether biases were corrected, and signal to noise of the output before and after; nothing if it was not tried.
    pub correction: Option<Correction>,
    /// Each layer.
    pub layers: Vec<LayerReport>,
    /// What stays float, and why.
    pub floats: Vec<(String, &'static str)>,
    /// Bytes of weights, biases and multipliers.
    pub bytes: usize,
    /// Bytes of the weights and biases as floats.
    pub float_bytes: usize,
    /// Layers that lose too much, the worst first, with what would help.
    pub findings: Vec<Finding>,
}

/// One output.
#[derive(Clone, Debug)]
pub struct OutputReport {
    /// Its name.
    pub name: String,
    /// Its signal to noise, in dB.
    pub sqnr: f64,
    /// The largest difference of a number from the float network's.
    pub largest: f64,
}

impl OutputReport {
    /// Each output of `graph`, whose numbers for the same samples are those of the float network and those of the quantised one.
    pub fn of(graph: &Graph, float: &[Vec<f32>], quantised: &[Vec<f32>]) -> Vec<OutputReport> {
        let each = graph.outputs().iter().zip(float.iter().zip(quantised));
        let report = each.map(|(output, (x, y))| {
            let mut noise = Noise::default();
            noise.add(x, y);
            let errors = x.iter().zip(y).map(|(x, y)| f64::from((x - y).abs()));
            let (sqnr, largest) = (noise.decibels(), errors.fold(0.0, f64::max));
            OutputReport { name: output.name.to_string(), sqnr, largest }
        });
        report.collect()
    }
}

/// An input whose channels are of different units.
#[derive(Clone, Debug)]
pub struct Standardised {
    /// Its name.
    pub input: String,
    /// Signal to noise of the outputs with one grid for all its channels, in dB.
    pub before: f64,
    /// The same with each channel brought to -1 to 1 first.
    pub after: f64,
}

/// Tensors that got 16 bits, several where they share a grid.
#[derive(Clone, Debug)]
pub struct Widened {
    /// Their names.
    pub tensors: Vec<String>,
    /// Signal to noise of the outputs before, in dB.
    pub before: f64,
    /// The same after.
    pub after: f64,
}

/// What equalisation did to two layers.
#[derive(Clone, Debug)]
pub struct Equalised {
    /// The first layer.
    pub first: String,
    /// The second layer.
    pub second: String,
    /// What the largest channel between them reaches over what the middle one does.
    pub spread: f64,
    /// Signal to noise of the output before, in dB.
    pub before: f64,
    /// The same with the two equalised.
    pub after: f64,
    /// Whether they were.
    pub applied: bool,
}

/// What a change that is kept if it helps did: learning to round, or bias correction.
#[derive(Clone, Copy, Debug)]
pub struct Correction {
    /// Signal to noise of the output before, in dB.
    pub before: f64,
    /// The same after it.
    pub after: f64,
    /// Whether it was kept.
    pub applied: bool,
}

/// One layer.
#[derive(Clone, Debug)]
pub struct LayerReport {
    /// Its name.
    pub name: String,
    /// Bits of its weights; 32 where they stay float.
    pub bits: u8,
    /// Bytes of its weights, biases and multipliers.
    pub bytes: usize,
    /// The range its output is quantised over; nothing where it stays float.
    pub range: Option<(f32, f32)>,
    /// Share of the range of its output that was seen but cut off.
    pub cut: f64,
    /// Signal to noise of its output in the quantised network, in dB.
    pub sqnr: f64,
    /// Signal to noise of the network's output when only this layer is quantised, in dB.
    pub alone: f64,
    /// Accuracy lost when only this layer is quantised, as a share, where classes are known.
    pub loss: Option<f64>,
    /// Its place among the layers that hurt most, from 1.
    pub rank: usize,
}

/// A layer that loses too much.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The layer.
    pub layer: String,
    /// What is wrong with it.
    pub cause: String,
    /// What helps, the cheapest first: what to do, the option that does it, and the signal to noise of the output with it, in dB.
    pub remedies: Vec<Remedy>,
}

/// Something that helps a layer.
#[derive(Clone, Debug)]
pub struct Remedy {
    /// What to do, as an option of the command.
    pub option: String,
    /// What that does.
    pub what: String,
    /// Signal to noise of the network's output with it, in dB.
    pub sqnr: f64,
    /// Accuracy with it, where classes are known.
    pub accuracy: Option<f64>,
}

/// Told what is being done and how far it is, in parts; stops the work by breaking.
pub type Progress<'a> = dyn FnMut(&str, usize, usize) -> ControlFlow<()> + 'a;
