//! UF2: blocks of 512 bytes with 256 bytes of payload (github.com/microsoft/uf2; datasheet 2.8.4.2).

use super::{Image, take, word};
use crate::error::Error;

pub(super) const MAGIC0: u32 = 0x0a32_4655;
const MAGIC1: u32 = 0x9e5d_5157;
const MAGIC_END: u32 = 0x0ab1_6f30;
const RP2040: u32 = 0xe48b_ff56;
const BLOCK: usize = 512;
const NOT_MAIN_FLASH: u32 = 1;
const FAMILY_PRESENT: u32 = 0x2000;

pub(super) fn parse(bytes: &[u8]) -> Result<Image, Error> {
    let mut segments: Vec<(u32, Vec<u8>)> = Vec::new();
    let (mut found, mut announced) = (0, 0);
    for block in 0..bytes.len().div_ceil(BLOCK) {
        let b = take(bytes, block * BLOCK, BLOCK, "a UF2 block")?;
        let bad = |what| Err(Error::BadUf2Block { block, what });
        if word(b, 0) != MAGIC0 || word(b, 4) != MAGIC1 {
            return bad("the magic numbers at its start are wrong");
        }
        if word(b, 508) != MAGIC_END {
            return bad("the magic number at its end is wrong");
        }
        let (flags, addr, len, family) = (word(b, 8), word(b, 12), word(b, 16) as usize, word(b, 28));
        if flags & NOT_MAIN_FLASH != 0 {
            continue;
        }
        if flags & FAMILY_PRESENT != 0 && family != RP2040 {
            return Err(Error::WrongFamily { block, family });
        }
        if len > 476 {
            return bad("its payload is longer than a block");
        }
        found += 1;
        announced = word(b, 24) as usize;
        match segments.last_mut() {
            Some((start, data)) if *start as usize + data.len() == addr as usize => {
                data.extend_from_slice(&b[32..32 + len]);
            }
            _ => segments.push((addr, b[32..32 + len].to_vec())),
        }
    }
    if found < announced {
        return Err(Error::MissingBlocks { found, announced });
    }
    Ok(Image { segments, ..Image::default() })
}
