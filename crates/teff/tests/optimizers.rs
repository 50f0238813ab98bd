//! Each update rule against its formula worked out by hand, and training that makes the loss smaller.

use teff::nn::{Activation, BatchNorm, Dropout, Gru, LastStep, Layer, Linear, Lstm, Pass, Sequential};
use teff::{DType, Optimizer, Param, Rng, Run, Schedule, Step, Tensor, Value};

/// The parameter after each of three steps on the loss 3 p^2 / 2, whose gradient is 3 p, from p = 1.
fn steps(mut optimizer: Optimizer) -> Vec<f64> {
    let p = Param::new("p", Value::new([1, 1], vec![1.0f32]));
    let loss = (Tensor::param(&p).square() * 1.5).sum(&[]);
    let updates = optimizer.minimize(&loss).unwrap();
    let mut step = Step::new(&[], &[&loss], &updates, 1).unwrap();
    let mut out = Vec::new();
    for _ in 0..3 {
        step.run().unwrap();
        out.push(p.value().get(0).as_f64());
    }
    out
}

fn close(got: &[f64], expected: &[f64]) {
    for (g, e) in got.iter().zip(expected) {
        assert!((g - e).abs() < 1e-6, "{got:?} is not {expected:?}");
    }
    assert_eq!(got.len(), expected.len());
}

/// Runs `rule(t, g, p) -> p` three times in f64.
fn by_hand(mut rule: impl FnMut(i32, f64, f64) -> f64) -> Vec<f64> {
    let mut p = 1.0;
    (1..=3)
        .map(|t| {
            p = rule(t, 3.0 * p, p);
            p
        })
        .collect()
}

#[test]
fn sgd_momentum_and_nesterov() {
    close(&steps(Optimizer::sgd(0.1)), &by_hand(|_, g, p| p - 0.1 * g));
    let mut v = 0.0;
    let momentum = by_hand(|_, g, p| {
        v = 0.9 * v + g;
        p - 0.1 * v
    });
    close(&steps(Optimizer::momentum(0.1, 0.9, false)), &momentum);
    let mut v = 0.0;
    let nesterov = by_hand(|_, g, p| {
        v = 0.9 * v + g;
        p - 0.1 * (g + 0.9 * v)
    });
    close(&steps(Optimizer::momentum(0.1, 0.9, true)), &nesterov);
}

#[test]
fn adam_and_adamw() {
    let adam = |decay: f64, decoupled: bool| {
        let (mut m, mut v) = (0.0, 0.0);
        by_hand(|t, g, p| {
            let g = if decoupled { g } else { g + decay * p };
            m = 0.9 * m + 0.1 * g;
            v = 0.999 * v + 0.001 * g * g;
            let change = 0.01 * (m / (1.0 - 0.9f64.powi(t))) / ((v / (1.0 - 0.999f64.powi(t))).sqrt() + 1e-8);
            let kept = if decoupled { p - 0.01 * decay * p } else { p };
            kept - change
        })
    };
    close(&steps(Optimizer::adam(0.01)), &adam(0.0, false));
    close(&steps(Optimizer::adam(0.01).weight_decay(0.5)), &adam(0.5, false));
    close(&steps(Optimizer::adamw(0.01, 0.5)), &adam(0.5, true));
}

#[test]
fn gradients_are_clipped_to_their_common_norm() {
    let (a, b) = (Param::new("a", Value::scalar(0.0f32)), Param::new("b", Value::scalar(0.0f32)));
    let loss = Tensor::param(&a) * 3.0 + Tensor::param(&b) * 4.0;
    let updates = Optimizer::sgd(1.0).clip_norm(1.0).minimize(&loss).unwrap();
    Step::new(&[], &[&loss], &updates, 1).unwrap().run().unwrap();
    close(&[a.value().get(0).as_f64(), b.value().get(0).as_f64()], &[-0.6, -0.8]);
}

#[test]
fn a_parameter_used_twice_is_updated_once_by_the_sum() {
    let p = Param::new("p", Value::scalar(1.0f32));
    let loss = Tensor::param(&p) * 2.0 + Tensor::param(&p) * 3.0;
    let updates = Optimizer::sgd(0.1).minimize(&loss).unwrap();
    assert_eq!(updates.len(), 1);
    Step::new(&[], &[&loss], &updates, 1).unwrap().run().unwrap();
    close(&[p.value().get(0).as_f64()], &[0.5]);
}

#[test]
fn schedules_begin_turn_and_end_where_they_should() {
    close(&[0.0, 0.5, 0.99].map(|t| Schedule::Constant.at(t)), &[1.0, 1.0, 1.0]);
    let step = Schedule::Step { every: 0.25, factor: 0.5 };
    close(&[0.0, 0.24, 0.25, 0.6, 1.0].map(|t| step.at(t)), &[1.0, 1.0, 0.5, 0.25, 0.0625]);
    close(&[0.0, 0.5, 1.0].map(|t| Schedule::Cosine.at(t)), &[1.0, 0.5, 0.0]);
    let cycle = Schedule::OneCycle { warmup: 0.3 };
    close(&[0.0, 0.15, 0.3, 0.65, 1.0].map(|t| cycle.at(t)), &[0.04, 0.52, 1.0, 0.500_002, 4e-6]);
}

#[test]
fn batch_norm_learns_the_statistics_it_uses_later() {
    let norm = BatchNorm::new("norm", 2);
    let x = Tensor::constant(Value::new([4, 2], vec![1.0f32, 10.0, 3.0, 10.0, 5.0, 30.0, 7.0, 30.0]));
    let pass = Pass::training(1);
    let y = norm.forward(&x, &pass);
    let mut step = Step::new(&[], &[&y], &pass.updates(), 1).unwrap();
    for _ in 0..200 {
        step.run().unwrap();
    }
    let normal: Vec<f64> = step.output_value(0).to_f64();
    assert!((normal.iter().sum::<f64>()).abs() < 1e-5 && (normal[0] + 1.341_640).abs() < 1e-4, "{normal:?}");
    // Mean 4 and 20; unbiased variances 20/3 and 400/3.
    let mean = norm.mean.value().to_f64();
    assert!((mean[0] - 4.0).abs() < 1e-5 && (mean[1] - 20.0).abs() < 5e-5, "{mean:?}");
    let after = norm.forward(&x, &Pass::evaluation()).to_vec::<f32>().unwrap();
    assert!((after[0] + 3.0 / (20.0f32 / 3.0).sqrt()).abs() < 1e-3, "{after:?}");
}

#[test]
fn dropout_drops_its_share_differently_each_step_and_nothing_in_use() {
    let x = Tensor::ones(&[100, 100]);
    let drop = Dropout { rate: 0.3 };
    let pass = Pass::training(5);
    let (a, b) = (drop.forward(&x, &pass), drop.forward(&x, &pass));
    let mut step = Step::new(&[], &[&a, &b], &pass.updates(), 1).unwrap();
    let mut seen: Vec<Vec<f32>> = Vec::new();
    for _ in 0..2 {
        step.run().unwrap();
        seen.extend([step.output::<f32>(0).to_vec(), step.output::<f32>(1).to_vec()]);
    }
    for (i, mask) in seen.iter().enumerate() {
        let zeros = mask.iter().filter(|&&v| v == 0.0).count();
        assert!((2800..3200).contains(&zeros), "{zeros} of 10000 are zero");
        assert!(mask.iter().all(|&v| v == 0.0 || (v - 1.0 / 0.7).abs() < 1e-6));
        assert!(seen[..i].iter().all(|other| other != mask), "draw {i} repeats an earlier one");
    }
    assert_eq!(drop.forward(&x, &Pass::evaluation()).to_vec::<f32>().unwrap(), vec![1.0; 10_000]);
}

/// Loss before and after training `layers` to tell sequences of rising from sequences of falling numbers.
fn learn_direction(layers: &[&dyn Layer]) -> (f32, f32) {
    let x = Tensor::input("x", DType::F32, &[8, 5, 1]);
    let y = Tensor::input("y", DType::I32, &[8]);
    let loss = x.sequential(layers, &Pass::training(1)).cross_entropy(&y);
    let updates = Optimizer::adam(0.05).minimize(&loss).unwrap();
    let mut step = Step::new(&[&x, &y], &[&loss], &updates, 1).unwrap();
    let mut losses = Vec::new();
    for round in 0..40 {
        for i in 0..8 {
            let rises = (i + round) % 2 == 0;
            step.input_mut::<i32>(1)[i] = rises as i32;
            for t in 0..5 {
                let level = if rises { t } else { 4 - t };
                step.input_mut::<f32>(0)[i * 5 + t] = (level as f32 + i as f32 * 0.3) / 5.0 - 0.5;
            }
        }
        step.run().unwrap();
        losses.push(step.item(0));
    }
    (losses[0], losses[39])
}

#[test]
fn recurrent_layers_learn_what_only_order_tells() {
    let mut rng = Rng::new(3);
    let (lstm, gru) = (Lstm::new("lstm", 1, 6, &mut rng), Gru::new("gru", 1, 6, &mut rng));
    let head = Linear::new("head", 6, 2, &mut rng);
    let (before, after) = learn_direction(&[&lstm, &LastStep, &head]);
    assert!(before > 0.5 && after < 0.2, "LSTM: {before} to {after}");
    let head = Linear::new("head", 6, 2, &mut rng);
    let (before, after) = learn_direction(&[&gru, &LastStep, &Activation::Tanh, &head]);
    assert!(before > 0.5 && after < 0.2, "GRU: {before} to {after}");
}
