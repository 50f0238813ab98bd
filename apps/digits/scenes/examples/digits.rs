//! Makes `examples/digits.onnx`: a 784-400-10 classifier in integers for digits as a camera and `digits_vision::find_digit` give them,
//! and for MNIST's own. The same file each time on the same kind of machine.
//!
//! `cargo run --release -p digits-scenes --example digits -- examples/digits.onnx`

use digits_scenes::with_seen;
use std::ops::ControlFlow;
use std::time::Instant;
use teff::data::{self, Augment};
use teff::model::ModelSpec;
use teff::quantize::{self, Interface, quantize};
use teff::train::{Settings, Trainer};
use teff::{Schedule, predict};

/// Digits of the training set that are put before a camera, besides those as they are.
const SEEN: usize = 36_000;
const EPOCHS: usize = 28;
/// Two, whatever the machine has: sums in another order would make another file.
const THREADS: usize = 2;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("which file shall it be? For instance examples/digits.onnx")?;
    let digits = data::mnist("data/mnist")?;
    let started = Instant::now();
    let train = with_seen(&digits.train, SEEN, 42, THREADS)?;
    println!(
        "{} of {SEEN} digits were found again, {:.0?}",
        train.len() - digits.train.len(),
        started.elapsed()
    );

    let augment = Augment { shift: 0.5, rotate: 6.0, scale: 0.06, elastic_alpha: 16.0, ..Augment::default() };
    let settings = Settings {
        epochs: EPOCHS,
        rate: 4e-3,
        schedule: Schedule::OneCycle { warmup: 0.3 },
        augment: Some(augment),
        threads: THREADS,
        ..Settings::default()
    };
    let model = ModelSpec::preset("mlp").expect("comes with teff").build(
        train.shape(),
        train.classes().len(),
        settings.seed,
    )?;
    let started = Instant::now();
    let mut trainer = Trainer::new(&model, &train, settings)?;
    while !trainer.is_done() {
        let progress = trainer.epoch(|_| ControlFlow::Continue(()))?;
        println!("epoch {}: loss {:.4}", progress.epoch + 1, progress.loss);
    }
    println!("trained in {:.0?}", started.elapsed());

    let settings = quantize::Settings { interface: Interface::Int8, ..quantize::Settings::default() };
    let done = quantize(&model.graph(1)?, &train, &settings, &mut |_, _, _| ControlFlow::Continue(()))?;
    let accuracy = predict(&done.graph, &digits.test, THREADS)?.confusion(&digits.test).accuracy();
    println!("{:.2} % of MNIST's test images are right", accuracy * 100.0);
    std::fs::write(&path, teff::onnx::write(&done.graph, &Default::default())?)?;
    Ok(())
}
