//! What applications share of an ArduCAM Pico4ML.
//!
//! [`camera`] fills [`frames`], each in one hand at a time, which cross between the cores by [`link`]; [`display`] shows a picture; what is
//! said goes to UART and USB ([`serial`], [`say!`]); a watchdog sees that both cores come round ([`guard`]). Nothing here waits for
//! something outside the chip without an end.

#![no_std]

pub mod camera;
pub mod display;
pub mod frames;
pub mod guard;
pub mod link;
pub mod serial;
pub mod time;
