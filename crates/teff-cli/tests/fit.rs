//! A network that does not fit its board is refused, with what takes the space and what would fit.

mod common;

use common::Folder;
use std::path::Path;
use std::process::{Command, Output};

fn compile(model: &str, folder: &Folder, more: &[&str]) -> Output {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../teff-onnx/tests/data/models");
    Command::new(env!("CARGO_BIN_EXE_teff"))
        .args(["compile", &models.join(model).display().to_string(), "-o", &folder.text("out")])
        .args(more)
        .output()
        .unwrap()
}

fn refused(model: &str, more: &[&str], wanted: &[&str]) {
    let folder = Folder::new(&format!("fit-{model}{}", more.concat()));
    let output = compile(model, &folder, more);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    wanted.iter().for_each(|w| assert!(said.contains(w), "{w:?} is not in\n{said}"));
    assert!(folder.files().is_empty(), "nothing is left: {:?}", folder.files());
}

#[test]
fn weights_beyond_the_flash_are_refused_with_the_layers_that_take_it() {
    let wanted = [
        "weights take 27 696 bytes of flash, the limit is 20 480",
        "Conv2D",
        "weights of 4 bits",
        "teff quantize",
    ];
    refused("kws_dscnn_int8.onnx", &["--board", "pico", "--flash", "20K"], &wanted[..1]);
    refused(
        "kws_dscnn_int8.onnx",
        &["--target", "cortex-m0plus", "--flash", "20480"],
        &[wanted[0], wanted[2], wanted[3]],
    );
    refused("cnn.onnx", &["--flash", "4K"], &["weights of 8 bits would take about", "--flash 4096"]);
}

#[test]
fn code_beyond_the_flash_is_refused_too() {
    if Command::new("arm-none-eabi-gcc").arg("--version").output().is_err() {
        println!("skipped: no arm-none-eabi-gcc");
        return;
    }
    refused("cnn_qdq.onnx", &["--board", "pico", "--flash", "6K", "--size"], &["weights and code take"]);
    refused("hello_world_int8.onnx", &["--language", "rust", "--size"], &["--size is for C"]);
}

#[test]
fn values_beyond_the_ram_are_refused_with_the_layers_that_need_them() {
    let wanted = ["intermediate values take 16 000 bytes of RAM, the limit is 10 240", "reads and writes"];
    refused("kws_dscnn_int8.onnx", &["--board", "pico4ml", "--ram", "10K"], &wanted);
    refused("cnn.onnx", &["--ram", "1000"], &["values of 8 bits would take"]);
    let wanted = ["RAM, tables copied there 20 ", "fewer bytes with --sram-tables"];
    refused("ad01_int8.onnx", &["--board", "pico", "--ram", "16K", "--sram-tables", "20K"], &wanted);
}

#[test]
fn what_fits_is_compiled_and_measured() {
    let folder = Folder::new("fits");
    let output = compile("cnn_qdq.onnx", &folder, &["--board", "pico4ml", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    if Command::new("arm-none-eabi-gcc").arg("--version").output().is_err() {
        println!("skipped: no arm-none-eabi-gcc");
        return;
    }
    let output = compile("cnn_qdq.onnx", &folder, &["--board", "pico4ml", "--size", "--json"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    // The compiler's tables and RAM are the budget's.
    for wanted in ["\"tables\":5368", "\"flash_weights\":5368", "\"ram\":2136"] {
        assert!(said.contains(wanted), "{wanted} is not in {said}");
    }
}

#[test]
fn what_is_copied_to_ram_counts_twice() {
    let folder = Folder::new("sram");
    let flags = ["--board", "pico4ml", "--sram-tables", "20K", "--sram-code", "--json"];
    let output = compile("ad01_int8.onnx", &folder, &flags);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    if Command::new("arm-none-eabi-gcc").arg("--version").output().is_err() {
        println!("skipped: no arm-none-eabi-gcc");
        return;
    }
    let output = compile("ad01_int8.onnx", &folder, &[&flags[..], &["--size"]].concat());
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let of = |path: &str| said.pointer(path).and_then(serde_json::Value::as_u64).unwrap();
    assert!((18_000..=20_480).contains(&of("/ram_tables")), "{said}");
    // Sections are padded to words.
    let near = |a: u64, b: u64| a.abs_diff(b) < 32;
    assert!(near(of("/size/tables"), of("/flash_weights")), "{said}");
    assert!(near(of("/size/ram"), of("/ram") + of("/size/code")), "{said}");
}
