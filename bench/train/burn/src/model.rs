//! The two networks of the comparison. Both take [batch, 784] and return logits, [batch, 10].

use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{Linear, LinearConfig, Relu};
use burn::prelude::*;

pub trait Network: Module {
    fn new(device: &Device) -> Self;
    fn forward(&self, images: Tensor<2>) -> Tensor<2>;
}

/// 784-400-10.
#[derive(Module, Debug)]
pub struct Mlp {
    hidden: Linear,
    relu: Relu,
    output: Linear,
}

impl Network for Mlp {
    fn new(device: &Device) -> Self {
        Self {
            hidden: LinearConfig::new(784, 400).init(device),
            relu: Relu::new(),
            output: LinearConfig::new(400, 10).init(device),
        }
    }

    fn forward(&self, images: Tensor<2>) -> Tensor<2> {
        self.output.forward(self.relu.forward(self.hidden.forward(images)))
    }
}

/// Two valid 3x3 convolutions of 8 and 16 channels, each with relu and 2x2 max pooling, then a dense layer.
#[derive(Module, Debug)]
pub struct Cnn {
    conv1: Conv2d,
    conv2: Conv2d,
    relu: Relu,
    pool: MaxPool2d,
    output: Linear,
}

impl Network for Cnn {
    fn new(device: &Device) -> Self {
        Self {
            conv1: Conv2dConfig::new([1, 8], [3, 3]).init(device),
            conv2: Conv2dConfig::new([8, 16], [3, 3]).init(device),
            relu: Relu::new(),
            pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
            output: LinearConfig::new(16 * 5 * 5, 10).init(device),
        }
    }

    fn forward(&self, images: Tensor<2>) -> Tensor<2> {
        let batch = images.dims()[0];
        let x = self.conv1.forward(images.reshape([batch, 1, 28, 28]));
        let x = self.pool.forward(self.relu.forward(x));
        let x = self.pool.forward(self.relu.forward(self.conv2.forward(x)));
        self.output.forward(x.reshape([batch, 16 * 5 * 5]))
    }
}
