//! The Rust text stands alone, as a module of a `no_std` library.

use std::process::Command;
use teff_picture::{Format, Formats, rust_source};

#[test]
fn the_text_compiles_without_a_warning_in_each_edition() {
    let dir = std::env::temp_dir().join(format!("teff-picture-{}-source", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    for (formats, edition) in [(Formats::ALL, "2021"), (Formats::of(&[Format::Png]), "2024")] {
        // Other formats leave functions that nothing calls, and a network needs no name of a format.
        let text = format!(
            "#![no_std]\n#![forbid(unsafe_code)]\n#[allow(dead_code)]\nmod picture {{\n{}}}\npub use picture::job::Colours;\n\
             pub fn decode(file: &[u8], pixels: &mut [u8], words: &mut [i32], bytes: &mut [u8]) -> bool {{\n\
             picture::decode::decode(file, 9, 7, Colours::Rgb, pixels, words, bytes)\n}}\n",
            rust_source(formats)
        );
        std::fs::write(dir.join("picture.rs"), text).unwrap();
        let flags = ["--crate-type", "lib", "--emit", "metadata", "-D", "warnings", "--edition", edition];
        let mut rustc = Command::new(std::env::var("RUSTC").unwrap_or("rustc".into()));
        let built = rustc.args(flags).arg("picture.rs").current_dir(&dir).output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    }
    std::fs::remove_dir_all(&dir).unwrap();
}
