//! NPY, one array of NumPy: versions 1 to 3, numbers of either byte order, in C or Fortran order. Floats of 16 bits are read as floats of 32.
//!
//! Format: numpy.org/doc/stable/reference/generated/numpy.lib.format.html. The header is a Python dictionary literal
//! with the keys `descr`, `fortran_order` and `shape`.

use crate::array::{Array, Element, Layout};
use crate::error::{Error, Result};
use crate::stream::Stream;
use crate::zip::Archive;
use std::path::Path;

impl Array {
    /// Reads a `.npy` file.
    ///
    /// # Errors
    /// The file cannot be read, is damaged, or holds something else than numbers.
    pub fn open(path: impl AsRef<Path>) -> Result<Array> {
        read(Stream::open(path.as_ref())?)
    }

    /// Reads all arrays of a `.npz` file, with their names.
    ///
    /// # Errors
    /// As [`Array::open`].
    pub fn open_all(path: impl AsRef<Path>) -> Result<Vec<(String, Array)>> {
        let archive = Archive::open(path.as_ref())?;
        let mut all = Vec::new();
        for entry in archive.entries.iter().filter(|entry| entry.name.ends_with(".npy")) {
            all.push((entry.name.trim_end_matches(".npy").to_string(), read(archive.member(entry)?)?));
        }
        Ok(all)
    }

    /// The contents of a `.npy` file, version 1.
    pub fn to_npy(&self) -> Vec<u8> {
        let order = if self.element.size() == 1 { '|' } else { '<' };
        let shape: String = self.shape.iter().map(|n| format!("{n}, ")).collect();
        let mut header = format!(
            "{{'descr': '{order}{}', 'fortran_order': False, 'shape': ({}), }}",
            self.element.code(),
            shape.trim_end()
        );
        // The elements begin at a multiple of 64; the header ends with a line feed.
        let fill = (64 - (11 + header.len()) % 64) % 64;
        header.extend(std::iter::repeat_n(' ', fill));
        header.push('\n');
        let mut out = b"\x93NUMPY\x01\x00".to_vec();
        out.extend((header.len() as u16).to_le_bytes());
        out.extend(header.as_bytes());
        out.extend(&self.bytes);
        out
    }
}

/// Reads one array.
fn read(mut stream: Stream) -> Result<Array> {
    let name = stream.name().to_owned();
    let magic: [u8; 8] = stream.array()?;
    if !magic.starts_with(b"\x93NUMPY") {
        return Err(Error::wrong_format(&name, "not a NumPy array: it does not begin with \\x93NUMPY"));
    }
    let len = match magic[6] {
        1 => u32::from(u16::from_le_bytes(stream.array()?)),
        2 | 3 => u32::from_le_bytes(stream.array()?),
        version => {
            let what = format!("version {version} of the NPY format");
            let remedy = "save it with a NumPy that writes version 1, 2 or 3";
            return Err(Error::unsupported(&name, what, remedy));
        }
    };
    let header = stream.take(u64::from(len))?;
    let header = String::from_utf8_lossy(&header);
    let fortran = match value(&header, "fortran_order") {
        Some(v) if v.starts_with("False") => false,
        Some(v) if v.starts_with("True") => true,
        _ => return Err(Error::damaged(&name, "its header does not say fortran_order")),
    };
    let layout = Layout { fortran, ..layout(&name, &header)? };
    let Some(shape) = value(&header, "shape").and_then(tuple) else {
        return Err(Error::damaged(&name, "its header does not give a shape"));
    };
    Array::read(stream, layout, shape)
}

/// What follows `'key':` in the header.
fn value<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let quoted = [format!("'{key}'"), format!("\"{key}\"")];
    let after = quoted.iter().find_map(|q| header.find(q.as_str()).map(|at| &header[at + q.len()..]))?;
    Some(after.trim_start().strip_prefix(':')?.trim_start())
}

/// The whole numbers of a Python tuple: `(60000, 28, 28)`, `(5,)`, `()`.
fn tuple(text: &str) -> Option<Vec<usize>> {
    let inside = text.strip_prefix('(')?;
    let inside = &inside[..inside.find(')')?];
    let parts = inside.split(',').map(str::trim);
    parts.filter(|p| !p.is_empty()).map(|p| p.trim_end_matches('L').parse().ok()).collect()
}

/// How `descr` says that elements are stored.
fn layout(name: &str, header: &str) -> Result<Layout> {
    let Some(text) = value(header, "descr") else {
        return Err(Error::damaged(name, "its header does not give a descr"));
    };
    let Some(quote @ ('\'' | '"')) = text.chars().next() else {
        return Err(Error::unsupported(name, "a record array", "save each field as an array of numbers"));
    };
    let descr = text[1..].split(quote).next().unwrap_or("");
    let (order, code) = descr.split_at_checked(1).unwrap_or(("", ""));
    let half = code == "f2";
    let Some(element) = (if half { Some(Element::U16) } else { Element::of_code(code) }) else {
        // What NumPy writes of a type that it does not know itself.
        let (may, remedy) = match code {
            "V2" => (", which may be bfloat16", "save array.astype(\"float32\") instead"),
            _ => ("", "store samples as uint8 or float32, and labels as whole numbers"),
        };
        return Err(Error::unsupported(name, format!("the element type '{descr}'{may}"), remedy));
    };
    match order {
        "<" | "|" | "=" | ">" => Ok(Layout { element, big_endian: order == ">", fortran: false, half }),
        _ => Err(Error::damaged(name, format!("its header gives the byte order of '{descr}' as '{order}'"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_come_back() {
        let path = std::env::temp_dir().join(format!("teff-npy-{}.npy", std::process::id()));
        let shapes: [(Element, &[usize]); 4] =
            [(Element::F32, &[2, 3]), (Element::I64, &[5]), (Element::Bool, &[]), (Element::U8, &[1, 0, 4])];
        for (element, shape) in shapes {
            let n = shape.iter().product::<usize>() * element.size();
            let array = Array { element, shape: shape.to_vec(), bytes: (0..n as u8).collect() };
            let bytes = array.to_npy();
            assert_eq!((bytes.len() - n) % 64, 0);
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(Array::open(&path).unwrap(), array);
        }
        std::fs::remove_file(path).unwrap();
    }

    /// The file that NumPy would save of floats of 16 bits.
    fn of_halves(descr: &str, bytes: &[u8]) -> Result<Array> {
        let path = std::env::temp_dir().join(format!("teff-npy-{descr}-{}.npy", std::process::id()));
        let header =
            format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({},), }}\n", bytes.len() / 2);
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((header.len() as u16).to_le_bytes());
        file.extend(header.as_bytes());
        file.extend(bytes);
        std::fs::write(&path, file).unwrap();
        let read = Array::open(&path);
        std::fs::remove_file(path).unwrap();
        read
    }

    /// Examples of en.wikipedia.org/wiki/Half-precision_floating-point_format.
    #[test]
    fn floats_of_16_bits_become_floats_of_32() {
        let known = [
            (0x0001, 5.960464477539063e-8),
            (0x03ff, 6.097555160522461e-5),
            (0x0400, 6.103515625e-5),
            (0x3555, 0.333251953125),
            (0x3bff, 0.99951171875),
            (0x3c00, 1.0),
            (0x3c01, 1.0009765625),
            (0x7bff, 65504.0),
            (0x7c00, f64::INFINITY),
            (0x8000, -0.0),
            (0xc000, -2.0),
            (0xfc00, f64::NEG_INFINITY),
        ];
        for (descr, to_bytes) in [("<f2", u16::to_le_bytes as fn(u16) -> [u8; 2]), (">f2", u16::to_be_bytes)]
        {
            let bytes: Vec<u8> = known.iter().flat_map(|&(bits, _)| to_bytes(bits)).collect();
            let array = of_halves(descr, &bytes).unwrap();
            assert_eq!((array.element, &array.shape[..]), (Element::F32, &[known.len()][..]));
            let want: Vec<u8> = known.iter().flat_map(|&(_, x)| (x as f32).to_le_bytes()).collect();
            assert_eq!(array.bytes, want);
        }
        assert!(crate::array::widened(0x7e00).is_nan());
        let e = of_halves("<V2", &[0, 0]).unwrap_err().to_string();
        assert!(e.contains("bfloat16") && e.contains("astype(\"float32\")"), "{e}");
    }

    #[test]
    fn tuples_of_python_are_read() {
        assert_eq!(tuple("(60000, 28, 28), }"), Some(vec![60000, 28, 28]));
        assert_eq!(tuple("(5,), }"), Some(vec![5]));
        assert_eq!(tuple("(), }"), Some(vec![]));
        assert_eq!(tuple("(-1,)"), None);
        assert_eq!(tuple("(3, 4"), None);
    }
}
