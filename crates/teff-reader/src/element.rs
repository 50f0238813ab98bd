//! Types of elements that files have and graphs lack, and what stands for them in a graph.

use teff_graph::{DType, Num, Type, Value};

/// A type of elements.
///
/// Graphs have no floats narrower than 32 bits and no integers narrower than 8: these are held in the next wider type, and
/// where a value enters the narrow type (a cast, a quantisation) it is rounded or clamped to what the narrow type holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ElementType {
    /// One that graphs have too.
    Plain(DType),
    /// IEEE 754 binary16.
    F16,
    /// The upper half of binary32.
    BF16,
    /// 8 bits, 4 of them exponent, without infinity (onnx.ai, "Float stored in 8 bits"; the others of 8 bits too).
    F8E4M3FN,
    /// The same without a negative zero.
    F8E4M3FNUZ,
    /// 8 bits, 5 of them exponent.
    F8E5M2,
    /// The same without infinity and negative zero.
    F8E5M2FNUZ,
    /// A power of two.
    F8E8M0,
    /// 4 bits, 2 of them exponent (onnx.ai, "4 bit types").
    F4E2M1,
    /// Integers of 4 bits.
    I4,
    /// Integers of 4 bits without a sign.
    U4,
    /// Integers of 2 bits.
    I2,
    /// Integers of 2 bits without a sign.
    U2,
    /// Text, which graphs cannot hold.
    String,
}

/// What there is to say of a type that graphs lack.
struct NarrowType {
    element: ElementType,
    name: &'static str,
    /// Bits one element takes in raw data.
    bits: usize,
    form: NumberForm,
}

enum NumberForm {
    /// Integers, with or without a sign.
    Int {
        signed: bool,
    },
    Float(FloatLayout),
    Text,
}

/// The form of a narrow float; its other particulars are in [`ElementType::decode_float`].
#[derive(Clone, Copy)]
pub struct FloatLayout {
    /// How many bits are exponent.
    pub exponent_bits: u32,
    /// How many follow.
    pub mantissa_bits: u32,
    /// What the stored exponent is larger by.
    pub bias: i32,
    /// The largest finite number.
    pub largest: f64,
    /// Whether infinity is a number of this type.
    pub has_infinity: bool,
}

const fn int(element: ElementType, name: &'static str, bits: usize, signed: bool) -> NarrowType {
    NarrowType { element, name, bits, form: NumberForm::Int { signed } }
}

const fn float(
    element: ElementType,
    name: &'static str,
    (exponent_bits, mantissa_bits, bias): (u32, u32, i32),
    largest: f64,
    has_infinity: bool,
) -> NarrowType {
    // A power of two has no sign.
    let sign = if matches!(element, ElementType::F8E8M0) { 0 } else { 1 };
    let bits = (sign + exponent_bits + mantissa_bits) as usize;
    let layout = FloatLayout { exponent_bits, mantissa_bits, bias, largest, has_infinity };
    NarrowType { element, name, bits, form: NumberForm::Float(layout) }
}

const NARROW: [NarrowType; 13] = {
    use ElementType::*;
    [
        NarrowType { element: String, name: "string", bits: 0, form: NumberForm::Text },
        float(F16, "float16", (5, 10, 15), 65504.0, true),
        float(BF16, "bfloat16", (8, 7, 127), f32::MAX as f64, true),
        float(F8E4M3FN, "float8e4m3fn", (4, 3, 7), 448.0, false),
        float(F8E4M3FNUZ, "float8e4m3fnuz", (4, 3, 8), 240.0, false),
        float(F8E5M2, "float8e5m2", (5, 2, 15), 57344.0, true),
        float(F8E5M2FNUZ, "float8e5m2fnuz", (5, 2, 16), 57344.0, false),
        float(F8E8M0, "float8e8m0", (8, 0, 127), f32::MAX as f64, true),
        float(F4E2M1, "float4e2m1", (2, 1, 1), 6.0, false),
        int(U4, "uint4", 4, false),
        int(I4, "int4", 4, true),
        int(U2, "uint2", 2, false),
        int(I2, "int2", 2, true),
    ]
};

impl ElementType {
    /// The dtype of a type that graphs have, or what there is to say of one they lack.
    fn row(self) -> Result<DType, &'static NarrowType> {
        match self {
            ElementType::Plain(d) => Ok(d),
            narrow => Err(NARROW.iter().find(|row| row.element == narrow).expect("each has a row")),
        }
    }

    /// The type that holds it in a graph; `None` for strings.
    pub fn dtype(self) -> Option<DType> {
        self.row().map_or_else(
            |row| match row.form {
                NumberForm::Float(_) => Some(DType::F32),
                NumberForm::Int { signed } => Some(if signed { DType::I8 } else { DType::U8 }),
                NumberForm::Text => None,
            },
            Some,
        )
    }

    /// Bits one element takes in raw data; 0 for strings.
    pub fn bits(self) -> usize {
        self.row().map_or_else(|row| row.bits, |d| 8 * d.size())
    }

    /// Smallest and largest value of an integer type, as its narrow form has them.
    pub fn int_range(self) -> Option<(i128, i128)> {
        self.row().map_or_else(
            |row| match row.form {
                NumberForm::Int { signed: true } => Some((-1 << (row.bits - 1), (1 << (row.bits - 1)) - 1)),
                NumberForm::Int { signed: false } => Some((0, (1 << row.bits) - 1)),
                NumberForm::Float(_) | NumberForm::Text => None,
            },
            DType::int_range,
        )
    }

    /// The name in messages.
    pub fn name(self) -> &'static str {
        self.row().map_or_else(|row| row.name, DType::name)
    }

    /// The form of a narrow float.
    pub fn float_layout(self) -> Option<FloatLayout> {
        self.row().err().and_then(|row| match row.form {
            NumberForm::Float(layout) => Some(layout),
            NumberForm::Int { .. } | NumberForm::Text => None,
        })
    }

    /// The element of a type that graphs lack with these bits.
    pub fn decode(self, bits: u32) -> Num {
        match self.int_range() {
            Some((low, high)) => {
                let n = i128::from(bits);
                // Two's complement of a few bits.
                Num::Int(if low < 0 && n > high { n - (high - low + 1) } else { n })
            }
            None => Num::Float(f64::from(self.decode_float(bits))),
        }
    }

    /// The value of the narrow float with these bits (onnx.ai, "Float stored in 8 bits" and "4 bit types").
    pub fn decode_float(self, bits: u32) -> f32 {
        let Some(FloatLayout { exponent_bits, mantissa_bits, bias, .. }) = self.float_layout() else {
            return f32::NAN;
        };
        if self == ElementType::F8E8M0 {
            return if bits == 0xff { f32::NAN } else { 2f32.powi(bits as i32 - 127) };
        }
        let negative = bits >> (exponent_bits + mantissa_bits) & 1 == 1;
        let exponent = bits >> mantissa_bits & ((1 << exponent_bits) - 1);
        let mantissa = bits & ((1 << mantissa_bits) - 1);
        let top = exponent == (1 << exponent_bits) - 1;
        use ElementType::*;
        let special = match self {
            F16 | BF16 | F8E5M2 if top => Some(if mantissa == 0 { f32::INFINITY } else { f32::NAN }),
            F8E4M3FN if top && mantissa == 7 => Some(f32::NAN),
            F8E4M3FNUZ | F8E5M2FNUZ if negative && exponent == 0 && mantissa == 0 => Some(f32::NAN),
            _ => None,
        };
        let scale = |e: i32| 2f64.powi(e - bias - mantissa_bits as i32);
        let magnitude = special.unwrap_or_else(|| {
            let value = match exponent {
                0 => f64::from(mantissa) * scale(1),
                e => f64::from(mantissa | 1 << mantissa_bits) * scale(e as i32),
            };
            value as f32
        });
        if negative { -magnitude } else { magnitude }
    }

    /// The value of type `ty` in `raw`: little-endian, elements narrower than a byte packed from the low bits up. `None` when there are more
    /// or fewer bytes, and for strings.
    pub fn value(self, ty: &Type, raw: &[u8]) -> Option<Value> {
        let count = ty.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))?;
        let bits = self.bits();
        let bytes =
            if bits >= 8 { count.checked_mul(bits / 8)? } else { count.div_ceil(8usize.checked_div(bits)?) };
        if bytes != raw.len() {
            return None;
        }
        if let ElementType::Plain(_) = self {
            return Value::from_le_bytes(ty, raw);
        }
        let word = |i: usize| match bits {
            16 => u32::from(u16::from_le_bytes([raw[2 * i], raw[2 * i + 1]])),
            8 => u32::from(raw[i]),
            n => u32::from(raw[i * n / 8] >> (i * n % 8)) & ((1 << n) - 1),
        };
        Some(Value::from_fn(ty, |i| self.decode(word(i))))
    }
}
