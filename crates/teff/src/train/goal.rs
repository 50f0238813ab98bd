//! What training is after: the loss, what of the data it compares with, and how near a network comes.

use crate::error::{Error, Result};
use crate::metrics::{Confusion, Fit, Quality, argmax};
use crate::model::Standard;
use std::borrow::Cow;
use teff_data::{Column, Dataset, Targets};
use teff_graph::{DType, Reduction, Tensor};

/// What is made small.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Loss {
    /// What fits the targets: cross-entropy of classes, mean squared error of numbers.
    #[default]
    Auto,
    /// Cross-entropy of logits with classes.
    CrossEntropy,
    /// Mean squared error. As numbers differ in their units, each is measured in standard deviations of its targets.
    Mse,
    /// Huber loss of the same errors: squares up to one standard deviation, beyond it in proportion, so that strays count less.
    Huber,
}

impl Loss {
    /// Every one, in the order in which they are offered.
    pub const ALL: [Loss; 4] = [Loss::Auto, Loss::CrossEntropy, Loss::Mse, Loss::Huber];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Loss::Auto => "auto",
            Loss::CrossEntropy => "cross-entropy",
            Loss::Mse => "mse",
            Loss::Huber => "huber",
        }
    }
}

/// What is to be found for the samples of a data set, as a loss takes it.
pub struct Goal<'a> {
    wanted: Wanted<'a>,
    /// Numbers that a network gives for a sample.
    width: usize,
}

enum Wanted<'a> {
    /// The class of each sample.
    Classes { labels: &'a [u16], smoothing: f64 },
    /// Numbers, an array for each output, and what they are measured in.
    Numbers { columns: Cow<'a, [Column]>, unit: Standard, huber: bool },
}

impl<'a> Goal<'a> {
    /// The targets of `data` as `loss` takes them; `smoothing`, 0 to below 1, is spread over all classes.
    ///
    /// # Errors
    /// Data without targets, cross-entropy of numbers, the others of classes that are named by words, and smoothing of numbers.
    pub fn new(data: &'a Dataset, loss: Loss, smoothing: f64) -> Result<Goal<'a>> {
        let setting = |reason: &str| Err(Error::Setting(reason.into()));
        let huber = match (loss, data.targets()) {
            (Loss::Auto | Loss::CrossEntropy, Targets::Classes { labels, names }) => {
                return Ok(Goal { wanted: Wanted::Classes { labels, smoothing }, width: names.len() });
            }
            (Loss::CrossEntropy, Targets::Values(_)) => {
                return setting(
                    "cross-entropy takes classes, and the data have numbers to be found; choose mse or huber, or store classes as whole numbers",
                );
            }
            (Loss::Huber, _) => true,
            (Loss::Auto | Loss::Mse | Loss::CrossEntropy, _) => false,
        };
        let columns = data.targets().numbers()?;
        if smoothing > 0.0 {
            return setting(
                "label smoothing is for classes, and the data have numbers to be found; leave it out",
            );
        }
        let width = columns.iter().map(Column::sample_len).sum();
        let unit = Standard::of_targets(&columns);
        Ok(Goal { wanted: Wanted::Numbers { columns, unit, huber }, width })
    }

    /// How many numbers a network gives for a sample: a logit for each class, or the numbers to be found.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Mean and deviation of the numbers to be found, if they are numbers.
    pub fn unit(&self) -> Option<&Standard> {
        match &self.wanted {
            Wanted::Classes { .. } => None,
            Wanted::Numbers { unit, .. } => Some(unit),
        }
    }

    /// An error unless a network of this output, of one sample, gives [`Goal::width`] numbers.
    ///
    /// # Errors
    /// That it gives others.
    pub fn check(&self, output: &[usize]) -> Result<()> {
        match output.iter().product::<usize>() == self.width {
            true => Ok(()),
            false => Err(Error::Setting(format!(
                "the model gives {output:?} numbers a sample, the data has {}; end the model with a linear layer of out = \"classes\"",
                self.described()
            ))),
        }
    }

    /// What this many outputs are, in words.
    pub fn described(&self) -> String {
        match (&self.wanted, self.width) {
            (Wanted::Classes { .. }, classes) => format!("{classes} classes"),
            (Wanted::Numbers { .. }, 1) => "a number to be found".into(),
            (Wanted::Numbers { .. }, numbers) => format!("{numbers} numbers to be found"),
        }
    }

    /// How many numbers [`Goal::gather`] writes for a sample.
    pub(crate) fn target_len(&self) -> usize {
        match &self.wanted {
            Wanted::Classes { .. } => 1,
            Wanted::Numbers { .. } => self.width,
        }
    }

    /// Writes what is to be found for these samples: a class's index, or the numbers.
    pub(crate) fn gather(&self, indices: &[usize], out: &mut [f32]) {
        for (&index, mut out) in indices.iter().zip(out.chunks_exact_mut(self.target_len())) {
            match &self.wanted {
                Wanted::Classes { labels, .. } => out[0] = f32::from(labels[index]),
                Wanted::Numbers { columns, .. } => {
                    for column in columns.iter() {
                        let (these, rest) = out.split_at_mut(column.sample_len());
                        column.sample(index).write_to(these);
                        out = rest;
                    }
                }
            }
        }
    }

    /// The loss, a scalar, of what a network said of a batch, `[N, ..]` of [`Goal::width`] numbers a sample, for targets `[N, target_len]`.
    pub(crate) fn loss(&self, said: &Tensor, targets: &Tensor) -> Tensor {
        let batch = targets.shape()[0];
        let said = said.reshape(&[batch, self.width]);
        match &self.wanted {
            Wanted::Classes { smoothing, .. } => {
                let labels = targets.reshape(&[batch]).cast(DType::I32);
                said.cross_entropy_smoothed(&labels, *smoothing, Reduction::Mean)
            }
            Wanted::Numbers { unit, huber, .. } => {
                let (said, targets) = (unit.apply(&said), unit.apply(targets));
                if *huber { said.huber(&targets, 1.0) } else { said.mse(&targets) }
            }
        }
    }

    /// What a batch adds to the score: how many were right, or the squared errors in units of the targets' variance, a mean a sample.
    pub(crate) fn score(&self, said: &[f32], targets: &[f32]) -> f64 {
        match &self.wanted {
            Wanted::Classes { .. } => {
                let right =
                    said.chunks_exact(self.width).zip(targets).filter(|(s, t)| argmax(s) == **t as usize);
                right.count() as f64
            }
            Wanted::Numbers { unit, .. } => {
                let error = |(i, (s, t)): (usize, (&f32, &f32))| {
                    (f64::from(s - t) / unit.deviation(i % self.width)).powi(2)
                };
                said.iter().zip(targets).enumerate().map(error).sum::<f64>() / self.width as f64
            }
        }
    }

    /// What a sum of scores over so many samples comes to.
    pub(crate) fn scored(&self, sum: f64, samples: usize) -> Score {
        let mean = sum / samples.max(1) as f64;
        match &self.wanted {
            Wanted::Classes { .. } => Score::Accuracy(mean),
            Wanted::Numbers { .. } => Score::R2(1.0 - mean),
        }
    }

    /// How good `said` is, what a network gave for all samples in order.
    ///
    /// # Panics
    /// When `said` is of another length.
    pub fn quality(&self, said: &[f32]) -> Quality {
        match &self.wanted {
            Wanted::Classes { labels, .. } => {
                let classes: Vec<u16> = said.chunks_exact(self.width).map(|s| argmax(s) as u16).collect();
                assert_eq!(classes.len(), labels.len(), "an answer for each sample");
                Quality::Accuracy(Confusion::count(labels, &classes, self.width).accuracy())
            }
            Wanted::Numbers { .. } => {
                let mut wanted = vec![0.0; said.len()];
                self.gather(&(0..said.len() / self.width).collect::<Vec<_>>(), &mut wanted);
                Quality::Fit(Fit::of(said, &wanted, self.width))
            }
        }
    }
}

/// How training goes, over the samples of an epoch as they were seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Score {
    /// The share that was right, 0 to 1.
    Accuracy(f64),
    /// Coefficient of determination ([`Fit::r2`]), of the whole training part's variance.
    R2(f64),
}

impl std::fmt::Display for Score {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Score::Accuracy(share) => write!(f, "accuracy {:.2} %", share * 100.0),
            Score::R2(r2) => write!(f, "R2 {r2:.4}"),
        }
    }
}
