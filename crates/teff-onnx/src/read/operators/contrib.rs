//! onnxruntime's own operators (domain `com.microsoft`), those that its quantiser and optimiser put into models.
//!
//! Source: onnxruntime/docs/ContribOperators.md.

use super::*;

pub(super) const TABLE: Table = &[
    ("BiasGelu", One(|n| Ok((n.x(0)? + n.x(1)?).gelu()))),
    ("DequantizeLinear", Many(dequantize_linear)),
    ("FastGelu", One(|n| Ok(n.plus(n.x(0)?, 1)?.gelu_tanh()))),
    ("FusedConv", OfTwo(fused_conv)),
    ("FusedGemm", One(fused_gemm)),
    ("FusedMatMul", One(fused_mat_mul)),
    ("Gelu", Of(|_, x| Ok(x.gelu()))),
    ("QGemm", One(q_gemm)),
    ("QLinearAdd", One(|n| q_linear_pair(n, |a, b| a + b))),
    ("QLinearAveragePool", One(q_linear_average_pool)),
    ("QLinearConcat", One(q_linear_concat)),
    ("QLinearGlobalAveragePool", One(q_linear_global_average_pool)),
    ("QLinearLeakyRelu", One(|n| q_linear_unary(n, |x| x.leaky_relu(n.float("alpha", 0.01))))),
    ("QLinearMul", One(|n| q_linear_pair(n, |a, b| a * b))),
    ("QLinearReduceMean", One(q_linear_reduce_mean)),
    ("QLinearSigmoid", One(|n| q_linear_unary(n, Tensor::sigmoid))),
    ("QLinearSoftmax", One(q_linear_softmax)),
    ("QLinearWhere", One(q_linear_where)),
    ("QuantizeLinear", Many(quantize_linear)),
    ("QuickGelu", Of(|n, x| Ok(&x * (&x * n.float("alpha", f64::from(1.702f32))).sigmoid()))),
    ("SimplifiedLayerNormalization", One(rms_normalization)),
    ("SkipLayerNormalization", Many(|n| skip_layer_norm(n, true))),
    ("SkipSimplifiedLayerNormalization", Many(|n| skip_layer_norm(n, false))),
];

/// What onnxruntime writes into the default domain though the standard does not have it.
pub(super) const IN_DEFAULT_DOMAIN: Table = &[("SimplifiedLayerNormalization", One(rms_normalization))];

/// Quantised input `i` with scale and zero point after it, as floats.
fn real(n: &Node, i: usize) -> Lowered {
    dequantized(&n.x(i)?, &n.x(i + 1)?, &zero_of(n, i)?, 0, 0)
}

/// Its zero point, 0 when absent.
fn zero_of(n: &Node, i: usize) -> Lowered {
    let zero = Tensor::full(Type::new(n.x(i)?.dtype(), []), 0.0);
    Ok(n.optional(i + 2)?.unwrap_or(zero))
}

/// `y` quantised with the scale at input `i` and the zero point after it, which is 0 of the type of input 0 when absent.
fn quantized_by(n: &Node, y: &Tensor, i: usize) -> Lowered {
    let zero = zero_point(n, i + 1, ElementType::Plain(n.x(0)?.dtype()))?;
    quantized(y, &n.x(i)?, &zero, 0, 0)
}

fn q_linear_pair(n: &Node, f: impl Fn(&Tensor, &Tensor) -> Tensor) -> Lowered {
    let y = f(&real(n, 0)?, &real(n, 3)?);
    quantized_by(n, &y, 6)
}

fn q_linear_unary(n: &Node, f: impl Fn(&Tensor) -> Tensor) -> Lowered {
    let y = f(&real(n, 0)?);
    quantized_by(n, &y, 3)
}

fn q_linear_softmax(n: &mut Node) -> Lowered {
    let x = real(n, 0)?;
    let version = n.int("opset", 13);
    // Without an axis the last, in every version.
    let version = if n.attribute("axis").is_some() { version } else { 13 };
    let y = along(n, &x, version, Tensor::softmax)?;
    quantized_by(n, &y, 3)
}

/// Inputs: scale and zero point of the result, then (tensor, scale, zero point) for each part.
fn q_linear_concat(n: &mut Node) -> Lowered {
    let zero = n.typed(1)?;
    let scale = n.x(0)?;
    ensure!(
        n.input_count() % 3 == 2 && n.input_count() >= 5,
        "the inputs are not a scale, a zero point and triples"
    );
    let parts = (2..n.input_count()).step_by(3).map(|i| real(n, i)).collect::<Lowered<Vec<_>>>()?;
    let axis = axis_of(n.int("axis", 0), parts[0].rank())?;
    quantized(&Tensor::concat(&parts, axis), &scale, &zero, 0, 0)
}

/// With `channels_last` the channels are the last axis, of the result too. Sums are of integers, and so exact; the scale comes after them.
/// Sums of floats are off by a last bit, which decides where a mean lies halfway between two integers.
fn q_linear_average_pool(n: &mut Node) -> Lowered {
    let last = n.flag("channels_last", false);
    let q = n.x(0)?;
    let (one, scale) = (Tensor::full(Type::new(DType::F32, []), 1.0), n.x(1)?);
    let x = dequantized(&q, &one, &zero_of(n, 0)?, 0, 0)?;
    ensure!(x.rank() >= 3, "takes [N, C, D..], not {x}");
    let y = if last { channels_last(&averaged(n, &channels_first(&x))?) } else { averaged(n, &x)? };
    quantized_by(n, &(y * scale.reshape(&[])), 3)
}

/// `[N, D.., C]` as `[N, C, D..]`.
fn channels_first(x: &Tensor) -> Tensor {
    let rank = x.rank();
    x.permute(&[vec![0, rank - 1], (1..rank - 1).collect()].concat())
}

/// `[N, C, D..]` as `[N, D.., C]`.
fn channels_last(x: &Tensor) -> Tensor {
    match x.check() {
        Ok(()) => x.permute(&[vec![0], (2..x.rank()).collect(), vec![1]].concat()),
        Err(_) => x.clone(),
    }
}

fn q_linear_reduce_mean(n: &mut Node) -> Lowered {
    let x = real(n, 0)?;
    let axes = listed_or_all(n.ints("axes"), x.rank())?;
    let axes: Vec<isize> = axes.into_iter().map(|a| a as isize).collect();
    let y = if n.flag("keepdims", true) { x.mean_keep(&axes) } else { x.mean(&axes) };
    quantized_by(n, &y, 3)
}

/// Inputs: the condition, (tensor, scale, zero point) for where it holds and for where not, scale and zero point of the result.
fn q_linear_where(n: &mut Node) -> Lowered {
    let y = n.x(0)?.select(&real(n, 1)?, &real(n, 4)?);
    quantized(&y, &n.x(7)?, &n.typed(8)?, 0, 0)
}

fn q_linear_global_average_pool(n: &mut Node) -> Lowered {
    let last = n.flag("channels_last", false);
    let x = real(n, 0)?;
    ensure!(x.rank() >= 3, "takes [N, C, D..], not {x}");
    let rank = x.rank() as isize;
    let axes: Vec<isize> = if last { (1..rank - 1).collect() } else { (2..rank).collect() };
    quantized_by(n, &x.mean_keep(&axes), 3)
}

/// Matrices of integers with i32 bias; float when no scale of the result is given.
fn q_gemm(n: &mut Node) -> Lowered {
    let turned = |x: Tensor, on: bool| if on { x.transpose() } else { x };
    let scalar_zero = |z: Tensor| if z.len() == 1 { z.reshape(&[]) } else { z };
    let (trans_a, trans_b) = (n.flag("transA", false), n.flag("transB", false));
    let a = centred(&turned(n.x(0)?, trans_a), Some(&scalar_zero(n.x(2)?)));
    // Zero points of B, like its scales, are one a column of the product.
    let b = centred(&turned(n.x(3)?, trans_b), Some(&scalar_zero(n.x(5)?)));
    let sums = n.plus(a.matmul(&b), 6)?;
    let alpha = n.float("alpha", 1.0);
    let factor = scaled(&(n.x(1)?.reshape(&[]) * scalar_zero(n.x(4)?)), alpha);
    match n.optional(7)? {
        None => Ok(sums.cast(DType::F32) * factor),
        Some(scale) => requantized(&sums, &(factor / scale.reshape(&[])), &n.typed(8)?),
    }
}

/// The activation that an optimiser fused behind an operator.
fn activated(n: &Node, y: Tensor) -> Lowered {
    let mut parameters = n.floats("activation_params").iter().copied();
    Ok(match n.text("activation", "")? {
        "" => y,
        "Clip" => {
            let mut bound = |none: f32| parameters.next().unwrap_or(none).into();
            y.clip(bound(f32::NEG_INFINITY), bound(f32::INFINITY))
        }
        // Alpha and beta follow each other.
        name => {
            let alpha: Option<f32> = parameters.next();
            GateActivation::of(name, &mut alpha.into_iter(), &mut parameters)?.apply(&y)
        }
    })
}

/// A convolution, an optional tensor added, an activation.
fn fused_conv(n: &mut Node, x: Tensor, w: Tensor) -> Lowered {
    let geometry = geometry(n, &x, &w)?;
    let y = with_bias(x.conv_general(&w, geometry), n.optional(2)?)?;
    activated(n, n.plus(y, 3)?)
}

fn fused_gemm(n: &mut Node) -> Lowered {
    let y = gemm(n)?;
    activated(n, y)
}

fn fused_mat_mul(n: &mut Node) -> Lowered {
    if n.flag("transBatchA", false) || n.flag("transBatchB", false) {
        return unsupported("transposed batch axes", "save the model without graph optimisation");
    }
    let (a, b) = factors(n)?;
    Ok(scaled(&a.matmul(&b), n.float("alpha", 1.0)))
}

/// Input + skip (+ bias), normalised over the last axis; the sum itself is the fourth output.
fn skip_layer_norm(n: &mut Node, centre: bool) -> Lowered<Outputs> {
    let (bias_at, shift) = if centre { (4, n.optional(3)?) } else { (3, None) };
    let sum = n.plus(n.x(0)? + n.x(1)?, bias_at)?;
    let scale = n.x(2)?;
    let epsilon = n.float("epsilon", f64::from(1e-12f32));
    let y = if centre { sum.layer_norm(1, epsilon) } else { sum.rms_normalize(&[-1], epsilon) } * scale;
    let y = shift.map_or(y.clone(), |s| y + s);
    if n.wants(1) || n.wants(2) {
        return unsupported(
            "the outputs mean and inverse deviation",
            "save the model without graph optimisation",
        );
    }
    Ok(vec![n.carried(y), OnnxValue::Absent, OnnxValue::Absent, n.carried(sum)])
}
