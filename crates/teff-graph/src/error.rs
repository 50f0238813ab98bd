//! What can be wrong with a graph.

use crate::dtype::Type;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

/// Something wrong with a graph: what, at which operation, on which operands.
#[derive(Clone, Debug, PartialEq)]
pub struct Error(Box<Inner>);

#[derive(Clone, Debug, PartialEq)]
struct Inner {
    op: &'static str,
    operands: Vec<Type>,
    reason: String,
    label: Option<Arc<str>>,
    at: Option<&'static Location<'static>>,
}

/// Result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of operation `op` applied to `operands`.
    pub fn new(op: &'static str, operands: Vec<Type>, reason: impl Into<String>) -> Error {
        Error(Box::new(Inner { op, operands, reason: reason.into(), label: None, at: None }))
    }

    /// The same error, said to be at the node or layer `label`, unless a label is known already.
    pub fn at_label(mut self, label: &str) -> Error {
        self.0.label.get_or_insert_with(|| label.into());
        self
    }

    /// The same error, said to be made by the source line `at`, unless one is known already.
    pub(crate) fn at_source(mut self, at: &'static Location<'static>) -> Error {
        self.0.at.get_or_insert(at);
        self
    }

    /// What is wrong, without operation and operands.
    pub fn reason(&self) -> &str {
        &self.0.reason
    }

    /// Types of the operands it was applied to.
    pub fn operands(&self) -> &[Type] {
        &self.0.operands
    }

    /// The operation at fault.
    pub fn op(&self) -> &'static str {
        self.0.op
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let e = &self.0;
        if let Some(label) = &e.label {
            write!(f, "{label}: ")?;
        }
        f.write_str(e.op)?;
        for (i, t) in e.operands.iter().enumerate() {
            write!(f, "{} {t}", if i == 0 { " of" } else { " and" })?;
        }
        write!(f, ": {}", e.reason)?;
        if let Some(at) = e.at {
            write!(f, " (at {}:{})", at.file(), at.line())?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
