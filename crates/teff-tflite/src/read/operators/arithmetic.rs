//! Functions of pairs of elements, which broadcast.

use super::*;

pub(super) const TABLE: Table = &[
    ("ADD", One(|n| fused(n, add_options::FUSED_ACTIVATION_FUNCTION, |a, b| a + b))),
    ("ADD_N", One(add_n)),
    ("ATAN2", One(atan2)),
    ("BITWISE_XOR", One(|n| bits(n, |a, b| a.xor(b)))),
    ("DIV", One(|n| fused(n, div_options::FUSED_ACTIVATION_FUNCTION, |a, b| a / b))),
    ("EQUAL", One(|n| compared(n, |a, b| a.equal(b)))),
    ("FLOOR_DIV", One(|n| pointwise(n, Tensor::floor_div))),
    ("FLOOR_MOD", One(|n| pointwise(n, Tensor::floor_mod))),
    ("GREATER", One(|n| compared(n, |a, b| b.less(a)))),
    ("GREATER_EQUAL", One(|n| compared(n, |a, b| b.less_equal(a)))),
    ("LESS", One(|n| compared(n, |a, b| a.less(b)))),
    ("LESS_EQUAL", One(|n| compared(n, |a, b| a.less_equal(b)))),
    ("LOGICAL_AND", One(|n| logical(n, |a, b| a.and(b)))),
    ("LOGICAL_OR", One(|n| logical(n, |a, b| a.or(b)))),
    ("MAXIMUM", One(|n| extreme(n, |a, b| a.maximum(b)))),
    ("MINIMUM", One(|n| extreme(n, |a, b| a.minimum(b)))),
    ("MUL", One(|n| fused(n, mul_options::FUSED_ACTIVATION_FUNCTION, |a, b| a * b))),
    ("NOT_EQUAL", One(|n| compared(n, |a, b| a.equal(b).not()))),
    ("POW", One(|n| pointwise(n, |a, b| a.pow(b)))),
    ("RIGHT_SHIFT", One(|n| bits(n, |a, b| a.shr(b)))),
    ("SELECT", One(select)),
    ("SELECT_V2", One(select_v2)),
    ("SQUARED_DIFFERENCE", One(|n| pointwise(n, |a, b| (a - b).square()))),
    ("SUB", One(|n| fused(n, sub_options::FUSED_ACTIVATION_FUNCTION, |a, b| a - b))),
];

type Binary = fn(&Tensor, &Tensor) -> Tensor;

/// With the activation that the options say.
fn fused(n: &mut Node, activation: Scalar<i8>, f: Binary) -> Lowered<Held> {
    let activation = n.get(activation)?;
    let (a, b, layout) = n.pair(0, 1)?;
    Ok(Held { tensor: activated(f(&a, &b).ok()?, activation)?, layout })
}

fn pointwise(n: &mut Node, f: Binary) -> Lowered<Held> {
    let (a, b, layout) = n.pair(0, 1)?;
    Ok(Held { tensor: f(&a, &b), layout })
}

/// Integers that mean the same are compared as they are.
fn compared(n: &mut Node, f: Binary) -> Lowered<Held> {
    let raw = same(n.input_info(0)?, n.input_info(1)?);
    let (a, b, layout) = if raw { n.raw_pair(0, 1)? } else { n.pair(0, 1)? };
    Ok(Held { tensor: f(&a, &b), layout })
}

/// Integers that mean the same are taken as they are.
fn extreme(n: &mut Node, f: Binary) -> Lowered<Held> {
    let (a, b, y) = (n.input_info(0)?, n.input_info(1)?, n.output_info(0)?);
    let (a, b, layout) = if same(a, b) && same(a, y) { n.raw_pair(0, 1)? } else { n.pair(0, 1)? };
    Ok(Held { tensor: f(&a, &b), layout })
}

/// Of integers whatever they stand for.
fn bits(n: &mut Node, f: Binary) -> Lowered<Held> {
    let (a, b, layout) = n.raw_pair(0, 1)?;
    ensure!(a.dtype().is_int(), "its inputs are {}, and must be integers", a.dtype());
    Ok(Held { tensor: f(&a, &b), layout })
}

fn logical(n: &mut Node, f: Binary) -> Lowered<Held> {
    let (a, b, layout) = n.raw_pair(0, 1)?;
    ensure!(a.dtype() == DType::Bool, "its inputs are {}, and must be bool", a.dtype());
    Ok(Held { tensor: f(&a, &b), layout })
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
    let (y, x, layout) = n.pair(0, 1)?;
    let (y, x) = (floats(y, "its first input")?, floats(x, "its second input")?);
    let shape = common_shape(y.shape(), x.shape())?;
    let (y, x) = (y.broadcast_to(&shape), x.broadcast_to(&shape));
    let steep = x.abs().less(&y.abs());
    let ratio = steep.select(&x, &y) / steep.select(&y, &x);
    let zero = x.full_like(0.0);
    // 0 / 0 at the origin, whose angle is 0.
    let angle = ratio.is_nan().select(&zero, &ratio).atan();
    let up = y.less(&zero).not();
    let half = x.full_like(std::f64::consts::FRAC_PI_2);
    let turned = up.select(&half, &-&half) - &angle;
    let pi = x.full_like(std::f64::consts::PI);
    let left = x.less(&zero).select(&up.select(&(&angle + &pi), &(&angle - &pi)), &angle);
    Ok(Held { tensor: steep.select(&turned, &left), layout })
}

/// Rows of one or the other where the condition has one axis; else elements.
fn select(n: &mut Node) -> Lowered<Held> {
    let (condition, a) = (n.x(0)?, n.x(1)?);
    if condition.rank() == 1 && a.rank() > 1 {
        let mut shape = vec![1; a.rank()];
        shape[0] = condition.len();
        let tensor = condition.reshape(&shape).select(&a, &n.x(2)?);
        return Ok(Held { tensor, layout: Layout::Plain });
    }
    select_v2(n)
}

fn select_v2(n: &mut Node) -> Lowered<Held> {
    let (condition, a, b) = (n.x(0)?, n.x(1)?, n.x(2)?);
    ensure!(condition.dtype() == DType::Bool, "its condition is {}, and must be bool", condition.dtype());
    Ok(Held::plain(condition.select(&a, &b)))
}
