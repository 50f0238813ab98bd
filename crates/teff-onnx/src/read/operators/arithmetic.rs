//! Elementwise arithmetic, comparison and logic.

use super::{Lower::One, Table};
use crate::read::node::{Lowered, Node, Operands, ensure, invalid};
use teff_graph::{DType, Tensor};

pub(super) const TABLE: Table = &[
    ("Abs", One(|n| number(n, |x| x.abs()))),
    ("Acos", One(|n| Ok(n.x(0)?.acos()))),
    ("Acosh", One(|n| Ok(n.x(0)?.acosh()))),
    ("Add", One(|n| pair(n, |a, b| a + b))),
    ("And", One(|n| pair(n, Tensor::and))),
    ("Asin", One(|n| Ok(n.x(0)?.asin()))),
    ("Asinh", One(|n| Ok(n.x(0)?.asinh()))),
    ("Atan", One(|n| Ok(n.x(0)?.atan()))),
    ("Atanh", One(|n| Ok(n.x(0)?.atanh()))),
    ("BitShift", One(bit_shift)),
    ("BitwiseAnd", One(|n| pair(n, Tensor::and))),
    ("BitwiseNot", One(|n| Ok(n.x(0)?.not()))),
    ("BitwiseOr", One(|n| pair(n, Tensor::or))),
    ("BitwiseXor", One(|n| pair(n, Tensor::xor))),
    ("Ceil", One(|n| Ok(n.x(0)?.ceil()))),
    ("Cos", One(|n| Ok(n.x(0)?.cos()))),
    ("Cosh", One(|n| Ok(n.x(0)?.cosh()))),
    ("Div", One(|n| pair(n, |a, b| a / b))),
    ("Equal", One(|n| pair(n, Tensor::equal))),
    ("Erf", One(|n| Ok(n.x(0)?.erf()))),
    // Not of ONNX: tf2onnx, and Keras with it, leaves TensorFlow's operator in the GELU of transformers as it is.
    ("Erfc", One(|n| Ok(n.x(0)?.erfc()))),
    ("Exp", One(|n| Ok(n.x(0)?.exp()))),
    ("Floor", One(|n| Ok(n.x(0)?.floor()))),
    ("Greater", One(|n| pair(n, |a, b| b.less(a)))),
    ("GreaterOrEqual", One(|n| pair(n, |a, b| b.less_equal(a)))),
    ("IsInf", One(is_inf)),
    ("IsNaN", One(|n| Ok(n.x(0)?.is_nan()))),
    ("Less", One(|n| pair(n, Tensor::less))),
    ("LessOrEqual", One(|n| pair(n, Tensor::less_equal))),
    ("Log", One(|n| Ok(n.x(0)?.log()))),
    ("Max", One(|n| all(n, Tensor::maximum))),
    ("Mean", One(|n| Ok(all(n, |a, b| a + b)? / n.input_count() as f64))),
    ("Min", One(|n| all(n, Tensor::minimum))),
    ("Mod", One(modulo)),
    ("Mul", One(|n| pair(n, |a, b| a * b))),
    ("Neg", One(|n| Ok(-n.x(0)?))),
    ("Not", One(|n| Ok(n.x(0)?.not()))),
    ("Or", One(|n| pair(n, Tensor::or))),
    ("Pow", One(power)),
    ("Reciprocal", One(|n| Ok(n.x(0)?.recip()))),
    ("Round", One(|n| Ok(n.x(0)?.round()))),
    ("Sign", One(|n| number(n, |x| x.sign()))),
    ("Sin", One(|n| Ok(n.x(0)?.sin()))),
    ("Sinh", One(|n| Ok(n.x(0)?.sinh()))),
    ("Sqrt", One(|n| Ok(n.x(0)?.sqrt()))),
    ("Sub", One(|n| pair(n, |a, b| a - b))),
    ("Sum", One(|n| all(n, |a, b| a + b))),
    ("Tan", One(|n| Ok(n.x(0)?.tan()))),
    ("Where", One(|n| Ok(n.x(0)?.select(&n.x(1)?, &n.x(2)?)))),
    ("Xor", One(|n| pair(n, Tensor::xor))),
];

fn number(n: &mut Node, f: impl Fn(&Tensor) -> Tensor) -> Lowered {
    Ok(f(&n.x(0)?))
}

/// A function of two operands that broadcast. Before version 7 only the second does, along `axis`, when `broadcast` says so.
fn pair(n: &mut Node, f: impl Fn(&Tensor, &Tensor) -> Tensor) -> Lowered {
    let (a, b) = (n.x(0)?, n.x(1)?);
    if n.version >= 7 {
        return Ok(f(&a, &b));
    }
    n.ignore(&["consumed_inputs"]);
    let axis = n.attribute("axis").map(|a| a.i);
    if !n.flag("broadcast", false) || a.shape() == b.shape() {
        return Ok(f(&a, &b));
    }
    let rank = a.rank();
    let axis = match axis {
        Some(axis) => usize::try_from(if axis < 0 { axis + rank as i64 } else { axis }).unwrap_or(rank),
        None => rank.saturating_sub(b.rank()),
    };
    ensure!(
        axis + b.rank() <= rank,
        "axis {axis} leaves no room for the {} axes of the second operand",
        b.rank()
    );
    let mut shape = b.shape().to_vec();
    shape.resize(rank - axis, 1);
    Ok(f(&a, &b.reshape(&shape)))
}

/// A function of any number of operands that broadcast.
fn all(n: &mut Node, f: impl Fn(&Tensor, &Tensor) -> Tensor) -> Lowered {
    let operands = n.tensors(0)?;
    match operands.split_first() {
        Some((first, rest)) => Ok(rest.iter().fold(first.clone(), |sum, x| f(&sum, x))),
        None => invalid!("takes at least one input"),
    }
}

/// The result has the base's type. A power of integers to a float goes through floats.
fn power(n: &mut Node) -> Lowered {
    let (base, exponent) = (n.x(0)?, n.x(1)?);
    if n.version < 7 {
        return pair(n, |a, b| a.pow(b));
    }
    if base.dtype() == exponent.dtype() {
        return Ok(base.pow(&exponent));
    }
    let common = if base.dtype().is_float() {
        base.dtype()
    } else if exponent.dtype().is_float() {
        DType::F64
    } else {
        DType::I64
    };
    Ok(base.cast(common).pow(exponent.cast(common)).cast(base.dtype()))
}

/// The remainder of `fmod` has the sign of the dividend; the other, for integers only, that of the divisor.
fn modulo(n: &mut Node) -> Lowered {
    let (a, b) = (n.x(0)?, n.x(1)?);
    if n.flag("fmod", false) {
        return Ok(a.rem(&b));
    }
    ensure!(!a.dtype().is_float(), "fmod=0 takes integers; floats need fmod=1");
    Ok(a.floor_mod(&b))
}

fn bit_shift(n: &mut Node) -> Lowered {
    let left = n.choice("direction", "", &[("LEFT", true), ("RIGHT", false)])?;
    let (x, by) = (n.x(0)?, n.x(1)?);
    Ok(if left { x.shl(&by) } else { x.shr(&by) })
}

fn is_inf(n: &mut Node) -> Lowered {
    let x = n.x(0)?;
    let zero = x.full_like(0.0);
    let infinite = x.is_inf();
    Ok(match (n.flag("detect_negative", true), n.flag("detect_positive", true)) {
        (true, true) => infinite,
        (true, false) => infinite.and(&x.less(&zero)),
        (false, true) => infinite.and(&zero.less(&x)),
        (false, false) => infinite.and(&infinite.not()),
    })
}
