//! Small data sets in temporary folders, written by hand so that the readers are tested against the formats.

// Each test binary uses its own part of this.
#![allow(dead_code)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use flate2::write::{DeflateEncoder, GzEncoder};
use flate2::{Compression, Crc};

/// A folder that goes when it is dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("teff-data-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file, and the folders it lies in.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.0.join(name)).unwrap();
    }

    /// The message of the error that opening this folder gives, with the folder's own path written `DIR`.
    pub(crate) fn fault(&self) -> String {
        self.message(&teff_data::open(&self.0).expect_err("this folder should not open"))
    }

    /// The same for a file in it.
    pub(crate) fn fault_of(&self, name: &str) -> String {
        self.message(&teff_data::open(self.0.join(name)).expect_err("this file should not open"))
    }

    pub(crate) fn message(&self, error: &teff_data::Error) -> String {
        error.to_string().replace(&self.0.display().to_string(), "DIR")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Nothing to be done when it fails.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// An IDX file.
pub(crate) fn idx(code: u8, shape: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, code, shape.len() as u8];
    bytes.extend(shape.iter().flat_map(|d| d.to_be_bytes()));
    bytes.extend(data);
    bytes
}

pub(crate) fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Pixels that look like noise but are the same every time.
pub(crate) fn pixels(len: usize) -> Vec<u8> {
    let mut rng = teff_data::Rng::new(len as u64);
    (0..len).map(|_| rng.next_u64() as u8).collect()
}

/// MNIST in small: 6 training and 4 test images of 3x5 pixels.
pub(crate) fn tiny_mnist(folder: &Folder) {
    folder.write("train-images-idx3-ubyte.gz", &gz(&idx(8, &[6, 3, 5], &pixels(90))));
    folder.write("train-labels-idx1-ubyte.gz", &gz(&idx(8, &[6], &[5, 0, 4, 1, 9, 2])));
    folder.write("t10k-images-idx3-ubyte", &idx(8, &[4, 3, 5], &pixels(60)));
    folder.write("t10k-labels-idx1-ubyte", &idx(8, &[4], &[7, 2, 1, 0]));
}

/// An NPY file of the given version.
pub(crate) fn npy_with(version: u8, descr: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}      \n");
    let mut bytes = b"\x93NUMPY".to_vec();
    bytes.extend([version, 0]);
    match version {
        1 => bytes.extend((header.len() as u16).to_le_bytes()),
        _ => bytes.extend((header.len() as u32).to_le_bytes()),
    }
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

pub(crate) fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    npy_with(1, descr, "False", shape, data)
}

/// A ZIP of members, all stored or all deflated, with the extra field that NumPy writes.
pub(crate) fn zip(members: &[(&str, Vec<u8>)], deflated: bool) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in members {
        let mut crc = Crc::new();
        crc.update(data);
        let packed = if deflated {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        } else {
            data.clone()
        };
        let method: u16 = if deflated { 8 } else { 0 };
        let mut common = Vec::new();
        common.extend(20u16.to_le_bytes()); // version needed
        common.extend(0u16.to_le_bytes()); // flags
        common.extend(method.to_le_bytes());
        common.extend([0; 4]); // time and date
        common.extend(crc.sum().to_le_bytes());
        common.extend((packed.len() as u32).to_le_bytes());
        common.extend((data.len() as u32).to_le_bytes());
        common.extend((name.len() as u16).to_le_bytes());
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        directory.extend([0; 12]); // no extra field, no comment, disk 0, attributes
        directory.extend((bytes.len() as u32).to_le_bytes());
        directory.extend(name.as_bytes());
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&common);
        bytes.extend(20u16.to_le_bytes());
        bytes.extend(name.as_bytes());
        bytes.extend([1, 0, 16, 0]);
        bytes.extend([0xff; 16]); // what a zip64 field of NumPy looks like
        bytes.extend(packed);
    }
    let start = bytes.len() as u32;
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend((members.len() as u16).to_le_bytes());
    bytes.extend((members.len() as u16).to_le_bytes());
    bytes.extend((directory.len() as u32).to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend(0u16.to_le_bytes());
    bytes
}

/// Any numbers as little-endian bytes.
pub(crate) fn le<T: Copy, const N: usize>(values: &[T], to_le: fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|&v| to_le(v)).collect()
}

/// A grey or RGB PNG.
pub(crate) fn png(width: u32, height: u32, channels: usize, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(if channels == 1 { png::ColorType::Grayscale } else { png::ColorType::Rgb });
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header().unwrap().write_image_data(data).unwrap();
    bytes
}
