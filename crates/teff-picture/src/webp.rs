//! WebP: still pictures, alone or in an extended file: VP8, complete with what libwebp makes of its colours,
//! and the lossless kind. Alpha and metadata are skipped. Animations are refused.

use super::job::Job;
use super::vp8;
use super::vp8_header;
use super::webp_lossless;

pub(super) fn decode(job: &mut Job) -> Option<()> {
    let mut at = 12;
    while job.file.len() >= 8 && job.file.len() - 8 >= at {
        let size = job.little32(at + 4) as usize;
        if size > job.file.len() - at - 8 {
            return None;
        }
        if job.begins(at, b"VP8 ") {
            return vp8::decode(job, at + 8, at + 8 + size);
        }
        if job.begins(at, b"VP8L") {
            return webp_lossless::decode(job, at + 8, at + 8 + size);
        }
        if job.begins(at, b"VP8X") {
            let width = (job.little32(at + 12) & 0xff_ffff) as usize + 1;
            let height = (job.little32(at + 15) & 0xff_ffff) as usize + 1;
            if job.byte(at + 8) & 2 != 0 || height != job.height || width != job.width {
                return None;
            }
        }
        // Chunks are of an even number of bytes.
        at += 8 + size + size % 2;
    }
    None
}

/// Numbers of scratch memory.
pub(super) const fn words(height: usize, width: usize) -> usize {
    webp_lossless::words(height, width)
}

/// Bytes of scratch memory.
pub(super) const fn bytes(height: usize, width: usize) -> usize {
    let of_lossless = webp_lossless::bytes(height, width);
    let of_frames = vp8_header::bytes(height, width);
    if of_lossless > of_frames { of_lossless } else { of_frames }
}
