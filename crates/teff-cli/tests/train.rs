//! What is trained for other tasks than pictures in classes goes the whole way: integers, C for the chip, other tools.

mod common;

use common::{Folder, fail, succeed, teff};
use std::path::{Path, PathBuf};

fn example(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data").join(name).display().to_string()
}

/// The Python that has onnxruntime, where there is one: `verify` compares with it, and says so where there is none.
fn oracle_python() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.oracle/bin/python");
    std::env::var_os("TEFF_ORACLE_PYTHON").map_or(own, PathBuf::from)
}

/// Host executor, C, Rust and, where it is, onnxruntime agree on the model.
fn agree(model: &str) {
    let python = oracle_python();
    let mut verify = teff(&["verify", model, "--samples", "2"]);
    if python.exists() {
        verify.env("TEFF_PYTHON", python);
    }
    let out = verify.output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{model}: {said}{}", String::from_utf8_lossy(&out.stdout));
    said.lines().filter(|line| line.contains("not compared")).for_each(|line| println!("skipped: {line}"));
}

/// Trains, makes integers of it without training and with, compiles all for the chip, and holds all against each other.
fn whole_way(folder: &Folder, name: &str, data: &str, train: &[&str], more: &[&str], qat: bool) {
    let file = |of: &str| folder.text(&format!("{name}{of}.onnx"));
    let (float, int8, trained) = (file(""), file("8"), file("qat"));
    let with = |first: &[&str], rest: &[&str]| succeed(&[first, more, rest].concat());
    with(&["train", data, "-o", &float, "-q"], train);
    with(&["quantize", &float, "--data", data, "-o", &int8, "-q"], &[]);
    let mut models = vec![&float, &int8];
    if qat {
        let options = [
            "--qat",
            "int8",
            "--prune",
            "0.25",
            "--prune-by",
            "taylor",
            "--prune-epochs",
            "2",
            "--batch",
            "16",
        ];
        with(&["train", data, "-o", &trained, "--from", &float, "-q"], &options);
        models.push(&trained);
    }
    for model in models {
        succeed(&["compile", model, "--target", "cortex-m0plus", "-o", &folder.text("c"), "-q"]);
        agree(model);
    }
}

#[test]
fn windows_of_a_signal_go_the_whole_way() {
    let folder = Folder::new("windows");
    let data = example("motion.npz");
    let epochs = ["--epochs", "3", "--batch", "16", "--rate", "0.005"];
    for preset in ["cnn1d", "tcn", "gru"] {
        let train = [&["--model", preset], &epochs[..]].concat();
        whole_way(&folder, preset, &data, &train, &[], preset != "gru");
    }
    // Said before it is trained, not after.
    let args = [
        "train",
        &data,
        "-o",
        &folder.text("no.onnx"),
        "--model",
        "gru",
        "--qat",
        "int8",
        "--epochs",
        "1000000",
    ];
    let said = fail(&[&args[..], &["--batch", "16"]].concat(), 1);
    assert!(said.contains("quantize makes integers of such a network without training"), "{said}");
}

#[test]
fn numbers_go_the_whole_way() {
    let folder = Folder::new("numbers");
    let data = example("grain.csv");
    let train = ["--epochs", "20", "--batch", "16", "--rate", "0.004"];
    whole_way(&folder, "grain", &data, &train, &["--label", "moisture,fill"], true);
}

#[test]
fn scripts_are_told_how_near_numbers_are() {
    let folder = Folder::new("figures");
    let (data, out) = (example("grain.csv"), folder.text("m.onnx"));
    let args = [
        "train", &data, "-o", &out, "--label", "moisture", "--epochs", "20", "--batch", "16", "--rate",
        "0.004",
    ];
    let json = succeed(&[&args[..], &["--loss", "huber", "--json"]].concat());
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let figure = |name: &str| json[name].as_f64().unwrap_or_else(|| panic!("{name} of {json}"));
    assert!(figure("test_r2") > 0.9 && figure("train_r2") > 0.9, "{json}");
    assert!(figure("test_mae").powi(2) <= figure("test_mse"), "{json}");
    assert!(json.get("test_accuracy").is_none(), "{json}");
}

#[test]
fn what_there_is_to_learn_is_asked_for() {
    let folder = Folder::new("unlabelled");
    let (data, out) = (example("grain.csv"), folder.text("m.onnx"));
    let train = |data: &str, more: &[&str]| fail(&[&["train", data, "-o", &out], more].concat(), 1);
    let said = train(&data, &[]);
    assert!(
        said.contains("grain.csv does not say what is to be found") && said.contains("(--label)"),
        "{said}"
    );
    let said = train(&data, &["--label", "wetness"]);
    assert!(said.contains("has no column wetness; its columns are temperature, pressure,"), "{said}");
    let said = train(&example("tomatoes"), &["--loss", "mse", "--model", "cnn"]);
    assert!(said.contains("class \"green\" is no number"), "{said}");
    let said = train(&data, &["--label", "moisture", "--loss", "cross-entropy"]);
    assert!(said.contains("choose mse or huber"), "{said}");
    // A network of another task.
    let other = folder.text("motion.onnx");
    succeed(&[
        "train",
        &example("motion.npz"),
        "-o",
        &other,
        "--model",
        "cnn1d",
        "--epochs",
        "1",
        "--batch",
        "16",
        "-q",
    ]);
    let said = train(&example("motion.npz"), &["--from", &other, "--loss", "mse"]);
    assert!(said.contains("gives [3] numbers a sample, the data has a number to be found"), "{said}");
}
