//! Threads: results repeat bit for bit at a given number, and agree within rounding between numbers.

use teff_graph::{DType, Graph, Param, Tensor, Type, Value, gradients};
use teff_host::{Options, Plan};

fn noise(shape: &[usize]) -> Value {
    let unit = |i: usize| (teff_graph::random_bits(3, i as u64) >> 40) as f64 / (1u64 << 23) as f64 - 1.0;
    Value::from_fn(&Type::new(DType::F32, shape), |i| teff_graph::Num::Float(unit(i)))
}

/// Some steps of gradient descent on a small network with every kind of step that is split.
fn train(threads: usize) -> Vec<Value> {
    let params: Vec<Param> = [vec![8, 3, 3, 3], vec![8], vec![288, 64], vec![64], vec![64, 10]]
        .iter()
        .map(|shape| Param::new("p", noise(shape)))
        .collect();
    let p: Vec<Tensor> = params.iter().map(Tensor::param).collect();
    let x = Tensor::input("x", DType::F32, &[64, 3, 14, 14]);
    let labels = Tensor::input("labels", DType::I64, &[64]);
    let y = (x.conv2d(&p[0], 1, 0, 1, 1) + p[1].per_channel(4)).relu().max_pool2d(2, 2);
    let y = (y.flatten(1).matmul(&p[2]) * 0.1 + &p[3]).tanh();
    let loss = (y.matmul(&p[4]) * 0.1).cross_entropy(&labels);
    let grads = gradients(&[(loss.clone(), loss.full_like(1.0))], &p).unwrap();
    let mut outputs = vec![("loss", loss)];
    for (p, g) in p.iter().zip(grads) {
        outputs.push(("p", p - g.unwrap() * 0.1));
    }
    let graph = Graph::from_tensors("step", &[x, labels], &outputs).unwrap();
    let updates: Vec<(usize, Param)> = params.iter().enumerate().map(|(i, p)| (i + 1, p.clone())).collect();
    let mut plan = Plan::with_updates(&graph, &updates, &Options { threads }).unwrap();
    plan.set_input(0, &noise(&[64, 3, 14, 14])).unwrap();
    plan.input_mut::<i64>(1).iter_mut().enumerate().for_each(|(i, l)| *l = (i % 10) as i64);
    for _ in 0..5 {
        plan.run().unwrap();
    }
    let mut out = vec![plan.output_value(0)];
    out.extend(params.iter().map(|p| p.value().clone()));
    out
}

#[test]
fn results_repeat_and_agree() {
    let one = train(1);
    for threads in [1, 2, 3] {
        let (first, second) = (train(threads), train(threads));
        for ((a, b), c) in first.iter().zip(&second).zip(&one) {
            assert!(a.same_bits(b), "{threads} threads do not repeat themselves");
            for (x, y) in a.to_f64().into_iter().zip(c.to_f64()) {
                assert!((x - y).abs() <= 1e-4 * (1.0 + y.abs()), "{threads} threads give {x}, one gives {y}");
            }
        }
    }
}

/// Against the reference, step by step.
#[test]
fn one_thread_agrees_with_the_evaluator() {
    let x = Tensor::input("x", DType::F32, &[20, 2, 9, 9]);
    let w = Tensor::constant(noise(&[5, 2, 3, 3]));
    let y = x.conv2d(&w, 1, 1, 1, 1).relu().max_pool2d(3, 2).gelu().log_softmax(1);
    let grads = gradients(&[(y.clone(), y.full_like(1.0) * &y)], std::slice::from_ref(&x)).unwrap();
    let graph = Graph::from_tensors("g", &[x], &[("y", y), ("dx", grads[0].clone().unwrap())]).unwrap();
    let value = noise(&[20, 2, 9, 9]);
    let expected = teff_graph::evaluate(&graph, std::slice::from_ref(&value)).unwrap();
    let mut plan = Plan::new(&graph, &Options { threads: 1 }).unwrap();
    plan.set_input(0, &value).unwrap();
    plan.run().unwrap();
    for (i, e) in expected.iter().enumerate() {
        for (x, y) in plan.output_value(i).to_f64().into_iter().zip(e.to_f64()) {
            assert!((x - y).abs() <= 1e-5 * (1.0 + y.abs()), "output {i}: {x} instead of {y}");
        }
    }
}

/// As a product with a triangle of ones this would take 3.6 GB and as many multiplications.
#[test]
fn a_long_running_sum_is_a_loop() {
    let x = Tensor::input("x", DType::F32, &[30_000]);
    let graph =
        Graph::from_tensors("g", std::slice::from_ref(&x), &[("y", x.cumsum(0, false, true))]).unwrap();
    let mut plan = Plan::new(&graph, &Options { threads: 2 }).unwrap();
    assert!(!plan.describe().contains("reference"), "{}", plan.describe());
    let given = noise(&[30_000]);
    plan.set_input(0, &given).unwrap();
    plan.run().unwrap();
    let got = plan.output_value(0);
    let mut sum = 0.0f32;
    for i in (0..30_000).rev() {
        sum += given.as_slice::<f32>().unwrap()[i];
        assert_eq!(got.as_slice::<f32>().unwrap()[i], sum, "element {i}");
    }
}
