//! What can be wrong with a model, and why a node cannot be lowered before it is known which node.

use std::fmt;
use teff_graph::Tensor;

/// Result of reading or writing.
pub type Result<T> = std::result::Result<T, Error>;

/// What messages say of a file format.
#[derive(Debug, PartialEq)]
pub struct FileFormat {
    /// With its article, such as `an ONNX`.
    pub name: &'static str,
    /// What to give instead of a file that is none.
    pub give: &'static str,
    /// What can be done about a node that contradicts its definition; empty, or after a semicolon.
    pub check: &'static str,
}

/// Where in a model something is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeAt {
    /// The file format.
    pub format: &'static FileFormat,
    /// The node's position in the model's list, where nodes are known by it.
    pub index: Option<usize>,
    /// The node's name, or that of its first output where it has none; may be empty.
    pub node: String,
    /// Its operator, with the domain unless that is the default one.
    pub operator: String,
    /// The version of the operator, or of the operator set, that the model asks for.
    pub version: i64,
}

impl fmt::Display for NodeAt {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let NodeAt { node, operator, version, .. } = self;
        match self.index {
            None => write!(f, "node {node:?} ({operator}, opset {version})"),
            Some(index) if node.is_empty() => write!(f, "operator {index} ({operator} version {version})"),
            Some(index) => write!(f, "operator {index} ({operator} version {version}, giving {node:?})"),
        }
    }
}

/// Why a model cannot be read, or a graph not be written.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are no model.
    NotModel {
        /// What they should be.
        format: &'static FileFormat,
        /// What they lack.
        reason: String,
    },
    /// An operator, attribute, option or type that is not supported.
    Unsupported {
        /// Where.
        at: Box<NodeAt>,
        /// What.
        what: String,
        /// What can be done.
        remedy: String,
    },
    /// A node that contradicts the definition of its operator, or what it is applied to.
    InvalidNode {
        /// Where.
        at: Box<NodeAt>,
        /// What is wrong.
        reason: String,
    },
    /// A node of which a graph could be made, but a very large one or with very much work: what a small file can ask for has bounds.
    TooLarge {
        /// Where.
        at: Box<NodeAt>,
        /// What is bounded.
        what: &'static str,
    },
    /// An input or output of the model that cannot be used as it is.
    Interface {
        /// Its name.
        name: String,
        /// What is wrong, and what can be done.
        reason: String,
    },
    /// A constant of the model that cannot be read.
    Tensor {
        /// Its name in quotes, after its position where tensors are known by it.
        tensor: String,
        /// What is wrong, and what can be done.
        reason: String,
    },
    /// The model as a whole is inconsistent.
    InvalidModel {
        /// What is wrong.
        reason: String,
    },
    /// A node of a graph that the format has no way to say.
    Inexpressible {
        /// The node's label, or its number.
        node: String,
        /// Its operation.
        operation: &'static str,
        /// Why not, and what can be done.
        reason: String,
    },
}

impl Error {
    /// An input or output that cannot be used.
    pub fn interface(name: impl Into<String>, reason: impl Into<String>) -> Error {
        Error::Interface { name: name.into(), reason: reason.into() }
    }

    /// A model that is inconsistent.
    pub fn model(reason: impl Into<String>) -> Error {
        Error::InvalidModel { reason: reason.into() }
    }

    /// A constant that cannot be read.
    pub fn tensor(name: &str, reason: impl Into<String>) -> Error {
        Error::Tensor { tensor: format!("{name:?}"), reason: reason.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::NotModel { format: FileFormat { name, give, .. }, reason } => write!(
                f,
                "not {name} model: {reason}. Give {give}, fetched completely (a Git LFS pointer is not the file itself)"
            ),
            Error::Unsupported { at, what, remedy } => write!(f, "{at}: {what}; {remedy}"),
            Error::InvalidNode { at, reason } => write!(f, "{at}: {reason}{}", at.format.check),
            Error::TooLarge { at, what } => {
                write!(f, "{at}: {what}; give smaller shapes, or keep this outside the model")
            }
            Error::Interface { name, reason } => write!(f, "model input or output {name:?}: {reason}"),
            Error::Tensor { tensor, reason } => write!(f, "tensor {tensor} {reason}"),
            Error::InvalidModel { reason } => write!(f, "the model is invalid: {reason}"),
            Error::Inexpressible { node, operation, reason } => {
                write!(f, "{node} ({operation}) cannot be written: {reason}")
            }
        }
    }
}

impl std::error::Error for Error {}

/// Why a node could not be lowered; [`Fault::at`] adds where.
#[derive(Debug)]
pub enum Fault {
    /// What, and what can be done: the reader's limits.
    Unsupported(String, String),
    /// What is wrong: the model's fault.
    Invalid(String),
    /// What is bounded.
    TooLarge(&'static str),
    /// An error that says by itself where it is, such as one inside a sub-graph.
    Inside(Error),
}

impl Fault {
    /// The fault as the error of this node.
    pub fn at(self, at: &NodeAt) -> Error {
        let at = Box::new(at.clone());
        match self {
            Fault::Unsupported(what, remedy) => Error::Unsupported { at, what, remedy },
            Fault::Invalid(reason) => Error::InvalidNode { at, reason },
            Fault::TooLarge(what) => Error::TooLarge { at, what },
            Fault::Inside(e) => e,
        }
    }
}

impl From<teff_graph::Error> for Fault {
    fn from(e: teff_graph::Error) -> Fault {
        Fault::Invalid(rule_broken(&e))
    }
}

impl From<Error> for Fault {
    fn from(e: Error) -> Fault {
        Fault::Inside(e)
    }
}

/// Result of a lowering.
pub type Lowered<T = Tensor> = std::result::Result<T, Fault>;

/// What a graph says of an operation, without the place in the reader's source that made it.
pub fn rule_broken(e: &teff_graph::Error) -> String {
    let operands: Vec<String> = e.operands().iter().map(|t| t.to_string()).collect();
    match operands.is_empty() {
        true => format!("{}: {}", e.op(), e.reason()),
        false => format!("{} of {}: {}", e.op(), operands.join(" and "), e.reason()),
    }
}

/// What the reader does not support, with what can be done.
///
/// # Errors
/// Always.
pub fn unsupported<T>(what: impl Into<String>, remedy: &str) -> Lowered<T> {
    Err(Fault::Unsupported(what.into(), remedy.into()))
}

/// The model's fault, said as [`format!`] says it: an `Err` of [`Fault::Invalid`].
#[macro_export]
macro_rules! invalid {
    ($($said:tt)*) => { Err($crate::Fault::Invalid(format!($($said)*))) };
}

/// Returns with [`invalid!`] and what follows unless the condition holds.
#[macro_export]
macro_rules! ensure {
    ($holds:expr, $($said:tt)*) => {
        if !$holds {
            return $crate::invalid!($($said)*);
        }
    };
}
