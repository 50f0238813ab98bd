//! What a name in an ONNX graph stands for while reading.

use super::reader::{Reader, is_default};
use crate::proto::{ElementType, NodeProto, TensorProto, element_type};
use crate::{Error, Result};
use std::rc::Rc;
use teff_graph::{Tensor, Value};
use teff_reader::{Lowered, invalid, unsupported};

/// A tensor together with the element type ONNX gives it.
#[derive(Clone, Debug)]
pub(crate) struct Typed {
    pub(crate) tensor: Tensor,
    pub(crate) element: ElementType,
}

/// Strings that stand in the file, such as the names of classes. A graph has numbers only: a string is its position in a list.
///
/// Positions of one list mean nothing in another, so that operators take no strings but those that only move elements.
#[derive(Clone, Debug)]
pub(crate) struct Strings {
    /// Where in the list each is.
    pub(crate) positions: Tensor,
    pub(crate) list: Rc<[String]>,
}

impl Strings {
    /// What the list says, for people.
    pub(crate) fn shown(&self) -> String {
        let all: Vec<String> = self.list.iter().enumerate().map(|(i, word)| format!("{i}={word}")).collect();
        all.join(", ")
    }
}

/// A value.
#[derive(Clone, Debug)]
pub(crate) enum OnnxValue {
    Tensor(Typed),
    /// A sequence whose length is known while reading.
    Sequence(Vec<Typed>),
    /// Strings that the file lists.
    Strings(Strings),
    /// An optional input that is not given, or an empty optional.
    Absent,
}

impl From<Tensor> for Typed {
    fn from(tensor: Tensor) -> Typed {
        let element = ElementType::Plain(tensor.dtype());
        Typed { tensor, element }
    }
}

impl From<Tensor> for OnnxValue {
    fn from(tensor: Tensor) -> OnnxValue {
        OnnxValue::Tensor(tensor.into())
    }
}

impl OnnxValue {
    /// The tensor that `what` is to be.
    pub(crate) fn into_typed(self, what: &str) -> Lowered<Typed> {
        match self {
            OnnxValue::Tensor(t) => Ok(t),
            OnnxValue::Sequence(_) => invalid!("{what} must be a tensor and is a sequence"),
            OnnxValue::Strings(_) => unsupported(
                format!("{what} holds strings, and only operators that move elements take them"),
                "keep text processing outside the model",
            ),
            OnnxValue::Absent => invalid!("{what} is missing"),
        }
    }

    pub(crate) fn narrow(tensor: Tensor, element: ElementType) -> OnnxValue {
        OnnxValue::Tensor(Typed { tensor, element })
    }
}

impl Typed {
    /// True for 16-bit floats, which are computed in 32 bits.
    pub(crate) fn is_half(&self) -> bool {
        matches!(self.element, ElementType::F16 | ElementType::BF16)
    }
}

/// The dtype that holds elements of this type, which is not a string.
pub(crate) fn holder(element: ElementType) -> teff_graph::DType {
    element.dtype().expect("strings are refused where they enter")
}

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
