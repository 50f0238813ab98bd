//! `teff quantize` from a float file to integers, and what it says when it cannot.

mod common;

use common::{Folder, bars, exists, fail, succeed, trained};

fn json(args: &[&str]) -> serde_json::Value {
    serde_json::from_str(&succeed(&[args, &["--json", "-q"]].concat())).unwrap()
}

#[test]
fn a_trained_model_is_quantised_evaluated_and_compiled() {
    let folder = Folder::new("quantize");
    let (model, data) = (trained(&folder), folder.text("bars"));
    let out = folder.text("m8.onnx");
    let text = succeed(&["quantize", &model, "--data", &data, "-o", &out, "--samples", "64"]);
    for word in
        ["accuracy on 32 test samples", "ranges by", "bias correction", "conv1", "fc1", "rank", "wrote "]
    {
        assert!(text.contains(word), "{word}: {text}");
    }
    let report = json(&["quantize", &model, "--data", &data, "-o", &out, "--samples", "64"]);
    assert_eq!(report["accuracy_float"], report["accuracy"]);
    assert_eq!(report["layers"].as_array().unwrap().len(), 2);
    assert_eq!(report["findings"].as_array().unwrap().len(), 0);
    let evaluated = json(&["eval", &out, "--data", &data]);
    assert_eq!(evaluated["accuracy"], report["accuracy"]);
    let text = succeed(&["compile", &out, "-o", &folder.text("c"), "--target", "cortex-m0plus"]);
    assert!(text.contains("i8[1,72]") && text.contains("input_quantized"), "{text}");
    // The same file every time.
    let first = std::fs::read(&out).unwrap();
    succeed(&["quantize", &model, "--data", &data, "-o", &out, "--samples", "64", "-q"]);
    assert_eq!(std::fs::read(&out).unwrap(), first);
    let message = fail(&["quantize", &out, "--data", &data, "-o", &folder.text("again.onnx")], 1);
    assert!(message.contains("is quantised already"), "{message}");
    assert!(!exists(folder.text("again.onnx")));
}

#[test]
fn bits_layers_budgets_and_ends_are_a_choice() {
    let folder = Folder::new("quantize-bits");
    let (model, data, out) = (trained(&folder), folder.text("bars"), folder.text("q.onnx"));
    let base = ["quantize", &model, "--data", &data, "-o", &out];
    let bits = |more: &[&str]| -> Vec<u64> {
        let report = json(&[&base[..], more].concat());
        report["layers"].as_array().unwrap().iter().map(|l| l["bits"].as_u64().unwrap()).collect()
    };
    assert_eq!(bits(&["--weights", "4", "--layer", "conv1=8"]), [8, 4]);
    assert_eq!(bits(&["--weights", "2", "--keep", "conv1", "--rounding", "nearest"]), [32, 2]);
    assert_eq!(bits(&["--flash", "250", "--layer", "conv1=8"]), [8, 4]);
    assert_eq!(
        bits(&["--calibration", "percentile=99.9", "--bias-correction", "off", "--equalize", "off"]),
        [8, 8]
    );
    // Any tensor may stay float, beside layers of integers.
    let kept = json(&[&base[..], &["--keep", "input"]].concat());
    assert_eq!(kept["floats"][0], serde_json::json!({"name": "input", "reason": "it is kept"}));
    assert!(kept["layers"].as_array().unwrap().iter().all(|l| l["bits"] == 8), "{kept}");
    let ends: Vec<&str> =
        kept["ends"].as_array().unwrap().iter().map(|e| e["name"].as_str().unwrap()).collect();
    assert!(!ends.contains(&"input"), "{kept}");
    let text = succeed(&[&base[..], &["--io", "int8"]].concat());
    assert!(text.contains("input: x = (q - -128) * 0.00"), "{text}");
    let graph = succeed(&["inspect", &out]);
    assert!(graph.contains(": i8[1,1,8,8]\n"), "{graph}");
}

#[test]
fn what_is_wrong_is_said() {
    let folder = Folder::new("quantize-wrong");
    let (model, out) = (trained(&folder), folder.text("q.onnx"));
    let data = folder.text("bars");
    let with = |more: &[&str], status: i32| {
        fail(&[&["quantize", &model, "--data", &data, "-o", &out], more].concat(), status)
    };
    let message = with(&["--layer", "fc9=4"], 1);
    assert!(message.contains("no layer or tensor is called \"fc9\"; layers are conv1, fc1"), "{message}");
    let message = with(&["--flash", "100"], 1);
    assert!(message.contains("at least") && message.contains("fc1"), "{message}");
    assert!(with(&["--weights", "3"], 2).contains("3"));
    assert!(with(&["--layer", "fc1=5"], 2).contains("conv1=4"));
    assert!(with(&["--calibration", "kl"], 2).contains("entropy"));
    let message = with(&["--keep", "fc1", "--keep", "conv1"], 1);
    assert!(message.contains("nothing is left to quantise"), "{message}");
    let nowhere = folder.text("none/q.onnx");
    assert!(fail(&["quantize", &model, "--data", &data, "-o", &nowhere], 1).contains("none"));
    let other = Folder::new("quantize-other");
    bars(&other);
    let shapes = other.text("bars");
    std::fs::write(
        other.path("bars").join("train-images-idx3-ubyte"),
        common::idx(&[96, 4, 4], &[1; 96 * 16]),
    )
    .unwrap();
    std::fs::write(
        other.path("bars").join("t10k-images-idx3-ubyte"),
        common::idx(&[32, 4, 4], &[1; 32 * 16]),
    )
    .unwrap();
    let message = fail(&["quantize", &model, "--data", &shapes, "-o", &out], 1);
    assert!(message.contains("a sample of the data has shape [1, 4, 4]"), "{message}");
    assert!(!exists(&out));
}

/// Networks that are no classifiers of pictures: of features in different units, of a number to be found, of samples alone.
#[test]
fn any_task_is_quantised_and_judged_by_what_is_known() {
    let folder = Folder::new("quantize-any");
    let case = |name: &str| format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"));
    let out = folder.text("q.onnx");

    let (model, data) = (case("sens.onnx"), case("sens.npz"));
    let report = json(&["quantize", &model, "--data", &data, "-o", &out]);
    assert_eq!(report["accuracy_float"], 1.0);
    // One grid for all features leaves 18.75 %, and 8 bits for each 97.5 %. One sample lies 1.3e-4 from the border of its class, in outputs to 7.6.
    assert!(report["accuracy"].as_f64().unwrap() >= 0.98, "{}", report["accuracy"]);
    assert!(report["outputs"][0]["sqnr_db"].as_f64().unwrap() > 80.0, "{report}");
    assert_eq!(report["widened"].as_array().unwrap().len(), 2);
    assert_eq!(report["standardised"][0]["input"], "x");
    assert_eq!(json(&["eval", &out, "--data", &data])["accuracy"], report["accuracy"]);
    let message = fail(&["quantize", &model, "--data", &data, "-o", &out, "--io", "int8"], 1);
    assert!(message.contains("x stays float"), "{message}");

    let (model, data) = (case("sine.onnx"), case("sine.npz"));
    let text = succeed(&["quantize", &model, "--data", &data, "-o", &out]);
    assert!(
        text.contains("y on 80 test samples") && text.contains("R2 ") && !text.contains("accuracy"),
        "{text}"
    );
    let report = json(&["quantize", &model, "--data", &data, "-o", &out]);
    assert!(report["outputs"][0]["sqnr_db"].as_f64().unwrap() > 40.0, "{report}");
    let (before, after) = (json(&["eval", &model, "--data", &data]), json(&["eval", &out, "--data", &data]));
    assert_eq!(before["numbers"], report["numbers_float"]);
    assert_eq!(after["numbers"], report["numbers"]);

    let values: Vec<u8> = (0..40 * 3 * 24 * 24u32)
        .flat_map(|i| ((i.wrapping_mul(2_654_435_761) >> 8) as f32 / 16_777_216.0).to_le_bytes())
        .collect();
    let array =
        teff::data::Array { element: teff::data::Element::F32, shape: vec![40, 3, 24, 24], bytes: values };
    let data = folder.write("x.npy", array.to_npy());
    let text = succeed(&["quantize", &case("yolo.onnx"), "--data", &data, "-o", &out]);
    assert!(text.contains("what is right is not known") && text.contains("signal to noise"), "{text}");
    assert!(fail(&["eval", &out, "--data", &data], 1).contains("does not say what is to be found"));
}
