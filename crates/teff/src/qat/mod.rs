//! Quantisation-aware training: the weights learn to be integers of a few bits.
//!
//! In training every weight and activation goes through what quantisation will leave of it; gradients pass straight through the
//! rounding ([`Tensor::fake_quantize`]). The steps are learned too, by the gradient of learned step size quantisation (Esser et al.,
//! "Learned step size quantization", ICLR 2020), each as its logarithm, so that it stays above 0 and moves in proportion (Jain et al.,
//! "Trained quantization thresholds", MLSys 2020). Weights have a step for each output channel and are symmetric about 0; activations
//! are 8-bit integers with one step and a zero point that is settled at the start. Steps of weights begin where the squared error is
//! smallest, those of activations at the mean over batches of the extremes. The step of the input stays as it began.
//!
//! Batch normalisation is folded into the layers before training begins ([`Network::new`]).

mod bits;
mod export;
mod ranges;

pub use bits::{Bits, Widths};

use crate::error::Result;
use crate::network::Network;
use crate::nn::Pass;
use crate::train::Trainable;
use std::collections::HashMap;
use teff_data::Dataset;
use teff_graph::{NodeId, Op, Param, Tensor, Value};

/// The integers that activations become.
const POINTS: (i32, i32) = (-128, 127);

/// Samples that settle where the steps of activations begin.
const CALIBRATION: usize = 1024;

/// How the weights of a layer are quantised.
#[derive(Clone)]
struct Weights {
    bits: Bits,
    /// The axis of the channels.
    axis: usize,
    /// `[channels]`: the logarithm of each channel's step.
    log_step: Param,
}

/// How the result of a node is quantised.
#[derive(Clone)]
struct Point {
    /// A scalar: the logarithm of the step.
    log_step: Param,
    zero: i32,
    learned: bool,
}

/// A network whose weights and activations are quantised as it is trained.
pub struct Qat<'a> {
    network: &'a Network,
    /// By the node of the weights.
    weights: HashMap<NodeId, Weights>,
    points: HashMap<NodeId, Point>,
    /// The same in a fixed order.
    steps: Vec<Param>,
    bits: Vec<Bits>,
}

impl<'a> Qat<'a> {
    /// Makes `network` ready: steps of weights from the weights, those of activations from the first samples of `data`.
    ///
    /// # Errors
    /// A layer in `widths` that there is not; samples that the network does not take.
    pub fn new(network: &'a Network, widths: &Widths, data: &Dataset, threads: usize) -> Result<Qat<'a>> {
        let names: Vec<&str> = network.layers().iter().map(|l| l.name.as_str()).collect();
        let bits = widths.resolve(&names)?;
        let mut qat =
            Qat { network, weights: HashMap::new(), points: HashMap::new(), steps: Vec::new(), bits: bits.clone() };
        for (layer, bits) in network.layers().iter().zip(bits) {
            let value = layer.weight.value().clone();
            let numbers = value.as_slice::<f32>().expect("weights are f32");
            let steps = ranges::steps(numbers, value.shape(), layer.axis, bits.range());
            let logs = steps.iter().map(|s| s.ln()).collect();
            let log_step = Param::new(&format!("{}.log_step", layer.weight.name()), Value::new([steps.len()], logs));
            let weights = Weights { bits, axis: layer.axis, log_step: log_step.clone() };
            if qat.weights.insert(layer.weight_node, weights).is_none() {
                qat.steps.push(log_step);
            }
        }
        let places = ranges::places(network);
        let seen = ranges::observed(network, &places, data, CALIBRATION, threads)?;
        for (id, (low, high)) in places.into_iter().zip(seen) {
            let (step, zero) = ranges::affine(low, high);
            let log_step = Param::new(&format!("activation{}.log_step", id.index()), Value::scalar(step.ln()));
            let learned = !matches!(network.graph()[id].op, Op::Input { .. });
            qat.steps.push(log_step.clone());
            qat.points.insert(id, Point { log_step, zero, learned });
        }
        Ok(qat)
    }

    /// The network that is trained.
    pub fn network(&self) -> &Network {
        self.network
    }

    /// The bits of each layer's weights.
    pub fn bits(&self) -> &[Bits] {
        &self.bits
    }

    /// Bytes that the weights take in as many bits as they are given, each layer filled up to a byte.
    pub fn weight_bytes(&self) -> usize {
        let bytes = |(l, b): (&crate::network::Layer, &Bits)| (l.weight.ty().len() * b.width()).div_ceil(8);
        self.network.layers().iter().zip(&self.bits).map(bytes).sum()
    }
}

impl Trainable for Qat<'_> {
    fn name(&self) -> &str {
        self.network.name()
    }

    fn input(&self) -> &[usize] {
        self.network.input()
    }

    fn output(&self) -> &[usize] {
        self.network.output()
    }

    fn forward(&self, x: &Tensor, _: &Pass) -> Tensor {
        self.network.walk(x, |id, _, t| match (self.weights.get(&id), self.points.get(&id)) {
            (Some(w), _) => {
                let (low, high) = w.bits.range();
                t.fake_quantize(&beside(&Tensor::param(&w.log_step).exp(), w.axis, t.rank()), 0, low, high)
            }
            (None, Some(p)) if p.learned => {
                t.fake_quantize(&Tensor::param(&p.log_step).exp(), p.zero, POINTS.0, POINTS.1)
            }
            (None, Some(p)) => {
                let step = Tensor::scalar(step_of(&p.log_step)[0]);
                t.fake_quantize(&step, p.zero, POINTS.0, POINTS.1)
            }
            (None, None) => t,
        })
    }

    fn params(&self) -> Vec<Param> {
        self.network.params().into_iter().chain(self.steps.iter().cloned()).collect()
    }
}

/// The steps that a parameter of logarithms holds.
fn step_of(log_step: &Param) -> Vec<f32> {
    log_step.value().as_slice::<f32>().expect("f32").iter().map(|l| l.exp()).collect()
}

/// `[C]` in a shape that broadcasts along `axis` of `rank` axes.
fn beside(steps: &Tensor, axis: usize, rank: usize) -> Tensor {
    let mut shape = vec![1; rank];
    shape[axis] = steps.len();
    steps.reshape(&shape)
}
