//! scratch
mod array;
mod augment;
mod canvas;
mod dataset;
mod error;
mod folder;
mod font;
mod idx;
mod image;
mod npy;
mod npz;
mod open;
mod pnm;
mod rng;
mod sheet;
mod stream;
mod zip;

pub use augment::{Augment, Augmenter, Outside, Scratch};
pub use dataset::{Dataset, Sample, Samples, Split};
pub use error::{Error, Result};
pub use open::{Options, mnist, open, open_with};
pub use rng::{Order, Rng};
pub use sheet::{Mark, Tile, contact_sheet};
