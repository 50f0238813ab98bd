//! The decoders as text, for the printers of networks.

extern crate std;

use crate::format::{Format, Formats};
use std::string::String;
use std::vec::Vec;

/// A file: its format, its name, its Rust and its C.
struct Text {
    format: Option<Format>,
    name: &'static str,
    rust: &'static str,
    c: &'static str,
}

/// The files, what is used before what uses it.
macro_rules! texts {
    ($($format:expr => $($name:literal)*;)*) => {
        const TEXTS: &[Text] = &[$($(Text {
            format: $format,
            name: $name,
            rust: include_str!(concat!($name, ".rs")),
            c: include_str!(concat!("../c/", $name, ".c")),
        }),*),*];
    };
}

texts! {
    None => "job";
    Some(Format::Bmp) => "bmp";
    Some(Format::Jpeg) => "jpeg_scan" "jpeg_pixels" "jpeg";
    Some(Format::Jpeg2000) => "jpeg2000_tile" "jpeg2000_headers" "jpeg2000_packets" "jpeg2000_mq" "jpeg2000_blocks"
        "jpeg2000_wavelet" "jpeg2000";
    Some(Format::Png) => "inflate" "png";
    Some(Format::Pnm) => "pnm";
    Some(Format::Tiff) => "tiff";
    Some(Format::Webp) => "vp8_tables" "vp8_tokens" "vp8_predict" "vp8_filter" "vp8_colour" "vp8_header" "vp8" "webp_codes"
        "webp_lossless" "webp";
    None => "decode";
}

/// In place of a format that is not wanted.
const REFUSED: &str = "pub(super) fn decode(_: &mut super::job::Job) -> Option<()> {\n    None\n}\n";

/// What goes into a `mod picture` of any Rust program: modules of which `decode::decode` decodes these formats and refuses others.
pub fn rust_source(formats: Formats) -> String {
    let mut out = String::new();
    for text in TEXTS {
        let wanted = text.format.is_none_or(|f| formats.has(f));
        if !wanted && text.format.is_some_and(|f| f.name() != text.name) {
            continue;
        }
        out += "pub(super) mod ";
        out += text.name;
        out += " {\n";
        for line in if wanted { text.rust } else { REFUSED }.lines() {
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

/// C99 text with `picture_decode`, which decodes these formats and refuses others; all it defines is static and begins with
/// `picture_` or `PICTURE_`.
pub fn c_source(formats: Formats) -> String {
    let mut parts: Vec<String> = Vec::new();
    for text in TEXTS {
        match text.format {
            Some(f) if !formats.has(f) => {
                if f.name() == text.name {
                    let head = String::from("static int picture_") + f.name();
                    parts.push(head + "(picture_job *job)\n{\n    (void)job;\n    return 0;\n}\n");
                }
            }
            _ => parts.push(text.c.into()),
        }
    }
    let mut all = parts.join("\n");
    // Compilers warn of functions that nothing calls. Those of 32 bits call those of 16.
    for name in ["picture_big32", "picture_little32", "picture_big16", "picture_little16", "picture_set"] {
        if let [(start, _)] = all.match_indices(name).collect::<Vec<_>>()[..] {
            let first = all[..start].rfind("\n\n").map_or(0, |at| at + 2);
            let end = start + all[start..].find("\n}\n").expect("a function ends") + 4;
            all.replace_range(first..end, "");
        }
    }
    all
}
