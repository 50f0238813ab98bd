//! What can be wrong with a model.

use std::fmt;

/// Result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Where in a model something is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct OperatorAt {
    /// The operator's position in the model's list, from 0.
    pub index: usize,
    /// Its name in the schema, such as `CONV_2D`; of a custom operator `CUSTOM` and its own name.
    pub operator: String,
    /// The version the model asks for.
    pub version: i32,
    /// The name of the tensor it gives first; may be empty.
    pub output: String,
}

impl fmt::Display for OperatorAt {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "operator {} ({} version {}", self.index, self.operator, self.version)?;
        if self.output.is_empty() { f.write_str(")") } else { write!(f, ", giving {:?})", self.output) }
    }
}

/// Why a model cannot be read.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are no TFLite model.
    NotTflite {
        /// What is wrong with them.
        reason: String,
    },
    /// An operator, option or type that is not supported.
    Unsupported {
        /// Where.
        at: OperatorAt,
        /// What.
        what: String,
        /// What can be done.
        remedy: String,
    },
    /// An operator that contradicts its definition, or does not fit what it is applied to.
    InvalidOperator {
        /// Where.
        at: OperatorAt,
        /// What is wrong.
        reason: String,
    },
    /// An input or output of the model that cannot be used as it is.
    Interface {
        /// Its name.
        name: String,
        /// What is wrong, and what can be done.
        reason: String,
    },
    /// A tensor of the model that cannot be read.
    Tensor {
        /// Its position in the model's list.
        index: usize,
        /// Its name; may be empty.
        name: String,
        /// What is wrong, and what can be done.
        reason: String,
    },
    /// The model as a whole is inconsistent.
    InvalidModel {
        /// What is wrong.
        reason: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::NotTflite { reason } => write!(
                f,
                "not a TFLite model: {reason}. Give a .tflite file as the TensorFlow Lite or LiteRT converter writes it, fetched \
                 completely (a Git LFS pointer is not the file itself)"
            ),
            Error::Unsupported { at, what, remedy } => write!(f, "{at}: {what}; {remedy}"),
            Error::InvalidOperator { at, reason } => write!(f, "{at}: {reason}"),
            Error::Interface { name, reason } => write!(f, "model input or output {name:?}: {reason}"),
            Error::Tensor { index, name, reason } => write!(f, "tensor {index} ({name:?}) {reason}"),
            Error::InvalidModel { reason } => write!(f, "the model is invalid: {reason}"),
        }
    }
}

impl std::error::Error for Error {}
