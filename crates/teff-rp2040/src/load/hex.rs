//! Intel HEX (Hexadecimal Object File Format Specification, revision A).

use super::{Image, append, take};
use crate::error::Error;

pub(super) fn parse(bytes: &[u8]) -> Result<Image, Error> {
    let mut segments: Vec<(u32, Vec<u8>)> = Vec::new();
    let (mut base, mut entry, mut ended) = (0u32, None, false);
    for (i, raw) in bytes.split(|&b| b == b'\n').enumerate() {
        let line = i + 1;
        let bad = |what: &str| Error::BadFile(format!("Intel HEX line {line}: {what}"));
        let text = raw.trim_ascii();
        if text.is_empty() || ended {
            continue;
        }
        let record = text
            .strip_prefix(b":")
            .and_then(bytes_of)
            .ok_or_else(|| bad("not a colon and pairs of hexadecimal digits"))?;
        let [len, high, low, kind, data @ .., _sum] = &record[..] else {
            return Err(bad("shorter than a record"));
        };
        if usize::from(*len) != data.len() {
            return Err(bad("its length does not match its data"));
        }
        if record.iter().fold(0u8, |sum, &b| sum.wrapping_add(b)) != 0 {
            return Err(bad("its checksum is wrong"));
        }
        let value = data.iter().fold(0u32, |v, &b| v << 8 | u32::from(b));
        match kind {
            0 => {
                let addr = base.wrapping_add(u32::from(*high) << 8 | u32::from(*low));
                append(&mut segments, addr, data);
            }
            1 => ended = true,
            2 => base = value << 4,
            3 => {} // start segment address: not for this processor
            4 => base = value << 16,
            5 => entry = Some(value),
            _ => return Err(bad("unknown record type")),
        }
    }
    if !ended {
        take(bytes, bytes.len(), 11, "the HEX file (no end record)")?;
    }
    Ok(Image { segments, entry, ..Image::default() })
}

/// The bytes that pairs of hexadecimal digits stand for.
pub(crate) fn bytes_of(digits: &[u8]) -> Option<Vec<u8>> {
    let nibble = |b: u8| (b as char).to_digit(16).map(|d| d as u8);
    digits
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(nibble(*high)? << 4 | nibble(*low)?),
            _ => None,
        })
        .collect()
}
