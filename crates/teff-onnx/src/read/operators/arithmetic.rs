//! Elementwise arithmetic, comparison and logic.

use super::Lower::{Binary, Joined, Unary};
use super::*;
use teff_graph::{Binary as B, Unary as U};

pub(super) const TABLE: Table = &[
    ("Abs", Unary(U::Abs)),
    ("Acos", Unary(U::Acos)),
    ("Acosh", Unary(U::Acosh)),
    ("Add", Binary(B::Add)),
    ("And", Binary(B::And)),
    ("Asin", Unary(U::Asin)),
    ("Asinh", Unary(U::Asinh)),
    ("Atan", Unary(U::Atan)),
    ("Atanh", Unary(U::Atanh)),
    ("BitShift", One(bit_shift)),
    ("BitwiseAnd", Binary(B::And)),
    ("BitwiseNot", Unary(U::Not)),
    ("BitwiseOr", Binary(B::Or)),
    ("BitwiseXor", Binary(B::Xor)),
    ("Ceil", Unary(U::Ceil)),
    ("Cos", Unary(U::Cos)),
    ("Cosh", Unary(U::Cosh)),
    ("Div", Binary(B::Div)),
    ("Equal", Binary(B::Eq)),
    ("Erf", Unary(U::Erf)),
    // Not of ONNX: tf2onnx, and Keras with it, leaves TensorFlow's operator in the GELU of transformers as it is.
    ("Erfc", Unary(U::Erfc)),
    ("Exp", Unary(U::Exp)),
    ("Floor", Unary(U::Floor)),
    ("Greater", One(|n| pair(n, |a, b| a.greater(b)))),
    ("GreaterOrEqual", One(|n| pair(n, |a, b| a.greater_equal(b)))),
    ("IsInf", Of(is_inf)),
    ("IsNaN", Unary(U::IsNan)),
    ("Less", Binary(B::Lt)),
    ("LessOrEqual", Binary(B::Le)),
    ("Log", Unary(U::Log)),
    ("Max", Joined(B::Max)),
    ("Mean", One(|n| Ok(joined(n, B::Add)? / n.input_count() as f64))),
    ("Min", Joined(B::Min)),
    ("Mod", OfTwo(modulo)),
    ("Mul", Binary(B::Mul)),
    ("Neg", Unary(U::Neg)),
    ("Not", Unary(U::Not)),
    ("Or", Binary(B::Or)),
    ("Pow", OfTwo(power)),
    ("Reciprocal", Of(|_, x| Ok(x.recip()))),
    ("Round", Unary(U::Round)),
    ("Sign", Unary(U::Sign)),
    ("Sin", Unary(U::Sin)),
    ("Sinh", Unary(U::Sinh)),
    ("Sqrt", Unary(U::Sqrt)),
    ("Sub", Binary(B::Sub)),
    ("Sum", Joined(B::Add)),
    ("Tan", Unary(U::Tan)),
    ("Where", One(|n| Ok(n.x(0)?.select(&n.x(1)?, &n.x(2)?)))),
    ("Xor", Binary(B::Xor)),
];

/// A function of two operands that broadcast. Before version 7 only the second does, along `axis`, when `broadcast` says so.
pub(super) fn pair(n: &Node, f: impl Fn(&Tensor, &Tensor) -> Tensor) -> Lowered {
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

/// An operation of any number of operands that broadcast.
pub(super) fn joined(n: &Node, op: B) -> Lowered {
    match n.tensors(0)?.into_iter().reduce(|sum, x| sum.binary(op, x)) {
        Some(all) => Ok(all),
        None => invalid!("takes at least one input"),
    }
}

/// The result has the base's type. A power of integers to a float goes through floats.
fn power(n: &mut Node, base: Tensor, exponent: Tensor) -> Lowered {
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
fn modulo(n: &mut Node, a: Tensor, b: Tensor) -> Lowered {
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

fn is_inf(n: &mut Node, x: Tensor) -> Lowered {
    let infinite = x.is_inf();
    Ok(match (n.flag("detect_negative", true), n.flag("detect_positive", true)) {
        (true, true) => infinite,
        (true, false) => infinite.and(x.less(0.0)),
        (false, true) => infinite.and(x.greater(0.0)),
        (false, false) => infinite.and(infinite.not()),
    })
}
