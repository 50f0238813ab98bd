//! The messages of `onnx.proto`, as far as they matter here, and the protobuf wire format they are coded in.
//!
//! Field numbers are those of onnx/onnx.proto (IR version 13). Messages borrow from the file; nothing is copied but lists of numbers.

mod message;
mod tensor;
mod wire;

pub(crate) use message::{
    Attribute, Dim, FunctionProto, GraphProto, Message, ModelProto, NodeProto, TensorProto, ValueKind,
};
pub(crate) use teff_reader::{ElementType, FloatLayout};
pub(crate) use tensor::{element_type, tensor_value, type_number};
pub(crate) use wire::Encoder;
