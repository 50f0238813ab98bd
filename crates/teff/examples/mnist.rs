//! The demonstration teff began from: a 784-400-10 classifier of handwritten digits.
//!
//! `cargo run --release --example mnist`

use teff::data::{self, Order};
use teff::nn::{Activation::Relu, Flatten, Layer, Linear, Pass, Sequential};
use teff::{DType, Graph, Optimizer, Rng, Step, Tensor, predict};

fn main() -> teff::Result<()> {
    let digits = data::mnist("data/mnist")?;
    let mut rng = Rng::new(42);
    let l1 = Linear::new("l1", 784, 400, &mut rng);
    let l2 = Linear::new("l2", 400, 10, &mut rng);
    let layers: [&dyn Layer; 4] = [&Flatten, &l1, &Relu, &l2];

    let x = Tensor::input("x", DType::F32, &[128, 1, 28, 28]);
    let y = Tensor::input("y", DType::I32, &[128]);
    let loss = x.sequential(&layers, &Pass::training(42)).cross_entropy(&y);
    let updates = Optimizer::adam(1e-3).minimize(&loss)?;
    let mut step = Step::new(&[&x, &y], &[&loss], &updates, 2)?;

    let mut order = Order::new(digits.train.len());
    for epoch in 0..5 {
        for batch in order.shuffle(42, epoch).chunks_exact(128) {
            digits.train.gather(batch, step.input_mut(0));
            digits.train.gather_labels::<i32>(batch, step.input_mut(1));
            step.run()?;
        }
        println!("epoch {}: loss {:.4}", epoch + 1, step.item(0));
    }
    let logits = x.sequential(&layers, &Pass::evaluation());
    let graph = Graph::from_tensors("mnist", &[x], &[("logits", logits)])?;
    let accuracy = predict(&graph, &digits.test, 2)?.confusion(&digits.test).accuracy();
    println!("{:.2} % of the test images are right", accuracy * 100.0);
    Ok(())
}
