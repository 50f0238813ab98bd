//! What can be wrong with a graph, or with a value given to a plan.

use std::fmt;
use teff_graph::Type;

/// Why a plan could not be made or fed.
#[derive(Clone, Debug, PartialEq)]
pub enum Error {
    /// The graph breaks its own contract.
    Graph(teff_graph::Error),
    /// There is no such input or output.
    Index {
        /// `"input"` or `"output"`.
        what: &'static str,
        /// The number asked for.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// A value does not have the type the graph says.
    Type {
        /// Which value: an input or a parameter, by name.
        what: String,
        /// What the graph says.
        expected: Type,
        /// What was given.
        given: Type,
    },
    /// All values together are more bytes than memory has addresses.
    TooLarge,
    /// Two outputs update one parameter.
    UpdatedTwice {
        /// Name of the parameter.
        param: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Graph(e) => write!(f, "the graph is invalid: {e}"),
            Error::Index { what, index, count } => {
                write!(f, "{what} {index} does not exist: the graph has {count}, counted from 0")
            }
            Error::Type { what, expected, given } => write!(f, "{what} is {expected}, but got {given}"),
            Error::TooLarge => f.write_str(
                "the values of the graph are more bytes than memory has addresses; give smaller shapes",
            ),
            Error::UpdatedTwice { param } => {
                write!(f, "parameter {param:?} is updated by two outputs; name it once")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Graph(e) => Some(e),
            Error::Index { .. } | Error::Type { .. } | Error::TooLarge | Error::UpdatedTwice { .. } => None,
        }
    }
}

impl From<teff_graph::Error> for Error {
    fn from(e: teff_graph::Error) -> Error {
        Error::Graph(e)
    }
}
