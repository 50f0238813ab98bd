//! Finding out what kind of data set a path holds, and opening it.

use std::path::{Path, PathBuf};
use std::thread;

use crate::array::Array;
use crate::columns::{Arrays, Classes, joined, pair};
use crate::dataset::Split;
use crate::error::{Error, Result};
use crate::{csv, folder, idx};

/// How to open a data set that comes in one part.
#[derive(Clone, Debug)]
pub struct Options {
    /// The share of each class set aside for testing, between 0 and 1; 0.2 unless told.
    pub test_fraction: f32,
    /// Chooses which samples those are; 0 unless told.
    pub split_seed: u64,
    /// The column of a table, or the array, that holds what is to be found, or several with commas between them; known by their names unless
    /// told.
    pub label: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { test_fraction: 0.2, split_seed: 0, label: None }
    }
}

/// The classes of Fashion-MNIST (github.com/zalandoresearch/fashion-mnist, "Labels").
const FASHION: [&str; 10] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

/// Opens the data set at `path`, whatever it is:
///
/// - a folder with IDX files named as MNIST's are (see [`mnist`]; the test part may also be called `test-...`);
/// - an `.npz` file with arrays of samples, the first axis counting them: `x`, or named as a model's inputs; what is to be found in `y`,
///   `y0`, `label` or `target`, whole numbers for classes and floats for others; all with `_train` and `_test` behind the names for two parts;
/// - an `.npy` file of samples;
/// - a `.csv` file with a line of names and a line for each sample;
/// - a folder of `.png`, `.jpg`, `.pgm` or `.ppm` pictures for each class, which may lie under `train/` and `test/`, or of pictures alone.
///
/// Where there is no test part, a fifth of every class is set aside (see [`open_with`]). Nothing need be said of what is to be found.
///
/// Classes are named by their folder or number. A file `classes.txt` beside IDX files, with one name on each line,
/// names them instead; a folder whose name contains "fashion" gets the names of Fashion-MNIST.
///
/// # Errors
/// Says which file is at fault, what is wrong with it and what to do.
pub fn open(path: impl AsRef<Path>) -> Result<Split> {
    open_with(path, &Options::default())
}

/// [`open`] with a choice of how a data set that comes in one part is split.
///
/// # Errors
/// As [`open`]; also when `options.test_fraction` is out of range.
pub fn open_with(path: impl AsRef<Path>, options: &Options) -> Result<Split> {
    let path = path.as_ref();
    let metadata = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
    if metadata.is_file() {
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let arrays = match &*ending {
            "npz" => Array::open_all(path)?,
            "npy" => vec![("x".to_owned(), Array::open(path)?)],
            "csv" | "tsv" => return csv::read(path, options),
            _ => {
                let remedy =
                    "give an .npz, .npy or .csv file, or the folder that the files of the data set are in";
                let name = path.display().to_string();
                return Err(Error::unsupported(&name, "a single file of this kind", remedy));
            }
        };
        return Arrays { path, part: "", arrays }.split(options);
    }
    if find(path, &["train"], "images", 3).is_some() {
        return read_idx_folder(path, class_names(path)?);
    }
    if folder::is_one(path)? {
        return folder::read(path, options);
    }
    let looked_for = "train-images-idx3-ubyte(.gz) and its companions, or a folder of .png or .jpg pictures for each class";
    Err(Error::NotFound { path: path.to_owned(), looked_for: looked_for.into() })
}

/// Whether the folder is laid out as a data set that [`open`] reads. Its files are not looked into.
pub fn is_data_folder(path: impl AsRef<Path>) -> bool {
    let path = path.as_ref();
    find(path, &["train"], "images", 3).is_some() || folder::is_one(path).unwrap_or(false)
}

/// Opens MNIST, or a data set with the same ten classes, from the folder that holds `train-images-idx3-ubyte`,
/// `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`, each plain or with `.gz`
/// (`train-images.idx3-ubyte` is the same).
///
/// # Errors
/// Says which file is at fault, what is wrong with it and what to do.
pub fn mnist(path: impl AsRef<Path>) -> Result<Split> {
    read_idx_folder(path.as_ref(), Some(digits()))
}

fn digits() -> Vec<String> {
    (0..10).map(|digit| digit.to_string()).collect()
}

/// The class names that a folder of IDX files settles, if it does.
fn class_names(path: &Path) -> Result<Option<Vec<String>>> {
    let list = path.join("classes.txt");
    if list.is_file() {
        let text = std::fs::read_to_string(&list).map_err(|e| Error::io(&list, e))?;
        return Ok(Some(text.lines().map(|l| l.trim().to_owned()).filter(|l| !l.is_empty()).collect()));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    if name.contains("fashion") {
        return Ok(Some(FASHION.map(str::to_owned).to_vec()));
    }
    // All sets that call their test part t10k (MNIST, Fashion-MNIST, Kuzushiji-MNIST) have ten classes.
    Ok(find(path, &["t10k"], "images", 3).is_some().then(digits))
}

/// A file such as `train-images-idx3-ubyte.gz`, under any of its usual names.
fn find(folder: &Path, parts: &[&str], what: &str, dimensions: u8) -> Option<PathBuf> {
    let names = parts.iter().flat_map(|part| {
        ["-", "."].into_iter().flat_map(move |separator| {
            let stem = format!("{part}-{what}{separator}idx{dimensions}-ubyte");
            [stem.clone(), stem + ".gz"]
        })
    });
    names.map(|name| folder.join(name)).find(|path| path.is_file())
}

fn find_or_explain(folder: &Path, parts: &[&str], what: &str, dimensions: u8) -> Result<PathBuf> {
    find(folder, parts, what, dimensions).ok_or_else(|| {
        let names: Vec<String> =
            parts.iter().map(|p| format!("{p}-{what}-idx{dimensions}-ubyte (or .gz)")).collect();
        Error::NotFound { path: folder.to_owned(), looked_for: names.join(" or ") }
    })
}

fn read_idx_folder(path: &Path, names: Option<Vec<String>>) -> Result<Split> {
    let files = |parts: &[&str]| -> Result<(PathBuf, PathBuf)> {
        Ok((find_or_explain(path, parts, "images", 3)?, find_or_explain(path, parts, "labels", 1)?))
    };
    let (train_files, test_files) = (files(&["train"])?, files(&["t10k", "test"])?);
    let read = |(images, labels): &(PathBuf, PathBuf)| -> Result<(Array, Array)> {
        // The labels first: they are small, and a fault in them is found at once.
        let labels = idx::read(labels)?;
        Ok((idx::read(images)?, labels))
    };
    // Unzipping the training images takes most of the time; the rest is read beside it.
    let (train, test) = thread::scope(|scope| {
        let test = thread::Builder::new().spawn_scoped(scope, || read(&test_files));
        // Where no thread is to be had, one part is read after the other.
        (read(&train_files), test.map_or_else(|_| Ok(read(&test_files)), |test| test.join()))
    });
    let part = |(images, labels): &(PathBuf, PathBuf), read: (Array, Array), classes| {
        pair((images, read.0), (labels, read.1), classes)
    };
    let train = part(&train_files, train?, names.map_or(Classes::Found, Classes::Named))?;
    let test = test.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    let test = part(&test_files, test, Classes::Named(train.classes().to_vec()))?;
    joined(path, train, test)
}
