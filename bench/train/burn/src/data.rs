//! MNIST from the repository's `data/mnist`, as plain vectors.

use std::{fs::File, io::Read, path::Path};

use flate2::read::GzDecoder;

/// Images as `f32` in [0, 1], 784 each, and their labels.
pub struct Split {
    pub images: Vec<f32>,
    pub labels: Vec<i64>,
}

impl Split {
    /// Reads the split `name`, "train" or "t10k".
    pub fn load(name: &str) -> std::io::Result<Self> {
        // An IDX file opens with a magic number and one big-endian size per dimension, 4 bytes each.
        let pixels = gunzip(&format!("{name}-images-idx3-ubyte.gz"))?.split_off(16);
        let labels = gunzip(&format!("{name}-labels-idx1-ubyte.gz"))?.split_off(8);
        Ok(Self {
            images: pixels.iter().map(|&p| f32::from(p) / 255.0).collect(),
            labels: labels.into_iter().map(i64::from).collect(),
        })
    }
}

fn gunzip(file: &str) -> std::io::Result<Vec<u8>> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../data/mnist"));
    let mut bytes = Vec::new();
    GzDecoder::new(File::open(folder.join(file))?).read_to_end(&mut bytes)?;
    Ok(bytes)
}
