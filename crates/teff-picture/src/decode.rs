//! Which format it is, by its first bytes.

use super::job::{Colours, Job};
use super::{bmp, jpeg, jpeg2000, png, pnm, tiff, webp};

/// The name of the format; nothing when it is none of those.
pub(crate) fn kind(file: &[u8]) -> &'static str {
    let begins = |bytes: &[u8]| file.starts_with(bytes);
    if begins(b"\x89PNG\r\n\x1a\n") {
        "png"
    } else if begins(b"\xff\xd8\xff") {
        "jpeg"
    } else if begins(b"BM") {
        "bmp"
    } else if begins(b"II*\0") || begins(b"MM\0*") {
        "tiff"
    } else if begins(b"RIFF") && file.get(8..12) == Some(b"WEBP") {
        "webp"
    } else if begins(b"\0\0\0\x0cjP  \r\n\x87\n") || begins(b"\xff\x4f\xff\x51") {
        "jpeg2000"
    } else if begins(b"P") {
        "pnm"
    } else {
        ""
    }
}

/// Decodes the picture in `file` into `pixels`. False when it is damaged, of another size, or of a kind that is not decoded; the
/// pixels are then 0.
pub(crate) fn decode(
    file: &[u8],
    height: usize,
    width: usize,
    colours: Colours,
    pixels: &mut [u8],
    words: &mut [i32],
    bytes: &mut [u8],
) -> bool {
    let mut job = Job { file, height, width, colours, pixels, words, bytes };
    let decoded = match kind(file) {
        "bmp" => bmp::decode(&mut job),
        "jpeg" => jpeg::decode(&mut job),
        "jpeg2000" => jpeg2000::decode(&mut job),
        "png" => png::decode(&mut job),
        "pnm" => pnm::decode(&mut job),
        "tiff" => tiff::decode(&mut job),
        "webp" => webp::decode(&mut job),
        _ => None,
    };
    if decoded.is_none() {
        job.pixels.fill(0);
    }
    decoded.is_some()
}
