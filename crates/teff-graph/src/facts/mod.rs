//! What can be known of a graph without running it, asked by every pass: one place for each question.
//!
//! | question | answer |
//! |---|---|
//! | what constant is this node | [`Known`], [`Graph::uniform`], [`Known::along`] for one that differs along one axis |
//! | is this a softmax | [`softmax`], [`log_softmax`] |
//! | what uses this node | [`Graph::users`], [`Graph::uses`], [`Graph::only_users`]; what depends on inputs: [`Graph::depend_on_inputs`] |
//! | where does this axis go | [`axis_after`]; which values have a row for each sample: [`counts_samples`] |
//! | what kind of operation is this | [`Op::traits`], [`Graph::reads`] |
//! | what do the integers of an input or output stand for | [`quantization`] |
//! | how much work is it | [`work`] for the evaluator, [`multiply_accumulates`], [`Traits::cost`] |

mod axes;
mod known;
mod quantization;
mod softmax;
mod traits;
mod work;

pub(crate) use axes::takes_rows;
pub use axes::{axis_after, counts_samples};
pub use known::Known;
pub use quantization::{Quantization, quantization};
pub use softmax::{Softmax, log_softmax, softmax};
pub use traits::{Class, Read, Traits};
pub use work::{channel_axes, is_layer, multiply_accumulates, work};

#[cfg(doc)]
use crate::{Graph, Op};
