//! The test pictures, `data/NAME` with what it shows in `data/NAME.ppm`.

#![allow(unreachable_pub)]

use std::path::{Path, PathBuf};
use teff_picture::{Colours, Picture as Shape, decode, memory};

/// A picture in a file, and its pixels as RGB.
pub struct Picture {
    pub name: String,
    pub file: Vec<u8>,
    pub height: usize,
    pub width: usize,
    pub rgb: Vec<u8>,
}

pub fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

/// All of them, by name.
pub fn pictures() -> Vec<Picture> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(data()).unwrap() {
        let path = entry.unwrap().path();
        let expected = PathBuf::from(format!("{}.ppm", path.display()));
        if !expected.exists() {
            continue;
        }
        let ppm = std::fs::read(expected).unwrap();
        // "P6\nWIDTH HEIGHT\n255\n"
        let lines: Vec<&[u8]> = ppm.splitn(4, |b| *b == b'\n').collect();
        let size: Vec<usize> =
            std::str::from_utf8(lines[1]).unwrap().split(' ').map(|n| n.parse().unwrap()).collect();
        all.push(Picture {
            name: path.file_name().unwrap().to_str().unwrap().into(),
            file: std::fs::read(&path).unwrap(),
            width: size[0],
            height: size[1],
            rgb: lines[3].to_vec(),
        });
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// What Rust makes of a file.
pub fn decoded(file: &[u8], height: usize, width: usize, colours: Colours) -> (bool, Vec<u8>) {
    let shape = Shape::new(height, width, colours);
    let (words, bytes) = memory(&shape);
    let mut pixels = vec![7; shape.len()];
    // Scratch memory holds anything.
    let (mut words, mut bytes) = (vec![0x5555_5555; words], vec![0xaa; bytes]);
    let ok = decode(file, &shape, &mut pixels, &mut words, &mut bytes);
    (ok, pixels)
}
