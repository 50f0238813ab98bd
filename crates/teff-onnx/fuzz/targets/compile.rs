//! A model that is read compiles to a program that the validator accepts, and to C, or is refused with an error. A program of
//! integers alone gives the plain evaluator's bits.

#![no_main]

mod mutate;

use libfuzzer_sys::fuzz_target;
use teff_compile::{Error, Options, c, compile, program};
use teff_graph::{DType, Graph, Num, Op, Value, evaluate, random_bits};
use teff_onnx::{ReadOptions, read};

/// Larger networks take the fuzzer's time and show nothing new.
const MOST_ELEMENTS: usize = 1 << 16;
/// ... and larger ones are not run.
const MOST_RUN: usize = 1 << 12;

fuzz_target!(|bytes: &[u8]| {
    let Ok(model) = read(bytes, &ReadOptions::default()) else { return };
    let graph = &model.graph;
    let elements = graph.nodes().iter().map(|n| n.ty.len()).fold(0, usize::saturating_add);
    if elements > MOST_ELEMENTS {
        return;
    }
    match compile(graph, &Options::default()) {
        Ok(program) => {
            drop(c::print(&program, &c::Options::default()));
            if elements <= MOST_RUN && is_of_integers(graph) {
                run(graph, &program);
            }
        }
        Err(Error::Invalid(e)) => panic!("a wrong program: {e}"),
        Err(_) => {}
    }
});

/// Floats may differ by rounding, and so may what is made of them. A window or a loop may take long.
fn is_of_integers(graph: &Graph) -> bool {
    let is_short =
        |op: &Op| !matches!(op, Op::Scan(_) | Op::Conv(_) | Op::ConvTranspose { .. } | Op::Pool { .. });
    graph.nodes().iter().all(|n| !n.ty.dtype.is_float() && is_short(&n.op))
}

fn run(graph: &Graph, compiled: &program::Program) {
    let value = |(k, &id): (usize, _)| {
        let ty = &graph[id].ty;
        Value::from_fn(ty, |i| {
            let bits = random_bits(k as i64, i as u64) >> 40;
            Num::Int(if ty.dtype == DType::Bool { bits & 1 } else { bits % 100 }.into())
        })
    };
    let inputs: Vec<Value> = graph.inputs().iter().enumerate().map(value).collect();
    let expected = evaluate(graph, &inputs).expect("the inputs have the graph's types");
    let got = program::evaluate(compiled, &inputs).expect("the program keeps its contract");
    assert_eq!(got, expected, "{}", teff_graph::print_brief(graph));
}
