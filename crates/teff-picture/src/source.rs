//! The decoders as text, for the printers of networks.

extern crate std;

use std::string::String;

/// The files, each as a module of Rust and as a part of the C text, what is used before what uses it.
macro_rules! texts {
    ($($name:literal)*) => {
        const RUST: &[(&str, &str)] = &[$(($name, include_str!(concat!($name, ".rs")))),*];
        const C: &[&str] = &[$(include_str!(concat!("../c/", $name, ".c"))),*];
    };
}

texts! {
    "job"
    "bmp"
    "jpeg_scan"
    "jpeg_pixels"
    "jpeg"
    "jpeg2000_tile"
    "jpeg2000_headers"
    "jpeg2000_packets"
    "jpeg2000_mq"
    "jpeg2000_blocks"
    "jpeg2000_wavelet"
    "jpeg2000"
    "inflate"
    "png"
    "pnm"
    "tiff"
    "vp8_tables"
    "vp8_tokens"
    "vp8_predict"
    "vp8_filter"
    "vp8_colour"
    "vp8_header"
    "vp8"
    "webp_codes"
    "webp_lossless"
    "webp"
    "decode"
}

/// What goes into a `mod picture` of any Rust program: modules of which `decode::decode` is [`crate::decode`].
pub fn rust_source() -> String {
    let mut out = String::new();
    for (name, text) in RUST {
        out += "pub(super) mod ";
        out += name;
        out += " {\n";
        for line in text.lines() {
            if !line.is_empty() {
                out += "    ";
                out += line;
            }
            out.push('\n');
        }
        out += "}\n\n";
    }
    out
}

/// C99 text with `picture_decode`, which is [`crate::decode`]; all it defines is static and begins with `picture_` or `PICTURE_`.
pub fn c_source() -> String {
    C.join("\n")
}
