//! Three frames that never are in two hands. A [`Frame`] is the right to one of them: the camera fills it, the display reads it, the
//! application reads it and writes what it made of it [`Beside`] it, and between the cores it travels as a word of the FIFO. As there is
//! one `Frame` for each, none is read while it is written.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

/// Pixels on a side: the whole field of the HM01B0, two by two pixels made one.
pub const SIDE: usize = 162;
/// Bytes of a frame.
pub const BYTES: usize = SIDE * SIDE;

/// Something beside each frame: who holds the frame holds it too.
pub struct Beside<T>([UnsafeCell<T>; 3]);

// SAFETY: only the holder of the `Frame` with its index reaches a place.
unsafe impl<T: Send> Sync for Beside<T> {}

impl<T> Beside<T> {
    /// What is there at first.
    pub const fn new(a: T, b: T, c: T) -> Beside<T> {
        Beside([UnsafeCell::new(a), UnsafeCell::new(b), UnsafeCell::new(c)])
    }

    /// What is beside a frame.
    pub fn of<'a>(&'a self, frame: &'a Frame) -> &'a T {
        // SAFETY: this is the only `Frame` of its place.
        unsafe { &*self.0[usize::from(frame.0)].get() }
    }

    /// What is beside a frame, to be changed.
    pub fn of_mut<'a>(&'a self, frame: &'a mut Frame) -> &'a mut T {
        // SAFETY: this is the only `Frame` of its place, and it is borrowed mutably.
        unsafe { &mut *self.0[usize::from(frame.0)].get() }
    }
}

static PIXELS: Beside<[u8; BYTES]> = Beside::new([0; BYTES], [0; BYTES], [0; BYTES]);
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

    /// What the camera saw, upright, row by row.
    pub fn pixels(&self) -> &[u8; BYTES] {
        PIXELS.of(self)
    }

    /// The same, to be changed.
    pub fn pixels_mut(&mut self) -> &mut [u8; BYTES] {
        PIXELS.of_mut(self)
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
