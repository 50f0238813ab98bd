//! Layers without weights.

use super::{Layer, Pass};
use teff_graph::Tensor;

/// Functions of each element.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Activation {
    Relu,
    Relu6,
    LeakyRelu(f64),
    Elu,
    Selu,
    Gelu,
    Silu,
    Mish,
    Softplus,
    Sigmoid,
    HardSigmoid,
    HardSwish,
    Tanh,
    /// Over the last axis.
    Softmax,
    /// Over the last axis.
    LogSoftmax,
}

impl Layer for Activation {
    fn forward(&self, x: &Tensor, _: &Pass) -> Tensor {
        match *self {
            Activation::Relu => x.relu(),
            Activation::Relu6 => x.relu6(),
            Activation::LeakyRelu(slope) => x.leaky_relu(slope),
            Activation::Elu => x.elu(1.0),
            Activation::Selu => x.selu(),
            Activation::Gelu => x.gelu(),
            Activation::Silu => x.silu(),
            Activation::Mish => x.mish(),
            Activation::Softplus => x.softplus(),
            Activation::Sigmoid => x.sigmoid(),
            Activation::HardSigmoid => x.hard_sigmoid(1.0 / 6.0, 0.5),
            Activation::HardSwish => x.hard_swish(),
            Activation::Tanh => x.tanh(),
            Activation::Softmax => x.softmax(-1),
            Activation::LogSoftmax => x.log_softmax(-1),
        }
    }
}

/// In training, sets a share of the elements to 0 and scales the others so that their expectation stays.
pub struct Dropout {
    /// The share, from 0 to below 1.
    pub rate: f64,
}

impl Layer for Dropout {
    fn forward(&self, x: &Tensor, pass: &Pass) -> Tensor {
        if !pass.is_training() || self.rate == 0.0 {
            return x.clone();
        }
        let kept = Tensor::full(x.ty(), self.rate).less_equal(pass.random(x.shape()));
        kept.select(&(x / (1.0 - self.rate)), x.full_like(0.0))
    }
}

/// All axes but the first as one.
pub struct Flatten;

impl Layer for Flatten {
    fn forward(&self, x: &Tensor, _: &Pass) -> Tensor {
        x.flatten(1)
    }
}

/// Each sample under another shape.
pub struct Reshape {
    /// Its sizes, without the batch.
    pub shape: Vec<usize>,
}

impl Layer for Reshape {
    fn forward(&self, x: &Tensor, _: &Pass) -> Tensor {
        let batch = x.shape().first().copied().unwrap_or(1);
        x.reshape(&[&[batch], &self.shape[..]].concat())
    }
}

/// Each sample as a window of two axes, in the other order if they are to be.
pub(crate) struct Window {
    /// Its sizes as it comes.
    pub(crate) shape: [usize; 2],
    pub(crate) is_turned: bool,
}

impl Layer for Window {
    fn forward(&self, x: &Tensor, pass: &Pass) -> Tensor {
        let x = Reshape { shape: self.shape.to_vec() }.forward(x, pass);
        if self.is_turned { x.swap_axes(1, 2) } else { x }
    }
}
