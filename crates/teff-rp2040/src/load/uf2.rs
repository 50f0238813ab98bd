//! UF2: blocks of 512 bytes, a page of flash in each (github.com/microsoft/uf2; RP2040 datasheet 2.8.4.2).

use super::{Image, append, take, word};
use crate::error::Error;
use std::collections::BTreeMap;

/// Bytes of a block.
pub const BLOCK: usize = 512;
/// Bytes of a block that are written to flash: a page, which the boot loader programs at once.
pub const PAYLOAD: usize = 256;
/// The family of the RP2040.
pub const RP2040: u32 = 0xe48b_ff56;

const MAGIC: [u32; 2] = [0x0a32_4655, 0x9e5d_5157];
const MAGIC_END: u32 = 0x0ab1_6f30;
const NOT_MAIN_FLASH: u32 = 1;
const FAMILY_PRESENT: u32 = 0x2000;

/// Whether a file begins as UF2 does.
pub fn is_uf2(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC[0].to_le_bytes())
}

pub(super) fn parse(bytes: &[u8]) -> Result<Image, Error> {
    let mut segments: Vec<(u32, Vec<u8>)> = Vec::new();
    let (mut found, mut announced) = (0, 0);
    for block in 0..bytes.len().div_ceil(BLOCK) {
        let b = take(bytes, block * BLOCK, BLOCK, "a UF2 block")?;
        let bad = |what: &str| Err(Error::BadFile(format!("UF2 block {block}: {what}")));
        if [word(b, 0), word(b, 4)] != MAGIC {
            return bad("the magic numbers at its start are wrong");
        }
        if word(b, 508) != MAGIC_END {
            return bad("the magic number at its end is wrong");
        }
        let (flags, addr, len) = (word(b, 8), word(b, 12), word(b, 16) as usize);
        if flags & NOT_MAIN_FLASH != 0 {
            continue;
        }
        // The boot loader passes over blocks that name no family, or another.
        let family = if flags & FAMILY_PRESENT != 0 { word(b, 28) } else { 0 };
        if family != RP2040 {
            return Err(Error::WrongFamily { block, family });
        }
        if len > 476 {
            return bad("its payload is longer than a block");
        }
        found += 1;
        announced = word(b, 24) as usize;
        append(&mut segments, addr, &b[32..32 + len]);
    }
    if found < announced {
        let what = format!("UF2 file announces {announced} blocks but holds {found}: copy it again");
        return Err(Error::BadFile(what));
    }
    Ok(Image { segments, ..Image::default() })
}

/// The UF2 file of `segments`, addresses in flash and bytes. Pages that any of them touches are written whole, zeros where there is
/// nothing: the boot loader takes blocks of whole aligned pages alone.
pub fn write(segments: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut pages: BTreeMap<u32, [u8; PAYLOAD]> = BTreeMap::new();
    for (start, bytes) in segments {
        for (i, byte) in bytes.iter().enumerate() {
            let at = start + i as u32;
            let offset = at as usize % PAYLOAD;
            pages.entry(at - offset as u32).or_insert([0; PAYLOAD])[offset] = *byte;
        }
    }
    let total = pages.len() as u32;
    let mut out = Vec::with_capacity(pages.len() * BLOCK);
    for (number, (page, bytes)) in (0..).zip(pages) {
        let header = [MAGIC[0], MAGIC[1], FAMILY_PRESENT, page, PAYLOAD as u32, number, total, RP2040];
        header.iter().for_each(|word| out.extend(word.to_le_bytes()));
        out.extend(bytes);
        out.resize(out.len() + BLOCK - 32 - PAYLOAD - 4, 0);
        out.extend(MAGIC_END.to_le_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let (boot, code) = (vec![1u8; 256], (0..700u32).map(|i| i as u8).collect::<Vec<_>>());
        // Two segments that share a page, and one far away.
        let segments = [
            (0x1000_0000, boot.clone()),
            (0x1000_0100, code.clone()),
            (0x1000_0100 + 704, vec![7; 8]),
            (0x1010_0004, vec![9]),
        ];
        let file = write(&segments);
        assert_eq!(file.len(), 5 * BLOCK);
        let image = Image::parse(&file).unwrap();
        let mut first = [&boot[..], &code, &[0; 4], &[7; 8]].concat();
        first.resize(4 * 256, 0);
        let mut far = vec![0; 256];
        far[4] = 9;
        assert_eq!(image.segments, [(0x1000_0000, first), (0x1010_0000, far)]);
    }

    #[test]
    fn blocks_that_are_missing_damaged_or_for_another_chip_are_named() {
        let file = write(&[(0x1000_0000, vec![1; 600])]);
        let message = |image: Result<Image, Error>| image.unwrap_err().to_string();
        assert!(message(parse(&file[..1024])).contains("announces 3 blocks but holds 2"));
        assert!(message(parse(&file[..1000])).contains("ends inside a UF2 block at offset 0x200"));
        let with = |at: usize, word: u32| {
            let mut file = file.clone();
            file[at..at + 4].copy_from_slice(&word.to_le_bytes());
            parse(&file)
        };
        assert_eq!(with(512 + 28, 0xe48b_ff59), Err(Error::WrongFamily { block: 1, family: 0xe48b_ff59 }));
        assert_eq!(with(512 + 8, 0), Err(Error::WrongFamily { block: 1, family: 0 }));
        assert!(message(with(1024 + 508, 0)).contains("UF2 block 2: the magic number at its end"));
        assert!(message(with(512 + 4, 0)).contains("UF2 block 1: the magic numbers at its start"));
    }
}
