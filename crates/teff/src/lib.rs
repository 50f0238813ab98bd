//! teff: train small neural networks, shrink them, and compile them for microcontrollers.
//!
//! From data to C: train the first preset on a twentieth of MNIST, see how right it is, print the network.
//!
//! ```
//! use std::ops::ControlFlow;
//! use teff::compile::{self, c};
//! use teff::model::ModelSpec;
//! use teff::train::{Settings, Trainer};
//!
//! let digits = teff::data::open("../../data/mnist")?;
//! let train = digits.train.split(0.05, 0)?.test;
//! let spec = ModelSpec::preset("mlp").expect("comes with teff");
//! let model = spec.build(train.shape(), train.classes().len(), 42)?;
//! let mut trainer = Trainer::new(&model, &train, Settings { epochs: 2, ..Settings::default() })?;
//! while !trainer.is_done() {
//!     trainer.epoch(|_| ControlFlow::Continue(()))?;
//! }
//! let right = teff::predict(&model.graph(100)?, &digits.test, 2)?.confusion(&digits.test).accuracy();
//! assert!(right > 0.85, "{right}");
//!
//! let program = compile::compile(&model.graph(1)?, &compile::Options::default())?;
//! let files = c::print(&program, &c::Options::default());
//! assert!(files.header.contains("void net(const float *"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A network may also be written as formulas of [`Tensor`]s and trained by a captured [`Step`]: `examples/mnist.rs`.
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
mod feed;
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
pub use evaluate::{Judgement, Predictions, outputs, predict};
pub use feed::Feed;
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
