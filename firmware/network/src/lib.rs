//! The network that is compiled in, whatever it is, behind one function.
//!
//! What it takes and gives is in the constants that `teff firmware` wrote; [`Network::infer`] runs it, as Rust or as C by the feature
//! that is chosen. Both give the same bits for networks of integers.
//!
//! ```
//! use network::{INPUTS, Input, LABELS, Network, OUTPUTS, Output, PIXELS, fixed};
//!
//! // A picture all in grey, as the camera's brightness and as what the network is given for it.
//! let picture = [128u8; INPUTS];
//! let input: [Input; INPUTS] = picture.map(|level| PIXELS[usize::from(level)]);
//! // SAFETY: the only one.
//! let mut network = unsafe { Network::new() };
//! let mut output = [0 as Output; OUTPUTS];
//! network.infer(&input, &mut output);
//! let class = (0..OUTPUTS).max_by_key(|&class| fixed(output[class])).unwrap();
//! assert!(class < LABELS.len());
//! ```

#![no_std]

/// How a picture of the camera becomes the network's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Preparation {
    /// The digit in it is found, turned upright, scaled and centred, white on black.
    Digit,
    /// The middle of it, scaled.
    Image,
}

#[allow(missing_docs)]
mod description {
    use super::Preparation;
    include!(concat!(env!("OUT_DIR"), "/network.rs"));
}
pub use description::*;

#[cfg(feature = "rust")]
#[rustfmt::skip]
#[allow(missing_docs, clippy::all)]
mod net {
    include!(concat!(env!("OUT_DIR"), "/net.rs"));
}

#[cfg(feature = "c")]
mod net {
    use super::{Input, Output};
    unsafe extern "C" {
        /// Reads `INPUTS` values and writes `OUTPUTS`; its memory is its own, so one at a time may run.
        pub(super) fn net(input: *const Input, output: *mut Output);
    }
}

/// The network with the memory it works in.
pub struct Network {
    #[cfg(all(feature = "rust", arena))]
    arena: net::Arena,
    /// C's memory is static there: only who takes the network by [`Network::new`] once may run it.
    _private: (),
}

impl Network {
    /// The network.
    ///
    /// # Safety
    ///
    /// At most one exists, as the C works in memory of its own.
    pub const unsafe fn new() -> Network {
        Network {
            #[cfg(all(feature = "rust", arena))]
            arena: net::Arena::new(),
            _private: (),
        }
    }

    /// Computes `output` from `input`.
    pub fn infer(&mut self, input: &[Input; INPUTS], output: &mut [Output; OUTPUTS]) {
        #[cfg(all(feature = "rust", arena))]
        net::net(input, output, &mut self.arena);
        #[cfg(all(feature = "rust", not(arena)))]
        net::net(input, output);
        #[cfg(feature = "c")]
        // SAFETY: the lengths are those of the header, and there is one `Network`, borrowed mutably.
        unsafe {
            net::net(input.as_ptr(), output.as_mut_ptr());
        }
    }
}

/// An output as a real number in 1/256: an integer at the same scale on every machine.
pub fn fixed(output: Output) -> i32 {
    Fixed::fixed(output)
}

/// What outputs can be.
trait Fixed {
    fn fixed(self) -> i32;
}

/// `OUTPUT_SCALE` in 2^-24.
const SCALE: i64 = (OUTPUT_SCALE as f64 * 16_777_216.0) as i64;

impl Fixed for i8 {
    fn fixed(self) -> i32 {
        (((i64::from(self) - OUTPUT_ZERO as i64) * SCALE) >> 16) as i32
    }
}

impl Fixed for u8 {
    fn fixed(self) -> i32 {
        (((i64::from(self) - OUTPUT_ZERO as i64) * SCALE) >> 16) as i32
    }
}

impl Fixed for f32 {
    fn fixed(self) -> i32 {
        (self * 256.0) as i32
    }
}
