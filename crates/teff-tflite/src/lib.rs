//! TFLite models into graphs.
//!
//! # Contract
//!
//! - [`read`] takes the bytes of a `.tflite` file and gives a [`teff_graph::Graph`] that passes its verifier. Every operator is
//!   lowered to a composition of the graph's closed set. What cannot be lowered is an error that names the operator by position, name
//!   and version, the tensor, option or shape at fault and a remedy; an input that a lowering does not look at is never ignored.
//! - Inputs and outputs are those of the file: same order, names, types and axes (`[N, H, W, C]`). Between them a chain of
//!   convolutions and pointwise operators has channels first, with permutations at its ends alone.
//! - Quantised operators are floats between `Dequantize` and `Quantize`, as an ONNX model in QDQ form has them, with the activation
//!   in between. What moves integers or takes the largest works on the integers. SVDF and LSTM on integers, whose states stay from
//!   run to run, have the runtimes' own fixed-point roundings. docs/tflite.md says where results equal those of LiteRT.
//! - Weights of 8 bits for floats (hybrid operators) are taken for the floats they stand for; nothing is quantised at run time.
//! - Variable tensors and resource variables are [`State`]s: inputs and outputs of the graph, or reset in every run ([`States`]).
//! - Shapes are static: sizes that the model leaves open are pinned by [`ReadOptions`] or, for a leading batch axis, to 1 with a note.
//!   What converters compute from shapes is folded away while reading.
//! - Constants are labelled with their names; layers are labelled with the name of the tensor they give.
//! - A hostile file gives an error: every access is checked against the bytes there are, nothing recurses, and constants take no more
//!   memory than a small multiple of the file.
//!
//! ```
//! use teff_graph::{Value, evaluate};
//! use teff_tflite::{ReadOptions, read};
//!
//! // A sine, learnt by a network of three dense layers and quantised.
//! let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/models/hello_world_int8.tflite");
//! let model = read(&std::fs::read(path)?, &ReadOptions::default())?;
//! // A quarter of a turn is pi / 2 / 0.02448 - 128, and 126 stands for (126 - 5) * 0.00829, a little more than 1.
//! let y = evaluate(&model.graph, &[Value::new([1, 1], vec![-64i8])])?;
//! assert_eq!(y, [Value::new([1, 1], vec![126i8])]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Map
//!
//! `flatbuffer` reads the file's encoding, `schema` has its field tables (made by a script), `model` the tensors and operators of a
//! file. `read/reader` is the state of a reading, `read/walk` goes through the operators, `read/node` is what a lowering sees of its
//! operator, `read/operators/` has one small function an operator, by family, each family with its table. What ONNX shares is in
//! `teff_reader`. `read/states` is a model's memory,
//! `read/held` is where axes are, `read/quantization` and `read/fixed` are the two ways of computing with quantised tensors.

mod flatbuffer;
mod model;
mod read;
mod schema;

pub use read::{Model, ReadOptions, State, States, operators, read, supported_operators, unsupported};
pub use teff_reader::{Error, FileFormat, NodeAt, Result};

/// What messages say of the format.
static TFLITE: FileFormat = FileFormat {
    name: "a TFLite",
    give: "a .tflite file as the TensorFlow Lite or LiteRT converter writes it",
    check: "",
};
