//! What the firmware does with a camera's picture, on the host: preparation, the network of `examples/digits.onnx`, decision. Frames
//! are rendered from MNIST's test set, with seeds that nothing was chosen by.

use digits_scenes::{BINNED, Scene, Subject};
use digits_vision::{Decision, Grey, SURE_PERCENT, Scratch, decide, find_digit};
use teff::data::{Dataset, Samples};
use teff::graph::facts::quantization;
use teff::{Graph, predict};

const DIGITS: &str = "../../../examples/digits.onnx";
/// Where the seeds of the frames begin.
const SEED: u64 = 0x7eff_0000;

fn network() -> Graph {
    teff::onnx::read(&std::fs::read(DIGITS).unwrap(), &Default::default()).unwrap().graph
}

/// What is said of each scene; nothing where no digit is found or none is sure enough.
fn answers(graph: &Graph, classes: &[String], scenes: &[Scene]) -> Vec<Option<Decision>> {
    let mut scratch = Box::new(Scratch::new());
    let prepared: Vec<Option<[u8; 784]>> = scenes
        .iter()
        .map(|scene| {
            let mut image = [0; 784];
            find_digit(&Grey::new(&scene.binned(), BINNED, BINNED), &mut scratch, &mut image).map(|_| image)
        })
        .collect();
    let found: Vec<u8> = prepared.iter().flatten().flatten().copied().collect();
    let labels = vec![0; found.len() / 784];
    let data = Dataset::new(Samples::U8(found), vec![1, 28, 28], labels, classes.to_vec()).unwrap();
    let said = predict(graph, &data, 2).unwrap();
    let ends = quantization(graph, graph.outputs()[0].node).expect("8-bit outputs");
    let (step, _) = ends.single().expect("one scale");
    let mut decisions = said.logits.chunks_exact(10).map(|logits| {
        // As the firmware has them, in 1/256.
        let scale = (step * 16_777_216.0) as i64;
        let steps = |x: &f32| (f64::from(*x) / step).round() as i64;
        let fixed: Vec<i32> = logits.iter().map(|x| ((steps(x) * scale) >> 16) as i32).collect();
        decide(&fixed)
    });
    let decisions = prepared.iter().map(|image| image.as_ref().and_then(|_| decisions.next()));
    decisions.map(|d| d.filter(|d| d.percent >= SURE_PERCENT)).collect()
}

/// The share of scenes that are answered right, in percent, of those that `wanted` picks.
fn share(right: &[bool], scenes: &[Scene], wanted: impl Fn(&Scene) -> bool) -> f64 {
    let picked: Vec<bool> = right.iter().zip(scenes).filter(|(_, s)| wanted(s)).map(|(r, _)| *r).collect();
    100.0 * picked.iter().filter(|r| **r).count() as f64 / picked.len().max(1) as f64
}

#[test]
fn a_thousand_digits_before_the_camera() {
    let digits = teff::data::mnist("../../../data/mnist").unwrap().test;
    let graph = network();
    // Every tenth digit of the test set.
    let scenes: Vec<Scene> =
        (0..1000).map(|i| Scene::digit(digits.sample(10 * i), SEED + i as u64)).collect();
    let said = answers(&graph, digits.classes(), &scenes);
    let right: Vec<bool> =
        (0..1000).map(|i| said[i].is_some_and(|d| d.class == usize::from(digits.labels()[10 * i]))).collect();
    let all = share(&right, &scenes, |_| true);
    let silent = said.iter().filter(|d| d.is_none()).count();
    println!("{all:.1} % right, {silent} of 1000 not named");
    println!("paper {:.1} %", share(&right, &scenes, |s| matches!(s.subject, Subject::Paper(_))));
    println!("screen {:.1} %", share(&right, &scenes, |s| matches!(s.subject, Subject::Screen(_))));
    for least in [30.0, 45.0, 60.0, 75.0] {
        let size = |s: &Scene| match &s.subject {
            Subject::Paper(digit) | Subject::Screen(digit) => digit.size_percent,
            Subject::Clutter(_) => 0.0,
        };
        let within = share(&right, &scenes, |s| (least..least + 15.0).contains(&size(s)));
        println!("{least} to {} % of the frame's width: {within:.1} %", least + 15.0);
    }
    // 95.9 were right when this was written; 92 is what must be, whatever is changed.
    assert!(all >= 95.5, "{all} % right");
}

#[test]
fn a_hundred_scenes_without_a_digit() {
    let classes: Vec<String> = (0..10).map(|c| c.to_string()).collect();
    let scenes: Vec<Scene> = (0..100).map(|i| Scene::clutter(SEED + i)).collect();
    let said = answers(&network(), &classes, &scenes);
    for (scene, decision) in scenes.iter().zip(&said) {
        if let Some(d) = decision {
            println!("{:?}, seed {}: {} with {} %", scene.subject, scene.seed, d.class, d.percent);
        }
    }
    let named = said.iter().flatten().count();
    assert!(named <= 5, "{named} of 100 answered with a digit");
}

#[test]
fn mnist_itself_is_not_forgotten() {
    let digits = teff::data::mnist("../../../data/mnist").unwrap().test;
    let accuracy = predict(&network(), &digits, 2).unwrap().confusion(&digits).accuracy();
    assert!(accuracy >= 0.98, "{accuracy}");
}

#[test]
fn the_network_takes_pixels_less_128() {
    let graph = network();
    let (scale, zero) = quantization(&graph, graph.inputs()[0]).unwrap().single().unwrap();
    assert!((scale * 255.0 - 1.0).abs() < 1e-6 && zero == -128, "{scale} {zero}");
}
