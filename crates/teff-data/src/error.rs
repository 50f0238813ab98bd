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
    /// The file ends before its own header says it does.
    Truncated {
        /// The file.
        file: String,
        /// Bytes that the header promises.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// The file is of another format than its place or name says.
    WrongFormat {
        /// The file.
        file: String,
        /// What was to be found, and what was.
        what: String,
    },
    /// A checksum, stream or header inside the file contradicts itself.
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
    /// Images and labels do not pair up.
    Counts {
        /// The images' file.
        images: String,
        /// How many it holds.
        image_count: usize,
        /// The labels' file.
        labels: String,
        /// How many it holds.
        label_count: usize,
    },
    /// A label names no class.
    Label {
        /// The labels' file.
        file: String,
        /// Which sample, counted from 0.
        index: usize,
        /// Its label.
        label: i64,
        /// How many classes there are.
        classes: usize,
    },
    /// A class folder without an image in it.
    EmptyClass {
        /// The folder.
        folder: PathBuf,
    },
    /// Samples differ in shape.
    Shape {
        /// The odd file.
        file: String,
        /// Its shape.
        shape: Vec<usize>,
        /// The shape of the others.
        expected: Vec<usize>,
    },
    /// The data set as a whole is not usable: no samples, no classes, a class that is only tested.
    Unusable {
        /// The file or folder.
        file: String,
        /// Why.
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
        Self::Damaged { file: file.to_owned(), what: what.into() }
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
                write!(
                    f,
                    "{}: {source}. Check that the path is right and that you may use it.",
                    file.display()
                )
            }
            Self::Truncated { file, expected, found } => write!(
                f,
                "{file}: cut short: its header promises {expected} bytes, but only {found} are there. Copy or download it again."
            ),
            Self::WrongFormat { file, what } => {
                write!(f, "{file}: {what}. Check that this is the right file and that it is whole.")
            }
            Self::Damaged { file, what } => {
                write!(f, "{file}: damaged: {what}. Copy or download it again.")
            }
            Self::Unsupported { file, what, remedy } => write!(f, "{file}: {what} is not read; {remedy}."),
            Self::Counts { images, image_count, labels, label_count } => write!(
                f,
                "{images} holds {image_count} images but {labels} holds {label_count} labels. \
                 Take both from the same data set, so that every image has its label."
            ),
            Self::Label { file, index, label, classes } => write!(
                f,
                "{file}: label {label} of sample {index} is not one of the {classes} classes, 0 to {}. \
                 Correct the label, or take the labels from the same data set as the images.",
                classes.saturating_sub(1)
            ),
            Self::EmptyClass { folder } => write!(
                f,
                "{}: a class folder without an image. Put .png or .jpg files in it, or remove the folder.",
                folder.display()
            ),
            Self::Shape { file, shape, expected } => write!(
                f,
                "{file}: has shape {}, the other samples have {} (channels x height x width). \
                 Bring all images to one size and kind.",
                dimensions(shape),
                dimensions(expected)
            ),
            Self::Unusable { file, what } => write!(f, "{file}: {what}."),
            Self::Parameter { name, what } => write!(f, "{name} {what}. Choose a value within that range."),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::NotFound { .. }
            | Self::Truncated { .. }
            | Self::WrongFormat { .. }
            | Self::Damaged { .. }
            | Self::Unsupported { .. }
            | Self::Counts { .. }
            | Self::Label { .. }
            | Self::EmptyClass { .. }
            | Self::Shape { .. }
            | Self::Unusable { .. }
            | Self::Parameter { .. } => None,
        }
    }
}

/// `[1, 28, 28]` as `1x28x28`.
pub(crate) fn dimensions(shape: &[usize]) -> String {
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}
