//! Takes what `teff firmware` generated from the folder that `TEFF_NETWORK` names (else `default/`): `network.rs`, which describes
//! the network, and `net.rs` or `net.c` with `net.h`, which compute it.

use std::env::var;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=TEFF_NETWORK");
    let here = PathBuf::from(var("CARGO_MANIFEST_DIR").unwrap());
    let folder = var("TEFF_NETWORK").map_or(here.join("default"), PathBuf::from);
    let out = PathBuf::from(var("OUT_DIR").unwrap());
    copy(&folder, "network.rs", &out);
    println!("cargo::rustc-check-cfg=cfg(arena)");
    match (var("CARGO_FEATURE_C").is_ok(), var("CARGO_FEATURE_RUST").is_ok()) {
        (true, false) => compile(&folder, &out),
        (false, true) => {
            let text = copy(&folder, "net.rs", &out);
            if text.contains("pub struct Arena") {
                println!("cargo::rustc-cfg=arena");
            }
        }
        _ => panic!("choose one of the features `c` and `rust`"),
    }
}

/// Copies a file and gives its text.
fn copy(folder: &Path, name: &str, out: &Path) -> String {
    let path = folder.join(name);
    println!("cargo::rerun-if-changed={}", path.display());
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|e| panic!("{}: {e}; `teff firmware` writes it", path.display()));
    std::fs::write(out.join(name), &text).unwrap();
    text
}

/// Builds `net.c` for the chip into a library.
fn compile(folder: &Path, out: &Path) {
    for name in ["net.c", "net.h"] {
        println!("cargo::rerun-if-changed={}", folder.join(name).display());
    }
    println!("cargo::rerun-if-env-changed=TEFF_ARM_GCC");
    let gcc = var("TEFF_ARM_GCC").unwrap_or("arm-none-eabi-gcc".into());
    let object = out.join("net.o");
    let library = out.join("libnet.a");
    let _ = std::fs::remove_file(&library);
    let flags =
        ["-std=c99", "-O3", "-mcpu=cortex-m0plus", "-mthumb", "-ffunction-sections", "-fdata-sections"];
    run(Command::new(&gcc).args(flags).args(["-c", "-o"]).arg(&object).arg(folder.join("net.c")));
    run(Command::new(gcc.replace("gcc", "ar")).arg("rcs").arg(&library).arg(&object));
    println!("cargo::rustc-link-search={}", out.display());
    println!("cargo::rustc-link-lib=static=net");
}

fn run(command: &mut Command) {
    match command.status() {
        Ok(status) if status.success() => {}
        Ok(status) => panic!("{command:?}: {status}"),
        Err(error) => {
            panic!("{command:?}: {error}; install arm-none-eabi-gcc or build with `--features rust`")
        }
    }
}
