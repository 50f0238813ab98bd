//! From arrays with names to samples and what is to be found for them.

use crate::array::{Array, Element};
use crate::dataset::{Column, Dataset, Samples, Split, no_class};
use crate::error::{Error, Result, dimensions};
use crate::open::Options;
use crate::targets::Targets;
use std::path::Path;

/// The most classes a label (a `u16`) can tell apart.
const MAX_CLASSES: usize = 1 << 16;

/// Below this many classes a label is believed however few samples there are.
const SURE_CLASSES: usize = 256;

/// Which labels are legal.
#[derive(Clone, Debug)]
pub(crate) enum Classes {
    /// Those with these names.
    Named(Vec<String>),
    /// 0 to the largest label found, named by their numbers.
    Found,
}

/// The arrays of one file, or of a part of it.
pub(crate) struct Arrays<'a> {
    pub(crate) path: &'a Path,
    /// What the file has behind the names of this part.
    pub(crate) part: &'a str,
    pub(crate) arrays: Vec<(String, Array)>,
}

/// Whether an array of this name holds what is to be found.
fn is_target(name: &str) -> bool {
    let name = name.to_lowercase();
    let numbered = name.strip_prefix('y').is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
    numbered || ["label", "labels", "target", "targets", "class"].contains(&&*name)
}

impl Arrays<'_> {
    /// The data set: in two parts if names end with `_train` and `_test`, else split as `options` say.
    pub(crate) fn split(mut self, options: &Options) -> Result<Split> {
        let in_parts = self.arrays.iter().any(|(name, _)| name.ends_with("_train"));
        if !in_parts {
            return self.dataset(options, Classes::Found)?.split(options.test_fraction, options.split_seed);
        }
        let mut part = |ending| {
            let of_part = self.arrays.extract_if(.., |(name, _)| name.ends_with(ending));
            let named = of_part.map(|(name, array)| (name.trim_end_matches(ending).to_owned(), array));
            Arrays { arrays: named.collect(), path: self.path, part: ending }
        };
        let (train, test) = (part("_train"), part("_test"));
        let train = train.dataset(options, Classes::Found)?;
        if test.arrays.is_empty() {
            return train.split(options.test_fraction, options.split_seed);
        }
        let classes = if train.classes().is_empty() {
            Classes::Found
        } else {
            Classes::Named(train.classes().to_vec())
        };
        let test = test.dataset(options, classes)?;
        joined(self.path, train, test)
    }

    fn unusable(&self, what: String) -> Error {
        Error::unusable(&self.path.display().to_string(), what)
    }

    fn called(&self, array: &str) -> String {
        format!("{} ({array}{}.npy)", self.path.display(), self.part)
    }

    /// Samples and targets by their names.
    fn dataset(mut self, options: &Options, classes: Classes) -> Result<Dataset> {
        let listed: Vec<&str> = self.arrays.iter().map(|(name, _)| &**name).collect();
        let listed = if listed.is_empty() { "no arrays".to_owned() } else { listed.join(", ") };
        let wanted = |name: &str| match &options.label {
            Some(label) => label.split(',').any(|one| one.trim() == name),
            None => is_target(name),
        };
        let (targets, mut inputs): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.arrays).into_iter().partition(|(name, _)| wanted(name));
        if let (Some(label), true) = (&options.label, targets.is_empty()) {
            return Err(self.unusable(format!("has no array {label}; it has {listed}")));
        }
        // Beside x, arrays of other lengths are about the set and not of it.
        if let Some(rows) = inputs.iter().find(|(name, _)| name == "x").map(|(_, x)| x.rows()) {
            inputs.retain(|(_, array)| array.rows() == rows);
        }
        let Some((name, first)) = inputs.first() else {
            let looked_for = format!(
                "arrays of samples (x, or named as the model's inputs; x_train and x_test for two parts); the file holds {listed}"
            );
            return Err(Error::NotFound { path: self.path.to_owned(), looked_for });
        };
        let (name, rows) = (name.clone(), first.rows());
        if rows == 0 {
            let what = "holds no samples; a data set needs at least one";
            return Err(Error::unusable(&self.called(&name), what));
        }
        if let Some((other, array)) = inputs.iter().chain(&targets).find(|(_, array)| array.rows() != rows) {
            return Err(self.unusable(format!(
                "{name} holds {rows} samples, but {other} holds {}; give as many of both, so that they pair up",
                array.rows()
            )));
        }
        let targets = match &targets[..] {
            [] => Targets::Missing,
            [(name, labels)] if !labels.element.is_float() => found(&self.called(name), labels, classes)?,
            all => Targets::Values(all.iter().map(|(name, array)| values(name.clone(), array)).collect()),
        };
        let inputs = inputs.into_iter().map(|(name, array)| column(name, array)).collect();
        Dataset::of(inputs, targets).map_err(|e| e.in_file(&self.called(&name)))
    }
}

/// An array of images with one of labels, each with its file's name.
pub(crate) fn pair(mut images: (&Path, Array), labels: (&Path, Array), classes: Classes) -> Result<Dataset> {
    if images.1.shape.len() == 3 {
        images.1.shape.insert(1, 1);
    }
    let [name, labels_name] = [images.0, labels.0].map(|path| path.display().to_string());
    if images.1.rows() != labels.1.rows() {
        let what = format!(
            "holds {} samples but {labels_name} holds {} labels; take both from the same data set, so that every sample has its label",
            images.1.rows(),
            labels.1.rows()
        );
        return Err(Error::unusable(&name, what));
    }
    if images.1.rows() == 0 {
        return Err(Error::unusable(&name, "holds no samples; a data set needs at least one"));
    }
    let targets = found(&labels_name, &labels.1, classes)?;
    Dataset::of(vec![column("x".into(), images.1)], targets).map_err(|e| e.in_file(&name))
}

/// Two parts that were stored apart must have the same shape.
pub(crate) fn joined(path: &Path, train: Dataset, test: Dataset) -> Result<Split> {
    if train.shape() != test.shape() {
        let what = format!(
            "has samples of shape {} in its test part, and of {} in the other; bring all to one shape",
            dimensions(test.shape()),
            dimensions(train.shape())
        );
        return Err(Error::unusable(&path.display().to_string(), what));
    }
    Ok(Split { train, test })
}

/// Samples: pixels of `n x h x w` and, when only the last dimension looks like channels (1, 3 or 4), of `n x h x w x c` become planes.
fn column(name: String, array: Array) -> Column {
    let is_channels = |d: usize| matches!(d, 1 | 3 | 4);
    let shape = match array.shape[..] {
        [_, h, w] if array.element == Element::U8 => vec![1, h, w],
        [_, h, w, c] if is_channels(c) && !is_channels(h) => vec![c, h, w],
        [_] => vec![1],
        [_, ref sample @ ..] => sample.to_vec(),
        [] => vec![],
    };
    let turned = array.shape.len() == 4 && array.shape[1..] != shape[..];
    let samples = match (array.element, array.to_i64()) {
        (Element::U8, _) => Samples::U8(planes(array.bytes, &shape, turned)),
        (_, Some(whole)) => Samples::I64(planes(whole, &shape, turned)),
        (_, None) => Samples::F32(planes(array.to_f32(), &shape, turned)),
    };
    Column { name, shape, samples }
}

/// Images whose channels come last, if they are `turned`, as planes.
fn planes<T: Copy>(values: Vec<T>, shape: &[usize], turned: bool) -> Vec<T> {
    if !turned {
        return values;
    }
    let (c, all) = (shape[0], shape.iter().product::<usize>().max(1));
    let mut planes = Vec::with_capacity(values.len());
    for image in values.chunks_exact(all) {
        (0..c).for_each(|channel| planes.extend(image[channel..].iter().step_by(c)));
    }
    planes
}

/// Numbers to be found.
fn values(name: String, array: &Array) -> Column {
    let shape = if array.shape.len() > 1 { array.shape[1..].to_vec() } else { vec![1] };
    Column { name, shape, samples: Samples::F32(array.to_f32()) }
}

/// Labels, whose shape must be `n` or `n x 1`.
fn found(file: &str, labels: &Array, classes: Classes) -> Result<Targets> {
    if !matches!(labels.shape[..], [_] | [_, 1]) {
        let what = format!("an array of shape {} as labels", dimensions(&labels.shape));
        let remedy = "store one class number per sample (for one-hot rows, y.argmax(axis=1)), or numbers to be found as float32";
        return Err(Error::unsupported(file, what, remedy));
    }
    let numbers = labels.to_i64().ok_or_else(|| {
        let remedy = "store class numbers as whole numbers, for instance y.astype(\"uint8\")";
        Error::unsupported(file, "an array of floats as labels", remedy)
    })?;
    let names = match classes {
        Classes::Named(names) => names,
        Classes::Found => {
            let largest = numbers.iter().copied().max().unwrap_or(0);
            if largest >= numbers.len().max(SURE_CLASSES) as i64 {
                let what = format!(
                    "label {largest} would make more classes than there are samples ({}); number the classes from 0 without gaps, or \
                     store numbers to be found as float32",
                    numbers.len()
                );
                return Err(Error::unusable(file, what));
            }
            (0..=largest.clamp(0, MAX_CLASSES as i64 - 1)).map(|class| class.to_string()).collect()
        }
    };
    let number = |(index, &label): (usize, &i64)| match u16::try_from(label) {
        Ok(number) if usize::from(number) < names.len() => Ok(number),
        _ => Err(no_class(file, index, label, names.len())),
    };
    let labels = numbers.iter().enumerate().map(number).collect::<Result<_>>()?;
    Ok(Targets::Classes { labels, names })
}
