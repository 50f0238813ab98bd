//! The text form: one line a node, printed and parsed.
//!
//! ```text
//! graph "square"
//! %0 = input "x" : f32[2]
//! %1 = mul(%0, %0) : f32[2]  # "layer 1"
//! %2 = reduce_sum(%1) axes=[0] : f32[1]
//! return "y" %2
//! ```
//!
//! The type ends what a node needs to be rebuilt: shapes that an operation gives are read from it. Constants and parameters follow
//! it as ` = [elements]`. The body of a scan stands between braces on the lines after its node.

mod parse;
mod print;

pub use parse::parse;
pub(crate) use print::attributes;
pub use print::{print, print_brief};
