//! What a name in an ONNX graph stands for while reading.

use crate::proto::ElementType;
use std::rc::Rc;
use teff_graph::{DType, Tensor};
use teff_reader::{Lowered, invalid, unsupported};

/// A tensor together with the element type ONNX gives it.
#[derive(Clone, Debug)]
pub(crate) struct Typed {
    pub(crate) tensor: Tensor,
    pub(crate) element: ElementType,
}

/// Strings out of a list.
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

    /// The element type of what an ordinary operator computes from this operand into `result`.
    pub(crate) fn carried_to(&self, result: &Tensor) -> ElementType {
        let same_holder = self.element.dtype() == Some(result.dtype());
        if self.is_half() && result.dtype() == DType::F32 && same_holder {
            self.element
        } else {
            ElementType::Plain(result.dtype())
        }
    }
}

/// The dtype that holds elements of this type, which is not a string.
pub(crate) fn holder(element: ElementType) -> teff_graph::DType {
    element.dtype().expect("strings are refused where they enter")
}
