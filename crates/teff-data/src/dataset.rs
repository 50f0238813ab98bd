//! A data set in memory: samples, and what is to be found for each.

use crate::error::{Error, Result, dimensions};
use crate::rng::Rng;
use crate::targets::Targets;
use std::ops::Range;

/// The values of all samples, one sample after the other.
///
/// Pixels stay bytes (the 60 000 images of MNIST are 47 MB, as f32 they would be 188 MB) and become `pixel / 255` when
/// they are gathered into a batch. Others are taken as they are.
#[derive(Clone, Debug, PartialEq)]
pub enum Samples {
    /// Pixels, 0 to 255.
    U8(Vec<u8>),
    /// Finite numbers, used unscaled.
    F32(Vec<f32>),
    /// Whole numbers, used unscaled: tokens, counts.
    I64(Vec<i64>),
}

impl Samples {
    /// All of them, as if they were one sample.
    fn all(&self) -> Sample<'_> {
        match self {
            Self::U8(v) => Sample::U8(v),
            Self::F32(v) => Sample::F32(v),
            Self::I64(v) => Sample::I64(v),
        }
    }

    /// The number of values.
    pub fn len(&self) -> usize {
        self.all().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies of the samples `indices`, of `len` values each.
    fn subset(&self, len: usize, indices: &[usize]) -> Self {
        fn pick<T: Copy>(all: &[T], len: usize, indices: &[usize]) -> Vec<T> {
            let mut picked = Vec::with_capacity(indices.len() * len);
            for &i in indices {
                picked.extend_from_slice(&all[i * len..(i + 1) * len]);
            }
            picked
        }
        match self {
            Self::U8(v) => Self::U8(pick(v, len, indices)),
            Self::F32(v) => Self::F32(pick(v, len, indices)),
            Self::I64(v) => Self::I64(pick(v, len, indices)),
        }
    }
}

/// One sample, borrowed from its data set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sample<'a> {
    /// Pixels, 0 to 255.
    U8(&'a [u8]),
    /// Numbers used unscaled.
    F32(&'a [f32]),
    /// Whole numbers, used unscaled.
    I64(&'a [i64]),
}

impl<'a> Sample<'a> {
    /// The number of values.
    #[allow(clippy::len_without_is_empty, reason = "no sample is empty")]
    pub fn len(&self) -> usize {
        match self {
            Self::U8(v) => v.len(),
            Self::F32(v) => v.len(),
            Self::I64(v) => v.len(),
        }
    }

    /// Some of its values: a channel, a row.
    ///
    /// # Panics
    /// When the range is not within the sample.
    #[inline]
    pub fn part(&self, range: Range<usize>) -> Sample<'a> {
        match self {
            Self::U8(v) => Sample::U8(&v[range]),
            Self::F32(v) => Sample::F32(&v[range]),
            Self::I64(v) => Sample::I64(&v[range]),
        }
    }

    /// Value `at` as a network of floats sees it.
    ///
    /// # Panics
    /// When the sample has no so many.
    pub fn value(&self, at: usize) -> f32 {
        let mut value = [0.0];
        self.part(at..at + 1).write_to(&mut value);
        value[0]
    }

    /// Writes the sample as a network sees it: pixels as `pixel / 255`, floats unchanged.
    ///
    /// # Panics
    /// When `out` has another length than the sample.
    #[inline]
    pub fn write_to(self, out: &mut [f32]) {
        match self {
            Self::U8(pixels) => {
                assert_eq!(pixels.len(), out.len(), "the buffer does not fit the sample");
                // A division, not a product with 1/255, gives the correctly rounded quotient that other tools give.
                for (value, &pixel) in out.iter_mut().zip(pixels) {
                    *value = f32::from(pixel) / 255.0;
                }
            }
            Self::F32(values) => out.copy_from_slice(values),
            Self::I64(values) => {
                assert_eq!(values.len(), out.len(), "the buffer does not fit the sample");
                out.iter_mut().zip(values.iter()).for_each(|(out, &x)| *out = x as f32);
            }
        }
    }
}

/// One array of a data set: a value of one shape for each sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// What the file calls it; `x` where it has no name.
    pub name: String,
    /// The shape of one sample: `[channels, height, width]` for images, `[features]` for flat data, none for single numbers.
    pub shape: Vec<usize>,
    /// The values.
    pub samples: Samples,
}

impl Column {
    /// The number of values in one sample.
    pub fn sample_len(&self) -> usize {
        self.shape.iter().product()
    }

    /// One sample.
    ///
    /// # Panics
    /// When there is no sample `index`.
    #[inline]
    pub fn sample(&self, index: usize) -> Sample<'_> {
        let len = self.sample_len();
        self.samples.all().part(index * len..(index + 1) * len)
    }

    /// Writes the samples `indices`, one after the other, as a network of floats sees them (see [`Sample::write_to`]).
    ///
    /// # Panics
    /// When an index is out of range, or `out` is not `indices.len() * sample_len` long.
    pub fn gather(&self, indices: &[usize], out: &mut [f32]) {
        let len = self.sample_len();
        assert_eq!(out.len(), indices.len() * len, "the buffer does not fit the batch");
        for (&index, out) in indices.iter().zip(out.chunks_exact_mut(len.max(1))) {
            self.sample(index).write_to(out);
        }
    }

    pub(crate) fn subset(&self, indices: &[usize]) -> Self {
        let samples = self.samples.subset(self.sample_len(), indices);
        Self { name: self.name.clone(), shape: self.shape.clone(), samples }
    }

    /// An error unless it has `count` samples of at least one value, all finite.
    fn check(&self, count: usize) -> Result<()> {
        let len = self.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).unwrap_or(0);
        if len == 0 {
            let what = format!("a sample of shape {} has no values", dimensions(&self.shape));
            return Err(Error::unusable(HERE, what));
        }
        if self.samples.len() != count * len {
            let found = self.samples.len() / len;
            let what = format!("{} has {found} samples, and there are {count}", self.name);
            return Err(Error::unusable(HERE, what));
        }
        if let Samples::F32(values) = &self.samples
            && let Some(at) = values.iter().position(|v| !v.is_finite())
        {
            let what = format!("sample {} holds {}, which is not a finite number", at / len, values[at]);
            return Err(Error::unusable(HERE, what));
        }
        Ok(())
    }
}

/// What a data set that is made in memory is called in messages.
pub(crate) const HERE: &str = "data set";

/// Samples, each of one or more arrays, and what is to be found for them.
///
/// Invariants, checked by [`Dataset::new`]: at least one array of samples; in every array each sample has a value of the array's shape (at
/// least one number), floats are finite; there are as many labels as samples, every label is less than the number of classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    len: usize,
    inputs: Vec<Column>,
    targets: Targets,
}

/// A data set in two parts with the same shape and classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// What a network learns from.
    pub train: Dataset,
    /// What it is measured on.
    pub test: Dataset,
}

impl Dataset {
    /// A data set of one array of samples with their classes; `shape` is that of one sample, `[channels, height, width]` for images.
    ///
    /// # Errors
    /// When one of the invariants of [`Dataset`] does not hold.
    pub fn new(samples: Samples, shape: Vec<usize>, labels: Vec<u16>, names: Vec<String>) -> Result<Self> {
        let x = Column { name: "x".into(), shape, samples };
        Self::of(vec![x], Targets::Classes { labels, names })
    }

    /// A data set of these arrays.
    ///
    /// # Errors
    /// When one of the invariants of [`Dataset`] does not hold.
    pub fn of(inputs: Vec<Column>, targets: Targets) -> Result<Self> {
        let Some(first) = inputs.first() else { return Err(Error::unusable(HERE, "has no samples")) };
        let len = first.samples.len() / first.sample_len().max(1);
        inputs.iter().try_for_each(|column| column.check(len))?;
        match &targets {
            Targets::Missing => {}
            Targets::Values(columns) => columns.iter().try_for_each(|column| column.check(len))?,
            Targets::Classes { labels, .. } if labels.len() != len => {
                let what = format!("{len} samples and {} labels; every sample needs its label", labels.len());
                return Err(Error::unusable(HERE, what));
            }
            Targets::Classes { labels, names } => {
                if let Some(index) = labels.iter().position(|&l| usize::from(l) >= names.len()) {
                    return Err(no_class(HERE, index, labels[index].into(), names.len()));
                }
            }
        }
        Ok(Self { len, inputs, targets })
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The arrays that a network is given.
    pub fn inputs(&self) -> &[Column] {
        &self.inputs
    }

    /// What is to be found.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// The shape of one sample of the first array.
    pub fn shape(&self) -> &[usize] {
        &self.inputs[0].shape
    }

    /// The number of values in one sample of the first array.
    pub fn sample_len(&self) -> usize {
        self.inputs[0].sample_len()
    }

    /// The values of the first array.
    pub fn samples(&self) -> &Samples {
        &self.inputs[0].samples
    }

    /// One sample of the first array.
    ///
    /// # Panics
    /// When there is no sample `index`.
    #[inline]
    pub fn sample(&self, index: usize) -> Sample<'_> {
        self.inputs[0].sample(index)
    }

    /// The class of each sample, an index into [`Dataset::classes`]; none where targets are no classes.
    pub fn labels(&self) -> &[u16] {
        if let Targets::Classes { labels, .. } = &self.targets { labels } else { &[] }
    }

    /// The classes' names; none where targets are no classes.
    pub fn classes(&self) -> &[String] {
        if let Targets::Classes { names, .. } = &self.targets { names } else { &[] }
    }

    /// How many samples each class has.
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes().len()];
        self.labels().iter().for_each(|&label| counts[usize::from(label)] += 1);
        counts
    }

    /// Writes samples of the first array: [`Column::gather`].
    ///
    /// # Panics
    /// When an index is out of range, or `out` is not `indices.len() * sample_len` long.
    pub fn gather(&self, indices: &[usize], out: &mut [f32]) {
        self.inputs[0].gather(indices, out);
    }

    /// Writes the labels of the samples `indices` in whatever type the caller's loss takes (`u16`, `i32`, `i64`, `f32`...).
    ///
    /// # Panics
    /// When an index is out of range, `out` is not as long as `indices`, or targets are no classes.
    pub fn gather_labels<T: From<u16>>(&self, indices: &[usize], out: &mut [T]) {
        assert_eq!(out.len(), indices.len(), "the buffer does not fit the batch");
        let labels = self.labels();
        for (out, &index) in out.iter_mut().zip(indices) {
            *out = T::from(labels[index]);
        }
    }

    /// A data set of copies of the samples `indices`, in that order.
    ///
    /// # Panics
    /// When an index is out of range.
    pub fn subset(&self, indices: &[usize]) -> Self {
        let inputs = self.inputs.iter().map(|column| column.subset(indices)).collect();
        Self { len: indices.len(), inputs, targets: self.targets.subset(indices) }
    }

    /// Sets a share aside for testing, of every class where there are classes: `round(test_fraction * count)` samples of it chosen by
    /// `seed`, at least one and never all where there are two or more. Both parts keep the original order.
    ///
    /// # Errors
    /// When `test_fraction` is not within 0 to 1, both excluded.
    pub fn split(&self, test_fraction: f32, seed: u64) -> Result<Split> {
        if !(test_fraction > 0.0 && test_fraction < 1.0) {
            let what = format!("is {test_fraction}, and must lie between 0 and 1");
            return Err(Error::Parameter { name: "test_fraction", what });
        }
        let mut groups = vec![Vec::new(); self.classes().len().max(1)];
        for i in 0..self.len {
            groups[self.labels().get(i).map_or(0, |&label| usize::from(label))].push(i);
        }
        let mut tested = vec![false; self.len];
        for (group, members) in groups.iter_mut().enumerate().filter(|(_, members)| members.len() > 1) {
            Rng::stream(seed, &[group as u64]).shuffle(members);
            let share = (members.len() as f32 * test_fraction).round() as usize;
            members[..share.clamp(1, members.len() - 1)].iter().for_each(|&i| tested[i] = true);
        }
        let (test, train): (Vec<usize>, Vec<usize>) = (0..self.len).partition(|&i| tested[i]);
        Ok(Split { train: self.subset(&train), test: self.subset(&test) })
    }
}

/// An error for a label that names no class.
pub(crate) fn no_class(file: &str, index: usize, label: i64, classes: usize) -> Error {
    let what = format!(
        "label {label} of sample {index} is not one of the {classes} classes, 0 to {}; correct the label, or take the labels from the \
         same data set as the samples",
        classes.saturating_sub(1)
    );
    Error::unusable(file, what)
}
