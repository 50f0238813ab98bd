//! Pictures in files, decoded into memory of the caller's: what a network begins with that takes a file's bytes (`ImageDecoder` of ONNX).
//!
//! [`decode`] tells the [`Format`] by the first bytes: BMP, JPEG, JPEG 2000, PNG, PNM, TIFF, WebP. What each file here says is what is
//! decoded of its format; the rest is refused.
//!
//! The contract:
//!
//! - Integers only, no heap, no `unsafe`, no dependency; memory is what [`memory`] says, and 8 kB of stack.
//! - The size of the picture is known before: another size is refused. What follows the picture in `file` is not looked at.
//! - Any bytes are taken: damaged ones are refused or give some picture, and never a panic or an endless loop.
//! - Where a format leaves the arithmetic open, it is that of the libraries that most pictures are seen through: libjpeg-turbo and
//!   libwebp with their own settings, as Pillow has them.
//!
//! Every format is there twice, as `src/FORMAT.rs` and as `c/FORMAT.c`, line by line the same: a network printed as Rust takes the one
//! ([`rust_source`]), printed as C the other ([`c_source`]); tests compare them on whole and on damaged files.

#![no_std]

mod bmp;
mod decode;
mod format;
mod inflate;
mod job;
mod jpeg;
mod jpeg2000;
mod jpeg2000_blocks;
mod jpeg2000_headers;
mod jpeg2000_mq;
mod jpeg2000_packets;
mod jpeg2000_tile;
mod jpeg2000_wavelet;
mod jpeg_pixels;
mod jpeg_scan;
mod png;
mod pnm;
mod source;
mod tiff;
mod vp8;
mod vp8_colour;
mod vp8_filter;
mod vp8_header;
mod vp8_predict;
mod vp8_tables;
mod vp8_tokens;
mod webp;
mod webp_codes;
mod webp_lossless;

pub use format::{Format, Formats, Picture, decode, memory};
pub use job::Colours;
pub use source::{c_source, rust_source};
