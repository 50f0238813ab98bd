//! Training for numbers, and on windows of a signal.

use std::ops::ControlFlow;
use std::path::Path;
use teff::checkpoint::Checkpoint;
use teff::data::{Column, Dataset, Samples, Targets};
use teff::graph::{Value, evaluate};
use teff::metrics::Quality;
use teff::model::{Model, ModelSpec, Standard};
use teff::train::{Goal, Loss, Score, Settings, Trainable, Trainer};
use teff::{Schedule, outputs};

fn column(name: &str, shape: &[usize], values: Vec<f32>) -> Column {
    Column { name: name.into(), shape: shape.to_vec(), samples: Samples::F32(values) }
}

/// Two numbers of two features in other units, spread over a grid: 3 a - b / 500 + 900 and a / 1e6 + b * 1e4.
fn table() -> Dataset {
    let rows: Vec<(f32, f32)> =
        (0..160).map(|i| (i as f32 % 16.0 / 8.0 - 1.0, 1e5 + (i / 16) as f32 * 300.0)).collect();
    let x = rows.iter().flat_map(|&(a, b)| [a, b]).collect();
    let y = rows.iter().flat_map(|&(a, b)| [3.0 * a - b / 500.0 + 900.0, a / 1e6 + b * 1e4]).collect();
    Dataset::of(vec![column("x", &[2], x)], Targets::Values(vec![column("y", &[2], y)])).unwrap()
}

const LINEAR: &str = "[[layer]]\nkind = \"linear\"\nout = \"classes\"";

fn linear(data: &Dataset) -> Model {
    let goal = Goal::new(data, Loss::Auto, 0.0).unwrap();
    let mut model = ModelSpec::parse("linear", LINEAR).unwrap().build(data.shape(), goal.width(), 3).unwrap();
    model.standardise(Standard::of_samples(&data.inputs()[0]).unwrap());
    model.gives_numbers(goal.unit().unwrap());
    model
}

fn settings(loss: Loss) -> Settings {
    Settings {
        epochs: 60,
        batch: 16,
        rate: 0.03,
        schedule: Schedule::Cosine,
        loss,
        threads: 1,
        ..Settings::default()
    }
}

fn run(trainer: &mut Trainer) {
    while !trainer.is_done() {
        trainer.epoch(|_| ControlFlow::Continue(())).unwrap();
    }
}

fn weights(model: &Model) -> Vec<Vec<u8>> {
    model.params().iter().map(|p| p.value().to_le_bytes()).collect()
}

#[test]
fn a_linear_network_finds_the_line_in_the_targets_own_units() {
    let data = table();
    for loss in [Loss::Auto, Loss::Mse, Loss::Huber] {
        let model = linear(&data);
        let mut trainer = Trainer::new(&model, &data, settings(loss)).unwrap();
        run(&mut trainer);
        // What the line says of a sample that was not learned from, worked by hand.
        let said =
            evaluate(&model.graph(1).unwrap(), &[Value::new([1, 2], vec![0.3f32, 101_000.0])]).unwrap();
        let said = said[0].as_slice::<f32>().unwrap();
        assert!((said[0] - 698.9).abs() < 0.05, "{loss:?}: {said:?}");
        assert!((said[1] / 1.01e9 - 1.0).abs() < 1e-4, "{loss:?}: {said:?}");
        let goal = Goal::new(&data, loss, 0.0).unwrap();
        let Quality::Fit(fit) = goal.quality(&outputs(&model.graph(1).unwrap(), &data, 1).unwrap()[0]) else {
            panic!("numbers")
        };
        assert!(fit.r2 > 0.9999, "{loss:?}: {fit:?}");
    }
}

/// Who says the mean has a squared error of the variance: 1 in its own unit, whatever the targets are measured in.
#[test]
fn losses_are_in_deviations_of_the_targets() {
    let data = table();
    let model = linear(&data);
    model.params().iter().for_each(|p| p.set(Value::zeros(p.ty())).unwrap());
    let settings = Settings { batch: data.len(), rate: 1e-9, ..settings(Loss::Mse) };
    let p = Trainer::new(&model, &data, settings).unwrap().epoch(|_| ControlFlow::Continue(())).unwrap();
    let Score::R2(r2) = p.score else { panic!("numbers") };
    assert!((p.loss - 1.0).abs() < 1e-4 && r2.abs() < 1e-4, "{p:?}");
}

#[test]
fn a_stopped_training_for_numbers_goes_on_as_if_it_had_not_stopped() {
    let data = table();
    let (whole, half) = (linear(&data), linear(&data));
    let settings = Settings { epochs: 3, ..settings(Loss::Huber) };
    run(&mut Trainer::new(&whole, &data, settings.clone()).unwrap());
    let mut trainer = Trainer::new(&half, &data, settings.clone()).unwrap();
    trainer.epoch(|p| if p.step == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }).unwrap();
    let (stood, bytes) = (trainer.progress(), trainer.checkpoint().to_bytes());
    let other = linear(&data);
    let mut trainer = Trainer::new(&other, &data, settings).unwrap();
    trainer.resume(&Checkpoint::from_bytes(&bytes).unwrap(), Path::new("c.safetensors")).unwrap();
    assert_eq!(trainer.progress(), stood);
    run(&mut trainer);
    assert_eq!(weights(&other), weights(&whole));
}

#[test]
fn losses_that_do_not_fit_the_targets_say_what_does() {
    let data = table();
    let model = linear(&data);
    let fault = |data: &Dataset, change: fn(&mut Settings)| {
        let mut settings = settings(Loss::Auto);
        change(&mut settings);
        let Err(e) = Trainer::new(&model, data, settings) else { panic!("was accepted") };
        e.to_string()
    };
    let e = fault(&data, |s| s.loss = Loss::CrossEntropy);
    assert!(e.contains("choose mse or huber, or store classes as whole numbers"), "{e}");
    let e = fault(&data, |s| s.label_smoothing = 0.1);
    assert!(e.contains("label smoothing is for classes"), "{e}");
    let with = |targets: Targets| Dataset::of(data.inputs().to_vec(), targets).unwrap();
    let e = fault(&with(Targets::Missing), |_| ());
    assert!(e.contains("does not say what is to be found"), "{e}");
    let e = fault(&with(Targets::Values(vec![column("y", &[3], vec![0.0; 480])])), |_| ());
    assert!(e.contains("the model gives [2] numbers a sample, the data has 3 numbers to be found"), "{e}");
    let two = [data.inputs(), &[column("z", &[1], vec![0.0; 160])]].concat();
    let e = fault(&Dataset::of(two, data.targets().clone()).unwrap(), |_| ());
    assert!(e.contains("has 2 arrays of samples") && e.contains("take \"z\" out"), "{e}");
}

/// 24 windows of 20 steps and 3 axes about 9.81, steps first or axes first.
fn windows(steps_first: bool) -> Dataset {
    let value = |i: usize, step: usize, axis: usize| {
        9.81 + ((i % 2 + 1) as f32 * step as f32 + axis as f32).sin() * (axis + 1) as f32
    };
    let shape = if steps_first { [20, 3] } else { [3, 20] };
    let mut x = Vec::new();
    for i in 0..24 {
        for first in 0..shape[0] {
            let of = |last| if steps_first { value(i, first, last) } else { value(i, last, first) };
            x.extend((0..shape[1]).map(of));
        }
    }
    let targets = Targets::Classes {
        labels: (0..24).map(|i| i % 2).collect(),
        names: vec!["slow".into(), "fast".into()],
    };
    Dataset::of(vec![column("x", &shape, x)], targets).unwrap()
}

#[test]
fn windows_mean_the_same_whichever_axis_comes_first() {
    for preset in ["cnn1d", "tcn", "gru"] {
        let trained = [true, false].map(|steps_first| {
            let data = windows(steps_first);
            let mut model = ModelSpec::preset(preset).unwrap().build(data.shape(), 2, 1).unwrap();
            model.standardise(Standard::of_samples(&data.inputs()[0]).unwrap());
            let first = model.params()[0].ty().shape.clone();
            assert_eq!(first[1], 3, "{preset}: the first layer takes three axes, not {first:?}");
            let settings = Settings { epochs: 2, batch: 8, threads: 1, ..Settings::default() };
            run(&mut Trainer::new(&model, &data, settings).unwrap());
            outputs(&model.graph(1).unwrap(), &data, 1).unwrap().remove(0)
        });
        assert_eq!(trained[0], trained[1], "{preset}");
    }
}

#[test]
fn windows_of_bytes_are_windows() {
    for preset in ["cnn1d", "gru"] {
        let build = |shape: &[usize]| ModelSpec::preset(preset).unwrap().build(shape, 2, 1);
        let sizes = |model: Model| model.params().iter().map(|p| p.ty().shape.clone()).collect::<Vec<_>>();
        assert_eq!(sizes(build(&[1, 20, 3]).unwrap()), sizes(build(&[20, 3]).unwrap()), "{preset}");
        let Err(e) = build(&[3, 20, 20]) else { panic!("was accepted") };
        assert!(e.to_string().contains("takes windows of a signal"), "{e}");
    }
}

/// y[t] = b + w0 x[t - 4] + w1 x[t - 2] + w2 x[t], with zeros before the first step.
#[test]
fn causal_convolutions_see_nothing_that_comes_after() {
    let layer = "kind = \"conv\"\nout = 1\nkernel = 3\ndilation = 2\ncausal = true";
    let text = format!("[[layer]]\nkind = \"channels_first\"\n[[layer]]\n{layer}");
    let model = ModelSpec::parse("causal", &text).unwrap().build(&[7], 1, 1).unwrap();
    assert_eq!(model.output, [1, 7]);
    let x: Vec<f32> = (0..7).map(|t| (t * t) as f32 - 5.0).collect();
    let said = evaluate(&model.graph(1).unwrap(), &[Value::new([1, 7], x.clone())]).unwrap();
    let [w, b] = &model.params()[..] else { panic!("a weight and a bias") };
    let (w, b) = (w.value().to_f64(), b.value().to_f64()[0]);
    let at = |t: i32| if t < 0 { 0.0 } else { f64::from(x[t as usize]) };
    for (t, y) in said[0].to_f64().iter().enumerate() {
        let t = t as i32;
        let expected = b + w[0] * at(t - 4) + w[1] * at(t - 2) + w[2] * at(t);
        assert!((y - expected).abs() < 1e-5, "step {t}: {y}, not {expected}");
    }
    let padded = format!("[[layer]]\n{layer}\npadding = 1");
    let Err(e) = ModelSpec::parse("m.toml", &padded) else { panic!("was accepted") };
    assert!(e.to_string().contains("leave padding out"), "{e}");
}
