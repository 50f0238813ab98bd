//! Networks described as lists of layers.

mod layers;
mod settings;
mod spec;

pub use spec::ModelSpec;

use crate::error::Result;
use crate::nn::{Layer, Pass, Sequential};
use crate::train::Trainable;
use teff_graph::{DType, Graph, Param, Tensor};

/// A network: layers one after another, built for samples of a certain shape.
pub struct Model {
    /// What it is called.
    pub name: String,
    /// Shape of one sample, such as `[1, 28, 28]`.
    pub input: Vec<usize>,
    /// Shape of what it gives for one sample, such as `[10]`.
    pub output: Vec<usize>,
    layers: Vec<Box<dyn Layer>>,
}

impl Trainable for Model {
    fn name(&self) -> &str {
        &self.name
    }

    fn input(&self) -> &[usize] {
        &self.input
    }

    fn output(&self) -> &[usize] {
        &self.output
    }

    fn forward(&self, x: &Tensor, pass: &Pass) -> Tensor {
        x.sequential(&self.layers, pass)
    }

    fn params(&self) -> Vec<Param> {
        self.layers.iter().flat_map(|l| l.params()).collect()
    }
}

impl Model {
    /// How many numbers it holds.
    pub fn size(&self) -> usize {
        self.params().iter().map(|p| p.ty().len()).sum()
    }

    /// The network in use, for `batch` samples: input `input`, output `logits`.
    ///
    /// # Errors
    /// Never for a model that was built; the error of an invalid operation otherwise.
    pub fn graph(&self, batch: usize) -> Result<Graph> {
        let x = Tensor::input("input", DType::F32, &[&[batch], &self.input[..]].concat());
        let y = self.forward(&x, &Pass::evaluation());
        Ok(Graph::from_tensors(&self.name, &[x], &[("logits", y)])?)
    }
}
