//! Data sets: reading them, cutting them into batches, varying them, showing them.
//!
//! The contract:
//!
//! - A [`Dataset`] is whole and sound, or there is none: counts, shapes, labels and numbers are checked once, when it
//!   is made. It has one or more arrays of samples, and [`Targets`]: classes, numbers, or nothing. Images are channels x height x width,
//!   bytes stay bytes until a batch is gathered.
//! - Files are never trusted: memory is bounded by what a file of that length can hold, checksums are compared, and
//!   every [`Error`] names the file, what is wrong with it and what to do.
//! - Whatever looks random is a function of a seed (see [`Rng`]): the split, the [`Order`] of an epoch, and what an
//!   [`Augmenter`] does to sample `i` in epoch `e`, whichever thread does it.
//! - Gathering and augmenting write into the caller's buffer and allocate nothing.
//!
//! ```
//! use teff_data::{Augment, Augmenter, Order};
//!
//! let data = teff_data::open("../../data/mnist")?;
//! // A hundredth of every digit, to be quick.
//! let train = data.train.split(0.01, 0)?.test;
//! let augmenter = Augmenter::new(Augment::default(), train.shape())?;
//! let mut scratch = augmenter.scratch();
//! let mut images = vec![0.0; 128 * train.sample_len()];
//! let mut labels = vec![0i32; 128];
//! let mut order = Order::new(train.len());
//! for epoch in 0..3 {
//!     for batch in order.shuffle(42, epoch).chunks_exact(128) {
//!         augmenter.gather(&train, batch, epoch, &mut images, &mut scratch);
//!         train.gather_labels(batch, &mut labels);
//!         // Train on images and labels.
//!     }
//! }
//! # Ok::<(), teff_data::Error>(())
//! ```
//!
//! Where things are: `open` recognises what a path holds and calls `idx`, `npy` (over `zip` for many), `csv` or `folder`
//! (over `picture` and `pnm`); files are read through `stream`; `columns` makes samples and targets of arrays. `augment`
//! and `sheet` (over `font`) work on samples in memory.

mod array;
mod augment;
mod columns;
mod csv;
mod dataset;
mod error;
mod folder;
mod font;
mod idx;
mod npy;
mod open;
mod picture;
mod pnm;
mod rng;
mod sheet;
mod stream;
mod targets;
mod zip;

pub use array::{Array, Element};
pub use augment::{Augment, Augmenter, Outside, Scratch};
pub use dataset::{Column, Dataset, Sample, Samples, Split};
pub use error::{Error, Result};
pub use open::{Options, is_data_folder, mnist, open, open_with};
pub use picture::Picture;
pub use rng::{Order, Rng};
pub use sheet::{Mark, Tile, contact_sheet};
pub use targets::Targets;
