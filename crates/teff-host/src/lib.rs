//! Fast execution of a graph on the host: compiled once into a [`Plan`], replayed without allocation.
//!
//! # Contract
//!
//! - A plan computes what [`teff_graph::evaluate`] computes: integers to the bit, floats within rounding.
//! - Everything is decided when the plan is made. A run allocates nothing, except in operations that have no fast version and go
//!   through the reference evaluator ([`Plan::describe`] names them `reference`).
//! - Results are the same bits in every run with the same number of threads.
//!
//! ```
//! use teff_graph::{DType, Graph, Param, Tensor, Value};
//! use teff_host::{Options, Plan};
//!
//! let total = Param::new("total", Value::new([2], vec![0.0f32, 0.0]));
//! let x = Tensor::input("x", DType::F32, &[2]);
//! let graph = Graph::from_tensors("add up", &[x.clone()], &[("total", Tensor::param(&total) + &x)])?;
//! let mut plan = Plan::with_updates(&graph, &[(0, total.clone())], &Options::default())?;
//! for _ in 0..3 {
//!     plan.input_mut::<f32>(0).copy_from_slice(&[1.0, 2.0]);
//!     plan.run()?;
//! }
//! assert_eq!(*total.value(), Value::new([2], vec![3.0f32, 6.0]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Map
//!
//! `lower/` turns a graph into a schedule: `units` says what is computed together, `layout` in which order axes are stored,
//! `fused` and `single` make the steps. `schedule` runs them, and the loops that carry a state; each other step is a file or folder of its
//! own: `pointwise/` (fused chains and the reductions behind them), `windows/` (convolution and pooling), `matmul` with its `gemm`, `copy`,
//! `reference`. A `view` is where a value lies in a buffer of `memory`; `threads` split the big steps; `cpu` chooses among the versions of
//! inner loops.

mod copy;
mod cpu;
mod error;
mod gemm;
mod lower;
mod matmul;
mod memory;
mod plan;
mod pointwise;
mod reference;
mod schedule;
mod sparse;
mod threads;
mod view;
mod windows;

pub use error::Error;
pub use plan::Plan;

/// How a plan is to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Threads that share the work, the caller's included; at least 1.
    pub threads: usize,
}

impl Default for Options {
    /// As many threads as the machine runs at once.
    fn default() -> Options {
        Options { threads: std::thread::available_parallelism().map_or(1, |n| n.get()) }
    }
}
