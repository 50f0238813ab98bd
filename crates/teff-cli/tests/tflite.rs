//! TFLite files stand where ONNX files stand, known by what is in them and not by their names.

mod common;

use common::{Folder, fail, succeed};
use std::path::{Path, PathBuf};

fn model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../teff-tflite/tests/data/models").join(name)
}

#[test]
fn a_tflite_model_is_inspected_and_compiled() {
    let folder = Folder::new("tflite");
    // Under a name that says nothing.
    let path = folder.write("model.bin", std::fs::read(model("hello_world_int8.tflite")).unwrap());
    let text = succeed(&["inspect", &path]);
    assert!(text.contains("serving_default_dense_input:0"), "{text}");
    let text = succeed(&["compile", &path, "-o", &folder.text("out"), "--name", "sine"]);
    assert!(text.contains("288 multiply-accumulates"), "{text}");
    let header = std::fs::read_to_string(folder.path("out").join("sine.h")).unwrap();
    assert!(header.contains("void sine(const int8_t *input0, int8_t *output0);"), "{header}");
}

#[test]
fn states_are_inputs_and_outputs_of_the_c() {
    let folder = Folder::new("tflite-states");
    let path = model("mnist_lstm_int8.tflite");
    succeed(&["compile", path.to_str().unwrap(), "-o", &folder.text("out")]);
    let header = std::fs::read_to_string(folder.path("out").join("net.h")).unwrap();
    assert!(header.contains("const int16_t *input2"), "{header}");
    assert!(header.contains("int16_t *output2"), "{header}");
}

/// Two LSTMs of 8 and 6 units and a dense layer over 10 steps of 6 values, from Keras.
#[test]
fn a_recurrent_layer_of_keras_is_one_loop() {
    let folder = Folder::new("tflite-loops");
    let path = model("keras_lstm.tflite");
    let text = succeed(&["compile", path.to_str().unwrap(), "-o", &folder.text("out")]);
    let macs = 10 * (6 + 8) * 4 * 8 + 10 * (8 + 6) * 4 * 6 + 6 * 3;
    assert_eq!(macs, 7858);
    assert!(text.contains("7 858 multiply-accumulates"), "{text}");
    assert!(text.contains("lstm_1/while"), "{text}");
    let c = std::fs::read_to_string(folder.path("out").join("net.c")).unwrap();
    assert!(c.len() < 40_000, "the C of 20 steps has {} bytes", c.len());
}

#[test]
fn a_damaged_tflite_model_is_named() {
    let folder = Folder::new("tflite-half");
    let whole = std::fs::read(model("hello_world_int8.tflite")).unwrap();
    let path = folder.write("half.tflite", &whole[..900]);
    let message = fail(&["inspect", &path], 1);
    assert!(message.contains("half.tflite") && message.contains("not a TFLite model"), "{message}");
    // A converter that fails leaves nothing behind but the name.
    let path = folder.write("none.tflite", b"");
    let message = fail(&["inspect", &path], 1);
    assert!(message.contains("is an empty file"), "{message}");
}
