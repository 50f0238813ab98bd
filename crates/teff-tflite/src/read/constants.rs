//! Constants of the file.

use crate::Result;
use crate::model::ModelFile;
use teff_graph::{Tensor, Type};

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
        let Some((element, dtype)) = info.element.zip(info.dtype()) else {
            return Err(wrong(format!("is {}, which is not supported", info.element_name())));
        };
        let ty = Type::new(dtype, shape);
        let Some(value) = element.value(&ty, data) else {
            return Err(wrong(format!("is {ty} and its data has {} bytes", data.len())));
        };
        self.left = self.left.checked_sub(ty.bytes()).ok_or_else(|| {
            wrong(
                "and those before it take more memory than the file accounts for: too many share one buffer"
                    .into(),
            )
        })?;
        Ok(Some(Tensor::constant(value).named(info.name)))
    }
}
