//! Conversions between element types.

use super::*;
use crate::proto::FloatLayout;

pub(super) const TABLE: Table =
    &[("BitCast", Many(bit_cast)), ("Cast", Many(cast)), ("CastLike", Many(cast_like))];

fn cast(n: &mut Node) -> Lowered<Outputs> {
    let x = n.typed(0)?;
    let Some(to) = n.element("to")? else { return invalid!("the attribute \"to\" is missing") };
    cast_to(n, &x, to)
}

fn cast_like(n: &mut Node) -> Lowered<Outputs> {
    let x = n.typed(0)?;
    let to = n.typed(1)?.element;
    cast_to(n, &x, to)
}

fn cast_to(n: &Node, x: &Typed, to: ElementType) -> Lowered<Outputs> {
    let y = converted(x, to, n.flag("saturate", true), n.text("round_mode", "up")?)?;
    Ok(vec![OnnxValue::narrow(y, to)])
}

/// `x` as elements of type `to`, in the wider type that holds them.
pub(super) fn converted(x: &Typed, to: ElementType, saturate: bool, mode: &str) -> Lowered {
    let wide = match to {
        // The low bits of the number, not of what the wider unsigned type saturates it to.
        ElementType::I4 | ElementType::U4 | ElementType::I2 | ElementType::U2 => {
            x.tensor.cast(DType::I32).cast(holder(to))
        }
        // Wider types saturate as the graph does.
        _ => x.tensor.cast(holder(to)),
    };
    match to {
        ElementType::Plain(_) => Ok(wide),
        ElementType::I4 | ElementType::U4 | ElementType::I2 | ElementType::U2 => wrapped(&wide, to),
        ElementType::F16 | ElementType::BF16 if x.element == to => Ok(wide),
        ElementType::F16 | ElementType::BF16 => Ok(rounded(&wide, to)),
        ElementType::F8E4M3FN | ElementType::F8E4M3FNUZ | ElementType::F8E5M2 | ElementType::F8E5M2FNUZ => {
            Ok(clamped(&rounded(&wide, to), to, saturate))
        }
        ElementType::F4E2M1 => {
            // It has no NaN; 0 stands in.
            let y = clamped(&rounded(&wide, to), to, true);
            Ok(y.is_nan().select(&y.full_like(0.0), &y))
        }
        ElementType::F8E8M0 => power_of_two(&wide, mode),
        ElementType::String => {
            unsupported("a conversion to strings", "keep text processing outside the model")
        }
    }
}

/// The power of two next to a positive number: above it, below it, or nearest.
fn power_of_two(x: &Tensor, mode: &str) -> Lowered {
    // One bit of mantissa kept: a power of two, rounded to nearest. The product of large numbers would overflow.
    let one_bit = |x: &Tensor| {
        let c = x * (2f64.powi(23) + 1.0);
        &c - (&c - x)
    };
    let huge = x.full_like(2f64.powi(100)).less_equal(x);
    let nearest = huge.select(&(one_bit(&(x * 2f64.powi(-64))) * 2f64.powi(64)), &one_bit(x));
    let smallest = x.full_like(2f64.powi(-127));
    match mode {
        "nearest" => Ok(nearest.maximum(&smallest)),
        "up" => Ok(nearest.less(x).select(&(&nearest * 2.0), &nearest).maximum(&smallest)),
        "down" => Ok(x.less(&nearest).select(&(&nearest * 0.5), &nearest).maximum(&smallest)),
        other => unsupported(format!("round_mode={other:?}"), "use up, down or nearest"),
    }
}

/// The low bits of an integer, with sign if the type has one.
fn wrapped(x: &Tensor, to: ElementType) -> Lowered {
    let shift = x.full_like((8 - to.bits()) as f64);
    Ok(x.shl(&shift).shr(&shift))
}

/// f32 rounded to the nearest number of a narrow float type, halves to even; what is too large is left as it is.
///
/// Adding and taking away 1.5 * 2^23 units of the last place leaves a whole number of them.
fn rounded(x: &Tensor, to: ElementType) -> Tensor {
    let Some(FloatLayout { mantissa_bits, bias, largest, .. }) = to.float_layout() else { return x.clone() };
    // The exponent of each element by comparison with powers of two would be long; 2^floor(log2 |x|) comes from the two-term
    // split of Veltkamp instead: c = x * (2^s + 1), high = c - (c - x) keeps 24 - s bits, rounded to nearest even.
    let s = 23 - mantissa_bits as i32;
    let c = x * (2f64.powi(s) + 1.0);
    let normal = &c - (&c - x);
    // Below the smallest normal number the unit is fixed.
    let unit = 2f64.powi(1 - bias - mantissa_bits as i32);
    let subnormal = (x / unit).round() * unit;
    let smallest = x.full_like(2f64.powi(1 - bias));
    let near = x.abs().less(&smallest).select(&subnormal, &normal);
    // The product of large numbers would overflow; a power of two less, they round alike. NaN and infinities stay.
    let huge = x.full_like(2f64.powi(100)).less_equal(&x.abs());
    let small = x * 2f64.powi(-64);
    let c = &small * (2f64.powi(s) + 1.0);
    let large = (&c - (&c - &small)) * 2f64.powi(64);
    let out = huge.select(&x.is_inf().select(x, &large), &near);
    // Half a unit above the largest number everything is infinite, for types that have infinity.
    if matches!(to, ElementType::F16) {
        let over = out.full_like(largest).less(&out.abs());
        let infinity = x.sign() * f64::INFINITY;
        return over.select(&infinity, &out);
    }
    out
}

/// What is too large becomes the largest number when it saturates, else infinity or NaN.
fn clamped(x: &Tensor, to: ElementType, saturate: bool) -> Tensor {
    let Some(FloatLayout { largest: top, has_infinity, .. }) = to.float_layout() else { return x.clone() };
    if saturate {
        // NaN stays.
        return x.is_nan().select(x, &x.clip(-top, top));
    }
    let over = x.full_like(top).less(&x.abs());
    let beyond = if has_infinity { x.sign() * f64::INFINITY } else { x.full_like(f64::NAN) };
    over.select(&beyond, x)
}

/// The bits of a constant under another type of the same width.
fn bit_cast(n: &mut Node) -> Lowered<Outputs> {
    let x = n.typed(0)?;
    let Some(to) = n.element("to")? else { return invalid!("the attribute \"to\" is missing") };
    let ElementType::Plain(dtype) = to else {
        return unsupported(format!("a bit cast to {}", to.name()), "use a type of 8 bits or more");
    };
    let from = x.tensor.dtype();
    ensure!(from.size() == dtype.size(), "{from} and {dtype} differ in width");
    if from.is_int() && dtype.is_int() {
        return Ok(vec![x.tensor.cast(dtype).into()]);
    }
    let value = n.constant(0, "the value")?;
    let ty = Type::new(dtype, value.shape());
    match Value::from_le_bytes(&ty, &value.to_le_bytes()) {
        Some(v) => Ok(vec![Tensor::apply(Op::Constant(v.into()), &[]).into()]),
        None => invalid!("the widths differ"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use teff_graph::{Graph, evaluate};

    fn nearest(x: f32, to: ElementType) -> f32 {
        let graph = Graph::from_tensors("t", &[], &[("", rounded(&Tensor::scalar(x), to))]).unwrap();
        evaluate(&graph, &[]).unwrap()[0].get(0).as_f64() as f32
    }

    #[test]
    fn rounding_is_to_nearest_even() {
        assert_eq!(nearest(1.0 + 1.0 / 2048.0, ElementType::F16), 1.0);
        assert_eq!(nearest(1.0 + 3.0 / 2048.0, ElementType::F16), 1.0 + 4.0 / 2048.0);
        assert_eq!(nearest(65519.0, ElementType::F16), 65504.0);
        assert_eq!(nearest(65520.0, ElementType::F16), f32::INFINITY);
        let bf16 = |x: f32| f32::from_bits((x.to_bits() + 0x7fff + (x.to_bits() >> 16 & 1)) & 0xffff_0000);
        for x in [1e38f32, 3.38e38, 1.3e30, 2f32.powi(100), 1.004, f32::MAX, f32::INFINITY] {
            assert_eq!(nearest(x, ElementType::BF16), bf16(x), "{x}");
        }
        assert_eq!(nearest(2.9e-8, ElementType::F16), 0.0);
        assert_eq!(nearest(3.1e-8, ElementType::F16), 5.960_464_5e-8);
        assert_eq!(nearest(-3.3, ElementType::F8E4M3FN), -3.25);
        assert_eq!(nearest(2.4, ElementType::F4E2M1), 2.0);
        assert_eq!(nearest(2.6, ElementType::F4E2M1), 3.0);
    }
}
