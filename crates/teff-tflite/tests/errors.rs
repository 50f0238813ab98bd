//! What is wrong with a model is said: which operator, of which version, what, and what to do.

mod common;

use common::{archive, cases, data};
use teff_tflite::{Error, ReadOptions, operators, read, unsupported};

fn model(name: &str) -> Vec<u8> {
    std::fs::read(data("models").join(name)).unwrap()
}

fn case(name: &str) -> Vec<u8> {
    archive("operators.tar.gz").remove(&format!("{name}.tflite")).unwrap()
}

fn error(bytes: &[u8]) -> String {
    read(bytes, &ReadOptions::default()).unwrap_err().to_string()
}

/// The only place where these bytes are replaced by as many others.
fn replaced(mut bytes: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    let places: Vec<usize> =
        (0..bytes.len() - from.len()).filter(|&i| bytes[i..].starts_with(from)).collect();
    let &[at] = &places[..] else { panic!("{from:?} is at {places:?}") };
    bytes[at..at + to.len()].copy_from_slice(to);
    bytes
}

#[test]
fn what_is_no_model_is_said_to_be_none() {
    assert_eq!(
        error(b""),
        "not a TFLite model: the file is empty. Give a .tflite file as the TensorFlow Lite or LiteRT converter writes it, fetched \
         completely (a Git LFS pointer is not the file itself)"
    );
    assert!(error(b"version https://git-lfs.github.com/spec/v1").contains("the identifier \"TFL3\""));
    let whole = model("hello_world_int8.tflite");
    let half = error(&whole[..whole.len() / 2]);
    assert!(half.contains("lies outside the file, which has 1352 bytes"), "{half}");
}

#[test]
fn unknown_operators_are_named_with_place_and_version() {
    // 103 is UNIQUE; the number stands in the old field and in the new one.
    let bytes = case("neg");
    let neg = replaced(bytes, &[59, 0, 0, 0], &[103, 0, 0, 0]);
    let at = neg.iter().position(|&b| b == 59).unwrap();
    let mut bytes = neg.clone();
    bytes[at] = 103;
    let list = unsupported(&bytes).unwrap();
    assert_eq!(operators(&bytes).unwrap(), ["UNIQUE"]);
    assert_eq!(
        list.iter().map(Error::to_string).collect::<Vec<_>>(),
        [
            "operator 0 (UNIQUE version 1, giving \"tensor1\"): the operator is not supported; convert the model with operators that \
          docs/tflite.md lists"
        ]
    );
    assert_eq!(error(&bytes), list[0].to_string());
    assert!(cases().iter().all(|case| unsupported(&case.bytes).unwrap().is_empty()));
}

#[test]
fn shapes_that_do_not_fit_are_named() {
    // The new shape [4, -1] of 24 elements becomes [5, -1].
    let bytes = case("reshape");
    let both: Vec<usize> =
        (0..bytes.len() - 8).filter(|&i| bytes[i..].starts_with(&[4, 0, 0, 0, 255, 255, 255, 255])).collect();
    let mut wrong = bytes.clone();
    both.iter().for_each(|&at| wrong[at] = 5);
    let said = error(&wrong);
    assert_eq!(
        said,
        "operator 0 (RESHAPE version 1, giving \"tensor2\"): its input f32[2,3,4] does not fill the shape [5, -1]"
    );
}

#[test]
fn given_shapes_must_fit() {
    let bytes = model("hello_world_float.tflite");
    let with = |name: &str, shape: &[usize]| {
        let options =
            ReadOptions { input_shapes: vec![(name.into(), shape.into())], ..ReadOptions::default() };
        read(&bytes, &options)
    };
    let name = "serving_default_dense_input:0";
    let four = with(name, &[4, 1]).unwrap().graph;
    assert_eq!(four[four.outputs()[0].node].ty.shape, [4, 1]);
    let said = with(name, &[4, 2]).unwrap_err().to_string();
    assert_eq!(
        said,
        "model input or output \"serving_default_dense_input:0\": the given shape [4, 2] does not fit the model's [?, 1]"
    );
    let said = with("x", &[1]).unwrap_err().to_string();
    assert!(said.contains("but the model's inputs are [\"serving_default_dense_input:0\"]"), "{said}");
    let notes = read(&bytes, &ReadOptions::default()).unwrap().notes;
    assert_eq!(notes, [format!("input {name:?}: the batch axis of [?, 1] is pinned to 1")]);
}

#[test]
fn loops_over_a_count_that_is_not_known_are_refused() {
    let bytes = std::fs::read(common::data("loop_data_dependent.tflite")).unwrap();
    assert_eq!(unsupported(&bytes).unwrap(), []);
    assert_eq!(
        error(&bytes),
        "operator 0 (WHILE version 1, giving \"Identity\"): the loop ends by a condition that depends on the values of the model's inputs; \
         convert with loops over a fixed count: give the converter a fixed batch size and sequence length"
    );
}

/// What a loop runs is looked at as well: here its condition `GREATER` (61) is made `UNIQUE` (103).
#[test]
fn operators_inside_loops_are_named() {
    let mut bytes = model("loops_nested.tflite");
    // The number stands in the old field, of one byte, and in the new one.
    let at = (0..bytes.len() - 4).rev().find(|&i| bytes[i..].starts_with(&[61, 0, 0, 0])).unwrap();
    bytes[at] = 103;
    let old = bytes.iter().position(|&b| b == 61).unwrap();
    bytes[old] = 103;
    let list = unsupported(&bytes).unwrap();
    let said: Vec<String> = list.iter().map(Error::to_string).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("UNIQUE"), "{said:?}");
    assert!(error(&bytes).contains("in sub-graph"), "{}", error(&bytes));
}

/// An operator of TensorFlow that decodes a picture, in the place of the custom one of the faults.
#[test]
fn pictures_are_decoded_before_the_network() {
    let mut bytes = archive("faults.tar.gz").remove("custom.tflite").unwrap();
    let name = b"TFLite_Detection_PostProcess";
    let at = bytes.windows(name.len()).position(|w| w == name).unwrap();
    // A string has its length before it and 0 behind (FlatBuffers).
    bytes[at - 4..at].copy_from_slice(&14u32.to_le_bytes());
    bytes[at..at + 15].copy_from_slice(b"FlexDecodeJpeg\0");
    let said = error(&bytes);
    assert!(said.contains("CUSTOM FlexDecodeJpeg"), "{said}");
    assert!(said.contains("decode the picture before the network"), "{said}");
}

/// Models with one fault each, which `bench/models/tflite/faults.py` writes, and what is said of them.
const FAULTS: &[(&str, &str)] = &[
    (
        "activation",
        "operator 0 (CONV_2D version 1, giving \"tensor3\"): fused activation 5; convert with another activation",
    ),
    (
        "batch_dims",
        "operator 0 (GATHER version 1, giving \"tensor2\"): batch_dims 1 for f32[2,3] and indices i32[3,1]",
    ),
    (
        "channels",
        "operator 0 (CONV_2D version 1, giving \"tensor3\"): its input has 3 channels, its weights take 4",
    ),
    (
        "custom",
        "operator 0 (CUSTOM TFLite_Detection_PostProcess version 1, giving \"tensor3\"): the operator is not supported; convert the model without custom operators",
    ),
    ("no_output", "model input or output \"tensor3\": is given by no operator"),
    (
        "no_scale",
        "operator 0 (RELU version 1, giving \"tensor1\"): it gives f32, but its output \"tensor1\" is i8 without a scale",
    ),
    (
        "no_tensor",
        "operator 0 (CONV_2D version 1, giving \"tensor3\"): its input 1 is tensor 99, which does not exist",
    ),
    (
        "no_value",
        "operator 0 (CONV_2D version 1, giving \"tensor3\"): its input 0, tensor 0 (\"tensor0\"), is given by no earlier operator, input or constant",
    ),
    (
        "open_axis",
        "model input or output \"tensor0\": its shape [?, ?, 6, 4] leaves axis 1 open. Give it, for example --input-shape tensor0:1x32x6x4",
    ),
    (
        "options",
        "operator 0 (CONV_2D version 1, giving \"tensor3\"): its options are of kind 5, and should be of kind 1",
    ),
    (
        "padding",
        "operator 0 (CONV_2D version 1, giving \"tensor3\"): padding 7 is neither SAME (0) nor VALID (1)",
    ),
    (
        "run_time_shape",
        "operator 0 (RESHAPE version 1, giving \"tensor2\"): shape (input 1) depends on the values of the model's inputs or is too large to compute here; convert the model with it fixed: shapes are static here",
    ),
    (
        "scales",
        "operator 0 (RELU version 1, giving \"tensor1\"): tensor \"tensor0\" of shape [3, 4] has 3 scales along axis 1",
    ),
    ("short_data", "tensor 2 (\"constant2\") is f32[6] and its data has 20 bytes"),
    ("sparse", "tensor 1 (\"constant1\") is sparse, which is not supported; convert the model without it"),
    ("stride", "operator 0 (CONV_2D version 1, giving \"tensor3\"): stride_h is 0, and must be at least 1"),
    ("string", "model input or output \"tensor0\": is text, which is not supported"),
    (
        "too_many_inputs",
        "operator 0 (CONV_2D version 1, giving \"tensor3\"): input 3 (\"tensor0\") is not supported at this version; convert the model without it",
    ),
    ("version", "the model is invalid: it is of schema version 2; version 3 is supported"),
];

#[test]
fn each_fault_is_said() {
    let files = archive("faults.tar.gz");
    let said: Vec<(&str, String)> =
        files.iter().map(|(name, bytes)| (name.trim_end_matches(".tflite"), error(bytes))).collect();
    let said: Vec<(&str, &str)> = said.iter().map(|(name, text)| (*name, &**text)).collect();
    assert_eq!(said, FAULTS);
}
