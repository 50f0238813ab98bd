//! Constants of the file.

use crate::Result;
use crate::model::{ModelFile, TensorElement};
use teff_graph::{Tensor, Type, Value};

/// So many bytes of constants are made for each byte of the file: tensors may share a buffer, and f16 and i4 are widened.
const MOST_GROWTH: usize = 16;
/// Reads constants, each once, and no more of them than the file accounts for.
pub(crate) struct Constants {
    left: usize,
}

impl Constants {
    pub(crate) fn new(file_bytes: usize) -> Constants {
        Constants { left: file_bytes.saturating_mul(MOST_GROWTH).saturating_add(1 << 16) }
    }

    /// Tensor `index` of the file, if the file gives its elements.
    pub(crate) fn load(&mut self, file: &ModelFile, index: usize) -> Result<Option<Tensor>> {
        let info = &file.tensors[index];
        let wrong = |reason: String| info.wrong(index, reason);
        let outside =
            |_| wrong(format!("has its data in buffer {}, which lies outside the file", info.buffer));
        let data = file.data(info.buffer).map_err(outside)?;
        let no_elements = info.buffer != 0 && info.shape.contains(&0);
        let Some(data) = data.or(no_elements.then_some(&[])) else { return Ok(None) };
        if let Some(odd) = info.odd {
            return Err(wrong(format!("is {odd}, which is not supported; convert the model without it")));
        }
        let shape: Option<Vec<usize>> = info.shape.iter().map(|&n| usize::try_from(n).ok()).collect();
        let shape = shape.ok_or_else(|| wrong(format!("has the negative size {:?}", info.shape)))?;
        let Some(dtype) = info.element.dtype() else {
            return Err(wrong(format!("is {}, which is not supported", info.element.name())));
        };
        let ty = Type::new(dtype, shape);
        let bytes = widened(info.element, data, &ty);
        self.left = self.left.checked_sub(bytes.len()).ok_or_else(|| {
            wrong(
                "and those before it take more memory than the file accounts for: too many share one buffer"
                    .into(),
            )
        })?;
        match Value::from_le_bytes(&ty, &bytes) {
            Some(value) => Ok(Some(Tensor::constant(value).named(info.name))),
            None => Err(wrong(format!("is {ty} and its data has {} bytes", data.len()))),
        }
    }
}

/// The bytes as the graph's type has them.
fn widened<'a>(element: TensorElement, data: &'a [u8], ty: &Type) -> std::borrow::Cow<'a, [u8]> {
    let halves = || data.chunks_exact(2).map(|c| u16::from_le_bytes([c[0], c[1]]));
    match element {
        TensorElement::Plain(_) | TensorElement::Other(_) => data.into(),
        TensorElement::F16 => halves().flat_map(|h| f32_of_f16(h).to_le_bytes()).collect(),
        TensorElement::BF16 => halves().flat_map(|h| (u32::from(h) << 16).to_le_bytes()).collect(),
        TensorElement::I4 => {
            // The first of two is in the lower half; an odd last byte is half empty.
            let elements = ty.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).unwrap_or(0);
            let both = data.iter().flat_map(|&b| [(b << 4) as i8 >> 4, b as i8 >> 4]);
            both.map(|q| q as u8).take(elements.max(data.len().saturating_mul(2).saturating_sub(1))).collect()
        }
    }
}

/// IEEE 754 binary16 to binary32, which holds every one of its values.
fn f32_of_f16(h: u16) -> f32 {
    let sign = if h >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(h >> 10 & 31), f32::from(h & 1023));
    match exponent {
        0 => sign * fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * (1.0 + fraction / 1024.0) * 2f32.powi(exponent - 15),
    }
}
