//! Training with quantised weights: it learns, the file says what the training said, and it goes on from a checkpoint bit for bit.

use std::ops::ControlFlow;
use std::path::Path;
use teff::data::{Dataset, Samples};
use teff::folded::Folded;
use teff::graph::{Op, passes::for_batch};
use teff::model::ModelSpec;
use teff::qat::{Bits, Qat, Widths};
use teff::quantize::Interface;
use teff::train::{Settings, Trainable, Trainer};
use teff::{DType, Graph, Tensor, predict};

/// 128 images of 8x8: a bright bar across (class 0) or down (class 1), or a square (class 2), in noise.
fn shapes() -> Dataset {
    let pixel = |i: usize, p: usize| {
        let (class, place) = (i % 3, i / 3 % 6);
        let (row, column) = (p / 8, p % 8);
        let on = match class {
            0 => row == place,
            1 => column == place,
            _ => (place..place + 3).contains(&row) && (place..place + 3).contains(&column),
        };
        if on { 190 + (i % 60) as u8 } else { (i * 7 + p * 13) as u8 % 70 }
    };
    let pixels = (0..128 * 64).map(|k| pixel(k / 64, k % 64)).collect();
    let labels = (0..128).map(|i| i % 3).collect();
    let classes = ["across", "down", "square"].map(String::from).to_vec();
    Dataset::new(Samples::U8(pixels), vec![1, 8, 8], labels, classes).unwrap()
}

const MODEL: &str = r#"
    name = "small"
    [[layer]]
    kind = "conv"
    out = 6
    kernel = 3
    bias = false
    [[layer]]
    kind = "batch_norm"
    [[layer]]
    kind = "relu"
    [[layer]]
    kind = "max_pool"
    size = 2
    [[layer]]
    kind = "depthwise"
    kernel = 3
    padding = 1
    [[layer]]
    kind = "relu"
    [[layer]]
    kind = "flatten"
    [[layer]]
    kind = "linear"
    out = "classes"
"#;

fn settings(epochs: usize) -> Settings {
    Settings { epochs, batch: 16, rate: 0.01, threads: 1, ..Settings::default() }
}

fn run(trainer: &mut Trainer) -> f64 {
    let mut loss = f64::NAN;
    while !trainer.is_done() {
        loss = trainer.epoch(|_| ControlFlow::Continue(())).unwrap().loss;
    }
    loss
}

/// Trained a little in float.
fn folded(data: &Dataset) -> Folded {
    let model = ModelSpec::parse("small.toml", MODEL).unwrap().build(data.shape(), 3, 5).unwrap();
    run(&mut Trainer::new(&model, data, settings(4)).unwrap());
    Folded::new(&model.graph(1).unwrap()).unwrap()
}

fn logits(graph: &Graph, data: &Dataset) -> Vec<f32> {
    predict(graph, data, 1).unwrap().logits
}

/// What training sees, in use.
fn seen(qat: &Qat, data: &Dataset) -> Vec<f32> {
    let x = Tensor::input("x", DType::F32, &[&[16], data.shape()].concat());
    let y = qat.forward(&x, &teff::nn::Pass::evaluation());
    logits(&Graph::from_tensors("seen", &[x], &[("y", y)]).unwrap(), data)
}

#[test]
fn learns_and_the_file_computes_what_training_computed() {
    let data = shapes();
    for bits in Bits::ALL {
        let folded = folded(&data);
        let qat = Qat::new(&folded, &Widths::all(bits), &data, 1).unwrap();
        let mut first = Trainer::new(&qat, &data, settings(1)).unwrap();
        let before = run(&mut first);
        let after = run(&mut Trainer::new(&qat, &data, settings(10)).unwrap());
        assert!(after < 0.5 * before, "{}: {before} to {after}", bits.name());

        let graph = qat.quantized(Interface::Float).unwrap();
        let bytes = teff::onnx::write(&graph, &Default::default()).unwrap();
        let read = teff::onnx::read(&bytes, &Default::default()).unwrap().graph;
        let file = logits(&for_batch(&read, 16).unwrap(), &data);
        let training = seen(&qat, &data);
        // Biases are rounded in the file and not in training; a sum near the border of two steps may fall to the other side.
        let step = training.iter().fold(0f32, |m, x| m.max(x.abs())) / 127.0;
        let far = file.iter().zip(&training).filter(|(a, b)| (*a - *b).abs() > 2.5 * step).count();
        assert_eq!(far, 0, "{}", bits.name());
        let said = |l: &[f32]| -> Vec<usize> { l.chunks(3).map(teff::metrics::argmax).collect() };
        let differ = said(&file).iter().zip(said(&training)).filter(|(a, b)| **a != *b).count();
        assert!(differ <= 1, "{}: {differ}", bits.name());

        // The integers are of the bits asked for, and the arithmetic is that of integers.
        let (low, high) = bits.range();
        for node in read.nodes() {
            let Op::Dequantize = node.op else { continue };
            let Op::Constant(q) = &read[node.operands[0]].op else { continue };
            if q.dtype() == DType::I8 {
                assert!(q.to_i64().iter().all(|q| (i64::from(low)..=i64::from(high)).contains(q)));
            }
        }
        let integer = teff::compile::integer(&read).unwrap();
        let is_float = |n: &&teff::graph::Node| {
            matches!(n.op, Op::Conv(_) | Op::MatMul) && integer[n.operands[0]].ty.dtype.is_float()
        };
        let floats: Vec<_> = integer.nodes().iter().filter(is_float).map(|n| &n.label).collect();
        assert!(floats.is_empty(), "{}: {floats:?}\n{}", bits.name(), teff::graph::print_brief(&integer));
    }
}

#[test]
fn single_layers_have_other_bits() {
    let data = shapes();
    let folded = folded(&data);
    let widths = Widths {
        default: Bits::Int4,
        layers: vec![("first".into(), Bits::Int8), ("conv2".into(), Bits::Int2)],
    };
    let qat = Qat::new(&folded, &widths, &data, 1).unwrap();
    assert_eq!(qat.bits(), [Bits::Int8, Bits::Int2, Bits::Int4]);
    assert_eq!(qat.weight_bytes(), [54, 14, 6 * 9 * 3 / 2]);
    let wrong = Widths { default: Bits::Int4, layers: vec![("conv9".into(), Bits::Int8)] };
    let e = Qat::new(&folded, &wrong, &data, 1).err().unwrap().to_string();
    assert_eq!(e, "no layer is called \"conv9\"; the layers are conv1, conv2, fc1 (or first, last)");
}

#[test]
fn a_stopped_training_goes_on_bit_for_bit() {
    let data = shapes();
    let values =
        |qat: &Qat| -> Vec<Vec<u8>> { qat.params().iter().map(|p| p.value().to_le_bytes()).collect() };
    let widths = Widths::all(Bits::Int4);
    let whole = folded(&data);
    let whole = Qat::new(&whole, &widths, &data, 1).unwrap();
    run(&mut Trainer::new(&whole, &data, settings(2)).unwrap());

    let stopped = folded(&data);
    let stopped = Qat::new(&stopped, &widths, &data, 1).unwrap();
    let mut trainer = Trainer::new(&stopped, &data, settings(2)).unwrap();
    trainer.epoch(|p| if p.step == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }).unwrap();
    let checkpoint = trainer.checkpoint();

    let resumed = folded(&data);
    let resumed = Qat::new(&resumed, &widths, &data, 1).unwrap();
    let mut trainer = Trainer::new(&resumed, &data, settings(2)).unwrap();
    trainer.resume(&checkpoint, Path::new("c")).unwrap();
    run(&mut trainer);
    assert!(values(&whole) == values(&resumed));
}
