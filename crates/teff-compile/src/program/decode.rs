//! Pictures in files: one statement for all of a decoder.

use super::BufferId;
use teff_graph::Picture;

/// Decodes a file, as [`teff_picture::decode`]: `pixels` becomes all 0 when that refuses.
///
/// # Contract
///
/// - `file` holds `u8`; `pixels` holds `u8`, height by width by channels.
/// - `words` holds `i32` and `bytes` holds `u8`, as many as [`teff_picture::memory`] says. They hold nothing before and after.
/// - The four are apart from each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Decode {
    /// The file.
    pub file: BufferId,
    /// The result.
    pub pixels: BufferId,
    /// Scratch memory.
    pub words: BufferId,
    /// Scratch memory.
    pub bytes: BufferId,
    /// What is known of it.
    pub picture: Picture,
}

impl Decode {
    /// The buffers it writes.
    pub fn writes(&self) -> [BufferId; 3] {
        [self.pixels, self.words, self.bytes]
    }

    pub(crate) fn buffers_mut(&mut self) -> [&mut BufferId; 4] {
        [&mut self.file, &mut self.pixels, &mut self.words, &mut self.bytes]
    }
}
