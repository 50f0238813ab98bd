//! A data set in memory: samples of one shape, a label each, and the classes' names.

use crate::error::{Error, Result, dimensions};
use crate::rng::Rng;

/// The values of all samples, one sample after the other.
///
/// Pixels stay bytes (the 60 000 images of MNIST are 47 MB, as f32 they would be 188 MB) and become `pixel / 255` when
/// they are gathered into a batch. Floats are taken as they are.
#[derive(Clone, Debug, PartialEq)]
pub enum Samples {
    /// Pixels, 0 to 255.
    U8(Vec<u8>),
    /// Finite numbers, used unscaled.
    F32(Vec<f32>),
}

impl Samples {
    /// The number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(v) => v.len(),
            Self::F32(v) => v.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One sample, borrowed from its data set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sample<'a> {
    /// Pixels, 0 to 255.
    U8(&'a [u8]),
    /// Numbers used unscaled.
    F32(&'a [f32]),
}

impl Sample<'_> {
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
        }
    }
}

/// Samples of one shape, each with the number of its class.
///
/// Invariants, checked by [`Dataset::new`]: every sample has `shape.iter().product()` values (at least one), there
/// are as many labels as samples, every label is less than the number of classes, floats are finite.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    samples: Samples,
    shape: Vec<usize>,
    sample_len: usize,
    labels: Vec<u16>,
    classes: Vec<String>,
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
    /// Puts a data set together; `shape` is that of one sample, `[channels, height, width]` for images.
    ///
    /// # Errors
    /// When one of the invariants of [`Dataset`] does not hold.
    pub fn new(samples: Samples, shape: Vec<usize>, labels: Vec<u16>, classes: Vec<String>) -> Result<Self> {
        const HERE: &str = "data set";
        let sample_len = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).unwrap_or(0);
        if sample_len == 0 {
            return Err(Error::unusable(
                HERE,
                format!("a sample of shape {} has no values", dimensions(&shape)),
            ));
        }
        if !samples.len().is_multiple_of(sample_len) || samples.len() / sample_len != labels.len() {
            return Err(Error::Counts {
                images: HERE.into(),
                image_count: samples.len() / sample_len,
                labels: HERE.into(),
                label_count: labels.len(),
            });
        }
        if let Some(index) = labels.iter().position(|&l| usize::from(l) >= classes.len()) {
            let label = i64::from(labels[index]);
            return Err(Error::Label { file: HERE.into(), index, label, classes: classes.len() });
        }
        if let Samples::F32(values) = &samples
            && let Some(at) = values.iter().position(|v| !v.is_finite())
        {
            let what =
                format!("sample {} holds {}, which is not a finite number", at / sample_len, values[at]);
            return Err(Error::unusable(HERE, what));
        }
        Ok(Self { samples, shape, sample_len, labels, classes })
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The shape of one sample: `[channels, height, width]` for images, `[features]` for flat data.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The number of values in one sample.
    pub fn sample_len(&self) -> usize {
        self.sample_len
    }

    /// The values of all samples, one sample after the other.
    pub fn samples(&self) -> &Samples {
        &self.samples
    }

    /// One sample.
    ///
    /// # Panics
    /// When there is no sample `index`.
    #[inline]
    pub fn sample(&self, index: usize) -> Sample<'_> {
        let range = index * self.sample_len..(index + 1) * self.sample_len;
        match &self.samples {
            Samples::U8(v) => Sample::U8(&v[range]),
            Samples::F32(v) => Sample::F32(&v[range]),
        }
    }

    /// The class of each sample, an index into [`Dataset::classes`].
    pub fn labels(&self) -> &[u16] {
        &self.labels
    }

    /// The classes' names.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// How many samples each class has.
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for &label in &self.labels {
            counts[usize::from(label)] += 1;
        }
        counts
    }

    /// Writes the samples `indices`, one after the other, as a network sees them (see [`Sample::write_to`]).
    ///
    /// # Panics
    /// When an index is out of range, or `out` is not `indices.len() * sample_len` long.
    pub fn gather(&self, indices: &[usize], out: &mut [f32]) {
        assert_eq!(out.len(), indices.len() * self.sample_len, "the buffer does not fit the batch");
        for (&index, out) in indices.iter().zip(out.chunks_exact_mut(self.sample_len)) {
            self.sample(index).write_to(out);
        }
    }

    /// Writes the labels of the samples `indices` in whatever type the caller's loss takes (`u16`, `i32`, `i64`, `f32`...).
    ///
    /// # Panics
    /// When an index is out of range, or `out` is not as long as `indices`.
    pub fn gather_labels<T: From<u16>>(&self, indices: &[usize], out: &mut [T]) {
        assert_eq!(out.len(), indices.len(), "the buffer does not fit the batch");
        for (out, &index) in out.iter_mut().zip(indices) {
            *out = T::from(self.labels[index]);
        }
    }

    /// A data set of copies of the samples `indices`, in that order.
    ///
    /// # Panics
    /// When an index is out of range.
    pub fn subset(&self, indices: &[usize]) -> Self {
        fn pick<T: Copy>(all: &[T], len: usize, indices: &[usize]) -> Vec<T> {
            let mut picked = Vec::with_capacity(indices.len() * len);
            for &i in indices {
                picked.extend_from_slice(&all[i * len..(i + 1) * len]);
            }
            picked
        }
        let samples = match &self.samples {
            Samples::U8(v) => Samples::U8(pick(v, self.sample_len, indices)),
            Samples::F32(v) => Samples::F32(pick(v, self.sample_len, indices)),
        };
        Self {
            samples,
            shape: self.shape.clone(),
            sample_len: self.sample_len,
            labels: pick(&self.labels, 1, indices),
            classes: self.classes.clone(),
        }
    }

    /// Sets a share of every class aside for testing: `round(test_fraction * count)` samples of it chosen by `seed`, at
    /// least one and never all where the class has two or more. Both parts keep the original order.
    ///
    /// # Errors
    /// When `test_fraction` is not within 0 to 1, both excluded.
    pub fn split(&self, test_fraction: f32, seed: u64) -> Result<Split> {
        if !(test_fraction > 0.0 && test_fraction < 1.0) {
            let what = format!("is {test_fraction}, and must lie between 0 and 1");
            return Err(Error::Parameter { name: "test_fraction", what });
        }
        let mut tested = vec![false; self.len()];
        for class in 0..self.classes.len() {
            let mut members: Vec<usize> =
                (0..self.len()).filter(|&i| usize::from(self.labels[i]) == class).collect();
            if members.len() < 2 {
                continue;
            }
            Rng::stream(seed, &[class as u64]).shuffle(&mut members);
            let share = (members.len() as f32 * test_fraction).round() as usize;
            for &i in &members[..share.clamp(1, members.len() - 1)] {
                tested[i] = true;
            }
        }
        let (test, train): (Vec<usize>, Vec<usize>) = (0..self.len()).partition(|&i| tested[i]);
        Ok(Split { train: self.subset(&train), test: self.subset(&test) })
    }

    /// Mean and standard deviation of all values as a network sees them; MNIST's training images have 0.1307 and 0.3081.
    pub fn mean_and_deviation(&self) -> (f32, f32) {
        let (sum, squares, scale) = match &self.samples {
            Samples::U8(v) => {
                let (sum, squares) = v.iter().fold((0u64, 0u64), |(sum, squares), &p| {
                    (sum + u64::from(p), squares + u64::from(p) * u64::from(p))
                });
                (sum as f64, squares as f64, 1.0 / 255.0)
            }
            Samples::F32(v) => {
                let (sum, squares) = v.iter().fold((0.0, 0.0), |(sum, squares), &x| {
                    (sum + f64::from(x), squares + f64::from(x) * f64::from(x))
                });
                (sum, squares, 1.0)
            }
        };
        let n = self.samples.len().max(1) as f64;
        let mean = sum / n;
        let variance = (squares / n - mean * mean).max(0.0);
        ((mean * scale) as f32, (variance.sqrt() * scale) as f32)
    }
}
