//! Smaller networks out of `teff train`: pruned, and trained with quantised weights.

mod common;

use common::{Folder, SMALL, bars, exists, fail, succeed, trained};

#[test]
fn a_network_is_pruned_quantised_and_compiled_to_integers() {
    let folder = Folder::new("shrink");
    let (float, data, out) = (trained(&folder), folder.text("bars"), folder.text("small.onnx"));
    let args = [
        "train",
        &data,
        "-o",
        &out,
        "--from",
        &float,
        "--batch",
        "16",
        "--prune",
        "0.5",
        "--prune-rate",
        "0.01",
        "--qat",
        "int4",
        "--qat-layer",
        "last=int8",
        "--io",
        "int8",
        "--json",
        "-q",
    ];
    let json = succeed(&args);
    assert!(json.contains("\"channels\":4") && json.contains("\"channels_before\":8"), "{json}");
    assert!(json.contains("\"bits\":\"int4\"") && json.contains("\"bits\":\"int8\""), "{json}");
    assert!(json.contains("\"test_accuracy\":1.0") && json.contains("\"float_accuracy\":1.0"), "{json}");
    // 4 channels of 9 weights in 4 bits; 36 inputs of 2 classes in 8.
    assert!(json.contains(&format!("\"weight_bytes\":{}", 18 + 72)), "{json}");

    let json = succeed(&["eval", &out, "--data", &data, "--json", "-q"]);
    assert!(json.contains("\"accuracy\":1.0"), "{json}");
    let table = succeed(&["compile", &out, "-o", &folder.text("c"), "--target", "cortex-m0plus"]);
    assert!(!table.contains("f32"), "{table}");
    // The same command gives the same file.
    let first = std::fs::read(&out).unwrap();
    succeed(&args);
    assert_eq!(first, std::fs::read(&out).unwrap());
}

#[test]
fn the_table_says_what_was_removed_and_why_not() {
    let folder = Folder::new("shrink-table");
    let (float, data, out) = (trained(&folder), folder.text("bars"), folder.text("small.onnx"));
    let text = succeed(&[
        "train",
        &data,
        "-o",
        &out,
        "--from",
        &float,
        "--batch",
        "16",
        "--prune",
        "0.25",
        "--prune-epochs",
        "2",
    ]);
    assert!(text.contains("conv1    8 to 6  2 592 to 1 944   320 to 240"), "{text}");
    assert!(text.contains("fc1      2 to 2") && text.contains("all stay: the network's output"), "{text}");
    assert!(text.contains("100.00 % before"), "{text}");
    let graph = succeed(&["inspect", &out]);
    assert!(graph.contains("f32[6,1,3,3]") && !graph.contains("f32[8,1,3,3]"), "{graph}");
}

#[test]
fn quantised_training_goes_on_from_its_checkpoint() {
    let folder = Folder::new("shrink-resume");
    let (data, toml) = (bars(&folder), folder.write("small.toml", SMALL));
    let (whole, part, checkpoint) =
        (folder.text("whole.onnx"), folder.text("part.onnx"), folder.text("c.safetensors"));
    let train = |out: &str, more: &[&str]| {
        let args = [
            "train",
            &data,
            "-o",
            out,
            "--model",
            &toml,
            "--epochs",
            "2",
            "--batch",
            "16",
            "--qat",
            "int4",
            "--threads",
            "1",
            "-q",
        ];
        succeed(&[&args[..], more].concat());
    };
    train(&whole, &["--qat-epochs", "3", "--checkpoint", &checkpoint]);
    // The checkpoint is that of the last epoch: nothing is left to train, and the network is the same.
    train(&part, &["--qat-epochs", "3", "--resume", &checkpoint]);
    assert!(exists(&part) && std::fs::read(&whole).unwrap() == std::fs::read(&part).unwrap());
    let e = fail(
        &[
            "train",
            &data,
            "-o",
            &part,
            "--model",
            &toml,
            "--epochs",
            "2",
            "--batch",
            "16",
            "--resume",
            &checkpoint,
        ],
        1,
    );
    assert!(
        e.contains("was made after the float training; add the --prune and --qat it was made with"),
        "{e}"
    );
}

#[test]
fn what_cannot_be_is_said() {
    let folder = Folder::new("shrink-wrong");
    let (data, out) = (bars(&folder), folder.text("m.onnx"));
    let wrong = |more: &[&str]| fail(&[&["train", &data, "-o", &out, "-q"][..], more].concat(), 2);
    assert!(wrong(&["--qat", "int3"]).contains("known are int8, int4, int2, ternary"));
    assert!(wrong(&["--prune", "1"]).contains("give a number above 0 and below 1"));
    assert!(wrong(&["--qat", "4", "--qat-layer", "first"]).contains("such as first=int8"));
    assert!(wrong(&["--io", "int8"]).contains("--qat"));
    let toml = folder.write("small.toml", SMALL);
    let e = fail(
        &[
            "train",
            &data,
            "-o",
            &out,
            "--model",
            &toml,
            "--epochs",
            "1",
            "--batch",
            "16",
            "--qat",
            "4",
            "--qat-layer",
            "fc9=8",
            "-q",
        ],
        1,
    );
    assert!(e.contains("no layer is called \"fc9\"; the layers are conv1, fc1"), "{e}");
    let quantised = folder.text("q.onnx");
    succeed(&[
        "train", &data, "-o", &quantised, "--model", &toml, "--epochs", "1", "--batch", "16", "--qat", "4",
        "-q",
    ]);
    let e = fail(&["train", &data, "-o", &out, "--from", &quantised, "--qat", "int8", "-q"], 1);
    assert!(e.contains("is quantised already; give the float model"), "{e}");
    assert!(!exists(&out));
}
