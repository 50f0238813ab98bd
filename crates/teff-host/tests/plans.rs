//! What a plan refuses, and how plans that run at one time share parameters.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;
use teff_graph::{DType, Graph, Param, Tensor, Type, Value};
use teff_host::{Error, Options, Plan};

fn param(name: &str, n: usize) -> Param {
    Param::new(name, Value::new([n], vec![1.0f32; n]))
}

fn plan(outputs: &[&Tensor], updates: &[(usize, &Param)]) -> Result<Plan, Error> {
    let named: Vec<(&str, Tensor)> = outputs.iter().map(|&t| ("y", t.clone())).collect();
    let graph = Graph::from_tensors("g", &[], &named).unwrap();
    let updates: Vec<(usize, Param)> = updates.iter().map(|(i, p)| (*i, (*p).clone())).collect();
    Plan::with_updates(&graph, &updates, &Options { threads: 1 })
}

#[test]
fn updates_that_mean_nothing_are_refused() {
    let (p, q, small) = (param("p", 3), param("q", 3), param("small", 2));
    let new = Tensor::param(&p) + 1.0;
    let f32s = |n: usize| Type::new(DType::F32, [n]);
    let wrong = Error::Type { what: "parameter \"small\"".into(), expected: f32s(2), given: f32s(3) };
    for (updates, expected) in [
        (&[(2, &p)][..], Error::Index { what: "output", index: 2, count: 2 }),
        (&[(0, &small)], wrong),
        (&[(0, &p), (1, &p)], Error::UpdatedTwice { param: "p".into() }),
        (&[(0, &p), (0, &q)], Error::UpdatedTwice { param: "q".into() }),
    ] {
        assert_eq!(plan(&[&new, &new], updates).err(), Some(expected));
    }
    assert!(plan(&[&new, &new], &[(0, &p), (1, &q)]).is_ok());
}

#[test]
fn inputs_and_parameters_keep_their_type() {
    let (x, p) = (Tensor::input("x", DType::F32, &[3]), param("p", 3));
    let graph = Graph::from_tensors("g", std::slice::from_ref(&x), &[("y", &x + Tensor::param(&p))]).unwrap();
    let mut plan = Plan::new(&graph, &Options { threads: 1 }).unwrap();
    let of = |n: usize| Value::new([n], vec![2.0f32; n]);
    assert!(plan.set_input(0, &of(3)).is_ok());
    for (i, value) in [(0, of(2)), (0, Value::new([3], vec![2i32; 3])), (1, of(3))] {
        assert!(plan.set_input(i, &value).is_err(), "input {i} is {}", value.ty());
    }
    *p.value_mut() = of(2);
    assert!(plan.run().unwrap_err().to_string().contains("\"p\""));
    *p.value_mut() = Value::new([3], vec![1.0f64; 3]);
    assert!(plan.run().is_err());
    *p.value_mut() = of(3);
    plan.run().unwrap();
    assert_eq!(plan.output::<f32>(0), [4.0; 3]);
}

#[test]
fn an_update_waits_for_readers_and_a_reader_does_not() {
    let p = param("p", 3);
    let mut reads = plan(&[&(Tensor::param(&p) * 2.0)], &[]).unwrap();
    let mut updates = plan(&[&(Tensor::param(&p) + 1.0)], &[(0, &p)]).unwrap();
    let held = p.value();
    reads.run().unwrap();
    assert_eq!(reads.output::<f32>(0), [2.0; 3]);
    let (done, result) = channel();
    let running = thread::spawn(move || {
        updates.run().unwrap();
        done.send(()).unwrap();
    });
    assert_eq!(result.recv_timeout(Duration::from_millis(50)), Err(RecvTimeoutError::Timeout));
    assert_eq!(held.as_slice::<f32>(), Some(&[1.0; 3][..]));
    drop(held);
    running.join().unwrap();
    assert_eq!(p.value().as_slice::<f32>(), Some(&[2.0; 3][..]));
}

#[test]
fn plans_that_want_each_others_parameters_do_not_wait_for_ever() {
    // Were they locked in the order of use, the first plan would hold p and wait at r for this thread, then want q; the second would
    // hold q, wait at s, then want p.
    let [p, r, q, s] = ["p", "r", "q", "s"].map(|name| param(name, 3));
    let held = [r.value_mut(), s.value_mut()];
    let (done, result) = channel();
    for [read, between, written] in [[&p, &r, &q], [&q, &s, &p]] {
        let new = Tensor::param(read) + Tensor::param(between);
        let (mut plan, done) = (plan(&[&new], &[(0, written)]).unwrap(), done.clone());
        thread::spawn(move || {
            plan.run().unwrap();
            done.send(()).unwrap();
        });
    }
    assert_eq!(result.recv_timeout(Duration::from_millis(100)), Err(RecvTimeoutError::Timeout));
    drop(held);
    for _ in 0..2 {
        result.recv_timeout(Duration::from_secs(20)).expect("no plan waits for the other");
    }
}
