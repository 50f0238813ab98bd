//! onnxruntime's own operators (domain `com.microsoft`), those that its quantiser (`quantize_dynamic` and `MatMulNBitsQuantizer` too) and
//! optimiser put into models.
//!
//! Source: onnxruntime/docs/ContribOperators.md.

use super::*;

pub(super) const TABLE: Table = &[
    ("BiasGelu", One(|n| Ok((n.x(0)? + n.x(1)?).gelu()))),
    ("DequantizeLinear", Many(dequantize_linear)),
    ("DynamicQuantizeMatMul", One(dynamic_quantize_mat_mul)),
    ("FastGelu", One(|n| Ok(n.plus(n.x(0)?, 1)?.gelu_tanh()))),
    ("FusedConv", OfTwo(fused_conv)),
    ("FusedGemm", One(|n| gemm(n).and_then(|y| activated(n, y)))),
    ("FusedMatMul", One(fused_mat_mul)),
    ("GatherBlockQuantized", One(gather_block_quantized)),
    ("Gelu", Of(|_, x| Ok(x.gelu()))),
    ("MatMulIntegerToFloat", OfTwo(mat_mul_integer_to_float)),
    ("MatMulNBits", One(mat_mul_n_bits)),
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
    let (trans_a, trans_b) = (n.flag("transA", false), n.flag("transB", false));
    let a = centred(&turned(n.x(0)?, trans_a), Some(&one_or_many(&n.x(2)?)));
    // Zero points of B, like its scales, are one a column of the product.
    let b = centred(&turned(n.x(3)?, trans_b), Some(&one_or_many(&n.x(5)?)));
    let sums = n.plus(a.matmul(&b), 6)?;
    let alpha = n.float("alpha", 1.0);
    let factor = scaled(&(n.x(1)?.reshape(&[]) * one_or_many(&n.x(4)?)), alpha);
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

/// `sums` times both scales, the second one for all or one a column.
fn rescaled(sums: &Tensor, a_scale: &Tensor, b_scale: &Tensor) -> Tensor {
    sums.cast(DType::F32) * (one_or_many(a_scale) * one_or_many(b_scale))
}

/// A is quantised to u8 by the range that its values have.
fn dynamic_quantize_mat_mul(n: &mut Node) -> Lowered {
    let (a, b, b_scale) = (n.x(0)?, n.x(1)?, n.x(2)?);
    let b_zero = n.optional(3)?.map(|z| matrix_zero(&z, &b, -1));
    let [a, a_scale, a_zero] = dynamically_quantized(&a);
    let sums = centred(&a, Some(&a_zero)).matmul(&centred(&b, b_zero.as_ref()));
    n.plus(rescaled(&sums, &a_scale, &b_scale), 4)
}

fn mat_mul_integer_to_float(n: &mut Node, a: Tensor, b: Tensor) -> Lowered {
    let (a_scale, b_scale) = (n.x(2)?, n.x(3)?);
    let sums = integer_product(n, (&a, 4), (&b, 5))?;
    n.plus(rescaled(&sums, &matrix_zero(&a_scale, &a, -2), &b_scale), 6)
}

/// How weights of few bits lie in bytes: the first in the lowest bits.
struct Packing {
    bits: usize,
    /// Weights that share a scale.
    block: usize,
}

impl Packing {
    fn of(n: &Node, default_block: i64) -> Lowered<Packing> {
        let (bits, block) = (n.int("bits", 4), n.int("block_size", default_block));
        if ![2, 4, 8].contains(&bits) {
            return unsupported(format!("bits={bits}"), "quantise to 2, 4 or 8 bits");
        }
        match usize::try_from(block) {
            Ok(block) if block >= 16 && block.is_power_of_two() => Ok(Packing { bits: bits as usize, block }),
            _ => invalid!("block_size={block} is no power of two of at least 16"),
        }
    }

    /// Zero where no zero point is given.
    fn middle(&self) -> i128 {
        1 << (self.bits - 1)
    }

    /// `rows` rows of `count` integers, out of rows of bytes; nothing when there are too few bytes.
    fn unpacked(&self, bytes: &[u8], rows: usize, count: usize) -> Option<Vec<u8>> {
        let each = bytes.len().checked_div(rows)?;
        let needed = count.checked_mul(self.bits)?.div_ceil(8);
        if each < needed || each * rows != bytes.len() {
            return None;
        }
        let mask = (1u16 << self.bits) - 1;
        let at =
            |row: &[u8], i: usize| (u16::from(row[i * self.bits / 8]) >> (i * self.bits % 8) & mask) as u8;
        Some(bytes.chunks(each).flat_map(|row| (0..count).map(move |i| at(row, i))).collect())
    }
}

/// The bytes of input `i`, called `what` by the documentation.
fn bytes_of(n: &mut Node, i: usize, what: &str) -> Lowered<Vec<u8>> {
    let value = n.constant(i, what)?;
    match value.dtype() {
        DType::U8 => Ok(value.to_i64().into_iter().map(|b| b as u8).collect()),
        other => invalid!("{what} (input {i}) must be u8, not {other}"),
    }
}

/// `A [.., K]` times `W' [K, N]`, where W `[N, K]` has a scale for each run of `block_size` weights of a row.
fn mat_mul_n_bits(n: &mut Node) -> Lowered {
    let packing = Packing::of(n, 0)?;
    // How exactly onnxruntime may compute, and in what layout it keeps weights that this file does not hold.
    n.ignore(&["accuracy_level"]);
    if n.int("weight_prepacked", 0) != 0 {
        return unsupported("weights packed for one GPU", "quantise without prepacking");
    }
    let (k, columns) = (n.size("K", 0), n.size("N", 0));
    let blocks = k.div_ceil(packing.block);
    let a = n.x(0)?;
    ensure!(
        k != 0 && columns != 0 && a.shape().last() == Some(&k),
        "K={k} and N={columns} do not fit A, {a}"
    );
    let whole = columns.saturating_mul(blocks).saturating_mul(packing.block);
    n.spend(whole)?;
    let wrong = |what: &str| {
        crate::read::node::Fault::Invalid(format!(
            "{what} does not hold {columns} rows of {blocks} blocks of {} weights of {} bits",
            packing.block, packing.bits
        ))
    };
    let packed = bytes_of(n, 1, "B")?;
    let codes = packing.unpacked(&packed, columns, blocks * packing.block).ok_or_else(|| wrong("B"))?;
    let scale = n.x(2)?;
    if scale.len() != columns * blocks {
        return Err(wrong("scales"));
    }
    let scale = scale.cast(DType::F32).reshape(&[columns, blocks]);
    if let Some(groups) = n.optional_ints_of(4, "g_idx")?
        && groups.iter().enumerate().any(|(i, &g)| g != (i / packing.block) as i64)
    {
        return unsupported("g_idx, weights in another order (act_order)", "quantise without it");
    }
    let given = n.item(3);
    let weights = match given {
        // Zero points that are floats are subtracted from the codes as they are.
        OnnxValue::Tensor(t) if t.tensor.dtype().is_float() => {
            if t.tensor.len() != columns * blocks {
                return Err(wrong("zero_points"));
            }
            let codes =
                Tensor::constant(Value::new([columns, blocks, packing.block], codes)).cast(DType::F32);
            let zero = t.tensor.reshape(&[columns, blocks, 1]);
            ((codes - zero) * scale.unsqueeze(2)).reshape(&[columns, blocks * packing.block])
        }
        given => {
            let zero = match given {
                OnnxValue::Absent => vec![packing.middle() as u8; columns * blocks],
                OnnxValue::Tensor(_) | OnnxValue::Sequence(_) | OnnxValue::Strings(_) => {
                    let packed = bytes_of(n, 3, "zero_points")?;
                    packing.unpacked(&packed, columns, blocks).ok_or_else(|| wrong("zero_points"))?
                }
            };
            let codes = Tensor::constant(Value::new([columns, blocks * packing.block], codes));
            codes.dequantize(&scale, &Tensor::constant(Value::new([columns, blocks], zero)))
        }
    };
    let y = a.cast(DType::F32).matmul(&weights.narrow(1, 0, k).transpose());
    n.plus(y, 5)
}

/// Rows of a table of integers with a scale for each run of `block_size` along an axis. Codes in bytes lie packed along the last axis.
fn gather_block_quantized(n: &mut Node) -> Lowered {
    let packing = Packing::of(n, 128)?;
    let (data, scale) = (n.typed(0)?, n.x(2)?);
    let indices = n.x(1)?;
    let packed =
        data.tensor.dtype() == DType::U8 && data.element.int_range() == Some((0, 255)) && packing.bits < 8;
    let mut shape = data.tensor.shape().to_vec();
    let (codes, middle) = if packed {
        let Some(last) = shape.last_mut() else { return invalid!("data is a scalar") };
        let rows = data.tensor.len() / (*last).max(1);
        *last *= 8 / packing.bits;
        let count = *last;
        n.spend(data.tensor.len().saturating_mul(8 / packing.bits))?;
        let bytes = bytes_of(n, 0, "data")?;
        let codes = packing.unpacked(&bytes, rows, count).unwrap_or_default();
        (Tensor::constant(Value::new(&shape[..], codes)), packing.middle())
    } else {
        // Codes of 4 bits have a type of their own: signed ones are around 0, unsigned ones around 0 too.
        let middle = if data.tensor.dtype() == DType::U8 && packing.bits == 8 { packing.middle() } else { 0 };
        (data.tensor.clone(), middle)
    };
    let axis = axis_of(n.int("quantize_axis", -1), shape.len())? as i64;
    let zero = match n.optional(3)? {
        None => {
            let ty = Type::new(codes.dtype(), scale.shape());
            Tensor::constant(Value::from_fn(&ty, |_| Num::Int(middle)))
        }
        // Packed as the data are.
        Some(zero) if !packed => zero,
        Some(zero) => {
            let count = scale.shape().last().copied().unwrap_or(1);
            let rows = scale.len() / count.max(1);
            let bytes = bytes_of(n, 3, "zero_points")?;
            match packing.unpacked(&bytes, rows, count) {
                Some(list) => Tensor::constant(Value::new(scale.shape(), list)),
                None => {
                    return invalid!("zero points {zero} do not fit scales {scale}");
                }
            }
        }
    };
    let table = dequantized(&codes, &scale, &zero, axis, packing.block as i64)?;
    let gather_axis = axis_of(n.int("gather_axis", 0), shape.len())?;
    let indices = positive(n, &indices, shape[gather_axis])?;
    Ok(table.take(&indices, gather_axis))
}
