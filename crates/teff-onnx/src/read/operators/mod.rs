//! The operators: each is lowered by one small function, kept in the table of its family.

mod activation;
mod arithmetic;
mod attention;
mod contrib;
mod control;
mod convolution;
mod detection;
mod forest;
mod indexing;
mod linear_models;
mod loss;
mod matrix;
mod movement;
mod normalize;
mod qonnx;
mod quantize;
mod random;
mod recurrent;
mod resize;
mod sampling;
mod sequence;
mod source;
mod spectral;
mod svm;
mod text;
mod transformers;
mod trees;

pub(crate) use indexing::REDUCTIONS;

// What the families use.
use super::item::{OnnxValue, Typed};
use super::node::*;
use super::reader::is_default;
use crate::proto::ElementType;
use Lower::{Many, Of, OfTwo, One};
use activation::{TensorFunction, along};
use attention::{join_heads, split_heads};
use convolution::{averaged, explicit_pads, geometry, per_axis, spatial_axes, with_bias};
use forest::{Aggregate, Compare, Forest, TreeNode};
use indexing::positive;
use linear_models::{Labels, labels, matrix, post_transform, rows};
use matrix::{factors, gemm, scaled};
use normalize::{Norm, l1_norm, l2_norm, normalized, rms_normalization};
use quantize::{
    centred, converted, dequantize_linear, dequantized, dynamically_quantized, integer_product, matrix_zero,
    one_or_many, quantize_linear, quantized, requantized, zero_point,
};
use recurrent::GateActivation;
use resize::Mode;
use teff_graph::{
    Binary, ConvGeometry, DType, Num, Op, PadAxis, PoolKind, ReduceKind, ScatterKind, SliceAxis,
};
use teff_graph::{Tensor, Type, Unary, Value, Window, same_padding, strides};

/// How an operator is lowered.
#[derive(Clone, Copy)]
pub(crate) enum Lower {
    /// To its one output.
    One(fn(&mut Node) -> Lowered<Tensor>),
    /// To its one output, given its first input, a tensor.
    Of(fn(&mut Node, Tensor) -> Lowered<Tensor>),
    /// To its one output, given its first two inputs.
    OfTwo(fn(&mut Node, Tensor, Tensor) -> Lowered<Tensor>),
    /// To its outputs, with their element types.
    Many(fn(&mut Node) -> Lowered<Outputs>),
    /// To an operation of each element.
    Unary(Unary),
    /// To an operation of two operands that broadcast.
    Binary(Binary),
    /// To one of any number of operands.
    Joined(Binary),
}

/// The outputs of a node.
type Outputs = Vec<OnnxValue>;

impl Lower {
    /// The outputs of a node.
    pub(crate) fn outputs(self, n: &mut Node) -> Lowered<Outputs> {
        let y = match self {
            Lower::Many(f) => return f(n),
            Lower::One(f) => f(n)?,
            Lower::Of(f) => n.x(0).and_then(|x| f(n, x))?,
            Lower::OfTwo(f) => n.x(0).and_then(|x| n.x(1).and_then(|y| f(n, x, y)))?,
            Lower::Unary(op) => Tensor::apply(Op::Unary(op), &[n.x(0)?]),
            Lower::Binary(op) => arithmetic::pair(n, |a, b| a.binary(op, b))?,
            Lower::Joined(op) => arithmetic::joined(n, op)?,
        };
        Ok(vec![n.carried(y)])
    }
}

/// The operator of the default domain that is this operation, of truth values or of numbers.
pub(crate) fn name_of(op: &Op, boolean: bool) -> Option<&'static str> {
    let is_it = |lower: &Lower| match (lower, op) {
        (Lower::Unary(this), Op::Unary(u)) => this == u,
        (Lower::Binary(this) | Lower::Joined(this), Op::Binary(b)) => this == b,
        // Others are lowered by what they say beside their operands.
        _ => false,
    };
    let rows = FAMILIES.iter().filter(|(domain, _)| domain.is_empty()).flat_map(|(_, table)| table.iter());
    let names = rows.filter(|(_, lower)| is_it(lower)).map(|(name, _)| *name);
    names.min_by_key(|name| name.starts_with("Bitwise") == boolean)
}

/// The operators of a family in one domain: (name, lowering).
type Table = &'static [(&'static str, Lower)];

/// Families by domain; the default domain is empty.
const FAMILIES: &[(&str, Table)] = &[
    ("", activation::TABLE),
    ("", arithmetic::TABLE),
    ("", attention::TABLE),
    ("ai.onnx.preview", attention::PREVIEW),
    ("", contrib::IN_DEFAULT_DOMAIN),
    ("com.microsoft", contrib::TABLE),
    ("", control::TABLE),
    ("", convolution::TABLE),
    ("", detection::TABLE),
    ("", indexing::TABLE),
    ("ai.onnx.ml", linear_models::TABLE),
    ("", loss::TABLE),
    ("ai.onnx.preview.training", loss::TRAINING),
    ("", matrix::TABLE),
    ("", movement::TABLE),
    ("", normalize::TABLE),
    (qonnx::DOMAINS[0], qonnx::TABLE),
    (qonnx::DOMAINS[1], qonnx::TABLE),
    (qonnx::DOMAINS[2], qonnx::TABLE),
    ("", quantize::TABLE),
    ("", random::TABLE),
    ("", recurrent::TABLE),
    ("com.microsoft", recurrent::CONTRIB),
    ("", resize::TABLE),
    ("", sampling::TABLE),
    ("", sequence::TABLE),
    ("", source::TABLE),
    ("", spectral::TABLE),
    ("ai.onnx.ml", svm::TABLE),
    ("", text::TABLE),
    ("com.microsoft", transformers::TABLE),
    ("ai.onnx.ml", trees::TABLE),
];

/// The lowering of an operator.
pub(crate) fn find(domain: &str, name: &str) -> Option<Lower> {
    let domain = if is_default(domain) { "" } else { domain };
    let tables = FAMILIES.iter().filter(|(d, _)| *d == domain);
    tables.flat_map(|(_, table)| table.iter()).find(|(n, _)| *n == name).map(|&(_, lower)| lower)
}

/// Every operator that can be read, as (domain, name), sorted; the default domain is empty.
pub fn supported_operators() -> Vec<(&'static str, &'static str)> {
    let mut all: Vec<_> =
        FAMILIES.iter().flat_map(|(domain, table)| table.iter().map(|(name, _)| (*domain, *name))).collect();
    all.sort_unstable();
    all
}
