//! What is to be found for the samples of a data set.

use crate::dataset::{Column, HERE, Samples};
use crate::error::{Error, Result};
use std::borrow::Cow;

/// What is to be found for each sample.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// Nothing is said.
    Missing,
    /// Which class it is of.
    Classes {
        /// The class of each sample, an index into `names`.
        labels: Vec<u16>,
        /// The classes' names.
        names: Vec<String>,
    },
    /// Numbers, an array for each output.
    Values(Vec<Column>),
}

impl Targets {
    pub(crate) fn subset(&self, indices: &[usize]) -> Self {
        match self {
            Self::Missing => Self::Missing,
            Self::Classes { labels, names } => {
                Self::Classes { labels: indices.iter().map(|&i| labels[i]).collect(), names: names.clone() }
            }
            Self::Values(columns) => Self::Values(columns.iter().map(|c| c.subset(indices)).collect()),
        }
    }
    /// What is to be found as numbers, an array for each output. Classes are the numbers that they are named by.
    ///
    /// # Errors
    /// Nothing to be found, or classes that are named by words.
    pub fn numbers(&self) -> Result<Cow<'_, [Column]>> {
        let (labels, names) = match self {
            Self::Values(columns) => return Ok(Cow::Borrowed(columns)),
            Self::Missing => {
                let what = "does not say what is to be found for its samples; give it targets";
                return Err(Error::unusable(HERE, what));
            }
            Self::Classes { labels, names } => (labels, names),
        };
        let number = |name: &String| match name.parse::<f32>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => {
                let what = format!(
                    "class {name:?} is no number, and numbers are to be found; train for classes, or give numbers as targets"
                );
                Err(Error::unusable(HERE, what))
            }
        };
        let numbers: Vec<f32> = names.iter().map(number).collect::<Result<_>>()?;
        let samples = Samples::F32(labels.iter().map(|&label| numbers[usize::from(label)]).collect());
        Ok(Cow::Owned(vec![Column { name: "y".into(), shape: vec![1], samples }]))
    }
}
