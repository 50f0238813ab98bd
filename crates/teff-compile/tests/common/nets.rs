//! Networks with random weights.

use super::Rng;
use teff_graph::{DType, Graph, Num, Tensor, Type, Value};

/// Uniform in [-1, 1), divided by the square root of the inputs of one output.
pub fn weights(rng: &mut Rng, name: &str, shape: &[usize]) -> Tensor {
    let inputs = (shape.iter().product::<usize>() / shape[0]).max(1) as f64;
    Tensor::constant(uniform(rng, shape, 1.0 / inputs.sqrt())).named(name)
}

pub fn uniform(rng: &mut Rng, shape: &[usize], scale: f64) -> Value {
    Value::from_fn(&Type::new(DType::F32, shape), |_| {
        Num::Float(((rng.next() >> 40) as f64 / 8_388_608.0 - 1.0) * scale)
    })
}

pub fn dense(rng: &mut Rng, x: &Tensor, outputs: usize, name: &str) -> Tensor {
    let inputs = x.shape()[1];
    let w = weights(rng, &format!("{name}.weight"), &[outputs, inputs]);
    x.matmul(&w.transpose()) + weights(rng, &format!("{name}.bias"), &[outputs])
}

pub fn conv(rng: &mut Rng, x: &Tensor, outputs: usize, size: usize, padding: usize, name: &str) -> Tensor {
    let w = weights(rng, &format!("{name}.weight"), &[outputs, x.shape()[1], size, size]);
    x.conv2d(&w, 1, padding, 1, 1) + weights(rng, &format!("{name}.bias"), &[outputs]).per_channel(4)
}

/// 784-400-10.
pub fn mlp(rng: &mut Rng) -> (Tensor, Tensor) {
    let x = Tensor::input("pixels", DType::F32, &[1, 784]);
    let h = dense(rng, &x, 400, "l1").relu();
    let y = dense(rng, &h, 10, "l2");
    (x, y)
}

/// conv3x3x8, relu, pool, conv3x3x16, relu, pool, dense10.
pub fn cnn(rng: &mut Rng) -> (Tensor, Tensor) {
    let x = Tensor::input("pixels", DType::F32, &[1, 1, 28, 28]);
    let h = conv(rng, &x, 8, 3, 0, "conv1").relu().max_pool2d(2, 2);
    let h = conv(rng, &h, 16, 3, 0, "conv2").relu().max_pool2d(2, 2);
    let y = dense(rng, &h.reshape(&[1, 400]), 10, "dense");
    (x, y)
}

pub fn graph(x: &Tensor, y: &Tensor) -> Graph {
    Graph::from_tensors("net", std::slice::from_ref(x), &[("scores", y.clone())]).unwrap()
}
