//! ONNX models into graphs, and graphs into ONNX models.
//!
//! # Contract
//!
//! - [`read`] takes the bytes of a model file and gives a [`teff_graph::Graph`] that passes its verifier. Every operator is lowered
//!   to a composition of the graph's closed set. What cannot be lowered is an error that names the node, its operator and version,
//!   the attribute or shape at fault and a remedy; an attribute or input that a lowering does not look at is never ignored.
//! - Shapes are static: sizes that the model leaves open are pinned by [`ReadOptions`] or, for a leading batch axis, to 1 with a
//!   note. What exporters compute from shapes is folded away while reading.
//! - Initialisers become constants whose label is the initialiser's name; nodes label what they are lowered to.
//! - [`write()`] takes any graph that ONNX can express and gives the bytes of a model, always the same for the same graph. Patterns
//!   are written as the operators they are known by (`Gemm`, `Conv` with bias, `Softmax` ...), the rest operation by operation.
//! - The crate opens no files. Data outside the model file comes through a callback of [`ReadOptions`].
//! - A hostile file gives an error: no length is believed beyond the bytes there are; nesting, inlining, unrolling and what is
//!   computed while reading are bounded, so that no file under 1 MB takes 1 GB or ten seconds ([`Error::TooLarge`]). `fuzz/` looks
//!   for one that does.
//!
//! ```
//! use teff_graph::{DType, Graph, Tensor, Value, evaluate};
//! use teff_onnx::{ReadOptions, WriteOptions, read, write};
//!
//! let x = Tensor::input("x", DType::F32, &[1, 2]);
//! let w = Tensor::constant(Value::new([2, 2], vec![1.0f32, 2.0, 3.0, 4.0]));
//! let graph = Graph::from_tensors("net", &[x.clone()], &[("y", x.matmul(&w).relu())])?;
//! let bytes = write(&graph, &WriteOptions::default())?;
//! let model = read(&bytes, &ReadOptions::default())?;
//! let y = evaluate(&model.graph, &[Value::new([1, 2], vec![1.0f32, -1.0])])?;
//! assert_eq!(y, [Value::new([1, 2], vec![0.0f32, 0.0])]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Map
//!
//! `proto/` is the file format: wire format, messages, tensors. `read/` is the reader: `read/reader` is its state and the names that
//! nodes can use, `read/walk` goes through graphs, `read/node` is what a lowering sees of its node, `read/operators/` has one small
//! function an operator, by family, each family with its table. What TFLite shares is in `teff_reader`.
//! `write/` is the writer: `write/patterns` recognises, `write/primitive` writes single operations, `write/legalise` rewrites what
//! has no counterpart.

mod proto;
mod read;
mod write;

pub use read::{
    ExternalData, Fetch, Model, ReadOptions, operators, read, read_tensor, supported_operators, unsupported,
};
pub use teff_reader::{Error, FileFormat, NodeAt, Result};
pub use write::{WriteOptions, write};

/// What messages say of the format.
static ONNX: FileFormat = FileFormat {
    name: "an ONNX",
    give: "a .onnx file as torch.onnx.export, tf2onnx, skl2onnx or teff write it",
    check: "; export the model again, or look at it with onnx.checker",
};
