//! A user's own model through the command: run, verified, compiled, and what is said when that cannot be done.

#[path = "../../teff-onnx/tests/suite/archive.rs"]
#[allow(dead_code, reason = "the names of the tests are not needed here")]
mod archive;
mod common;

use archive::Archive;
use common::{Folder, exists, fail, succeed, teff};
use std::path::Path;
use teff::graph::{DType, Graph, Tensor};

/// A file of a network as PyTorch exports it.
fn export(name: &str, file: &str) -> String {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../teff-onnx/tests/data/exports");
    data.join(name).join(file).display().to_string()
}

fn json(args: &[&str]) -> serde_json::Value {
    serde_json::from_str(&succeed(&[args, &["--json"]].concat())).unwrap()
}

#[test]
fn a_model_runs_on_given_tensors() {
    let folder = Folder::new("run");
    let (model, input) = (export("lenet-dynamo", "model.onnx"), export("lenet-dynamo", "input_0.pb"));
    let out = folder.text("results");
    let host = json(&["run", &model, "--input", &input, "-o", &out]);
    let reference = json(&["run", &model, "--input", &input, "--engine", "reference"]);
    let elements = |j: &serde_json::Value| -> Vec<f64> {
        j["outputs"][0]["elements"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
    };
    let expected = std::fs::read(export("lenet-dynamo", "output_0.pb")).unwrap();
    let expected = teff::onnx::read_tensor(&expected).unwrap().1.to_f64();
    for found in [elements(&host), elements(&reference)] {
        assert_eq!(found.len(), 10);
        assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-5), "{found:?} {expected:?}");
    }
    // What was written can be given again: to the same shape, under the name of an input.
    let file = host["files"][0].as_str().unwrap();
    let written = teff::data::Array::open(Path::new(file)).unwrap();
    assert_eq!((written.element, &written.shape[..]), (teff::data::Element::F32, &[1, 10][..]));
    let message = fail(&["run", &model, "--input", file], 1);
    assert!(message.contains("takes f32[1,1,28,28], the file has f32[1,10]"), "{message}");
}

/// Labels that are strings in the file, and scores that are maps there, are shown and compared with onnxruntime where there is one.
#[test]
fn a_classifier_of_scikit_learn_names_its_classes() {
    let folder = Folder::new("words");
    let archive = Archive::scikit();
    let file = |name: &str| folder.write(name, archive.get(&format!("svc_strings/{name}")).unwrap());
    let (model, input) = (file("model.onnx"), file("input_0.pb"));
    let given = ["run", &model, "--input", &input, "--input-shape", "X:3x4"];
    let label = &json(&given)["outputs"][0];
    assert_eq!(label["elements"], serde_json::json!([0, 1, 2]));
    assert_eq!(label["words"], serde_json::json!(["setosa", "versicolor", "virginica"]));
    assert!(succeed(&given).contains("i64[3] = [0, 1, 2], setosa, versicolor, virginica"));
    let verified = json(&["verify", &model]);
    for engine in verified["engines"].as_array().unwrap() {
        let skipped = engine["skipped"].as_str();
        // What is missing may be; what is there must run and agree.
        assert!(engine["ok"] == true || skipped.is_some_and(|why| why.starts_with("no ")), "{engine}");
    }
}

#[test]
fn inputs_that_are_missing_or_wrong_are_named() {
    let folder = Folder::new("inputs");
    let (model, input) = (export("temporal-dynamo", "model.onnx"), export("temporal-dynamo", "input_0.pb"));
    let message = fail(&["run", &model], 1);
    assert!(message.contains("no value for input \"x\"") && message.contains("f32[1,3,40]"), "{message}");
    let message = fail(&["run", &model, "-i", &input, "-i", &input], 1);
    assert!(message.contains("the model has only"), "{message}");
    let doubles = |x: f64| {
        let bytes = x.to_le_bytes().repeat(120);
        teff::data::Array { element: teff::data::Element::F64, shape: vec![3, 40], bytes }
    };
    let message = fail(&["run", &model, "-i", &folder.write("x.npy", doubles(0.1).to_npy())], 1);
    assert!(message.contains("x.astype(\"float32\")"), "{message}");
    // What is the same number as a float of 32 bits is taken.
    succeed(&["run", &model, "-i", &folder.write("x.npy", doubles(0.5).to_npy())]);
    let file = folder.write("cut.npy", &doubles(0.5).to_npy()[..500]);
    assert!(fail(&["run", &model, "-i", &file], 1).contains("cut.npy"));
    assert!(fail(&["run", &model, "-i", &folder.text("none.npy")], 1).contains("none.npy"));
    let message = fail(&["run", &model, "--input-shape", "nobody:1x3x40", "-i", &input], 1);
    assert!(message.contains("nobody"), "{message}");
}

#[test]
fn open_sizes_are_pinned_by_the_user() {
    let model = export("temporal-dynamo", "model.onnx");
    assert!(succeed(&["inspect", &model]).contains("input \"x\" : f32[1,3,40]"));
    assert!(succeed(&["inspect", &model, "--input-shape", "x:5x3x40"]).contains("input \"x\" : f32[5,3,40]"));
}

#[test]
fn every_way_of_computing_agrees() {
    let report = json(&["verify", &export("gru-dynamo", "model.onnx"), "--samples", "2"]);
    assert_eq!(report["ok"], true);
    let engines = report["engines"].as_array().unwrap();
    let compared: Vec<&str> =
        engines.iter().filter(|e| e["ok"] == true).map(|e| e["engine"].as_str().unwrap()).collect();
    // A C compiler is part of what teff needs; rustc built this test.
    assert!(["host executor", "C", "Rust"].iter().all(|e| compared.contains(e)), "{compared:?}");
    // No float of two ways is the same to the last bit here, so nothing passes a tolerance of nothing.
    let message = fail(&["verify", &export("gru-dynamo", "model.onnx"), "--tolerance", "0"], 1);
    assert!(message.contains("disagree"), "{message}");
}

/// Without a float unit a model's floats are integers unless they are to be exact; what cannot be is named.
#[test]
fn a_machine_without_a_float_unit_gets_integers() {
    let folder = Folder::new("float");
    let (model, out) = (export("unet-dynamo", "model.onnx"), folder.text("out"));
    let compile = |float: &[&str]| {
        let first = ["compile", &model, "--target", "cortex-m0plus", "-o", &out];
        json(&[&first, float].concat())
    };
    let (integers, compact, exact) =
        (compile(&[]), compile(&["--float", "1e-2"]), compile(&["--float", "exact"]));
    let notes: Vec<&str> =
        integers["notes"].as_array().unwrap().iter().map(|n| n.as_str().unwrap()).collect();
    let [bound, seen, stays] = notes[..] else { panic!("{notes:?}") };
    assert!(bound.starts_with("layers computed by integers: ") && bound.contains("their bounds"), "{bound}");
    assert!(seen.starts_with("on the inputs tried") && seen.ends_with("of their range"), "{seen}");
    assert!(stays.ends_with("because it is a transposed convolution"), "{stays}");
    let bytes = |j: &serde_json::Value| j["flash_weights"].as_u64().unwrap();
    assert!(
        bytes(&compact) < bytes(&integers) && bytes(&integers) < bytes(&exact),
        "{compact} {integers} {exact}"
    );
    assert!(exact["notes"].as_array().unwrap().is_empty(), "{exact}");
    let layers = exact["layers"].as_array().unwrap();
    assert!(layers.iter().all(|l| l["products"] == "as written"), "{exact}");
    for wrong in ["0", "1", "fast", "-1e-4", "nan"] {
        let message = fail(&["compile", &model, "-o", &out, &format!("--float={wrong}")], 2);
        assert!(
            message.contains("give a share above 0 and below 1, as 1e-4, or the word exact"),
            "{message}"
        );
    }
}

#[test]
fn what_is_not_supported_is_listed() {
    let folder = Folder::new("unsupported");
    let known = export("unet-dynamo", "model.onnx");
    let listed = json(&["compile", "--list-unsupported", &known]);
    assert_eq!(listed["unsupported"], serde_json::json!([]));
    // The same model with two operators that are none, at the same lengths.
    let mut bytes = std::fs::read(&known).unwrap();
    for (from, to) in [(&b"ConvTranspose"[..], &b"ConvTransposf"[..]), (b"MaxPool", b"MaxPoom")] {
        let places: Vec<usize> =
            (0..bytes.len() - from.len()).filter(|i| &bytes[*i..*i + from.len()] == from).collect();
        assert!(!places.is_empty());
        places.iter().for_each(|i| bytes[*i..*i + from.len()].copy_from_slice(to));
    }
    let model = folder.write("odd.onnx", &bytes);
    let output = teff(&["compile", "--list-unsupported", &model]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("ConvTransposf") && text.contains("MaxPoom"), "{text}");
    let out = folder.text("out");
    let message = fail(&["compile", &model, "-o", &out], 1);
    assert!(message.contains("MaxPoom") && !exists(&out), "{message}");
}

/// The mean of each colour of a picture of 40 by 24 pixels, whose channels are last or first; the network takes bytes, integers or floats.
#[test]
fn a_network_is_given_the_pixels_of_a_picture() {
    let folder = Folder::new("picture");
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../teff-data/tests/data");
    let photo = data.join("halved.jpg").display().to_string();
    // What Pillow sees in it.
    let seen = std::fs::read(data.join("halved.ppm")).unwrap();
    let seen = &seen[seen.len() - 40 * 24 * 3..];
    let mean = |c: usize| seen.iter().skip(c).step_by(3).map(|b| f64::from(*b)).sum::<f64>() / (40.0 * 24.0);
    for (dtype, shape, axes, level) in [
        (DType::F32, [1, 3, 24, 40], [2, 3], (1.0 / 255.0, 0.0)),
        (DType::U8, [1, 24, 40, 3], [1, 2], (1.0, 0.0)),
        (DType::I8, [1, 24, 40, 3], [1, 2], (1.0, -128.0)),
    ] {
        let x = Tensor::input("photo", dtype, &shape);
        let graph = Graph::from_tensors(
            "mean",
            std::slice::from_ref(&x),
            &[("mean", x.cast(DType::F32).mean(&axes))],
        );
        let model = folder.write("m.onnx", teff::onnx::write(&graph.unwrap(), &Default::default()).unwrap());
        let found = json(&["run", &model, "--input", &photo]);
        let found = found["outputs"][0]["elements"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap());
        let expected: Vec<f64> = (0..3).map(|c| mean(c) * level.0 + level.1).collect();
        let near = |(a, b): (f64, &f64)| (a - b).abs() < level.0;
        assert!(
            found.clone().zip(&expected).all(near),
            "{dtype}: {:?} {expected:?}",
            found.collect::<Vec<_>>()
        );
        succeed(&["verify", &model, "--input", &photo]);
    }
    let message = fail(&["run", &export("lenet-dynamo", "model.onnx"), "--input", &photo], 1);
    assert!(message.contains("a picture of 40x24 pixels and 3 channels"), "{message}");
    assert!(message.contains("takes f32[1,1,28,28]; bring it to that size and kind"), "{message}");
    let message =
        fail(&["run", &export("lenet-dynamo", "model.onnx"), "--input", &folder.write("x.bmp", "BM")], 1);
    assert!(
        message.contains("neither PNG nor JPEG, PGM or PPM is not read; convert it to .png or .jpg"),
        "{message}"
    );
}
