//! Structured pruning: what is removed is removed everywhere, and what stays computes the same.

use std::ops::ControlFlow;
use teff::data::{Dataset, Samples};
use teff::folded::Folded;
use teff::graph::{ConvGeometry, Value, evaluate};
use teff::prune::{Criterion, prune};
use teff::train::{Loss, Settings, Trainer};
use teff::{DType, Graph, Tensor, predict};

/// 64 images of 8x8: a bright bar across (class 0) or down (class 1), somewhere.
fn bars() -> Dataset {
    let pixel = |i: usize, p: usize| {
        let (class, place) = (i % 2, i / 2 % 8);
        if [p / 8, p % 8][class] == place { 200 + (i % 50) as u8 } else { (i * p % 40) as u8 }
    };
    let pixels = (0..64 * 64).map(|k| pixel(k / 64, k % 64)).collect();
    let labels = (0..64).map(|i| i % 2).collect();
    Dataset::new(Samples::U8(pixels), vec![1, 8, 8], labels, vec!["across".into(), "down".into()]).unwrap()
}

fn noise(seed: usize, n: usize) -> impl Iterator<Item = f32> {
    (0..n).map(move |i| teff::graph::random_bits(seed as i64, i as u64) as f32 / u64::MAX as f32 - 0.5)
}

/// Weights whose odd channels along `axis` are `scale` times as large.
fn weights(name: &str, shape: &[usize], axis: usize, odd: f32) -> Tensor {
    let inner: usize = shape[axis + 1..].iter().product();
    let values = noise(name.len() * 31 + shape[0], shape.iter().product()).enumerate();
    let scaled = values.map(|(i, w)| if i / inner % shape[axis] % 2 == 1 { w * odd } else { w });
    Tensor::constant(Value::new(shape, scaled.collect::<Vec<f32>>())).named(name)
}

fn conv(x: &Tensor, name: &str, out: usize, geometry: ConvGeometry, odd: f32) -> Tensor {
    let per_group = x.shape()[1] / geometry.groups;
    let w = weights(&format!("{name}.weight"), &[out, per_group, 3, 3], 0, odd);
    let b = weights(&format!("{name}.bias"), &[out], 0, odd);
    (x.conv_general(&w, geometry).named(name) + b.per_channel(4)).named(name)
}

fn padded(groups: usize) -> ConvGeometry {
    ConvGeometry { pad_low: vec![1; 2], pad_high: vec![1; 2], groups, ..ConvGeometry::new(2) }
}

fn dense(x: &Tensor, name: &str, out: usize, odd: f32) -> Tensor {
    let w = weights(&format!("{name}.weight"), &[x.shape()[1], out], 1, odd);
    (x.matmul(&w).named(name) + weights(&format!("{name}.bias"), &[out], 0, odd)).named(name)
}

/// Convolutions in a row, a depthwise one, a residual addition, a concatenation, pooling, flattening, two dense layers. The odd
/// channels of all but the last weigh `odd`.
fn everything(odd: f32) -> Graph {
    let x = Tensor::input("x", DType::F32, &[1, 1, 8, 8]);
    let a = conv(&x, "a", 8, padded(1), odd).relu();
    let depthwise = conv(&a, "depthwise", 8, padded(8), odd).relu();
    let b = (conv(&depthwise, "b", 8, padded(1), odd) + &a).relu();
    let c = conv(&b, "c", 6, padded(1), odd).relu();
    let joined = Tensor::concat(&[b, c], 1).max_pool2d(2, 2);
    let hidden = dense(&joined.flatten(1), "hidden", 10, odd).relu();
    let y = dense(&hidden, "last", 2, 1.0);
    Graph::from_tensors("everything", &[x], &[("y", y)]).unwrap()
}

fn half(_: usize, n: usize) -> usize {
    n / 2
}

#[test]
fn channels_that_do_nothing_go_and_the_rest_computes_the_same() {
    let graph = everything(0.0);
    let pruned = prune(&Folded::new(&graph).unwrap(), Criterion::Magnitude, half, &bars(), 1).unwrap();
    let channels: Vec<_> = pruned.layers.iter().map(|l| (l.name.as_str(), l.channels)).collect();
    let expected = [
        ("a", (8, 4)),
        ("depthwise", (8, 4)),
        ("b", (8, 4)),
        ("c", (6, 3)),
        ("hidden", (10, 5)),
        ("last", (2, 2)),
    ];
    assert_eq!(channels, expected);
    assert_eq!(pruned.layers[5].kept.as_deref(), Some("the network's output"));
    assert_eq!(pruned.layers[3].macs, (64 * 6 * 8 * 9, 64 * 3 * 4 * 9));
    assert_eq!(pruned.layers[4].size, (14 * 16 * 10 + 10, 7 * 16 * 5 + 5));
    let small = pruned.network.at_batch(1).unwrap();
    let input = [Value::new([1, 1, 8, 8], noise(3, 64).collect::<Vec<f32>>())];
    let (before, after) = (evaluate(&graph, &input).unwrap(), evaluate(&small, &input).unwrap());
    for (a, b) in before[0].to_f64().into_iter().zip(after[0].to_f64()) {
        assert!((a - b).abs() < 1e-5, "{a} {b}");
    }
    // And the file has the smaller shapes.
    let bytes = teff::onnx::write(&small, &Default::default()).unwrap();
    let size = |g: &Graph| teff::onnx::write(g, &Default::default()).unwrap().len();
    assert!(bytes.len() < size(&graph) / 2, "{} {}", bytes.len(), size(&graph));
}

#[test]
fn both_criteria_prefer_what_weighs_little() {
    // A thousandth of a weight contributes a thousandth to the loss.
    let folded = Folded::new(&everything(1e-3)).unwrap();
    for criterion in [Criterion::Taylor(Loss::Auto), Criterion::Magnitude] {
        let pruned = prune(&folded, criterion, half, &bars(), 1).unwrap();
        let small = pruned.network.network();
        for layer in [0, 2, 3] {
            let largest = |w: &Vec<f32>| w.iter().fold(0f32, |m, x| m.max(x.abs()));
            let weakest = small.weights(layer).iter().map(largest).fold(f32::MAX, f32::min);
            assert!(weakest > 0.01, "{criterion}, layer {layer}: {weakest}");
        }
    }
}

#[test]
fn what_must_stay_stays_and_says_why() {
    let x = Tensor::input("x", DType::F32, &[1, 1, 8, 8]);
    let a = conv(&x, "a", 4, padded(1), 1.0).relu();
    let grouped = conv(&a, "grouped", 4, padded(2), 1.0).relu();
    let padded_channels =
        conv(&grouped, "before", 4, padded(1), 1.0).pad(&[(0, 0), (1, 0), (0, 0), (0, 0)], 0.0);
    let free = conv(&padded_channels, "free", 4, padded(1), 1.0).relu().global_avg_pool().flatten(1);
    let graph = Graph::from_tensors("stubborn", &[x], &[("y", dense(&free, "last", 2, 1.0))]).unwrap();
    let pruned = prune(&Folded::new(&graph).unwrap(), Criterion::Magnitude, half, &bars(), 1).unwrap();
    let said: Vec<_> = pruned
        .layers
        .iter()
        .map(|l| (l.name.as_str(), l.channels.1, l.kept.as_deref().unwrap_or("")))
        .collect();
    assert_eq!(said[0], ("a", 4, "grouped takes them in 2 groups"));
    assert_eq!(said[1].1, 4);
    assert!(said[2].1 == 4 && said[2].2.ends_with("adds 1 to them"), "{said:?}");
    assert_eq!(said[3], ("free", 2, ""));
    assert_eq!(said[4], ("last", 2, "the network's output"));
}

#[test]
fn a_pruned_network_learns_again() {
    let data = bars();
    let settings = Settings { epochs: 8, batch: 16, rate: 0.01, threads: 1, ..Settings::default() };
    let train = |f: &Folded| {
        let mut trainer = Trainer::new(f, &data, settings.clone()).unwrap();
        while !trainer.is_done() {
            trainer.epoch(|_| ControlFlow::Continue(())).unwrap();
        }
        predict(&f.at_batch(16).unwrap(), &data, 1).unwrap().confusion(&data).accuracy()
    };
    let folded = Folded::new(&everything(1.0)).unwrap();
    assert!(train(&folded) > 0.95);
    let pruned = prune(&folded, Criterion::Taylor(Loss::Auto), half, &data, 1).unwrap();
    assert!(train(&pruned.network) > 0.95);
    // The same channels every time.
    let again = prune(&folded, Criterion::Taylor(Loss::Auto), half, &data, 1).unwrap();
    assert_eq!(pruned.layers, again.layers);
}
