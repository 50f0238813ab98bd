//! Networks described as lists of layers.

mod layers;
mod settings;
mod spec;
mod standard;

pub use spec::ModelSpec;
pub use standard::Standard;

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
    /// Before the layers.
    taken: Option<Standard>,
    /// Behind them.
    given: Option<Standard>,
    /// What the output is called in graphs.
    answer: &'static str,
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
        let x = self.taken.as_ref().map_or_else(|| x.clone(), |s| s.apply(x).named("standardised"));
        let y = x.sequential(&self.layers, pass);
        self.given.as_ref().map_or(y.clone(), |s| s.undo(&y).named("in_units"))
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

    /// From now on takes samples as `standard` measures them, by constants of its graph before the first layer.
    ///
    /// # Panics
    /// When it is of samples of another shape.
    pub fn standardise(&mut self, standard: Standard) {
        assert_eq!(standard.shape().len(), self.input.len(), "of the samples that the model takes");
        self.taken = Some(standard);
    }

    /// From now on gives numbers in the units that `standard` was measured in, by constants of its graph behind the last layer; in those that the
    /// last layer gives where its numbers are no list or need no other.
    pub fn gives_numbers(&mut self, standard: &Standard) {
        self.answer = "values";
        self.given = (standard.shape() == self.output && standard.is_needed()).then(|| standard.clone());
    }

    /// The network in use, for `batch` samples: input `input`, output `logits`, or `values` of one that gives numbers.
    ///
    /// # Errors
    /// Never for a model that was built; the error of an invalid operation otherwise.
    pub fn graph(&self, batch: usize) -> Result<Graph> {
        let x = Tensor::input("input", DType::F32, &[&[batch], &self.input[..]].concat());
        let y = self.forward(&x, &Pass::evaluation());
        Ok(Graph::from_tensors(&self.name, &[x], &[(self.answer, y)])?)
    }
}
