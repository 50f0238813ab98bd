//! Functions of pairs of elements, which broadcast.

use super::*;
use std::f64::consts::PI;

pub(super) const TABLE: Table = &[
    ("ADD", One(|n| fused(n, add_options::FUSED_ACTIVATION_FUNCTION, |a, b| a + b))),
    ("ADD_N", One(add_n)),
    ("ATAN2", One(atan2)),
    ("BITWISE_XOR", One(|n| bits(n, |a, b| a.xor(b)))),
    ("DIV", One(|n| fused(n, div_options::FUSED_ACTIVATION_FUNCTION, |a, b| a / b))),
    ("EQUAL", One(|n| compared(n, |a, b| a.equal(b)))),
    ("FLOOR_DIV", One(|n| pointwise(n, false, Tensor::floor_div))),
    ("FLOOR_MOD", One(|n| pointwise(n, false, Tensor::floor_mod))),
    ("GREATER", One(|n| compared(n, |a, b| a.greater(b)))),
    ("GREATER_EQUAL", One(|n| compared(n, |a, b| a.greater_equal(b)))),
    ("LESS", One(|n| compared(n, |a, b| a.less(b)))),
    ("LESS_EQUAL", One(|n| compared(n, |a, b| a.less_equal(b)))),
    ("LOGICAL_AND", One(|n| logical(n, |a, b| a.and(b)))),
    ("LOGICAL_OR", One(|n| logical(n, |a, b| a.or(b)))),
    ("MAXIMUM", One(|n| extreme(n, |a, b| a.maximum(b)))),
    ("MINIMUM", One(|n| extreme(n, |a, b| a.minimum(b)))),
    ("MUL", One(|n| fused(n, mul_options::FUSED_ACTIVATION_FUNCTION, |a, b| a * b))),
    ("NOT_EQUAL", One(|n| compared(n, |a, b| a.equal(b).not()))),
    ("POW", One(|n| pointwise(n, false, |a, b| a.pow(b)))),
    ("RIGHT_SHIFT", One(|n| bits(n, |a, b| a.shr(b)))),
    ("SELECT", One(select)),
    ("SELECT_V2", One(select_v2)),
    ("SQUARED_DIFFERENCE", One(|n| pointwise(n, false, |a, b| (a - b).square()))),
    ("SUB", One(|n| fused(n, sub_options::FUSED_ACTIVATION_FUNCTION, |a, b| a - b))),
];

type Binary = fn(&Tensor, &Tensor) -> Tensor;

/// With the activation that the options say.
fn fused(n: &mut Node, activation: Scalar<i8>, f: Binary) -> Lowered<Held> {
    let (activation, Held { tensor, layout }) = (n.get(activation)?, pointwise(n, false, f)?);
    Ok(Held { tensor: activated(tensor.ok()?, activation)?, layout })
}

/// Of integers themselves where they are `raw`, whatever they stand for.
fn pointwise(n: &Node, raw: bool, f: Binary) -> Lowered<Held> {
    let (a, b, layout) = n.pair(raw)?;
    Ok(Held { tensor: f(&a, &b), layout })
}

/// Integers that mean the same are compared as they are.
fn compared(n: &mut Node, f: Binary) -> Lowered<Held> {
    pointwise(n, same(n.input_info(0)?, n.input_info(1)?), f)
}

/// Integers that mean the same are taken as they are.
fn extreme(n: &mut Node, f: Binary) -> Lowered<Held> {
    let (a, b, y) = (n.input_info(0)?, n.input_info(1)?, n.output_info(0)?);
    pointwise(n, same(a, b) && same(a, y), f)
}

fn bits(n: &mut Node, f: Binary) -> Lowered<Held> {
    let dtype = n.held(0)?.tensor.dtype();
    ensure!(dtype.is_int(), "its inputs are {dtype}, and must be integers");
    pointwise(n, true, f)
}

fn logical(n: &mut Node, f: Binary) -> Lowered<Held> {
    let dtype = n.held(0)?.tensor.dtype();
    ensure!(dtype == DType::Bool, "its inputs are {dtype}, and must be bool");
    pointwise(n, true, f)
}

fn add_n(n: &mut Node) -> Lowered<Held> {
    let mut sum = n.real(0)?;
    for i in 1..n.input_count() {
        let (a, b, layout) = in_one_layout(sum, n.real(i)?);
        sum = Held { tensor: (a + b).ok()?, layout };
    }
    Ok(sum)
}

/// The angle of the point (x, y), from the arc tangent of the smaller coordinate over the larger.
fn atan2(n: &mut Node) -> Lowered<Held> {
    let (y, x, layout) = n.pair(false)?;
    let (y, x) = (floats(y, "its first input")?, floats(x, "its second input")?);
    let shape = common_shape(y.shape(), x.shape())?;
    let (y, x) = (y.broadcast_to(&shape), x.broadcast_to(&shape));
    let steep = x.abs().less(y.abs());
    let ratio = steep.select(&x, &y) / steep.select(&y, &x);
    // 0 / 0 at the origin, whose angle is 0.
    let angle = ratio.is_nan().select(0.0, &ratio).atan();
    let up = y.less(0.0).not();
    let turned = up.select(x.full_like(PI / 2.0), -PI / 2.0) - &angle;
    let left = x.less(0.0).select(up.select(&angle + PI, &angle - PI), &angle);
    Ok(Held { tensor: steep.select(&turned, &left), layout })
}

/// Rows of one or the other where the condition has one axis; else elements.
fn select(n: &mut Node) -> Lowered<Held> {
    let (condition, a) = (n.x(0)?, n.x(1)?);
    if condition.rank() == 1 && a.rank() > 1 {
        return Ok(Held::plain(condition.along_axis(0, a.rank()).select(&a, &n.x(2)?)));
    }
    select_v2(n)
}

fn select_v2(n: &mut Node) -> Lowered<Held> {
    let (condition, a, b) = (n.x(0)?, n.x(1)?, n.x(2)?);
    ensure!(condition.dtype() == DType::Bool, "its condition is {}, and must be bool", condition.dtype());
    Ok(Held::plain(condition.select(&a, &b)))
}
