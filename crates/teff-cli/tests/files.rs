//! Files as people have them: what is read, what is written under other names, and what is said of a file of the wrong kind.

mod common;

use common::{Folder, exists, fail, succeed, teff};
use std::path::Path;
use teff::data::{Array, Element};

/// A model among the test data.
fn case(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name).display().to_string()
}

fn json(args: &[&str]) -> serde_json::Value {
    serde_json::from_str(&succeed(&[args, &["--json"]].concat())).unwrap()
}

fn elements(of: &serde_json::Value) -> Vec<f64> {
    of["elements"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn floats(folder: &Folder, name: &str, shape: &[usize], list: &[f32]) -> String {
    let bytes = list.iter().flat_map(|x| x.to_le_bytes()).collect();
    folder.write(name, Array { element: Element::F32, shape: shape.to_vec(), bytes }.to_npy())
}

/// The `.npy` file that NumPy writes of floats of 16 bits, given their bits.
fn halves(shape: &str, bits: &[u16]) -> Vec<u8> {
    let header = format!("{{'descr': '<f2', 'fortran_order': False, 'shape': {shape}, }}\n");
    let length = (header.len() as u16).to_le_bytes();
    let elements: Vec<u8> = bits.iter().flat_map(|b| b.to_le_bytes()).collect();
    [&b"\x93NUMPY\x01\x00"[..], &length, header.as_bytes(), &elements].concat()
}

/// Expected: what onnxruntime 1.32 gives, which rounds every result to 16 bits.
#[test]
fn a_model_of_16_bit_floats_takes_them() {
    let folder = Folder::new("halves");
    // i % 13 / 8 - 0.75 for i in 0..72.
    let steps =
        [0xba00, 0xb900, 0xb800, 0xb600, 0xb400, 0xb000, 0, 0x3000, 0x3400, 0x3600, 0x3800, 0x3900, 0x3a00];
    let bits: Vec<u16> = (0..72).map(|i| steps[i % 13]).collect();
    let half = folder.write("half.npy", halves("(1, 2, 6, 6)", &bits));
    let single: Vec<f32> = (0..72).map(|i| (i % 13) as f32 / 8.0 - 0.75).collect();
    let single = floats(&folder, "single.npy", &[1, 2, 6, 6], &single);
    let model = case("fp16_net.onnx");
    let found = elements(&json(&["run", &model, "--input", &half])["outputs"][0]);
    for (a, b) in found.iter().zip([-0.8315, 0.7056, 0.4038]) {
        assert!((a - b).abs() < 2e-3, "{found:?}");
    }
    assert_eq!(found, elements(&json(&["run", &model, "--input", &single])["outputs"][0]));
    // Beside onnxruntime too, where it is installed.
    let python = std::env::var("TEFF_ORACLE_PYTHON").unwrap_or_default();
    let verified = teff(&["verify", &model, "--json"]).env("TEFF_PYTHON", python).output().unwrap();
    let verified: serde_json::Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!(verified["ok"], true, "{verified}");
    let theirs = &verified["engines"][3];
    assert!(
        theirs["ok"] == true || theirs["skipped"].as_str().is_some_and(|w| w.starts_with("no Python")),
        "{theirs}"
    );
}

#[test]
fn outputs_get_files_whatever_they_are_called() {
    let folder = Folder::new("names");
    let (model, out) = (case("names_collide.onnx"), folder.text("out"));
    let x = floats(&folder, "x.npy", &[3], &[1.0, 2.0, 3.0]);
    let made = json(&["run", &model, "-i", &x, "-i", &x, "-i", &x, "-o", &out, "--explain"]);
    assert!(made["steps"]["list"][0]["seconds"].as_f64().is_some_and(|s| s >= 0.0), "{made}");
    let names: Vec<String> =
        made["files"].as_array().unwrap().iter().map(|f| f.as_str().unwrap().into()).collect();
    assert_eq!(names, [format!("{out}/a_b.npy"), format!("{out}/a_b_2.npy")]);
    let read = |file: &str| Array::open(Path::new(file)).unwrap().bytes;
    let bytes = |list: [f32; 3]| list.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    assert_eq!(read(&names[0]), bytes([2.0, 4.0, 6.0]));
    assert_eq!(read(&names[1]), bytes([2.0, 8.0, 18.0]));

    let x = floats(&folder, "x.npy", &[1, 4], &[1.0, -2.0, 3.0, 4.0]);
    let ran = teff(&["run", &case("longname.onnx"), "-i", &x, "-o", &folder.text("long")]).output().unwrap();
    let said = String::from_utf8(ran.stderr).unwrap();
    assert!(ran.status.success(), "{said}");
    let files: Vec<_> = std::fs::read_dir(folder.path("long")).unwrap().map(|f| f.unwrap().path()).collect();
    let [file] = &files[..] else { panic!("{files:?}") };
    assert!(said.contains("is written to") && said.contains(&file.display().to_string()), "{said}");
    assert_eq!(
        read(file.to_str().unwrap()),
        [1f32, 0.0, 3.0, 4.0].iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>()
    );
}

#[test]
fn sizes_of_minus_one_and_nodes_in_any_order() {
    let folder = Folder::new("order");
    let shape = ["--input-shape", "x:1x3x32x32"];
    let text = succeed(&[&["inspect", &case("neg_hw.onnx")][..], &shape].concat());
    assert!(text.contains("input \"x\" : f32[1,3,32,32]"), "{text}");
    let message = fail(&["inspect", &case("neg_hw.onnx")], 1);
    assert!(message.contains("--input-shape x:1x3x32x32"), "{message}");
    succeed(&["compile", &case("unsorted.onnx"), "-o", &folder.text("net")]);
    assert!(exists(folder.path("net").join("net.c")));
    let text = succeed(&["inspect", &case("q_qonnx.onnx")]);
    assert!(text.contains("range=[-8,7]"), "{text}");
}

/// The model, its data and the program that is made of them are told apart wherever they are given.
#[test]
fn a_file_of_the_wrong_kind_is_named_with_what_would_work() {
    let folder = Folder::new("kinds");
    let data = common::bars(&folder);
    let model = case("unsorted.onnx");
    let keras = folder.write("m.keras", b"PK\x03\x04 model.weights.h5 config.json");
    let torch = folder.write("m.pt", b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.torch");
    let hdf = folder.write("m.h5", b"\x89HDF\r\n\x1a\n");
    let elf = folder.write("fw.elf", b"\x7fELF\x01\x01\x01");
    let page = folder.write("page.onnx", b"<!DOCTYPE html><html>");
    let toml = folder.write("m.toml", common::SMALL);
    std::fs::create_dir(folder.path("saved")).unwrap();
    folder.write("saved/saved_model.pb", b"\x08\x01\x12\x00");
    let saved = folder.text("saved");
    let out = folder.text("out");
    let says = |args: &[&str], parts: &[&str]| {
        let message = fail(args, 1);
        parts.iter().for_each(|p| assert!(message.contains(p), "{p:?} missing for {args:?} in: {message}"));
        assert!(!message.contains('\n') && !exists(&out), "{message}");
    };
    says(&["compile", &keras, "-o", &out], &["m.keras is a Keras model", "format=\"onnx\"", "m.onnx"]);
    says(&["compile", &keras, "--list-unsupported"], &["m.keras is a Keras model"]);
    says(&["run", &torch], &["m.pt is a PyTorch file", "torch.onnx.export("]);
    says(&["inspect", &hdf], &["m.h5 is an HDF5 file", "keras.models.load_model("]);
    says(&["verify", &saved], &["a SavedModel of TensorFlow", "tf2onnx.convert --saved-model"]);
    says(&["report", &elf], &["fw.elf is a program (ELF)", "teff sim "]);
    says(&["eval", &page, "--data", &data], &["page.onnx is a web page", "download"]);
    says(
        &["quantize", &toml, "--data", &data, "-o", &out],
        &["a list of layers in TOML", "teff train DATASET --model"],
    );
    says(&["eval", &data, "--data", &model], &["swapped", &format!("teff eval {model} --data {data}")]);
    says(&["compile", &model, "--data", &model, "-o", &out], &["is an ONNX model: --data takes a data set"]);
    says(&["train", &model, "-o", &out], &["is an ONNX model: train takes a data set", "--from"]);
    says(&["train", &data, "-o", &out, "--model", &model], &["is an ONNX model", "--from"]);
    says(
        &["sim", &model],
        &["is an ONNX model: teff sim runs a program", "teff firmware ", "teff sim fw.elf"],
    );
    says(
        &["flash", &model],
        &["is an ONNX model: teff flash takes firmware", "teff firmware ", "teff flash fw.uf2"],
    );
    says(&["run", &model, "--input", &model], &["the model comes first: teff run"]);
    says(
        &["run", &model, "--input", &format!("x={torch}")],
        &["m.pt is a PyTorch file: save the tensor", "numpy.save"],
    );
}
