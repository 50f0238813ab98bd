//! Graph, Program and C of small networks, to be read.

mod common;

use common::Rng;
use common::nets::{conv, dense, graph};
use expect_test::{Expect, expect};
use teff_compile::{Budget, Options, Program, Target, c, compile};
use teff_graph::{DType, Tensor};

fn compiled(x: &Tensor, y: &Tensor, target: Target) -> Program {
    compile(&graph(x, y), &Options { name: "tiny".into(), target, ..Options::default() }).unwrap()
}

fn check(text: &str, expected: Expect) {
    expected.assert_eq(text);
}

/// A dense layer for a small machine: nothing but the sum.
#[test]
fn dense_on_a_cortex_m0plus() {
    let x = Tensor::input("pixels", DType::F32, &[1, 3]);
    let y = dense(&mut Rng(1), &x, 2, "layer").relu();
    let p = compiled(&x, &y, Target::CORTEX_M0PLUS);
    check(&p.to_string(), expect![[""]]);
    check(&c::print(&p, &c::Options::default()).source, expect![[""]]);
}

/// A convolution pooled in place, for vector registers.
#[test]
fn pooled_convolution() {
    let x = Tensor::input("image", DType::F32, &[1, 1, 6, 6]);
    let y = conv(&mut Rng(2), &x, 4, 3, 0, "conv").relu().max_pool2d(2, 2);
    let p = compiled(&x, &y, Target::GENERIC);
    check(&teff_graph::print_brief(&graph(&x, &y)), expect![[""]]);
    check(&c::print(&p, &c::Options::default()).source, expect![[""]]);
}

/// Memory: two layers and a softmax in the caller's arena.
#[test]
fn arena_of_the_caller() {
    let rng = &mut Rng(3);
    let x = Tensor::input("pixels", DType::F32, &[1, 4]);
    let y = dense(rng, &dense(rng, &x, 3, "hidden").relu(), 3, "logits").softmax(-1);
    let p = compiled(&x, &y, Target::GENERIC);
    let files = c::print(&p, &c::Options { arena: c::ArenaOwner::Caller });
    check(&files.header, expect![[""]]);
    let after_tables = files.source.split("static void hidden").nth(1).unwrap();
    check(&format!("static void hidden{after_tables}"), expect![[""]]);
    check(&Budget::new(&p, &Target::CORTEX_M0PLUS).to_string(), expect![[""]]);
}
