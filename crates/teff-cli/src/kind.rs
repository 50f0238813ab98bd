//! What a file is that a user gives, by its contents and, where they do not say it, by its name; and what to do with one that is not what
//! a command takes. All commands ask here before they begin.

mod advice;
mod table;

use crate::failure::{Failure, Result};
use clap::ArgMatches;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use table::{Family, Kind, ROWS};
use teff::data::Picture;

/// What an argument takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Model,
    Data,
    /// What the simulator runs and a board is given.
    Firmware,
    /// A value of a model's input.
    Tensor,
    /// A list of layers.
    Layers,
}

/// Bytes from each end of a file that tell what it is: a ZIP archive's list is at its end.
const LOOKED_AT: u64 = 1 << 16;
/// A file without a name that tells is read as ONNX to see whether it is one, up to this size.
const MOST_DECODED: u64 = 1 << 28;

/// Fails if an argument is a file of another kind than the command takes: says what it is, and the command that would work. What is not
/// there, and what may be right, is left to the command.
pub(crate) fn check(command: &str, args: &ArgMatches) -> Result<()> {
    let path = |name: &str| args.try_get_one::<PathBuf>(name).ok().flatten().map(PathBuf::as_path);
    let model = if command == "train" { Wanted::Layers } else { Wanted::Model };
    if let (Wanted::Model, Some(model), Some(data)) = (model, path("model"), path("data")) {
        let kinds = (Kind::of(model), Kind::of(data));
        if matches!(kinds.0, Kind::Npz | Kind::DataFolder) && kinds.1.family() == Family::Model {
            return Err(Failure::new(format!(
                "the model and the data set are swapped: {} is {}, {} {}; write teff {command} {} --data {}",
                model.display(),
                kinds.0.what(),
                data.display(),
                kinds.1.what(),
                data.display(),
                model.display()
            )));
        }
    }
    let arguments = [
        (path("model"), model),
        (path("from"), Wanted::Model),
        (path("data"), Wanted::Data),
        (path("file"), Wanted::Firmware),
    ];
    let named = arguments.into_iter().filter_map(|(path, wanted)| Some((path?.to_path_buf(), wanted)));
    let inputs = args.try_get_many::<OsString>("input").ok().flatten().into_iter().flatten();
    let inputs = inputs.map(|argument| (tensor_path(argument), Wanted::Tensor));
    for (path, wanted) in named.chain(inputs) {
        let kind = Kind::of(&path);
        if let Some(advice) = advice::advice(kind, wanted, command, &path) {
            return Err(Failure::new(format!("{} is {}: {advice}", path.display(), kind.what())));
        }
    }
    Ok(())
}

/// The file of an argument `FILE` or `NAME=FILE`.
fn tensor_path(argument: &OsString) -> PathBuf {
    let whole = Path::new(argument);
    match argument.to_str().and_then(|text| text.split_once('=')) {
        Some((_, file)) if !whole.exists() => file.into(),
        Some(_) | None => whole.into(),
    }
}

impl Kind {
    /// What is at `path`; unknown if nothing is, or nothing that can be read.
    pub(crate) fn of(path: &Path) -> Kind {
        if path.is_dir() {
            return Kind::of_folder(path);
        }
        // A pipe is not to be looked into: what is read of it is gone.
        let Some((mut file, len)) = open(path) else { return Kind::Unknown };
        if len == 0 {
            return Kind::Empty;
        }
        let (Some(start), Some(end)) = (part(&mut file, 0), part(&mut file, len.saturating_sub(LOOKED_AT)))
        else {
            return Kind::Unknown;
        };
        if let Some(kind) = by_contents(&start, &end) {
            return kind;
        }
        let is_onnx = || {
            let known = matches!(start.first(), Some(0x08 | 0x12 | 0x1a | 0x3a)) && len <= MOST_DECODED;
            known && std::fs::read(path).is_ok_and(|bytes| teff::onnx::operators(&bytes).is_ok())
        };
        match by_name(path) {
            // What is called ONNX or TFLite is read as that, so that what is wrong with it is said.
            Kind::Onnx => Kind::Onnx,
            Kind::Tflite => Kind::Tflite,
            _ if is_onnx() => Kind::Onnx,
            named => named,
        }
    }

    fn of_folder(path: &Path) -> Kind {
        let names: Vec<String> = std::fs::read_dir(path)
            .into_iter()
            .flatten()
            .take(10_000)
            .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().to_lowercase()))
            .collect();
        let has = |part: &str| names.iter().any(|n| n.contains(part));
        if has("saved_model.pb") || has("keras_metadata.pb") {
            Kind::TensorFlowFolder
        } else if path.extension().is_some_and(|e| e == "mlpackage") || has("manifest.json") && has("data") {
            Kind::CoreMl
        } else if teff::data::is_data_folder(path) {
            Kind::DataFolder
        } else {
            Kind::Folder
        }
    }
}

/// A plain file and its length.
fn open(path: &Path) -> Option<(File, u64)> {
    let about = std::fs::metadata(path).ok().filter(|about| about.is_file())?;
    Some((File::open(path).ok()?, about.len()))
}

/// A part of the file from this byte on.
fn part(file: &mut File, from: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(from)).ok()?;
    file.take(LOOKED_AT).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn has(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|w| w == word.as_bytes())
}

/// By signatures, which no model has; nothing if there is none.
fn by_contents(start: &[u8], end: &[u8]) -> Option<Kind> {
    let is = |&(at, bytes): &(usize, &[u8])| start.get(at..).is_some_and(|s| s.starts_with(bytes));
    if let Some(row) = ROWS.iter().find(|row| row.signatures.iter().any(is)) {
        return Some(row.kind);
    }
    if start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") {
        return Some(of_zip(end));
    }
    if let [0x80, 2..=5, ..] = start {
        return Some(if has(start, "torch") { Kind::Torch } else { Kind::Pickle });
    }
    let header = start.first_chunk::<8>().map(|len| u64::from_le_bytes(*len));
    if header.is_some_and(|len| (2..1 << 30).contains(&len)) && start.get(8) == Some(&b'{') {
        return Some(Kind::Safetensors);
    }
    of_text(start)
}

/// An archive by the names in it.
fn of_zip(end: &[u8]) -> Kind {
    if has(end, "model.weights.h5") {
        Kind::Keras
    } else if has(end, "data.pkl") || has(end, "constants.pkl") || has(end, "archive_format") {
        Kind::Torch
    } else if has(end, ".npy") {
        Kind::Npz
    } else {
        Kind::Zip
    }
}

/// A text by how it begins.
fn of_text(start: &[u8]) -> Option<Kind> {
    let text = String::from_utf8_lossy(&start[..start.len().min(512)]).trim_start().to_lowercase();
    let text = text.trim_start_matches('\u{feff}');
    if text.starts_with("<!doctype") || text.starts_with("<html") {
        Some(Kind::WebPage)
    } else if text.starts_with("<?xml") || text.starts_with("<net") {
        let is_page = text.contains("<html");
        Some(if is_page { Kind::WebPage } else { Kind::OpenVino })
    } else if text.starts_with(['{', '[']) && !text.starts_with("[[") && text.contains('"') {
        Some(Kind::Json)
    } else if text.starts_with(':') && text.chars().skip(1).take(8).all(|c| c.is_ascii_hexdigit()) {
        Some(Kind::IntelHex)
    } else {
        None
    }
}

/// By the ending of its name.
fn by_name(path: &Path) -> Kind {
    let ending = path.extension().and_then(|e| e.to_str()).map(str::to_lowercase).unwrap_or_default();
    match ROWS.iter().find(|row| row.endings.split(' ').any(|e| e == ending && !e.is_empty())) {
        Some(row) => row.kind,
        None if Picture::is_named(path) => Kind::Picture,
        None => Kind::Unknown,
    }
}

#[cfg(test)]
mod tests;
