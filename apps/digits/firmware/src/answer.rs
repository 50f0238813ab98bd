//! What the network says of a frame.

use board::frames::Beside;
use digits_vision::{Bounds, Decision};

/// The answers beside the frames.
pub(crate) static ANSWERS: Beside<Answer> = Beside::new(Answer::NONE, Answer::NONE, Answer::NONE);

/// Pixels on a side of the preview of the network's input.
pub const PREVIEW: usize = 28;

/// What the network says of a frame.
#[derive(Clone)]
pub struct Answer {
    /// Where the digit was found.
    pub bounds: Option<Bounds>,
    /// What the network was given, or a small picture of it.
    pub preview: [u8; PREVIEW * PREVIEW],
    /// Its class; none where nothing was found or nothing is sure enough.
    pub decision: Option<Decision>,
    /// Microseconds of finding and scaling.
    pub prepare_us: u32,
    /// Microseconds of the network.
    pub infer_us: u32,
}

impl Answer {
    /// Before there is one.
    pub const NONE: Answer =
        Answer { bounds: None, preview: [0; PREVIEW * PREVIEW], decision: None, prepare_us: 0, infer_us: 0 };
}
