//! Checkpoints: named tensors in a safetensors file, written whole or not at all.
//!
//! The format: 8 bytes little-endian length of a JSON header; the header, `{"name": {"dtype": "F32", "shape": [..],
//! "data_offsets": [begin, end]}, .., "__metadata__": {"key": "text"}}`; the tensors' bytes, little-endian, row-major, without gaps.

use crate::error::{Error, Result};
use crate::files::write_whole;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use std::path::Path;
use teff_graph::{DType, Type, Value};

/// Named tensors, and texts about them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoint {
    /// Tensors by name.
    pub tensors: BTreeMap<String, Value>,
    /// Texts by name.
    pub metadata: BTreeMap<String, String>,
}

fn dtype_name(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool => "BOOL",
        DType::I8 => "I8",
        DType::U8 => "U8",
        DType::I16 => "I16",
        DType::U16 => "U16",
        DType::I32 => "I32",
        DType::U32 => "U32",
        DType::I64 => "I64",
        DType::U64 => "U64",
        DType::F32 => "F32",
        DType::F64 => "F64",
    }
}

impl Checkpoint {
    /// The bytes of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut header = Map::new();
        if !self.metadata.is_empty() {
            header.insert("__metadata__".into(), json!(self.metadata));
        }
        let mut data = Vec::new();
        for (name, value) in &self.tensors {
            let begin = data.len();
            data.extend(value.to_le_bytes());
            let entry = json!({
                "dtype": dtype_name(value.dtype()), "shape": value.shape(), "data_offsets": [begin, data.len()],
            });
            header.insert(name.clone(), entry);
        }
        let mut header = Json::Object(header).to_string().into_bytes();
        // The data begins at a multiple of 8 bytes.
        header.resize(header.len().next_multiple_of(8), b' ');
        [&(header.len() as u64).to_le_bytes()[..], &header, &data].concat()
    }

    /// The inverse of [`Checkpoint::to_bytes`].
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn from_bytes(bytes: &[u8]) -> std::result::Result<Checkpoint, String> {
        let short = || "the file ends before its header says".to_string();
        let length = bytes.first_chunk::<8>().ok_or_else(short)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| short())?;
        let header = bytes[8..].get(..length).ok_or_else(short)?;
        let data = &bytes[8 + length..];
        let header: Json =
            serde_json::from_slice(header).map_err(|e| format!("its header is no JSON: {e}"))?;
        let Json::Object(header) = header else { return Err("its header is no JSON object".into()) };
        let mut out = Checkpoint::default();
        for (name, entry) in header {
            if name == "__metadata__" {
                for (key, text) in entry.as_object().into_iter().flatten() {
                    out.metadata.insert(key.clone(), text.as_str().unwrap_or_default().to_string());
                }
                continue;
            }
            let value = tensor(&entry, data).map_err(|reason| format!("tensor {name:?} {reason}"))?;
            out.tensors.insert(name, value);
        }
        Ok(out)
    }

    /// Writes the file: to a neighbour first, which then takes its place.
    ///
    /// # Errors
    /// What the operating system said.
    pub fn write(&self, path: &Path) -> Result<()> {
        write_whole(path, &self.to_bytes())
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read or is no safetensors file.
    pub fn read(path: &Path) -> Result<Checkpoint> {
        let bytes = std::fs::read(path).map_err(|e| Error::file(path, "read", e))?;
        Checkpoint::from_bytes(&bytes).map_err(|reason| Error::Checkpoint {
            path: path.into(),
            reason: format!("{reason}; is it a safetensors file, and was it copied whole?"),
        })
    }
}

fn tensor(entry: &Json, data: &[u8]) -> std::result::Result<Value, String> {
    let dtype = entry["dtype"].as_str().unwrap_or("missing");
    let dtype =
        DType::ALL.into_iter().find(|&d| dtype_name(d) == dtype).ok_or(format!("has dtype {dtype:?}"))?;
    let numbers = |key: &str| -> Option<Vec<usize>> {
        entry[key].as_array()?.iter().map(|n| n.as_u64().and_then(|n| usize::try_from(n).ok())).collect()
    };
    let shape = numbers("shape").ok_or("has no shape")?;
    let bytes = match numbers("data_offsets").as_deref() {
        Some(&[begin, end]) if begin <= end => data.get(begin..end).ok_or("ends after the file")?,
        _ => return Err("has no data_offsets".into()),
    };
    Value::from_le_bytes(&Type::new(dtype, shape), bytes)
        .ok_or("has more or fewer bytes than its shape".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Checkpoint {
        let mut c = Checkpoint::default();
        c.tensors.insert("w".into(), Value::new([2, 2], vec![1.0f32, -2.0, 3.5, f32::MIN_POSITIVE]));
        c.tensors.insert("steps".into(), Value::scalar(7i64));
        c.tensors.insert("mask".into(), Value::new([3], vec![true, false, true]));
        c.metadata.insert("epoch".into(), "3".into());
        c
    }

    #[test]
    fn reads_what_it_wrote() {
        assert_eq!(Checkpoint::from_bytes(&sample().to_bytes()), Ok(sample()));
    }

    #[test]
    fn the_bytes_are_those_of_the_format() {
        let mut c = Checkpoint::default();
        c.tensors.insert("a".into(), Value::new([1], vec![1.0f32]));
        let bytes = c.to_bytes();
        let header = br#"{"a":{"data_offsets":[0,4],"dtype":"F32","shape":[1]}}"#;
        assert_eq!(bytes[..8], 56u64.to_le_bytes());
        assert_eq!(&bytes[8..8 + header.len()], header);
        assert_eq!(bytes[64..], 1.0f32.to_le_bytes());
    }

    #[test]
    fn every_cut_and_every_changed_byte_is_an_error_or_a_checkpoint() {
        let bytes = sample().to_bytes();
        for n in 0..bytes.len() {
            let cut = Checkpoint::from_bytes(&bytes[..n]);
            assert!(cut.is_err(), "cut at {n}");
            let mut changed = bytes.clone();
            changed[n] ^= 0x55;
            let _ = Checkpoint::from_bytes(&changed);
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let e = sample().write(Path::new("/nowhere/at/all.safetensors")).unwrap_err().to_string();
        assert!(e.starts_with("cannot write /nowhere/at/all.safetensors: "), "{e}");
    }
}
