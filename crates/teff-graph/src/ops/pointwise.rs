//! Functions of each element.

use super::{Gradients, Rule};
use crate::dtype::{DType, Type};
use crate::op::{Binary, Unary};
use crate::tensor::Tensor;
use crate::value::{Num, Value};

pub(super) fn unary_rule(u: Unary, x: &Type) -> Rule {
    use Unary::*;
    let (ok, takes) = match u {
        StopGradient => (true, ""),
        Neg | Abs | Sign => (x.dtype != DType::Bool, "numbers"),
        Not => (!x.dtype.is_float(), "integers or booleans"),
        Floor | Ceil | Round | Sqrt | Exp | Log | Sin | Cos | Tan | Asin | Acos | Atan | Sinh | Cosh
        | Tanh | Asinh | Acosh | Atanh | Erf | Erfc | Sigmoid | Expm1 | IsNan | IsInf => {
            (x.dtype.is_float(), "floats")
        }
    };
    if !ok {
        return Err(format!("takes {takes}, not {}", x.dtype));
    }
    Ok(Type::new(if matches!(u, IsNan | IsInf) { DType::Bool } else { x.dtype }, x.shape.clone()))
}

/// One element of [`Unary`], widened; the caller narrows it to the dtype of the result.
pub fn unary(u: Unary, x: Num, dtype: DType) -> Num {
    let either = |of_int: fn(i128) -> i128, of_float: fn(f64) -> f64| match x {
        Num::Int(i) => Num::Int(of_int(i)),
        Num::Float(x) => Num::Float(of_float(x)),
    };
    let float = |f: fn(f64) -> f64| Num::Float(f(x.as_f64()));
    match u {
        Unary::Neg => either(|i| -i, |x| -x),
        Unary::Abs => either(i128::abs, f64::abs),
        Unary::Sign => either(i128::signum, |x| if x == 0.0 || x.is_nan() { x } else { x.signum() }),
        Unary::Not if dtype == DType::Bool => Num::Int(1 - x.as_int()),
        Unary::Not => Num::Int(!x.as_int()),
        Unary::StopGradient => x,
        Unary::Floor => float(f64::floor),
        Unary::Ceil => float(f64::ceil),
        Unary::Round => float(f64::round_ties_even),
        Unary::Sqrt => float(f64::sqrt),
        Unary::Exp => float(f64::exp),
        Unary::Expm1 => float(f64::exp_m1),
        Unary::Log => float(f64::ln),
        Unary::Sin => float(f64::sin),
        Unary::Cos => float(f64::cos),
        Unary::Tan => float(f64::tan),
        Unary::Asin => float(f64::asin),
        Unary::Acos => float(f64::acos),
        Unary::Atan => float(f64::atan),
        Unary::Sinh => float(f64::sinh),
        Unary::Cosh => float(f64::cosh),
        Unary::Tanh => float(f64::tanh),
        Unary::Asinh => float(libm::asinh),
        Unary::Acosh => float(libm::acosh),
        Unary::Atanh => float(f64::atanh),
        Unary::Erf => float(libm::erf),
        Unary::Erfc => float(libm::erfc),
        Unary::Sigmoid => float(|x| 1.0 / (1.0 + (-x).exp())),
        Unary::IsNan => Num::Int(x.as_f64().is_nan().into()),
        Unary::IsInf => Num::Int(x.as_f64().is_infinite().into()),
    }
}

pub(super) fn eval_unary(u: Unary, ty: &Type, x: &Value) -> Value {
    Value::from_fn(ty, |i| unary(u, x.get(i), x.dtype()))
}

pub(super) fn unary_gradient(u: Unary, x: &Tensor, y: &Tensor, g: &Tensor) -> Option<Tensor> {
    Some(match u {
        Unary::Neg => -g,
        Unary::Abs => g * x.sign(),
        Unary::Sqrt => g / (y * 2.0),
        Unary::Exp => g * y,
        Unary::Expm1 => g * (y + 1.0),
        Unary::Log => g / x,
        Unary::Sin => g * x.cos(),
        Unary::Cos => -(g * x.sin()),
        Unary::Tan => g * (y * y + 1.0),
        Unary::Asin => g / (1.0 - x * x).sqrt(),
        Unary::Acos => -(g / (1.0 - x * x).sqrt()),
        Unary::Atan => g / (x * x + 1.0),
        Unary::Sinh => g * x.cosh(),
        Unary::Cosh => g * x.sinh(),
        Unary::Tanh => g * (1.0 - y * y),
        Unary::Asinh => g / (x * x + 1.0).sqrt(),
        Unary::Acosh => g / (x * x - 1.0).sqrt(),
        Unary::Atanh => g / (1.0 - x * x),
        Unary::Erf => g * (-(x * x)).exp() * std::f64::consts::FRAC_2_SQRT_PI,
        Unary::Erfc => g * (-(x * x)).exp() * -std::f64::consts::FRAC_2_SQRT_PI,
        Unary::Sigmoid => g * y * (1.0 - y),
        Unary::Sign | Unary::Floor | Unary::Ceil | Unary::Round => return None,
        Unary::Not | Unary::IsNan | Unary::IsInf | Unary::StopGradient => return None,
    })
}

pub(super) fn binary_rule(b: Binary, x: &Type, y: &Type) -> Rule {
    if x != y {
        return Err("both operands must have one dtype and shape".into());
    }
    let (ok, takes) = match b {
        Binary::Add | Binary::Sub | Binary::Mul | Binary::Div | Binary::Rem | Binary::Pow => {
            (x.dtype != DType::Bool, "numbers")
        }
        Binary::Max | Binary::Min | Binary::Eq | Binary::Lt | Binary::Le => (true, ""),
        Binary::And | Binary::Or | Binary::Xor => (!x.dtype.is_float(), "integers or booleans"),
        Binary::Shl | Binary::Shr => (x.dtype.is_int(), "integers"),
        Binary::MulHigh => (x.dtype == DType::I32, "i32"),
    };
    if !ok {
        return Err(format!("takes {takes}, not {}", x.dtype));
    }
    let dtype = if b.is_comparison() { DType::Bool } else { x.dtype };
    Ok(Type::new(dtype, x.shape.clone()))
}

/// One element of [`Binary`], widened; the caller narrows it to the dtype of the result. `dtype` is that of the operands.
pub fn binary(b: Binary, x: Num, y: Num, dtype: DType) -> Num {
    match (x, y) {
        (Num::Int(x), Num::Int(y)) => Num::Int(int_binary(b, x, y, dtype)),
        (x, y) => float_binary(b, x.as_f64(), y.as_f64()),
    }
}

fn int_binary(b: Binary, x: i128, y: i128, dtype: DType) -> i128 {
    let bits = 8 * dtype.size() as i128;
    match b {
        Binary::Add => x + y,
        Binary::Sub => x - y,
        Binary::Mul => x.wrapping_mul(y),
        Binary::Div => x.checked_div(y).unwrap_or(0),
        Binary::Rem => x.checked_rem(y).unwrap_or(0),
        Binary::Pow => int_power(x, y),
        Binary::Max => x.max(y),
        Binary::Min => x.min(y),
        Binary::And => x & y,
        Binary::Or => x | y,
        Binary::Xor => x ^ y,
        Binary::Shl if (0..bits).contains(&y) => x.wrapping_shl(y as u32),
        Binary::Shl => 0,
        Binary::Shr if (0..bits).contains(&y) => x >> y,
        Binary::Shr => -((x < 0) as i128),
        Binary::MulHigh => (x * y) >> 32,
        Binary::Eq => (x == y) as i128,
        Binary::Lt => (x < y) as i128,
        Binary::Le => (x <= y) as i128,
    }
}

fn int_power(x: i128, y: i128) -> i128 {
    match (x, y) {
        (1, _) => 1,
        (-1, y) => 1 - 2 * (y & 1),
        (_, y) if y < 0 => 0,
        (mut base, mut y) => {
            let mut power = 1i128;
            while y > 0 {
                if y & 1 == 1 {
                    power = power.wrapping_mul(base);
                }
                base = base.wrapping_mul(base);
                y >>= 1;
            }
            power
        }
    }
}

fn float_binary(b: Binary, x: f64, y: f64) -> Num {
    let nan = x.is_nan() || y.is_nan();
    let second_if = |so: bool| if so { y } else { x };
    Num::Float(match b {
        Binary::Add => x + y,
        Binary::Sub => x - y,
        Binary::Mul => x * y,
        Binary::Div => x / y,
        Binary::Rem => x % y,
        Binary::Pow => x.powf(y),
        Binary::Max | Binary::Min if nan => f64::NAN,
        Binary::Max => second_if(y > x),
        Binary::Min => second_if(y < x),
        Binary::Eq => return Num::Int((x == y) as i128),
        Binary::Lt => return Num::Int((x < y) as i128),
        Binary::Le => return Num::Int((x <= y) as i128),
        Binary::And | Binary::Or | Binary::Xor | Binary::Shl | Binary::Shr | Binary::MulHigh => {
            unreachable!()
        }
    })
}

pub(super) fn eval_binary(b: Binary, ty: &Type, x: &Value, y: &Value) -> Value {
    Value::from_fn(ty, |i| binary(b, x.get(i), y.get(i), x.dtype()))
}

pub(super) fn binary_gradient(b: Binary, x: &Tensor, y: &Tensor, out: &Tensor, g: &Tensor) -> Gradients {
    match b {
        Binary::Add => vec![Some(g.clone()), Some(g.clone())],
        Binary::Sub => vec![Some(g.clone()), Some(-g)],
        Binary::Mul => vec![Some(g * y), Some(g * x)],
        Binary::Div => vec![Some(g / y), Some(-(g * out / y))],
        // x rem y = x - y * trunc(x / y), and trunc is flat.
        Binary::Rem => vec![Some(g.clone()), Some(-(g * ((x - out) / y).round()))],
        Binary::Pow => {
            // d/dx = y x^(y-1), with 0 where y = 0; d/dy = x^y ln x, with 0 where x = 0.
            let dx = y.equal(0.0).select(0.0, y * x.pow(y - 1.0));
            let dy = x.equal(0.0).select(0.0, out * x.log());
            vec![Some(g * dx), Some(g * dy)]
        }
        // Of equal operands the second takes the gradient, so that relu = max(x, 0) has gradient 0 at 0.
        Binary::Max => {
            let first = y.less(x);
            vec![Some(first.select(g, 0.0)), Some(first.select(0.0, g))]
        }
        Binary::Min => {
            let first = x.less(y);
            vec![Some(first.select(g, 0.0)), Some(first.select(0.0, g))]
        }
        Binary::And | Binary::Or | Binary::Xor | Binary::Shl | Binary::Shr | Binary::MulHigh => {
            vec![None, None]
        }
        Binary::Eq | Binary::Lt | Binary::Le => vec![None, None],
    }
}

pub(super) fn select_rule(operands: &[Type]) -> Rule {
    if operands[0].dtype != DType::Bool {
        return Err("the condition must be boolean".into());
    }
    if operands[1] != operands[2] || operands[0].shape != operands[1].shape {
        return Err("both values must have one dtype and all operands one shape".into());
    }
    Ok(operands[1].clone())
}

pub(super) fn eval_select(c: &Value, a: &Value, b: &Value) -> Value {
    Value::from_fn(&a.ty(), |i| if c.get(i) == Num::Int(1) { a.get(i) } else { b.get(i) })
}

pub(super) fn select_gradient(c: &Tensor, g: &Tensor) -> Gradients {
    vec![None, Some(c.select(g, 0.0)), Some(c.select(0.0, g))]
}

pub(super) fn cast_gradient(x: &Tensor, g: &Tensor) -> Option<Tensor> {
    (x.dtype().is_float() && g.dtype().is_float()).then(|| g.cast(x.dtype()))
}

/// Sum of two widened numbers.
pub(super) fn add(x: Num, y: Num) -> Num {
    binary(Binary::Add, x, y, DType::I64)
}
