//! The MNIST that ships with the repository is the MNIST everybody knows.

use std::path::PathBuf;
use std::time::Instant;

use teff_data::{Samples, mnist, open};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../data/mnist")
}

#[test]
fn counts_labels_and_mean_are_the_published_ones() {
    let start = Instant::now();
    let split = mnist(folder()).unwrap();
    let took = start.elapsed();
    assert_eq!((split.train.len(), split.test.len()), (60_000, 10_000));
    assert_eq!(split.train.shape(), [1, 28, 28]);
    assert_eq!(split.train.labels()[..10], [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
    assert_eq!(split.test.labels()[..10], [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]);
    let counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949];
    assert_eq!(split.train.counts(), counts);
    assert_eq!(split.test.counts(), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
    // The mean and deviation that others give for these pictures.
    let mut batch = vec![0.0; 1000 * 784];
    let (mut sum, mut squares) = (0.0, 0.0);
    for start in (0..60_000).step_by(1000) {
        let indices: Vec<usize> = (start..start + 1000).collect();
        split.train.gather(&indices, &mut batch);
        sum += batch.iter().map(|&v| f64::from(v)).sum::<f64>();
        squares += batch.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>();
    }
    let mean = sum / (60_000.0 * 784.0);
    let deviation = (squares / (60_000.0 * 784.0) - mean * mean).sqrt();
    assert!((mean - 0.1307).abs() < 5e-5 && (deviation - 0.3081).abs() < 5e-5, "{mean} {deviation}");
    // An eighth of a second on an idle machine; this only catches a change of kind.
    assert!(took.as_secs_f64() < 5.0, "{took:?}");
}

#[test]
fn opening_recognises_it_and_keeps_bytes() {
    let split = open(folder()).unwrap();
    let Samples::U8(pixels) = split.test.samples() else { panic!("pixels stay bytes") };
    assert_eq!(pixels.len(), 7_840_000);
    // The first row with ink of the first test image, a 7.
    assert_eq!(pixels[7 * 28 + 6..7 * 28 + 12], [84, 185, 159, 151, 60, 36]);
}
