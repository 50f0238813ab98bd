//! What can be wrong with a data set, said so that a user can put it right.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a data set could not be opened, or a parameter was refused.
///
/// `file` names the file as it was opened; an array inside an NPZ reads `set.npz (x.npy)`. Every message is one
/// paragraph that ends with what to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A file or array that a data set needs is not there.
    NotFound {
        /// Where it was looked for.
        path: PathBuf,
        /// The names that would have done, and what was found instead.
        looked_for: String,
    },
    /// The operating system refused to read or write.
    Io {
        /// The file or folder.
        file: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file is of another format than its place or name says.
    WrongFormat {
        /// The file.
        file: String,
        /// What was to be found, and what was.
        what: String,
    },
    /// The file is cut short, or a checksum, stream or header inside it contradicts itself.
    Damaged {
        /// The file.
        file: String,
        /// What contradicts what.
        what: String,
    },
    /// The file is sound, but uses something this crate does not read.
    Unsupported {
        /// The file.
        file: String,
        /// What it uses.
        what: String,
        /// How to change the file so that it can be read.
        remedy: String,
    },
    /// What the file holds makes no data set: counts or shapes differ, a label names no class, there are no samples.
    Unusable {
        /// The file or folder.
        file: String,
        /// Why, and what to do.
        what: String,
    },
    /// A parameter is outside its documented range.
    Parameter {
        /// Its name.
        name: &'static str,
        /// Its value and the range.
        what: String,
    },
}

impl Error {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { file: path.to_owned(), source }
    }

    pub(crate) fn damaged(file: &str, what: impl Into<String>) -> Self {
        Self::Damaged { file: file.to_owned(), what: format!("damaged: {}", what.into()) }
    }

    pub(crate) fn cut_short(file: &str, expected: u64, found: u64) -> Self {
        let what = format!("cut short: its header promises {expected} bytes, but only {found} are there");
        Self::Damaged { file: file.to_owned(), what }
    }

    pub(crate) fn wrong_format(file: &str, what: impl Into<String>) -> Self {
        Self::WrongFormat { file: file.to_owned(), what: what.into() }
    }

    pub(crate) fn unsupported(file: &str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Unsupported { file: file.to_owned(), what: what.into(), remedy: remedy.into() }
    }

    pub(crate) fn unusable(file: &str, what: impl Into<String>) -> Self {
        Self::Unusable { file: file.to_owned(), what: what.into() }
    }

    /// The same of a data set that was made of `file`.
    pub(crate) fn in_file(self, file: &str) -> Self {
        if let Self::Unusable { what, .. } = self { Self::unusable(file, what) } else { self }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { path, looked_for } => write!(
                f,
                "{}: does not hold {looked_for}. Give the path of the folder or .npz file that does.",
                path.display()
            ),
            Self::Io { file, source } => {
                let file = file.display();
                write!(f, "{file}: {source}. Check that the path is right and that you may use it.")
            }
            Self::WrongFormat { file, what } => {
                write!(f, "{file}: {what}. Check that this is the right file and that it is whole.")
            }
            Self::Damaged { file, what } => {
                write!(f, "{file}: {what}. Copy or download it again.")
            }
            Self::Unsupported { file, what, remedy } => write!(f, "{file}: {what} is not read; {remedy}."),
            Self::Unusable { file, what } => write!(f, "{file}: {what}."),
            Self::Parameter { name, what } => write!(f, "{name} {what}. Choose a value within that range."),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        if let Self::Io { source, .. } = self { Some(source) } else { None }
    }
}

/// `[1, 28, 28]` as `1x28x28`.
pub(crate) fn dimensions(shape: &[usize]) -> String {
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}
