//! Dense layers.

use super::{Layer, Pass, uniform};
use teff_data::Rng;
use teff_graph::{Param, Tensor};

/// x W + b over the last axis. The weights of one input lie side by side, which is how the matrix product reads them.
pub struct Linear {
    /// `[inputs, outputs]`.
    pub weight: Param,
    /// `[outputs]`.
    pub bias: Option<Param>,
    name: String,
}

impl Linear {
    /// With a bias.
    pub fn new(name: &str, inputs: usize, outputs: usize, rng: &mut Rng) -> Linear {
        let weight = uniform(format!("{name}.weight"), &[inputs, outputs], inputs, rng);
        let bias = uniform(format!("{name}.bias"), &[outputs], inputs, rng);
        Linear { weight, bias: Some(bias), name: name.into() }
    }

    /// Without its bias.
    pub fn without_bias(self) -> Linear {
        Linear { bias: None, ..self }
    }
}

impl Layer for Linear {
    fn forward(&self, x: &Tensor, _: &Pass) -> Tensor {
        let y = x.matmul(&Tensor::param(&self.weight)).named(&self.name);
        match &self.bias {
            Some(bias) => (y + Tensor::param(bias)).named(&self.name),
            None => y,
        }
    }

    fn params(&self) -> Vec<Param> {
        std::iter::once(&self.weight).chain(&self.bias).cloned().collect()
    }
}
