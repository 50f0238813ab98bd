//! Three frames that never are in two hands. A [`Frame`] is the right to one of them: the camera fills it, the display reads it, the
//! network reads it and writes its answer into it, and between the cores it travels as a word of the FIFO. As there is one `Frame`
//! for each, none is read while it is written.

use crate::answer::Answer;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

/// Pixels on a side: the whole field of the HM01B0, two by two pixels made one.
pub const SIDE: usize = 162;
/// Bytes of a frame.
pub const BYTES: usize = SIDE * SIDE;

/// What a frame holds.
pub struct Content {
    /// What the camera saw, upright, row by row.
    pub pixels: [u8; BYTES],
    /// What the network said of it, once it has.
    pub answer: Answer,
}

struct Slot(UnsafeCell<Content>);

// SAFETY: only the holder of the `Frame` with its index reaches a slot.
unsafe impl Sync for Slot {}

static SLOTS: [Slot; 3] =
    [const { Slot(UnsafeCell::new(Content { pixels: [0; BYTES], answer: Answer::NONE })) }; 3];
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The right to one frame.
pub struct Frame(u8);

impl Frame {
    /// All of them; once.
    pub fn take_all() -> Option<[Frame; 3]> {
        let taken = critical_section::with(|_| {
            let taken = TAKEN.load(Ordering::Relaxed);
            TAKEN.store(true, Ordering::Relaxed);
            taken
        });
        (!taken).then_some([Frame(0), Frame(1), Frame(2)])
    }

    /// What is in it.
    pub fn content(&self) -> &Content {
        // SAFETY: this is the only `Frame` of its slot.
        unsafe { &*SLOTS[usize::from(self.0)].0.get() }
    }

    /// What is in it, to be changed.
    pub fn content_mut(&mut self) -> &mut Content {
        // SAFETY: this is the only `Frame` of its slot, and it is borrowed mutably.
        unsafe { &mut *SLOTS[usize::from(self.0)].0.get() }
    }

    /// The frame as a word for the other core, who becomes its holder.
    pub fn into_word(self) -> u32 {
        u32::from(self.0)
    }

    /// The frame that [`Frame::into_word`] gave up.
    ///
    /// # Safety
    ///
    /// `word` came from `into_word`, and nobody else makes a frame of it.
    pub unsafe fn from_word(word: u32) -> Option<Frame> {
        (word < 3).then_some(Frame(word as u8))
    }
}
