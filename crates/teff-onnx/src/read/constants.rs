//! The constants that a model's file holds, or a file beside it.

use super::ExternalData;
use super::item::{OnnxValue, Typed};
use super::reader::{Reader, Scope};
use crate::proto::{GraphProto, TensorProto, tensor_value};
use crate::{Error, Result};
use teff_graph::{Num, Tensor, Type, Value};

impl<'m> Reader<'m> {
    /// The initialisers of a graph, dense and sparse.
    pub(crate) fn initializers(&mut self, scope: &mut Scope<'_, 'm>, graph: &GraphProto<'m>) -> Result<()> {
        for t in &graph.initializers {
            let item = self.constant(t)?;
            if let OnnxValue::Tensor(typed) = &item {
                typed.tensor.named(t.name);
            }
            scope.set(t.name, item);
        }
        for s in &graph.sparse {
            let typed = self.sparse(&s.values, &s.indices, &s.dims)?;
            typed.tensor.named(s.values.name);
            scope.set(s.values.name, OnnxValue::Tensor(typed));
        }
        Ok(())
    }

    /// A tensor of the file, or of a file beside it.
    pub(crate) fn tensor(&mut self, t: &TensorProto) -> Result<Typed> {
        let wrong = |reason: String| Error::tensor(t.name, reason);
        let data = if t.is_external { Some(self.external_bytes(t).map_err(wrong)?) } else { None };
        let (element, value) = tensor_value(t, data.as_deref()).map_err(wrong)?;
        // Outside functions and sub-graphs each is there once, and no longer than the file.
        if self.depth > 0 && self.reading.spend(value.len()).is_err() {
            return Err(wrong("is in a loop or function, and is copied too often".into()));
        }
        self.note_held("", element);
        Ok(Typed { tensor: Tensor::constant(value), element })
    }

    fn external_bytes(&self, t: &TensorProto) -> std::result::Result<Vec<u8>, String> {
        let entry = |key: &str| t.external.iter().find(|(k, _)| *k == key).map(|&(_, v)| v);
        let number = |key: &str| match entry(key).map(str::parse::<u64>) {
            None => Ok(None),
            Some(Ok(n)) => Ok(Some(n)),
            Some(Err(_)) => Err(format!("is stored outside the file with an unreadable {key}")),
        };
        let location = entry("location").ok_or("is stored outside the file, which does not say where")?;
        let outside = location.split(['/', '\\']).any(|part| part == "..");
        if location.is_empty() || outside || location.starts_with(['/', '\\']) || location.contains(':') {
            return Err(format!("is stored in {location:?}, which leaves the model's directory"));
        }
        let data = ExternalData {
            location: location.into(),
            offset: number("offset")?.unwrap_or(0),
            length: number("length")?,
        };
        let external = self.external.ok_or_else(|| {
            format!("is stored in {location:?}; keep that file beside the model, or save the model with its data inside")
        })?;
        external(&data).map_err(|e| format!("is stored in {location:?}, which cannot be read: {e}"))
    }

    /// A sparse tensor, made dense.
    pub(crate) fn sparse(
        &mut self,
        values: &TensorProto,
        indices: &TensorProto,
        dims: &[i64],
    ) -> Result<Typed> {
        let wrong = |reason: &str| Error::tensor(values.name, reason);
        let typed = self.tensor(values)?;
        let at = self.tensor(indices)?;
        let (Some(elements), Some(at)) = (self.reading.value(&typed.tensor), self.reading.value(&at.tensor))
        else {
            return Err(wrong("is sparse without values"));
        };
        let shape: Option<Vec<usize>> = dims.iter().map(|&d| usize::try_from(d).ok()).collect();
        let shape = shape.ok_or_else(|| wrong("is sparse with a negative size"))?;
        let len = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        let len = len.filter(|&n| self.reading.spend(n).is_ok());
        let len = len.ok_or_else(|| wrong("is sparse with too many elements; save it as a dense tensor"))?;
        let n = elements.len();
        let at = at.to_i64();
        let position = |i: usize| -> Option<usize> {
            if at.len() == n {
                return usize::try_from(at[i]).ok().filter(|&p| p < len);
            }
            let index = at.get(i * shape.len()..(i + 1) * shape.len())?;
            index.iter().zip(&shape).try_fold(0, |sum, (&i, &size)| {
                let i = usize::try_from(i).ok().filter(|&i| i < size)?;
                Some(sum * size + i)
            })
        };
        let mut dense = vec![if elements.dtype().is_float() { Num::Float(0.0) } else { Num::Int(0) }; len];
        for i in 0..n {
            let p = position(i).ok_or_else(|| wrong("is sparse with an index outside its shape"))?;
            dense[p] = elements.get(i);
        }
        let value = Value::from_fn(&Type::new(elements.dtype(), shape), |i| dense[i]);
        Ok(Typed { tensor: Tensor::constant(value), element: typed.element })
    }
}
