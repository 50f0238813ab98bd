//! `teff report`: what it says of each layer is what the chip does.

mod common;

use common::Folder;
use common::chip::{Chip, Language, has_c_compiler};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use teff::compile::{Options, Target, c, compile};
use teff::data::Array;
use teff::graph::{DType, Value};

fn model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../teff-onnx/tests/data/models").join(name)
}

fn report(model: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_teff")).arg("report").arg(model).args(more).output().unwrap()
}

fn json(model: &Path, more: &[&str]) -> Json {
    let output = report(model, &[more, &["--json"]].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn numbers(json: &Json, key: &str) -> Vec<f64> {
    json["layers"].as_array().unwrap().iter().map(|layer| layer[key].as_f64().unwrap()).collect()
}

/// Counted here with the harness of the tests, which shares nothing with the command but the simulator.
#[test]
fn cycles_stack_and_outputs_are_those_of_the_chip() {
    if !has_c_compiler() {
        return;
    }
    for name in ["cnn_qdq", "sww_int8"] {
        let path = model(&format!("{name}.onnx"));
        let graph = teff::onnx::read(&std::fs::read(&path).unwrap(), &Default::default()).unwrap().graph;
        let ty = graph[graph.inputs()[0]].ty.clone();
        let byte = |i: usize| (i * i % 251) as u8;
        let (element, given) = match ty.dtype {
            DType::I8 => (
                teff::data::Element::I8,
                Value::new(ty.shape.clone(), (0..ty.len()).map(|i| byte(i) as i8).collect()),
            ),
            _ => (
                teff::data::Element::F32,
                Value::new(ty.shape.clone(), (0..ty.len()).map(|i| f32::from(byte(i)) / 255.0).collect()),
            ),
        };
        let folder = Folder::new(&format!("report-{name}"));
        let npy = Array { element, shape: ty.shape.to_vec(), bytes: given.to_le_bytes() };
        let input = folder.write("x.npy", npy.to_npy());
        let said = json(&path, &["--input", &input]);
        let program =
            compile(&graph, &Options { target: Target::CORTEX_M0PLUS, ..Options::default() }).unwrap();
        let ran = Chip::new(&program, &format!("report-{name}"), Language::C(c::Options::default(), "-O3"))
            .run(&given);
        let run = &said["run"];
        assert_eq!(
            run["cycles"].as_f64().unwrap() - run["flash_waits"].as_f64().unwrap(),
            ran.cycles as f64,
            "{name}"
        );
        assert_eq!(run["stack"], ran.stack, "{name}");
        assert_eq!(run["integers_that_differ"], 0, "{name}");

        let (cycles, waits) = (numbers(&said, "cycles"), numbers(&said, "flash_waits"));
        let (all, apart) = (cycles.iter().sum::<f64>(), run["layers_apart_cycles"].as_f64().unwrap());
        // What is left is the call of the network.
        assert!(all <= apart && apart - all < 1_000.0, "{name}: layers take {all} of {apart}");
        assert!(cycles.iter().zip(&waits).all(|(c, w)| w < c), "{name}");
        let weights: f64 = numbers(&said, "weight_bytes").iter().sum();
        assert_eq!(weights, said["flash_weights"].as_f64().unwrap(), "{name}");
        assert!(
            numbers(&said, "code").iter().sum::<f64>() <= run["code"].as_f64().unwrap() + 4_000.0,
            "{name}"
        );
    }
}

/// A cache that costs nothing to miss makes nobody wait; code in RAM waits less than code in flash.
#[test]
fn where_code_lies_and_what_a_miss_costs_show() {
    if !has_c_compiler() {
        return;
    }
    let waits = |more: &[&str]| {
        let said = json(&model("cnn_qdq.onnx"), &[&["--samples", "1"], more].concat());
        said["run"]["flash_waits"].as_f64().unwrap()
    };
    let (usual, short) = (waits(&[]), waits(&["--flash-miss", "4"]));
    assert!(short < usual / 5.0, "{short} of {usual}");
    let in_ram = waits(&["--sram-code", "--sram-tables", "64K"]);
    assert!(in_ram < usual / 2.0, "{in_ram} of {usual}");
}

#[test]
fn the_page_has_every_layer_and_the_memory_plan() {
    let folder = Folder::new("report-page");
    let file = folder.text("report.html");
    let said = json(&model("cnn_qdq.onnx"), &["--target", "cortex-m4", "--html", &file]);
    assert!(
        said["run"].is_null()
            && said["not_run_because"].as_str().unwrap().contains("cortex-m4 is not simulated")
    );
    let page = std::fs::read_to_string(&file).unwrap();
    for layer in said["layers"].as_array().unwrap() {
        assert!(
            page.contains(&format!(">{}<", layer["name"].as_str().unwrap())),
            "{layer} is not in the page"
        );
        assert!(layer["cycles"].is_null() && layer["cycles_estimated"].as_f64().unwrap() > 0.0);
    }
    assert_eq!(page.matches("<rect ").count(), said["memory"].as_array().unwrap().len());
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    let arena = said["ram_arena"].as_u64().unwrap();
    for block in said["memory"].as_array().unwrap() {
        assert!(block["offset"].as_u64().unwrap() + block["bytes"].as_u64().unwrap() <= arena, "{block}");
    }
}

/// The noise grows from layer to layer, and what is not rounded has none.
#[test]
fn rounding_is_told_for_quantised_layers_alone() {
    let of = |name: &str| {
        let said = json(&model(name), &["--target", "generic"]);
        said["layers"].as_array().unwrap().iter().map(|l| l["rounding_db"].as_f64()).collect::<Vec<_>>()
    };
    let quantised: Vec<f64> = of("cnn_qdq.onnx").into_iter().flatten().collect();
    assert!(quantised.len() >= 3 && quantised.iter().all(|x| (20.0..80.0).contains(x)), "{quantised:?}");
    assert!(quantised.windows(2).all(|pair| pair[1] < pair[0]), "{quantised:?}");
    assert!(of("cnn.onnx").iter().all(Option::is_none));
}

#[test]
fn what_keeps_it_from_running_is_said() {
    let without = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_teff"));
        let output = command
            .env("PATH", "/nowhere")
            .arg("report")
            .arg(model("cnn_qdq.onnx"))
            .args(more)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let text = without(&[]);
    assert!(
        text.contains("cycles, estimated") && text.contains("arm-none-eabi-gcc is not installed"),
        "{text}"
    );
    let refused = |more: &[&str], part: &str| {
        let output = report(&model("cnn_qdq.onnx"), more);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(part), "{said}");
    };
    refused(&["--html", "/nowhere/report.html"], "the folder /nowhere does not exist");
    refused(&["--input", "missing.npy"], "missing.npy");
    refused(&["--board", "uno"], "uno");
}
