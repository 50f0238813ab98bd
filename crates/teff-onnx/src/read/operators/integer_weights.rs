//! onnxruntime's own products of floats with weights that are integers: what `quantize_dynamic` and `MatMulNBitsQuantizer` write, and
//! what its optimiser makes of that.
//!
//! Source: onnxruntime/docs/ContribOperators.md.

use super::*;

pub(super) const TABLE: Table = &[
    ("DynamicQuantizeMatMul", One(dynamic_quantize_mat_mul)),
    ("GatherBlockQuantized", One(gather_block_quantized)),
    ("MatMulIntegerToFloat", OfTwo(mat_mul_integer_to_float)),
    ("MatMulNBits", One(mat_mul_n_bits)),
];

/// `sums` times both scales, the second one for all or one a column.
fn rescaled(sums: &Tensor, a_scale: &Tensor, b_scale: &Tensor) -> Tensor {
    let scalar = |s: &Tensor| if s.len() == 1 { s.reshape(&[]) } else { s.clone() };
    sums.cast(DType::F32) * (scalar(a_scale) * scalar(b_scale))
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
    let a_zero = n.optional(4)?.map(|z| matrix_zero(&z, &a, -2));
    let b_zero = n.optional(5)?.map(|z| matrix_zero(&z, &b, -1));
    let sums = centred(&a, a_zero.as_ref()).matmul(&centred(&b, b_zero.as_ref()));
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
