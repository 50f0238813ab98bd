//! Pictures in files.

use super::Rule;
use crate::dtype::{DType, Type};
use crate::value::Value;
use teff_picture::{Picture, memory};

/// No picture has more pixels on a side: decoding takes a dozen bytes of memory for each.
const LONGEST: usize = 1 << 12;

pub(super) fn rule(picture: &Picture, operands: &[Type]) -> Rule {
    let (height, width) = (picture.height, picture.width);
    let file = &operands[0];
    if file.dtype != DType::U8 || file.rank() != 1 {
        return Err(format!("the file must be u8 with one axis, not {file}"));
    }
    if height == 0 || width == 0 || height > LONGEST || width > LONGEST {
        return Err(format!("a picture of {height} by {width}; a side has 1 to {LONGEST} pixels"));
    }
    Ok(Type::new(DType::U8, [height, width, picture.colours.channels()]))
}

pub(super) fn decode(picture: &Picture, file: &Value) -> Value {
    let file: Vec<u8> = (0..file.len()).map(|i| file.get(i).as_int() as u8).collect();
    let (words, bytes) = memory(picture);
    let (mut pixels, mut words, mut bytes) = (vec![0; picture.len()], vec![0; words], vec![0; bytes]);
    teff_picture::decode(&file, picture, &mut pixels, &mut words, &mut bytes);
    Value::new([picture.height, picture.width, picture.colours.channels()], pixels)
}
