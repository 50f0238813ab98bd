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

impl ElementType {
    /// The type with this number in `TensorProto.DataType`; `None` for undefined and complex ones and for those added since.
    pub(crate) fn from_number(n: i64) -> Option<ElementType> {
        use ElementType::*;
        Some(match n {
            1 => Plain(DType::F32),
            2 => Plain(DType::U8),
            3 => Plain(DType::I8),
            4 => Plain(DType::U16),
            5 => Plain(DType::I16),
            6 => Plain(DType::I32),
            7 => Plain(DType::I64),
            8 => String,
            9 => Plain(DType::Bool),
            10 => F16,
            11 => Plain(DType::F64),
            12 => Plain(DType::U32),
            13 => Plain(DType::U64),
            16 => BF16,
            17 => F8E4M3FN,
            18 => F8E4M3FNUZ,
            19 => F8E5M2,
            20 => F8E5M2FNUZ,
            21 => U4,
            22 => I4,
            23 => F4E2M1,
            24 => F8E8M0,
            25 => U2,
            26 => I2,
            _ => return None,
        })
    }

    /// Its number in `TensorProto.DataType`.
    pub(crate) fn to_number(self) -> i64 {
        use ElementType::*;
        match self {
            Plain(d) => ElementType::number(d),
            String => 8,
            F16 => 10,
            BF16 => 16,
            F8E4M3FN => 17,
            F8E4M3FNUZ => 18,
            F8E5M2 => 19,
            F8E5M2FNUZ => 20,
            U4 => 21,
            I4 => 22,
            F4E2M1 => 23,
            F8E8M0 => 24,
            U2 => 25,
            I2 => 26,
        }
    }

    /// The number of a type that graphs have.
    pub(crate) fn number(dtype: DType) -> i64 {
        match dtype {
            DType::F32 => 1,
            DType::U8 => 2,
            DType::I8 => 3,
            DType::U16 => 4,
            DType::I16 => 5,
            DType::I32 => 6,
            DType::I64 => 7,
            DType::Bool => 9,
            DType::F64 => 11,
            DType::U32 => 12,
            DType::U64 => 13,
        }
    }

    /// The type that holds it in a graph; `None` for strings.
    pub(crate) fn dtype(self) -> Option<DType> {
        use ElementType::*;
        Some(match self {
            Plain(d) => d,
            F16 | BF16 | F8E4M3FN | F8E4M3FNUZ | F8E5M2 | F8E5M2FNUZ | F8E8M0 | F4E2M1 => DType::F32,
            I4 | I2 => DType::I8,
            U4 | U2 => DType::U8,
            String => return None,
        })
    }

    /// Bits one element takes in raw data; 0 for strings.
    pub(crate) fn bits(self) -> usize {
        use ElementType::*;
        match self {
            Plain(d) => 8 * d.size(),
            F16 | BF16 => 16,
            F8E4M3FN | F8E4M3FNUZ | F8E5M2 | F8E5M2FNUZ | F8E8M0 => 8,
            F4E2M1 | I4 | U4 => 4,
            I2 | U2 => 2,
            String => 0,
        }
    }

    /// Smallest and largest value of an integer type, as its narrow form has them.
    pub(crate) fn int_range(self) -> Option<(i128, i128)> {
        use ElementType::*;
        match self {
            Plain(d) => d.int_range(),
            I4 => Some((-8, 7)),
            U4 => Some((0, 15)),
            I2 => Some((-2, 1)),
            U2 => Some((0, 3)),
            F16 | BF16 | F8E4M3FN | F8E4M3FNUZ | F8E5M2 | F8E5M2FNUZ | F8E8M0 | F4E2M1 | String => None,
        }
    }

    /// The name in messages.
    pub(crate) fn name(self) -> &'static str {
        use ElementType::*;
        match self {
            Plain(d) => d.name(),
            F16 => "float16",
            BF16 => "bfloat16",
            F8E4M3FN => "float8e4m3fn",
            F8E4M3FNUZ => "float8e4m3fnuz",
            F8E5M2 => "float8e5m2",
            F8E5M2FNUZ => "float8e5m2fnuz",
            F8E8M0 => "float8e8m0",
            F4E2M1 => "float4e2m1",
            I4 => "int4",
            U4 => "uint4",
            I2 => "int2",
            U2 => "uint2",
            String => "string",
        }
    }

    /// Exponent bits, mantissa bits, exponent bias of a narrow float; its other particulars are in [`ElementType::decode_float`].
    pub(crate) fn float_layout(self) -> Option<(u32, u32, i32)> {
        use ElementType::*;
        match self {
            F16 => Some((5, 10, 15)),
            BF16 => Some((8, 7, 127)),
            F8E4M3FN => Some((4, 3, 7)),
            F8E4M3FNUZ => Some((4, 3, 8)),
            F8E5M2 => Some((5, 2, 15)),
            F8E5M2FNUZ => Some((5, 2, 16)),
            F8E8M0 => Some((8, 0, 127)),
            F4E2M1 => Some((2, 1, 1)),
            Plain(_) | I4 | U4 | I2 | U2 | String => None,
        }
    }

    /// The value of the narrow float with these bits (onnx.ai, "Float stored in 8 bits" and "4 bit types").
    pub(crate) fn decode_float(self, bits: u32) -> f32 {
        let Some((exponent_bits, mantissa_bits, bias)) = self.float_layout() else { return f32::NAN };
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
