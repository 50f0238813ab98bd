//! What is wrong with a model is said: where, what, and what can be done.

mod message;

use message::{Message, int_attribute, ints, ints_attribute, model, node, text_attribute, value};
use std::cell::RefCell;
use teff_graph::{DType, Graph, Tensor, Value, evaluate};
use teff_onnx::{Error, ExternalData, ReadOptions, WriteOptions, read, unsupported, write};

fn error(bytes: &[u8]) -> String {
    read(bytes, &ReadOptions::default()).unwrap_err().to_string()
}

/// An input of integers.
fn integers(name: &str, dims: &[i64]) -> Message {
    let shape = dims.iter().fold(Message::default(), |m, &d| m.message(1, Message::default().int(1, d)));
    let tensor = Message::default().int(1, 7).message(2, shape);
    Message::default().text(1, name).message(2, Message::default().message(1, tensor))
}

/// An initialiser that is true.
fn flag(name: &str) -> Message {
    Message::default().int(2, 9).text(8, name).bytes(9, &[1])
}

#[track_caller]
fn says(bytes: &[u8], parts: &[&str]) {
    let e = error(bytes);
    parts.iter().for_each(|p| assert!(e.contains(p), "{p:?} missing in: {e}"));
}

#[test]
fn bytes_that_are_no_model() {
    for bytes in [
        &b""[..],
        b"hello, I am a text file\n",
        b"version https://git-lfs.github.com/spec/v1\n",
        &[0x08, 0x08],
    ] {
        let e = read(bytes, &ReadOptions::default()).unwrap_err();
        assert!(matches!(e, Error::NotModel { .. }), "{e}");
        assert!(e.to_string().contains("not an ONNX model"), "{e}");
    }
}

#[test]
fn an_operator_that_is_not_supported() {
    let bytes = model(&[1, 2], &[node("Frobnicate", "acme", &["x"], &["y"])], &[]);
    says(&bytes, &["the_node", "acme.Frobnicate", "not supported", "as a function"]);
    let all = unsupported(&bytes).unwrap();
    assert_eq!(all.len(), 1);
    assert!(all[0].to_string().contains("Frobnicate"));
}

#[test]
fn an_output_shape_that_the_attributes_cannot_give() {
    let w = message::floats("w", &[1, 1, 3], &[1.0; 3]);
    let of = |size: i64| {
        let n = node("ConvTranspose", "", &["x", "w"], &["y"])
            .message(5, ints_attribute("output_shape", &[size]));
        model(&[1, 1, 3], &[n.message(5, ints_attribute("strides", &[2]))], &[(5, w.clone())])
    };
    says(
        &of(9),
        &[
            "the_node",
            "ConvTranspose",
            "output_shape asks for 9 elements on spatial axis 0",
            "stride of 2",
            "8 at most",
        ],
    );
    read(&of(8), &ReadOptions::default()).unwrap();
}

#[test]
fn an_attribute_that_is_not_supported() {
    let n = node("Relu", "", &["x"], &["y"]).message(5, int_attribute("sharpness", 3));
    says(&model(&[1, 2], &[n], &[]), &["the_node", "Relu", "opset 17", "sharpness"]);
}

#[test]
fn an_attribute_value_that_is_not_supported() {
    let n = node("Pad", "", &["x", "p"], &["y"]).message(5, text_attribute("mode", "mirror"));
    let pads = Message::default().int(1, 4).int(2, 7).text(8, "p").bytes(9, &[0; 32]);
    says(&model(&[1, 2], &[n], &[(5, pads)]), &["the_node", "mirror", "use constant, reflect"]);
}

/// Each fault names the node, its operator and version, what is at fault, and what can be done.
#[test]
fn ten_faults() {
    let one = |op: &str, inputs: &[&str], attributes: &[Message]| {
        attributes.iter().fold(node(op, "", inputs, &["y"]), |m, a| m.message(5, a.clone()))
    };
    let x = &[1, 2, 4, 4];
    let weights = (5, ints("w", &[1], &[3]));
    let cases: Vec<(Vec<u8>, [&str; 3])> = vec![
        (
            model(x, &[one("StringSplit", &["x"], &[])], &[]),
            ["StringSplit", "not supported", "keep text processing outside the model"],
        ),
        (
            model(x, &[one("ImageDecoder", &["x"], &[])], &[]),
            ["ImageDecoder", "the operator is not supported", "decode the picture before the network"],
        ),
        (
            model(x, &[one("Relu", &["x"], &[int_attribute("inplace", 1)])], &[]),
            ["Relu", "attribute \"inplace\"", "another opset"],
        ),
        (
            model(
                x,
                &[one(
                    "DepthToSpace",
                    &["x"],
                    &[int_attribute("blocksize", 1), text_attribute("mode", "ZIGZAG")],
                )],
                &[],
            ),
            ["DepthToSpace", "mode=\"ZIGZAG\"", "use DCR or CRD"],
        ),
        (
            model(x, &[one("Reshape", &["x", "s"], &[])], &[(5, ints("s", &[2], &[3, 5]))]),
            [
                "Reshape",
                "reshape of f32[1,2,4,4]: 32 elements do not fill the shape [3, 5]",
                "export the model again",
            ],
        ),
        (
            model(x, &[one("Tile", &["x", "r"], &[])], &[(11, integers("r", &[4]))]),
            ["Tile", "repeats (input 1) depends on the values of the model's inputs", "export with it fixed"],
        ),
        (
            model(x, &[one("MatMul", &["x", "v"], &[])], &[(11, value("v", &[3, 2]))]),
            [
                "MatMul",
                "the inner sizes differ: 4 columns on the left, 3 rows on the right",
                "export the model again",
            ],
        ),
        (
            model(x, &[one("MaxPool", &["x"], &[])], &[]),
            ["MaxPool", "kernel_shape is missing", "onnx.checker"],
        ),
        (
            model(x, &[one("Transpose", &["x"], &[ints_attribute("perm", &[0, 1, 2, 2])])], &[]),
            ["Transpose", "f32[1,2,4,4]", "export the model again"],
        ),
        (
            model(x, &[one("Cast", &["x"], &[int_attribute("to", 8)])], &[]),
            ["Cast", "strings", "keep text processing outside the model"],
        ),
        (
            model(x, &[one("Softmax", &["x", "w"], &[])], std::slice::from_ref(&weights)),
            ["Softmax", "input 1 (\"w\") is not supported at this version", "export without it"],
        ),
        (
            model(x, &[one("Dropout", &["x", "", "t"], &[int_attribute("seed", -1)])], &[(5, flag("t"))]),
            ["Dropout", "the seed -1 is not between 0 and 4294967295", "export the model again"],
        ),
        (
            model(x, &[one("Add", &["x", "ghost"], &[])], &[]),
            ["Add", "\"ghost\" is given by no node, input or initialiser", "onnx.checker"],
        ),
    ];
    for (bytes, [operator, fault, remedy]) in cases {
        assert!(read(&bytes, &ReadOptions::default()).is_err(), "{operator} is read");
        let at = format!("node \"the_node\" ({operator}, opset 17): ");
        says(&bytes, &[&at, fault, remedy]);
    }
}

#[test]
fn shapes_that_do_not_fit() {
    let w = Message::default().int(1, 3).int(1, 2).int(2, 1).text(8, "w").bytes(9, &[0; 24]);
    says(
        &model(&[1, 2], &[node("MatMul", "", &["x", "w"], &["y"])], &[(5, w)]),
        &["the_node", "MatMul", "f32[1,2]", "f32[3,2]"],
    );
}

#[test]
fn an_input_that_nothing_gives() {
    says(
        &model(&[1, 2], &[node("Add", "", &["x", "ghost"], &["y"])], &[]),
        &["the_node", "ghost", "no node, input"],
    );
    says(&model(&[1, 2], &[node("Add", "", &["x"], &["y"])], &[]), &["the_node", "input 1 is missing"]);
    says(&model(&[1, 2], &[], &[]), &["\"y\"", "no node"]);
}

#[test]
fn sizes_that_are_left_open() {
    let relu = [node("Relu", "", &["x"], &["y"])];
    let bytes = model(&[-1, 3, -1, 32], &relu, &[]);
    says(&bytes, &["\"x\"", "[n, 3, n, 32]", "axis 2", "--input-shape x:1x3x32x32"]);
    let options =
        ReadOptions { input_shapes: vec![("x".into(), vec![2, 3, 8, 32])], ..ReadOptions::default() };
    assert_eq!(read(&bytes, &options).unwrap().graph.nodes()[0].ty.shape, [2, 3, 8, 32]);
    let options =
        ReadOptions { input_shapes: vec![("x".into(), vec![2, 4, 8, 32])], ..ReadOptions::default() };
    assert!(read(&bytes, &options).unwrap_err().to_string().contains("does not fit"));
    let options = ReadOptions { input_shapes: vec![("z".into(), vec![1])], ..ReadOptions::default() };
    assert!(read(&bytes, &options).unwrap_err().to_string().contains("[\"x\"]"));
    let batch = read(&model(&[-1, 3], &relu, &[]), &ReadOptions::default()).unwrap();
    assert_eq!(batch.graph.nodes()[0].ty.shape, [1, 3]);
    assert!(batch.notes[0].contains("pinned to 1"), "{:?}", batch.notes);
}

#[test]
fn a_shape_that_depends_on_values() {
    let shape = node("Cast", "", &["x"], &["s"]).message(5, int_attribute("to", 7));
    let bytes = model(&[2], &[shape, node("Reshape", "", &["x", "s"], &["y"])], &[]);
    says(&bytes, &["the_node", "Reshape", "shape (input 1) depends on the values"]);
    let fixed = ReadOptions {
        fixed_inputs: vec![("x".into(), Value::new([2], vec![2.0f32, 1.0]))],
        ..ReadOptions::default()
    };
    let graph = read(&bytes, &fixed).unwrap().graph;
    assert!(graph.inputs().is_empty());
    assert_eq!(evaluate(&graph, &[]).unwrap()[0].shape(), [2, 1]);
}

#[test]
fn tensors_with_other_data_than_they_say() {
    let relu = [node("Add", "", &["x", "w"], &["y"])];
    let short = Message::default().int(1, 1_000_000_000_000).int(2, 1).text(8, "w").bytes(9, &[0; 4]);
    says(&model(&[1], &relu, &[(5, short)]), &["tensor \"w\"", "4 bytes"]);
    let text = Message::default().int(1, 1).int(2, 8).text(8, "w");
    says(&model(&[1], &relu, &[(5, text)]), &["tensor \"w\"", "strings"]);
    let complex = Message::default().int(1, 1).int(2, 14).text(8, "w");
    says(&model(&[1], &relu, &[(5, complex)]), &["tensor \"w\"", "element type 14"]);
}

/// A string is a position in a list; of those, elements may be moved, and nothing else makes sense.
#[test]
fn strings_are_moved_and_nothing_else() {
    let words = || Message::default().int(1, 2).int(2, 8).text(6, "cat").text(6, "dog").text(8, "w");
    let moved = [node("Gather", "", &["w", "i"], &["g"]), node("Identity", "", &["g"], &["y"])];
    let index = ints("i", &[3], &[1, 0, 1]);
    let read = read(&model(&[1], &moved, &[(5, words()), (5, index)]), &ReadOptions::default()).unwrap();
    assert_eq!(read.words, [("y".to_string(), vec!["cat".to_string(), "dog".to_string()])]);
    assert!(
        read.notes.iter().any(|n| n.contains("output \"y\"") && n.contains("0=cat, 1=dog")),
        "{:?}",
        read.notes
    );
    let x = Value::new([1], vec![0.0f32]);
    assert_eq!(evaluate(&read.graph, &[x]).unwrap(), [Value::new([3], vec![1i64, 0, 1])]);
    let added = [node("Add", "", &["x", "w"], &["y"])];
    says(
        &model(&[1], &added, &[(5, words())]),
        &["the_node", "Add", "input 1 holds strings", "outside the model"],
    );
    let fewer = Message::default().int(1, 3).int(2, 8).text(6, "cat").text(8, "w");
    says(&model(&[1], &added, &[(5, fewer)]), &["tensor \"w\"", "1 strings", "[3]"]);
}

fn external(location: &str) -> Message {
    let entry = |k: &str, v: &str| Message::default().text(1, k).text(2, v);
    let t = Message::default().int(1, 1).int(2, 1).text(8, "w").int(14, 1);
    t.message(13, entry("location", location))
        .message(13, entry("offset", "8"))
        .message(13, entry("length", "4"))
}

#[test]
fn data_outside_the_file() {
    let add = [node("Add", "", &["x", "w"], &["y"])];
    let bytes = model(&[1], &add, &[(5, external("weights.bin"))]);
    says(&bytes, &["tensor \"w\"", "weights.bin", "keep that file beside the model"]);
    says(&model(&[1], &add, &[(5, external("../../etc/passwd"))]), &["leaves the model's directory"]);
    let asked = RefCell::new(None);
    let fetch = |at: &ExternalData| {
        *asked.borrow_mut() = Some(at.clone());
        Ok(1.5f32.to_le_bytes().to_vec())
    };
    let options = ReadOptions { external: Some(&fetch), ..ReadOptions::default() };
    let graph = read(&bytes, &options).unwrap().graph;
    assert_eq!(evaluate(&graph, &[Value::new([1], vec![1.0f32])]).unwrap(), [Value::new([1], vec![2.5f32])]);
    let expected = ExternalData { location: "weights.bin".into(), offset: 8, length: Some(4) };
    assert_eq!(asked.into_inner(), Some(expected));
}

/// Each function calls the one before it twice: thirty of them would be a thousand million nodes.
#[test]
fn inlining_is_bounded() {
    let call = |i: usize, from: &str, to: &str| node(&format!("f{i}"), "bomb", &[from], &[to]);
    let function = |i: usize| {
        let body = match i {
            0 => vec![node("Relu", "", &["a"], &["b"])],
            _ => vec![call(i - 1, "a", "m"), call(i - 1, "m", "b")],
        };
        let m = Message::default().text(1, &format!("f{i}")).text(4, "a").text(5, "b").text(10, "bomb");
        let m = body.into_iter().fold(m, |m, n| m.message(7, n));
        m.message(9, Message::default().text(1, "").int(2, 17))
    };
    let mut bytes = model(&[1], &[call(30, "x", "y")], &[]);
    (0..31).for_each(|i| bytes.extend(Message::default().message(25, function(i)).0));
    let e = error(&bytes);
    assert!(e.contains("nodes"), "{e}");
}

#[test]
fn a_function_that_calls_itself() {
    let f = Message::default().text(1, "f").text(4, "a").text(5, "b").text(10, "d");
    let f = f.message(7, node("f", "d", &["a"], &["b"]));
    let mut bytes = model(&[1], &[node("f", "d", &["x"], &["y"])], &[]);
    bytes.extend(Message::default().message(25, f).0);
    assert!(error(&bytes).contains("nested"), "{}", error(&bytes));
}

#[test]
fn functions_take_attributes_from_their_calls() {
    let reference = Message::default().text(1, "alpha").int(20, 1).text(21, "slope");
    let body = node("LeakyRelu", "", &["a"], &["b"]).message(5, reference);
    let f = Message::default().text(1, "f").text(4, "a").text(5, "b").text(10, "d").message(7, body);
    let f = f.message(9, Message::default().text(1, "").int(2, 17));
    let mut slope = Message::default().text(1, "slope").int(20, 1).varint(2 << 3 | 5);
    slope.0.extend(0.5f32.to_le_bytes());
    let mut bytes = model(&[1], &[node("f", "d", &["x"], &["y"]).message(5, slope)], &[]);
    bytes.extend(Message::default().message(25, f).0);
    let graph = read(&bytes, &ReadOptions::default()).unwrap().graph;
    assert_eq!(
        evaluate(&graph, &[Value::new([1], vec![-4.0f32])]).unwrap(),
        [Value::new([1], vec![-2.0f32])]
    );
}

#[test]
fn an_output_twice_and_an_input_as_output_are_written() {
    let x = Tensor::input("x", DType::F32, &[2]);
    let y = x.exp();
    let graph =
        Graph::from_tensors("g", std::slice::from_ref(&x), &[("a", y.clone()), ("b", y), ("x", x.clone())])
            .unwrap();
    let model = read(&write(&graph, &WriteOptions::default()).unwrap(), &ReadOptions::default()).unwrap();
    let names: Vec<String> = model.graph.outputs().iter().map(|o| o.name.to_string()).collect();
    assert_eq!(names, ["a", "b", "x.2"]);
}
