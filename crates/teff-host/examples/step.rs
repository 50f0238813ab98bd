//! Times whole training steps on synthetic data: `cargo run --release -p teff-host --example step [mlp|cnn] [threads] [plan]`.
//!
//! Prints seconds for an epoch of 469 steps of 128 samples and where they go; with `plan` the steps of the plan instead.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use teff_graph::{DType, Graph, Param, Tensor, Type, Value, gradients};
use teff_host::{Options, Plan};

const BATCH: usize = 128;
const STEPS: usize = 469;

/// Numbers between -1 and 1 that look random.
fn noise(shape: &[usize], scale: f64) -> Value {
    let ty = Type::new(DType::F32, shape);
    let unit = |i: usize| (teff_graph::random_bits(7, i as u64) >> 40) as f64 / (1u64 << 23) as f64 - 1.0;
    Value::from_fn(&ty, |i| teff_graph::Num::Float(unit(i) * scale))
}

struct Model {
    params: Vec<Param>,
}

impl Model {
    fn param(&mut self, name: &str, shape: &[usize], fan_in: usize) -> Tensor {
        let p = Param::new(name, noise(shape, 1.0 / (fan_in as f64).sqrt()));
        self.params.push(p.clone());
        Tensor::param(&p)
    }

    fn linear(&mut self, x: &Tensor, outputs: usize) -> Tensor {
        let inputs = x.shape()[1];
        let (w, b) = (self.param("w", &[outputs, inputs], inputs), self.param("b", &[outputs], inputs));
        x.matmul(&w.transpose()) + b
    }

    fn conv(&mut self, x: &Tensor, outputs: usize) -> Tensor {
        let c = x.shape()[1];
        let (w, b) = (self.param("w", &[outputs, c, 3, 3], c * 9), self.param("b", &[outputs], c * 9));
        x.conv2d(&w, 1, 0, 1, 1) + b.per_channel(4)
    }

    fn mlp(&mut self, x: &Tensor) -> Tensor {
        let hidden = self.linear(x, 400).relu();
        self.linear(&hidden, 10)
    }

    fn cnn(&mut self, x: &Tensor) -> Tensor {
        let a = self.conv(&x.reshape(&[BATCH, 1, 28, 28]), 8).relu().max_pool2d(2, 2);
        let b = self.conv(&a, 16).relu().max_pool2d(2, 2);
        self.linear(&b.flatten(1), 10)
    }
}

/// The loss and one step of Adam (Kingma and Ba, 2015).
fn training_step(name: &str) -> (Graph, Vec<(usize, Param)>) {
    let mut model = Model { params: Vec::new() };
    let x = Tensor::input("x", DType::F32, &[BATCH, 784]);
    let labels = Tensor::input("labels", DType::I64, &[BATCH]);
    let logits = if name == "cnn" { model.cnn(&x) } else { model.mlp(&x) };
    let loss = logits.cross_entropy(&labels);
    let weights: Vec<Tensor> = model.params.iter().map(Tensor::param).collect();
    let used = used_params(&loss, &model.params);
    let grads = gradients(&[(loss.clone(), loss.full_like(1.0))], &used).unwrap();

    let count = Param::new("t", Value::scalar(0.0f32));
    let t = Tensor::param(&count) + 1.0;
    let (b1, b2, lr, eps) = (0.9, 0.999, 1e-3, 1e-8);
    let correct = |b: f64| t.full_like(1.0) - t.full_like(b).pow(&t);
    let rate = correct(b2).sqrt() / correct(b1) * lr;
    let mut outputs = vec![("loss", loss), ("t", t.clone())];
    let mut updates = vec![(1, count)];
    for (p, (w, g)) in model.params.iter().zip(weights.iter().zip(grads)) {
        let g = g.unwrap();
        let moment = |name: &str| Param::new(name, Value::zeros(p.ty()));
        let (m, v) = (moment("m"), moment("v"));
        let next_m = Tensor::param(&m) * b1 + &g * (1.0 - b1);
        let next_v = Tensor::param(&v) * b2 + &g * &g * (1.0 - b2);
        let next = w - &rate * &next_m / (next_v.sqrt() + eps);
        for (name, tensor, cell) in [("w", next, p.clone()), ("m", next_m, m), ("v", next_v, v)] {
            updates.push((outputs.len(), cell));
            outputs.push((name, tensor));
        }
    }
    (Graph::from_tensors(name, &[x, labels], &outputs).unwrap(), updates)
}

/// The tensors in `loss` that stand for `params`.
fn used_params(loss: &Tensor, params: &[Param]) -> Vec<Tensor> {
    let mut found: Vec<Option<Tensor>> = vec![None; params.len()];
    let mut open = vec![loss.clone()];
    let mut seen = std::collections::HashSet::new();
    while let Some(t) = open.pop() {
        if let teff_graph::Op::Param(p) = t.op() {
            found[params.iter().position(|q| q == p).unwrap()] = Some(t.clone());
        }
        if seen.insert(t.id()) {
            open.extend(t.operands().iter().cloned());
        }
    }
    found.into_iter().map(Option::unwrap).collect()
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let threads = args.iter().find_map(|a| a.parse().ok()).unwrap_or(1);
    let names: Vec<&str> = ["mlp", "cnn"].into_iter().filter(|n| args.iter().any(|a| a == n)).collect();
    for name in if names.is_empty() { vec!["mlp", "cnn"] } else { names } {
        let (graph, updates) = training_step(name);
        let started = Instant::now();
        let mut plan = Plan::with_updates(&graph, &updates, &Options { threads }).unwrap();
        println!("{name}: plan made in {:.1} ms", started.elapsed().as_secs_f64() * 1e3);
        if args.iter().any(|a| a == "plan") {
            println!("{}", plan.describe());
            continue;
        }
        plan.set_input(0, &noise(&[BATCH, 784], 1.0)).unwrap();
        plan.input_mut::<i64>(1).iter_mut().enumerate().for_each(|(i, l)| *l = (i * 7 % 10) as i64);
        time(&mut plan);
        breakdown(&mut plan);
    }
}

/// The best of several stretches, so that other work on the machine counts little.
fn time(plan: &mut Plan) {
    let stretch = 20;
    let mut best = f64::INFINITY;
    let started = Instant::now();
    let mut runs = 0;
    while runs < 5 * stretch || started.elapsed() < Duration::from_secs(3) {
        let t = Instant::now();
        (0..stretch).for_each(|_| plan.run().unwrap());
        best = best.min(t.elapsed().as_secs_f64() / stretch as f64);
        runs += stretch;
    }
    let mean = started.elapsed().as_secs_f64() / runs as f64;
    let epoch = |s: f64| s * STEPS as f64;
    println!(
        "  an epoch of {STEPS} steps: best {:.3} s, mean {:.3} s; loss {:.4} after {runs} steps",
        epoch(best),
        epoch(mean),
        plan.output::<f32>(0)[0]
    );
}

fn breakdown(plan: &mut Plan) {
    plan.measure();
    (0..300).for_each(|_| plan.run().unwrap());
    let times = plan.times();
    let mut kinds: BTreeMap<&str, Duration> = BTreeMap::new();
    times.iter().for_each(|(_, kind, _, t)| *kinds.entry(kind).or_default() += *t);
    for (kind, t) in kinds {
        println!("  {:8.1} us  {kind}", t.as_secs_f64() * 1e6);
    }
    let mut steps: Vec<_> = times.iter().collect();
    steps.sort_by_key(|(_, _, _, t)| std::cmp::Reverse(*t));
    for (_, kind, detail, t) in steps.iter().take(14) {
        println!(
            "    {:8.1} us  {kind} {}",
            t.as_secs_f64() * 1e6,
            detail.chars().take(150).collect::<String>()
        );
    }
}
