//! Quantisation-aware training: the weights learn to be integers of a few bits.
//!
//! In training every weight and activation goes through what quantisation will leave of it; gradients pass straight through the
//! rounding ([`Tensor::fake_quantize`]). The steps are learned too, by the gradient of learned step size quantisation (Esser et al.,
//! "Learned step size quantization", ICLR 2020), each as its logarithm, so that it stays above 0 and moves in proportion (Jain et al.,
//! "Trained quantization thresholds", MLSys 2020). Weights have a step for each output channel and are symmetric about 0; activations
//! are 8-bit integers with one step and a zero point that is settled at the start. Steps of weights begin where the squared error is
//! smallest, those of activations at the mean over batches of the extremes. The step of the input stays as it began.
//!
//! Where tensors are quantised is what [`crate::quantize`] says, and what comes out is its [`Scheme`], written by its [`rewrite`].
//!
//! ```no_run
//! use teff::folded::Folded;
//! use teff::qat::{Bits, Qat, Widths};
//! use teff::quantize::Interface;
//! use teff::train::{Settings, Trainer};
//! # fn main() -> Result<(), teff::Error> {
//! # let (data, graph): (teff::data::Split, teff::Graph) = unimplemented!();
//! let folded = Folded::new(&graph)?;
//! let qat = Qat::new(&folded, &Widths::all(Bits::Int4), &data.train, 1)?;
//! let mut trainer = Trainer::new(&qat, &data.train, Settings::default())?;
//! while !trainer.is_done() {
//!     trainer.epoch(|_| std::ops::ControlFlow::Continue(()))?;
//! }
//! let in_integers = qat.quantized(Interface::Float)?;
//! # Ok(())
//! # }
//! ```

mod bits;
mod ranges;

pub use bits::{Bits, Widths};

use crate::error::Result;
use crate::folded::{Folded, applied, params};
use crate::nn::Pass;
use crate::quantize::{Grid, Interface, Scheme, Weights, best_scale, joint_ranges, rewrite};
use crate::train::Trainable;
use std::collections::HashMap;
use teff_data::Dataset;
use teff_graph::{DType, Graph, NodeId, Op, Param, PoolKind, Tensor, Value};

/// The integers that activations become.
const RANGE: (i32, i32) = (-128, 127);

/// Samples that settle where the steps of activations begin.
const CALIBRATION: usize = 1024;

/// A network whose weights and activations are quantised as it is trained.
pub struct Qat<'a> {
    folded: &'a Folded,
    bits: Vec<Bits>,
    /// For each layer `[outputs]`: the logarithms of the steps of its weights. Layers with the same weights have the same steps.
    weight_steps: Vec<Param>,
    /// For each site.
    sites: Vec<Quantizer>,
    /// For one sample, with every weight and activation rounded.
    graph: Graph,
}

/// How a tensor is quantised. Sites of one group have the same.
#[derive(Clone)]
struct Quantizer {
    /// The logarithm of its step, a scalar that is trained; nothing for that of an input, or of what has a range of its own.
    log_step: Option<Param>,
    /// Its step, or where that began.
    step: f32,
    zero: i32,
}

impl<'a> Qat<'a> {
    /// Makes `folded` ready: steps of weights from the weights, those of activations from the first samples of `data`.
    ///
    /// # Errors
    /// A layer in `widths` that there is not.
    pub fn new(folded: &'a Folded, widths: &Widths, data: &Dataset, threads: usize) -> Result<Qat<'a>> {
        let names: Vec<&str> = folded.layers().iter().map(|l| l.name.as_str()).collect();
        let bits = widths.resolve(&names)?;
        let weight_steps = weight_steps(folded, &bits);
        let sites = sites(folded, data, threads)?;
        let graph = rounded(folded, &bits, &weight_steps, &sites)?;
        Ok(Qat { folded, bits, weight_steps, sites, graph })
    }

    /// The network that is trained.
    pub fn folded(&self) -> &Folded {
        self.folded
    }

    /// The bits of each layer's weights.
    pub fn bits(&self) -> &[Bits] {
        &self.bits
    }

    /// Bytes that the weights of each layer take when they are packed.
    pub fn weight_bytes(&self) -> Vec<usize> {
        let bytes =
            |(i, b): (usize, &Bits)| (self.folded.weight(i).ty().len() * usize::from(b.width())).div_ceil(8);
        self.bits.iter().enumerate().map(bytes).collect()
    }

    /// The network as it is now in integers, for one sample: standard `QuantizeLinear` and `DequantizeLinear`.
    ///
    /// # Errors
    /// [`Interface::Int8`] for a network whose input or output stays float.
    pub fn quantized(&self, interface: Interface) -> Result<Graph> {
        let network = self.folded.network();
        let mut scheme = Scheme::float(&network);
        let given = |site: &crate::quantize::Site| site.is_output && interface == Interface::Float;
        let rounded = scheme.sites.iter_mut().zip(&network.sites).zip(&self.sites);
        for ((slot, _), site) in rounded.filter(|((_, site), _)| !given(site)) {
            let scale = site.log_step.as_ref().map_or(site.step, |log| steps_of(log)[0]);
            *slot = Some(Grid { dtype: DType::I8, scale, zero: site.zero });
        }
        for (i, slot) in scheme.layers.iter_mut().enumerate() {
            let (bits, steps) = (self.bits[i], steps_of(&self.weight_steps[i]));
            let mut weights = Weights::with_scales(&network, i, bits.width(), steps);
            let (low, high) = bits.range();
            weights.q.iter_mut().for_each(|q| *q = (*q).clamp(low as i8, high as i8));
            *slot = Some(weights);
        }
        rewrite(&network, &scheme, interface)
    }
}

impl Trainable for Qat<'_> {
    fn name(&self) -> &str {
        self.folded.name()
    }

    fn input(&self) -> &[usize] {
        self.folded.input()
    }

    fn output(&self) -> &[usize] {
        self.folded.output()
    }

    fn forward(&self, x: &Tensor, _: &Pass) -> Tensor {
        applied(&self.graph, x)
    }

    fn params(&self) -> Vec<Param> {
        params(&self.graph)
    }
}

fn weight_steps(folded: &Folded, bits: &[Bits]) -> Vec<Param> {
    let network = folded.network();
    let mut known: HashMap<NodeId, Param> = HashMap::new();
    let param = |(i, layer): (usize, &crate::quantize::Layer)| {
        let new = || {
            let log_step = |weights: &Vec<f32>| best_scale(weights, bits[i].range()).ln();
            let logs = network.weights(i).iter().map(log_step).collect();
            Param::new(&format!("{}.log_step", layer.name), Value::new([layer.channels], logs))
        };
        known.entry(layer.weight).or_insert_with(new).clone()
    };
    folded.layers().iter().enumerate().map(param).collect()
}

fn sites(folded: &Folded, data: &Dataset, threads: usize) -> Result<Vec<Quantizer>> {
    let sites = &folded.network().sites;
    let nodes: Vec<NodeId> = sites.iter().map(|s| s.node).collect();
    let seen = ranges::observed(folded, &nodes, data, CALIBRATION, threads)?;
    let groups = joint_ranges(sites, &seen);
    let mut known: HashMap<usize, Quantizer> = HashMap::new();
    let one = |site: &crate::quantize::Site| {
        let new = || {
            let (low, high) = groups[&site.group];
            let grid = Grid::of_range(DType::I8, low, high);
            let (step, zero) = site.fixed.unwrap_or((grid.scale, grid.zero));
            let learned = site.fixed.is_none() && !site.is_input && !site.is_output;
            let param = || Param::new(&format!("{}.log_range", site.name), Value::scalar(step.ln()));
            Quantizer { log_step: learned.then(param), step, zero }
        };
        known.entry(site.group).or_insert_with(new).clone()
    };
    Ok(sites.iter().map(one).collect())
}

/// The graph with every weight and activation rounded.
fn rounded(folded: &Folded, bits: &[Bits], weight_steps: &[Param], sites: &[Quantizer]) -> Result<Graph> {
    let graph = folded.graph();
    let layers: HashMap<NodeId, usize> =
        folded.layers().iter().enumerate().rev().map(|(i, l)| (l.weight, i)).collect();
    let network = folded.network();
    // What the network gives is floats, made of the last sums; integers of it have the range seen in the beginning.
    let inside = network.sites.iter().zip(sites).filter(|(s, _)| !s.is_output);
    let site_of: HashMap<NodeId, &Quantizer> = inside.map(|(s, quantizer)| (s.node, quantizer)).collect();
    // What is pooled is rounded behind the pool, where there is less of it: the largest of rounded numbers is the largest, rounded.
    let users = graph.only_users();
    let behind: HashMap<NodeId, NodeId> =
        site_of.keys().map(|id| (behind_pool(graph, &users, *id), *id)).collect();
    Ok(graph.rewritten(|id, _, t| {
        if let Some(&i) = layers.get(&id) {
            let layer = &folded.layers()[i];
            let mut shape = vec![1; t.rank()];
            shape[layer.axis] = layer.channels;
            let (low, high) = bits[i].range();
            return t.fake_quantize(&Tensor::param(&weight_steps[i]).exp().reshape(&shape), 0, low, high);
        }
        let Some(site) = behind.get(&id).map(|s| site_of[s]).filter(|_| graph[id].ty.dtype == DType::F32)
        else {
            return t;
        };
        let step = match &site.log_step {
            Some(log) => Tensor::param(log).exp(),
            None => Tensor::scalar(site.step),
        };
        t.fake_quantize(&step, site.zero, RANGE.0, RANGE.1)
    })?)
}

/// The largest elements of windows of `id`, if nothing else uses it; itself otherwise.
fn behind_pool(graph: &Graph, only_users: &[Option<NodeId>], mut id: NodeId) -> NodeId {
    while let Some(user) = only_users[id.index()]
        && let Op::Pool { kind: PoolKind::Max, .. } = graph[user].op
    {
        id = user;
    }
    id
}

/// The steps that a parameter of logarithms holds.
fn steps_of(log_step: &Param) -> Vec<f32> {
    log_step.value().as_slice::<f32>().expect("f32").iter().map(|l| l.exp()).collect()
}
