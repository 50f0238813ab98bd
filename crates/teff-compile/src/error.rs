//! What can keep a graph from being compiled.

use std::fmt;
use teff_graph::{Graph, NodeId};

/// Why there is no Program.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// The graph breaks its own contract.
    Graph(teff_graph::Error),
    /// A node that has no lowering.
    Unsupported {
        /// Its operation.
        op: &'static str,
        /// Its position in the graph as compiled.
        node: usize,
        /// The layer or node of the model it came from.
        label: Option<String>,
        /// Why, and what to do.
        reason: String,
    },
    /// A name that C cannot have.
    Name {
        /// The name asked for.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A sample that the Program cannot run on, where samples show what it needs most.
    Sample(crate::program::Fault),
    /// A Program that breaks its contract: a defect of the lowering.
    Invalid(crate::program::Invalid),
}

impl Error {
    /// Why a node of `graph` has no lowering.
    pub(crate) fn unsupported(graph: &Graph, id: NodeId, reason: impl Into<String>) -> Error {
        let (op, label) = (graph[id].op.name(), graph[id].label.as_deref().map(String::from));
        Error::Unsupported { op, node: id.index(), label, reason: reason.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Graph(e) => write!(f, "{e}"),
            Error::Unsupported { op, node, label, reason } => {
                if let Some(label) = label {
                    write!(f, "{label}: ")?;
                }
                write!(f, "{op} (node %{node}) cannot be compiled: {reason}")
            }
            Error::Name { name, reason } => write!(f, "{name:?} cannot name the function: {reason}"),
            Error::Sample(e) => write!(f, "a sample does not fit: {e}"),
            Error::Invalid(e) => {
                write!(f, "the compiler made a wrong program, which is a defect of teff: {e}")
            }
        }
    }
}

impl std::error::Error for Error {}

impl From<teff_graph::Error> for Error {
    fn from(e: teff_graph::Error) -> Error {
        Error::Graph(e)
    }
}
