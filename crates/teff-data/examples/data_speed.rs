//! How long loading, gathering and augmenting MNIST take on this machine.
//!
//! `cargo run --release -p teff-data --example data_speed [FOLDER]`

use std::hint::black_box;
use std::time::Instant;

use teff_data::{Augment, Augmenter, Order, mnist};

const BATCH: usize = 128;

fn main() -> Result<(), teff_data::Error> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "data/mnist".into());
    let start = Instant::now();
    let train = mnist(&folder)?.train;
    println!("load train and test       {:8.1} ms", start.elapsed().as_secs_f64() * 1e3);

    let mut order = Order::new(train.len());
    let mut batch = vec![0.0f32; BATCH * train.sample_len()];
    let mut labels = vec![0u16; BATCH];
    report("shuffle", &train, 1, |epoch| {
        black_box(order.shuffle(0, epoch));
    });
    let indices = order.shuffle(0, 1).to_vec();
    report("gather", &train, 3, |_| {
        for indices in indices.chunks_exact(BATCH) {
            train.gather(black_box(indices), black_box(&mut batch));
            train.gather_labels(indices, black_box(&mut labels));
        }
    });
    let affine = Augment { elastic_alpha: 0.0, ..Augment::default() };
    for (name, parameters) in [("affine", affine), ("affine and elastic", Augment::default())] {
        let augmenter = Augmenter::new(parameters, train.shape())?;
        let mut scratch = augmenter.scratch();
        report(name, &train, 2, |epoch| {
            for indices in indices.chunks_exact(BATCH) {
                augmenter.gather(&train, indices, epoch, black_box(&mut batch), &mut scratch);
            }
        });
    }
    Ok(())
}

/// Prints the best of `times` runs over the data set, for one sample.
fn report(name: &str, train: &teff_data::Dataset, times: u64, mut run: impl FnMut(u64)) {
    let mut best = f64::INFINITY;
    for epoch in 0..times {
        let start = Instant::now();
        run(epoch);
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!("{name:<25} {:8.3} us a sample", best / train.len() as f64 * 1e6);
}
