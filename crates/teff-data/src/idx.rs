//! IDX, the format of MNIST: two zero bytes, the element type, the number of dimensions, each dimension as a
//! big-endian `u32`, then the elements, big-endian and row-major. Plain or gzipped.
//!
//! Format: yann.lecun.com/exdb/mnist, "THE IDX FILE FORMAT".

use std::path::Path;

use crate::array::{Array, Element, Layout};
use crate::error::{Error, Result};
use crate::stream::Stream;

/// Four dimensions are a batch of colour images; a few more do no harm, 255 would.
const MAX_DIMENSIONS: u8 = 8;

/// Reads a file of any IDX type.
pub(crate) fn read(path: &Path) -> Result<Array> {
    let mut stream = Stream::open(path)?;
    let name = stream.name().to_owned();
    let [zero_0, zero_1, code, dimensions] = stream.array()?;
    if zero_0 != 0 || zero_1 != 0 {
        let what = format!(
            "not an IDX file: it begins with {zero_0:02x} {zero_1:02x} {code:02x} {dimensions:02x}, \
             where IDX has 00 00, a type and a number of dimensions"
        );
        return Err(Error::wrong_format(&name, what));
    }
    let element = match code {
        0x08 => Element::U8,
        0x09 => Element::I8,
        0x0b => Element::I16,
        0x0c => Element::I32,
        0x0d => Element::F32,
        0x0e => Element::F64,
        _ => return Err(Error::wrong_format(&name, format!("not an IDX file: it has no type {code:#04x}"))),
    };
    if dimensions == 0 || dimensions > MAX_DIMENSIONS {
        let what = format!(
            "not an IDX file of samples: it has {dimensions} dimensions, expected 1 to {MAX_DIMENSIONS}"
        );
        return Err(Error::wrong_format(&name, what));
    }
    let mut shape = Vec::new();
    for _ in 0..dimensions {
        shape.push(u32::from_be_bytes(stream.array()?) as usize);
    }
    Array::read(stream, Layout { element, big_endian: true, fortran: false, half: false }, shape)
}
