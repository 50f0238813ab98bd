//! `teff report`: what it says of each layer is what the chip does.

mod common;

use common::Folder;
use common::chip::{Chip, Language, has_c_compiler};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use teff::Tensor;
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

fn advice(report: &Json) -> Vec<(String, Option<f64>)> {
    let all = report["advice"].as_array().unwrap().iter();
    all.map(|a| (a["option"].as_str().unwrap().to_string(), a["cycles"].as_f64())).collect()
}

/// What a report says is to be done helps as it says: tables in RAM, integers at the ends, integers instead of floats.
#[test]
fn advice_helps_as_said() {
    if !has_c_compiler() {
        return;
    }
    let verdict = |report: &Json| report["verdict"].as_str().unwrap().to_string();
    let fits = json(&model("cnn_qdq.onnx"), &["--samples", "1", "--board", "pico"]);
    assert!(verdict(&fits).starts_with("fits pico; "), "{}", verdict(&fits));
    assert!(advice(&fits).iter().all(|(option, _)| !option.contains("sram")), "{:?}", advice(&fits));

    let folder = Folder::new("report-advice");
    let dense = |inputs: usize, outputs: usize| {
        let x = Tensor::input("x", DType::F32, &[1, inputs]);
        let of = |i: usize| ((i * 7919 % 2001) as f32 - 1000.0) / 1000.0;
        let w = Value::new([inputs, outputs], (0..inputs * outputs).map(of).collect::<Vec<_>>());
        let y = x.matmul(&Tensor::constant(w)).named("dense");
        let graph = teff::Graph::from_tensors("net", &[x], &[("y", y)]).unwrap();
        folder.write("float.onnx", teff::onnx::write(&graph, &Default::default()).unwrap())
    };
    let samples = |inputs: usize| {
        let bytes = (0..32 * inputs).flat_map(|i| ((i * 31 % 97) as f32 / 97.0).to_le_bytes()).collect();
        let array = Array { element: teff::data::Element::F32, shape: vec![32, inputs], bytes };
        folder.write("x.npy", array.to_npy())
    };
    let quantised = |float: &str, inputs: usize, more: &[&str]| {
        let out = folder.text("q.onnx");
        common::succeed(&[&["quantize", float, "--data", &samples(inputs), "-o", &out, "-q"], more].concat());
        PathBuf::from(out)
    };

    // Slow, because it waits for flash.
    let q = quantised(&dense(400, 200), 400, &[]);
    let slow = json(&q, &["--samples", "1"]);
    let (option, cycles) = advice(&slow).into_iter().find(|(o, _)| o.contains("--sram-tables")).unwrap();
    let options: Vec<&str> = option.split(' ').collect();
    let faster = json(&q, &[&["--samples", "1"], &options[..]].concat());
    let (said, took) = (cycles.unwrap(), faster["run"]["cycles"].as_f64().unwrap());
    assert!((said - took).abs() < 0.01 * said, "{said} {took}");
    assert!(took < 0.8 * slow["run"]["cycles"].as_f64().unwrap());

    // Most of a small one converts floats.
    let float = dense(64, 2);
    let converts = json(&quantised(&float, 64, &[]), &["--samples", "1"]);
    assert!(
        advice(&converts).iter().any(|(option, _)| option == "teff quantize --io int8, of the float model"),
        "{converts}"
    );
    let integers = json(&quantised(&float, 64, &["--io", "int8"]), &["--samples", "1"]);
    let cycles = |r: &Json| r["run"]["cycles"].as_f64().unwrap();
    assert!(cycles(&integers) < 0.9 * cycles(&converts), "{} {}", cycles(&integers), cycles(&converts));

    // Too large as floats.
    let float = dense(1024, 1200);
    let large = json(Path::new(&float), &["--samples", "1"]);
    assert!(verdict(&large).starts_with("does not fit: its tables take"), "{}", verdict(&large));
    assert_eq!(advice(&large)[0].0, "teff quantize float.onnx --data DATA");
    let what = large["advice"][0]["what"].as_str().unwrap();
    assert!(what.starts_with("weights take about 1 228 800 bytes"), "{what}");
    let smaller = json(&quantised(&float, 1024, &[]), &["--samples", "1"]);
    assert!(verdict(&smaller).starts_with("fits"), "{}", verdict(&smaller));
    let weights = smaller["flash_weights"].as_f64().unwrap();
    assert!((weights / 1_228_800.0 - 1.0).abs() < 0.02, "{weights}");
}
