//! `firmware/network/default`, which `cargo build` in `firmware` compiles in by itself, is what `teff firmware` makes of
//! `examples/small.onnx`, byte for byte. After a change of the compiler, TEFF_BLESS=1 writes it anew.

mod common;
use common::Folder;
use std::path::{Path, PathBuf};
use std::process::Command;

/// In the repository.
fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

/// Runs `teff firmware --network-only` and gives what it said on standard output.
fn network_only(folder: &Path, options: &[&str]) -> String {
    let model = place("examples/small.onnx");
    let mut command = Command::new(env!("CARGO_BIN_EXE_teff"));
    command.arg("firmware").arg(model).arg("--network-only").arg(folder).args(options);
    let out = command.output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

/// The names of the files in a folder, in order.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        folder.read_dir().unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_network_in_the_repository_is_what_the_command_makes() {
    let kept = place("firmware/network/default");
    if std::env::var_os("TEFF_BLESS").is_some() {
        network_only(&kept, &[]);
    }
    let folder = Folder::new("firmware-default");
    let made = folder.path("network");
    network_only(&made, &[]);
    assert_eq!(names(&made), ["net.c", "net.h", "net.rs", "network.rs"]);
    assert_eq!(names(&kept), names(&made));
    for name in names(&made) {
        let (kept, made) =
            (std::fs::read(kept.join(&name)).unwrap(), std::fs::read(made.join(&name)).unwrap());
        assert!(
            kept == made,
            "firmware/network/default/{name} is of another compiler; TEFF_BLESS=1 writes it anew"
        );
    }
}

#[test]
fn each_language_describes_the_network_alike() {
    let folder = Folder::new("firmware-default-languages");
    let (c, rust) = (folder.path("c"), folder.path("rust"));
    let said = network_only(&c, &["--language", "c"]);
    assert!(said.contains("input 28x28, i8") && said.contains("net.h"), "{said}");
    let json: serde_json::Value =
        serde_json::from_str(&network_only(&rust, &["--language", "rust", "--json"])).unwrap();
    assert_eq!(json["files"].as_array().unwrap().len(), 2);
    assert_eq!(names(&c), ["net.c", "net.h", "network.rs"]);
    assert_eq!(names(&rust), ["net.rs", "network.rs"]);
    let description = |folder: &Path| std::fs::read_to_string(folder.join("network.rs")).unwrap();
    assert_eq!(description(&c), description(&rust));
}

#[test]
fn weights_stay_in_flash_when_no_ram_is_given_to_them() {
    let folder = Folder::new("firmware-default-flash");
    let source = |name: &str, options: &[&str]| {
        network_only(&folder.path(name), &[&["--language", "c"], options].concat());
        std::fs::read_to_string(folder.path(name).join("net.c")).unwrap()
    };
    let (all, none) = (source("all", &[]), source("none", &["--sram-tables", "0"]));
    assert_eq!(all, source("some", &["--sram-tables", "64K"]), "they are fewer than that");
    assert_ne!(all, none);
}
