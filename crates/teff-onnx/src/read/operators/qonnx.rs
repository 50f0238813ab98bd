//! Quantisers of QONNX, which Brevitas and FINN write: floats of which each is one of few steps.
//!
//! Source: github.com/fastmachinelearning/qonnx, `docs/qonnx-custom-ops`. What they compute in floats becomes a quantisation of the graph
//! where that is the same, so that the network compiles to integers.

use super::*;

pub(super) const TABLE: Table = &[
    ("BipolarQuant", Of(bipolar_quant)),
    ("IntQuant", Of(quant)),
    ("Quant", Of(quant)),
    ("Trunc", Of(trunc)),
];

/// The domains that have them; older files have the later ones.
pub(super) const DOMAINS: [&str; 3] = ["qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general"];

/// How a number becomes an integer, by attribute `rounding_mode` in upper case.
const ROUNDINGS: [(&str, TensorFunction); 8] = [
    ("ROUND", Tensor::round),
    ("HALF_EVEN", Tensor::round),
    ("CEIL", Tensor::ceil),
    ("FLOOR", Tensor::floor),
    // Away from zero, and towards it.
    ("UP", |x| x.sign() * x.abs().ceil()),
    ("DOWN", |x| x.sign() * x.abs().floor()),
    // To nearest, halves away from zero, or towards it.
    ("HALF_UP", |x| to_nearest(x, |rest| rest.greater_equal(0.5))),
    ("HALF_DOWN", |x| to_nearest(x, |rest| rest.greater(0.5))),
];

/// Away from zero where that is so of what is left of |x|, which is exact, as |x| + 0.5 is not.
fn to_nearest(x: &Tensor, away: fn(&Tensor) -> Tensor) -> Tensor {
    let whole = x.abs().floor();
    x.sign() * (&whole + away(&(x.abs() - &whole)).cast(x.dtype()))
}

/// The name and the function.
fn rounding(n: &Node, default: &'static str) -> Lowered<(&'static str, TensorFunction)> {
    let name = n.text("rounding_mode", default)?;
    match ROUNDINGS.iter().find(|(mode, _)| *mode == name.to_uppercase()) {
        Some(&found) => Ok(found),
        None => {
            let remedy = "use ROUND, CEIL, FLOOR, UP, DOWN, HALF_UP or HALF_DOWN";
            unsupported(format!("rounding_mode={name:?}"), remedy)
        }
    }
}

/// Smallest and largest integer of a number of bits.
fn range(n: &Node, bits: f64) -> (f64, f64) {
    let (signed, narrow) = (n.flag("signed", true), n.flag("narrow", false));
    let (half, whole) = (2f64.powf(bits - 1.0), 2f64.powf(bits));
    match (signed, narrow) {
        (true, true) => (1.0 - half, half - 1.0),
        (true, false) => (-half, half - 1.0),
        (false, true) => (0.0, whole - 2.0),
        (false, false) => (0.0, whole - 1.0),
    }
}

/// The numbers of bits of input `i`, whole ones; known while reading.
fn bits_of(n: &mut Node, i: usize, what: &str) -> Lowered<(Vec<f64>, Vec<usize>)> {
    let value = n.constant(i, what)?;
    let bits = value.to_f64();
    match bits.iter().find(|b| !(1.0..=64.0).contains(*b) || b.fract() != 0.0) {
        Some(wrong) => invalid!("{what} (input {i}) is {wrong}, not whole and from 1 to 64"),
        None => Ok((bits, value.shape().to_vec())),
    }
}

/// Smallest and largest integers beside what is rounded.
fn limits(n: &Node, bits: &[f64], shape: &[usize], dtype: DType) -> (Tensor, Tensor) {
    let ty = Type::new(dtype, shape);
    let of = |f: &dyn Fn(f64) -> f64| Tensor::constant(Value::from_fn(&ty, |i| Num::Float(f(bits[i]))));
    (of(&|b| range(n, b).0), of(&|b| range(n, b).1))
}

/// `p` with as many axes as `x`, if it is one number or one an index of some axes of `x`.
fn beside(x: &Tensor, p: &Tensor) -> Option<Tensor> {
    let missing = x.rank().checked_sub(p.rank())?;
    let shape = [&vec![1; missing][..], p.shape()].concat();
    shape.iter().zip(x.shape()).all(|(&p, &n)| p == 1 || p == n).then(|| p.reshape(&shape))
}

/// `(round(clamp(x / scale + zero)) - zero) * scale`.
fn quant(n: &mut Node, x: Tensor) -> Lowered {
    let (scale, zero) = (n.x(1)?.cast(x.dtype()), n.x(2)?.cast(x.dtype()));
    let (bits, shape) = bits_of(n, 3, "bitwidth")?;
    let (mode, round) = rounding(n, "ROUND")?;
    let signed = n.flag("signed", true);
    let is_bipolar = |b: f64| b == 1.0 && signed;
    if let [bits] = bits[..]
        && ["ROUND", "HALF_EVEN"].contains(&mode)
        && !is_bipolar(bits)
        && let Some(y) = by_integers(n, &x, &scale, &zero, bits)
    {
        return Ok(y);
    }
    let steps = &x / &scale + &zero;
    let (low, high) = limits(n, &bits, &shape, x.dtype());
    let mut rounded = round(&steps.maximum(&low).minimum(&high));
    if bits.iter().any(|&b| is_bipolar(b)) {
        // One bit with a sign is -1 or 1.
        let is_one =
            Tensor::constant(Value::new(&shape[..], bits.iter().map(|&b| b == 1.0).collect::<Vec<_>>()));
        rounded = is_one.select(signs(&steps), &rounded);
    }
    Ok((rounded - zero) * scale)
}

/// The same as a quantisation of the graph to at most 16 bits, where the graph's, `clamp(round(x / scale) + zero)`, is that: halves go to
/// the same side if the zero point is even. (QONNX adds a zero point in floats, so that what is within 2^-17 of a half may be a half.)
fn by_integers(n: &mut Node, x: &Tensor, scale: &Tensor, zero: &Tensor, bits: f64) -> Option<Tensor> {
    let (low, high) = range(n, bits);
    let dtype = match (n.flag("signed", true), bits as u8) {
        (true, ..=8) => DType::I8,
        (true, ..=16) => DType::I16,
        (false, ..=8) => DType::U8,
        (false, ..=16) => DType::U16,
        _ => return None,
    };
    let zeros = n.known(zero)?.to_f64();
    if low > high || zeros.iter().any(|z| z % 2.0 != 0.0 || !(low..=high).contains(z)) {
        return None;
    }
    let (scale, zero) = (beside(x, scale)?, beside(x, &zero.cast(dtype))?);
    let both: Vec<usize> = scale.shape().iter().zip(zero.shape()).map(|(&a, &b)| a.max(b)).collect();
    let (scale, zero) = (scale.broadcast_to(&both), zero.broadcast_to(&both));
    let op = Op::Quantize { dtype, low: low as i32, high: high as i32 };
    let q = Tensor::apply(op, &[x.clone(), scale.clone(), zero.clone()]);
    q.check().ok()?;
    Some(q.dequantize(&scale, &zero))
}

/// 1 where x is at least 0, else -1.
fn signs(x: &Tensor) -> Tensor {
    x.greater_equal(0.0).select(x.full_like(1.0), -1.0)
}

/// `scale` where x is at least 0, else `-scale`; as integers -1 and 1 where the scale allows.
fn bipolar_quant(n: &mut Node, x: Tensor) -> Lowered {
    let scale = n.x(1)?.cast(x.dtype());
    let signs = signs(&x);
    Ok(match beside(&x, &scale) {
        Some(scale) => {
            let zero = Tensor::full(Type::new(DType::I8, scale.shape()), 0.0);
            signs.cast(DType::I8).dequantize(&scale, &zero)
        }
        None => signs * scale,
    })
}

/// The integers that floats stand for, with their lowest bits taken off.
///
/// Version 1 has the bits before and after as inputs 3 and 4, and the result keeps the scale. Version 2 has after them the scale of the
/// result (some files its zero point too, which has no part in the definition) and the bits of the result last.
fn trunc(n: &mut Node, x: Tensor) -> Lowered {
    let (scale, zero) = (n.x(1)?.cast(x.dtype()), n.x(2)?.cast(x.dtype()));
    let (before, _) = bits_of(n, 3, "in_bitwidth")?;
    let last = n.input_count() - 1;
    let (after, shape) = bits_of(n, last, "out_bitwidth")?;
    let (_, round) = rounding(n, "FLOOR")?;
    let whole = (&x / &scale + &zero).round();
    match last {
        4 => {
            let ([before], [after]) = (&before[..], &after[..]) else {
                return unsupported("a number of bits for each channel", "use one number of bits for all");
            };
            let y = round(&(whole / 2f64.powf(before - after)));
            Ok((y - zero) * scale)
        }
        5 | 6 => {
            if last == 6 {
                n.item(5);
            }
            let scale_after = n.x(4)?.cast(x.dtype());
            let ratio = &scale_after / &scale;
            let Some(ratios) = n.known(&ratio) else {
                return unsupported("scales that are computed", "export the model with scales fixed");
            };
            let powers = Value::from_fn(&ratio.ty(), |i| {
                Num::Float(2f64.powf(ratios.get(i).as_f64().log2().round_ties_even()))
            });
            let power = Tensor::constant(powers);
            let (low, high) = limits(n, &after, &shape, x.dtype());
            let y = round(&(whole / &power).maximum(&low).minimum(&high));
            Ok((y - zero / power) * scale_after)
        }
        count => invalid!("takes 5 to 7 inputs, not {}", count + 1),
    }
}
