//! Strings that stand in the file, such as the names of classes. A graph has numbers only: a string is its position in a list.
//!
//! Positions of one list mean nothing in another, so that operators take no strings but those that only move elements.

use super::item::{OnnxValue, Strings, Typed};
use super::reader::{Reader, is_default};
use crate::proto::{ElementType, NodeProto, TensorProto, element_type};
use crate::{Error, Result};
use std::rc::Rc;
use teff_graph::{Tensor, Value};

/// Operators whose output has elements of their first input, unchanged, whatever they are.
const MOVES: [&str; 9] = [
    "ArrayFeatureExtractor",
    "Expand",
    "Flatten",
    "Gather",
    "Identity",
    "Reshape",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
];

/// The list whose positions this node only moves; of its inputs the strings are then positions.
pub(crate) fn moved(node: &NodeProto, inputs: &mut [OnnxValue]) -> Option<Rc<[String]>> {
    let known = MOVES.contains(&node.op_type) && (is_default(node.domain) || node.domain == "ai.onnx.ml");
    let [OnnxValue::Strings(_), rest @ ..] = &*inputs else { return None };
    if !known || rest.iter().any(|item| matches!(item, OnnxValue::Strings(_))) {
        return None;
    }
    let OnnxValue::Strings(words) = std::mem::replace(&mut inputs[0], OnnxValue::Absent) else { return None };
    inputs[0] = words.positions.into();
    Some(words.list)
}

/// As positions in this list.
pub(crate) fn as_words(item: OnnxValue, list: &Rc<[String]>) -> OnnxValue {
    match item {
        OnnxValue::Tensor(Typed { tensor, .. }) => {
            OnnxValue::Strings(Strings { positions: tensor, list: Rc::clone(list) })
        }
        other => other,
    }
}

impl Reader<'_> {
    /// A constant of the file: a tensor, or strings.
    pub(crate) fn constant(&mut self, t: &TensorProto) -> Result<OnnxValue> {
        if element_type(t.data_type) != Some(ElementType::String) {
            return self.tensor(t).map(OnnxValue::Tensor);
        }
        let wrong = |reason: String| Error::tensor(t.name, reason);
        let shape: Option<Vec<usize>> = t.dims.iter().map(|&d| usize::try_from(d).ok()).collect();
        let count = shape.iter().flatten().try_fold(1usize, |n, &d| n.checked_mul(d));
        let (Some(shape), true) = (shape, count == Some(t.strings.len())) else {
            return Err(wrong(format!("holds {} strings for the sizes {:?}", t.strings.len(), t.dims)));
        };
        if self.reading.spend(t.strings.len().saturating_mul(8)).is_err() {
            return Err(wrong("holds too many strings".into()));
        }
        let list = t.strings.iter().map(|s| String::from_utf8_lossy(s).into_owned()).collect();
        let positions = Value::new(shape, (0..t.strings.len() as i64).collect::<Vec<_>>());
        Ok(OnnxValue::Strings(Strings { positions: Tensor::constant(positions), list }))
    }
}
