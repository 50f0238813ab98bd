//! Every form that a network takes on its way to C and Rust, for two small ones: `docs/stages.md`, the page to read first.
//! `TEFF_BLESS=1` writes it anew.

mod common;

use common::Rng;
use common::nets::{conv, dense, graph};
use std::fmt::Write;
use teff_compile::{Floats, Options, Target, c, compile, integer, rust};
use teff_graph::passes::{freeze, simplify};
use teff_graph::{DType, Graph, Num, Tensor, Value, print_brief};

fn constant<T: teff_graph::Element>(shape: &[usize], elements: Vec<T>) -> Tensor {
    Tensor::constant(Value::new(shape, elements))
}

/// What a quantiser leaves of a dense layer and a rectifier: integers at both ends, floats between them.
fn quantised_dense() -> Graph {
    let one = |scale: f32| constant(&[1, 1], vec![scale]);
    let zero = |zero: i8| constant(&[1, 1], vec![zero]);
    let x = Tensor::input("pixels", DType::I8, &[1, 4]);
    let w = Tensor::constant(Value::from_fn(&teff_graph::Type::new(DType::I8, [4, 2]), |i| {
        Num::Int([90, -40, -127, 12, 33, 127, 5, -68][i])
    }));
    let w = w.named("layer.weight").dequantize(&one(0.0125), &zero(0));
    let bias = constant(&[2], vec![0.5f32, -0.25]).named("layer.bias");
    let y = (x.dequantize(&one(0.0078125), &zero(-128)).matmul(&w) + bias).relu();
    graph(&x, &y.quantize(&one(0.02), &zero(-128)))
}

fn pooled_convolution() -> Graph {
    let x = Tensor::input("image", DType::F32, &[1, 1, 6, 6]);
    let y = conv(&mut Rng(2), &x, 2, 3, 0, "conv").relu().max_pool2d(2, 2).flatten(1);
    graph(&x, &dense(&mut Rng(3), &y, 3, "scores").softmax(-1))
}

fn block(page: &mut String, title: &str, about: &str, language: &str, text: &str) {
    let _ = write!(page, "### {title}\n\n{about}\n\n```{language}\n{}\n```\n\n", text.trim_end());
}

fn stages(page: &mut String, graph: &Graph, target: Target) {
    let options = Options { name: "tiny".into(), target, floats: Floats::Exact, ..Options::default() };
    block(page, "Graph", "What is computed, as a reader or `Tensor` made it.", "text", &print_brief(graph));
    let integers = simplify(&integer(&freeze(graph)).unwrap());
    let about = "The same without what needs no computing, and quantised layers in integers.";
    block(page, "Graph in integers", about, "text", &print_brief(&integers));
    let program = compile(graph, &options).unwrap();
    let about = "How it is computed on the target: buffers with places and addresses, kernels as loops.";
    block(page, "Program", about, "text", &program.to_string());
    let files = c::print(&program, &c::Options::default());
    block(page, "C", "`tiny.c`, of which a header `tiny.h` says sizes and scales.", "c", &files.source);
    let text = rust::print(&program, &rust::Options::default());
    block(page, "Rust", "The same Program as a module without `std`.", "rust", &text);
}

#[test]
fn the_page_shows_what_the_compiler_does() {
    let mut page = String::from(
        "# From graph to C, form by form\n\n\
         For who changes the compiler, or wants to know what it does to a network. Two small networks are printed in every form they\n\
         take; [ARCHITECTURE.md](../ARCHITECTURE.md) says which file makes each.\n\n\
         Made by `TEFF_BLESS=1 cargo test -p teff-compile --test stages`.\n\n",
    );
    page += "## A quantised dense layer on a Cortex-M0+\n\n";
    stages(&mut page, &quantised_dense(), Target::CORTEX_M0PLUS);
    page += "## A float CNN on any machine\n\n";
    stages(&mut page, &pooled_convolution(), Target::GENERIC);
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/stages.md");
    let page = page.trim_end().to_string() + "\n";
    if std::env::var_os("TEFF_BLESS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let line = kept.lines().zip(page.lines()).find(|(a, b)| a != b);
    assert!(kept == page, "docs/stages.md is of another compiler; TEFF_BLESS=1 writes it anew\n{line:?}");
}

/// Two layers and a softmax in memory of the caller's, and in Rust on the stack: one part of memory serves both layers.
#[test]
fn memory_of_the_caller() {
    let x = Tensor::input("x", DType::F32, &[1, 2]);
    let y = dense(&mut Rng(4), &dense(&mut Rng(5), &x, 8, "a").tanh(), 8, "b").softmax(-1);
    let options = Options { name: "tiny".into(), floats: Floats::Exact, ..Options::default() };
    let program = compile(&graph(&x, &y), &options).unwrap();
    let files = c::print(&program, &c::Options { arena: c::ArenaOwner::Caller, ..Default::default() });
    assert!(files.header.contains("void tiny(const float *input0, float *output0, void *arena);"));
    assert!(!files.source.contains("static union") && files.source.contains("arena"), "{}", files.source);
    let text = rust::print(&program, &rust::Options { arena: rust::ArenaOwner::Stack, ..Default::default() });
    assert!(
        text.contains("pub fn tiny(input: &[f32; INPUT_LEN], output: &mut [f32; OUTPUT_LEN]) {"),
        "{text}"
    );
    assert!(program.arena.bytes <= 64 + 32, "two layers of 8 floats, and what a softmax needs");
}
