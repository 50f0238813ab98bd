//! Quantised models of other tools: right in integers, and what `verify` and the self-test say of them.

mod common;

use common::{Folder, succeed};
use std::path::Path;
use std::process::Command;

fn model(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name).display().to_string()
}

/// Weights of 4 bits with a bias of floats, a Clip between quantise and dequantise, and a network twice over whose norms stay floats.
const MODELS: [&str; 3] = ["qb_w4a8_float.onnx", "qcdq_clip4bit.onnx", "siamese_int8.onnx"];

#[test]
fn integers_are_the_floats_but_for_halves() {
    for name in MODELS {
        let report = succeed(&["verify", &model(name), "--samples", "20", "--json", "-q"]);
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        assert_eq!(report["ok"], true, "{name}: {report}");
        let inside = &report["integers_inside"];
        assert_eq!(inside["wrong"], 0, "{name}: {inside}");
        let (apart, all) = (inside["a_step_apart"].as_u64().unwrap(), inside["all"].as_u64().unwrap());
        assert!(apart * 20_000 <= all && all > 4_000, "{name}: {inside}");
        let compared = |engine: &str| {
            let of = report["engines"].as_array().unwrap().iter().find(|e| e["engine"] == engine);
            of.is_some_and(|e| e["ok"] == true)
        };
        for engine in ["host executor", "integers", "integers on the host", "C", "Rust"] {
            assert!(compared(engine), "{name}, {engine}: {report}");
        }
    }
}

#[test]
fn self_tests_expect_the_integers() {
    if Command::new("gcc").arg("--version").output().is_err() {
        println!("skipped: no gcc");
        return;
    }
    for name in MODELS {
        let folder = Folder::new(&format!("selftest-{name}"));
        succeed(&["compile", &model(name), "-o", &folder.text("c"), "-q"]);
        let mut gcc = Command::new("gcc");
        gcc.args(["-std=c99", "-O1", "net.c", "net_selftest.c", "-o", "selftest", "-lm"]);
        assert!(gcc.current_dir(folder.path("c")).status().unwrap().success());
        let ran = Command::new(folder.path("c").join("selftest")).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success() && said.contains("0 wrong"), "{name}: {said}");
    }
}
