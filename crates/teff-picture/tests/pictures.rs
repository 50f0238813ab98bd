//! Every test picture shows what Pillow sees in it.

#[allow(dead_code)]
mod common;

use common::{data, decoded, pictures};
use teff_picture::{Colours, Format, Formats, Picture, decode, memory};

#[test]
fn every_picture_has_the_pixels_that_pillow_reads() {
    let only = std::env::var("ONLY").unwrap_or_default();
    let mut wrong = Vec::new();
    for p in pictures().iter().filter(|p| p.name.contains(&only)) {
        let (ok, pixels) = decoded(&p.file, p.height, p.width, Colours::Rgb);
        let differ = pixels.iter().zip(&p.rgb).filter(|(a, b)| a != b).count();
        let most = pixels.iter().zip(&p.rgb).map(|(a, b)| a.abs_diff(*b)).max();
        if !ok || differ > 0 {
            let first = pixels.iter().zip(&p.rgb).position(|(a, b)| a != b);
            wrong.push(format!(
                "{}: decoded {ok}, {differ} differ, by {most:?} at most, first at {first:?}",
                p.name
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn channels_are_in_the_order_asked_for() {
    for p in pictures() {
        let bgr: Vec<u8> = p.rgb.chunks(3).flat_map(|c| [c[2], c[1], c[0]]).collect();
        assert!(decoded(&p.file, p.height, p.width, Colours::Bgr).1 == bgr, "{}", p.name);
        let luma = |c: &[u8]| (19595 * c[0] as u32 + 38470 * c[1] as u32 + 7471 * c[2] as u32 + 32768) >> 16;
        let grey: Vec<u8> = p.rgb.chunks(3).map(|c| luma(c) as u8).collect();
        assert!(decoded(&p.file, p.height, p.width, Colours::Grey).1 == grey, "{}", p.name);
    }
}

#[test]
fn another_size_is_refused_and_all_is_black() {
    for p in pictures() {
        for (height, width) in [(p.height + 1, p.width), (p.height, p.width + 1), (p.height - 1, p.width)] {
            let (ok, pixels) = decoded(&p.file, height, width, Colours::Rgb);
            assert!(!ok && pixels.iter().all(|p| *p == 0), "{}", p.name);
        }
    }
}

#[test]
fn what_follows_the_picture_does_not_matter() {
    for p in pictures() {
        let mut file = p.file.clone();
        file.extend([0xff; 64]);
        assert!(decoded(&file, p.height, p.width, Colours::Rgb) == (true, p.rgb), "{}", p.name);
    }
}

#[test]
fn formats_that_are_not_wanted_are_refused() {
    let file = std::fs::read(data().join("onnx.jpg")).unwrap();
    for (formats, wanted) in [([Format::Jpeg, Format::Bmp], true), ([Format::Png, Format::Bmp], false)] {
        let shape = Picture { formats: Formats::of(&formats), ..Picture::new(32, 32, Colours::Rgb) };
        let (words, bytes) = memory(&shape);
        let mut pixels = vec![7; shape.len()];
        let ok = decode(&file, &shape, &mut pixels, &mut vec![0; words], &mut vec![0; bytes]);
        assert_eq!((ok, pixels.iter().any(|p| *p != 0)), (wanted, wanted));
    }
}
