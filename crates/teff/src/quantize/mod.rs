//! Post-training quantisation: a float network becomes one of 8-bit tensors and weights of 8, 4 or 2 bits.
//!
//! [`quantize()`] does all of it: it calibrates with samples, equalises, rounds, corrects, measures, and says what it did ([`Report`]).
//!
//! # Contract
//!
//! - [`Network`] is the float network made ready: parameters are constants, batch norms are part of the convolutions before them, and it
//!   is known which [`Layer`]s have weights and at which [`Site`]s a tensor is quantised.
//! - A [`Scheme`] says how: a [`Grid`] for each site, [`Weights`] for each layer. What a scheme leaves out stays float, so that a scheme for one layer
//!   measures what that layer costs.
//! - [`rewrite()`] gives the standard graph of a scheme: `Quantize` and `Dequantize` at the sites, weights as integers with a scale for each
//!   output channel, biases as 32-bit integers in units of input scale times weight scale. [`teff_compile::integer`] makes it
//!   integer arithmetic, onnxruntime takes it as it is.
//!
//! ```
//! use teff::quantize::{Grid, Interface, Network, Scheme, Weights, rewrite};
//! use teff::{DType, Graph, Tensor, Value};
//!
//! let x = Tensor::input("x", DType::F32, &[1, 2]);
//! let w = Tensor::constant(Value::new([2, 1], vec![0.5f32, -1.0])).named("dense");
//! let graph = Graph::from_tensors("net", &[x.clone()], &[("y", x.matmul(&w).relu())])?;
//!
//! let network = Network::new(&graph)?;
//! let mut scheme = Scheme::float(&network);
//! for (site, (low, high)) in [(0.0, 1.0), (0.0, 0.5)].into_iter().enumerate() {
//!     scheme.sites[site] = Some(Grid::of_range(DType::I8, low, high));
//! }
//! scheme.layers[0] = Some(Weights::rounded(&network, 0, 8));
//! let quantised = rewrite(&network, &scheme, Interface::Float)?;
//! let out = teff::graph::evaluate(&quantised, &[Value::new([1, 2], vec![1.0f32, 0.0])])?;
//! assert!((out[0].get(0).as_f64() - 0.5).abs() < 0.01);
//! # Ok::<(), teff::Error>(())
//! ```
//!
//! # Map
//!
//! `network` makes a graph ready and finds its layers, `place` finds the sites, with what `patterns` knows; `scheme` and `rewrite` are above. `probe` runs networks over
//! samples and looks inside; `observe` and `calibrate` choose ranges, `weights` their integers, which `learn` moves, `equalise` and `correct` change
//! the network and its biases. `budget` says which layer gets how many bits, `measure` what each costs, `diagnose` what to do about it;
//! `run` calls them in order. `noise` looks at a network that is quantised already.

mod budget;
mod calibrate;
mod correct;
mod diagnose;
mod equalise;
mod learn;
mod measure;
mod network;
mod noise;
mod observe;
mod patterns;
mod place;
mod probe;
mod rewrite;
mod run;
mod scheme;
mod settings;
mod units;
mod weights;

pub use calibrate::Calibration;
pub(crate) use calibrate::joint_ranges;
pub use correct::correct_biases;
pub use equalise::{Pair, equalised, factors, pairs};
pub use network::{Layer, Network, Site};
pub use noise::{TensorNoise, rounding};
pub use observe::{Observation, observe};
pub use probe::Samples;
pub use rewrite::{Interface, rewrite};
pub use run::quantize;
pub(crate) use scheme::weight_range;
pub use scheme::{Grid, Scheme, Weights};
pub use settings::{
    Correction, Equalised, Finding, LayerReport, OutputReport, Progress, Quantised, Remedy, Report, Rounding,
    Settings, Standardised, Widened,
};
pub(crate) use weights::best_scale;
pub use weights::{compensated, nearest};
