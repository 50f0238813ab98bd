//! Between floats and integers that stand for them, and operators on such integers.
//!
//! What the specification defines through floats is computed through floats: dequantise, compute, quantise. What it defines on
//! integers (`ConvInteger`, `MatMulInteger`) is computed on i32. `QLinearConv` and `QLinearMatMul` accumulate in i32 and are
//! requantised by the float factor `a_scale * b_scale / y_scale`, as onnxruntime does.

use super::*;

pub(super) const TABLE: Table = &[
    ("ConvInteger", OfTwo(conv_integer)),
    ("DequantizeLinear", Many(dequantize_linear)),
    ("DynamicQuantizeLinear", Many(|n| Ok(dynamically_quantized(&n.x(0)?).map(OnnxValue::from).into()))),
    ("MatMulInteger", OfTwo(mat_mul_integer)),
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
        let mut shape = vec![1; x.rank()];
        shape[axis] = p.len();
        ensure!(p.len() == x.shape()[axis], "{} scales or zero points for axis {axis} of {x}", p.len());
        return Ok(p.reshape(&shape));
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
    let zero = Tensor::full(Type::new(x.dtype(), []), 0.0);
    let (low, high) = (x.min(&[]).minimum(&zero), x.max(&[]).maximum(&zero));
    let scale = (&high - &low) / 255.0;
    // Of zeros alone the scale would be 0.
    let scale = scale.equal(&zero).select(&zero.full_like(1.0), &scale);
    let zero_point = (&zero - &low / &scale).clip(0.0, 255.0).round().cast(DType::U8);
    let one_for_all = vec![1; x.rank()];
    let q = x.quantize(&scale.reshape(&one_for_all), &zero_point.reshape(&one_for_all));
    [q, scale, zero_point]
}

/// A zero point that is a scalar or has an entry for each row (`axis` -2) or column of matrices, to subtract from them.
pub(super) fn matrix_zero(zero: &Tensor, matrix: &Tensor, axis: isize) -> Tensor {
    let rows = matrix.shape().iter().rev().nth(1);
    if zero.rank() == 1 && zero.len() > 1 && axis == -2 && rows == Some(&zero.len()) {
        zero.unsqueeze(1)
    } else if zero.rank() == 1 && zero.len() == 1 {
        zero.reshape(&[])
    } else {
        zero.clone()
    }
}

/// Integers less their zero point, as i32.
pub(super) fn centred(q: &Tensor, zero: Option<&Tensor>) -> Tensor {
    let wide = q.cast(DType::I32);
    zero.map_or(wide.clone(), |z| wide - z.cast(DType::I32))
}

fn mat_mul_integer(n: &mut Node, a: Tensor, b: Tensor) -> Lowered {
    let a_zero = n.optional(2)?.map(|z| matrix_zero(&z, &a, -2));
    let b_zero = n.optional(3)?.map(|z| matrix_zero(&z, &b, -1));
    Ok(centred(&a, a_zero.as_ref()).matmul(&centred(&b, b_zero.as_ref())))
}

fn conv_integer(n: &mut Node, x: Tensor, w: Tensor) -> Lowered {
    let x_zero = n.optional(2)?.map(|z| z.reshape(&[]));
    let w_zero = n.optional(3)?.map(|z| per_output(&z, &w));
    let geometry = geometry(n, &x, &w)?;
    Ok(centred(&x, x_zero.as_ref()).conv_general(&centred(&w, w_zero.as_ref()), geometry))
}

/// One number an output channel, to broadcast against weights `[O, ..]`.
fn per_output(p: &Tensor, w: &Tensor) -> Tensor {
    if p.len() == 1 {
        return p.reshape(&[]);
    }
    let mut shape = vec![1; w.rank().max(1)];
    shape[0] = p.len();
    p.reshape(&shape)
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
    let (a_zero, b_zero) = (matrix_zero(&n.x(2)?, &a, -2), matrix_zero(&n.x(5)?, &b, -1));
    let y_zero = n.typed(7)?;
    let y_scale = n.x(6)?;
    let sums = centred(&a, Some(&a_zero)).matmul(&centred(&b, Some(&b_zero)));
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
