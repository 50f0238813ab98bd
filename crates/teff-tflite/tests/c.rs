//! The C that models compile to gives what the evaluator gives, between guard bytes and without warnings.

mod common;

#[path = "../../teff-compile/tests/common/batch.rs"]
#[allow(dead_code, unreachable_pub, missing_docs)]
mod batch;
#[path = "../../teff-compile/tests/common/c.rs"]
#[allow(dead_code, unreachable_pub, missing_docs)]
mod c;

use common::{cases, data, initial, inputs, models};
use teff_compile::{Options, compile};
use teff_graph::{Graph, Tensor, evaluate};
use teff_tflite::{Model, ReadOptions, read};

/// Cases of 16-bit integers whose floats, rounded in another place than the evaluator's, fall to the other side of a half.
const ROUNDED: [&str; 2] = ["conv_i16", "tanh_i16"];

/// How many networks are compiled as one, which takes the C compiler less time than each by itself.
const TOGETHER: usize = 30;

/// The first run of models, their states as they begin, as one network.
fn together(i: usize, models: &[(String, Model)]) -> c::Case {
    let (mut tensors, mut outputs, mut values) = (vec![], vec![], vec![]);
    for (_, model) in models {
        let graph = &model.graph;
        let types = graph.inputs().iter().map(|&id| graph[id].ty.clone());
        let own: Vec<Tensor> = types.map(|ty| Tensor::input("x", ty.dtype, &ty.shape)).collect();
        outputs.extend(graph.instantiate(&own).into_iter().map(|y| ("y", y)));
        tensors.extend(own);
        values.extend(inputs(graph, model.states.len(), 0));
        values.extend(initial(model));
    }
    let names: Vec<&str> = models.iter().map(|(name, _)| &**name).collect();
    let about = names.join(" ");
    let graph = Graph::from_tensors("models", &tensors, &outputs).unwrap();
    let expected = evaluate(&graph, &values).unwrap();
    let options = Options { name: format!("net{i}"), ..Options::default() };
    let program = compile(&graph, &options).unwrap_or_else(|e| panic!("{about}: {e}"));
    c::Case { program, inputs: values, expected, tolerance: 1e-5, about }
}

#[test]
fn c_of_operators_gives_what_the_evaluator_gives() {
    if !c::has("cc") {
        return;
    }
    let exact = cases().into_iter().filter(|case| !ROUNDED.contains(&&*case.name));
    let all: Vec<(String, Model)> = exact.map(|case| (case.name, case.model)).collect();
    let all: Vec<c::Case> = all.chunks(TOGETHER).enumerate().map(|(i, part)| together(i, part)).collect();
    c::check(&all, "cc", &["-O0"]);
}

#[test]
fn c_of_models_gives_what_the_evaluator_gives() {
    if !c::has("cc") {
        return;
    }
    let read = |(name, bytes): (String, Vec<u8>)| (name, read(&bytes, &ReadOptions::default()).unwrap());
    let all: Vec<(String, Model)> = models(&data("models")).into_iter().map(read).collect();
    let all: Vec<c::Case> = all.chunks(1).enumerate().map(|(i, one)| together(i, one)).collect();
    c::check(&all, "cc", &["-O1"]);
}

/// The form in which quantised layers are read is the one that the compiler finds integers behind.
#[test]
fn c_of_a_quantised_model_has_no_floats() {
    let bytes = std::fs::read(data("models/ad01_int8.tflite")).unwrap();
    let model = read(&bytes, &ReadOptions::default()).unwrap();
    let program = compile(&model.graph, &Options::default()).unwrap();
    // Floats are in the functions alone that callers convert the ends by.
    let text = program.to_string();
    assert!(text.contains("i8[") && !text.contains("f32"), "ad01_int8 computes with floats: {text}");
}
