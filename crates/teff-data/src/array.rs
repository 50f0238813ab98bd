//! An array of numbers, as files of NumPy and MNIST hold it.

use crate::error::{Error, Result, dimensions};
use crate::stream::Stream;

/// The type of an array's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Element {
    Bool,
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
}

/// Each with NumPy's code and bytes.
const ELEMENTS: [(Element, &str, usize); 11] = [
    (Element::Bool, "b1", 1),
    (Element::U8, "u1", 1),
    (Element::I8, "i1", 1),
    (Element::U16, "u2", 2),
    (Element::I16, "i2", 2),
    (Element::U32, "u4", 4),
    (Element::I32, "i4", 4),
    (Element::U64, "u8", 8),
    (Element::I64, "i8", 8),
    (Element::F32, "f4", 4),
    (Element::F64, "f8", 8),
];

impl Element {
    /// Bytes of one element.
    pub fn size(self) -> usize {
        ELEMENTS[self as usize].2
    }

    /// NumPy's code without the byte order: `f4` for floats of 32 bits.
    pub fn code(self) -> &'static str {
        ELEMENTS[self as usize].1
    }

    /// NumPy's name: `float32`.
    pub fn name(self) -> String {
        let kind = match &self.code()[..1] {
            "b" => return "bool".into(),
            "u" => "uint",
            "i" => "int",
            _ => "float",
        };
        format!("{kind}{}", 8 * self.size())
    }

    /// The type that NumPy calls so.
    pub(crate) fn of_code(code: &str) -> Option<Self> {
        ELEMENTS.iter().find(|(_, known, _)| *known == code).map(|(element, ..)| *element)
    }

    /// Whether it has numbers between the whole ones.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }
}

/// An array of numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Array {
    /// The type of its elements.
    pub element: Element,
    /// Its dimensions; none for a single number.
    pub shape: Vec<usize>,
    /// The elements in row-major order, little-endian.
    pub bytes: Vec<u8>,
}

/// How a file stores an array.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// The type, of floats of 16 bits that of their bits.
    pub(crate) element: Element,
    pub(crate) big_endian: bool,
    /// The first axis varies fastest.
    pub(crate) fortran: bool,
    /// Floats of 16 bits, which are read as floats of 32.
    pub(crate) half: bool,
}

impl Array {
    /// Reads what a header has promised, and checks that no more follows.
    pub(crate) fn read(mut stream: Stream, layout: Layout, shape: Vec<usize>) -> Result<Self> {
        let Layout { mut element, big_endian, fortran, half } = layout;
        let size = element.size();
        let Some(all) = shape.iter().try_fold(size as u64, |n, &d| n.checked_mul(d as u64)) else {
            let what =
                format!("its header promises {} elements, more than any file holds", dimensions(&shape));
            return Err(Error::damaged(stream.name(), what));
        };
        let mut bytes = stream.take(all)?;
        stream.finish()?;
        if big_endian {
            bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
        }
        if fortran && shape.iter().filter(|&&d| d != 1).count() > 1 {
            bytes = row_major(&bytes, &shape, size);
        }
        if half {
            let wide = |b: &[u8]| widened(u16::from_le_bytes([b[0], b[1]])).to_le_bytes();
            (element, bytes) = (Element::F32, bytes.chunks_exact(2).flat_map(wide).collect());
        }
        Ok(Self { element, shape, bytes })
    }

    /// The number of samples: the first dimension.
    pub fn rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(0)
    }

    /// The elements as floats, rounded where they must be; bools are 0 and 1.
    pub fn to_f32(&self) -> Vec<f32> {
        match (self.element, self.to_i64()) {
            // What is beyond the largest i64 is a float all the same.
            (Element::U64, _) => self.decode(|b| u64::from_le_bytes(b) as f32),
            (_, Some(whole)) => whole.into_iter().map(|n| n as f32).collect(),
            (Element::F64, None) => self.decode(|b| f64::from_le_bytes(b) as f32),
            (_, None) => self.decode(f32::from_le_bytes),
        }
    }

    /// The elements as whole numbers; none if they are floats. What is too large is the largest there is.
    pub fn to_i64(&self) -> Option<Vec<i64>> {
        Some(match self.element {
            Element::Bool | Element::U8 => self.decode(|b: [u8; 1]| i64::from(b[0])),
            Element::I8 => self.decode(|b| i64::from(i8::from_le_bytes(b))),
            Element::U16 => self.decode(|b| i64::from(u16::from_le_bytes(b))),
            Element::I16 => self.decode(|b| i64::from(i16::from_le_bytes(b))),
            Element::U32 => self.decode(|b| i64::from(u32::from_le_bytes(b))),
            Element::I32 => self.decode(|b| i64::from(i32::from_le_bytes(b))),
            Element::U64 => self.decode(|b| i64::try_from(u64::from_le_bytes(b)).unwrap_or(i64::MAX)),
            Element::I64 => self.decode(i64::from_le_bytes),
            Element::F32 | Element::F64 => return None,
        })
    }

    fn decode<T, const N: usize>(&self, from_le: fn([u8; N]) -> T) -> Vec<T> {
        let chunks = self.bytes.chunks_exact(N);
        chunks.map(|chunk| from_le(chunk.try_into().expect("as long as asked"))).collect()
    }
}

/// Elements that were stored with the first axis fastest, with the last axis fastest.
fn row_major(bytes: &[u8], shape: &[usize], size: usize) -> Vec<u8> {
    let mut strides = vec![size; shape.len()];
    (1..shape.len()).for_each(|k| strides[k] = strides[k - 1] * shape[k - 1]);
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = vec![0; shape.len()];
    for _ in 0..bytes.len() / size {
        let at: usize = index.iter().zip(&strides).map(|(i, stride)| i * stride).sum();
        out.extend_from_slice(&bytes[at..at + size]);
        for k in (0..shape.len()).rev() {
            index[k] += 1;
            if index[k] < shape[k] {
                break;
            }
            index[k] = 0;
        }
    }
    out
}

/// The number that a float of 16 bits is (IEEE 754 binary16).
pub(crate) fn widened(bits: u16) -> f32 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    let magnitude = match exponent {
        0 => fraction * 2f32.powi(-24),
        0x1f if fraction == 0.0 => f32::INFINITY,
        0x1f => f32::NAN,
        _ => (1024.0 + fraction) * 2f32.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}
