//! An array as a file holds it, and its way into samples and labels.

use crate::dataset::{Dataset, Samples};
use crate::error::{Error, Result, dimensions};
use crate::stream::Stream;

/// The most classes a label (a `u16`) can tell apart.
const MAX_CLASSES: usize = 1 << 16;

/// Below this many classes a label is believed however few samples there are.
const SURE_CLASSES: usize = 256;

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

impl Element {
    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Self::Bool | Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// The name NumPy gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::U8 => "uint8",
            Self::I8 => "int8",
            Self::U16 => "uint16",
            Self::I16 => "int16",
            Self::U32 => "uint32",
            Self::I32 => "int32",
            Self::U64 => "uint64",
            Self::I64 => "int64",
            Self::F32 => "float32",
            Self::F64 => "float64",
        }
    }
}

/// Elements in row-major order, with the name of the file for errors.
#[derive(Debug)]
pub(crate) struct Array {
    pub(crate) name: String,
    pub(crate) element: Element,
    pub(crate) big_endian: bool,
    pub(crate) shape: Vec<usize>,
    /// As in the file, `shape.product() * element.size()` of them.
    bytes: Vec<u8>,
}

impl Array {
    /// Reads what a header has promised, and checks that no more follows.
    pub(crate) fn read(
        mut stream: Stream,
        element: Element,
        big_endian: bool,
        shape: Vec<usize>,
    ) -> Result<Self> {
        let name = stream.name().to_owned();
        let size = shape.iter().try_fold(element.size() as u64, |n, &d| n.checked_mul(d as u64));
        let Some(size) = size else {
            let what =
                format!("its header promises {} elements, more than any file holds", dimensions(&shape));
            return Err(Error::damaged(&name, what));
        };
        let bytes = stream.take(size)?;
        stream.finish()?;
        Ok(Self { name, element, big_endian, shape, bytes })
    }

    /// The same numbers in a wider type, given the bits of each.
    pub(crate) fn widened<const N: usize>(self, element: Element, wide: fn(u16) -> [u8; N]) -> Self {
        let bytes = self.decode(u16::from_le_bytes).into_iter().flat_map(wide).collect();
        Self { element, big_endian: false, bytes, ..self }
    }

    /// The number of samples: the first dimension.
    pub(crate) fn count(&self) -> usize {
        self.shape.first().copied().unwrap_or(0)
    }

    /// The elements as they lie in memory of a little-endian machine.
    pub(crate) fn into_le_bytes(mut self) -> Vec<u8> {
        if self.big_endian {
            self.bytes.chunks_exact_mut(self.element.size()).for_each(<[u8]>::reverse);
        }
        self.bytes
    }

    /// The elements decoded one by one.
    fn decode<T, const N: usize>(&self, from_le: fn([u8; N]) -> T) -> Vec<T> {
        let decode_one = |chunk: &[u8]| {
            let mut bytes = [0; N];
            bytes.copy_from_slice(chunk);
            if self.big_endian {
                bytes.reverse();
            }
            from_le(bytes)
        };
        self.bytes.chunks_exact(N).map(decode_one).collect()
    }

    /// The samples and the shape of one: `[1, h, w]` from `n x h x w`, `[c, h, w]` from `n x c x h x w` or, when only
    /// the last dimension looks like channels (1, 3 or 4), from `n x h x w x c`.
    fn into_samples(self) -> Result<(Samples, Vec<usize>)> {
        let shape = self.shape.clone();
        let samples = match self.element {
            Element::U8 => Samples::U8(self.bytes),
            Element::F32 => Samples::F32(self.decode(f32::from_le_bytes)),
            Element::F64 => Samples::F32(self.decode(|b| f64::from_le_bytes(b) as f32)),
            Element::Bool
            | Element::I8
            | Element::U16
            | Element::I16
            | Element::U32
            | Element::I32
            | Element::U64
            | Element::I64 => {
                let what = format!("the element type {} for samples", self.element.name());
                let remedy = "store pixels of 0 to 255 as uint8, anything else as float32, so that the scale is certain";
                return Err(Error::unsupported(&self.name, what, remedy));
            }
        };
        let is_channels = |d: usize| matches!(d, 1 | 3 | 4);
        Ok(match shape[..] {
            [_, h, w] => (samples, vec![1, h, w]),
            [_, h, w, c] if is_channels(c) && !is_channels(h) => {
                let samples = match samples {
                    Samples::U8(v) => Samples::U8(channels_first(&v, h * w, c)),
                    Samples::F32(v) => Samples::F32(channels_first(&v, h * w, c)),
                };
                (samples, vec![c, h, w])
            }
            [_, ref sample @ ..] if !sample.is_empty() => (samples, sample.to_vec()),
            _ => {
                let what = format!("an array of shape ({}) as samples", dimensions(&shape));
                return Err(Error::unsupported(
                    &self.name,
                    what,
                    "make the first dimension count the samples",
                ));
            }
        })
    }

    /// The labels as whole numbers; the shape must be `n` or `n x 1`.
    fn label_values(&self) -> Result<Vec<i64>> {
        if !matches!(self.shape[..], [_] | [_, 1]) {
            let what = format!("an array of shape {} as labels", dimensions(&self.shape));
            let remedy = "store one class number per sample (for one-hot rows, y.argmax(axis=1))";
            return Err(Error::unsupported(&self.name, what, remedy));
        }
        Ok(match self.element {
            Element::U8 => self.decode(|b: [u8; 1]| i64::from(b[0])),
            Element::I8 => self.decode(|b| i64::from(i8::from_le_bytes(b))),
            Element::U16 => self.decode(|b| i64::from(u16::from_le_bytes(b))),
            Element::I16 => self.decode(|b| i64::from(i16::from_le_bytes(b))),
            Element::U32 => self.decode(|b| i64::from(u32::from_le_bytes(b))),
            Element::I32 => self.decode(|b| i64::from(i32::from_le_bytes(b))),
            // What does not fit is no class either way; only the number in the message is capped.
            Element::U64 => self.decode(|b| i64::try_from(u64::from_le_bytes(b)).unwrap_or(i64::MAX)),
            Element::I64 => self.decode(i64::from_le_bytes),
            Element::Bool | Element::F32 | Element::F64 => {
                let what = format!("the element type {} for labels", self.element.name());
                let remedy = "store class numbers as whole numbers, for instance y.astype(\"uint8\")";
                return Err(Error::unsupported(&self.name, what, remedy));
            }
        })
    }
}

/// Pixel-interleaved images of `pixels` pixels and `c` channels, turned into planes.
fn channels_first<T: Copy>(values: &[T], pixels: usize, c: usize) -> Vec<T> {
    let mut planes = Vec::with_capacity(values.len());
    for image in values.chunks_exact((pixels * c).max(1)) {
        for channel in 0..c {
            planes.extend(image[channel..].iter().step_by(c));
        }
    }
    planes
}

/// Which labels are legal.
#[derive(Clone, Debug)]
pub(crate) enum Classes {
    /// Those with these names.
    Named(Vec<String>),
    /// 0 to the largest label found, named by their numbers.
    Found,
}

/// Joins an array of samples and one of labels.
pub(crate) fn pair(images: Array, labels: &Array, classes: Classes) -> Result<Dataset> {
    if images.count() != labels.count() {
        return Err(Error::Counts {
            image_count: images.count(),
            images: images.name,
            labels: labels.name.clone(),
            label_count: labels.count(),
        });
    }
    if images.count() == 0 {
        return Err(Error::unusable(&images.name, "holds no samples; a data set needs at least one"));
    }
    let values = labels.label_values()?;
    let names = match classes {
        Classes::Named(names) => names,
        Classes::Found => {
            let largest = values.iter().copied().max().unwrap_or(0);
            if largest >= values.len().max(SURE_CLASSES) as i64 {
                let what = format!(
                    "label {largest} would make more classes than there are samples ({}); \
                     number the classes from 0 without gaps",
                    values.len()
                );
                return Err(Error::unusable(&labels.name, what));
            }
            (0..=largest.clamp(0, MAX_CLASSES as i64 - 1)).map(|class| class.to_string()).collect()
        }
    };
    let mut numbers = Vec::with_capacity(values.len());
    for (index, &label) in values.iter().enumerate() {
        match u16::try_from(label) {
            Ok(number) if usize::from(number) < names.len() => numbers.push(number),
            _ => {
                let file = labels.name.clone();
                return Err(Error::Label { file, index, label, classes: names.len() });
            }
        }
    }
    let name = images.name.clone();
    let (samples, shape) = images.into_samples()?;
    Dataset::new(samples, shape, numbers, names).map_err(|e| in_file(e, &name))
}

/// Puts the file's name in the place of "data set".
fn in_file(error: Error, name: &str) -> Error {
    match error {
        Error::Unusable { what, .. } => Error::Unusable { file: name.to_owned(), what },
        other => other,
    }
}
