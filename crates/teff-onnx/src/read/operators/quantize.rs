//! Between element types: conversions, floats and integers that stand for them, operators on such integers.
//!
//! What the specification defines through floats is computed through floats: dequantise, compute, quantise. What it defines on
//! integers (`ConvInteger`, `MatMulInteger`) is computed on i32. `QLinearConv` and `QLinearMatMul` accumulate in i32 and are
//! requantised by the float factor `a_scale * b_scale / y_scale`, as onnxruntime does.

use super::*;
use crate::proto::FloatLayout;

pub(super) const TABLE: Table = &[
    ("BitCast", Many(bit_cast)),
    ("Cast", Many(|n| cast_to(n, target(n)?))),
    ("CastLike", Many(|n| cast_to(n, n.typed(1)?.element))),
    ("ConvInteger", OfTwo(conv_integer)),
    ("DequantizeLinear", Many(dequantize_linear)),
    ("DynamicQuantizeLinear", Many(|n| Ok(dynamically_quantized(&n.x(0)?).map(OnnxValue::from).into()))),
    ("MatMulInteger", OfTwo(|n, a, b| integer_product(n, (&a, 2), (&b, 3)))),
    ("QLinearConv", One(q_linear_conv)),
    ("QLinearMatMul", One(q_linear_mat_mul)),
    ("QuantizeLinear", Many(quantize_linear)),
];

/// Scale or zero point in the shape that the graph wants beside `x`: as many axes, each size dividing x's. A scalar serves all, a
/// vector the slices along `axis`, blocks the elements along `axis` in runs of `block`.
pub(super) fn beside(x: &Tensor, p: &Tensor, axis: i64, block: i64) -> Lowered {
    if p.len() == 1 && (p.rank() <= 1 || block == 0) {
        return Ok(p.reshape(&vec![1; x.rank()]));
    }
    let axis = axis_of(axis, x.rank())?;
    if p.rank() == 1 && block == 0 {
        ensure!(p.len() == x.shape()[axis], "{} scales or zero points for axis {axis} of {x}", p.len());
        return Ok(p.along_axis(axis, x.rank()));
    }
    let block = usize::try_from(block).unwrap_or(0);
    let fits = p.rank() == x.rank()
        && block > 0
        && (0..x.rank())
            .all(|i| p.shape()[i] == if i == axis { x.shape()[i].div_ceil(block) } else { x.shape()[i] });
    ensure!(fits, "scales or zero points {p} for {x} in blocks of {block} along axis {axis}");
    if x.shape()[axis].is_multiple_of(block) {
        return Ok(p.clone());
    }
    // The last block is shorter: one scale an element instead.
    let indices = Tensor::iota(Type::new(DType::I64, [x.shape()[axis]]), 0) / block as f64;
    Ok(p.gather(&indices, axis))
}

/// Scales of blocks as one for each element, to broadcast against `x`.
fn spread(x: &Tensor, scale: &Tensor) -> Tensor {
    let broadcasts = scale.shape().iter().zip(x.shape()).all(|(&s, &n)| s == 1 || s == n);
    if broadcasts { scale.clone() } else { scale.in_blocks(x.shape()) }
}

/// The zero point given as input `i`, or zero of this type.
pub(super) fn zero_point(n: &Node, i: usize, default: ElementType) -> Lowered<Typed> {
    let zero = || Typed { tensor: Tensor::full(Type::new(holder(default), []), 0.0), element: default };
    Ok(n.given(i, || n.typed(i))?.unwrap_or_else(zero))
}

/// `clamp(round(x / scale) + zero)` to the range of the zero point's type.
pub(super) fn quantized(x: &Tensor, scale: &Tensor, zero: &Typed, axis: i64, block: i64) -> Lowered {
    let Some((low, high)) = zero.element.int_range() else {
        return unsupported(format!("a quantisation to {}", zero.element.name()), "quantise to integers");
    };
    ensure!(
        scale.len() == zero.tensor.len() || zero.tensor.len() == 1,
        "scale and zero point differ in shape"
    );
    let scale = beside(x, &scale.cast(x.dtype()), axis, block)?;
    let zero_point = beside(x, &zero.tensor, axis, block)?.broadcast_to(scale.shape());
    let op = Op::Quantize { dtype: holder(zero.element), low: low as i32, high: high as i32 };
    Ok(Tensor::apply(op, &[x.clone(), scale, zero_point]))
}

/// `(q - zero) * scale`.
pub(super) fn dequantized(q: &Tensor, scale: &Tensor, zero: &Tensor, axis: i64, block: i64) -> Lowered {
    let scale = beside(q, scale, axis, block)?;
    let zero = beside(q, &zero.cast(q.dtype()), axis, block)?.broadcast_to(scale.shape());
    Ok(q.dequantize(&scale, &zero))
}

pub(super) fn quantize_linear(n: &mut Node) -> Lowered<Outputs> {
    let (x, scale) = (n.typed(0)?, n.x(1)?);
    let (axis, block) = (n.int("axis", 1), n.int("block_size", 0));
    n.ignore(&["saturate", "precision"]);
    let asked = n.element("output_dtype")?;
    let zero = zero_point(n, 2, asked.unwrap_or(ElementType::Plain(DType::U8)))?;
    let axis = if scale.len() == 1 { 0 } else { axis };
    if zero.element.float_layout().is_some() {
        // To narrow floats: scaled and rounded; their zero point is 0.
        let ratio =
            &x.tensor / spread(&x.tensor, &beside(&x.tensor, &scale.cast(x.tensor.dtype()), axis, block)?);
        let y = converted(&ratio.into(), zero.element, n.flag("saturate", true), "up")?;
        return Ok(vec![OnnxValue::narrow(y, zero.element)]);
    }
    // Integers are quantised as the floats they are.
    let float = if x.tensor.dtype().is_float() { x.tensor } else { x.tensor.cast(scale.dtype()) };
    let q = quantized(&float, &scale, &zero, axis, block)?;
    Ok(vec![OnnxValue::narrow(q, zero.element)])
}

pub(super) fn dequantize_linear(n: &mut Node) -> Lowered<Outputs> {
    let (q, scale) = (n.typed(0)?, n.typed(1)?);
    let (axis, block) = (n.int("axis", 1), n.int("block_size", 0));
    let zero = zero_point(n, 2, q.element)?.tensor;
    let to = n.element("output_dtype")?.unwrap_or(scale.element);
    if !q.tensor.dtype().is_int() {
        // Narrow floats: only scaled.
        let scale = spread(&q.tensor, &beside(&q.tensor, &scale.tensor, axis, block)?);
        let y = q.tensor.cast(scale.dtype()) * scale;
        return Ok(vec![OnnxValue::narrow(y, to)]);
    }
    let y = dequantized(&q.tensor, &scale.tensor, &zero, axis, block)?.cast(holder(to));
    Ok(vec![OnnxValue::narrow(y, to)])
}

/// `x` quantised to u8 over the range of its values, with 0 in it; the scale and the zero point.
pub(super) fn dynamically_quantized(x: &Tensor) -> [Tensor; 3] {
    let (low, high) = (x.min(&[]).minimum(0.0), x.max(&[]).maximum(0.0));
    let scale = (&high - &low) / 255.0;
    // Of zeros alone the scale would be 0.
    let scale = scale.equal(0.0).select(1.0, &scale);
    let zero_point = (0.0 - &low / &scale).clip(0.0, 255.0).round().cast(DType::U8);
    let one_for_all = vec![1; x.rank()];
    let q = x.quantize(&scale.reshape(&one_for_all), &zero_point.reshape(&one_for_all));
    [q, scale, zero_point]
}

/// A scale or zero point as a scalar if it is one number.
pub(super) fn one_or_many(p: &Tensor) -> Tensor {
    if p.len() == 1 { p.reshape(&[]) } else { p.clone() }
}

/// A zero point that is a scalar or has an entry for each row (`axis` -2) or column of matrices, to subtract from them.
pub(super) fn matrix_zero(zero: &Tensor, matrix: &Tensor, axis: isize) -> Tensor {
    let rows = matrix.shape().iter().rev().nth(1);
    let is_column = zero.rank() == 1 && zero.len() > 1 && axis == -2 && rows == Some(&zero.len());
    if is_column {
        zero.unsqueeze(1)
    } else if zero.rank() == 1 {
        one_or_many(zero)
    } else {
        zero.clone()
    }
}

/// Integers less their zero point, as i32.
pub(super) fn centred(q: &Tensor, zero: Option<&Tensor>) -> Tensor {
    let wide = q.cast(DType::I32);
    zero.map_or(wide.clone(), |z| wide - z.cast(DType::I32))
}

/// The product, as i32, of matrices of integers less their zero points, each of which is an input if it is given: a scalar, or one for
/// each row of `a`, for each column of `b`.
pub(super) fn integer_product(
    n: &Node,
    (a, a_zero): (&Tensor, usize),
    (b, b_zero): (&Tensor, usize),
) -> Lowered {
    let a_zero = n.optional(a_zero)?.map(|z| matrix_zero(&z, a, -2));
    let b_zero = n.optional(b_zero)?.map(|z| matrix_zero(&z, b, -1));
    Ok(centred(a, a_zero.as_ref()).matmul(&centred(b, b_zero.as_ref())))
}

fn conv_integer(n: &mut Node, x: Tensor, w: Tensor) -> Lowered {
    let x_zero = n.optional(2)?.map(|z| z.reshape(&[]));
    let w_zero = n.optional(3)?.map(|z| per_output(&z, &w));
    let geometry = geometry(n, &x, &w)?;
    Ok(centred(&x, x_zero.as_ref()).conv_general(&centred(&w, w_zero.as_ref()), geometry))
}

/// One number an output channel, to broadcast against weights `[O, ..]`.
fn per_output(p: &Tensor, w: &Tensor) -> Tensor {
    if p.len() == 1 { p.reshape(&[]) } else { p.along_axis(0, w.rank().max(1)) }
}

/// i32 sums as `zero`'s type: `clamp(round(sum * factor) + zero)`.
pub(super) fn requantized(sums: &Tensor, factor: &Tensor, zero: &Typed) -> Lowered {
    let y = sums.cast(DType::F32) * factor;
    let one = Tensor::full(Type::new(DType::F32, []), 1.0);
    quantized(&y, &one, zero, 0, 0)
}

fn q_linear_mat_mul(n: &mut Node) -> Lowered {
    let (a, b) = (n.x(0)?, n.x(3)?);
    let (a_scale, b_scale) = (n.typed(1)?, n.typed(4)?);
    let y_zero = n.typed(7)?;
    let y_scale = n.x(6)?;
    let sums = integer_product(n, (&a, 2), (&b, 5))?;
    let a_scale = matrix_zero(&a_scale.tensor, &a, -2);
    let b_scale = matrix_zero(&b_scale.tensor, &b, -1);
    if y_scale.len() != 1 {
        return unsupported("a scale of Y for each row", "quantise with one scale for Y");
    }
    let factor =
        (a_scale.cast(DType::F32) * b_scale.cast(DType::F32)) / y_scale.reshape(&[]).cast(DType::F32);
    requantized(&sums, &factor, &y_zero)
}

fn q_linear_conv(n: &mut Node) -> Lowered {
    let (x, w) = (n.x(0)?, n.x(3)?);
    let (x_scale, x_zero) = (n.x(1)?.reshape(&[]), n.x(2)?.reshape(&[]));
    let (w_scale, w_zero) = (n.x(4)?, n.x(5)?);
    let (y_scale, y_zero) = (n.x(6)?.reshape(&[]), n.typed(7)?);
    let geometry = geometry(n, &x, &w)?;
    let sums =
        centred(&x, Some(&x_zero)).conv_general(&centred(&w, Some(&per_output(&w_zero, &w))), geometry);
    let sums = with_bias(sums, n.optional(8)?)?;
    let factor = x_scale * w_scale / y_scale;
    let factor = if factor.len() == 1 { factor.reshape(&[]) } else { factor.per_channel(sums.rank()) };
    requantized(&sums, &factor, &y_zero)
}

fn target(n: &Node) -> Lowered<ElementType> {
    n.element("to")?.ok_or_else(|| Fault::Invalid("the attribute \"to\" is missing".into()))
}

fn cast_to(n: &Node, to: ElementType) -> Lowered<Outputs> {
    let y = converted(&n.typed(0)?, to, n.flag("saturate", true), n.text("round_mode", "up")?)?;
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
            Ok(y.is_nan().select(0.0, &y))
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
    let huge = x.greater_equal(2f64.powi(100));
    let nearest = huge.select(&(one_bit(&(x * 2f64.powi(-64))) * 2f64.powi(64)), one_bit(x));
    let smallest = 2f64.powi(-127);
    match mode {
        "nearest" => Ok(nearest.maximum(smallest)),
        "up" => Ok(nearest.less(x).select(&(&nearest * 2.0), &nearest).maximum(smallest)),
        "down" => Ok(x.less(&nearest).select(&(&nearest * 0.5), &nearest).maximum(smallest)),
        other => unsupported(format!("round_mode={other:?}"), "use up, down or nearest"),
    }
}

/// The low bits of an integer, with sign if the type has one.
fn wrapped(x: &Tensor, to: ElementType) -> Lowered {
    let shift = (8 - to.bits()) as f64;
    Ok(x.shl(shift).shr(shift))
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
    let near = x.abs().less(2f64.powi(1 - bias)).select(&subnormal, &normal);
    // The product of large numbers would overflow; a power of two less, they round alike. NaN and infinities stay.
    let huge = x.abs().greater_equal(2f64.powi(100));
    let small = x * 2f64.powi(-64);
    let c = &small * (2f64.powi(s) + 1.0);
    let large = (&c - (&c - &small)) * 2f64.powi(64);
    let out = huge.select(x.is_inf().select(x, &large), &near);
    // Half a unit above the largest number everything is infinite, for types that have infinity.
    if matches!(to, ElementType::F16) {
        return out.abs().greater(largest).select(x.sign() * f64::INFINITY, &out);
    }
    out
}

/// What is too large becomes the largest number when it saturates, else infinity or NaN.
fn clamped(x: &Tensor, to: ElementType, saturate: bool) -> Tensor {
    let Some(FloatLayout { largest: top, has_infinity, .. }) = to.float_layout() else { return x.clone() };
    if saturate {
        // NaN stays.
        return x.is_nan().select(x, x.clip(-top, top));
    }
    let over = x.abs().greater(top);
    let beyond = if has_infinity { x.sign() * f64::INFINITY } else { x.full_like(f64::NAN) };
    over.select(&beyond, x)
}

/// The bits of a constant under another type of the same width.
fn bit_cast(n: &mut Node) -> Lowered<Outputs> {
    let (x, to) = (n.typed(0)?, target(n)?);
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
