//! teff: train small neural networks, shrink them, and compile them for microcontrollers.
//!
//! ```no_run
//! use teff::nn::{Activation, Linear, Pass, Sequential};
//! use teff::{DType, Optimizer, Rng, Step, Tensor};
//!
//! let mut rng = Rng::new(42);
//! let (l1, l2) = (Linear::new("l1", 784, 400, &mut rng), Linear::new("l2", 400, 10, &mut rng));
//! let x = Tensor::input("x", DType::F32, &[128, 784]);
//! let y = Tensor::input("y", DType::I32, &[128]);
//! let loss = x.sequential::<&dyn teff::nn::Layer>(&[&l1, &Activation::Relu, &l2], &Pass::training(42)).cross_entropy(&y);
//! let updates = Optimizer::adam(1e-3).minimize(&loss)?;
//! let mut step = Step::new(&[&x, &y], &[&loss], &updates, 1)?;
//! step.run()?;
//! println!("loss {}", step.item(0));
//! # Ok::<(), teff::Error>(())
//! ```
//!
//! # Map
//!
//! [`Tensor`] and the graph come from `teff-graph`, data sets from `teff-data`. Here are what people train with: `nn` (layers),
//! `optim` ([`Optimizer`], [`Schedule`]), [`Step`] (a computation captured once), `model` (networks described in TOML), `train` (the
//! loop), `checkpoint` (safetensors), `files` (written whole), `metrics`. What makes a network small: `folded` (a trained
//! network made ready), `prune` (fewer channels), `qat` (training with integer weights), `quantize` (integers without training). It knows no command line.

pub mod checkpoint;
mod error;
mod evaluate;
pub mod files;
pub mod folded;
pub mod metrics;
pub mod model;
pub mod nn;
mod optim;
pub mod prune;
pub mod qat;
pub mod quantize;
mod run;
mod step;
pub mod train;

pub use error::{Error, Result};
pub use evaluate::{Predictions, predict};
pub use optim::{Optimizer, Schedule};
pub use run::Run;
pub use step::{Step, Updates};
pub use teff_compile as compile;
pub use teff_data as data;
pub use teff_data::Rng;
pub use teff_graph as graph;
pub use teff_graph::{DType, Graph, Param, Tensor, Value};
pub use teff_host as host;
pub use teff_onnx as onnx;
pub use teff_tflite as tflite;
