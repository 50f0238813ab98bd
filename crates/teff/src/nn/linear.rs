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

/// A row of a table for each integer.
pub struct Embedding {
    /// `[rows, width]`.
    pub table: Param,
    name: String,
}

impl Embedding {
    /// `rows` rows of `width` numbers.
    pub fn new(name: &str, rows: usize, width: usize, rng: &mut Rng) -> Embedding {
        Embedding { table: uniform(format!("{name}.weight"), &[rows, width], 1, rng), name: name.into() }
    }
}

impl Layer for Embedding {
    /// Integers `[..]` to `[.., width]`; an index outside the table takes the nearest row.
    fn forward(&self, x: &Tensor, _: &Pass) -> Tensor {
        Tensor::param(&self.table).take(x, 0).named(&self.name)
    }

    fn params(&self) -> Vec<Param> {
        vec![self.table.clone()]
    }
}
