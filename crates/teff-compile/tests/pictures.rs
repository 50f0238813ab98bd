//! Pictures in files: evaluator, Program, C and Rust give the same pixels, whole pictures or damaged, in a loop or not.

mod common;

use common::c::{self, Case};
use common::rust;
use std::path::Path;
use teff_compile::{Options, compile, program};
use teff_graph::{
    Binary, Colours, DType, Format, Formats, Graph, Num, Op, Picture, Tensor, Type, Value, evaluate,
};

/// A file of the decoders' tests: 32 by 32 pixels.
fn file(format: &str) -> Vec<u8> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../teff-picture/tests/data");
    std::fs::read(data.join(format!("onnx.{format}"))).unwrap()
}

fn case(name: &str, inputs: &[(Tensor, Value)], outputs: &[Tensor]) -> Case {
    let tensors: Vec<Tensor> = inputs.iter().map(|(t, _)| t.clone()).collect();
    let named: Vec<(&str, Tensor)> = outputs.iter().map(|t| ("", t.clone())).collect();
    let graph = Graph::from_tensors(name, &tensors, &named).unwrap();
    let inputs: Vec<Value> = inputs.iter().map(|(_, v)| v.clone()).collect();
    let program = compile(&graph, &Options { name: name.into(), ..Options::default() }).unwrap();
    let expected = evaluate(&graph, &inputs).unwrap();
    assert_eq!(program::evaluate(&program, &inputs).unwrap(), expected, "{name}");
    Case { program, inputs, expected, tolerance: 0.0, about: teff_graph::print_brief(&graph) }
}

/// Every format, in one order of channels or another, with arithmetic behind.
fn formats() -> Case {
    let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
    let formats = ["bmp", "jpg", "jp2", "png", "pnm", "tiff", "webp"];
    for (format, colours) in formats.iter().zip(Colours::ALL.into_iter().cycle()) {
        let bytes = file(format);
        let x = Tensor::input(format, DType::U8, &[bytes.len()]);
        let y = x.decode_picture(Picture::new(32, 32, colours));
        inputs.push((x, Value::new([bytes.len()], bytes)));
        outputs.extend([y.cast(DType::F32) - 128.0, y]);
    }
    let made = case("formats", &inputs, &outputs);
    for (format, pixels) in formats.iter().zip(made.expected.chunks(2)) {
        assert!(pixels[1].to_i64().iter().any(|p| *p != 0), "{format} is not decoded");
    }
    made
}

/// Files that are computed, of two formats, several in a loop from the last to the first, one of them damaged, and their sum.
fn looped() -> Case {
    let (png, bmp) = (file("png"), file("bmp"));
    let formats = Formats::of(&[Format::Png, Format::Bmp]);
    let picture = Picture { formats, ..Picture::new(32, 32, Colours::Rgb) };
    let longest = png.len().max(bmp.len());
    let padded = |file: &[u8]| [file, &vec![0xff; longest - file.len()]].concat();
    let files = [padded(&png), padded(&bmp), padded(&png[..100])].concat();
    let x = Tensor::input("files", DType::U8, &[3, longest]);
    let key = Tensor::constant(Value::full(&Type::new(DType::U8, [3, longest]), Num::Int(0x5a)));
    let plain = Tensor::apply(Op::Binary(Binary::Xor), &[x.clone(), key]);
    let sum = Tensor::constant(Value::zeros(&Type::new(DType::U8, [32, 32, 3])));
    let (sums, pictures) = Tensor::scan(&[sum], &[plain], true, |states, slices| {
        let picture = slices[0].decode_picture(picture);
        (vec![&states[0] + &picture], vec![picture])
    });
    let hidden: Vec<u8> = files.iter().map(|b| b ^ 0x5a).collect();
    case("looped", &[(x, Value::new([3, longest], hidden))], &[sums[0].clone(), pictures[0].clone()])
}

fn cases() -> Vec<Case> {
    vec![formats(), looped()]
}

#[test]
fn in_c() {
    if c::has("gcc") {
        c::check(&cases(), "gcc", &["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]);
    }
}

#[test]
fn in_rust() {
    rust::check(&cases(), rust::UNOPTIMISED);
    rust::lint(&cases().iter().map(|c| &c.program).collect::<Vec<_>>());
}
