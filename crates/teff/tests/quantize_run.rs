//! Quantisation from beginning to end on small networks: what is chosen, what is corrected, and what is said where it fails.

use std::ops::ControlFlow;
use teff::data::{Dataset, Samples};
use teff::quantize::{self, Calibration, Interface, Network, Quantised, Scheme, Settings, nearest, quantize};
use teff::{DType, Graph, Tensor, Value, predict};

fn noise(i: usize) -> f32 {
    let bits = teff::graph::random_bits(11, i as u64);
    (bits >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

fn constant(shape: &[usize], f: impl Fn(usize) -> f32) -> Tensor {
    Tensor::constant(Value::new(shape.to_vec(), (0..shape.iter().product()).map(f).collect::<Vec<f32>>()))
}

/// Samples of 16 numbers from 0 to 1; the class is the group of four with the largest sum.
fn data(count: usize) -> Dataset {
    let mut x = Vec::new();
    let mut labels = Vec::new();
    for n in 0..count {
        let sample: Vec<f32> = (0..16).map(|i| (noise(n * 16 + i) + 1.0) / 2.0).collect();
        let sums: Vec<f32> = sample.chunks(4).map(|c| c.iter().sum()).collect();
        labels.push(teff::metrics::argmax(&sums) as u16);
        x.extend(sample);
    }
    let classes = ["a", "b", "c", "d"].map(String::from).to_vec();
    Dataset::new(Samples::F32(x), vec![16], labels, classes).unwrap()
}

/// Sums the groups, with one more neuron that is `outlier` times the sum of all and has next to no say.
fn network(outlier: f32, activation: fn(&Tensor) -> Tensor) -> Graph {
    let x = Tensor::input("x", DType::F32, &[1, 16]);
    let sums = constant(&[16, 5], |i| match (i / 5, i % 5) {
        (_, 4) => outlier,
        (input, group) => f32::from(u8::from(input / 4 == group)) + 0.01 * noise(i),
    });
    let h = activation(&(x.matmul(&sums).named("sums") + constant(&[5], |i| 0.02 * noise(i))));
    let say = constant(&[5, 4], |i| {
        if i / 4 == i % 4 {
            1.0
        } else if i / 4 == 4 {
            1e-4 * noise(i) / outlier.max(1.0)
        } else {
            0.01 * noise(i)
        }
    });
    let y = h.matmul(&say).named("say") + constant(&[4], |i| 0.1 * noise(i));
    Graph::from_tensors("groups", &[x], &[("y", y)]).unwrap()
}

fn run(graph: &Graph, settings: &Settings) -> Quantised {
    quantize(graph, &data(400), settings, &mut |_, _, _| ControlFlow::Continue(())).unwrap()
}

fn accuracy(graph: &Graph) -> f64 {
    let test = data(300);
    predict(graph, &test, 1).unwrap().confusion(&test).accuracy()
}

#[test]
fn a_sound_network_stays_what_it_is() {
    let graph = network(1.0, Tensor::relu);
    let done = run(&graph, &Settings::default());
    assert!((accuracy(&done.graph) - accuracy(&graph)).abs() < 0.015);
    assert!(done.report.sqnr > 35.0, "{}", done.report.sqnr);
    assert!(done.report.findings.is_empty());
    assert_eq!(done.report.tried.len(), 4);
    let ranks: Vec<usize> = done.report.layers.iter().map(|l| l.rank).collect();
    assert!(ranks == [1, 2] || ranks == [2, 1]);
    assert_eq!(done.report.bytes, 16 * 5 + 5 * 4 + 8 * 9);
    // The same again, to the bit.
    let again = run(&graph, &Settings::default());
    let bytes = |q: &Quantised| teff::onnx::write(&q.graph, &Default::default()).unwrap();
    assert_eq!(bytes(&done), bytes(&again));
}

#[test]
fn an_outlier_channel_is_named_with_a_remedy_that_works() {
    let graph = network(2000.0, Tensor::relu);
    let float = accuracy(&graph);
    assert!(float > 0.9);
    let plain = Settings { equalise: false, bias_correction: false, widen: false, ..Settings::default() };
    let collapsed = run(&graph, &plain);
    assert!(accuracy(&collapsed.graph) < 0.6);
    assert_eq!(collapsed.report.findings.len(), 1);
    let finding = &collapsed.report.findings[0];
    assert_eq!(finding.layer, "sums");
    assert!(finding.cause.contains("channel 4"), "{}", finding.cause);
    assert_eq!(finding.remedies[0].option, "--equalize on");
    assert_eq!(finding.remedies.last().unwrap().option, "--keep sums");
    // The remedies, taken.
    let equalised = run(&graph, &Settings { equalise: true, ..plain.clone() });
    assert!(equalised.report.equalised[0].applied && equalised.report.findings.is_empty());
    assert!((accuracy(&equalised.graph) - float).abs() < 0.02);
    let kept = run(&graph, &Settings { keep: vec!["sums".into()], ..plain });
    assert!((accuracy(&kept.graph) - float).abs() < 0.02);
    assert_eq!(kept.report.layers[0].bits, 32);
}

#[test]
fn a_channel_that_cannot_be_equalised_is_kept_float_or_cut() {
    // What is behind a SiLU does not scale with what is before it.
    let graph = network(2000.0, Tensor::silu);
    let collapsed = run(&graph, &Settings::default());
    assert!(collapsed.report.equalised.is_empty());
    let finding = &collapsed.report.findings[0];
    assert_eq!(finding.layer, "sums");
    assert!(
        finding.remedies.iter().any(|r| r.option == "--keep sums" && r.accuracy > Some(0.9)),
        "{finding:?}"
    );
}

#[test]
fn equalisation_keeps_the_function() {
    let network = Network::new(&network(50.0, Tensor::relu)).unwrap();
    let samples = quantize::Samples::choose(&network.graph, &data(100), 100, 1).unwrap();
    let seen = quantize::observe(&network, &samples, 1).unwrap();
    let pairs = quantize::pairs(&network);
    assert_eq!((pairs.len(), pairs[0].first, pairs[0].second), (1, 0, 1));
    let factors = quantize::factors(&network, &pairs[0], &seen).unwrap();
    let changed = quantize::equalised(&network, &pairs[0], &factors);
    let test = data(50);
    let (a, b) = (predict(&network.graph, &test, 1).unwrap(), predict(&changed.graph, &test, 1).unwrap());
    a.logits
        .iter()
        .zip(&b.logits)
        .for_each(|(x, y)| assert!((x - y).abs() < 1e-5 * (1.0 + x.abs()), "{x} {y}"));
    // Afterwards every channel reaches as far as the weights behind it, up to one factor for all.
    let after = quantize::observe(&changed, &samples, 1).unwrap();
    let peaks = &after[changed.layers[0].output.unwrap()].peaks;
    let weights = changed.constant(changed.layers[1].weight).to_f64();
    let ratio =
        |c: usize| f64::from(peaks[c]) / weights[c * 4..c * 4 + 4].iter().fold(0.0f64, |m, w| m.max(w.abs()));
    (1..5).for_each(|c| assert!((ratio(c) / ratio(0) - 1.0).abs() < 1e-3, "{c}"));
}

#[test]
fn convolutions_are_equalised_through_pooling_and_flattening() {
    let x = Tensor::input("x", DType::F32, &[1, 1, 8, 8]);
    let reach = |i: usize| if i / 9 == 1 { 40.0 } else { 1.0 };
    let h = x.conv2d(&constant(&[3, 1, 3, 3], |i| noise(i) * reach(i)), 1, 1, 1, 1).named("c1");
    let h = (h + constant(&[3, 1, 1], noise)).relu().max_pool2d(2, 2);
    let h = h
        .conv2d(&constant(&[3, 1, 3, 3], |i| noise(i + 40) * if i / 9 == 2 { 9.0 } else { 1.0 }), 1, 1, 1, 3)
        .named("dw");
    let y = h.relu().avg_pool2d(2, 2).flatten(1).matmul(&constant(&[12, 2], |i| noise(i + 90))).named("fc");
    let network = Network::new(&Graph::from_tensors("net", &[x], &[("y", y)]).unwrap()).unwrap();
    let x = (0..20 * 64).map(|i| noise(i + 1000)).collect();
    let labels = (0..20).map(|i| i % 2).collect();
    let data = Dataset::new(Samples::F32(x), vec![1, 8, 8], labels, vec!["a".into(), "b".into()]).unwrap();
    let samples = quantize::Samples::choose(&network.graph, &data, 20, 1).unwrap();
    let pairs = quantize::pairs(&network);
    assert_eq!(pairs.iter().map(|p| (p.first, p.second)).collect::<Vec<_>>(), [(0, 1), (1, 2)]);
    let mut changed = network.clone();
    for pair in &pairs {
        let seen = quantize::observe(&changed, &samples, 1).unwrap();
        let factors = quantize::factors(&changed, pair, &seen).unwrap();
        assert!(factors.iter().any(|f| (f - 1.0).abs() > 0.5), "{factors:?}");
        changed = quantize::equalised(&changed, pair, &factors);
    }
    let (a, b) = (predict(&network.graph, &data, 1).unwrap(), predict(&changed.graph, &data, 1).unwrap());
    a.logits
        .iter()
        .zip(&b.logits)
        .for_each(|(x, y)| assert!((x - y).abs() < 1e-4 * (1.0 + x.abs()), "{x} {y}"));
}

#[test]
fn corrected_biases_bring_the_means_back() {
    let network = Network::new(&network(1.0, Tensor::relu)).unwrap();
    let samples = quantize::Samples::choose(&network.graph, &data(200), 200, 1).unwrap();
    let mut scheme = Scheme::float(&network);
    for i in 0..2 {
        scheme.layers[i] = Some(nearest(&network, i, 2));
    }
    let mean_error = |scheme: &Scheme| {
        let quantised = quantize::rewrite(&network, scheme, Interface::Float).unwrap();
        let test = data(200);
        let (a, b) = (predict(&network.graph, &test, 1).unwrap(), predict(&quantised, &test, 1).unwrap());
        let of = |c: usize| {
            (0..200).map(|n| f64::from(a.logits[n * 4 + c] - b.logits[n * 4 + c])).sum::<f64>() / 200.0
        };
        (0..4).map(|c| of(c).abs()).fold(0.0, f64::max)
    };
    let before = mean_error(&scheme);
    quantize::correct_biases(&network, &mut scheme, &samples, 1).unwrap();
    let after = mean_error(&scheme);
    assert!(before > 0.01 && after < before / 100.0, "{before} {after}");
}

#[test]
fn compensated_rounding_beats_the_nearest() {
    let x = Tensor::input("x", DType::F32, &[1, 16]);
    let y = x.matmul(&constant(&[16, 4], |i| noise(i + 300))).named("fc");
    let network = Network::new(&Graph::from_tensors("net", &[x], &[("y", y)]).unwrap()).unwrap();
    let all = data(300);
    let samples = quantize::Samples::choose(&network.graph, &all, 300, 1).unwrap();
    let float = predict(&network.graph, &all, 1).unwrap();
    let error = |weights: quantize::Weights| {
        let mut scheme = Scheme::float(&network);
        scheme.layers[0] = Some(weights);
        let said =
            predict(&quantize::rewrite(&network, &scheme, Interface::Float).unwrap(), &all, 1).unwrap();
        said.logits.iter().zip(&float.logits).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>()
    };
    for bits in [4, 2] {
        let plain = error(nearest(&network, 0, bits));
        let better = error(quantize::compensated(&network, 0, bits, &samples, 1).unwrap());
        assert!(better < 0.6 * plain, "{bits} bits: {better} {plain}");
    }
}

#[test]
fn a_budget_takes_bits_where_they_hurt_least() {
    let graph = network(1.0, Tensor::relu);
    let with = |budget: usize, layers: Vec<(String, u8)>| Settings {
        budget: Some(budget),
        layers,
        ..Settings::default()
    };
    let all = 16 * 5 + 5 * 4 + 8 * 9;
    let whole = run(&graph, &with(all, vec![]));
    assert_eq!(whole.report.layers.iter().map(|l| l.bits).collect::<Vec<_>>(), [8, 8]);
    let less = run(&graph, &with(all - 40, vec![]));
    assert_eq!(less.report.layers[0].bits, 4);
    assert!(less.report.bytes <= all - 40);
    let pinned = run(&graph, &with(all - 42, vec![("say".into(), 8)]));
    assert_eq!(pinned.report.layers.iter().map(|l| l.bits).collect::<Vec<_>>(), [2, 8]);
    let fails = |settings: &Settings| {
        quantize(&graph, &data(20), settings, &mut |_, _, _| ControlFlow::Continue(()))
            .unwrap_err()
            .to_string()
    };
    let message = fails(&with(60, vec![]));
    assert!(message.contains("at least 97 bytes") && message.contains("sums 120, 60 at 2 bits"), "{message}");
    let message = fails(&Settings { keep: vec!["fc1".into()], ..Settings::default() });
    assert!(message.contains("no layer or tensor is called \"fc1\"; layers are sums, say"), "{message}");
}

#[test]
fn every_method_and_interface_works() {
    let graph = network(1.0, Tensor::tanh);
    for how in Calibration::ALL {
        for (tensors, interface) in
            [(DType::I8, Interface::Float), (DType::U8, Interface::Float), (DType::I8, Interface::Int8)]
        {
            let done =
                run(&graph, &Settings { calibration: Some(how), tensors, interface, ..Settings::default() });
            assert!(done.report.sqnr > 25.0, "{how:?} {tensors} {}", done.report.sqnr);
            let expected = if interface == Interface::Int8 { DType::I8 } else { DType::F32 };
            assert_eq!(done.graph[done.graph.inputs()[0]].ty.dtype, expected);
        }
    }
}

#[test]
fn data_that_do_not_fit_are_refused_and_work_can_be_stopped() {
    let graph = network(1.0, Tensor::relu);
    let other = Dataset::new(Samples::F32(vec![0.0; 18]), vec![9], vec![0, 0], vec!["a".into()]).unwrap();
    let message =
        quantize(&graph, &other, &Settings::default(), &mut |_, _, _| ControlFlow::Continue(())).unwrap_err();
    assert!(
        message.to_string().contains("takes f32[1,16], but a sample of the data has shape [9]"),
        "{message}"
    );
    let stopped = quantize(&graph, &data(40), &Settings::default(), &mut |_, _, _| ControlFlow::Break(()));
    assert!(matches!(stopped, Err(teff::Error::Stopped)));
}
