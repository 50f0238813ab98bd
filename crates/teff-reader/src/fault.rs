//! Why a node cannot be lowered, before it is known which node.

use crate::error::{Error, NodeAt};
use teff_graph::Tensor;

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
pub type Lowered<T = Tensor> = Result<T, Fault>;

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
