//! A run of a plan allocates nothing.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use teff_graph::{DType, Graph, Param, Tensor, Type, Value, gradients};
use teff_host::{Options, Plan};

struct Counting;

static COUNT: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::SeqCst);
        // SAFETY: the caller's layout.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's block.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn runs_allocate_nothing() {
    let value = |shape: &[usize]| Value::full(&Type::new(DType::F32, shape), teff_graph::Num::Float(0.1));
    let params: Vec<Param> = [vec![4, 1, 3, 3], vec![4], vec![36, 5], vec![12, 5], vec![12, 3], vec![12]]
        .iter()
        .map(|s| Param::new("p", value(s)))
        .collect();
    let p: Vec<Tensor> = params.iter().map(Tensor::param).collect();
    let x = Tensor::input("x", DType::F32, &[16, 1, 8, 8]);
    let labels = Tensor::input("labels", DType::I64, &[16]);
    let y =
        (x.conv2d(&p[0], 1, 0, 1, 1) + p[1].per_channel(4)).relu().max_pool2d(2, 2).flatten(1).matmul(&p[2]);
    let start = Tensor::zeros(&[4, 3]);
    let lstm = teff_graph::LstmStep { w_input: &p[3], w_hidden: &p[4], bias: &p[5] };
    let (last, _) = Tensor::scan(&[start.clone(), start], &[y.reshape(&[4, 4, 5])], false, |s, x| {
        let (hidden, cell) = lstm.apply(&x[0], &s[0], &s[1]);
        (vec![hidden, cell], vec![])
    });
    let loss = y.cross_entropy(&labels) + last[0].sum(&[]);
    let grads = gradients(&[(loss.clone(), loss.full_like(1.0))], &p).unwrap();
    let mut outputs = vec![("loss", loss)];
    for (p, g) in p.iter().zip(grads) {
        outputs.push(("p", p - g.unwrap() * 0.01));
    }
    let graph = Graph::from_tensors("step", &[x, labels], &outputs).unwrap();
    let updates: Vec<(usize, Param)> = params.iter().enumerate().map(|(i, p)| (i + 1, p.clone())).collect();
    for threads in [1, 2] {
        let mut plan = Plan::with_updates(&graph, &updates, &Options { threads }).unwrap();
        assert!(!plan.describe().contains("reference"), "{}", plan.describe());
        plan.run().unwrap();
        let before = COUNT.load(Ordering::SeqCst);
        for _ in 0..3 {
            plan.input_mut::<f32>(0).fill(0.5);
            plan.run().unwrap();
        }
        assert_eq!(COUNT.load(Ordering::SeqCst) - before, 0, "with {threads} threads");
    }
}
