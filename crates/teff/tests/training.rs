//! The training loop: learns, repeats bit for bit, and goes on from a checkpoint as if it had never stopped.

use std::ops::ControlFlow;
use std::path::Path;
use teff::checkpoint::Checkpoint;
use teff::data::{Augment, Dataset, Samples};
use teff::model::{Model, ModelSpec};
use teff::train::{Rule, Settings, Trainable, Trainer};
use teff::{Error, Schedule, predict};

/// 96 images of 8x8: a bright bar across (class 0) or down (class 1), somewhere.
fn bars() -> Dataset {
    let mut pixels = Vec::new();
    let mut labels = Vec::new();
    for i in 0..96usize {
        let (class, place) = (i % 2, i / 2 % 8);
        for p in 0..64 {
            let on = if class == 0 { p / 8 == place } else { p % 8 == place };
            pixels.push(if on { 200 + (i % 50) as u8 } else { (i * p % 40) as u8 });
        }
        labels.push(class as u16);
    }
    Dataset::new(Samples::U8(pixels), vec![1, 8, 8], labels, vec!["across".into(), "down".into()]).unwrap()
}

const SMALL: &str = r#"
    name = "small"
    [[layer]]
    kind = "conv"
    out = 4
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
    kind = "flatten"
    [[layer]]
    kind = "dropout"
    rate = 0.1
    [[layer]]
    kind = "linear"
    out = "classes"
"#;

fn small(data: &Dataset) -> Model {
    ModelSpec::parse("small.toml", SMALL).unwrap().build(data.shape(), data.classes().len(), 7).unwrap()
}

fn settings(threads: usize) -> Settings {
    Settings {
        epochs: 6,
        batch: 16,
        rate: 0.02,
        schedule: Schedule::Cosine,
        augment: Some(Augment { shift: 0.5, ..Augment::none() }),
        threads,
        ..Settings::default()
    }
}

fn weights(model: &Model) -> Vec<Vec<u8>> {
    model.params().iter().map(|p| p.value().to_le_bytes()).collect()
}

fn run(trainer: &mut Trainer) {
    while !trainer.is_done() {
        trainer.epoch(|_| ControlFlow::Continue(())).unwrap();
    }
}

#[test]
fn learns_and_repeats_bit_for_bit() {
    let data = bars();
    for threads in [1, 2] {
        let runs: Vec<_> = (0..2)
            .map(|_| {
                let model = small(&data);
                run(&mut Trainer::new(&model, &data, settings(threads)).unwrap());
                let accuracy =
                    predict(&model.graph(10).unwrap(), &data, 1).unwrap().confusion(&data).accuracy();
                assert!(accuracy > 0.95, "{accuracy}");
                weights(&model)
            })
            .collect();
        assert_eq!(runs[0], runs[1], "with {threads} threads");
    }
}

#[test]
fn a_stopped_training_goes_on_as_if_it_had_not_stopped() {
    let data = bars();
    let whole = small(&data);
    run(&mut Trainer::new(&whole, &data, settings(1)).unwrap());

    let first = small(&data);
    let mut trainer = Trainer::new(&first, &data, settings(1)).unwrap();
    trainer.epoch(|_| ControlFlow::Continue(())).unwrap();
    let p = trainer
        .epoch(|p| if p.step == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        .unwrap();
    assert_eq!((p.epoch, p.step, p.steps), (1, 3, 6));
    let bytes = trainer.checkpoint().to_bytes();

    let second = small(&data);
    let mut trainer = Trainer::new(&second, &data, settings(1)).unwrap();
    trainer.resume(&Checkpoint::from_bytes(&bytes).unwrap(), Path::new("c.safetensors")).unwrap();
    assert_eq!(trainer.progress(), p);
    run(&mut trainer);
    assert_eq!(weights(&second), weights(&whole));
}

#[test]
fn a_checkpoint_of_something_else_is_refused_and_changes_nothing() {
    let data = bars();
    let model = small(&data);
    let mut other = settings(1);
    other.rate = 0.5;
    let checkpoint = Trainer::new(&model, &data, other).unwrap().checkpoint();
    let before = weights(&model);
    let mut trainer = Trainer::new(&model, &data, settings(1)).unwrap();
    let e = trainer.resume(&checkpoint, Path::new("c.safetensors")).unwrap_err().to_string();
    assert!(e.starts_with("checkpoint c.safetensors: was made with settings"), "{e}");
    let mut missing = trainer.checkpoint();
    missing.tensors.remove("conv1.weight").unwrap();
    let e = trainer.resume(&missing, Path::new("c.safetensors")).unwrap_err().to_string();
    assert!(e.contains("holds other tensors"), "{e}");
    assert_eq!(weights(&model), before);
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let data = bars();
    let model = small(&data);
    let refused = |change: fn(&mut Settings)| {
        let mut s = settings(1);
        change(&mut s);
        match Trainer::new(&model, &data, s) {
            Err(Error::Setting(reason)) => reason,
            Err(e) => panic!("{e}"),
            Ok(_) => panic!("was accepted"),
        }
    };
    assert_eq!(refused(|s| s.batch = 97), "96 samples do not fill a batch of 97; choose a smaller one");
    assert_eq!(refused(|s| s.rate = f64::NAN), "the learning rate is NaN, and must be above 0");
    assert!(
        refused(|s| s.rule = Rule::Sgd { momentum: 1.5, nesterov: false }).starts_with("the momentum is 1.5")
    );
    assert!(refused(|s| s.label_smoothing = -0.1).starts_with("label smoothing is -0.1"));
    assert_eq!(refused(|s| s.epochs = 0), "epochs, batch and threads must be at least 1");
    let mlp = ModelSpec::preset("mlp").unwrap().build(&[1, 28, 28], 10, 1).unwrap();
    let Err(e) = Trainer::new(&mlp, &data, settings(1)) else { panic!("was accepted") };
    assert!(e.to_string().contains("takes samples of shape [1, 28, 28], the data has [1, 8, 8]"), "{e}");
}

#[test]
fn a_training_that_diverges_says_so() {
    let data = bars();
    let model = ModelSpec::preset("mlp").unwrap().build(data.shape(), 2, 1).unwrap();
    let wild = Settings { rate: 1e30, rule: Rule::Sgd { momentum: 0.0, nesterov: false }, ..settings(1) };
    let mut trainer = Trainer::new(&model, &data, wild).unwrap();
    let e = (0..6)
        .find_map(|_| trainer.epoch(|_| ControlFlow::Continue(())).err())
        .expect("diverges")
        .to_string();
    assert!(e.contains("the training diverged; lower the learning rate"), "{e}");
}

#[test]
fn batches_of_any_size_predict_the_same() {
    let data = bars();
    let model = small(&data);
    let one = predict(&model.graph(1).unwrap(), &data, 1).unwrap();
    let seven = predict(&model.graph(7).unwrap(), &data, 1).unwrap();
    assert_eq!(one.classes, seven.classes);
    assert!(one.logits.iter().zip(&seven.logits).all(|(a, b)| (a - b).abs() < 1e-5));
    assert!((0.5..=1.0).contains(&one.confidence(0)));
}
