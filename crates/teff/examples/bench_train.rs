//! teff's part of `bench/train`: trains on one thread and prints CPU-seconds an epoch as one JSON line.
//!
//! `bench_train --model mlp|cnn --batch N --epochs E`; the first epoch is not counted.

use std::ops::ControlFlow;
use std::time::Instant;
use teff::model::ModelSpec;
use teff::train::{Settings, Trainer};
use teff::{data, predict};

/// CPU time of this process so far, in seconds: fields 14 and 15 of /proc/self/stat (proc(5)), in ticks of 10 ms; the wall clock
/// where there is none.
fn cpu_seconds(started: Instant) -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program, in parentheses, may hold anything.
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    match (
        fields.get(11).and_then(|f| f.parse::<f64>().ok()),
        fields.get(12).and_then(|f| f.parse::<f64>().ok()),
    ) {
        (Some(user), Some(system)) => (user + system) / 100.0,
        _ => started.elapsed().as_secs_f64(),
    }
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

fn main() -> teff::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let value = |name: &str| args.iter().position(|a| a == name).and_then(|i| args.get(i + 1)).cloned();
    let name = value("--model").unwrap_or("mlp".into());
    let batch = value("--batch").map_or(128, |b| b.parse().expect("--batch takes a number"));
    let epochs = value("--epochs").map_or(4, |e| e.parse().expect("--epochs takes a number"));

    let digits = data::mnist("data/mnist")?;
    let spec = ModelSpec::preset(&name).expect("--model is mlp or cnn");
    let model = spec.build(digits.train.shape(), 10, 42)?;
    let settings = Settings { epochs, batch, threads: 1, ..Settings::default() };
    let mut trainer = Trainer::new(&model, &digits.train, settings)?;
    let started = Instant::now();
    let (mut cpu, mut wall) = (Vec::new(), Vec::new());
    while !trainer.is_done() {
        let (cpu_before, wall_before) = (cpu_seconds(started), Instant::now());
        trainer.epoch(|_| ControlFlow::Continue(()))?;
        cpu.push(cpu_seconds(started) - cpu_before);
        wall.push(wall_before.elapsed().as_secs_f64());
    }
    let accuracy = predict(&model.graph(100)?, &digits.test, 1)?.confusion(&digits.test).accuracy();
    println!(
        "{{\"peer\": \"teff\", \"model\": \"{name}\", \"batch\": {batch}, \"epochs\": {epochs}, \
         \"cpu_seconds_per_epoch\": {:.4}, \"wall_seconds_per_epoch\": {:.4}, \"test_accuracy\": {accuracy:.4}}}",
        median(cpu.split_off(1.min(epochs - 1))),
        median(wall.split_off(1.min(epochs - 1))),
    );
    Ok(())
}
