//! Layers: plain structs that hold parameters and apply formulas.
//!
//! A layer's first argument is its name: its parameters are called `name.weight`, `name.bias`, and what it computes carries the
//! name into messages and generated code. Initial weights are those of PyTorch: uniform within 1 / sqrt(inputs of a neuron).

mod activation;
mod conv;
mod linear;
mod norm;
mod pass;
mod recurrent;

pub(crate) use activation::Window;
pub use activation::{Activation, Dropout, Flatten, Reshape};
pub use conv::{AvgPool, Conv, ConvTranspose2d, GlobalAvgPool, MaxPool};
pub use linear::Linear;
pub use norm::{BatchNorm, GroupNorm, LayerNorm};
pub use pass::Pass;
pub use recurrent::{Gru, LastStep, Lstm};

use teff_data::Rng;
use teff_graph::{Param, Tensor, Value};

/// Something that maps a tensor to a tensor.
pub trait Layer {
    /// The layer applied to `x`, whose leading axis is the batch. An input that does not fit gives a tensor that carries the error.
    fn forward(&self, x: &Tensor, pass: &Pass) -> Tensor;

    /// What it holds, trained or not, in a fixed order.
    fn params(&self) -> Vec<Param> {
        Vec::new()
    }
}

impl<L: Layer + ?Sized> Layer for Box<L> {
    fn forward(&self, x: &Tensor, pass: &Pass) -> Tensor {
        self.as_ref().forward(x, pass)
    }

    fn params(&self) -> Vec<Param> {
        self.as_ref().params()
    }
}

impl<L: Layer + ?Sized> Layer for &L {
    fn forward(&self, x: &Tensor, pass: &Pass) -> Tensor {
        (*self).forward(x, pass)
    }

    fn params(&self) -> Vec<Param> {
        (*self).params()
    }
}

/// Layers one after another.
pub trait Sequential {
    /// Applies `layers` in order.
    fn sequential<L: Layer>(&self, layers: &[L], pass: &Pass) -> Tensor;
}

impl Sequential for Tensor {
    fn sequential<L: Layer>(&self, layers: &[L], pass: &Pass) -> Tensor {
        layers.iter().fold(self.clone(), |x, layer| layer.forward(&x, pass))
    }
}

/// A parameter uniform within 1 / sqrt(fan_in).
fn uniform(name: String, shape: &[usize], fan_in: usize, rng: &mut Rng) -> Param {
    let reach = 1.0 / (fan_in.max(1) as f32).sqrt();
    let n = shape.iter().product();
    Param::new(&name, Value::new(shape, (0..n).map(|_| rng.within(reach)).collect()))
}

/// A parameter filled with one number.
fn filled(name: String, shape: &[usize], x: f32) -> Param {
    Param::new(&name, Value::new(shape, vec![x; shape.iter().product()]))
}
