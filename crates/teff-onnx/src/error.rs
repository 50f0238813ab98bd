//! What can be wrong with a model.

use std::fmt;

/// Result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Where in a model something is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeAt {
    /// The node's name, or its first output where it has none.
    pub node: String,
    /// Its operator, with the domain unless that is the default one.
    pub operator: String,
    /// The operator set version the model asks for.
    pub version: i64,
}

impl fmt::Display for NodeAt {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "node {:?} ({}, opset {})", self.node, self.operator, self.version)
    }
}

/// Why a model cannot be read, or a graph not be written.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are no ONNX model.
    NotOnnx {
        /// What they lack.
        reason: String,
    },
    /// An operator, attribute value or type that is not supported.
    Unsupported {
        /// Where.
        at: NodeAt,
        /// What.
        what: String,
        /// What can be done.
        remedy: String,
    },
    /// A node that contradicts the specification of its operator, or what it is applied to.
    InvalidNode {
        /// Where.
        at: NodeAt,
        /// What is wrong.
        reason: String,
    },
    /// A node of which a graph could be made, but a very large one or with very much work: what a small file can ask for has bounds.
    TooLarge {
        /// Where.
        at: NodeAt,
        /// What is bounded.
        what: &'static str,
    },
    /// A graph input or output that cannot be used as it is.
    Interface {
        /// Its name.
        name: String,
        /// What is wrong, and what can be done.
        reason: String,
    },
    /// A constant of the model that cannot be read.
    Tensor {
        /// Its name.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// The model as a whole is inconsistent.
    InvalidModel {
        /// What is wrong.
        reason: String,
    },
    /// A node of a graph that ONNX has no way to say.
    Inexpressible {
        /// The node's label, or its number.
        node: String,
        /// Its operation.
        operation: &'static str,
        /// Why not, and what can be done.
        reason: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::NotOnnx { reason } => write!(
                f,
                "not an ONNX model: {reason}. Give a .onnx file as torch.onnx.export, tf2onnx, skl2onnx or teff write it, \
                 fetched completely (a Git LFS pointer is not the file itself)"
            ),
            Error::Unsupported { at, what, remedy } => write!(f, "{at}: {what}; {remedy}"),
            Error::InvalidNode { at, reason } => {
                write!(f, "{at}: {reason}; export the model again, or look at it with onnx.checker")
            }
            Error::TooLarge { at, what } => {
                write!(f, "{at}: {what}; give smaller shapes, or keep this outside the model")
            }
            Error::Interface { name, reason } => write!(f, "graph input or output {name:?}: {reason}"),
            Error::Tensor { name, reason } => write!(f, "tensor {name:?} {reason}"),
            Error::InvalidModel { reason } => write!(f, "the model is invalid: {reason}"),
            Error::Inexpressible { node, operation, reason } => {
                write!(f, "{node} ({operation}) cannot be written as ONNX: {reason}")
            }
        }
    }
}

impl std::error::Error for Error {}
