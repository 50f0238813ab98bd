//! NPZ, a ZIP of NumPy arrays: `x` and `y`, or `x_train`, `y_train`, `x_test` and `y_test` as Keras ships its sets.

use std::path::Path;

use crate::array::{Array, Classes, pair};
use crate::dataset::{Dataset, Split};
use crate::error::{Error, Result};
use crate::npy;
use crate::open::Options;
use crate::zip::Archive;

/// What the arrays may be called, for messages.
const NAMES: &str = "arrays x and y, or x_train, y_train, x_test and y_test";

/// Reads the file; with `x` and `y` only, the samples are split as `options` say.
pub(crate) fn read(path: &Path, options: &Options) -> Result<Split> {
    let archive = Archive::open(path)?;
    if let Some(x_train) = array(&archive, "x_train")? {
        let y_train = required(path, &archive, "y_train")?;
        let train = pair(x_train, &y_train, Classes::Found)?;
        let Some(x_test) = array(&archive, "x_test")? else {
            return train.split(options.test_fraction, options.split_seed);
        };
        let y_test = required(path, &archive, "y_test")?;
        let test = pair(x_test, &y_test, Classes::Named(train.classes().to_vec()))?;
        return joined(path, train, test);
    }
    let x = required(path, &archive, "x")?;
    let y = required(path, &archive, "y")?;
    pair(x, &y, Classes::Found)?.split(options.test_fraction, options.split_seed)
}

/// Two parts that were stored apart must have the same shape.
pub(crate) fn joined(path: &Path, train: Dataset, test: Dataset) -> Result<Split> {
    if train.shape() != test.shape() {
        return Err(Error::Shape {
            file: format!("{} (test part)", path.display()),
            shape: test.shape().to_vec(),
            expected: train.shape().to_vec(),
        });
    }
    Ok(Split { train, test })
}

fn array(archive: &Archive, name: &str) -> Result<Option<Array>> {
    archive.member(&format!("{name}.npy"))?.map(npy::read).transpose()
}

fn required(path: &Path, archive: &Archive, name: &str) -> Result<Array> {
    array(archive, name)?.ok_or_else(|| {
        let found: Vec<&str> = archive.names().map(|n| n.trim_end_matches(".npy")).collect();
        let found = if found.is_empty() { "no arrays".to_owned() } else { found.join(", ") };
        Error::NotFound { path: path.to_owned(), looked_for: format!("{NAMES}; the file holds {found}") }
    })
}
