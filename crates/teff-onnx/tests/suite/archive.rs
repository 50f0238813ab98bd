//! Archives of tests.

use flate2::read::GzDecoder;
use std::collections::BTreeMap;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

/// The files of a tar archive, by name.
pub(crate) struct Archive {
    bytes: Vec<u8>,
    files: BTreeMap<String, Range<usize>>,
}

impl Archive {
    /// The backend suite.
    pub(crate) fn suite() -> Archive {
        Archive::open("onnx-backend-tests.tar.gz")
    }

    /// Estimators of scikit-learn.
    pub(crate) fn scikit() -> Archive {
        Archive::open("scikit-learn.tar.gz")
    }

    /// Operators of onnxruntime.
    pub(crate) fn contrib() -> Archive {
        Archive::open("contrib.tar.gz")
    }

    /// Quantisers of QONNX.
    pub(crate) fn qonnx() -> Archive {
        Archive::open("qonnx.tar.gz")
    }

    fn open(name: &str) -> Archive {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../teff-onnx/tests/data").join(name);
        let mut bytes = Vec::new();
        GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
        let mut files: BTreeMap<String, Range<usize>> = BTreeMap::new();
        let text = |b: &[u8]| {
            let end = b.iter().position(|&c| c == 0).unwrap_or(b.len());
            String::from_utf8(b[..end].to_vec()).unwrap()
        };
        let mut at = 0;
        while bytes.get(at).is_some_and(|&b| b != 0) {
            let header = &bytes[at..at + 512];
            let (prefix, name) = (text(&header[345..500]), text(&header[..100]));
            let name = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            let size = usize::from_str_radix(text(&header[124..136]).trim(), 8).unwrap();
            let range = match header[156] {
                b'1' => files[&text(&header[157..257])].clone(),
                _ => at + 512..at + 512 + size,
            };
            files.insert(name, range);
            at += 512 + size.div_ceil(512) * 512;
        }
        Archive { bytes, files }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name).map(|r| &self.bytes[r.clone()])
    }

    /// The folders that hold a model.
    pub(crate) fn tests(&self) -> Vec<String> {
        self.files.keys().filter_map(|f| f.strip_suffix("/model.onnx")).map(String::from).collect()
    }
}
