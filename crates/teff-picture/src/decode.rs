//! Which format it is, by its first bytes.

use super::job::{Colours, Job};
use super::{bmp, jpeg, jpeg2000, png, pnm, tiff, webp};

/// The scratch memory that a picture of this size may take, whatever its format: numbers of 32 bits, and bytes.
pub const fn memory(height: usize, width: usize) -> (usize, usize) {
    let words = [jpeg2000::words(height, width), webp::words(height, width)];
    let bytes = [
        jpeg::bytes(height, width),
        jpeg2000::bytes(height, width),
        png::bytes(height, width),
        webp::bytes(height, width),
    ];
    (largest(&words), largest(&bytes))
}

const fn largest(all: &[usize]) -> usize {
    let (mut most, mut i) = (0, 0);
    while i < all.len() {
        if all[i] > most {
            most = all[i];
        }
        i += 1;
    }
    most
}

/// Decodes the picture in `file` into `pixels`, `[height, width, channels]` row by row. `words` and `bytes` are scratch memory, at
/// least what [`memory`] says.
///
/// False when it is damaged, of another size, or of a kind that is not decoded; the pixels are then 0.
pub fn decode(
    file: &[u8],
    height: usize,
    width: usize,
    colours: Colours,
    pixels: &mut [u8],
    words: &mut [i32],
    bytes: &mut [u8],
) -> bool {
    let mut job = Job { file, height, width, colours, pixels, words, bytes };
    let decoded = format(&mut job).is_some();
    if !decoded {
        job.pixels.fill(0);
    }
    decoded
}

fn format(job: &mut Job) -> Option<()> {
    if job.begins(0, b"\x89PNG\r\n\x1a\n") {
        png::decode(job)
    } else if job.begins(0, b"\xff\xd8\xff") {
        jpeg::decode(job)
    } else if job.begins(0, b"BM") {
        bmp::decode(job)
    } else if job.begins(0, b"II*\0") || job.begins(0, b"MM\0*") {
        tiff::decode(job)
    } else if job.begins(0, b"RIFF") && job.begins(8, b"WEBP") {
        webp::decode(job)
    } else if job.begins(0, b"\0\0\0\x0cjP  \r\n\x87\n") || job.begins(0, b"\xff\x4f\xff\x51") {
        jpeg2000::decode(job)
    } else if job.begins(0, b"P") {
        pnm::decode(job)
    } else {
        None
    }
}
