//! JPEG files, grey and colour (chroma whole and halved), with restarts, in one scan, several and progressive, beside the pixels that
//! Pillow 13.0 (libjpeg-turbo) sees in them.

use std::path::{Path, PathBuf};
use teff_data::Picture;

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut all: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    all.retain(|f| f.extension().is_some_and(|e| e == "jpg"));
    all.sort();
    assert_eq!(all.len(), 6);
    all
}

#[test]
fn pixels_are_those_of_pillow() {
    for file in files() {
        let found = Picture::open(&file).unwrap();
        let seen = Picture::open(&file.with_extension("ppm")).unwrap();
        assert_eq!((found.width, found.height), (seen.width, seen.height), "{}", file.display());
        assert_eq!(found.channels, if file.ends_with("grey.jpg") { 1 } else { 3 }, "{}", file.display());
        let seen = seen.pixels.chunks_exact(3).flat_map(|p| &p[..found.channels]);
        let worst = found.pixels.iter().zip(seen).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        // The standard leaves the rounding of the transform and how chroma is enlarged to the decoder.
        assert!(worst <= 3, "{}: {worst}", file.display());
    }
}

#[test]
fn a_jpeg_cut_anywhere_is_an_error() {
    for file in files() {
        let bytes = std::fs::read(&file).unwrap();
        for len in 0..bytes.len() - 2 {
            assert!(Picture::decode("a.jpg", &bytes[..len]).is_err(), "{}: {len}", file.display());
        }
    }
}

#[test]
fn a_size_is_checked_before_memory_is_asked_for() {
    let whole = std::fs::read(&files()[0]).unwrap();
    // Behind a frame header's marker (T.81, B.2.2) are its length, the bits of a sample, height and width.
    let frame = whole.windows(2).position(|w| matches!(w, [0xff, 0xc0 | 0xc2])).unwrap();
    for (side, expected) in [(60_000u16, "more than 67108864"), (5_000, "5000x5000 pixels do not fit into")] {
        let mut bytes = whole.clone();
        bytes[frame + 5..frame + 9].copy_from_slice(&[side.to_be_bytes(); 2].concat());
        let message = Picture::decode("a.jpg", &bytes).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}
