//! The Rust text stands alone, as a module of a `no_std` library.

use std::process::Command;

#[test]
fn the_text_compiles_without_a_warning_in_the_oldest_edition() {
    let dir = std::env::temp_dir().join(format!("teff-picture-{}-source", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let text = format!(
        "#![no_std]\n#![forbid(unsafe_code)]\nmod picture {{\n{}}}\npub use picture::decode::{{decode, memory}};\n\
         pub use picture::job::Colours;\n",
        teff_picture::rust_source()
    );
    std::fs::write(dir.join("picture.rs"), text).unwrap();
    for edition in ["2021", "2024"] {
        let built = Command::new(std::env::var("RUSTC").unwrap_or("rustc".into()))
            .args([
                "--crate-type",
                "lib",
                "--emit",
                "metadata",
                "--edition",
                edition,
                "-D",
                "warnings",
                "picture.rs",
            ])
            .current_dir(&dir)
            .output()
            .unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    }
    std::fs::remove_dir_all(&dir).unwrap();
}
