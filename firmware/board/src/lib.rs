//! What applications share of an ArduCAM Pico4ML.
//!
//! [`camera`] fills [`frames`], each in one hand at a time, which cross between the cores by [`link`]; [`display`] shows a picture; what is
//! said goes to UART and USB ([`serial`], [`say!`]); a watchdog sees that both cores come round ([`guard`]). Nothing here waits for
//! something outside the chip without an end.
//!
//! From the camera to the display: how bright the middle of each frame is, on serial and as the whole picture.
//!
//! ```no_run
//! # // Not run: the registers are the chip's.
//! # #![no_std]
//! # #![no_main]
//! # #[panic_handler] fn panic(_: &core::panic::PanicInfo) -> ! { loop {} }
//! use board::camera::{self, Capture, Fault, Sccb};
//! use board::display::{Display, grey};
//! use board::frames::SIDE;
//! use board::say;
//!
//! /// On core 1, with interrupts going to [`camera::on_vsync`] and [`camera::on_dma`]; `reset` drives the camera's reset pin.
//! fn show(mut sccb: Sccb, capture: Capture, mut display: Display, reset: fn(bool), clock_hz: u32) -> Result<(), Fault> {
//!     capture.install();
//!     camera::start(&mut sccb, &mut { reset }, clock_hz)?;
//!     loop {
//!         let Some(frame) = Capture::newest() else { continue };
//!         let level = frame.pixels()[SIDE * SIDE / 2];
//!         say!("{level} of 255");
//!         display.draw(|canvas| canvas.row_mut(0).fill(grey(level)));
//!         Capture::release(frame);
//!     }
//! }
//! ```

#![no_std]

pub mod camera;
pub mod display;
pub mod frames;
pub mod guard;
pub mod link;
pub mod serial;
pub mod time;
