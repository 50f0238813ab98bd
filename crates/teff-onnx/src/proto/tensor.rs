//! The elements of a `TensorProto`.

use super::message::TensorProto;
use teff_graph::{DType, Num, Type, Value};
use teff_reader::ElementType::{
    self, BF16, F4E2M1, F8E4M3FN, F8E4M3FNUZ, F8E5M2, F8E5M2FNUZ, F8E8M0, F16, I2, I4, Plain, U2, U4,
};

/// The value and element type of a tensor that is in the file. `raw` is its data when that is stored elsewhere.
///
/// # Errors
/// What is wrong with it, in words that follow the tensor's name.
pub(crate) fn tensor_value(t: &TensorProto, raw: Option<&[u8]>) -> Result<(ElementType, Value), String> {
    let element = element_type(t.data_type)
        .ok_or_else(|| format!("has element type {}, which is not supported", t.data_type))?;
    let dtype = element.dtype().ok_or("holds strings, where only numbers can be")?;
    let dims: Option<Vec<usize>> = t.dims.iter().map(|&d| usize::try_from(d).ok()).collect();
    let dims = dims.ok_or_else(|| format!("has the negative size in {:?}", t.dims))?;
    // As in a graph, an empty axis counts as one, so that the strides of the others fit.
    let room = dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d.max(1)));
    room.filter(|&n| n <= isize::MAX as usize / 8).ok_or("is too large for memory")?;
    let count = dims.iter().product();
    let ty = Type::new(dtype, dims);
    let value = match raw.or(t.raw) {
        Some(raw) => element
            .value(&ty, raw)
            .ok_or_else(|| format!("of type {ty} ({}) has {} bytes of data", element.name(), raw.len()))?,
        None => from_lists(element, ty, count, t)?,
    };
    Ok((element, value))
}

/// `float_data`, `double_data` and the integer lists: one entry an element, but for those narrower than a byte, which share one.
fn from_lists(element: ElementType, ty: Type, count: usize, t: &TensorProto) -> Result<Value, String> {
    let narrower = element.bits() < 8;
    let per_entry = if narrower { 8 / element.bits() } else { 1 };
    let (have, wanted) = match element {
        ElementType::Plain(DType::F32) => (t.floats.len(), count),
        ElementType::Plain(DType::F64) => (t.doubles.len(), count),
        _ => (t.ints.len(), count.div_ceil(per_entry)),
    };
    if have != wanted {
        return Err(format!("of type {ty} ({}) has {have} elements of data", element.name()));
    }
    Ok(Value::from_fn(&ty, |i| match element {
        ElementType::Plain(DType::F32) => Num::Float(t.floats[i].into()),
        ElementType::Plain(DType::F64) => Num::Float(t.doubles[i]),
        ElementType::Plain(_) => Num::Int(t.ints[i].into()),
        _ => {
            let entry = t.ints[i / per_entry] as u32;
            let bits = element.bits();
            let mask = if bits == 16 { 0xffff } else { (1 << bits) - 1 };
            element.decode(entry >> (i % per_entry * bits) & mask)
        }
    }))
}

/// The numbers of element types (`TensorProto.DataType`).
const NUMBERS: [(i64, ElementType); 24] = [
    (1, Plain(DType::F32)),
    (2, Plain(DType::U8)),
    (3, Plain(DType::I8)),
    (4, Plain(DType::U16)),
    (5, Plain(DType::I16)),
    (6, Plain(DType::I32)),
    (7, Plain(DType::I64)),
    (8, ElementType::String),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(data_type: i64, dims: &[i64], raw: &'static [u8]) -> TensorProto<'static> {
        TensorProto { data_type, dims: dims.to_vec(), raw: Some(raw), ..TensorProto::default() }
    }

    #[test]
    fn narrow_types_widen() {
        let value = |data_type, n, raw| tensor_value(&tensor(data_type, &[n], raw), None).unwrap().1;
        assert_eq!(value(22, 3, &[0x8f, 0x07]), Value::new([3], vec![-1i8, -8, 7]));
        assert_eq!(value(21, 2, &[0x8f]), Value::new([2], vec![15u8, 8]));
        assert_eq!(value(26, 4, &[0b11_10_01_00]), Value::new([4], vec![0i8, 1, -2, -1]));
        // 1.0, the smallest subnormal and the largest number of float16.
        assert_eq!(
            value(10, 3, &[0x00, 0x3c, 0x01, 0x00, 0xff, 0x7b]),
            Value::new([3], vec![1.0f32, 5.960_464_5e-8, 65504.0])
        );
        assert_eq!(value(16, 1, &[0x80, 0xbf]), Value::new([1], vec![-1.0f32]));
        assert_eq!(value(17, 2, &[0x7e, 0x01]), Value::new([2], vec![448.0f32, 0.001953125]));
        assert_eq!(value(23, 2, &[0xf1]), Value::new([2], vec![0.5f32, -6.0]));
    }

    #[test]
    fn declared_sizes_are_not_believed() {
        assert!(tensor_value(&tensor(1, &[1 << 40], &[0; 4]), None).is_err());
        assert!(tensor_value(&tensor(1, &[1 << 62, 1 << 62], &[]), None).is_err());
        assert!(tensor_value(&tensor(1, &[-1], &[]), None).is_err());
        assert!(tensor_value(&tensor(8, &[1], &[]), None).is_err());
    }
}
