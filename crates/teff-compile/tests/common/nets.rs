//! Networks with random weights.

use super::Rng;
use teff_graph::{DType, Graph, Num, PoolKind, Tensor, Type, Value, Window};

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

/// Networks of all kinds, with their names.
pub fn all(rng: &mut Rng) -> Vec<(&'static str, (Tensor, Tensor))> {
    vec![
        ("mlp", mlp(rng)),
        ("cnn", cnn(rng)),
        ("padded", padded(rng)),
        ("grouped", grouped(rng)),
        ("sequence", sequence(rng)),
        ("attention", attention(rng)),
        ("norms", norms(rng)),
    ]
}

fn padded(rng: &mut Rng) -> (Tensor, Tensor) {
    let x = Tensor::input("x", DType::F32, &[2, 3, 9, 11]);
    let h = conv(rng, &x, 20, 3, 1, "same").relu().max_pool2d(2, 2);
    let h = conv(rng, &h, 7, 5, 2, "wide").tanh();
    let w = Window { pad_low: vec![1, 1], pad_high: vec![1, 1], ..Window::new([3, 3], [2, 2]) };
    (x, h.avg_pool(w.clone(), false) + h.pool(PoolKind::Max, w))
}

fn grouped(rng: &mut Rng) -> (Tensor, Tensor) {
    let x = Tensor::input("x", DType::F32, &[1, 6, 10, 10]);
    let depthwise = weights(rng, "depthwise.weight", &[6, 1, 3, 3]);
    let pointwise = weights(rng, "pointwise.weight", &[30, 6, 1, 1]);
    let groups = weights(rng, "groups.weight", &[50, 15, 3, 3]);
    let h = x.conv2d(&depthwise, 2, 1, 1, 6).relu6();
    let h = h.conv2d(&pointwise, 1, 0, 1, 1).relu6();
    let h = h.conv2d(&groups, 1, 1, 2, 2);
    (x, h.conv_transpose2d(&weights(rng, "up.weight", &[50, 4, 2, 2]), 2, 0, 0).silu())
}

fn sequence(rng: &mut Rng) -> (Tensor, Tensor) {
    let x = Tensor::input("x", DType::F32, &[5, 2, 3]);
    let start = Tensor::zeros(&[2, 4]);
    let (wx, wh) = (weights(rng, "wx", &[3, 4]), weights(rng, "wh", &[4, 4]));
    let (last, all) = Tensor::scan(&[start], std::slice::from_ref(&x), true, |s, x| {
        let h = (x[0].matmul(&wx) + s[0].matmul(&wh)).tanh();
        (vec![h.clone()], vec![h])
    });
    let y = &all[0] + &last[0].unsqueeze(0);
    (x, y)
}

fn attention(rng: &mut Rng) -> (Tensor, Tensor) {
    let x = Tensor::input("x", DType::F32, &[6, 8]);
    let (q, k, v) = (dense(rng, &x, 8, "q"), dense(rng, &x, 8, "k"), dense(rng, &x, 8, "v"));
    let heads = |t: &Tensor| t.reshape(&[6, 2, 4]).permute(&[1, 0, 2]);
    let scores = heads(&q).matmul(&heads(&k).transpose()) * 0.5;
    let mixed = scores.softmax(-1).matmul(&heads(&v)).permute(&[1, 0, 2]).reshape(&[6, 8]);
    let y = dense(rng, &mixed, 8, "out") + &x;
    (x, y.layer_norm(1, 1e-5))
}

fn norms(rng: &mut Rng) -> (Tensor, Tensor) {
    let x = Tensor::input("x", DType::F32, &[2, 6, 40]);
    let h = x.group_norm(3, 1e-5).gelu();
    let h = h.log_softmax(1) + weights(rng, "shift", &[40]);
    (x, h.standardize(&[-1], 1e-5).cumsum(2, false, false))
}
