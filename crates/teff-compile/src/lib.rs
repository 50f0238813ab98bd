//! Compiles the graph of a neural network to dependency-free C99 or Rust for small machines.
//!
//! # Contract
//!
//! - [`compile`] takes a checked [`teff_graph::Graph`] and gives a [`Program`]: buffers with planned addresses, and kernels as data.
//!   Every operation of the graph's closed set is lowered but random numbers, which are refused by name.
//! - Integer results of a Program, however it is run or printed, are the reference evaluator's bits. Float results agree within
//!   rounding, and on machines without a float unit within the bound of [`Floats`].
//! - Equal graphs and options give equal Programs and equal text.
//! - Sizes are exact: [`Budget`] says what the linker will say for weights and arena.
//!
//! ```
//! use teff_compile::{Budget, Options, Target, c, compile, program, rust};
//! use teff_graph::{DType, Graph, Tensor, Value};
//!
//! let x = Tensor::input("x", DType::F32, &[1, 2]);
//! let w = Tensor::constant(Value::new([2, 1], vec![0.5f32, -1.0])).named("layer.weight");
//! let y = x.matmul(&w).relu();
//! let graph = Graph::from_tensors("example", &[x], &[("y", y)])?;
//!
//! let program = compile(&graph, &Options { target: Target::GENERIC, ..Options::default() })?;
//! let files = c::print(&program, &c::Options::default());
//! assert!(files.header.contains("void net(const float *input0, float *output0);"));
//! let module = rust::print(&program, &rust::Options::default());
//! assert!(module.contains("pub fn net(input: &[f32; INPUT_LEN], output: &mut [f32; OUTPUT_LEN]) {"));
//! assert_eq!(Budget::new(&program, &Target::GENERIC).flash_weights, 8);
//! let out = program::evaluate(&program, &[Value::new([1, 2], vec![4.0f32, 1.0])])?;
//! assert_eq!(out, [Value::new([1, 1], vec![1.0f32])]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Map
//!
//! `program/` is the Program: its form, validator, evaluator, cost counter, printed form. `lower/` makes it from a graph: `fuse`
//! decides what is computed where, `element` computes any value at any index, the rest are loops for one family of operations each;
//! those in `lower/block_float/` multiply integers where a machine has no float unit. `place/` chooses the tables that lie in SRAM.
//! `plan/` gives memory its addresses. `c/` prints C and `rust/` Rust, from the same Program; `printing/` is what both do alike, where
//! `Language` is what they say themselves; `armv6m` is the assembly of both. A printer for another language is a folder beside them.
//! `target` is what is known of machines, `budget` what a Program takes of one.

mod armv6m;
mod budget;
pub mod c;
mod error;
mod integer;
mod lower;
mod place;
pub mod plan;
mod printing;
pub mod program;
pub mod rust;
mod sample;
mod target;
pub use budget::{Budget, KernelBudget};
pub use error::Error;
pub use integer::{Form, Prospect, integer, left_in_floats, quantizes_floats};
pub use place::place;
pub use program::Program;
pub use sample::{Extent, Sample};
pub use target::{Board, Cycles, Floats, Target};
use teff_graph::facts::quantization;
use teff_graph::{Graph, NodeId, Value};

/// What to compile for.
#[derive(Clone, Debug)]
pub struct Options {
    /// Name of the function; prefix of everything visible outside.
    pub name: String,
    /// The machine.
    pub target: Target,
    /// How products of floats are computed where the machine has no float unit; elsewhere it means nothing.
    pub floats: Floats,
    /// Inputs to see on how far that takes the outputs off, a value for each input of the graph: real ones, a few; none, and they are
    /// made up, of the sizes that the weights suggest.
    pub inputs: Vec<Vec<Value>>,
    /// The classes' names, which generated code gets where the only output has as many elements.
    pub labels: Vec<String>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            name: "net".into(),
            target: Target::GENERIC,
            floats: Floats::default(),
            inputs: Vec::new(),
            labels: Vec::new(),
        }
    }
}

/// The Program that computes `graph` on the target. Parameters become constants with the values they hold now.
///
/// # Errors
/// A graph that breaks its contract, an operation that has no lowering, a tensor too large to index, a name that C or Rust cannot use.
pub fn compile(graph: &Graph, options: &Options) -> Result<Program, Error> {
    check_name(&options.name)?;
    graph.verify()?;
    // Before the rewriting to integers, which leaves no scale.
    let inputs: Vec<_> = graph.inputs().iter().map(|id| quantization(graph, *id)).collect();
    let outputs: Vec<_> = graph.outputs().iter().map(|o| quantization(graph, o.node)).collect();
    let graph = lower::prepare(graph)?;
    check_sizes(&graph)?;
    let mut program = lower::lower(&graph, options)?;
    let ports = program.inputs.iter_mut().chain(&mut program.outputs);
    ports.zip(inputs.into_iter().chain(outputs)).for_each(|(port, of)| port.quantization = of);
    if matches!(&program.outputs[..], [one] if one.ty.len() == options.labels.len()) {
        program.labels = options.labels.clone();
    }
    plan::assign(&mut program);
    program::validate(&program).map_err(Error::Invalid)?;
    Ok(program)
}

/// No tensor has more elements than an `int` of 32 bits counts; generated code has no other indices.
fn check_sizes(graph: &Graph) -> Result<(), Error> {
    let large = |id: &NodeId| i32::try_from(graph[*id].ty.len()).is_err();
    let Some(id) = graph.ids().find(large) else { return Ok(()) };
    let reason = "has more elements than a 32-bit index counts; give smaller shapes";
    Err(Error::unsupported(graph, id, format!("{} {reason}", graph[id].ty)))
}

/// Characters of a name that C compilers tell apart at least (C99 5.2.4.1).
const LONGEST_NAME: usize = 63;

/// A name that C, C++ and Rust accept for a function, and that no name of generated code can equal.
fn check_name(name: &str) -> Result<(), Error> {
    let letters = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let reasons = [
        (name.is_empty() || !letters, "use letters, digits and underscores"),
        (name.starts_with(|c: char| c.is_ascii_digit()), "it must not begin with a digit"),
        (name.starts_with('_'), "names that begin with an underscore belong to the compiler"),
        (name.len() > LONGEST_NAME, "it is longer than the 63 characters that C compilers tell apart"),
        (lower::is_owned(name), "it is a word of C or Rust, or a function, macro or header of C's library"),
    ];
    let broken = reasons.into_iter().find(|(broken, _)| *broken);
    broken.map_or(Ok(()), |(_, reason)| Err(Error::Name { name: name.into(), reason }))
}
