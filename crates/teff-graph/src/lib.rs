//! The graph of a neural network: *what* is computed, without a word on how.
//!
//! # Contract
//!
//! - A [`Graph`] is a list of [`Node`]s in topological order. A node applies one [`Op`] of a small closed set to the results of
//!   earlier nodes. Every [`Type`] (dtype and shape) is static and known when the node is made.
//! - A node has one value. Only [`Op::Scan`] has several; it is used through [`Op::Project`] alone.
//! - Operands of pointwise operations have equal shapes: broadcasting is an operation of its own. Reduced axes stay with size 1.
//!   Convolution and pooling are `[N, C, D..]` with weights `[O, C/groups, K..]`.
//! - Integers wrap. `x / 0` is 0 for integers. Float to integer truncates and saturates, NaN becomes 0. Rounding is to nearest,
//!   halves to even. Maximum and minimum are NaN if an operand is. Integer results are therefore the same bits wherever they are
//!   computed; float sums may be taken in any order, so float results agree within rounding.
//! - Operations have no effects. A [`Param`] is read; what replaces its value is the business of who runs the graph.
//! - [`Graph::push`] checks the shape rule of every node, [`Graph::verify`] the whole contract. What passed is trusted.
//!
//! [`evaluate`] is the reference: slow, plain, obviously right. Everything else that runs a graph is tested against it.
//!
//! ```
//! use teff_graph::{DType, Graph, Tensor, Value, evaluate, gradients};
//!
//! let x = Tensor::input("x", DType::F32, &[2]);
//! let y = (&x * &x).sum(&[]);
//! let dy = gradients(&[(y.clone(), y.full_like(1.0))], &[x.clone()])?[0].clone().unwrap();
//! let graph = Graph::from_tensors("square", &[x], &[("y", y), ("dy", dy)])?;
//! let out = evaluate(&graph, &[Value::new([2], vec![3.0f32, 4.0])])?;
//! assert_eq!(out, [Value::scalar(25.0f32), Value::new([2], vec![6.0f32, 8.0])]);
//! # Ok::<(), teff_graph::Error>(())
//! ```
//!
//! # Map
//!
//! `op` names the operations; `ops/` gives each its shape rule, plain evaluation and gradient, side by side. `tensor/` is how graphs
//! are written, and holds what is a composition: activations, norms, losses, einsum, recurrent cells. `graph` is the flat form with
//! its verifier; `grad` differentiates; `facts/` says
//! what can be known without running; `arena` packs what a computation stores; `passes/` rewrites graphs; `text` prints them.

pub mod arena;
mod dtype;
mod error;
mod evaluate;
pub mod facts;
mod geometry;
mod grad;
mod graph;
mod op;
mod ops;
mod param;
pub mod passes;
mod scan;
mod tensor;
mod text;
mod value;

pub use dtype::{DType, Shape, Type, broadcast_shape, strides};
pub use error::{Error, Result};
pub use evaluate::{evaluate, evaluate_all, evaluate_with};
pub use geometry::{ConvGeometry, PadAxis, SliceAxis, Window, same_padding};
pub use grad::{gradients, parameter_leaves};
pub use graph::{Graph, Node, NodeId, Output};
pub use op::{Binary, Op, PoolKind, ReduceKind, ScatterKind, Unary};
pub use ops::{eval_binary, eval_unary, evaluate as evaluate_op, infer, random_bits, scan_result_types};
pub use param::Param;
pub use scan::Scan;
pub use tensor::{GruStep, LstmStep, Operand, Reduction, Tensor};
pub use text::{print, print_brief};
pub use value::{Data, Element, Num, Value};
