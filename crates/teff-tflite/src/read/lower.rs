//! What tables of operators hold.

use super::held::Held;
use super::node::{Lowered, Node};
use super::reader::Reader;
use teff_graph::Tensor;

/// How an operator is lowered. What is given as floats where the file has integers with a scale is quantised by the walk.
#[derive(Clone, Copy)]
pub(crate) enum Lower {
    /// To its one output.
    One(fn(&mut Node) -> Lowered<Held>),
    /// To its one output, with axes as in the file, given its first input so.
    Of(fn(&mut Node, Tensor) -> Lowered),
    /// To its outputs.
    Many(fn(&mut Node) -> Lowered<Vec<Held>>),
    /// To its outputs, from its position and inputs, by running sub-graphs.
    Subgraphs(fn(&mut Reader, usize, Vec<Tensor>) -> Lowered<Vec<Tensor>>),
    /// By the walk, since it changes what the walk knows. Takes the operator's position.
    Walk(fn(&mut Reader, usize) -> Lowered<()>),
}

/// The operators of a family: (name, lowering).
pub(super) type Table = &'static [(&'static str, Lower)];
