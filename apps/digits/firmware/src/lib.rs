//! What the firmware does with pictures of the camera: [`Recogniser`] is core 0, which finds a digit, or takes the whole picture, and runs
//! the network; [`Show`] is core 1, which shows the feed and the answer (`screen`). Frames go between them, an [`Answer`] beside each.
//!
//! From pins and clocks to answers on the display; `firmware/app` is this with the board set up:
//!
//! ```no_run
//! # // Not run: the registers are the chip's.
//! # #![no_std]
//! # #![no_main]
//! # #[panic_handler] fn panic(_: &core::panic::PanicInfo) -> ! { loop {} }
//! use board::camera::{Capture, Sccb};
//! use board::display::Display;
//! use board::guard::Cause;
//! use digits_firmware::{Recogniser, Show};
//!
//! /// Core 1: takes frames, draws them with the newest answer, and gives core 0 one when it has none.
//! fn core1(sccb: Sccb, capture: Capture, display: Display, reset: fn(bool), clock_hz: u32) -> ! {
//!     capture.install();
//!     Show::new(sccb, display, clock_hz, Cause::PowerOn).run(reset)
//! }
//!
//! /// Core 0: answers each frame that it is given.
//! fn core0(recogniser: &'static mut Recogniser) -> ! {
//!     recogniser.run()
//! }
//! ```

#![no_std]

mod answer;
mod recognise;
mod screen;
mod show;

pub use answer::Answer;
pub use recognise::Recogniser;
pub use show::Show;
