//! What can go wrong in this library.

use std::fmt;
use std::path::{Path, PathBuf};

/// Result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Something that went wrong: what, where, and what to do about it.
#[derive(Debug)]
pub enum Error {
    /// A formula whose shapes or types do not fit.
    Graph(teff_graph::Error),
    /// A graph that the host executor cannot run.
    Host(teff_host::Error),
    /// A data set that cannot be read.
    Data(teff_data::Error),
    /// A model description that cannot be built.
    Model {
        /// The description: a file name, or the name of a preset.
        model: String,
        /// The layer at fault, counted from 1, with its kind; empty when it is not one layer's.
        layer: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A checkpoint that cannot be used.
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A file or folder that cannot be read or written.
    File {
        /// The file.
        path: PathBuf,
        /// What was tried, such as "write".
        action: &'static str,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A network that cannot be quantised as wanted.
    Quantize {
        /// The layer, tensor or model.
        at: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A setting outside its range.
    Setting(String),
    /// The caller asked for an end.
    Stopped,
}

impl Error {
    /// An error of the operating system on `path`.
    pub fn file(path: &Path, action: &'static str, source: std::io::Error) -> Error {
        Error::File { path: path.into(), action, source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Graph(e) => e.fmt(f),
            Error::Host(e) => e.fmt(f),
            Error::Data(e) => e.fmt(f),
            Error::Model { model, layer, reason } if layer.is_empty() => write!(f, "model {model}: {reason}"),
            Error::Model { model, layer, reason } => write!(f, "model {model}, {layer}: {reason}"),
            Error::Checkpoint { path, reason } => write!(f, "checkpoint {}: {reason}", path.display()),
            Error::File { path, action, source } => write!(f, "cannot {action} {}: {source}", path.display()),
            Error::Quantize { at, reason } => write!(f, "{at} {reason}"),
            Error::Setting(reason) => f.write_str(reason),
            Error::Stopped => f.write_str("stopped"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Graph(e) => Some(e),
            Error::Host(e) => Some(e),
            Error::Data(e) => Some(e),
            Error::File { source, .. } => Some(source),
            Error::Model { .. }
            | Error::Checkpoint { .. }
            | Error::Quantize { .. }
            | Error::Setting(_)
            | Error::Stopped => None,
        }
    }
}

impl From<teff_graph::Error> for Error {
    fn from(e: teff_graph::Error) -> Error {
        Error::Graph(e)
    }
}

impl From<teff_host::Error> for Error {
    fn from(e: teff_host::Error) -> Error {
        Error::Host(e)
    }
}

impl From<teff_data::Error> for Error {
    fn from(e: teff_data::Error) -> Error {
        Error::Data(e)
    }
}
