//! burn on its flex back end, one thread: `train-burn --model mlp|cnn --batch N --epochs E`.
//!
//! Keeps the contract of `bench/train/README.md`: the first epoch is warm-up, the median of the others is printed.

mod data;
mod model;

use std::process::ExitCode;
use std::time::Instant;

use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{AdamConfig, GradientsParams};
use burn::prelude::*;
use cpu_time::ProcessTime;

use data::Split;
use model::{Cnn, Mlp, Network};

const LEARNING_RATE: f64 = 1e-3;

fn main() -> ExitCode {
    let task = match Task::from_args(std::env::args().skip(1)) {
        Ok(task) => task,
        Err(message) => {
            eprintln!("train-burn: {message}\nusage: train-burn --model mlp|cnn --batch N --epochs E");
            return ExitCode::from(2);
        }
    };
    let outcome = match task.model.as_str() {
        "mlp" => run::<Mlp>(&task),
        _ => run::<Cnn>(&task),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("train-burn: cannot read data/mnist: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What the command line asks for; `epochs` counts the warm-up epoch.
struct Task {
    model: String,
    batch: usize,
    epochs: usize,
}

impl Task {
    fn from_args(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut task = Self { model: "mlp".into(), batch: 128, epochs: 4 };
        while let Some(flag) = args.next() {
            let value = args.next().ok_or_else(|| format!("{flag} needs a value"))?;
            let number = || value.parse::<usize>().map_err(|e| format!("{flag} {value}: {e}"));
            match flag.as_str() {
                "--model" if value == "mlp" || value == "cnn" => task.model = value,
                "--batch" => task.batch = number()?,
                "--epochs" => task.epochs = number()?,
                _ => return Err(format!("{flag} {value} is not understood")),
            }
        }
        if task.batch == 0 || task.epochs < 2 {
            return Err("--batch must be at least 1 and --epochs at least 2, the first being warm-up".into());
        }
        Ok(task)
    }
}

fn run<N: Network>(task: &Task) -> std::io::Result<()> {
    let device = Device::flex().autodiff();
    device.seed(0);
    let mut random = Shuffler(0x9e37_79b9_7f4a_7c15);

    let Split { images, labels } = Split::load("train")?;
    let count = labels.len();
    // The data need no gradient: batches enter the autodiff graph as constants.
    let images = Tensor::<2>::from_data(TensorData::new(images, [count, 784]), &device);
    let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [count]), &device);

    let mut net = N::new(&device);
    let mut optimizer = AdamConfig::new().with_epsilon(1e-8).init();
    let loss = CrossEntropyLossConfig::new().init(&device);
    let mut order: Vec<i64> = (0..count as i64).collect();
    let (mut cpu, mut wall) = (Vec::new(), Vec::new());

    for _ in 0..task.epochs {
        let (cpu_start, wall_start) = (ProcessTime::now(), Instant::now());
        random.shuffle(&mut order);
        for batch in order.chunks_exact(task.batch) {
            let batch = Tensor::<1, Int>::from_data(batch, &device);
            let logits = net.forward(images.clone().select(0, batch.clone()));
            let gradients = loss.forward(logits, labels.clone().select(0, batch)).backward();
            let gradients = GradientsParams::from_grads(gradients, &net);
            net = optimizer.step(LEARNING_RATE, net, gradients);
        }
        cpu.push(cpu_start.elapsed().as_secs_f64());
        wall.push(wall_start.elapsed().as_secs_f64());
    }

    println!(
        "{{\"peer\": \"burn\", \"version\": \"0.22.1\", \"model\": \"{}\", \"batch\": {}, \"epochs\": {}, \
         \"cpu_seconds_per_epoch\": {:.4}, \"wall_seconds_per_epoch\": {:.4}, \"test_accuracy\": {:.4}}}",
        task.model,
        task.batch,
        task.epochs,
        median(&cpu[1..]),
        median(&wall[1..]),
        test_accuracy(&net.valid())?
    );
    Ok(())
}

fn test_accuracy<N: Network>(net: &N) -> std::io::Result<f64> {
    let device = Device::flex();
    let Split { images, labels } = Split::load("t10k")?;
    let count = labels.len();
    let images = Tensor::<2>::from_data(TensorData::new(images, [count, 784]), &device);
    let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [count]), &device);
    let right = net.forward(images).argmax(1).squeeze_dim(1).equal(labels).int().sum().into_scalar::<i64>();
    Ok(right as f64 / count as f64)
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

/// Fisher-Yates over xorshift64 (Marsaglia 2003): a shuffle needs no better generator here.
struct Shuffler(u64);

impl Shuffler {
    fn shuffle(&mut self, items: &mut [i64]) {
        for last in (1..items.len()).rev() {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            items.swap(last, (self.0 % (last as u64 + 1)) as usize);
        }
    }
}
