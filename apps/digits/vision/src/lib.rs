//! From a camera's grey picture to a network's input, the same bits on a microcontroller and on the host.
//!
//! [`find_digit`] looks for a handwritten digit, dark on light or light on dark, and draws it as MNIST has it: white on
//! black, the long side 20 pixels, the centre of mass in the middle of 28x28. [`fit`] is for networks that want the picture
//! itself. [`decide`] makes of a network's outputs a class and how sure it is.
//!
//! The contract:
//!
//! - Integers only, no heap, no `unsafe`, no dependency. The memory is the caller's [`Scratch`], 35 168 bytes, and 5 kB of stack.
//! - The same input gives the same bits everywhere.
//! - Any picture is taken: one without a digit, or too small to hold one, gives `None`.
//! - No division where it counts: some tens of them a picture, none for each pixel.
//!
//! ```
//! use digits_vision::{Grey, Scratch, find_digit};
//!
//! // A dark bar on paper that is darker on the right: somebody's 1.
//! let mut paper: Vec<u8> = (0..162 * 162).map(|i| 220 - (i % 162) as u8 / 2).collect();
//! for y in 40..110 {
//!     for x in 70..79 {
//!         paper[y * 162 + x] = 40;
//!     }
//! }
//! let mut scratch = Scratch::new();
//! let mut image = [0; 784];
//! let found = find_digit(&Grey::new(&paper, 162, 162), &mut scratch, &mut image).expect("there is a digit");
//! assert_eq!((found.left, found.top, found.width, found.height), (70, 40, 9, 70));
//! // Twenty rows of white, black around them.
//! let column: Vec<u8> = image.chunks(28).map(|row| row[14]).collect();
//! assert!(column[..4].iter().all(|&p| p < 20) && column[4..24].iter().all(|&p| p > 235));
//! ```
//!
//! How a digit is found, step by step: `cells` averages the frame to at most 81x81 cells; `envelope` estimates the ground that
//! strokes are drawn on, light and dark; `components` collects connected cells that differ from their ground, for each
//! polarity; `choose` tells the digit from frames, shadows and scribbles; `draw` takes its pixels from the frame and draws
//! the 28x28.

#![no_std]

#[cfg(test)]
extern crate std;

mod cells;
mod choose;
mod components;
mod decide;
mod draw;
mod envelope;
mod find;
mod fit;
mod hull;

pub use decide::{Decision, SURE_PERCENT, decide};
pub use find::{Bounds, Scratch, find_digit};
pub use fit::fit;

/// A grey picture, row by row from the top, 0 black to 255 white.
#[derive(Clone, Copy, Debug)]
pub struct Grey<'a> {
    /// `width * height` of them.
    pub pixels: &'a [u8],
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl<'a> Grey<'a> {
    /// A picture of these pixels.
    ///
    /// # Panics
    /// When there are not `width * height` of them.
    pub fn new(pixels: &'a [u8], width: usize, height: usize) -> Grey<'a> {
        assert!(width.checked_mul(height) == Some(pixels.len()), "a picture has width * height pixels");
        Grey { pixels, width, height }
    }

    /// Row `y`.
    pub(crate) fn row(&self, y: usize) -> &'a [u8] {
        &self.pixels[y * self.width..(y + 1) * self.width]
    }
}
