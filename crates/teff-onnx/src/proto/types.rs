//! The element types of ONNX (`TensorProto.DataType`) and what stands for each in a graph.

use teff_graph::DType;

/// An element type of an ONNX tensor.
///
/// Graphs have no floats narrower than 32 bits and no integers narrower than 8: these are held in the next wider type, and
/// where a value enters the narrow type (a cast, a quantisation) it is rounded or clamped to what the narrow type holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ElementType {
    /// One that graphs have too.
    Plain(DType),
    F16,
    BF16,
    F8E4M3FN,
    F8E4M3FNUZ,
    F8E5M2,
    F8E5M2FNUZ,
    F8E8M0,
    F4E2M1,
    I4,
    U4,
    I2,
    U2,
    String,
}

/// Types that graphs have, by number.
const PLAIN: [(i64, DType); 11] = [
    (1, DType::F32),
    (2, DType::U8),
    (3, DType::I8),
    (4, DType::U16),
    (5, DType::I16),
    (6, DType::I32),
    (7, DType::I64),
    (9, DType::Bool),
    (11, DType::F64),
    (12, DType::U32),
    (13, DType::U64),
];

/// A type that graphs lack.
struct NarrowType {
    element: ElementType,
    number: i64,
    name: &'static str,
    /// Bits one element takes in raw data.
    bits: usize,
    form: NumberForm,
}

/// What its elements are.
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
pub(crate) struct FloatLayout {
    pub(crate) exponent_bits: u32,
    pub(crate) mantissa_bits: u32,
    pub(crate) bias: i32,
    /// The largest finite number.
    pub(crate) largest: f64,
    pub(crate) has_infinity: bool,
}

const fn int(element: ElementType, number: i64, name: &'static str, bits: usize, signed: bool) -> NarrowType {
    NarrowType { element, number, name, bits, form: NumberForm::Int { signed } }
}

const fn float(
    element: ElementType,
    number: i64,
    name: &'static str,
    (exponent_bits, mantissa_bits, bias): (u32, u32, i32),
    largest: f64,
    has_infinity: bool,
) -> NarrowType {
    // A power of two has no sign.
    let sign = if matches!(element, ElementType::F8E8M0) { 0 } else { 1 };
    let bits = (sign + exponent_bits + mantissa_bits) as usize;
    let layout = FloatLayout { exponent_bits, mantissa_bits, bias, largest, has_infinity };
    NarrowType { element, number, name, bits, form: NumberForm::Float(layout) }
}

const NARROW: [NarrowType; 13] = {
    use ElementType::*;
    [
        NarrowType { element: String, number: 8, name: "string", bits: 0, form: NumberForm::Text },
        float(F16, 10, "float16", (5, 10, 15), 65504.0, true),
        float(BF16, 16, "bfloat16", (8, 7, 127), f32::MAX as f64, true),
        float(F8E4M3FN, 17, "float8e4m3fn", (4, 3, 7), 448.0, false),
        float(F8E4M3FNUZ, 18, "float8e4m3fnuz", (4, 3, 8), 240.0, false),
        float(F8E5M2, 19, "float8e5m2", (5, 2, 15), 57344.0, true),
        float(F8E5M2FNUZ, 20, "float8e5m2fnuz", (5, 2, 16), 57344.0, false),
        int(U4, 21, "uint4", 4, false),
        int(I4, 22, "int4", 4, true),
        float(F4E2M1, 23, "float4e2m1", (2, 1, 1), 6.0, false),
        float(F8E8M0, 24, "float8e8m0", (8, 0, 127), f32::MAX as f64, true),
        int(U2, 25, "uint2", 2, false),
        int(I2, 26, "int2", 2, true),
    ]
};

impl ElementType {
    /// The type with this number in `TensorProto.DataType`; `None` for undefined and complex ones and for those added since.
    pub(crate) fn from_number(n: i64) -> Option<ElementType> {
        let plain = PLAIN.iter().find(|(number, _)| *number == n).map(|&(_, d)| ElementType::Plain(d));
        plain.or_else(|| NARROW.iter().find(|row| row.number == n).map(|row| row.element))
    }

    /// The dtype of a type that graphs have, or what there is to say of one they lack.
    fn row(self) -> Result<DType, &'static NarrowType> {
        match self {
            ElementType::Plain(d) => Ok(d),
            narrow => Err(NARROW.iter().find(|row| row.element == narrow).expect("each has a row")),
        }
    }

    /// Its number in `TensorProto.DataType`.
    pub(crate) fn to_number(self) -> i64 {
        self.row().map_or_else(|row| row.number, ElementType::number)
    }

    /// The number of a type that graphs have.
    pub(crate) fn number(dtype: DType) -> i64 {
        PLAIN.iter().find(|(_, d)| *d == dtype).expect("each dtype has a number").0
    }

    /// The type that holds it in a graph; `None` for strings.
    pub(crate) fn dtype(self) -> Option<DType> {
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
    pub(crate) fn bits(self) -> usize {
        self.row().map_or_else(|row| row.bits, |d| 8 * d.size())
    }

    /// Smallest and largest value of an integer type, as its narrow form has them.
    pub(crate) fn int_range(self) -> Option<(i128, i128)> {
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
    pub(crate) fn name(self) -> &'static str {
        self.row().map_or_else(|row| row.name, DType::name)
    }

    /// The form of a narrow float.
    pub(crate) fn float_layout(self) -> Option<FloatLayout> {
        self.row().err().and_then(|row| match row.form {
            NumberForm::Float(layout) => Some(layout),
            NumberForm::Int { .. } | NumberForm::Text => None,
        })
    }

    /// The value of the narrow float with these bits (onnx.ai, "Float stored in 8 bits" and "4 bit types").
    pub(crate) fn decode_float(self, bits: u32) -> f32 {
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
}
