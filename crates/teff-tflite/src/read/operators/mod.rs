//! The operators: each is lowered by one small function, kept in the table of its family.

mod activation;
mod arithmetic;
mod convolution;
mod indexing;
mod lstm;
mod movement;
mod padding;
mod pooling;
mod reduction;
mod resize;
mod source;
mod svdf;

use super::reader::Reader;
use super::{complex, loops, stablehlo, states, subgraph};
use crate::schema::activation_function_type as fused;
// What the families use.
use super::fixed::{Multiplier, divide_by_power, logistic, saturated, tanh};
use super::held::{Held, Layout};
use super::node::*;
use super::quantization::{bias_scale, clamped, dequantized, real, same};
use crate::flatbuffer::Scalar;
use crate::schema::*;
use Lower::{Many, Of, One};
use activation::along_last;
use convolution::window_padding;
use teff_graph::{
    ConvGeometry, DType, Num, Op, PadAxis, PoolKind, ReduceKind, ScatterKind, SliceAxis, Tensor,
};
use teff_graph::{Type, Value, Window, same_padding, strides};

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

const FAMILIES: &[Table] = &[
    activation::TABLE,
    arithmetic::TABLE,
    complex::TABLE,
    convolution::TABLE,
    indexing::TABLE,
    loops::TABLE,
    lstm::TABLE,
    movement::TABLE,
    padding::TABLE,
    pooling::TABLE,
    reduction::TABLE,
    resize::TABLE,
    stablehlo::TABLE,
    subgraph::TABLE,
    source::TABLE,
    svdf::TABLE,
    states::TABLE,
];

/// The lowering of an operator.
pub(crate) fn find(name: &str) -> Option<Lower> {
    FAMILIES.iter().flat_map(|table| table.iter()).find(|(n, _)| *n == name).map(|&(_, lower)| lower)
}

/// Every operator that can be read, by its name in the schema, sorted.
pub fn supported_operators() -> Vec<&'static str> {
    let mut all: Vec<_> = FAMILIES.iter().flat_map(|table| table.iter().map(|(name, _)| *name)).collect();
    all.sort_unstable();
    all
}

/// The activation that operators apply to what they compute.
fn activated(x: Tensor, activation: i8) -> Lowered {
    Ok(match activation {
        fused::NONE => x,
        fused::RELU => x.relu(),
        fused::RELU_N1_TO_1 => x.clip(-1.0, 1.0),
        fused::RELU6 => x.relu6(),
        fused::TANH => x.tanh(),
        other => return unsupported(format!("fused activation {other}"), "convert with another activation"),
    })
}
