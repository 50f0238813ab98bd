//! The numbers of element types (`TensorProto.DataType`).

use teff_graph::DType;
use teff_reader::ElementType::{self, *};

const NUMBERS: [(i64, ElementType); 24] = [
    (1, Plain(DType::F32)),
    (2, Plain(DType::U8)),
    (3, Plain(DType::I8)),
    (4, Plain(DType::U16)),
    (5, Plain(DType::I16)),
    (6, Plain(DType::I32)),
    (7, Plain(DType::I64)),
    (8, String),
    (9, Plain(DType::Bool)),
    (10, F16),
    (11, Plain(DType::F64)),
    (12, Plain(DType::U32)),
    (13, Plain(DType::U64)),
    (16, BF16),
    (17, F8E4M3FN),
    (18, F8E4M3FNUZ),
    (19, F8E5M2),
    (20, F8E5M2FNUZ),
    (21, U4),
    (22, I4),
    (23, F4E2M1),
    (24, F8E8M0),
    (25, U2),
    (26, I2),
];

/// The type with this number; `None` for undefined and complex ones and for those added since.
pub(crate) fn element_type(number: i64) -> Option<ElementType> {
    NUMBERS.iter().find(|(n, _)| *n == number).map(|&(_, element)| element)
}

/// The number of a type.
pub(crate) fn type_number(element: ElementType) -> i64 {
    NUMBERS.iter().find(|(_, e)| *e == element).expect("each type has a number").0
}
