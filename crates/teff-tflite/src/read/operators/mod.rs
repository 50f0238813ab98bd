//! The operators: each is lowered by one small function, kept in the table of its family.

mod activation;
mod arithmetic;
mod convolution;
mod dense;
mod diagonal;
mod indexing;
mod lstm;
mod lstm_inputs;
mod lstm_integer;
mod movement;
mod padding;
mod pooling;
mod reduction;
mod resize;
mod scatter;
mod slicing;
mod source;
mod svdf;

pub(super) use super::lower::{Lower, Table};
use super::variables;
use super::{complex, loops, stablehlo, subgraph};
use crate::schema::activation_function_type as fused;
// What the families use.
use super::fixed::{Multiplier, divide_by_power, logistic, saturated, tanh};
use super::held::{Held, Layout};
use super::node::*;
use super::quantization::{bias_scale, clamped, dequantized, real, same};
use crate::flatbuffer::Scalar;
use crate::schema::*;
use Lower::{Many, Of, One};
use activation::last_axis;
use convolution::{window_padding, with_bias};
use indexing::indices;
use teff_graph::{
    ConvGeometry, DType, Num, Op, PadAxis, PoolKind, ReduceKind, ScatterKind, SliceAxis, Tensor,
};
use teff_graph::{Type, Value, Window, same_padding, strides};

const FAMILIES: &[Table] = &[
    activation::TABLE,
    arithmetic::TABLE,
    complex::TABLE,
    convolution::TABLE,
    dense::TABLE,
    diagonal::TABLE,
    indexing::TABLE,
    loops::TABLE,
    lstm::TABLE,
    movement::TABLE,
    padding::TABLE,
    pooling::TABLE,
    reduction::TABLE,
    resize::TABLE,
    scatter::TABLE,
    slicing::TABLE,
    stablehlo::TABLE,
    subgraph::TABLE,
    source::TABLE,
    svdf::TABLE,
    variables::TABLE,
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
