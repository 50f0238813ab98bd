//! A folder of pictures for each class: `cat/1.png`, `dog/2.png`; optionally under `train/` and `test/`. Or pictures alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::columns::joined;
use crate::dataset::{Column, Dataset, Samples, Split};
use crate::error::{Error, Result, dimensions};
use crate::open::Options;
use crate::picture::Picture;
use crate::targets::Targets;

/// Whether `path` has pictures, or a folder with pictures in it, itself or under `train/`.
pub(crate) fn is_one(path: &Path) -> Result<bool> {
    if path.join("train").is_dir() || !pictures(path)?.is_empty() {
        return Ok(true);
    }
    for folder in folders(path)? {
        if !pictures(&folder)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Reads the folder; without a `test/` the samples are split as `options` say.
pub(crate) fn read(path: &Path, options: &Options) -> Result<Split> {
    let (train_path, test_path) = (path.join("train"), path.join("test"));
    let alone = pictures(path)?;
    let train = if train_path.is_dir() {
        read_part(&train_path, None)?
    } else if alone.is_empty() {
        read_part(path, None)?
    } else {
        let images =
            alone.into_iter().map(|file| Ok((Picture::open(&file)?, file))).collect::<Result<_>>()?;
        Dataset::of(vec![stack(images)?], Targets::Missing)?
    };
    if !train_path.is_dir() || !test_path.is_dir() {
        return train.split(options.test_fraction, options.split_seed);
    }
    let test = read_part(&test_path, Some(train.classes()))?;
    // One part may happen to be all grey.
    match (train.shape()[0], test.shape()[0]) {
        (1, 3) => joined(path, as_colour(&train)?, test),
        (3, 1) => joined(path, train, as_colour(&test)?),
        _ => joined(path, train, test),
    }
}

/// One part: a class folder each; `classes` when they are settled already.
fn read_part(path: &Path, classes: Option<&[String]>) -> Result<Dataset> {
    let mut found = BTreeMap::new();
    for folder in folders(path)? {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        found.insert(name, folder);
    }
    let mut names: Vec<String> = found.keys().cloned().collect();
    // "10" after "9" where all names are numbers.
    if names.iter().all(|n| n.parse::<u32>().is_ok()) {
        names.sort_by_key(|n| n.parse::<u32>().ok());
    }
    if let Some(classes) = classes {
        if let Some(stranger) = names.iter().find(|n| !classes.contains(n)) {
            let what =
                format!("class {stranger} is tested but has no folder under train; add one or remove this");
            return Err(Error::unusable(&path.display().to_string(), what));
        }
        names = classes.to_vec();
    }
    if names.is_empty() || names.len() > 1 << 16 {
        let what = format!("has {} class folders; a data set needs 1 to 65536", names.len());
        return Err(Error::unusable(&path.display().to_string(), what));
    }
    let (mut images, mut labels) = (Vec::new(), Vec::new());
    for (label, name) in names.iter().enumerate() {
        let Some(folder) = found.get(name) else { continue };
        let files = pictures(folder)?;
        if files.is_empty() {
            let what = "a class folder without an image; put .png or .jpg files in it, or remove the folder";
            return Err(Error::unusable(&folder.display().to_string(), what));
        }
        for file in files {
            images.push((Picture::open(&file)?, file));
            labels.push(label as u16);
        }
    }
    Dataset::of(vec![stack(images)?], Targets::Classes { labels, names })
}

/// Joins images of one size; where grey and colour mix, grey becomes colour.
fn stack(images: Vec<(Picture, PathBuf)>) -> Result<Column> {
    let mut sizes: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for (image, _) in &images {
        *sizes.entry((image.height, image.width)).or_default() += 1;
    }
    // The odd file is one that differs from most, not from the first.
    let (height, width) = sizes.iter().max_by_key(|&(_, count)| *count).map_or((0, 0), |(&size, _)| size);
    let channels = images.iter().map(|(image, _)| image.channels).max().unwrap_or(1);
    if let Some((odd, file)) = images.iter().find(|(i, _)| (i.height, i.width) != (height, width)) {
        let what = format!(
            "has shape {}, the other samples have {} (channels x height x width); bring all images to one size and kind",
            dimensions(&[odd.channels, odd.height, odd.width]),
            dimensions(&[channels, height, width])
        );
        return Err(Error::unusable(&file.display().to_string(), what));
    }
    let mut pixels = Vec::with_capacity(images.len() * channels * height * width);
    for (image, _) in images {
        let planes = image.planes();
        for _ in 0..channels / image.channels {
            pixels.extend_from_slice(&planes);
        }
    }
    Ok(Column { name: "x".into(), shape: vec![channels, height, width], samples: Samples::U8(pixels) })
}

/// Grey samples with their plane three times.
fn as_colour(grey: &Dataset) -> Result<Dataset> {
    let Samples::U8(pixels) = grey.samples() else { return Ok(grey.clone()) };
    let colour = pixels.chunks_exact(grey.sample_len()).flat_map(|plane| [plane; 3].concat()).collect();
    let shape = vec![3, grey.shape()[1], grey.shape()[2]];
    Dataset::new(Samples::U8(colour), shape, grey.labels().to_vec(), grey.classes().to_vec())
}

/// The sub-folders that are not hidden.
fn folders(path: &Path) -> Result<Vec<PathBuf>> {
    let mut folders = entries(path)?;
    folders.retain(|p| {
        let hidden = p.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"."));
        !hidden && p.is_dir()
    });
    Ok(folders)
}

/// The pictures in a folder.
fn pictures(path: &Path) -> Result<Vec<PathBuf>> {
    Ok(entries(path)?.into_iter().filter(|file| file.is_file() && Picture::is_named(file)).collect())
}

/// What a folder holds, sorted by name so that the result does not depend on the file system.
fn entries(path: &Path) -> Result<Vec<PathBuf>> {
    let io = |e| Error::io(path, e);
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(path).map_err(io)? {
        entries.push(entry.map_err(io)?.path());
    }
    entries.sort();
    Ok(entries)
}
